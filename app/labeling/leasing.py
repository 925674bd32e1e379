"""Taking tasks, keeping them, and giving them back.

Every write names the lease token; no row updated means that the lease was lost.
"""

import uuid
from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from app.accounts.viewer import Viewer
from app.errors import ConflictError, InvalidError, NotFoundError
from app.labeling.queries import NOT_YOURS, leased_task_for, task_columns, task_from
from app.labeling.schemas import TaskOut
from app.rounds.places import SEVERE_KINDS, void_places

MAX_SKIPS_PER_PLACE = 3  # then nobody is asked any more: an admin has to look

# Behind the member's cursor, so that a labeler never walks over slates they have already ranked.
LEASE = text(f"""
with chosen as (
    select t.id from tasks t
    where t.project_id = :project_id and t.status = 'open' and t.id > :after
      and not exists (
          select from tasks mine where mine.slate_id = t.slate_id and mine.labeler_id = :labeler_id
      )
    order by t.id limit 1
    for update of t skip locked
), cursor as (
    update project_members set last_task_id = chosen.id from chosen
    where project_id = :project_id and user_id = :labeler_id
), leased as (
    update tasks set
        status = 'leased', labeler_id = :labeler_id, lease_token = gen_random_uuid(),
        lease_expires_at = now() + make_interval(mins => :lease_minutes),
        leased_at = clock_timestamp(),
        display_order = (
            select array_agg(r.id order by random()) from responses r
            where r.slate_id = tasks.slate_id and r.problem is null
        )
    from chosen where tasks.id = chosen.id
    returning tasks.*
)
{task_columns("leased")}
""")  # noqa: S608 - the relation's name is ours

# The task that the labeler holds already, renewed, else where to go on searching. A labeler whose
# lease has expired gets the task back with a new token, unless somebody else took it meanwhile.
# The task that was taken first is the one being worked on; the next one is taken ahead of time.
HELD = text("""
with reopened as (
    update tasks set status = 'open', labeler_id = null, lease_token = null,
                     lease_expires_at = null, display_order = null, leased_at = null
    where id in (
        select id from tasks
        where status = 'leased' and lease_expires_at <= now() and labeler_id <> :labeler_id
        order by lease_expires_at limit 100 for update skip locked
    )
), held as (
    update tasks set
        lease_token = case when lease_expires_at <= now() then gen_random_uuid()
                           else lease_token end,
        lease_expires_at = now() + make_interval(mins => coalesce(
            (select cast(p.screen ->> 'lease_minutes' as int) from projects p
             where p.id = tasks.project_id), :lease_minutes))
    where labeler_id = :labeler_id and status = 'leased' and id = (
        select t.id from tasks t join projects on projects.id = t.project_id
        where projects.slug = :slug and t.labeler_id = :labeler_id and t.status = 'leased'
          and t.id <> all(cast(:beside as bigint[]))
        order by t.leased_at, t.id limit 1
    )
    returning id
)
select m.project_id, m.last_task_id, held.id as task_id,
       coalesce(cast(projects.screen ->> 'lease_minutes' as int), :lease_minutes) as lease_minutes
from project_members m join projects on projects.id = m.project_id
left join held on true
where projects.slug = :slug and m.user_id = :labeler_id
""")

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
returning id, project_id, slate_id, place
""")

REPLACE = text("""
insert into tasks (project_id, slate_id, place)
select :project_id, :slate_id, :place
where (
    select count(*) from tasks
    where slate_id = :slate_id and place = :place and status = 'skipped'
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


async def lease_next_task(
    tx: AsyncSession, viewer: Viewer, *, slug: str, lease_minutes: int, beside: Sequence[int] = ()
) -> TaskOut | None:
    """Give the viewer the task they hold, else the next open place at a slate new to them.

    Args:
        tx: the caller's transaction.
        viewer: a labeler of the project.
        slug: the project's.
        lease_minutes: for how long, unless the project says.
        beside: tasks to leave out: those at work while the next is taken ahead of time.

    Returns:
        The task with everything that the screen shows, or None when there is nothing (more) to
        label.

    Raises:
        NotFoundError: the viewer is not a labeler of this project.
    """
    asked = {
        "slug": slug,
        "labeler_id": viewer.id,
        "lease_minutes": lease_minutes,
        "beside": list(beside),
    }
    held = (await tx.execute(HELD, asked)).one_or_none()
    if held is None:
        raise NotFoundError("There is no such project, or you are not a labeler of it.")
    if held.task_id is not None:
        return await leased_task_for(tx, viewer, held.task_id)
    who = {
        "project_id": held.project_id,
        "labeler_id": viewer.id,
        "lease_minutes": held.lease_minutes,
    }
    # From the cursor on, then once more from the start: skipped and expired tasks lie behind.
    for after in dict.fromkeys((held.last_task_id, 0)):
        leased = (await tx.execute(LEASE, {**who, "after": after})).one_or_none()
        if leased is not None:
            return task_from(leased)
    return None


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
    task = skipped.one_or_none()
    if task is None:
        raise await why_not(tx, viewer, task_id)
    await tx.execute(
        REPLACE,
        {
            "project_id": task.project_id,
            "slate_id": task.slate_id,
            "place": task.place,
            "max_skips": MAX_SKIPS_PER_PLACE,
        },
    )


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
