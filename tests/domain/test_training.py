"""What the worker does around a training run: frozen files in, a model with its lineage out."""

import dataclasses
import hashlib
import json
import struct
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from app.accounts.viewer import Viewer
from app.datasets.commands import create_dataset
from app.datasets.frozen import dataset_folder
from app.db import transaction
from app.errors import InvalidError
from app.jobs.commands import finish_run, start_attempt
from app.jobs.handlers import StartedRun
from app.registry.commands import NewModel, register_model
from app.registry.location import Location
from app.registry.queries import lineage_of, model_by_name
from app.settings import Settings
from app.training.commands import NewRun, QueuedRun, start_run
from app.training.enough_data import rows_of
from app.training.handlers import TrainingHandler
from app.training.log_tail import log_tail
from app.training.queries import run_for
from tests.labeled_project import Given, GivenSlate, Seeded, seed
from trainer.result import RunResult
from trainer.spec import (
    DPOSettings,
    DPOSpec,
    PPOSettings,
    PPOSpec,
    RewardSettings,
    RewardSpec,
    SFTSettings,
    SFTSpec,
)
from trainer.spec_file import read_spec

HEADER = b'{"w":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}'
WEIGHTS = struct.pack("<Q", len(HEADER)) + HEADER + struct.pack("<f", 0.5)
RESULT = RunResult(kind="sft", metrics={"loss/sft": 1.5}, model="model", rows={}, versions={})
DEMONSTRATION = """
insert into demonstrations (project_id, messages, response, content_hash, group_key, split)
values (:project_id, '[{"role": "user", "content": "Hi"}]', 'Hello.', '1', 'g', 'train')
"""
TEXT = """
insert into pretraining_texts (project_id, text, content_hash)
values (:project_id, 'Rivers carry water.', '1')
"""


@pytest.fixture
def settings(database_url: str, tmp_path: Path) -> Settings:
    return Settings(
        database_url=database_url,
        data_dir=tmp_path / "data",
        secret_key="k" * 48,
        model_roots=str(tmp_path / "models"),
    )


@pytest.fixture
async def viewer(engine: AsyncEngine) -> Viewer:
    insert = text(
        "insert into users (email, name, role, password_hash) "
        "values ('a@example.org', 'A', 'admin', 'x') returning id"
    )
    async with transaction(engine) as tx:
        user_id = await tx.scalar(insert)
    return Viewer(id=user_id, email="a@example.org", name="A", role="admin")


def write_model(folder: Path) -> None:
    folder.mkdir(parents=True)
    (folder / "config.json").write_text(json.dumps({"model_type": "llama"}))
    (folder / "model.safetensors").write_bytes(WEIGHTS)
    (folder / "tokenizer.json").write_text('{"model": {}}')
    (folder / "tokenizer_config.json").write_text('{"eos_token": "</s>"}')


@pytest.fixture
async def models(engine: AsyncEngine, settings: Settings, tmp_path: Path) -> Path:
    """The models `raw`, `tuned` and `judge`; returns the folder that they lie in."""
    root = tmp_path / "models"
    for name, kind in (("raw", "base"), ("tuned", "sft"), ("judge", "reward")):
        write_model(root / name)
        async with transaction(engine) as tx:
            location = Location(path=str(root / name))
            await register_model(tx, settings, NewModel(name, kind, location))
    return root


@pytest.fixture
async def seeded(engine: AsyncEngine) -> Seeded:
    async with transaction(engine) as tx:
        made = await seed(
            tx, [GivenSlate([Given(1, [(1, 2, 3, 4)])]), GivenSlate([Given(1, [(1, 1, 1, 1)])])]
        )
        await tx.execute(text(DEMONSTRATION), {"project_id": made.project.id})
        await tx.execute(text(TEXT), {"project_id": made.project.id})
    return made


@pytest.fixture
def queue(engine: AsyncEngine, settings: Settings, viewer: Viewer, seeded: Seeded, models: Path):
    """Queue a run with a fresh snapshot."""

    async def queued(new: NewRun) -> QueuedRun:
        async with transaction(engine) as tx:
            return await start_run(tx, engine, settings, viewer, seeded.project, new)

    return queued


