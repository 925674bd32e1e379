"""Writes of runs; after the start each names the attempt, so that one given up is refused.

    queued ──> running ──> succeeded | failed | cancelled
       ^──────────┘ (the trainer was killed, the worker was stopped, or the disk was full)
       ^───────────────────────────┴─────────┘ (someone resumes it: `resuming.py`)

A run that nobody works on is queued again by `requeue_lost_runs`: none stays running for ever. One
that waits for disk has no job until there is room.
"""

import json
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import TextClause, text
from sqlalchemy.ext.asyncio import AsyncSession

from app.errors import ConflictError, NotFoundError
from app.jobs.handlers import StartedRun
from app.jobs.queue import EXECUTE_RUN, QUEUE, enqueue
from app.web.translation import gettext
from trainer.result import RunResult
from trainer.spec import RunKind

MAX_ATTEMPTS = 3
STALLED_SECONDS = 15
LONGEST_ERROR = 500
# Sampling has a lock of its own: it must not wait for hours of training on the same device.
LOCKS: dict[RunKind, str] = {
    "sample": "sampling:0",
    "sft": "device:0",
    "reward": "device:0",
    "dpo": "device:0",
    "ppo": "device:0",
}

INSERT = text("""
insert into runs (project_id, kind, settings, dataset_id, base_model_id, reward_model_id, round_id,
                  created_by_id, request_key, max_attempts)
values (:project_id, :kind, cast(:settings as jsonb), :dataset_id, :base_model_id,
        :reward_model_id, :round_id, :created_by_id, :request_key, :max_attempts)
returning id
""")

# What must not start (again): cancelled in the meantime, or too many attempts behind it.
REFUSE = text("""
update runs set finished_at = now(),
    status = case when cancel_requested then 'cancelled' else 'failed' end,
    error = case when cancel_requested then 'cancelled'
                 else 'worker stopped ' || attempt || ' times' end
where id = :run_id and status in ('queued', 'running')
  and (status = 'queued' or heartbeat_at < now() - make_interval(secs => :stalled_seconds))
  and (cancel_requested or attempt >= max_attempts)
""")
START = text("""
update runs set status = 'running', attempt = attempt + 1, progress = 0, error = null,
    needs_disk_bytes = null, code_version = :code_version, heartbeat_at = now(),
    started_at = coalesce(started_at, now())
where id = :run_id and attempt < max_attempts and not cancel_requested
  and (status = 'queued'
       or status = 'running' and heartbeat_at < now() - make_interval(secs => :stalled_seconds))
returning id, attempt, max_attempts, project_id, kind, settings, dataset_id, base_model_id,
          reward_model_id, round_id, created_by_id, code_version
""")

FENCE = "where id = :run_id and attempt = :attempt and status = 'running'"
HOLD = text(f"select id from runs {FENCE} for update")  # noqa: S608 - a constant
REPORT = text(
    f"""
with run as (
    update runs set heartbeat_at = now(), progress = coalesce(:progress, progress),
                    latest = latest || cast(:latest as jsonb)
    {FENCE}
    returning id, attempt, cancel_requested
), reported as (
    insert into run_metrics (run_id, attempt, step, values)
    select run.id, run.attempt, new.step, new.values
    from run, jsonb_to_recordset(cast(:steps as jsonb)) as new(step int, values jsonb)
    on conflict (run_id, step) do update set values = excluded.values, attempt = excluded.attempt
)
select cancel_requested from run
"""  # noqa: S608 - a constant
)
# A resumed attempt cut the file at its checkpoint: what was reported from there on did not happen.
VOID_STEPS = text("delete from run_metrics where run_id = :run_id and step >= :first_void_step")
FINISH = text(
    f"""
update runs set status = 'succeeded', progress = 1, finished_at = now(),
    result = cast(:result as jsonb), model_id = coalesce(:model_id, model_id)
{FENCE} returning id
"""  # noqa: S608 - a constant
)
FAIL = text(
    f"update runs set status = 'failed', error = :reason, finished_at = now() {FENCE} returning id"  # noqa: S608
)
CANCEL = text(
    f"update runs set status = 'cancelled', error = 'cancelled', finished_at = now() {FENCE} "  # noqa: S608
    "returning id"
)
REQUEUE = text(f"update runs set status = 'queued', error = :reason {FENCE} returning id")  # noqa: S608
# Being asked to stop is no fault of the run: the attempt does not count.
HAND_BACK = text(
    f"""
update runs set status = 'queued', max_attempts = max_attempts + 1, error = :reason
{FENCE} returning id
"""  # noqa: S608 - a constant
)
WAIT_FOR_DISK = text(
    f"""
update runs set status = 'queued', max_attempts = max_attempts + 1, error = :reason,
    needs_disk_bytes = :needs_disk_bytes
{FENCE} returning id
"""  # noqa: S608 - a constant
)

