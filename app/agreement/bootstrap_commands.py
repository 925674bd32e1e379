"""Bootstrapped intervals in the background: asked for when somebody looks, kept until labels come.

A reader never waits for them. While the project is being labeled, they are asked for again at most
every few minutes, so that the worker is not kept busy with what is out of date at once.
"""

import json
from dataclasses import asdict

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession

from app.agreement.cache import labels_of
from app.agreement.computing import computed
from app.agreement.metrics.bootstrap import RESAMPLES, Interval, Statistic, intervals_of
from app.agreement.metrics.labels import headline
from app.agreement.metrics.slices import Slice, sliced
from app.db import transaction
from app.jobs.queue import QUEUE, enqueue

BOOTSTRAP = "bootstrap_agreement"
PAUSE_SECONDS = 120.0

STORED = text("""
select intervals from agreement_bootstraps
where project_id = :project_id and slice = :slice and label_version = :label_version
""")
# Of many who look at once, one gets the row.
REQUEST = text("""
insert into agreement_bootstraps (project_id, slice)
select :project_id, :slice where not exists (
    select from jobs.procrastinate_jobs where queueing_lock = :lock and status = 'todo')
on conflict (project_id, slice) do update set requested_at = now()
    where agreement_bootstraps.requested_at <= now() - make_interval(secs => :pause)
returning slice
""")
STORE = text("""
update agreement_bootstraps set label_version = :label_version, resamples = :resamples,
    intervals = cast(:intervals as jsonb), computed_at = now()
where project_id = :project_id and slice = :slice
""")


async def bootstrap_of(
    tx: AsyncSession, project_id: int, slice_: Slice, *, label_version: str
) -> dict[Statistic, Interval] | None:
    """The intervals of these very labels; None while there are none, and they are asked for."""
    here = {"project_id": project_id, "slice": slice_.key}
    stored = await tx.scalar(STORED, {**here, "label_version": label_version})
    if stored is not None:
        return {name: Interval(**interval) for name, interval in stored.items()}
    lock = f"bootstrap:{project_id}:{slice_.key}"
    if await tx.scalar(REQUEST, {**here, "lock": lock, "pause": PAUSE_SECONDS}) is not None:
        await enqueue(
            tx,
            task=BOOTSTRAP,
            queue=QUEUE,
            args={"project_id": project_id, "slice_key": slice_.key},
            lock=lock,
            queueing_lock=lock,
            priority=-1,
        )
    return None


async def compute_bootstrap(engine: AsyncEngine, *, project_id: int, slice_key: str) -> None:
    """Compute and store the intervals of the labels that there are now; the worker calls this."""
    slice_ = Slice.from_key(slice_key)
    async with transaction(engine) as tx:
        labels = (await labels_of(tx, project_id)).labels
    found = await computed(lambda: intervals_of(headline(sliced(labels, slice_))))
    intervals = {name: asdict(interval) for name, interval in found.items()}
    async with transaction(engine) as tx:
        await tx.execute(
            STORE,
            {
                "project_id": project_id,
                "slice": slice_key,
                "label_version": labels.version,
                "resamples": RESAMPLES,
                "intervals": json.dumps(intervals),
            },
        )
