"""Resuming a run that was cancelled or failed, with a real Postgres and real processes."""

import asyncio
import os
import signal
from pathlib import Path

import pytest
from sqlalchemy import text

from app.db import transaction
from app.errors import ConflictError, NotFoundError
from app.jobs import execution, process
from app.jobs.commands import (
    Step,
    fail_run,
    finish_run,
    queue_run,
    record_progress,
    request_cancel,
    start_attempt,
)
from app.jobs.execution import Runner, execute_run
from app.jobs.resuming import ResumePoint, resume_point, resume_run
from app.settings import Settings
from app.training.resume_offer import offer_for
from tests.domain.worker_process import FAKE_TRAINER, SettingsHandler
from trainer.result import RunResult

PROJECT = text(
    "insert into projects (slug, name, labels_per_slate, overlap_share) "
    "values ('demo', 'Demo', 1, 0) returning id"
)
RUN = text("select *, now() - started_at as elapsed from runs where id = :id")
STEPS = text("select step, values from run_metrics where run_id = :id order by step")
JOBS = text("select count(*) from jobs.procrastinate_jobs where status = 'todo'")
AN_HOUR_AGO = text("""
update runs set started_at = now() - interval '62 minutes', finished_at = now() - interval '1 hour'
where id = :id
""")
SILENT = text("update runs set heartbeat_at = now() - interval '1 minute' where id = :id")
RESULT = RunResult(kind="sft", metrics={"loss/train": 0.5}, rows={}, versions={})


@pytest.fixture
async def project_id(engine) -> int:
    async with transaction(engine) as tx:
        return await tx.scalar(PROJECT)


@pytest.fixture
def runner(engine, tmp_path) -> Runner:
    return Runner(
        engine=engine,
        settings=Settings(data_dir=tmp_path),
        handlers={"sft": SettingsHandler()},
        trainer=FAKE_TRAINER,
    )


@pytest.fixture
def queued(engine, project_id):
    async def queue(**settings: object) -> int:
        async with transaction(engine) as tx:
            return await queue_run(
                tx, project_id=project_id, kind="sft", settings=settings, created_by_id=None
            )

    return queue


@pytest.fixture
def resumed(engine, tmp_path):
    async def resume(run_id: int) -> ResumePoint:
        async with transaction(engine) as tx:
            return await resume_run(tx, tmp_path, run_id)

    return resume


async def read(engine, run_id: int):
    async with transaction(engine) as tx:
        return (await tx.execute(RUN, {"id": run_id})).one()


async def waiting_jobs(engine) -> int:
    async with transaction(engine) as tx:
        return await tx.scalar(JOBS)


async def test_a_cancelled_run_goes_on_from_its_checkpoint(
    runner, engine, queued, resumed, tmp_path
):
    run_id = await queued(end="hang", bad_tries=1, steps=4, checkpoint=2)
    execution = asyncio.create_task(execute_run(runner, run_id))
    run_dir = tmp_path / "runs" / str(run_id)
    async with asyncio.timeout(60):
        while (await read(engine, run_id)).progress < 0.4:
            await asyncio.sleep(0.05)
    async with transaction(engine) as tx:
        await request_cancel(tx, run_id)
    await execution
    (run_dir / "checkpoints" / "step-00000002").mkdir(parents=True)

    point = await resumed(run_id)
    between = await read(engine, run_id)
    await execute_run(runner, run_id)

    assert point == ResumePoint(step=2)
    assert (between.status, between.error, between.cancel_requested) == ("queued", None, False)
    assert between.finished_at is None
    done = await read(engine, run_id)
    assert (done.status, done.attempt, done.error) == ("succeeded", 2, None)
    async with transaction(engine) as tx:
        rows = await tx.execute(STEPS, {"id": run_id})
        losses = [(row.step, round(row.values["loss/train"], 3)) for row in rows]
    # What came after the checkpoint is replaced: those of the second try are twice as large.
    assert losses == [(1, 1.0), (2, 0.5), (3, 0.667), (4, 0.5), (5, 0.4), (6, 0.333)]


@pytest.mark.parametrize("state", ["stopped", "stubborn"])
async def test_a_trainer_that_a_hung_worker_left_is_ended_before_the_run_goes_on(
    runner, engine, queued, resumed, tmp_path, monkeypatch, state
):
    """Design rule 12: the worker that started it answers no more, and its trainer does not end."""
    monkeypatch.setattr(process, "TERM_GRACE_SECONDS", 3)
    monkeypatch.setattr(execution, "HEARTBEAT_SECONDS", 0.2)
    run_id = await queued(end="hang", bad_tries=1, stubborn=state == "stubborn")
    async with transaction(engine) as tx:
        run = await start_attempt(tx, run_id, code_version=None)
    run_dir = tmp_path / "runs" / str(run_id)
    run_dir.mkdir(parents=True)
    await SettingsHandler().prepare(engine, run, run_dir)
    left = await process.start_trainer(
        FAKE_TRAINER, "sft", run_dir, environment=dict(os.environ), attempt=1
    )
    async with asyncio.timeout(60):
        while not (run_dir / "tries").exists():
            await asyncio.sleep(0.05)
    if state == "stopped":
        os.killpg(left.pid, signal.SIGSTOP)
    async with transaction(engine) as tx:
        await tx.execute(SILENT, {"id": run_id})
        assert await request_cancel(tx, run_id) == "cancelled"
    (run_dir / "checkpoints" / "step-00000002").mkdir(parents=True)
    await resumed(run_id)

    try:
        await execute_run(runner, run_id)
        async with asyncio.timeout(60):
            code = await left.wait()
    finally:
        await process.stop_trainer(left)

    done = await read(engine, run_id)
    assert code == -signal.SIGKILL
    assert (done.status, done.attempt, done.error) == ("succeeded", 2, None)
    # While the old one was given time, the run's heartbeat kept other workers away.
    assert (done.finished_at - done.heartbeat_at).total_seconds() < process.TERM_GRACE_SECONDS