@pytest.fixture
def begin(engine: AsyncEngine, settings: Settings, queue):
    """Queue a run and take it up as the worker does; returns it with its directory."""

    async def begun(new: NewRun) -> tuple[StartedRun, Path]:
        queued = await queue(new)
        async with transaction(engine) as tx:
            run = await start_attempt(tx, queued.id, code_version="0.1.0+abc")
        assert run is not None
        run_dir = settings.root / "runs" / str(run.id)
        run_dir.mkdir(parents=True)
        return run, run_dir

    return begun


async def sha256_of(engine: AsyncEngine, run: StartedRun) -> str:
    async with transaction(engine) as tx:
        return await tx.scalar(
            text("select sha256 from datasets where id = :id"), {"id": run.dataset_id}
        )


SFT = NewRun(kind="sft", base_model="raw", settings=SFTSettings(epochs=3, seed=5))
REWARD = NewRun(kind="reward", base_model="tuned", settings=RewardSettings(ties="half"))
DPO = NewRun(kind="dpo", base_model="tuned", settings=DPOSettings(beta=0.2))
PPO = NewRun(
    kind="ppo",
    base_model="tuned",
    reward_model="judge",
    settings=PPOSettings(steps=3, ptx_coefficient=0.5),
)


async def test_an_sft_run_gets_its_demonstrations(engine, settings, begin, models):
    run, run_dir = await begin(SFT)

    await TrainingHandler(settings).prepare(engine, run, run_dir)

    assert read_spec(run_dir, "sft") == SFTSpec(
        base_model=str(models / "raw"),
        settings=SFTSettings(epochs=3, seed=5),
        dataset_sha256=await sha256_of(engine, run),
    )
    assert {path.name for path in run_dir.iterdir()} == {"spec.json", "demonstrations.jsonl"}


async def test_an_sft_run_is_told_which_reward_model_chooses_its_checkpoint(
    engine, settings, begin, models
):
    run, run_dir = await begin(dataclasses.replace(SFT, reward_model="judge"))

    await TrainingHandler(settings).prepare(engine, run, run_dir)

    assert read_spec(run_dir, "sft").reward_model == str(models / "judge")


async def test_a_reward_run_gets_rankings_and_demonstrations(engine, settings, begin, models):
    run, run_dir = await begin(REWARD)

    await TrainingHandler(settings).prepare(engine, run, run_dir)

    assert read_spec(run_dir, "reward") == RewardSpec(
        base_model=str(models / "tuned"),
        settings=RewardSettings(ties="half"),
        demonstrations="demonstrations.jsonl",
        dataset_sha256=await sha256_of(engine, run),
    )
    assert len((run_dir / "rankings.jsonl").read_text().splitlines()) == 2


async def test_a_dpo_run_gets_rankings(engine, settings, begin, models):
    run, run_dir = await begin(DPO)

    await TrainingHandler(settings).prepare(engine, run, run_dir)

    assert read_spec(run_dir, "dpo") == DPOSpec(
        base_model=str(models / "tuned"),
        settings=DPOSettings(beta=0.2),
        dataset_sha256=await sha256_of(engine, run),
    )
    assert {path.name for path in run_dir.iterdir()} == {"spec.json", "rankings.jsonl"}


async def test_an_sft_run_that_mixes_texts_in_gets_them(engine, settings, begin, models):
    mixed = SFTSettings(pretraining_share=0.1)
    run, run_dir = await begin(NewRun(kind="sft", base_model="raw", settings=mixed))

    await TrainingHandler(settings).prepare(engine, run, run_dir)

    assert read_spec(run_dir, "sft") == SFTSpec(
        base_model=str(models / "raw"),
        settings=mixed,
        pretraining="pretraining.jsonl",
        dataset_sha256=await sha256_of(engine, run),
    )
    assert len((run_dir / "pretraining.jsonl").read_text().splitlines()) == 1


async def test_a_ppo_run_gets_prompts_and_pretraining_texts(engine, settings, begin, models):
    run, run_dir = await begin(PPO)

    await TrainingHandler(settings).prepare(engine, run, run_dir)

    assert read_spec(run_dir, "ppo") == PPOSpec(
        base_model=str(models / "tuned"),
        reward_model=str(models / "judge"),
        settings=PPOSettings(steps=3, ptx_coefficient=0.5),
        pretraining="pretraining.jsonl",
        dataset_sha256=await sha256_of(engine, run),
    )
    assert len((run_dir / "prompts.jsonl").read_text().splitlines()) == 2


