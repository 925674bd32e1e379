"""The queue and one attempt at a run, with a real Postgres and real processes as trainers."""

import asyncio
import dataclasses
import json
import os
from pathlib import Path

import pytest
from procrastinate.schema import SchemaManager
from sqlalchemy import text

from app.db import transaction
from app.errors import ConflictError, InvalidError, NotFoundError
from app.jobs import execution, process
from app.jobs.code_version import code_version
from app.jobs.commands import (
    StaleAttemptError,
    Step,
    fail_run,
    finish_run,
    hold_attempt,
    queue_run,
    record_progress,
    request_cancel,
    requeue_lost_runs,
    retry_run,
    start_attempt,
)
from app.jobs.execution import Runner, execute_run
from app.jobs.machine import COUNTERS, oom_kills
from app.jobs.metrics_reader import MetricsReader
from app.settings import Settings
from tests.domain.worker_process import FAKE_TRAINER, SettingsHandler
from trainer.result import RunResult

PROJECT = text(
    "insert into projects (slug, name, labels_per_slate, overlap_share) "
    "values ('demo', 'Demo', 1, 0) returning id"
)
RUN = text("select * from runs where id = :id")
METRICS = text("select attempt, step, values from run_metrics where run_id = :id order by step")
JOBS = text("select count(*) from jobs.procrastinate_jobs where status = 'todo'")
AGE = text("update runs set heartbeat_at = now() - interval '1 minute' where id = :id")
KILLED = "killed by signal 9; most often the machine ran out of memory"
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
        handlers=dict.fromkeys(("sample", "sft", "ppo"), SettingsHandler()),
        code_version="0.1.0",
        trainer=FAKE_TRAINER,
    )


@pytest.fixture
def queued(engine, project_id):
    """Queue a run; the settings say what the fake trainer does."""

    async def queue(kind: str = "sft", **settings: object) -> int:
        async with transaction(engine) as tx:
            return await queue_run(
                tx, project_id=project_id, kind=kind, settings=settings, created_by_id=None
            )

    return queue


@pytest.fixture
def started(engine, queued):
    """A run whose first attempt has begun."""

    async def start():
        run_id = await queued()
        async with transaction(engine) as tx:
            return await start_attempt(tx, run_id, code_version=None)

    return start


async def read(engine, run_id: int):
    async with transaction(engine) as tx:
        return (await tx.execute(RUN, {"id": run_id})).one()


async def waiting_jobs(engine) -> int:
    async with transaction(engine) as tx:
        return await tx.scalar(JOBS)


async def take_all_jobs(tx) -> None:
    await tx.execute(text("set local search_path = jobs"))
    await tx.execute(text("delete from procrastinate_jobs"))
    await tx.execute(text("set local search_path to default"))


async def restart_after_a_silent_minute(engine, run_id: int):
    async with transaction(engine) as tx:
        await tx.execute(AGE, {"id": run_id})
        return await start_attempt(tx, run_id, code_version=None)


# --- the queue -----------------------------------------------------------------------------------


def test_the_frozen_schema_is_the_one_of_the_installed_procrastinate():
    frozen = Path(__file__).parents[2] / "migrations" / "procrastinate_3_10.sql"

    assert frozen.read_text() == SchemaManager.get_schema()


async def test_a_rolled_back_transaction_leaves_neither_run_nor_job(engine, project_id):
    async def queue_and_fail() -> None:
        async with transaction(engine) as tx:
            await queue_run(tx, project_id=project_id, kind="sft", settings={}, created_by_id=None)
            raise LookupError

    with pytest.raises(LookupError):
        await queue_and_fail()

    assert await waiting_jobs(engine) == 0
    async with transaction(engine) as tx:
        assert await tx.scalar(text("select count(*) from runs")) == 0


async def test_enqueuing_leaves_the_search_path_as_it_was(tx, project_id):
    before = await tx.scalar(text("show search_path"))
    await queue_run(tx, project_id=project_id, kind="sft", settings={}, created_by_id=None)

    assert await tx.scalar(text("show search_path")) == before


async def test_sampling_does_not_wait_for_training(engine, queued):
    for kind in ("sft", "reward", "dpo", "ppo", "sample"):
        await queued(kind)

    async with transaction(engine) as tx:
        locks = await tx.scalars(text("select lock from jobs.procrastinate_jobs order by id"))
        assert list(locks) == ["device:0"] * 4 + ["sampling:0"]


