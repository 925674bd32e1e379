"""What a labeler has done today, as the scripts of the labeling screen are told it."""

import html
import json
import re

from tests.web.inhabited import API, OTHER, inhabit, rank


async def today(client):
    shown = await client.get("/projects/demo/label")
    context = re.search(r"data-context='([^']*)'", shown.text)[1]
    return json.loads(html.unescape(context))["today"]


async def test_the_day_counts_all_rankings_in_all_projects(app, admin, labeler):
    email = "labeler@example.org"
    await inhabit(app, admin, labeler, email=email)
    await admin.put(f"{API}/projects/{OTHER}/members/{email}", json={"role": "labeler"})
    await labeler.post("/projects/demo/guidelines/read", data={"version": "1"})
    before = await today(labeler)

    task = (await labeler.post(f"{API}/projects/demo/tasks/next")).json()
    await rank(labeler, task, active_ms=90_000)
    await rank(labeler, task, active_ms=30_000, revises=1)
    elsewhere = (await labeler.post(f"{API}/projects/{OTHER}/tasks/next")).json()
    await rank(labeler, elsewhere, active_ms=60_000)

    assert before == {"tasks": 1, "activeMs": 0}
    assert await today(labeler) == {"tasks": 3, "activeMs": 180_000}
