"""Held-out and quarantined labelers: in agreement and exports, never in a new dataset."""

import json
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import text

from app.accounts.viewer import Viewer
from app.agreement.cache import labels_of
from app.agreement.slates.exclusions import exclude
from app.datasets.commands import create_dataset
from app.datasets.export import comparison_chunks, ranking_chunks
from app.datasets.frozen import dataset_folder
from app.db import transaction
from app.errors import ConflictError, NotFoundError
from app.projects.commands import add_member
from app.projects.labelers import lift_quarantine, quarantine, quarantines_of, set_cohort
from tests.labeled_project import Given, GivenSlate, seed

SLATES = [
    GivenSlate([Given(1, [(1, 2, 3, 4)]), Given(2, [(2, 1, 3, 4)]), Given(3, [(1, 2, 3, 4)])]),
    GivenSlate([Given(2, [(1, 2, 2, 3)]), Given(3, [(4, 3, 2, 1)])]),
    GivenSlate([Given(3, [(1, 2, 3, 4)])]),
]
NONE = {"labelers": 0, "rankings": 0, "quarantines": []}


@pytest.fixture
async def viewer(engine):
    async with transaction(engine) as tx:
        admin = await tx.scalar(
            text("insert into users (email, name, role, password_hash)"
                 " values ('a@example.org', 'Admin', 'admin', 'x') returning id")
        )  # fmt: skip
    return Viewer(id=admin, email="a@example.org", name="Admin", role="admin")


@pytest.fixture
async def seeded(engine):
    async with transaction(engine) as tx:
        return await seed(tx, SLATES)


@pytest.fixture
def freeze(engine, viewer, seeded, tmp_path):
    """Make a dataset: what its manifest says was left out, and its rankings."""

    async def frozen():
        dataset = await create_dataset(engine, viewer, seeded.project, tmp_path)
        file = dataset_folder(tmp_path, dataset.id) / "rankings.jsonl"
        return dataset, [json.loads(line) for line in file.read_text().splitlines()]

    return frozen


@pytest.fixture
def decide(engine, viewer, seeded):
    """Call a command of `app.projects.labelers` in a transaction of its own."""

    async def decided(command, *arguments, **more):
        async with transaction(engine) as tx:
            return await command(tx, viewer, seeded.project, *arguments, **more)

    return decided


def labelers(rows):
    return sorted({row["labeler"] for row in rows})


async def exported(engine, project_id, chunks):
    return [json.loads(line) async for chunk in chunks(engine, project_id)
            for line in chunk.splitlines()]  # fmt: skip


async def test_what_a_held_out_labeler_ranked_is_in_no_dataset(freeze, decide):
    before, _ = await freeze()
    await decide(set_cohort, "L-03", "heldout")

    dataset, rows = await freeze()

    assert before.manifest["filters"]["heldout"] == NONE
    assert (before.rankings, dataset.rankings) == (6, 3)
    assert dataset.manifest["filters"]["heldout"] == {**NONE, "labelers": 1, "rankings": 3}
    assert dataset.manifest["filters"]["quarantined"] == NONE
    assert labelers(rows) == ["L-01", "L-02"]
    # Who is left shares the weight of the slate.
    assert [row["weight"] for row in rows] == [0.5, 0.5, 1]


async def test_a_held_out_labeler_is_in_agreement_and_in_exports_by_cohort(engine, seeded, decide):
    await decide(set_cohort, "L-03", "heldout")

    rankings = await exported(engine, seeded.project.id, ranking_chunks)
    comparisons = await exported(engine, seeded.project.id, comparison_chunks)
    async with transaction(engine) as tx:
        labels = (await labels_of(tx, seeded.project.id)).labels

    cohorts = {"L-01": "training", "L-02": "training", "L-03": "heldout"}
    assert len(rankings) == len(labels) == 6
    assert {row["labeler"]: row["cohort"] for row in rankings} == cohorts
    assert {row["labeler"]: row["cohort"] for row in comparisons} == cohorts