# --- the fence -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "write",
    [
        hold_attempt,
        lambda tx, run: record_progress(tx, run, [Step(1, 0.1, {"loss/train": 1.0})]),
        lambda tx, run: finish_run(tx, run, RESULT, model_id=None),
        lambda tx, run: fail_run(tx, run, "too late"),
        lambda tx, run: retry_run(tx, run, "too late"),
    ],
    ids=["hold", "progress", "finish", "fail", "retry"],
)
async def test_a_write_of_an_older_attempt_is_refused(engine, started, write):
    old = await started()
    new = await restart_after_a_silent_minute(engine, old.id)

    with pytest.raises(StaleAttemptError):
        async with transaction(engine) as tx:
            await write(tx, old)

    run = await read(engine, old.id)
    assert (run.status, run.attempt, run.progress) == ("running", 2, 0)
    async with transaction(engine) as tx:
        await hold_attempt(tx, new)


async def test_a_run_that_is_being_worked_on_is_not_started_again(engine, started):
    run = await started()

    async with transaction(engine) as tx:
        assert await start_attempt(tx, run.id, code_version=None) is None


async def test_a_run_whose_worker_stopped_three_times_fails_and_says_so(engine, started):
    run = await started()
    for _ in range(2):
        assert await restart_after_a_silent_minute(engine, run.id) is not None

    assert await restart_after_a_silent_minute(engine, run.id) is None
    failed = await read(engine, run.id)
    assert (failed.status, failed.error) == ("failed", "worker stopped 3 times")
    assert failed.finished_at is not None


async def test_a_step_that_is_reported_again_is_replaced(engine, started):
    run = await started()
    async with transaction(engine) as tx:
        await record_progress(tx, run, [Step(1, 0.1, {"a": 1.0}), Step(2, 0.2, {"b": None})])
        await record_progress(tx, run, [Step(2, 1.5, {"b": 2.0})])

    row = await read(engine, run.id)
    assert (row.progress, row.latest) == (1.0, {"a": 1.0, "b": 2.0})
    async with transaction(engine) as tx:
        rows = await tx.execute(METRICS, {"id": run.id})
        assert rows.all() == [(1, 1, {"a": 1.0}), (1, 2, {"b": 2.0})]


async def test_a_resumed_attempt_replaces_the_steps_after_its_checkpoint(runner, engine, queued):
    run_id = await queued(end="killed", bad_tries=1, steps=4, checkpoint=2)

    await execute_run(runner, run_id)
    await execute_run(runner, run_id)

    async with transaction(engine) as tx:
        rows = await tx.execute(METRICS, {"id": run_id})
        losses = [(row.step, round(row.values["loss/train"], 3)) for row in rows]
    kept, again = [(1, 1.0), (2, 0.5)], [(3, 0.667), (4, 0.5), (5, 0.4), (6, 0.333)]
    assert losses == kept + again


async def test_a_step_that_was_taken_back_is_gone_even_before_it_is_reported_again(engine, started):
    run = await started()
    async with transaction(engine) as tx:
        await record_progress(tx, run, [Step(number, 0.1, {"a": 1.0}) for number in range(5)])

    async with transaction(engine) as tx:
        await record_progress(tx, run, [Step(3, 0.1, {"a": 2.0})], first_void_step=3)

    async with transaction(engine) as tx:
        rows = await tx.execute(METRICS, {"id": run.id})
        assert [(row.step, row.values["a"]) for row in rows] == [(0, 1), (1, 1), (2, 1), (3, 2)]


async def test_a_queued_run_without_a_job_gets_one(engine, queued):
    run_id = await queued()
    async with transaction(engine) as tx:
        assert await requeue_lost_runs(tx, free_disk_bytes=0) == []
        await take_all_jobs(tx)
        assert await requeue_lost_runs(tx, free_disk_bytes=0) == [run_id]

    assert await waiting_jobs(engine) == 1


# --- cancelling ----------------------------------------------------------------------------------


async def test_a_queued_run_is_cancelled_at_once_and_never_starts(runner, engine, queued):
    run_id = await queued(end="result")
    async with transaction(engine) as tx:
        assert await request_cancel(tx, run_id) == "cancelled"

    await execute_run(runner, run_id)

    run = await read(engine, run_id)
    assert (run.status, run.attempt, run.error) == ("cancelled", 0, "cancelled")


async def test_a_running_run_is_asked_to_stop(engine, started):
    run = await started()

    async with transaction(engine) as tx:
        assert await request_cancel(tx, run.id) == "running"
        assert await record_progress(tx, run, []) is True


async def test_a_running_run_without_a_worker_is_cancelled_at_once(engine, started):
    run = await started()
    async with transaction(engine) as tx:
        await tx.execute(AGE, {"id": run.id})
        assert await request_cancel(tx, run.id) == "cancelled"

    with pytest.raises(StaleAttemptError):
        async with transaction(engine) as tx:
            await record_progress(tx, run, [])


