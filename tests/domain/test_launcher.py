"""Training runs under a launcher: two real ranks (gloo) of the demo's model, through the worker."""

import asyncio
import json
import shutil
import sys
from pathlib import Path

import psutil
import pytest
from pydantic import ValidationError
from sqlalchemy import text

from app.db import transaction
from app.errors import UnavailableError
from app.jobs.commands import queue_run, request_cancel
from app.jobs.execution import Runner, execute_run
from app.jobs.process import ATTEMPT_LINE, TRAINER, failure_of, trainer_command
from app.jobs.resuming import resume_run
from app.settings import Settings, describe_settings
from tests.domain.worker_process import SettingsHandler
from trainer import rundir
from trainer.spec import SFTSettings, SFTSpec

LAUNCHER = (
    "accelerate launch --multi_gpu --num_processes 2 --main_process_port 0 --num_machines 1 "
    "--mixed_precision no --dynamo_backend no -m"
)
ASSETS = Path(__file__).parents[2] / "app" / "demo_assets"
PROJECT = text(
    "insert into projects (slug, name, labels_per_slate, overlap_share) "
    "values ('demo', 'Demo', 1, 0) returning id"
)
RUN = text("select * from runs where id = :id")
# What the launcher of torch 2.13 writes when a rank has ended.
RANK_FAILED = """{attempt} 1 ---
{said}
torch.distributed.elastic.multiprocessing.errors.ChildFailedError:
============================================================
trainer FAILED
------------------------------------------------------------
Failures:
[1]:
  time      : 2026-11-29_20:30:02
  rank      : 0 (local_rank: 0)
  exitcode  : 1 (pid: 4711)
  error_file: <N/A>
------------------------------------------------------------
Root Cause (first observed failure):
[0]:
  time      : 2026-11-29_20:30:01
  rank      : 1 (local_rank: 1)
  exitcode  : {code} (pid: 4712)
  error_file: <N/A>
============================================================
"""


def demonstration(number: int) -> dict[str, object]:
    question = [{"role": "user", "content": f"What comes after {number}?"}]
    return {"prompt_id": str(number), "messages": question, "response": f"{number + 1}."}


class SFTHandler(SettingsHandler):
    """Fine-tunes the demo's model, for as long as epochs and demonstrations say."""

    epochs, count = 100.0, 1000

    async def prepare(self, engine, run, run_dir):  # noqa: ARG002
        settings = SFTSettings(epochs=self.epochs, batch_size=2, tokens_per_forward=256)
        spec = SFTSpec(base_model=str(ASSETS / "sft"), settings=settings)
        with (run_dir / spec.demonstrations).open("w") as rows:
            rows.writelines(json.dumps(demonstration(n)) + "\n" for n in range(self.count))
        (run_dir / rundir.SPEC_FILE).write_text(spec.model_dump_json())


@pytest.fixture
async def run_id(engine) -> int:
    async with transaction(engine) as tx:
        project_id = await tx.scalar(PROJECT)
        return await queue_run(
            tx, project_id=project_id, kind="sft", settings={}, created_by_id=None
        )


async def read(engine, run_id: int):
    async with transaction(engine) as tx:
        return (await tx.execute(RUN, {"id": run_id})).one()


def ranks_of(run_dir: Path) -> list[psutil.Process]:
    children = psutil.Process().children(recursive=True)
    return [one for one in children if one.cmdline()[-3:] == ["trainer", "sft", str(run_dir)]]


async def test_a_run_of_two_ranks_is_cancelled_resumed_and_finished(engine, run_id, tmp_path):
    handler = SFTHandler()
    settings = Settings(data_dir=tmp_path, trainer_launcher=LAUNCHER)
    runner = Runner(engine=engine, settings=settings, handlers={"sft": handler})
    run_dir = tmp_path / "runs" / str(run_id)
    execution = asyncio.create_task(execute_run(runner, run_id))
    async with asyncio.timeout(200):
        while not (await read(engine, run_id)).latest:
            assert not execution.done(), (run_dir / "log.txt").read_text()
            await asyncio.sleep(0.1)
    launcher_and_ranks = ranks_of(run_dir)
    async with transaction(engine) as tx:
        await request_cancel(tx, run_id)
    await execution

    assert len(launcher_and_ranks) == 3
    assert not any(one.is_running() for one in launcher_and_ranks)
    assert (await read(engine, run_id)).status == "cancelled"
    assert rundir.checkpoint_steps(run_dir)[0] > 0

    handler.epochs, handler.count = 1.0, 4  # another spec, so that it begins anew and ends soon
    async with transaction(engine) as tx:
        await resume_run(tx, tmp_path, run_id)
    await execute_run(runner, run_id)

    done = await read(engine, run_id)
    log = (run_dir / "log.txt").read_text()
    assert (done.status, done.attempt, done.error) == ("succeeded", 2, None), log
    assert sum(done.result["rows"].values()) == 4, done.result["rows"]
    assert (run_dir / "model" / "model.safetensors").exists()
    # What every rank knows is said once.
    last = log.rpartition(ATTEMPT_LINE)[2]
    assert last.count("starting at the beginning") == 1
    assert last.count("INFO trainer.limits: needs about") == 1


def test_sampling_and_an_empty_setting_use_this_interpreter():
    assert trainer_command("ppo", Settings()) == TRAINER == (sys.executable, "-m", "trainer")
    assert trainer_command("sample", Settings(trainer_launcher=LAUNCHER)) == TRAINER


def test_the_launcher_is_found_beside_the_interpreter(monkeypatch):
    monkeypatch.setenv("PATH", "/nowhere")

    command = trainer_command("ppo", Settings(trainer_launcher="accelerate launch --cpu -m"))

    beside = shutil.which("accelerate", path=str(Path(sys.executable).parent))
    assert command == (beside, "launch", "--cpu", "-m", "trainer")


def test_a_launcher_that_is_not_there_is_named():
    with pytest.raises(UnavailableError, match="cannot find no-such-launcher"):
        trainer_command("sft", Settings(trainer_launcher="no-such-launcher -m"))


def test_a_launcher_has_to_run_a_module():
    with pytest.raises(ValidationError, match="must end with -m"):
        Settings(trainer_launcher="accelerate launch")
    with pytest.raises(ValidationError, match="quotation"):
        Settings(trainer_launcher="accelerate 'launch -m")
    assert "PODIUM_TRAINER_LAUNCHER" in describe_settings()


@pytest.mark.parametrize(
    ("code", "said", "reason", "is_retryable"),
    [
        (-9, "", "killed by signal 9; most often the machine ran out of memory", True),
        (75, "waiting for disk: needs 20.0 MB, has 1.0 MB", "waiting for disk: needs 20.0", True),
        (2, "error: all ranks tie", "all ranks tie", False),
    ],
)
def test_a_rank_that_failed_first_says_how_the_run_ended(
    tmp_path, code, said, reason, is_retryable
):
    log = RANK_FAILED.format(attempt=ATTEMPT_LINE, said=said, code=code)
    (tmp_path / "log.txt").write_text(log)
    if code == 2:
        rundir.write_failure(tmp_path, "sft", "all ranks tie")

    failure = failure_of(1, tmp_path)

    assert failure.reason.startswith(reason)
    assert failure.is_retryable is is_retryable
    assert failure.needs_disk_bytes == (20_000_000 if code == 75 else None)
    # Of an earlier attempt it says nothing about this one.
    with (tmp_path / "log.txt").open("a") as file:
        file.write(f"{ATTEMPT_LINE} 2 ---\n")
    assert not failure_of(1, tmp_path).is_retryable
