"""Datasets: what is frozen, where it lies, and that nothing changes it."""

import asyncio
import hashlib
import json
import shutil
import stat

import pytest
from sqlalchemy import text

from app.accounts.viewer import Viewer
from app.datasets.commands import create_dataset, current_dataset
from app.datasets.frozen import canonical_json, dataset_folder
from app.datasets.queries import dataset_for, datasets_of
from app.db import transaction
from app.errors import InvalidError, NotFoundError
from tests.labeled_project import Given, GivenSlate, seed
from trainer.spec import DemonstrationRow, PretrainingRow, PromptRow, RankingRow

ROWS = {
    "rankings.jsonl": RankingRow,
    "demonstrations.jsonl": DemonstrationRow,
    "prompts.jsonl": PromptRow,
    "pretraining.jsonl": PretrainingRow,
}
MORE = """
insert into demonstrations (project_id, messages, response, content_hash, group_key, split)
values (:project_id, '[{"role": "user", "content": "Hi"}]', 'Hello é "x"', '1', 'g', 'train')
"""
TEXTS = """
insert into pretraining_texts (project_id, text, content_hash)
values (:project_id, 'Rivers carry water.', '1')
"""


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
        made = await seed(
            tx,
            [
                GivenSlate(
                    [
                        Given(1, [(1, 2, 3, 4)], ratings=(7, 5, 3, 1)),
                        Given(2, [(4, 3, 2, 1), (1, 2, 2, None)]),
                    ],
                    models=("sft", "ppo", None, "theirs"),
                ),
                GivenSlate([Given(1, [(1, 1, 1, 1)])], split="test"),
                GivenSlate([]),
            ],
        )
        await tx.execute(text(MORE), {"project_id": made.project.id})
        await tx.execute(text(TEXTS), {"project_id": made.project.id})
    return made


async def seed_other(engine):
    """Another project with the same rankings."""
    async with transaction(engine) as tx:
        return await seed(tx, [GivenSlate([Given(1, [(1, 2, 3, 4)])])], slug="other")


async def test_every_file_holds_rows_of_the_trainers_contract(engine, viewer, seeded, tmp_path):
    dataset = await create_dataset(engine, viewer, seeded.project, tmp_path)

    folder = dataset_folder(tmp_path, dataset.id)
    rows = {
        name: [row.model_validate_json(line) for line in (folder / name).read_bytes().splitlines()]
        for name, row in ROWS.items()
    }
    assert {name: len(found) for name, found in rows.items()} == {
        "rankings.jsonl": 3,
        "demonstrations.jsonl": 1,
        "prompts.jsonl": 3,
        "pretraining.jsonl": 1,
    }
    first, second, tied = rows["rankings.jsonl"]
    assert [response.model for response in first.responses] == ["sft", "ppo", None, "theirs"]
    assert (first.ranks, first.ratings) == ([1, 2, 3, 4], [7, 5, 3, 1])
    assert (first.labeler, second.labeler) == ("L-01", "L-02")
    assert second.ranks == [1, 2, 2, None]
    assert (first.weight, second.weight, tied.weight) == (0.5, 0.5, 1)
    assert (dataset.prompts, dataset.rankings, dataset.comparisons) == (3, 3, 8)


async def test_what_is_not_held_out_is_counted_apart(engine, viewer, seeded, tmp_path):
    async with transaction(engine) as tx:
        held = MORE.replace("'1', 'g', 'train'", "'2', 'h', 'validation'")
        await tx.execute(text(held), {"project_id": seeded.project.id})
        more = [GivenSlate([Given(1, [(1, 2, 3, 4)])], split="validation")]
        other = await seed(tx, more, slug="other")

    mixed = await create_dataset(engine, viewer, seeded.project, tmp_path)
    all_held_out = await create_dataset(engine, viewer, other.project, tmp_path)

    assert mixed.manifest["counts"] == {
        "prompts": 3, "ranked_prompts": 2, "rankings": 3, "comparisons": 8, "demonstrations": 2,
        "pretraining": 1, "training_comparisons": 8, "training_demonstrations": 1,
    }  # fmt: skip
    assert all_held_out.manifest["counts"]["comparisons"] == 6
    assert all_held_out.manifest["counts"]["training_comparisons"] == 0


async def test_the_sha256_is_that_of_the_manifest_which_names_those_of_the_files(
    engine, viewer, seeded, tmp_path
):
    dataset = await create_dataset(engine, viewer, seeded.project, tmp_path)

    folder = dataset_folder(tmp_path, dataset.id)
    manifest = (folder / "manifest.json").read_bytes()
    assert dataset.sha256 == hashlib.sha256(manifest).hexdigest()
    for name, described in json.loads(manifest)["files"].items():
        content = (folder / name).read_bytes()
        assert described == {
            "sha256": hashlib.sha256(content).hexdigest(),
            "rows": content.count(b"\n"),
            "bytes": len(content),
        }
    async with transaction(engine) as tx:
        stored = await dataset_for(tx, viewer, dataset.id)
    assert stored == dataset
    assert canonical_json(stored.manifest) == manifest