async def test_a_finished_run_cannot_be_cancelled(engine, started):
    run = await started()
    async with transaction(engine) as tx:
        await finish_run(tx, run, RESULT, model_id=None)

    with pytest.raises(ConflictError, match="succeeded already") as refused:
        async with transaction(engine) as tx:
            await request_cancel(tx, run.id)
    assert refused.value.code == "run_finished"


async def test_a_run_that_does_not_exist_cannot_be_cancelled(tx):
    with pytest.raises(NotFoundError):
        await request_cancel(tx, 999)


async def test_a_cancelled_run_takes_its_stubborn_process_group_with_it(
    runner, engine, queued, tmp_path, monkeypatch
):
    monkeypatch.setattr(process, "TERM_GRACE_SECONDS", 3)
    monkeypatch.setattr(execution, "HEARTBEAT_SECONDS", 0.2)
    run_id = await queued(end="hang", stubborn=True)
    executing = asyncio.create_task(execute_run(runner, run_id))
    run_dir = tmp_path / "runs" / str(run_id)
    async with asyncio.timeout(60):
        while not (run_dir / "trainer.pid").exists():
            await asyncio.sleep(0.05)
    pids = [int((run_dir / name).read_text()) for name in ("trainer.pid", "child.pid")]

    async with transaction(engine) as tx:
        assert await request_cancel(tx, run_id) == "running"
    async with asyncio.timeout(60):
        await executing

    run = await read(engine, run_id)
    assert run.status == "cancelled"
    for pid in pids:
        assert not is_running(pid)
    # While the trainer was given time, the run's heartbeat kept other workers away.
    assert (run.finished_at - run.heartbeat_at).total_seconds() < process.TERM_GRACE_SECONDS


def is_running(pid: int) -> bool:
    stat = Path(f"/proc/{pid}/stat")
    return stat.exists() and not stat.read_text().rpartition(") ")[2].startswith("Z")


# --- one attempt ---------------------------------------------------------------------------------


async def test_a_run_that_ends_well_has_its_metrics_and_its_result(runner, engine, queued):
    run_id = await queued(end="result", steps=3)

    await execute_run(runner, run_id)

    run = await read(engine, run_id)
    assert (run.status, run.progress, run.attempt, run.error) == ("succeeded", 1, 1, None)
    assert run.latest == {"loss/train": pytest.approx(1 / 3)}
    assert run.result["metrics"] == {"loss/train": 0.5}
    assert run.code_version == "0.1.0"
    async with transaction(engine) as tx:
        steps = [(row.attempt, row.step) for row in await tx.execute(METRICS, {"id": run_id})]
    assert steps == [(1, 1), (1, 2), (1, 3)]


async def test_an_exit_without_a_result_is_a_failure(runner, engine, queued):
    run_id = await queued(end="nothing")

    await execute_run(runner, run_id)

    run = await read(engine, run_id)
    assert (run.status, run.error) == ("failed", "exited without a result")


async def test_a_refused_run_says_why_and_is_not_tried_again(runner, engine, queued):
    run_id = await queued(end="refused")
    await execute_run(runner, run_id)

    run = await read(engine, run_id)
    assert (run.status, run.error) == ("failed", "base_model has no tokenizer")


async def test_a_failed_run_says_what_its_result_says(runner, engine, queued):
    run_id = await queued(end="explained")

    await execute_run(runner, run_id)

    run = await read(engine, run_id)
    assert (run.status, run.error, run.result) == ("failed", "all ranks tie", None)


async def test_a_run_that_filled_the_disk_waits_until_there_is_room(  # B086, R-07
    runner, engine, queued
):
    run_id = await queued(end="disk full", bad_tries=1)

    await execute_run(runner, run_id)

    waiting = await read(engine, run_id)
    assert (waiting.status, waiting.needs_disk_bytes) == ("queued", 2_000_000_000)
    assert waiting.error.startswith("waiting for disk: needs 2,000.0 MB, has ")
    async with transaction(engine) as tx:
        await take_all_jobs(tx)
        assert await requeue_lost_runs(tx, free_disk_bytes=2_000_000_000 - 1) == []
        assert await requeue_lost_runs(tx, free_disk_bytes=2_000_000_000) == [run_id]
    await execute_run(runner, run_id)
    done = await read(engine, run_id)
    assert (done.status, done.error, done.needs_disk_bytes) == ("succeeded", None, None)
    assert done.max_attempts - done.attempt == 2