# Without a worker nobody would answer the request: a run whose heartbeat stopped is cancelled at
# once, and the fence keeps a worker that comes back from writing.
REQUEST_CANCEL = text("""
with before as (
    select id, status = 'queued' or heartbeat_at < now() - make_interval(secs => :stalled_seconds)
           as is_idle
    from runs where id = :run_id and status in ('queued', 'running') for update
)
update runs set cancel_requested = true,
    status = case when is_idle then 'cancelled' else status end,
    error = case when is_idle then 'cancelled' else error end,
    finished_at = case when is_idle then now() end
from before where runs.id = before.id
returning runs.status
""")
STATUS = text("select status from runs where id = :run_id")

LOST = text("""
select id, kind from runs
where (status = 'queued' and coalesce(needs_disk_bytes, 0) <= :free_disk_bytes
       or status = 'running' and heartbeat_at < now() - make_interval(secs => :stalled_seconds))
  and not exists (select from jobs.procrastinate_jobs job
                  where job.queueing_lock = 'run:' || runs.id and job.status in ('todo', 'doing'))
order by id
for update skip locked
""")

IS_WAITING = text("""
select exists (select from jobs.procrastinate_jobs
               where status = 'todo' and queueing_lock = 'run:' || cast(:run_id as bigint))
""")


class StaleAttemptError(Exception):
    """Another attempt has taken the run over, or it has ended: what this attempt does is void."""

    def __init__(self, run: StartedRun) -> None:
        super().__init__(f"run {run.id}: attempt {run.attempt} no longer counts")


@dataclass(frozen=True)
class Step:
    """What the trainer reported at one step."""

    number: int
    progress: float
    values: dict[str, float | None]


async def queue_run(
    tx: AsyncSession,
    *,
    project_id: int,
    kind: RunKind,
    settings: dict[str, Any],
    created_by_id: int | None,
    dataset_id: int | None = None,
    base_model_id: int | None = None,
    reward_model_id: int | None = None,
    round_id: int | None = None,
    request_key: uuid.UUID | None = None,
    max_attempts: int = MAX_ATTEMPTS,
) -> int:
    """Insert a run and enqueue its job in the caller's transaction; return its id."""
    run_id: int | None = await tx.scalar(
        INSERT,
        {
            "project_id": project_id,
            "kind": kind,
            "settings": json.dumps(settings),
            "dataset_id": dataset_id,
            "base_model_id": base_model_id,
            "reward_model_id": reward_model_id,
            "round_id": round_id,
            "created_by_id": created_by_id,
            "request_key": request_key,
            "max_attempts": max_attempts,
        },
    )
    assert run_id is not None
    await _enqueue_run(tx, run_id, kind)
    return run_id


async def request_cancel(tx: AsyncSession, run_id: int) -> str:
    """Cancel a queued run at once; ask the worker of a running one to stop it.

    Returns:
        The run's status: `cancelled`, or `running` until the worker has stopped it.

    Raises:
        NotFoundError: there is no such run.
        ConflictError: it has ended already.
    """
    status = await tx.scalar(REQUEST_CANCEL, {"run_id": run_id, "stalled_seconds": STALLED_SECONDS})
    if isinstance(status, str):
        return status
    ended = await tx.scalar(STATUS, {"run_id": run_id})
    if ended is None:
        raise NotFoundError("There is no such run.")
    raise ConflictError(
        gettext(
            "Run %(id)s has %(ended)s already; there is nothing to cancel.",
            id=run_id,
            ended=gettext(ended),
        )
        if ended != "cancelled"
        else gettext("Run %(id)s is cancelled already.", id=run_id),
        code="run_finished",
    )


async def start_attempt(
    tx: AsyncSession, run_id: int, *, code_version: str | None
) -> StartedRun | None:
    """Begin the next attempt; None when the run has ended, is cancelled or is being worked on."""
    names = {"run_id": run_id, "stalled_seconds": STALLED_SECONDS}
    await tx.execute(REFUSE, names)
    row = (await tx.execute(START, {**names, "code_version": code_version})).one_or_none()
    return None if row is None else StartedRun(**row._mapping)  # noqa: SLF001 - its public name


async def hold_attempt(tx: AsyncSession, run: StartedRun) -> None:
    """Lock the run for this transaction.

    Raises:
        StaleAttemptError: the attempt no longer counts; nothing may be written for it.
    """
    await _fenced(tx, HOLD, run)


