"""Answers made elsewhere become a round with ready slates and tasks."""

import json

import pytest
from sqlalchemy import text

from app.accounts.viewer import Viewer
from app.errors import InvalidError
from app.projects.commands import NewProject, create_project
from app.rounds.commands import import_responses
from app.rounds.overlap import NAMES, Overlap, OverlapWish
from app.rounds.queries import round_of, slates_of

ADMIN = Viewer(id=1, email="admin@example.org", name="Admin", role="admin")


def lines(*rows: object) -> bytes:
    return "\n".join(json.dumps(row) for row in rows).encode()


@pytest.fixture
async def project(tx):
    new = NewProject(
        slug="demo", name="Demo", guidelines="Be kind.", labels_per_slate=1, overlap_share=0.25
    )
    return await create_project(tx, ADMIN, new)


def answers(number: int) -> dict[str, object]:
    return {
        "prompt": f"Question {number}?",
        "responses": [{"text": f"Yes {number}", "model": "a"}, {"text": f"No {number}"}],
    }


async def test_answers_become_ready_slates_with_their_tasks(tx, project):
    imported = await import_responses(tx, project, lines(answers(1), answers(2)))

    row = await round_of(tx, project, 1)
    slates = (await slates_of(tx, row.id)).slates
    assert (imported.number, imported.slates, imported.rejected) == (1, 2, ())
    assert (row.source, row.ready, row.pending, row.run_id) == ("imported", 2, 0, None)
    assert [slate.messages[0]["content"] for slate in slates] == ["Question 1?", "Question 2?"]
    assert [(r.text, r.model) for r in slates[0].responses] == [("Yes 1", "a"), ("No 1", None)]


async def test_a_quarter_of_the_slates_gets_a_second_place(tx, project):
    await import_responses(tx, project, lines(*map(answers, range(40))))

    places = await tx.execute(text("select places, count(*) from slates group by 1 order by 1"))
    tasks = await tx.execute(text("select place, count(*) from tasks group by 1 order by 1"))
    assert list(places) == [(1, 30), (2, 10)]
    assert list(tasks) == [(1, 40), (2, 10)]


async def test_a_round_keeps_who_labels_what_as_it_was_when_it_was_made(tx, project):
    first = await import_responses(tx, project, lines(*map(answers, range(4))))
    wish = OverlapWish(labels_per_slate=3, gold_share=0.5)
    second = await import_responses(tx, project, lines(*map(answers, range(4))), wish)
    await tx.execute(text("update projects set labels_per_slate = 2, overlap_share = 1"))

    kept = [await round_of(tx, project, made.number) for made in (first, second)]
    assert [Overlap(**{name: getattr(row, name) for name in NAMES}) for row in kept] == [
        Overlap(1, 0.25, 0.04, 0.02, 0.02), Overlap(3, 0.25, 0.5, 0.02, 0.02),
    ]  # fmt: skip
    counts = await tx.scalars(
        text("select count(*) from tasks t join slates s on s.id = t.slate_id "
             "group by s.round_id order by s.round_id")
    )  # fmt: skip
    assert list(counts) == [5, 12]


async def test_more_places_than_two_are_not_reduced_by_the_overlap(tx):
    new = NewProject(
        slug="three", name="Three", guidelines="x", labels_per_slate=3, overlap_share=0.5
    )
    project = await create_project(tx, ADMIN, new)

    await import_responses(tx, project, lines(*map(answers, range(4))))

    assert await tx.scalar(text("select count(*) from tasks")) == 12


async def test_an_answer_that_repeats_another_is_kept_with_its_problem(tx, project):
    row = {"prompt": "Q?", "responses": [{"text": t} for t in ("One", " One ", "", "Two")]}

    await import_responses(tx, project, lines(row))

    slate = (await slates_of(tx, (await round_of(tx, project, 1)).id)).slates[0]
    assert slate.status == "ready"
    assert [r.problem for r in slate.responses] == [None, "duplicate", "empty", None]


async def test_lines_that_cannot_be_ranked_are_rejected_and_the_others_taken(tx, project):
    data = lines(
        answers(1),
        {"prompt": "Q?", "responses": [{"text": "Same"}, {"text": "Same"}]},
        {"prompt": "Q?", "responses": [{"text": "Only one"}]},
        {"prompt": "Q?", "responses": [{"text": str(n)} for n in range(10)]},
        {"prompt": "Q?", "responses": [{"text": "a\x00"}, {"text": "b"}]},
        answers(1),
        {"prompt": "Q?", "responses": [{"text": "a", "score": 1}, {"text": "b"}]},
    )

    imported = await import_responses(tx, project, data)

    assert imported.slates == 1
    assert [item.line for item in imported.rejected] == [2, 3, 4, 5, 6, 7]
    assert "Line 1 has the same prompt" in imported.rejected[4].error


async def test_a_file_without_any_good_line_leaves_nothing_behind(tx, project):
    with pytest.raises(InvalidError) as refusal:
        await import_responses(tx, project, lines({"prompt": "Q?", "responses": []}))

    assert refusal.value.code == "rejected"
    assert await tx.scalar(text("select count(*) from rounds")) == 0


async def test_a_prompt_that_exists_is_reused_in_the_next_round(tx, project):
    await import_responses(tx, project, lines(answers(1)))

    again = await import_responses(tx, project, lines(answers(1)))

    assert again.number == 2
    assert await tx.scalar(text("select count(*) from prompts")) == 1
    assert await tx.scalar(text("select count(*) from slates")) == 2


async def test_a_registered_model_is_linked_by_its_name(tx, project):
    await tx.execute(
        text("insert into models (name, kind, endpoint_model) values ('a', 'base', 'x')")
    )

    await import_responses(tx, project, lines(answers(1)))

    linked = await tx.execute(
        text("select m.name, r.model_name from responses r left join models m on m.id = model_id")
    )
    assert set(linked) == {("a", None), (None, None)}
    assert (await round_of(tx, project, 1)).models == ["a"]
