"""What a task says about responses that are alike, and what differs between two of them."""

import pytest
from sqlalchemy import text

from app.db import transaction
from tests.slates import make_slates

BASE = "The quick brown fox jumps over the lazy dog and sleeps under a big old oak tree."
TEXTS = [BASE, f" {BASE}\n", BASE.replace("quick ", ""), "Something else."]


@pytest.fixture
async def slates(app, admin, labeler, project):
    """Two slates whose responses are alike."""
    await admin.put(
        f"/api/v1/projects/{project}/members/labeler@example.org", json={"role": "labeler"}
    )
    async with transaction(app.state.engine) as tx:
        project_id = await tx.scalar(text("select id from projects"))
        await make_slates(tx, project_id=project_id, count=2)
        await tx.execute(
            text("update responses set text = (cast(:texts as text[]))[position]"),
            {"texts": TEXTS},
        )


@pytest.fixture
async def task(slates, labeler, project):
    return (await labeler.post(f"/api/v1/projects/{project}/tasks/next")).json()


def by_text(task):
    return {response["text"]: response for response in task["responses"]}


async def differences(client, task_id, left, right):
    return await client.get(
        f"/api/v1/tasks/{task_id}/differences", params={"left": left, "right": right}
    )


async def test_a_task_says_which_responses_are_the_same_or_nearly(task):
    same = sorted(
        (response for response in task["responses"] if response["text"].strip() == BASE),
        key=lambda response: response["letter"],
    )
    near, other = by_text(task)[TEXTS[2]], by_text(task)[TEXTS[3]]

    assert [response["same_as"] for response in same] == [None, same[0]["letter"]]
    assert near["similar_to"] == [response["letter"] for response in same]
    assert all(response["similar_to"] == [near["letter"]] for response in same)
    assert (other["same_as"], other["similar_to"]) == (None, [])


async def test_what_differs_between_two_responses_of_the_own_task(labeler, task):
    left, right = (by_text(task)[TEXTS[position]]["id"] for position in (0, 2))

    answer = await differences(labeler, task["id"], left, right)

    assert answer.status_code == 200, answer.text
    found = answer.json()
    assert "".join(segment["text"] for segment in found["left"]) == TEXTS[0]
    assert "".join(segment["text"] for segment in found["right"]) == TEXTS[2]
    assert {"kind": "deleted", "text": "quick", "number": None} in found["left"]


async def test_a_task_that_is_done_can_still_be_compared(app, labeler, task):
    async with transaction(app.state.engine) as tx:
        await tx.execute(
            text("update tasks set status = 'done', lease_token = null, lease_expires_at = null,"
                 " finished_at = now() where id = :id"),
            {"id": task["id"]},
        )  # fmt: skip
    ids = [response["id"] for response in task["responses"]]

    assert (await differences(labeler, task["id"], *ids[:2])).status_code == 200


async def test_responses_that_were_not_shown_there_are_not_found(app, admin, labeler, task):
    ids = [response["id"] for response in task["responses"]]
    async with transaction(app.state.engine) as tx:
        foreign = await tx.scalar(
            text("select min(id) from responses where id <> all(:ids)"), {"ids": ids}
        )
        open_task = await tx.scalar(text("select id from tasks where status = 'open'"))

    for client, task_id, left, right in (
        (labeler, task["id"], ids[0], foreign),
        (labeler, task["id"], 2**63 - 1, ids[0]),
        (labeler, open_task, foreign, foreign),
        (labeler, 2**62, *ids[:2]),
        (admin, task["id"], *ids[:2]),
    ):
        assert (await differences(client, task_id, left, right)).status_code == 404


@pytest.mark.parametrize("wrong", ["", "x", "0", "-1", "1.5", str(2**63)])
async def test_only_ids_are_taken(labeler, task, wrong):
    right = task["responses"][0]["id"]

    assert (await differences(labeler, task["id"], wrong, right)).status_code == 422


async def test_texts_of_too_many_sentences_are_refused_in_words(app, labeler, task):
    async with transaction(app.state.engine) as tx:
        await tx.execute(text("update responses set text = repeat('a. ', 9000) || id"))
    ids = [response["id"] for response in task["responses"]]

    answer = await differences(labeler, task["id"], *ids[:2])

    assert (answer.status_code, answer.json()["code"]) == (422, "too_long")
    assert "too many sentences" in answer.json()["detail"]
