"""The view, the pure expansion, the export and a dataset give the same comparisons."""

import json
import tempfile
from collections import Counter
from dataclasses import replace
from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import text

from app.accounts.viewer import Viewer
from app.datasets.commands import create_dataset
from app.datasets.export import comparison_chunks, frozen_comparison_chunks, ranking_chunks
from app.datasets.formats import ExportFormat, Shape
from app.datasets.frozen import dataset_folder, open_frozen
from app.db import transaction
from app.labeling.ranking import comparisons_of
from tests.labeled_project import Given, GivenSlate, seed
from trainer.spec import RankingRow

VIEW = text("""
select c.ranking_id, c.chosen_id, c.rejected_id, c.rank_gap, c.rating_chosen, c.rating_rejected,
       c.margin, c.weight, c.conflict
from comparisons c
""")
RESET = text("""
truncate datasets, ranking_items, rankings, tasks, responses, slates, rounds, prompts, models,
         guideline_versions, project_members, projects, users restart identity cascade
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


async def rows_of(chunks):
    return [json.loads(line) for chunk in [c async for c in chunks] for line in chunk.splitlines()]


@settings(
    max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(SLATES)
async def test_view_expansion_export_and_dataset_hold_the_same_comparisons(
    engine, tmp_path, slates
):
    async with transaction(engine) as tx:
        await tx.execute(RESET)
        admin = await tx.scalar(
            text("insert into users (email, name, role, password_hash)"
                 " values ('a@example.org', 'Admin', 'admin', 'x') returning id")
        )  # fmt: skip
        seeded = await seed(tx, slates)
        view = (await tx.execute(VIEW)).all()
    viewer = Viewer(id=admin, email="a@example.org", name="Admin", role="admin")

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
    assert (
        dataset.rankings
        == len(rankings)
        == sum(not ranking.is_check for slate in slates for ranking in slate.rankings)
    )
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