async def test_who_leaves_keeps_their_cohort_and_has_it_when_they_are_back(
    engine, viewer, seeded, freeze, decide
):
    await decide(set_cohort, "L-02", "heldout")
    await decide(set_cohort, "L-02", "training")
    await decide(set_cohort, "L-03", "heldout")
    await decide(quarantine, "L-01", reason="Drifts.")
    before, _ = await freeze()
    async with transaction(engine) as tx:
        gone = "delete from project_members where pseudonym <> 'L-04' returning user_id"
        one, two, three = sorted(await tx.scalars(text(gone)))

    after, _ = await freeze()
    rankings = await exported(engine, seeded.project.id, ranking_chunks)
    comparisons = await exported(engine, seeded.project.id, comparison_chunks)
    async with transaction(engine) as tx:
        await add_member(tx, seeded.project, "l3@seeded.example")

    assert after.manifest["filters"] == before.manifest["filters"]
    assert (after.rankings, before.rankings) == (2, 2)
    cohorts = {
        f"former-{one}": "training",
        f"former-{two}": "training",
        f"former-{three}": "heldout",
    }
    assert {row["labeler"]: row["cohort"] for row in rankings} == cohorts
    assert {row["labeler"]: row["cohort"] for row in comparisons} == cohorts
    async with transaction(engine) as tx:
        back = text("select cohort from project_members where user_id = :id")
        assert await tx.scalar(back, {"id": three}) == "heldout"


async def test_lifting_a_quarantine_brings_everything_back(freeze, decide):
    before, all_rows = await freeze()
    made = await decide(quarantine, "L-02", reason="Drifts since Monday.")
    without, rows = await freeze()
    await decide(lift_quarantine, "L-02")
    after, rows_again = await freeze()

    assert labelers(rows) == ["L-01", "L-03"]
    assert without.manifest["filters"]["quarantined"] == {
        "labelers": 1, "rankings": 2, "quarantines": [made.id],
    }  # fmt: skip
    assert rows_again == all_rows
    assert after.manifest["files"]["rankings.jsonl"] == before.manifest["files"]["rankings.jsonl"]
    assert after.manifest["filters"]["quarantined"] == NONE


async def test_a_quarantine_may_begin_some_day(engine, freeze, decide):
    monday = datetime.now(UTC) - timedelta(days=2)
    async with transaction(engine) as tx:
        await tx.execute(
            text("update rankings set created_at = now() - interval '9 days'"
                 " where id = (select min(id) from rankings where labeler_id ="
                 " (select user_id from project_members where pseudonym = 'L-02'))")
        )  # fmt: skip
    await decide(quarantine, "L-02", reason="Drifts since Monday.", since=monday)

    dataset, rows = await freeze()

    assert dataset.manifest["filters"]["quarantined"]["rankings"] == 1
    assert sum(row["labeler"] == "L-02" for row in rows) == 1


async def test_a_ranking_is_left_out_for_one_reason_only(engine, viewer, seeded, freeze, decide):
    await decide(set_cohort, "L-02", "heldout")
    await decide(quarantine, "L-02", reason="Both.")
    await decide(quarantine, "L-03", reason="Drifts.")
    async with transaction(engine) as tx:
        await exclude(tx, viewer, seeded.project, seeded.slates[0], ranking_id=None, reason="Spam")

    dataset, rows = await freeze()

    filters = dataset.manifest["filters"]
    counts = {name: filters[name]["rankings"] for name in ("excluded", "heldout", "quarantined")}
    assert counts == {"excluded": 3, "heldout": 1, "quarantined": 2}
    assert rows == []


async def test_the_labelers_of_another_project_are_not_counted(engine, freeze, decide):
    async with transaction(engine) as tx:
        await seed(tx, SLATES, slug="other")
        await tx.execute(
            text("update project_members set cohort = 'heldout' where project_id ="
                 " (select id from projects where slug = 'other')")
        )  # fmt: skip

    dataset, rows = await freeze()

    assert len(rows) == 6
    assert dataset.manifest["filters"]["heldout"] == NONE


async def test_decisions_are_recorded(engine, seeded, decide):
    await decide(set_cohort, "L-01", "heldout")
    await decide(set_cohort, "L-01", "heldout")
    labeler = await decide(set_cohort, "L-01", "training")
    await decide(quarantine, "L-01", reason="First.")
    with pytest.raises(ConflictError):
        await decide(quarantine, "L-01", reason="Again.")
    await decide(lift_quarantine, "L-01")
    with pytest.raises(NotFoundError):
        await decide(lift_quarantine, "L-01")
    await decide(quarantine, "L-01", reason="Second.")
    with pytest.raises(NotFoundError):
        await decide(quarantine, "L-99", reason="Nobody.")

    async with transaction(engine) as tx:
        changes = (await tx.scalars(text("select cohort from cohort_changes order by id"))).all()
        history = await quarantines_of(tx, seeded.project, labeler)
    assert changes == ["heldout", "training"]
    assert labeler.cohort_since is not None
    assert [(one.reason, one.is_in_force, one.revoked_by) for one in history] == [
        ("Second.", True, None),
        ("First.", False, "Admin"),
    ]
