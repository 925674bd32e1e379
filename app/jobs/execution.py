"""One attempt at a run, from its start to its end; whatever happens, the run says how it ended."""

import asyncio
import contextlib
import logging
import time
from asyncio.subprocess import Process
from collections.abc import Coroutine, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy.exc import InterfaceError, OperationalError
from sqlalchemy.ext.asyncio import AsyncEngine

from app.db import transaction
from app.errors import DomainError
from app.jobs.commands import (
    StaleAttemptError,
    cancel_run,
    fail_run,
    finish_run,
    hand_back_run,
    record_progress,
    retry_run,
    start_attempt,
    wait_for_disk,
)
from app.jobs.handlers import Handler, StartedRun
from app.jobs.machine import oom_kills
from app.jobs.metrics_reader import MetricsReader
from app.jobs.process import (
    cap_log,
    failure_of,
    start_trainer,
    stop_other_trainers,
    stop_trainer,
    trainer_command,
    trainer_environment,
)
from app.settings import Settings
from trainer import rundir
from trainer.errors import RunRefusedError
from trainer.spec import RunKind

logger = logging.getLogger(__name__)

TICK_SECONDS = 0.5
HEARTBEAT_SECONDS = 2.0


@dataclass(frozen=True)
class Runner:
    """What executing runs needs; the same for all of them. Tests name a `trainer` of their own."""

    engine: AsyncEngine
    settings: Settings
    handlers: Mapping[RunKind, Handler]
    code_version: str | None = None
    trainer: Sequence[str] | None = None


async def execute_run(runner: Runner, run_id: int) -> None:
    """Make the next attempt at a run.

    A lost database ends the attempt: the run is queued again once its heartbeat is old.
    """
    async with transaction(runner.engine) as tx:
        run = await start_attempt(tx, run_id, code_version=runner.code_version)
    if run is None:
        return
    try:
        await _attempt(runner, run)
    except StaleAttemptError as error:
        logger.warning("jobs.run.superseded %s", error)
    except asyncio.CancelledError:  # the worker is asked to stop
        async with transaction(runner.engine) as tx:
            await hand_back_run(tx, run)
        raise
    except (OperationalError, InterfaceError):
        raise
    except DomainError as error:
        await _fail(runner, run, error.detail)
    except RunRefusedError as error:
        await _fail(runner, run, str(error))
    except Exception as error:
        logger.exception("jobs.run.crashed run=%s attempt=%s", run.id, run.attempt)
        await _fail(runner, run, f"{type(error).__name__}: {error}")


async def _attempt(runner: Runner, run: StartedRun) -> None:
    run_dir = runner.settings.root / "runs" / str(run.id)
    await asyncio.to_thread(run_dir.mkdir, parents=True, exist_ok=True)
    rundir.require_places(run_dir)
    handler = runner.handlers[run.kind]
    await handler.prepare(runner.engine, run, run_dir)
    exit_code: int | None = 0
    killed_before = oom_kills()
    # A worker killed after the trainer's end left the result: hours of work are not repeated.
    if rundir.read_result(run_dir) is None:
        exit_code = await _train(runner, run, run_dir)
    if exit_code is None:
        async with transaction(runner.engine) as tx:
            await cancel_run(tx, run)
        return
    await handler.ingest(runner.engine, run, run_dir)
    result = rundir.read_result(run_dir)
    if exit_code == 0 and result is not None:
        async with transaction(runner.engine) as tx:
            model_id = await handler.complete(tx, run, run_dir, result)
            await finish_run(tx, run, result, model_id=model_id)
        return
    failure = failure_of(exit_code, run_dir, is_out_of_memory=oom_kills() > killed_before)
    async with transaction(runner.engine) as tx:
        if failure.needs_disk_bytes is not None:
            await wait_for_disk(tx, run, failure.reason, needs_disk_bytes=failure.needs_disk_bytes)
            return
        if failure.is_waiting:
            await hand_back_run(tx, run, failure.reason)
            return
        end = retry_run if failure.is_retryable else fail_run
        await end(tx, run, failure.reason)


async def _train(runner: Runner, run: StartedRun, run_dir: Path) -> int | None:
    """Run the trainer to its end and return its exit code; None when the run was cancelled."""
    await _while_beating(runner, run, stop_other_trainers(run.kind, run_dir))
    process = await start_trainer(
        runner.trainer or trainer_command(run.kind, runner.settings),
        run.kind,
        run_dir,
        environment=trainer_environment(run.kind, runner.settings),
        attempt=run.attempt,
    )
    try:
        return await _follow(runner, run, run_dir, process)
    finally:
        await asyncio.shield(_while_beating(runner, run, stop_trainer(process)))


async def _while_beating(runner: Runner, run: StartedRun, work: Coroutine[Any, Any, None]) -> None:
    """Do work that may take longer than a run may be silent; no other worker takes it over."""
    working = asyncio.create_task(work)
    while not (await asyncio.wait({working}, timeout=HEARTBEAT_SECONDS))[0]:
        with contextlib.suppress(StaleAttemptError, OperationalError, InterfaceError):
            async with transaction(runner.engine) as tx:
                await record_progress(tx, run, [])
    await working


async def _follow(runner: Runner, run: StartedRun, run_dir: Path, process: Process) -> int | None:
    reported = MetricsReader(run_dir / rundir.METRICS_FILE)
    written_at = 0.0
    while True:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(process.wait(), TICK_SECONDS)
        has_ended = process.returncode is not None
        new = await asyncio.to_thread(reported.new_steps)
        is_due = time.monotonic() > written_at + HEARTBEAT_SECONDS
        if new.steps or new.first_void_step is not None or has_ended or is_due:
            async with transaction(runner.engine) as tx:
                cancel_requested = await record_progress(
                    tx, run, new.steps, first_void_step=new.first_void_step
                )
            if cancel_requested:
                return None
            written_at = time.monotonic()
        if has_ended:
            return process.returncode
        await runner.handlers[run.kind].ingest(runner.engine, run, run_dir)
        cap_log(run_dir)


async def _fail(runner: Runner, run: StartedRun, reason: str) -> None:
    with contextlib.suppress(StaleAttemptError):
        async with transaction(runner.engine) as tx:
            await fail_run(tx, run, reason)