async def test_later_rankings_do_not_change_a_dataset(engine, viewer, seeded, tmp_path):
    before = await create_dataset(engine, viewer, seeded.project, tmp_path)
    frozen = (dataset_folder(tmp_path, before.id) / "rankings.jsonl").read_bytes()

    async with transaction(engine) as tx:
        await tx.execute(text("update ranking_items set rank = 1 where rank = 2"))
    after = await create_dataset(engine, viewer, seeded.project, tmp_path)

    assert (dataset_folder(tmp_path, before.id) / "rankings.jsonl").read_bytes() == frozen
    assert after.sha256 != before.sha256
    async with transaction(engine) as tx:
        assert [d.id for d in await datasets_of(tx, viewer, seeded.project.id)] == [
            after.id,
            before.id,
        ]


async def test_the_files_are_read_only_and_nothing_else_is_left(engine, viewer, seeded, tmp_path):
    dataset = await create_dataset(engine, viewer, seeded.project, tmp_path)

    folder = dataset_folder(tmp_path, dataset.id)
    assert {stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()} == {0o444}
    assert sorted(path.name for path in folder.iterdir()) == sorted([*ROWS, "manifest.json"])
    assert [path.name for path in folder.parent.iterdir()] == [str(dataset.id)]


async def test_an_empty_project_gives_no_dataset_and_leaves_nothing(engine, viewer, tmp_path):
    async with transaction(engine) as tx:
        empty = await seed(tx, [])

    with pytest.raises(InvalidError, match="nothing to freeze"):
        await create_dataset(engine, viewer, empty.project, tmp_path)

    assert list((tmp_path / "datasets").iterdir()) == []
    async with transaction(engine) as tx:
        assert await datasets_of(tx, viewer, empty.project.id) == []


async def test_a_row_that_cannot_be_stored_leaves_no_folder(engine, seeded, tmp_path):
    nobody = Viewer(id=999_999, email="x@example.org", name="X", role="admin")

    with pytest.raises(Exception, match="foreign key"):
        await create_dataset(engine, nobody, seeded.project, tmp_path)

    assert list((tmp_path / "datasets").iterdir()) == []


async def test_the_newest_dataset_is_current_until_something_changes(
    engine, viewer, seeded, tmp_path
):
    await create_dataset(engine, viewer, seeded.project, tmp_path)
    newest = await create_dataset(engine, viewer, seeded.project, tmp_path)
    other = await seed_other(engine)

    unchanged = await current_dataset(engine, viewer, seeded.project, tmp_path)
    of_the_other = await current_dataset(engine, viewer, other.project, tmp_path)
    async with transaction(engine) as tx:
        await tx.execute(text("update ranking_items set rank = 1 where rank = 2"))
    changed = await current_dataset(engine, viewer, seeded.project, tmp_path)

    assert unchanged == newest
    assert of_the_other.project == "other"
    assert changed.id > of_the_other.id > newest.id
    assert sorted(path.name for path in (tmp_path / "datasets").iterdir()) == sorted(
        str(one) for one in (newest.id - 1, newest.id, of_the_other.id, changed.id)
    )


def damage(path):
    path.chmod(0o644)
    path.write_bytes(path.read_bytes().replace(b"train", b"paint"))


@pytest.mark.parametrize(
    "harm",
    [
        shutil.rmtree,
        lambda folder: (folder / "pretraining.jsonl").unlink(),
        lambda folder: damage(folder / "rankings.jsonl"),
    ],
    ids=["all gone", "one gone", "one damaged"],
)
async def test_a_dataset_with_lost_or_damaged_files_is_not_current(
    engine, viewer, seeded, tmp_path, harm
):
    before = await current_dataset(engine, viewer, seeded.project, tmp_path)
    harm(dataset_folder(tmp_path, before.id))

    after = await current_dataset(engine, viewer, seeded.project, tmp_path)
    again = await current_dataset(engine, viewer, seeded.project, tmp_path)

    assert after.id > before.id
    assert again == after


async def test_two_at_once_get_equal_datasets(engine, viewer, seeded, tmp_path):
    first, second = await asyncio.gather(
        *(current_dataset(engine, viewer, seeded.project, tmp_path) for _ in range(2))
    )

    assert first.manifest["files"] == second.manifest["files"]
    assert dataset_folder(tmp_path, first.id).is_dir()
    assert dataset_folder(tmp_path, second.id).is_dir()


async def test_labelers_see_no_datasets(engine, viewer, seeded, tmp_path):
    dataset = await create_dataset(engine, viewer, seeded.project, tmp_path)
    labeler = Viewer(id=viewer.id, email="l@example.org", name="L", role="labeler")

    async with transaction(engine) as tx:
        assert await datasets_of(tx, labeler, seeded.project.id) == []
        with pytest.raises(NotFoundError):
            await dataset_for(tx, labeler, dataset.id)
