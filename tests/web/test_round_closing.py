"""Closing a round and opening it again: what becomes of its tasks, done and held."""

import asyncio
import json

import pytest
from sqlalchemy import text

from app.accounts.viewer import Viewer
from app.db import transaction
from app.invariants import violations
from app.projects.queries import project_for
from app.rounds.closing import close_round
from app.rounds.storage import NewResponse, add_responses, add_slates, finish_slates, new_round
from tests.web.inhabited import inhabit, rank

ROUND = "/api/v1/projects/demo/rounds/1"
NEXT = "/api/v1/projects/demo/tasks/next"
STATES = text(
    "select t.status, count(*) from tasks t join slates s on s.id = t.slate_id "
    "join rounds r on r.id = s.round_id join projects p on p.id = t.project_id "
    "where p.slug = 'demo' group by t.status"
)
ADMIN = Viewer(0, "", "", "admin")


@pytest.fixture
async def held(app, admin, labeler):
    """Round 1 of demo: one task done, one held by the labeler, one open."""
    return await inhabit(app, admin, labeler, email="labeler@example.org")


async def states(app) -> dict[str, int]:
    async with transaction(app.state.engine) as tx:
        return {row[0]: row[1] for row in await tx.execute(STATES)}


async def test_a_closed_round_offers_nothing_and_keeps_its_rankings(app, admin, labeler, held):
    closed = await admin.post(f"{ROUND}/close")

    assert closed.status_code == 200
    assert closed.json()["closed_at"] is not None
    assert closed.json()["tasks"] == {"open": 0, "leased": 0, "done": 1}
    assert await states(app) == {"done": 1, "void": 2}
    assert (await labeler.post(NEXT)).status_code == 204
    assert len((await admin.get("/api/v1/projects/demo/rankings")).text.splitlines()) == 1
    assert await violations(app.state.engine) == {}


async def test_who_held_a_task_of_a_closed_round_cannot_submit_it(app, admin, labeler, held):
    task = (await labeler.post(NEXT)).json()
    await admin.post(f"{ROUND}/close")

    late = await rank(labeler, task)

    assert (late.status_code, late.json()["code"]) == (409, "withdrawn")
    assert await states(app) == {"done": 1, "void": 2}


async def test_a_round_that_is_opened_again_offers_what_it_did(app, admin, labeler, held):
    first = (await admin.post(f"{ROUND}/close")).json()["closed_at"]
    again = (await admin.post(f"{ROUND}/close")).json()["closed_at"]

    reopened = await admin.post(f"{ROUND}/reopen")

    assert again == first
    assert reopened.json()["closed_at"] is None
    assert await states(app) == {"done": 1, "open": 2}
    for _ in range(2):
        assert (await rank(labeler, (await labeler.post(NEXT)).json())).status_code == 201
    assert await states(app) == {"done": 3}
    assert await violations(app.state.engine) == {}


async def test_places_that_were_skipped_or_void_twice_are_opened_once(app, admin, labeler, held):
    task = (await labeler.post(NEXT)).json()
    skip = {"lease_token": task["lease_token"], "reason": "language"}
    assert (await labeler.post(f"/api/v1/tasks/{task['id']}/skip", json=skip)).status_code == 200
    async with transaction(app.state.engine) as tx:
        await tx.execute(
            text("insert into tasks (project_id, slate_id, place, status) "
                 "select project_id, slate_id, place, 'void' from tasks where status = 'open'")
        )  # fmt: skip
    await admin.post(f"{ROUND}/close")

    await admin.post(f"{ROUND}/reopen")

    assert await states(app) == {"done": 1, "skipped": 1, "open": 2, "void": 2}
    assert await violations(app.state.engine) == {}


async def test_samples_for_a_closed_round_open_no_tasks_until_it_is_opened_again(
    app, admin, project
):
    slate_id = await _pending_slate(app)
    await admin.post(f"{ROUND}/close")

    async with transaction(app.state.engine) as tx:
        await _finish(tx, slate_id)

    assert await states(app) == {"void": 1}
    await admin.post(f"{ROUND}/reopen")
    assert await states(app) == {"open": 1}


async def test_samples_that_arrive_while_a_round_is_being_closed_open_no_tasks(app, admin, project):
    slate_id = await _pending_slate(app)

    async with transaction(app.state.engine) as closing:
        await close_round(closing, await project_for(closing, ADMIN, "demo"), 1)
        async with transaction(app.state.engine) as sampling:
            finishing = asyncio.create_task(_finish(sampling, slate_id))
            await asyncio.sleep(0.3)
            assert not finishing.done()
            await closing.commit()
            await finishing

    assert await states(app) == {"void": 1}
    assert await violations(app.state.engine) == {}


async def test_a_skip_under_way_leaves_no_open_task_in_a_closed_round(app, admin, labeler, held):
    async with transaction(app.state.engine) as skipping:
        await skipping.execute(
            text("update tasks set status = 'skipped', lease_token = null, lease_expires_at = null "
                 "where status = 'leased'")
        )  # fmt: skip
        await skipping.execute(
            text("insert into tasks (project_id, slate_id, place) "
                 "select project_id, slate_id, place from tasks where status = 'skipped'")
        )  # fmt: skip
        closing = asyncio.create_task(admin.post(f"{ROUND}/close"))
        await asyncio.sleep(0.3)
        assert not closing.done()
        await skipping.commit()
    assert (await closing).status_code == 200

    assert await states(app) == {"done": 1, "skipped": 1, "void": 2}


async def test_the_pages_close_a_round_and_say_so(app, admin_browser, held):
    shown = (await admin_browser.get("/projects/demo/rounds/1")).text
    assert 'data-confirm="Close round 1?' in shown

    closed = await admin_browser.post("/projects/demo/rounds/1/close", follow_redirects=True)
    listed = await admin_browser.get("/projects/demo/rounds")

    assert "Reopen round" in closed.text
    assert ">closed<" in listed.text
    reopened = await admin_browser.post("/projects/demo/rounds/1/reopen")
    assert reopened.headers["location"] == "/projects/demo/rounds/1"
    assert await states(app) == {"done": 1, "open": 2}


@pytest.mark.parametrize("action", ["close", "reopen"])
async def test_a_round_that_is_not_there_is_404(admin, admin_browser, project, action):
    for client, path in ((admin, ROUND), (admin_browser, "/projects/demo/rounds/1")):
        assert (await client.post(f"{path}/{action}")).status_code == 404


async def _pending_slate(app) -> int:
    async with transaction(app.state.engine) as tx:
        project = await project_for(tx, ADMIN, "demo")
        prompt_id = await tx.scalar(
            text("insert into prompts (project_id, external_id, messages, content_hash, group_key,"
                 " split) values (:id, 'p', cast(:messages as jsonb), 'x', 'g', 'train')"
                 " returning id"),
            {"id": project.id, "messages": json.dumps([{"role": "user", "content": "Why?"}])},
        )  # fmt: skip
        made = await new_round(tx, project, source="sampled", responses_per_prompt=4)
        slates = await add_slates(tx, made.id, [prompt_id])
        return slates[prompt_id]


async def _finish(tx, slate_id: int) -> None:
    project = await project_for(tx, ADMIN, "demo")
    await add_responses(
        tx, [NewResponse(slate_id, at, f"Answer {at}", None, None) for at in range(2)]
    )
    await finish_slates(tx, project.id, {slate_id: "ready"})