async def test_a_killed_trainer_is_tried_again_and_may_succeed(runner, engine, queued):
    run_id = await queued(end="killed", bad_tries=1)

    await execute_run(runner, run_id)
    between = await read(engine, run_id)
    await execute_run(runner, run_id)

    assert (between.status, between.error) == ("queued", KILLED)
    run = await read(engine, run_id)
    assert (run.status, run.attempt, run.error) == ("succeeded", 2, None)


async def test_a_trainer_that_is_always_killed_fails_after_three_attempts(runner, engine, queued):
    run_id = await queued(end="killed")

    for _ in range(4):
        await execute_run(runner, run_id)

    run = await read(engine, run_id)
    assert (run.status, run.error) == ("failed", f"{KILLED} (3 attempts)")
    assert run.attempt == 3


async def test_a_trainer_that_the_kernel_killed_for_its_memory_ran_out_of_it(
    runner, engine, queued, monkeypatch
):
    counted = iter([4, 5])
    monkeypatch.setattr(execution, "oom_kills", lambda: next(counted))
    run_id = await queued(end="killed", bad_tries=1)

    await execute_run(runner, run_id)

    run = await read(engine, run_id)
    assert (run.status, run.error) == ("queued", "killed by the kernel: out of memory")


@pytest.mark.parametrize("name", COUNTERS)
def test_kills_for_memory_are_counted_by_the_container_or_the_machine(tmp_path, name):
    assert oom_kills(tmp_path) == 0
    (tmp_path / name).parent.mkdir(parents=True)
    (tmp_path / name).write_text("oom_kill_disable 0\nunder_oom 0\noom_kill 3\n")

    assert oom_kills(tmp_path) == 3


def test_the_container_knows_better_than_the_machine_what_was_killed_in_it(tmp_path):
    for name, count in zip(COUNTERS, (1, 2, 7), strict=True):
        (tmp_path / name).parent.mkdir(parents=True)
        (tmp_path / name).write_text(f"oom {count}\noom_kill {count}\n")

    assert oom_kills(tmp_path) == 1


@pytest.mark.timeout(60)
@pytest.mark.parametrize("name", ["log.txt", "result.json"])
async def test_a_pipe_in_the_place_of_a_file_fails_the_run_and_holds_no_worker_up(
    runner, engine, queued, tmp_path, name
):
    run_id = await queued(exit=0)
    run_dir = runner.settings.root / "runs" / str(run_id)
    run_dir.mkdir(parents=True)
    os.mkfifo(run_dir / name)

    await execute_run(runner, run_id)

    run = await read(engine, run_id)
    assert run.status == "failed"
    assert run.error == (
        f"{run_dir / name} is a pipe or device, but a run keeps a file of its own there; move it "
        "away and start the run again"
    )


async def test_a_result_that_a_killed_worker_left_is_used(runner, engine, queued, tmp_path):
    run_id = await queued(end="refused")
    run_dir = tmp_path / "runs" / str(run_id)
    run_dir.mkdir(parents=True)
    (run_dir / "result.json").write_text(RESULT.model_dump_json())

    await execute_run(runner, run_id)

    assert (await read(engine, run_id)).status == "succeeded"


async def test_the_real_trainer_is_found_and_refuses_a_spec_it_does_not_know(
    runner, engine, queued
):
    run_id = await queued(end="result")

    await execute_run(dataclasses.replace(runner, trainer=process.TRAINER), run_id)

    run = await read(engine, run_id)
    assert run.status == "failed"
    assert "spec.json" in run.error


class RefusingHandler(SettingsHandler):
    async def complete(self, tx, run, run_dir, result):  # noqa: ARG002
        await tx.execute(text("update runs set latest = '{\"half\": 1}'"))
        raise InvalidError("The model has no weights.\nRegister another.", code="no_weights")


class BrokenHandler(SettingsHandler):
    async def prepare(self, engine, run, run_dir):  # noqa: ARG002
        raise ZeroDivisionError("division by zero")


async def test_a_refused_registration_fails_the_run_and_writes_nothing(runner, engine, queued):
    run_id = await queued(end="result", steps=0)

    await execute_run(dataclasses.replace(runner, handlers={"sft": RefusingHandler()}), run_id)

    run = await read(engine, run_id)
    assert (run.status, run.latest) == ("failed", {})
    assert run.error == "The model has no weights. Register another."


async def test_a_bug_in_a_handler_fails_the_run_instead_of_leaving_it_running(
    runner, engine, queued
):
    run_id = await queued(end="result")

    await execute_run(dataclasses.replace(runner, handlers={"sft": BrokenHandler()}), run_id)

    run = await read(engine, run_id)
    assert (run.status, run.error) == ("failed", "ZeroDivisionError: division by zero")


