"""The background composition root: takes runs from the queue and executes them; holds no torch.

Stops on SIGTERM and SIGINT: trainers are stopped and their runs queued again. When the database
goes away it starts over until the database is back.
"""

import asyncio
import contextlib
import logging
import signal
from collections.abc import Mapping, Sequence

import procrastinate
import psycopg
from procrastinate.exceptions import ConnectorException
from procrastinate.jobs import Status
from sqlalchemy.exc import SQLAlchemyError

from app.agreement.bootstrap_commands import BOOTSTRAP, compute_bootstrap
from app.db import create_engine, transaction
from app.jobs.code_version import code_version
from app.jobs.commands import STALLED_SECONDS, requeue_lost_runs
from app.jobs.disk import free_disk_bytes
from app.jobs.execution import Runner, execute_run
from app.jobs.handlers import Handler
from app.jobs.machine import this_machine, write_machine
from app.jobs.queue import EXECUTE_RUN, QUEUE, create_queue
from app.labeling.drafts import forget_events
from app.rounds.sampling import SampleHandler
from app.settings import Settings
from app.training.handlers import TrainingHandler
from trainer.spec import RunKind

logger = logging.getLogger(__name__)

RECOVERY_SECONDS = 5
FORGETTING_SECONDS = 3600
WORKER_HEARTBEAT_SECONDS = 3
RESTART_SECONDS = 2
CONCURRENT_RUNS = 4
LOST_DATABASE = (SQLAlchemyError, ConnectorException, psycopg.Error)


async def run_worker(
    settings: Settings,
    *,
    database_url: str,
    handlers: Mapping[RunKind, Handler] | None = None,
    trainer: Sequence[str] | None = None,
) -> None:
    """Work until SIGTERM or SIGINT."""
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopping.set)
    engine = create_engine(database_url, pool_size=CONCURRENT_RUNS + 1)
    runner = Runner(
        engine=engine,
        settings=settings,
        handlers=_handlers(settings) if handlers is None else handlers,
        code_version=await asyncio.to_thread(code_version),
        trainer=trainer,
    )
    machine = await asyncio.to_thread(
        this_machine, has_launcher=bool(settings.trainer_launcher.strip())
    )
    await asyncio.to_thread(write_machine, settings.root, machine)
    try:
        while not stopping.is_set():
            await _work_until(stopping, runner, database_url)
    finally:
        await engine.dispose()


async def _work_until(stopping: asyncio.Event, runner: Runner, database_url: str) -> None:
    """Work until `stopping` is set or the connection to the database is lost."""
    stop = asyncio.create_task(stopping.wait())
    work = asyncio.create_task(_work(runner, database_url))
    await asyncio.wait({stop, work}, return_when=asyncio.FIRST_COMPLETED)
    stop.cancel()
    work.cancel()
    try:
        await work
    except asyncio.CancelledError:
        logger.info("worker.stopped")
    except LOST_DATABASE:
        logger.exception("worker.database.lost")
    if not stopping.is_set():
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(stopping.wait(), RESTART_SECONDS)


async def _work(runner: Runner, database_url: str) -> None:
    queue = create_queue(database_url)

    @queue.task(name=EXECUTE_RUN, queue=QUEUE)
    async def execute(run_id: int) -> None:
        await execute_run(runner, run_id)

    @queue.task(name=BOOTSTRAP, queue=QUEUE)
    async def bootstrap(project_id: int, slice_key: str) -> None:
        await compute_bootstrap(runner.engine, project_id=project_id, slice_key=slice_key)

    async with queue.open_async():
        recovery = asyncio.create_task(_recover(runner, queue))
        forgetting = asyncio.create_task(_forget(runner))
        try:
            await queue.run_worker_async(
                queues=[QUEUE],
                concurrency=CONCURRENT_RUNS,
                update_heartbeat_interval=WORKER_HEARTBEAT_SECONDS,
                stalled_worker_timeout=STALLED_SECONDS,
                fetch_job_polling_interval=2.0,
                shutdown_graceful_timeout=0,
                delete_jobs="always",
                install_signal_handlers=False,
            )
        finally:
            recovery.cancel()
            forgetting.cancel()


async def _recover(runner: Runner, queue: procrastinate.App) -> None:
    """Give up the jobs of dead workers, whose locks block others, and queue their runs again."""
    while True:
        try:
            manager = queue.job_manager
            for job in await manager.get_stalled_jobs(seconds_since_heartbeat=STALLED_SECONDS):
                with contextlib.suppress(ConnectorException):  # another worker was quicker
                    await manager.finish_job(job, status=Status.FAILED, delete_job=True)
            free = free_disk_bytes(runner.settings.root)
            async with transaction(runner.engine) as tx:
                lost = await requeue_lost_runs(tx, free_disk_bytes=free)
            if lost:
                logger.warning("worker.runs.recovered runs=%s", lost)
        except LOST_DATABASE:
            logger.exception("worker.recovery.failed")
        await asyncio.sleep(RECOVERY_SECONDS)


async def _forget(runner: Runner) -> None:
    """Delete what the labeling screen reported long ago; what counts stands beside the rankings."""
    while True:
        try:
            async with transaction(runner.engine) as tx:
                forgotten = await forget_events(tx, days=runner.settings.event_days)
            if forgotten:
                logger.info("worker.events.forgotten events=%s", forgotten)
        except LOST_DATABASE:
            logger.exception("worker.forgetting.failed")
        await asyncio.sleep(FORGETTING_SECONDS)


def _handlers(settings: Settings) -> dict[RunKind, Handler]:
    training = TrainingHandler(settings)
    return {
        "sample": SampleHandler(settings),
        "sft": training,
        "reward": training,
        "dpo": training,
        "ppo": training,
    }
