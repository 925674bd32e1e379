"""The view, the pure expansion, the export and a dataset give the same comparisons."""

import json
import tempfile
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import text

from app.accounts.viewer import Viewer
from app.agreement.cache import labels_of
from app.agreement.loading import loaded_since, nothing_loaded
from app.agreement.metrics.labels import ORDINARY
from app.agreement.slates.exclusions import exclude, revoke
from app.datasets.commands import create_dataset
from app.datasets.export import comparison_chunks, frozen_comparison_chunks, ranking_chunks
from app.datasets.formats import ExportFormat, Shape
from app.datasets.frozen import dataset_folder, open_frozen
from app.db import transaction
from app.errors import ConflictError
from app.labeling.ranking import comparisons_of
from tests.labeled_project import Given, GivenSlate, seed
from trainer.spec import RankingRow

CURRENT = text("select id from rankings where slate_id = :slate_id and is_current order by task_id")
VIEW = text("""
select c.ranking_id, c.chosen_id, c.rejected_id, c.rank_gap, c.rating_chosen, c.rating_rejected,
       c.margin, c.weight, c.conflict
from comparisons c
""")
RESET = text("""
truncate datasets, exclusions, ranking_items, rankings, tasks, responses, slates, rounds, prompts,
         models, guideline_versions, project_members, projects, users restart identity cascade
""")
PLACE = st.one_of(st.none(), st.integers(1, 4))
RANKS = st.tuples(PLACE, PLACE, PLACE, PLACE)
RATINGS = st.tuples(*[st.one_of(st.none(), st.integers(1, 7))] * 4)
RANKING = st.builds(
    Given,
    labeler=st.just(0),
    versions=st.lists(RANKS, min_size=1, max_size=2),
    ratings=RATINGS,
    purpose=st.sampled_from(["fresh", "overlap", "escalation", "gold", "anchor", "repeat"]),
)
SLATES = st.lists(
    st.lists(RANKING, max_size=3).map(
        lambda rankings: GivenSlate(
            # A check may be the labeler's second ranking of the slate.
            [
                replace(one, labeler=1 if one.is_check else i)
                for i, one in enumerate(rankings, start=1)
            ],
            models=("sft", "ppo", None, "imported"),
        )
    ),
    min_size=1,
    max_size=4,
)
# Of a slate (by its place) one ranking (by its place), or all of them.
EXCLUDED = st.sets(st.tuples(st.integers(0, 3), st.one_of(st.none(), st.integers(0, 2))))


async def exclude_all(tx, viewer, seeded, excluded):
    """Exclude what there is of it; a whole slate first, or its rankings are excluded already."""
    made = []
    for place, ranking in sorted(excluded, key=lambda one: (one[0], -1 if one[1] is None else 0)):
        slate_id = seeded.slates[place] if place < len(seeded.slates) else 0
        rankings = (await tx.scalars(CURRENT, {"slate_id": slate_id})).all()
        if slate_id == 0 or (ranking or 0) >= len(rankings) or (place, None) in made:
            continue
        await exclude(
            tx, viewer, seeded.project, slate_id, reason="Spam",
            ranking_id=None if ranking is None else rankings[ranking],
        )  # fmt: skip
        made.append((place, ranking))
    return made


def without(slates, excluded):
    """The slates as if what is excluded had never been ranked."""
    return [
        GivenSlate(
            [
                ranking
                for which, ranking in enumerate(slate.rankings)
                if not {(place, None), (place, which)} & set(excluded)
            ],
            models=slate.models,
        )
        for place, slate in enumerate(slates)
    ]


def expected_comparisons(slates, responses):
    """By hand from what was given: per labeler and slate, from the last version; not of checks."""
    rows = []
    for slate, ids in zip(slates, responses, strict=True):
        labels = [ranking for ranking in slate.rankings if not ranking.is_check]
        expanded = [comparisons_of(ranking.versions[-1]).strict for ranking in labels]
        contributing = sum(bool(pairs) for pairs in expanded)
        for ranking, pairs in zip(labels, expanded, strict=True):
            for chosen, rejected in pairs:
                rows.append(
                    (
                        f"L-{ranking.labeler:02}",
                        ids[chosen],
                        ids[rejected],
                        round(1 / len(pairs) / contributing, 9),
                        any((rejected, chosen) in other for other in expanded),
                        ranking.ratings[chosen],
                        ranking.ratings[rejected],
                    )
                )
    return Counter(rows)