async def record_progress(
    tx: AsyncSession, run: StartedRun, steps: Sequence[Step], *, first_void_step: int | None = None
) -> bool:
    """Store what the trainer reported, and that the run is alive; return whether to cancel it.

    Args:
        tx: the caller's transaction.
        run: the attempt.
        steps: new ones, and ones that are reported again.
        first_void_step: this step and later ones of before are removed first.

    Raises:
        StaleAttemptError: the attempt no longer counts.
    """
    if first_void_step is not None:
        await _fenced(tx, HOLD, run)
        await tx.execute(VOID_STEPS, {"run_id": run.id, "first_void_step": first_void_step})
    latest: dict[str, float | None] = {}
    values = {}  # of each step once: what is reported again counts
    for step in steps:
        latest |= step.values
        values[step.number] = step.values
    rows = [{"step": number, "values": reported} for number, reported in values.items()]
    cancel_requested = await _fenced(
        tx,
        REPORT,
        run,
        progress=min(1.0, max(0.0, steps[-1].progress)) if steps else None,
        latest=json.dumps(latest),
        steps=json.dumps(rows),
    )
    return bool(cancel_requested)


async def finish_run(
    tx: AsyncSession, run: StartedRun, result: RunResult, *, model_id: int | None
) -> None:
    """Mark the run succeeded. Raises StaleAttemptError like all that follow."""
    await _fenced(tx, FINISH, run, result=result.model_dump_json(), model_id=model_id)


async def fail_run(tx: AsyncSession, run: StartedRun, reason: str) -> None:
    """Mark the run failed for good, and say why in one line."""
    await _fenced(tx, FAIL, run, reason=_one_line(reason))


async def cancel_run(tx: AsyncSession, run: StartedRun) -> None:
    """Mark the run cancelled, after its trainer is gone."""
    await _fenced(tx, CANCEL, run)


async def retry_run(tx: AsyncSession, run: StartedRun, reason: str) -> None:
    """Queue the run for its next attempt, or fail it when this was the last."""
    if run.attempt >= run.max_attempts:
        await fail_run(tx, run, f"{reason} ({run.attempt} attempts)")
        return
    await _fenced(tx, REQUEUE, run, reason=_one_line(reason))
    await enqueue_again(tx, run.id, run.kind)


async def hand_back_run(tx: AsyncSession, run: StartedRun, reason: str | None = None) -> None:
    """Queue the run again: its worker was asked to stop, or `reason` says what it waits for."""
    await _fenced(tx, HAND_BACK, run, reason=None if reason is None else _one_line(reason))
    await enqueue_again(tx, run.id, run.kind)


async def wait_for_disk(
    tx: AsyncSession, run: StartedRun, reason: str, *, needs_disk_bytes: int
) -> None:
    """Let the run wait until so much is free; like being stopped, this is no fault of the run."""
    await _fenced(
        tx, WAIT_FOR_DISK, run, reason=_one_line(reason), needs_disk_bytes=needs_disk_bytes
    )


async def requeue_lost_runs(tx: AsyncSession, *, free_disk_bytes: int) -> list[int]:
    """Enqueue what is queued or running but has no living job, unless it still waits for disk.

    Returns:
        The runs' ids.
    """
    names = {"stalled_seconds": STALLED_SECONDS, "free_disk_bytes": free_disk_bytes}
    lost = (await tx.execute(LOST, names)).all()
    for run_id, kind in lost:
        await enqueue_again(tx, run_id, kind)
    return [run_id for run_id, _ in lost]


async def enqueue_again(tx: AsyncSession, run_id: int, kind: RunKind) -> None:
    """Enqueue a run ahead of new ones, unless a job of it waits already."""
    if not await tx.scalar(IS_WAITING, {"run_id": run_id}):
        await _enqueue_run(tx, run_id, kind, priority=1)


async def _enqueue_run(tx: AsyncSession, run_id: int, kind: RunKind, *, priority: int = 0) -> None:
    await enqueue(
        tx,
        task=EXECUTE_RUN,
        queue=QUEUE,
        args={"run_id": run_id},
        lock=LOCKS[kind],
        queueing_lock=f"run:{run_id}",
        priority=priority,
    )


async def _fenced(
    tx: AsyncSession, statement: TextClause, run: StartedRun, **values: object
) -> object:
    rows = await tx.execute(statement, {"run_id": run.id, "attempt": run.attempt, **values})
    row = rows.one_or_none()
    if row is None:
        raise StaleAttemptError(run)
    return row[0]


def _one_line(reason: str) -> str:
    line = " ".join(reason.replace("\0", "\N{REPLACEMENT CHARACTER}").split())
    return line if len(line) <= LONGEST_ERROR else f"{line[:LONGEST_ERROR]} …"