async def test_the_files_are_those_of_the_dataset_and_a_second_attempt_gets_them_again(
    engine, settings, begin
):
    run, run_dir = await begin(REWARD)
    handler = TrainingHandler(settings)

    await handler.prepare(engine, run, run_dir)
    await handler.prepare(engine, run, run_dir)

    folder = dataset_folder(settings.root, run.dataset_id)
    manifest = json.loads((folder / "manifest.json").read_text())
    for name in ("rankings.jsonl", "demonstrations.jsonl"):
        digest = hashlib.sha256((run_dir / name).read_bytes()).hexdigest()
        assert digest == manifest["files"][name]["sha256"]


async def test_a_changed_dataset_file_is_refused(engine, settings, begin):
    run, run_dir = await begin(SFT)
    file = dataset_folder(settings.root, run.dataset_id) / "demonstrations.jsonl"
    file.chmod(0o644)
    file.write_text("{}\n")

    with pytest.raises(InvalidError) as refused:
        await TrainingHandler(settings).prepare(engine, run, run_dir)

    assert refused.value.code == "hash_mismatch"
    assert not (run_dir / "spec.json").exists()


async def test_a_lost_dataset_file_is_named(engine, settings, begin):
    run, run_dir = await begin(SFT)
    (dataset_folder(settings.root, run.dataset_id) / "demonstrations.jsonl").unlink()

    with pytest.raises(InvalidError, match=r"demonstrations\.jsonl is missing"):
        await TrainingHandler(settings).prepare(engine, run, run_dir)


async def test_a_changed_model_file_is_refused(engine, settings, begin, models):
    run, run_dir = await begin(SFT)
    (models / "raw" / "config.json").write_text(json.dumps({"model_type": "qwen2"}))

    with pytest.raises(InvalidError) as refused:
        await TrainingHandler(settings).prepare(engine, run, run_dir)

    assert refused.value.code == "hash_mismatch"


@pytest.mark.parametrize(
    ("new", "kind", "parent"),
    [
        (SFT, "sft", "raw"),
        (REWARD, "reward", "tuned"),
        (DPO, "policy", "tuned"),
        (PPO, "policy", "tuned"),
    ],
)
async def test_a_finished_run_registers_its_model_with_its_lineage(
    engine, settings, viewer, begin, new, kind, parent
):
    run, run_dir = await begin(new)
    write_model(run_dir / "model")

    async with transaction(engine) as tx:
        model_id = await TrainingHandler(settings).complete(tx, run, run_dir, RESULT)
        await finish_run(tx, run, RESULT, model_id=model_id)

    async with transaction(engine) as tx:
        shown = await run_for(tx, viewer, run.id)
        model = await model_by_name(tx, shown.model)
        origin = (await lineage_of(tx, model))[0]
    assert (model.kind, model.parent, model.path) == (kind, parent, str(run_dir / "model"))
    assert shown.model == f"{shown.project}-{kind}-{run.id}"
    assert shown.status == "succeeded"
    assert (origin.run_id, origin.dataset_id) == (run.id, run.dataset_id)
    assert origin.settings == new.settings.model_dump()
    assert origin.code_version == "0.1.0+abc"


async def test_a_run_that_left_no_model_is_refused(engine, settings, begin):
    run, run_dir = await begin(SFT)
    nothing = RESULT.model_copy(update={"model": None})

    async with transaction(engine) as tx:
        with pytest.raises(InvalidError, match="without a model"):
            await TrainingHandler(settings).complete(tx, run, run_dir, nothing)


async def test_a_model_with_code_in_its_folder_is_refused(engine, settings, begin):
    run, run_dir = await begin(SFT)
    write_model(run_dir / "model")
    (run_dir / "model" / "modeling.py").write_text("print()")

    async with transaction(engine) as tx:
        with pytest.raises(InvalidError) as refused:
            await TrainingHandler(settings).complete(tx, run, run_dir, RESULT)

    assert refused.value.code == "forbidden_file"


@pytest.mark.parametrize("has_dataset", [True, False])
async def test_more_folds_than_labelers_are_refused(
    engine, settings, viewer, queue, models, has_dataset
):
    async with transaction(engine) as tx:
        run = await run_for(tx, viewer, (await queue(REWARD)).id)
    folds = NewRun(
        kind="reward",
        base_model="tuned",
        settings=RewardSettings(labeler_folds=2),
        dataset_id=run.dataset_id if has_dataset else None,
    )

    with pytest.raises(InvalidError, match="must be at most 1") as refused:
        await queue(folds)

    assert refused.value.faults[0].loc == ("body", "settings", "labeler_folds")


