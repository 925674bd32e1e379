"""What admins decide about one slate, over REST."""

import pytest
from sqlalchemy import text

from app.db import transaction
from app.invariants import violations
from tests.slates import make_slates
from tests.web.inhabited import inhabit, rank

NEXT = "/api/v1/projects/demo/tasks/next"


@pytest.fixture
async def here(app, admin, labeler):
    return await inhabit(app, admin, labeler, email="labeler@example.org")


@pytest.fixture
def slates(here):
    return f"/api/v1/projects/demo/slates/{here.ids['slate_id']}"


@pytest.fixture
async def responses(app, here):
    async with transaction(app.state.engine) as tx:
        found = await tx.scalars(
            text("select id from responses where slate_id = :slate order by position"),
            {"slate": here.ids["slate_id"]},
        )
        return found.all()


async def stored(app, query="select * from gold"):
    async with transaction(app.state.engine) as tx:
        return [dict(row) for row in (await tx.execute(text(query))).mappings()]


def answer(responses, *ranks, explanation="The first names its source."):
    return {
        "responses": [
            {"id": id_, "rank": rank} for id_, rank in zip(responses, ranks, strict=False)
        ],
        "explanation": explanation,
    }


async def test_a_known_answer_is_stored_as_far_as_it_goes(app, admin, slates, responses):
    a, b, c, d = responses

    made = await admin.post(f"{slates}/gold", json=answer(responses, 3, 7, None))

    assert made.status_code == 200, made.text
    assert made.json()["responses"] == [
        {"id": a, "rank": 1}, {"id": b, "rank": 2},
        {"id": c, "rank": None}, {"id": d, "rank": None},
    ]  # fmt: skip
    [gold] = await stored(app)
    assert gold["ranks"] == {str(a): 1, str(b): 2, str(c): None, str(d): None}
    assert gold["explanation"] == "The first names its source."
    assert gold["retired_at"] is None


async def test_a_known_answer_is_corrected_retired_and_taken_up_again(
    app, admin, slates, responses
):
    await admin.post(f"{slates}/gold", json=answer(responses, 1, 2))

    for _ in range(2):
        retired = await admin.post(f"{slates}/gold/retire")
        assert retired.json() == {"slate": int(slates.split("/")[-1]), "retired": True}
    [gold] = await stored(app)
    assert gold["retired_at"] is not None
    await admin.post(f"{slates}/gold", json=answer(responses, 2, 1))

    [gold] = await stored(app)
    assert gold["retired_at"] is None
    assert gold["ranks"][str(responses[0])] == 2


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (lambda ids: answer(ids, 1, 1), "gold_says_nothing"),
        (lambda ids: answer(ids, 1, None), "gold_says_nothing"),
        (lambda ids: answer([ids[0], 10**6], 1, 2), "unknown_response"),
        (lambda ids: answer([ids[0], ids[0]], 1, 2), "invalid"),
        (lambda ids: answer(ids, 0, 1), "invalid"),
        (lambda ids: answer(ids, 1, 10), "invalid"),
        (lambda ids: answer(ids, True, 2), "invalid"),
        (lambda ids: answer(ids, 1), "invalid"),
        (lambda ids: {**answer(ids, 1, 2), "more": 1}, "invalid"),
        (lambda ids: answer(ids, 1, 2, explanation="\x00"), "invalid"),
    ],
)
async def test_an_answer_that_makes_no_sense_is_refused(
    app, admin, slates, responses, change, code
):
    refused = await admin.post(f"{slates}/gold", json=change(responses))

    assert (refused.status_code, refused.json()["code"]) == (422, code)
    assert await stored(app) == []


async def test_a_slate_becomes_an_anchor_and_is_none_again(app, admin, slates):
    for is_anchor in (True, True, False):
        set_ = await admin.post(f"{slates}/anchor", json={"is_anchor": is_anchor})
        assert (set_.status_code, set_.json()["is_anchor"]) == (200, is_anchor)
        anchors = await stored(app, "select id from slates where is_anchor")
        assert bool(anchors) is is_anchor


async def test_one_more_label_is_asked_for(app, admin, sign_up, slates):
    alone = await admin.post(f"{slates}/another-label")
    assert (alone.status_code, alone.json()["code"]) == (409, "nobody_to_ask")
    await sign_up("second@example.org", "labeler")
    await admin.put("/api/v1/projects/demo/members/second@example.org", json={"role": "labeler"})

    asked = await admin.post(f"{slates}/another-label")

    assert asked.status_code == 200, asked.text
    [opened] = await stored(app, "select * from tasks where purpose = 'escalation'")
    assert (opened["status"], opened["place"]) == ("open", 2)
    await admin.post("/api/v1/projects/demo/rounds/1/close")
    refused = await admin.post(f"{slates}/another-label")
    assert (refused.status_code, refused.json()["code"]) == (409, "nobody_to_ask")
    assert await violations(app.state.engine) == {}


@pytest.mark.parametrize("call", ["gold", "gold/retire", "anchor", "another-label"])
async def test_slates_of_other_projects_are_not_there_and_labelers_may_not(
    app, admin, labeler, slates, responses, call
):
    body = {"gold": answer(responses, 1, 2), "anchor": {"is_anchor": True}}.get(call)

    foreign = await admin.post(f"{slates.replace('demo', 'other')}/{call}", json=body)
    unknown = await admin.post(f"/api/v1/projects/demo/slates/999/{call}", json=body)
    by_labeler = await labeler.post(f"{slates}/{call}", json=body)

    assert (foreign.status_code, unknown.status_code) == (404, 404)
    assert by_labeler.status_code == 404


async def test_a_labeler_sees_nothing_of_what_a_task_is_for(app, admin, labeler, here):
    """Neither in the task, nor in what they have done, nor on their pages."""
    async with transaction(app.state.engine) as tx:
        project_id = await tx.scalar(text("select id from projects where slug = 'demo'"))
        round_id = await make_slates(tx, project_id=project_id, count=1)
        await tx.execute(
            text("update rounds set gold_share = 1, anchor_share = 0, repeat_share = 0")
        )
        slate = await tx.scalar(text(f"select id from slates where round_id = {round_id}"))
        await tx.execute(text(f"update tasks set status = 'void' where slate_id = {slate}"))
        first, second = await tx.scalars(
            text(f"select id from responses where slate_id = {slate} order by id limit 2")
        )
    made = await admin.post(
        f"/api/v1/projects/demo/slates/{slate}/gold", json=answer([first, second], 1, 2)
    )
    assert made.status_code == 200, made.text
    held = (await labeler.post(NEXT)).json()
    assert (await rank(labeler, held)).status_code == 201

    task = await labeler.post(NEXT)
    assert await stored(app, "select purpose from tasks where purpose = 'gold'")
    answers = [task, await rank(labeler, task.json()), await labeler.get("/api/v1/projects/demo")]

    for said in answers:
        for word in ("gold", "purpose", "anchor", "escalation", "propensity"):
            assert f'"{word}"' not in said.text
    assert set(task.json()) == set(held)