async def test_the_trainer_learns_no_secret_and_no_key_of_a_server_that_it_does_not_use(
    runner, engine, queued, tmp_path, monkeypatch
):
    monkeypatch.setenv("PODIUM_DATABASE_URL", "postgresql://secret")
    monkeypatch.setenv("PODIUM_SECRET_KEY", "k" * 48)
    monkeypatch.setenv("HF_HOME", "/models")
    settings = Settings(
        data_dir=tmp_path,
        sampler_url="http://localhost:9",
        sampler_key="sk",
        rollout_url="http://localhost:8",
        rollout_key="rk",
    )
    learnt = {}
    for kind in ("sft", "sample", "ppo"):
        run_id = await queued(kind, end="result")
        await execute_run(dataclasses.replace(runner, settings=settings), run_id)
        learnt[kind] = json.loads(
            (tmp_path / "runs" / str(run_id) / "environment.json").read_text()
        )

    assert learnt["sft"]["HF_HOME"] == "/models"
    assert learnt["sft"]["PYTHONSAFEPATH"] == "1"  # no file of the run directory is imported
    podium = {
        kind: {name: value for name, value in environment.items() if name.startswith("PODIUM_")}
        for kind, environment in learnt.items()
    }
    assert podium == {
        "sft": {},
        "sample": {"PODIUM_SAMPLER_URL": "http://localhost:9", "PODIUM_SAMPLER_KEY": "sk"},
        "ppo": {"PODIUM_ROLLOUT_URL": "http://localhost:8", "PODIUM_ROLLOUT_KEY": "rk"},
    }


# --- files ---------------------------------------------------------------------------------------


def lines(*steps: int, loss: float = 1.0) -> str:
    rows = ({"step": step, "progress": 0.5, "loss/train": loss} for step in steps)
    return "".join(json.dumps(row) + "\n" for row in rows)


def read_numbers(reader: MetricsReader) -> tuple[list[int], int | None]:
    new = reader.new_steps()
    return [step.number for step in new.steps], new.first_void_step


def test_steps_are_read_once_they_are_whole(tmp_path):
    metrics = tmp_path / "metrics.jsonl"
    reader = MetricsReader(metrics)
    nothing = read_numbers(reader)
    metrics.write_text(lines(1, 2) + '{"step": 3')
    two = read_numbers(reader)
    metrics.write_text(lines(1, 2, 3))

    assert (nothing, two, read_numbers(reader)) == (([], None), ([1, 2], None), ([3], None))
    assert read_numbers(reader) == ([], None)


def test_a_file_that_was_cut_takes_its_later_steps_back(tmp_path):
    metrics = tmp_path / "metrics.jsonl"
    metrics.write_text(lines(1, 2, 3, 4))
    reader = MetricsReader(metrics)
    reader.new_steps()

    os.truncate(metrics, len(lines(1, 2)))

    assert read_numbers(reader) == ([], 3)
    assert read_numbers(reader) == ([], None)


def test_a_file_that_was_cut_and_grew_beyond_its_old_length_is_read_from_the_cut(tmp_path):
    metrics = tmp_path / "metrics.jsonl"
    metrics.write_text(lines(1, 2, 3, 4))
    reader = MetricsReader(metrics)
    reader.new_steps()

    os.truncate(metrics, len(lines(1, 2)))
    with metrics.open("a") as file:
        file.write(lines(3, 4, 5, 6, loss=0.25))

    assert read_numbers(reader) == ([3, 4, 5, 6], 3)


def test_an_attempt_that_starts_over_is_read_from_its_first_step(tmp_path):
    metrics = tmp_path / "metrics.jsonl"
    metrics.write_text(lines(1, 2))
    reader = MetricsReader(metrics)
    reader.new_steps()

    metrics.unlink()
    gone = read_numbers(reader)
    metrics.write_text(lines(1, loss=0.5))

    assert (gone, read_numbers(reader)) == (([], 1), ([1], None))


def test_a_log_that_grew_too_large_keeps_its_end(tmp_path, monkeypatch):
    monkeypatch.setattr(process, "LOG_BYTES", 1000)
    monkeypatch.setattr(process, "KEPT_LOG_BYTES", 100)
    log = tmp_path / "log.txt"
    log.write_text("x" * 2000 + "\nlast line\n")

    process.cap_log(tmp_path)

    assert log.read_text().endswith("x\nlast line\n")
    assert log.stat().st_size < 200


def test_the_code_version_names_the_release():
    assert code_version().startswith("0.1.0")
