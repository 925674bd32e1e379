"""The queue: procrastinate in the schema `jobs`, filled in the caller's transaction."""

import json
from collections.abc import Mapping

import procrastinate
from sqlalchemy import text
from sqlalchemy.engine import make_url
from sqlalchemy.ext.asyncio import AsyncSession

QUEUE = "runs"
EXECUTE_RUN = "execute_run"

DEFER = text("""
select jobs.procrastinate_defer_jobs_v1(array[row(
    :queue, :task, :priority, :lock, :queueing_lock, cast(:args as jsonb), null
)::jobs.procrastinate_job_to_defer_v1])
""")


def create_queue(database_url: str) -> procrastinate.App:
    """Make procrastinate's side of the queue, for the worker."""
    conninfo = make_url(database_url).set(drivername="postgresql")
    connector = procrastinate.PsycopgConnector(
        conninfo=conninfo.render_as_string(hide_password=False),
        kwargs={"options": "-c search_path=jobs,public"},
        min_size=1,
        max_size=4,
    )
    return procrastinate.App(connector=connector)


async def enqueue(
    tx: AsyncSession,
    *,
    task: str,
    queue: str,
    args: Mapping[str, object],
    lock: str | None = None,
    queueing_lock: str | None = None,
    priority: int = 0,
) -> int:
    """Add a job that exists when, and only when, the caller's transaction commits.

    Args:
        tx: the caller's transaction.
        task: the name that the worker registered.
        queue: only workers of this queue take it.
        args: the task's arguments, as JSON.
        lock: jobs with the same lock run one after the other.
        queueing_lock: at most one job with this lock waits.
        priority: higher first.

    Returns:
        The job's id.
    """
    # procrastinate's functions and triggers name their tables without a schema.
    await tx.execute(text("set local search_path = jobs, public"))
    job_ids: list[int] = await tx.scalar(
        DEFER,
        {
            "queue": queue,
            "task": task,
            "priority": priority,
            "lock": lock,
            "queueing_lock": queueing_lock,
            "args": json.dumps(args),
        },
    )
    await tx.execute(text("set local search_path to default"))
    return job_ids[0]