def of_rows(rows):
    return Counter(
        (
            row["labeler"],
            *map(int, row["comparison_id"].split("-")[1:]),
            round(row["weight"], 9),
            row["conflict"],
            row["rating_chosen"],
            row["rating_rejected"],
        )
        for row in rows
    )


def comparable(rows):
    """Rows that can be counted; weights differ in the last bit between SQL and Python."""
    return Counter(
        json.dumps({**row, "weight": round(row["weight"], 9)}, sort_keys=True) for row in rows
    )


@pytest.fixture
async def viewer(engine):
    async with transaction(engine) as tx:
        admin = await tx.scalar(
            text("insert into users (email, name, role, password_hash)"
                 " values ('a@example.org', 'Admin', 'admin', 'x') returning id")
        )  # fmt: skip
    return Viewer(id=admin, email="a@example.org", name="Admin", role="admin")


async def rows_of(chunks):
    return [json.loads(line) for chunk in [c async for c in chunks] for line in chunk.splitlines()]


@settings(
    max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(SLATES, EXCLUDED)
async def test_view_expansion_export_and_dataset_hold_the_same_comparisons(
    engine, tmp_path, given_slates, to_exclude
):
    async with transaction(engine) as tx:
        await tx.execute(RESET)
        admin = await tx.scalar(
            text("insert into users (email, name, role, password_hash)"
                 " values ('a@example.org', 'Admin', 'admin', 'x') returning id")
        )  # fmt: skip
        seeded = await seed(tx, given_slates)
        viewer = Viewer(id=admin, email="a@example.org", name="Admin", role="admin")
        excluded = await exclude_all(tx, viewer, seeded, to_exclude)
        view = (await tx.execute(VIEW)).all()
        # Not from the cache: the next example has the same ids.
        labels = (await loaded_since(tx, seeded.project.id, nothing_loaded())).labels
    slates = without(given_slates, excluded)

    exported = await rows_of(comparison_chunks(engine, seeded.project.id))
    rankings = await rows_of(ranking_chunks(engine, seeded.project.id))
    # Every example needs a folder of its own; an id() can come again.
    root = Path(tempfile.mkdtemp(dir=tmp_path))
    dataset = await create_dataset(engine, viewer, seeded.project, root)
    folder = dataset_folder(root, dataset.id)
    frozen = [
        json.loads(line)
        for chunk in frozen_comparison_chunks(
            open_frozen(folder, "rankings.jsonl"),
            file_format=ExportFormat.JSONL,
            shape=Shape.EXPLICIT,
        )
        for line in chunk.splitlines()
    ]

    assert of_rows(exported) == expected_comparisons(slates, seeded.responses)
    assert comparable(frozen) == comparable(exported)
    assert Counter(
        (f"{row.ranking_id}-{row.chosen_id}-{row.rejected_id}", row.rank_gap, row.margin)
        for row in view
    ) == Counter((row["comparison_id"], row["rank_gap"], row["margin"]) for row in exported)
    assert dataset.comparisons == len(view)
    given_labels = sum(not one.is_check for slate in given_slates for one in slate.rankings)
    assert (
        dataset.rankings
        == len(rankings)
        == sum(not ranking.is_check for slate in slates for ranking in slate.rankings)
    )
    assert Counter(row["ranking"] for row in rankings) == Counter(
        labels.of_purposes(ORDINARY).ranking_id.tolist()
    )
    assert dataset.manifest["filters"]["excluded"]["rankings"] == given_labels - len(rankings)
    assert [RankingRow.model_validate(row).model_dump() for row in rankings] == rankings
    assert (folder / "rankings.jsonl").read_bytes() == b"".join(
        [chunk async for chunk in ranking_chunks(engine, seeded.project.id)]
    )


async def test_three_labelers_on_a_slate_share_its_weight_and_conflicts_are_marked(engine):
    async with transaction(engine) as tx:
        seeded = await seed(
            tx,
            [
                GivenSlate(
                    [
                        Given(1, [(1, 2, 3, 4)]),
                        Given(2, [(2, 1, 3, 4)]),
                        Given(3, [(1, 1, 1, 1)]),
                    ]
                )
            ],
        )
    a, b, *_ = seeded.responses[0]

    rows = await rows_of(comparison_chunks(engine, seeded.project.id))

    assert len(rows) == 12
    assert {row["weight"] for row in rows} == {1 / 12}
    assert {row["labeler"] for row in rows} == {"L-01", "L-02"}
    assert sorted(row["comparison_id"].split("-", 1)[1] for row in rows if row["conflict"]) == (
        sorted([f"{a}-{b}", f"{b}-{a}"])
    )


async def test_a_revision_replaces_the_comparisons_and_the_earlier_version_stays(engine):
    async with transaction(engine) as tx:
        seeded = await seed(tx, [GivenSlate([Given(1, [(1, 2, 3, 4), (1, 1, 2, None)])])])
        stored = await tx.scalar(text("select count(*) from rankings"))
    a, b, c, _ = seeded.responses[0]

    rows = await rows_of(comparison_chunks(engine, seeded.project.id))

    assert stored == 2
    assert {row["comparison_id"].split("-", 1)[1] for row in rows} == {f"{a}-{c}", f"{b}-{c}"}
    assert {row["weight"] for row in rows} == {0.5}


async def test_only_the_asked_split_is_exported(engine):
    async with transaction(engine) as tx:
        seeded = await seed(
            tx,
            [
                GivenSlate([Given(1, [(1, 2, 3, 4)])], split="train"),
                GivenSlate([Given(1, [(1, 2, 2, 2)])], split="test"),
            ],
        )

    rows = await rows_of(comparison_chunks(engine, seeded.project.id, split="test"))
    rankings = await rows_of(ranking_chunks(engine, seeded.project.id, split="test"))

    assert [row["split"] for row in rows] == ["test"] * 3
    assert [row["split"] for row in rankings] == ["test"]


async def test_an_exclusion_holds_for_later_versions_and_its_revocation_brings_all_back(
    engine, viewer
):
    async with transaction(engine) as tx:
        seeded = await seed(
            tx, [GivenSlate([Given(1, [(1, 2, 3, 4), (1, 1, 2, 3)]), Given(2, [(2, 1, 3, 4)])])]
        )
        (slate,) = seeded.slates
        first_version = await tx.scalar(text("select min(id) from rankings"))
    before = await rows_of(comparison_chunks(engine, seeded.project.id))

    async with transaction(engine) as tx:
        made = await exclude(
            tx, viewer, seeded.project, slate, ranking_id=first_version, reason="Not read"
        )
        kept = (await labels_of(tx, seeded.project.id)).labels
    during = await rows_of(comparison_chunks(engine, seeded.project.id))
    async with transaction(engine) as tx:
        with pytest.raises(ConflictError):
            await exclude(
                tx, viewer, seeded.project, slate, ranking_id=first_version, reason="Again"
            )
        revoked = await revoke(tx, viewer, seeded.project, made.id)
        everything = (await labels_of(tx, seeded.project.id)).labels
    after = await rows_of(comparison_chunks(engine, seeded.project.id))

    assert {row["labeler"] for row in during} == {"L-02"}
    assert {(row["weight"], row["conflict"]) for row in during} == {(1 / 6, False)}
    assert (len(kept), len(everything)) == (1, 2)
    assert after == before
    assert (made.labeler, made.reason, made.is_in_force) == ("L-01", "Not read", True)
    assert (revoked.revoked_by, revoked.is_in_force) == ("Admin", False)