async def test_a_directory_where_another_process_works_is_waited_for_and_fails_no_run(
    runner, engine, queued
):
    run_id = await queued(end="busy", bad_tries=4)

    for _ in range(4):
        await execute_run(runner, run_id)
        waiting = await read(engine, run_id)
        assert (waiting.status, waiting.error) == (
            "queued",
            "another process works in the directory",
        )
    await execute_run(runner, run_id)

    assert (await read(engine, run_id)).status == "succeeded"


async def test_a_failed_run_forgets_its_error_and_the_pause(engine, queued, resumed, tmp_path):
    run_id = await queued()
    (tmp_path / "runs" / str(run_id)).mkdir(parents=True)
    async with transaction(engine) as tx:
        run = await start_attempt(tx, run_id, code_version=None)
        await record_progress(tx, run, [Step(1, 0.5, {"seconds_left": 60.0, "loss/sft": 1.0})])
        await fail_run(tx, run, "the loss is not finite")
        await tx.execute(AN_HOUR_AGO, {"id": run_id})

    assert await resumed(run_id) == ResumePoint()

    after = await read(engine, run_id)
    assert (after.status, after.error, after.latest) == ("queued", None, {"loss/sft": 1.0})
    assert 119 < after.elapsed.total_seconds() < 180  # the two minutes that it took, not the hour
    assert after.max_attempts - after.attempt == 3


async def test_a_run_that_was_cancelled_before_it_began_has_one_job(engine, queued, resumed):
    run_id = await queued()
    async with transaction(engine) as tx:
        await request_cancel(tx, run_id)

    await resumed(run_id)

    assert (await read(engine, run_id)).status == "queued"
    assert await waiting_jobs(engine) == 1


async def test_a_run_that_failed_for_good_has_attempts_again(runner, engine, queued, resumed):
    run_id = await queued(end="killed", bad_tries=3)
    for _ in range(3):
        await execute_run(runner, run_id)
    assert (await read(engine, run_id)).status == "failed"

    await resumed(run_id)
    await execute_run(runner, run_id)

    assert (await read(engine, run_id)).status == "succeeded"


async def test_a_run_that_goes_on_or_succeeded_is_not_resumed(engine, queued, resumed):
    run_id = await queued()

    with pytest.raises(ConflictError, match="is queued") as waiting:
        await resumed(run_id)
    async with transaction(engine) as tx:
        run = await start_attempt(tx, run_id, code_version=None)
    with pytest.raises(ConflictError, match="is running"):
        await resumed(run_id)
    async with transaction(engine) as tx:
        await request_cancel(tx, run_id)
    with pytest.raises(ConflictError, match="still being cancelled"):
        await resumed(run_id)
    async with transaction(engine) as tx:
        await finish_run(tx, run, RESULT, model_id=None)
    with pytest.raises(ConflictError, match="has succeeded") as over:
        await resumed(run_id)

    assert (waiting.value.code, over.value.code) == ("run_going_on", "run_finished")
    with pytest.raises(NotFoundError):
        await resumed(999)


async def test_a_run_whose_folder_is_gone_is_not_resumed(engine, queued, resumed):
    run_id = await queued()
    async with transaction(engine) as tx:
        run = await start_attempt(tx, run_id, code_version=None)
        await fail_run(tx, run, "it broke")

    with pytest.raises(ConflictError, match="folder of run") as refused:
        await resumed(run_id)

    assert refused.value.code == "run_folder_gone"
    assert (await read(engine, run_id)).status == "failed"


# --- where it would go on ------------------------------------------------------------------------


def test_the_newest_checkpoint_is_where_a_run_goes_on(tmp_path):
    for step in (3, 12):
        (tmp_path / "checkpoints" / f"step-{step:08d}").mkdir(parents=True)

    assert resume_point(tmp_path, attempt=1) == ResumePoint(step=12)


def test_the_checkpoint_of_step_0_is_the_beginning(tmp_path):
    (tmp_path / "checkpoints" / "step-00000000").mkdir(parents=True)

    assert resume_point(tmp_path, attempt=1) == ResumePoint()


def test_a_result_is_all_that_is_left_to_take_over(tmp_path):
    (tmp_path / "result.json").write_text(RESULT.model_dump_json())

    assert resume_point(tmp_path, attempt=1) == ResumePoint(is_trained=True)


def test_a_folder_that_never_was_is_not_gone(tmp_path: Path):
    assert resume_point(tmp_path / "1", attempt=0) == ResumePoint()
    assert resume_point(tmp_path / "1", attempt=1) == ResumePoint(is_gone=True)


@pytest.mark.parametrize(
    ("point", "kind", "said"),
    [
        (ResumePoint(step=1200), "ppo", "from step 1,200"),
        (ResumePoint(), "sft", "from the beginning"),
        (ResumePoint(), "sample", "what is still missing"),
        (ResumePoint(is_trained=True), "reward", "only registers its result"),
        (ResumePoint(is_gone=True), "reward", "cannot be resumed"),
    ],
)
def test_the_page_says_what_resuming_would_do(point, kind, said):
    offer = offer_for(point, kind, has_failed=False)
    failed = offer_for(point, kind, has_failed=True)

    assert said in offer.text
    assert "fails again" not in offer.text
    assert failed.text.startswith(offer.text)
    assert ("fails again" in failed.text) is not point.is_gone
    assert offer.is_possible is not point.is_gone
