"""Keeping tasks, getting lost ones back, giving them away; taking them is in `next_task.py`.

Every write names the lease token; no row updated means that the lease was lost.
"""

import uuid
from datetime import datetime

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from app.accounts.viewer import Viewer
from app.errors import ConflictError, InvalidError, NotFoundError
from app.labeling.queries import NOT_YOURS
from app.rounds.places import SEVERE_KINDS, void_places

MAX_SKIPS_PER_PLACE = 3  # then nobody is asked any more: an admin has to look

EXTEND = text("""
update tasks set lease_expires_at = now() + make_interval(mins => coalesce(
    (select cast(p.screen ->> 'lease_minutes' as int) from projects p where p.id = project_id),
    :lease_minutes))
where id = :task_id and labeler_id = :labeler_id and status = 'leased'
  and lease_token = :lease_token and lease_expires_at > now()
returning lease_expires_at
""")

# A lost task is theirs again if nobody else has it and their slate has no other task of theirs.
REGAIN = text("""
update tasks set
    status = 'leased', labeler_id = :labeler_id, lease_token = gen_random_uuid(),
    lease_expires_at = now() + make_interval(mins => :lease_minutes),
    leased_at = coalesce(leased_at, clock_timestamp()),
    display_order = coalesce(display_order, cast(:display_order as bigint[]))
where id = :task_id and (
    (status = 'leased' and labeler_id = :labeler_id) or (
        status = 'open'
        and exists (
            select from project_members m
            where m.project_id = tasks.project_id and m.user_id = :labeler_id
        )
        and not exists (
            select from tasks mine
            where mine.slate_id = tasks.slate_id and mine.labeler_id = :labeler_id
        )
        and (select array_agg(r.id order by r.id) from responses r
             where r.slate_id = tasks.slate_id and r.problem is null)
            = (select array_agg(shown order by shown)
               from unnest(cast(:display_order as bigint[])) shown)
    )
)
returning lease_token, lease_expires_at
""")

SKIP = text("""
update tasks set status = 'skipped', lease_token = null, lease_expires_at = null,
                 skip_reason = :reason, skip_note = :note, finished_at = now()
where id = :task_id and labeler_id = :labeler_id and status = 'leased'
  and lease_token = :lease_token and lease_expires_at > now()
returning id
""")

REPLACE = text("""
insert into tasks (project_id, slate_id, place, purpose, propensity)
select t.project_id, t.slate_id, t.place, t.purpose, t.propensity from tasks t
where t.id = :task_id and not t.is_check and (
    select count(*) from tasks
    where slate_id = t.slate_id and place = t.place and status = 'skipped'
) < :max_skips
""")

REPORT = text("""
with reported as (
    insert into reports (task_id, labeler_id, response_id, kind, note)
    select :task_id, :labeler_id, cast(:response_id as bigint), :kind, :note
    from tasks t where t.id = :task_id and t.labeler_id = :labeler_id
      and t.status in ('leased', 'done')
      and (cast(:response_id as bigint) is null
           or cast(:response_id as bigint) = any(t.display_order))
    returning task_id
)
select t.slate_id from reported join tasks t on t.id = reported.task_id
""")


async def extend_lease(
    tx: AsyncSession, viewer: Viewer, *, task_id: int, lease_token: uuid.UUID, lease_minutes: int
) -> datetime:
    """Keep a task for longer.

    Raises:
        NotFoundError: it is not the viewer's.
        ConflictError: the lease was lost.
    """
    extended = await tx.execute(
        EXTEND,
        {
            "task_id": task_id,
            "labeler_id": viewer.id,
            "lease_token": lease_token,
            "lease_minutes": lease_minutes,
        },
    )
    expires_at: datetime | None = extended.scalar_one_or_none()
    if expires_at is None:
        raise await why_not(tx, viewer, task_id)
    return expires_at


async def regain_lease(
    tx: AsyncSession, viewer: Viewer, *, task_id: int, display_order: list[int], lease_minutes: int
) -> tuple[uuid.UUID, datetime]:
    """Give a task whose lease was lost back to the viewer, if it can still take their ranking.

    Args:
        tx: the caller's transaction.
        viewer: who had the task.
        task_id: the task.
        display_order: in which the viewer saw the responses.
        lease_minutes: for how long.

    Raises:
        NotFoundError: somebody else has it, or it never was theirs to rank.
        ConflictError: it is submitted already, or was withdrawn.
    """
    regained = await tx.execute(
        REGAIN,
        {
            "task_id": task_id,
            "labeler_id": viewer.id,
            "display_order": display_order,
            "lease_minutes": lease_minutes,
        },
    )
    lease = regained.one_or_none()
    if lease is None:
        raise await why_not(tx, viewer, task_id)
    return lease.lease_token, lease.lease_expires_at


async def skip_task(
    tx: AsyncSession,
    viewer: Viewer,
    *,
    task_id: int,
    lease_token: uuid.UUID,
    reason: str,
    note: str | None,
) -> None:
    """Give a task back for somebody else; the viewer is not asked about this slate again.

    Raises:
        NotFoundError: it is not the viewer's.
        ConflictError: the lease was lost, or the task is done.
    """
    skipped = await tx.execute(
        SKIP,
        {
            "task_id": task_id,
            "labeler_id": viewer.id,
            "lease_token": lease_token,
            "reason": reason,
            "note": note,
        },
    )
    if skipped.scalar_one_or_none() is None:
        raise await why_not(tx, viewer, task_id)
    await tx.execute(REPLACE, {"task_id": task_id, "max_skips": MAX_SKIPS_PER_PLACE})


async def report_task(
    tx: AsyncSession,
    viewer: Viewer,
    *,
    task_id: int,
    kind: str,
    response_id: int | None,
    note: str | None,
) -> bool:
    """Tell the admins that a prompt or a response is broken or unsafe.

    Returns:
        Whether the slate was withdrawn from everybody until an admin has looked.

    Raises:
        NotFoundError: the task is not the viewer's.
        InvalidError: the response was not shown there.
    """
    reported = await tx.execute(
        REPORT,
        {
            "task_id": task_id,
            "labeler_id": viewer.id,
            "response_id": response_id,
            "kind": kind,
            "note": note,
        },
    )
    slate_id = reported.scalar_one_or_none()
    if slate_id is None:
        refusal = await why_not(tx, viewer, task_id)
        if isinstance(refusal, NotFoundError) or response_id is None:
            raise refusal
        raise InvalidError("response: is not one of this task", code="invalid")
    if kind not in SEVERE_KINDS:
        return False
    # What may harm people is shown to nobody until an admin has looked.
    await void_places(tx, slate_id=slate_id)
    return True


async def why_not(tx: AsyncSession, viewer: Viewer, task_id: int) -> Exception:
    """Why a write that named a lease found no row."""
    status = await tx.scalar(
        text("select status from tasks where id = :task_id and labeler_id = :labeler_id"),
        {"task_id": task_id, "labeler_id": viewer.id},
    )
    if status is None:
        return NotFoundError(NOT_YOURS)
    if status == "done":
        return ConflictError("This task is submitted already.", code="already_submitted")
    if status == "void":
        return ConflictError("This task was withdrawn by an admin.", code="withdrawn")
    return ConflictError(
        "Your hold on this task has ended; ask for a task again.", code="lease_lost"
    )
