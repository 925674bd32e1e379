"""Going on with a run that was cancelled or failed: back to the queue, with its run directory."""

import asyncio
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from app.errors import ConflictError, NotFoundError
from app.jobs.commands import MAX_ATTEMPTS, enqueue_again
from app.web.translation import gettext
from trainer import rundir

HELD = text(
    "select kind, status, attempt, cancel_requested from runs where id = :run_id for update"
)
# The pause is no time that the run took: its start moves by as much.
RESUME = text("""
update runs set status = 'queued', cancel_requested = false, error = null, needs_disk_bytes = null,
    max_attempts = greatest(max_attempts, attempt + :attempts),
    latest = latest - 'seconds_left',
    started_at = started_at + (now() - finished_at), finished_at = null
where id = :run_id
""")


@dataclass(frozen=True)
class ResumePoint:
    """Where a run that has ended would go on.

    Attributes:
        step: the first that is still to be done, as its last checkpoint says; None: all are.
        is_trained: the trainer had finished, and only its result is still to be taken over.
        is_gone: the run was begun, but its directory is not there any more.
    """

    step: int | None = None
    is_trained: bool = False
    is_gone: bool = False


def resume_point(run_dir: Path, *, attempt: int) -> ResumePoint:
    """Look into the run directory; the trainer verifies the checkpoint before it uses it.

    Args:
        run_dir: which a run that never began need not have.
        attempt: how often it was begun.
    """
    if not run_dir.is_dir():
        return ResumePoint(is_gone=attempt > 0)
    newest = next(iter(rundir.checkpoint_steps(run_dir)), None)
    return ResumePoint(step=newest or None, is_trained=rundir.read_result(run_dir) is not None)


async def resume_run(tx: AsyncSession, data_dir: Path, run_id: int) -> ResumePoint:
    """Queue a cancelled or failed run again, with as many attempts as a new one.

    Args:
        tx: the caller's transaction.
        data_dir: holds the run directories.
        run_id: which run.

    Raises:
        NotFoundError: there is no such run.
        ConflictError: it has not ended, it succeeded, or its directory is gone.
    """
    run = (await tx.execute(HELD, {"run_id": run_id})).one_or_none()
    if run is None:
        raise NotFoundError("There is no such run.")
    if run.status == "succeeded":
        raise ConflictError(
            gettext("Run %(id)s has succeeded; there is nothing to resume.", id=run_id),
            code="run_finished",
        )
    if run.cancel_requested and run.status == "running":
        raise ConflictError(
            gettext(
                "Run %(id)s is still being cancelled; resume it once it has stopped.", id=run_id
            ),
            code="run_going_on",
        )
    if run.status in ("queued", "running"):
        raise ConflictError(
            gettext(
                "Run %(id)s is %(status)s; there is nothing to resume.",
                id=run_id,
                status=gettext(run.status),
            ),
            code="run_going_on",
        )
    run_dir = data_dir / "runs" / str(run_id)
    point = await asyncio.to_thread(resume_point, run_dir, attempt=run.attempt)
    if point.is_gone:
        raise ConflictError(
            gettext(
                "The folder of run %(id)s is gone from the data folder; start a new run with the "
                "same settings.",
                id=run_id,
            ),
            code="run_folder_gone",
        )
    await tx.execute(RESUME, {"run_id": run_id, "attempts": MAX_ATTEMPTS})
    await enqueue_again(tx, run_id, run.kind)
    return point
