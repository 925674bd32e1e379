"""What a labeler has done today, as the scripts of the labeling screen are told it."""

import html
import json
import re

from tests.web.inhabited import API, inhabit, rank


async def today(client):
    shown = await client.get("/projects/demo/label")
    context = re.search(r"data-context='([^']*)'", shown.text)[1]
    return json.loads(html.unescape(context))["today"]


async def test_active_time_of_today_is_summed_over_all_rankings_of_the_project(app, admin, labeler):
    await inhabit(app, admin, labeler, email="labeler@example.org")
    await labeler.post("/projects/demo/guidelines/read", data={"version": "1"})
    before = await today(labeler)

    task = (await labeler.post(f"{API}/projects/demo/tasks/next")).json()
    await rank(labeler, task, active_ms=90_000)
    await rank(labeler, task, active_ms=30_000, revises=1)

    assert before == {"tasks": 1, "activeMs": 0}
    assert await today(labeler) == {"tasks": 2, "activeMs": 120_000}
