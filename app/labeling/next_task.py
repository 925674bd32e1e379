"""Which task a labeler gets next: the one they hold, a place that is open, or a check on them."""

from collections.abc import Iterator, Sequence
from typing import Any

from sqlalchemy import Row, TextClause, text
from sqlalchemy.ext.asyncio import AsyncSession

from app.accounts.viewer import Viewer
from app.errors import NotFoundError
from app.labeling.check_leases import CHECKS, REPEAT_AFTER_DAYS
from app.labeling.checks import due_checks
from app.labeling.lease_parts import LEASED, NEW_TO_THEM
from app.labeling.queries import leased_task_for, task_columns, task_from
from app.labeling.schemas import TaskOut
from app.rounds.places import SEVERE_KINDS

FEW = 16  # tasks among which pairs of labelers are filled evenly
LATEST = 100  # of a labeler's overlap tasks count for that

# The round whose open task comes next for the labeler, and which share of its tasks are checks.
UPCOMING = """(
    select jsonb_build_object('id', d.id, 'gold', d.gold_share, 'anchor', d.anchor_share,
                              'repeat', d.repeat_share)
    from tasks t join slates s on s.id = t.slate_id join rounds d on d.id = s.round_id
    where t.project_id = m.project_id and t.status = 'open' and t.id > {after} and {new_to_them}
    order by t.id limit 1)"""

# The task that the labeler holds already, renewed, else where to go on searching. A labeler whose
# lease has expired gets the task back with a new token, unless somebody else took it meanwhile.
# The task that was taken first is the one being worked on; the next one is taken ahead of time.
# A check is meant for its labeler alone, so it waits for them. A re-qualification whose known
# answers are all given is noted as finished, and is counted no more. The member's row is locked:
# what a labeler gets next depends on what they have got.
HELD = text(f"""
with reopened as (
    update tasks set status = 'open', labeler_id = null, lease_token = null,
                     lease_expires_at = null, display_order = null, leased_at = null
    where id in (
        select id from tasks
        where status = 'leased' and lease_expires_at <= now() and labeler_id <> :labeler_id
          and not is_check
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
), finished as (
    update requalifications q set finished_at = now()
    from projects p
    where p.slug = :slug and q.project_id = p.id and q.user_id = :labeler_id
      and q.ended_at is null and q.finished_at is null
      and q.wanted <= (
          select count(*) from tasks t
          where t.labeler_id = q.user_id and t.project_id = q.project_id and t.purpose = 'gold'
            and t.leased_at >= q.created_at and t.status in ('done', 'skipped'))
)
select m.project_id, m.last_task_id, m.tasks_leased, m.checks_seed, held.id as task_id,
       case when held.id is null then coalesce(
           {UPCOMING.format(after="m.last_task_id", new_to_them=NEW_TO_THEM)},
           {UPCOMING.format(after=0, new_to_them=NEW_TO_THEM)}) end as upcoming,
       exists (
           select from requalifications q
           where q.project_id = m.project_id and q.user_id = m.user_id
             and q.ended_at is null and q.finished_at is null
             and q.wanted > (
                 select count(*) from tasks t
                 where t.labeler_id = q.user_id and t.project_id = q.project_id
                   and t.purpose = 'gold' and t.leased_at >= q.created_at
                   and t.status <> 'void')
       ) as requalifies,
       coalesce(cast(projects.screen ->> 'lease_minutes' as int), :lease_minutes) as lease_minutes
from project_members m join projects on projects.id = m.project_id
left join held on true
where projects.slug = :slug and m.user_id = :labeler_id
for no key update of m
""")  # noqa: S608 - all of it is ours

# Behind the member's cursor, so that a labeler never walks over slates they have already ranked.
OPEN = f"""from tasks t
    where t.project_id = :project_id and t.status = 'open' and t.id > :after and {NEW_TO_THEM}"""
# The places of a slate are the rows of a cyclic Latin square whose first row is random: among its
# labelers each response stands in each position about equally often.
IN_A_SQUARE = """
        select array_agg(shown.id order by (shown.position + tasks.place) % shown.count)
        from (
            select r.id, count(*) over () as count,
                   row_number() over (order by hashint8extended(r.id, r.slate_id)) as position
            from responses r where r.slate_id = tasks.slate_id and r.problem is null
        ) shown
    """
