"""A real worker process under real faults: killed, stopped, and with a killed Postgres."""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import text

from app.agreement.bootstrap_commands import bootstrap_of
from app.agreement.cache import labels_of
from app.agreement.metrics.slices import EVERYTHING
from app.db import create_engine, migrate, transaction
from app.embedded_postgres.server import EmbeddedPostgres
from app.jobs.commands import queue_run, request_cancel
from tests.labeled_project import Given, GivenSlate, seed

PATIENCE_SECONDS = 60
PROGRAM = Path(__file__).with_name("worker_process.py")
PROJECT = text(
    "insert into projects (slug, name, labels_per_slate, overlap_share) "
    "values ('demo', 'Demo', 1, 0) on conflict (slug) do update set name = 'Demo' returning id"
)


@pytest.fixture
def start_worker(tmp_path) -> Iterator[Callable[[str], subprocess.Popen[bytes]]]:
    workers = []

    def start(url: str) -> subprocess.Popen[bytes]:
        log = (tmp_path / "worker.log").open("ab")
        worker = subprocess.Popen(
            [sys.executable, str(PROGRAM), url, str(tmp_path)],
            stdout=log,
            stderr=log,
            cwd=PROGRAM.parents[2],
        )
        workers.append((worker, log))
        return worker

    yield start
    for worker, log in workers:
        worker.kill()
        worker.wait()
        log.close()


def row_of(url: str, run_id: int) -> tuple[str, int, str | None]:
    """The status, attempt and error of a run."""
    with psycopg.connect(url.replace("+psycopg", "")) as connection:
        query = "select status, attempt, error from runs where id = %s"
        return connection.execute(query, [run_id]).fetchone()


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        assert time.monotonic() < deadline, f"not within {PATIENCE_SECONDS} s"
        time.sleep(0.05)


def is_running(pid: int) -> bool:
    stat = Path(f"/proc/{pid}/stat")
    with suppress(FileNotFoundError):
        return not stat.read_text().rpartition(") ")[2].startswith("Z")
    return False


def trainer_pid(data_dir: Path, run_id: int) -> int:
    """The pid of the run's trainer, as soon as there is one."""
    file = data_dir / "runs" / str(run_id) / "trainer.pid"
    until(lambda: file.exists() and file.read_text() != "")
    return int(file.read_text())


async def queue(url: str, **settings: object) -> int:
    engine = create_engine(url)
    async with transaction(engine) as tx:
        project_id = await tx.scalar(PROJECT)
        run_id = await queue_run(
            tx, project_id=project_id, kind="sft", settings=settings, created_by_id=None
        )
    await engine.dispose()
    return run_id


async def cancel(url: str, run_id: int) -> None:
    engine = create_engine(url)
    async with transaction(engine) as tx:
        await request_cancel(tx, run_id)
    await engine.dispose()


async def test_a_worker_takes_runs_that_wait_and_runs_that_come(database_url, start_worker):
    waiting = await queue(database_url, end="result")
    start_worker(database_url)
    until(lambda: row_of(database_url, waiting)[0] == "succeeded")

    coming = await queue(database_url, end="result")
    until(lambda: row_of(database_url, coming)[0] == "succeeded")


async def test_a_worker_bootstraps_the_intervals_of_agreement(database_url, start_worker):
    slate = GivenSlate([Given(1, [(1, 2, 3, 4)]), Given(2, [(1, 3, 2, 4)])])
    engine = create_engine(database_url)
    async with transaction(engine) as tx:
        seeded = await seed(tx, [slate] * 12)
        asked = partial(bootstrap_of, project_id=seeded.project.id, slice_=EVERYTHING)
        version = (await labels_of(tx, seeded.project.id)).labels.version
        assert await asked(tx, label_version=version) is None
    start_worker(database_url)

    def is_there():
        with psycopg.connect(database_url.replace("+psycopg", "")) as connection:
            query = "select label_version from agreement_bootstraps"
            return connection.execute(query).fetchall() == [(version,)]

    until(is_there)
    async with transaction(engine) as tx:
        assert (await asked(tx, label_version=version)).keys() >= {"strict", "half", "alpha"}
    await engine.dispose()


async def test_a_run_of_a_killed_worker_is_taken_over(database_url, start_worker, tmp_path):
    run_id = await queue(database_url, end="hang", bad_tries=1)
    killed = start_worker(database_url)
    trainer = trainer_pid(tmp_path, run_id)

    killed.kill()
    killed.wait()
    until(lambda: not is_running(trainer))
    start_worker(database_url)

    until(lambda: row_of(database_url, run_id) == ("succeeded", 2, None))


async def test_a_stopped_worker_takes_its_trainer_with_it_and_queues_the_run(
    database_url, start_worker, tmp_path
):
    run_id = await queue(database_url, end="hang", bad_tries=1)
    stopped = start_worker(database_url)
    trainer = trainer_pid(tmp_path, run_id)
    until(lambda: row_of(database_url, run_id)[0] == "running")

    stopped.send_signal(signal.SIGTERM)
    assert stopped.wait(PATIENCE_SECONDS) == 0

    assert not is_running(trainer)
    assert row_of(database_url, run_id) == ("queued", 1, None)
    start_worker(database_url)
    until(lambda: row_of(database_url, run_id) == ("succeeded", 2, None))


async def test_a_cancelled_run_frees_the_device_for_the_next(database_url, start_worker, tmp_path):
    first = await queue(database_url, end="hang", stubborn=True)
    second = await queue(database_url, end="result")
    start_worker(database_url)
    trainer = trainer_pid(tmp_path, first)
    assert row_of(database_url, second)[0] == "queued"

    await cancel(database_url, first)
    until(lambda: not is_running(trainer))

    until(lambda: row_of(database_url, second)[0] == "succeeded")
    assert row_of(database_url, first) == ("cancelled", 1, "cancelled")


@pytest.mark.slow
async def test_a_worker_outlives_a_killed_postgres(start_worker, tmp_path):
    folder = Path(tempfile.mkdtemp(prefix="podium-test-"))
    folder.chmod(0o711)
    with EmbeddedPostgres(folder / "postgres") as postgres:
        url = postgres.ensure_database("podium")
        migrate(url)
        running = await queue(url, end="hang")
        worker = start_worker(url)
        trainer_pid(tmp_path, running)
        killed = postgres.server_pid

        os.kill(killed, signal.SIGKILL)
        until(lambda: postgres.server_pid != killed)

        await cancel(url, running)
        until(lambda: row_of(url, running)[0] == "cancelled")
        following = await queue(url, end="result")
        until(lambda: row_of(url, following)[0] == "succeeded")
        assert worker.poll() is None
        worker.send_signal(signal.SIGTERM)
        assert worker.wait(PATIENCE_SECONDS) == 0
    shutil.rmtree(folder)