HELD_OUT = [
    GivenSlate([Given(1, [(1, 2, 3, 4)]), Given(2, [(1, 2, 3, 4)])], split="validation"),
    GivenSlate([Given(1, [(1, 1, 1, 1)])]),
]


@pytest.fixture
async def held_out(engine: AsyncEngine) -> Seeded:
    """A project whose comparisons and demonstrations are all held out."""
    async with transaction(engine) as tx:
        made = await seed(tx, HELD_OUT, slug="held-out")
        held = DEMONSTRATION.replace("'train'", "'test'")
        await tx.execute(text(held), {"project_id": made.project.id})
    return made


@pytest.mark.parametrize("new", [SFT, REWARD, DPO])
@pytest.mark.parametrize("has_dataset", [True, False])
async def test_what_is_all_held_out_is_nothing_to_train_on(
    engine, settings, viewer, held_out, models, new, has_dataset
):
    project, dataset_id = held_out.project, None
    if has_dataset:
        dataset_id = (await create_dataset(engine, viewer, project, settings.root)).id
    run = dataclasses.replace(new, dataset_id=dataset_id)

    async with transaction(engine) as tx:
        with pytest.raises(InvalidError, match=r"are held out.*split train") as refused:
            await start_run(tx, engine, settings, viewer, project, run)

    assert refused.value.code == "not_enough_data"


@pytest.mark.parametrize("has_dataset", [True, False])
async def test_labelers_of_held_out_prompts_fill_no_fold(
    engine, settings, viewer, models, has_dataset
):
    slates = [GivenSlate([Given(labeler, [(1, 2, 3, 4)])]) for labeler in (1, 2)]
    async with transaction(engine) as tx:
        made = await seed(tx, [*slates, GivenSlate([Given(3, [(1, 2, 3, 4)])], split="test")])
    dataset_id = None
    if has_dataset:
        dataset_id = (await create_dataset(engine, viewer, made.project, settings.root)).id
    run = dataclasses.replace(
        REWARD, settings=RewardSettings(labeler_folds=3), dataset_id=dataset_id
    )

    async with transaction(engine) as tx:
        with pytest.raises(InvalidError, match="must be at most 2"):
            await start_run(tx, engine, settings, viewer, made.project, run)


def test_a_dataset_from_before_the_splits_were_counted_is_taken_as_it_is():
    counts = {"demonstrations": 4, "rankings": 2, "comparisons": 5, "prompts": 3, "pretraining": 0}

    rows = rows_of({"counts": counts})

    assert (rows.training_demonstrations, rows.training_comparisons) == (4, 5)


async def test_a_failed_check_leaves_no_run_behind(engine, settings, viewer, seeded, models):
    wrong = NewRun(kind="ppo", base_model="raw", reward_model="judge", settings=PPOSettings())

    with pytest.raises(InvalidError):
        async with transaction(engine) as tx:
            await start_run(tx, engine, settings, viewer, seeded.project, wrong)

    async with transaction(engine) as tx:
        assert await tx.scalar(text("select count(*) from runs")) == 0
        assert await tx.scalar(text("select count(*) from datasets")) == 0


def test_the_log_is_bounded_and_its_control_characters_are_shown(tmp_path):
    lines = b"".join(b"line %d\n" % number for number in range(100_000))
    (tmp_path / "log.txt").write_bytes(
        lines + b"10%\r20%\rdone\n\x1b[31m\x00\xe2\x80\xaeevil\xff\n"
    )

    shown = log_tail(tmp_path).splitlines()

    assert len(shown) == 200
    assert shown[-2:] == ["done", "\\x1b[31m\\x00\\u202eevil\N{REPLACEMENT CHARACTER}"]


def test_a_log_without_line_breaks_is_cut(tmp_path):
    (tmp_path / "log.txt").write_bytes(b"x" * 1_000_000)

    assert len(log_tail(tmp_path)) < 3000


def test_a_run_that_wrote_nothing_has_an_empty_log(tmp_path):
    assert log_tail(tmp_path) == ""