# So that all pairs of labelers are filled evenly, slates that somebody else has ranked are left to
# wait until they are all that is near, and then the one is taken whose labeler the viewer shares
# the fewest slates with. What is passed over stays in front of the cursor. Shared slates are
# counted in the viewer's latest work, which keeps it short.
LEASE = text(f"""
with few as materialized (
    select t.id, t.slate_id, t.purpose {OPEN}
    order by t.id limit {FEW}
), beside as materialized (
    select few.id, other.labeler_id
    from few join tasks other on other.slate_id = few.slate_id
    where few.purpose = 'overlap' and other.purpose = 'overlap'
      and other.status in ('leased', 'done')
), shared as materialized (
    select other.labeler_id, count(*) as slates
    from (
        select t.slate_id from tasks t
        where t.labeler_id = :labeler_id and t.project_id = :project_id and t.purpose = 'overlap'
          and exists (select from beside)
        order by t.id desc limit {LATEST}
    ) mine
    join tasks other on other.slate_id = mine.slate_id and other.labeler_id <> :labeler_id
    where other.purpose = 'overlap' and other.status in ('leased', 'done')
    group by other.labeler_id
), emptiest as materialized (
    select beside.id, min(coalesce(shared.slates, 0)) as slates
    from beside left join shared on shared.labeler_id = beside.labeler_id group by beside.id
), chosen as (
    select t.id
    from few join tasks t on t.id = few.id left join emptiest on emptiest.id = few.id
    where t.status = 'open'
    order by emptiest.slates nulls first, few.id limit 1
    for update of t skip locked
), cursor as (
    update project_members set
        tasks_leased = tasks_leased + 1,
        last_task_id = coalesce((select min(few.id) - 1 from few where few.id <> chosen.id),
                                chosen.id)
    from chosen where project_id = :project_id and user_id = :labeler_id
), leased as (
    update tasks set {LEASED.format(display_order=IN_A_SQUARE)}
    from chosen where tasks.id = chosen.id
    returning tasks.*
)
{task_columns("leased")}
""")  # noqa: S608 - all of it is ours

# When others are taking the next few at this moment: the first one that nobody has.
LEASE_FIRST = text(f"""
with chosen as (
    select t.id {OPEN}
    order by t.id limit 1
    for update of t skip locked
), cursor as (
    update project_members set tasks_leased = tasks_leased + 1, last_task_id = chosen.id
    from chosen where project_id = :project_id and user_id = :labeler_id
), leased as (
    update tasks set {LEASED.format(display_order=IN_A_SQUARE)}
    from chosen where tasks.id = chosen.id
    returning tasks.*
)
{task_columns("leased")}
""")  # noqa: S608 - all of it is ours


async def lease_next_task(
    tx: AsyncSession, viewer: Viewer, *, slug: str, lease_minutes: int, beside: Sequence[int] = ()
) -> TaskOut | None:
    """Give the viewer the task they hold, else the next open place at a slate new to them.

    Now and then it is a check instead: a slate with a known answer, an anchor, or one that they
    have ranked long ago.

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
    for statement, after, more in _tries(held):
        leased = (await tx.execute(statement, {**who, **more, "after": after})).one_or_none()
        if leased is not None:
            return task_from(leased)
    return None


def _tries(held: Row[tuple[Any, ...]]) -> Iterator[tuple[TextClause, int, dict[str, object]]]:
    """What to look for and behind which task, until something is found."""
    # From the cursor on, then once more from the start: skipped and expired tasks lie behind.
    cursors = list(dict.fromkeys((held.last_task_id, 0)))
    of_checks: dict[str, object] = {
        "seed": str(held.checks_seed),
        "severe_kinds": list(SEVERE_KINDS),
        "repeat_after_days": REPEAT_AFTER_DAYS,
    }
    drawn, round_id = {}, None
    if held.upcoming is not None:
        round_id, ordinal = held.upcoming["id"], held.tasks_leased + 1
        drawn = due_checks(held.upcoming, seed=held.checks_seed, ordinal=ordinal)
    # What a re-qualification asks for is not drawn: no probability belongs to it.
    due: dict[str, float | None] = {"gold": None} if held.requalifies else {}
    due |= {purpose: share for purpose, share in drawn.items() if purpose not in due}
    for purpose, share in due.items():
        for after in cursors:
            of_one = {"share": share, "round_id": None if share is None else round_id}
            yield CHECKS[purpose], after, {**of_checks, **of_one}
    yield LEASE, held.last_task_id, {}
    for after in cursors:
        yield LEASE_FIRST, after, {}
