"""The statements that give a labeler a check in the place of their next task."""

from sqlalchemy import text

from app.labeling.lease_parts import LEASED, NEW_TO_THEM
from app.labeling.queries import task_columns
from app.rounds.places import WITHDRAWN

REPEAT_AFTER_DAYS = 14  # by then hardly anybody remembers (B.7)

AT_RANDOM = """
        select array_agg(r.id order by random()) from responses r
        where r.slate_id = given.slate_id and r.problem is null
    """
# A check comes in the shape of the next task, and that one moves to the end: so neither its number
# nor its time tells it from the others. Work that somebody has left on a task must stay with it.
# Only in the round whose share made it due: elsewhere it had another probability.
# Not waiting for a round that is being closed, which in turn may wait for this transaction.
LEASE_CHECK = """
with host as (
    select t.id, t.project_id, t.slate_id, t.place, t.purpose, t.propensity, s.round_id
    from tasks t join slates s on s.id = t.slate_id join rounds d on d.id = s.round_id
    where t.project_id = :project_id and t.status = 'open' and t.id > :after and {new_to_them}
      and d.closed_at is null
      and not exists (select from drafts where drafts.task_id = t.id)
      and not exists (select from screen_events where screen_events.task_id = t.id)
      and not exists (select from reports where reports.task_id = t.id)
    order by t.id limit 1
    for update of t skip locked for share of d skip locked
), given as (
    {given}
    order by md5(concat(cast(:seed as text), s.id)) limit 1
), leased as (
    update tasks set {leased},
        slate_id = given.slate_id, place = 0, purpose = '{purpose}',
        propensity = cast(:share as float8),
        asked_round_id = host.round_id,
        occasion = coalesce((
            select max(mine.occasion) + 1 from tasks mine
            where mine.slate_id = given.slate_id and mine.labeler_id = :labeler_id), 0)
    from host, given where tasks.id = host.id
      and (cast(:round_id as bigint) is null or host.round_id = :round_id)
    returning tasks.*
), moved as (
    insert into tasks (project_id, slate_id, place, purpose, propensity)
    select host.project_id, host.slate_id, host.place, host.purpose, host.propensity
    from host join leased on leased.id = host.id
), cursor as (
    update project_members set tasks_leased = tasks_leased + 1, last_task_id = leased.id
    from leased where project_members.project_id = :project_id and user_id = :labeler_id
)
{columns}
"""
# A check on a slate bars its labeler from that slate's places, so first those are filled.
IS_FILLED = """not exists (
          select from tasks place where place.slate_id = s.id and not place.is_check
            and place.status in ('open', 'leased'))"""
GIVEN = {
    "gold": f"""
    select g.slate_id
    from gold g join slates s on s.id = g.slate_id join rounds d on d.id = s.round_id
    where d.project_id = :project_id and s.status = 'ready' and g.retired_at is null
      and {IS_FILLED}
      and not exists (
          select from tasks mine
          where mine.slate_id = g.slate_id and mine.labeler_id = :labeler_id)""",  # noqa: S608
    "anchor": f"""
    select s.id as slate_id
    from host join rounds asked on asked.id = host.round_id,
         slates s join rounds d on d.id = s.round_id
    where d.project_id = :project_id and s.status = 'ready' and s.is_anchor
      and {IS_FILLED}
      and not exists (
          select from tasks mine
          where mine.slate_id = s.id and mine.labeler_id = :labeler_id
            and (mine.asked_round_id = asked.id or mine.status = 'leased'
                 or mine.finished_at >= asked.created_at))""",  # noqa: S608
    # A few of them, so that not all that somebody ever ranked is looked up.
    "repeat": """
    select s.id as slate_id
    from (
        select t.id, t.slate_id from tasks t
        where t.labeler_id = :labeler_id and t.project_id = :project_id and t.status = 'done'
          and not t.is_check
          and t.finished_at <= now() - make_interval(days => :repeat_after_days)
          and not exists (
              select from tasks again
              where again.slate_id = t.slate_id and again.labeler_id = :labeler_id
                and again.purpose = 'repeat')
        order by md5(concat(cast(:seed as text), t.slate_id)) limit 20
    ) old
    join slates s on s.id = old.slate_id
    join rankings r on r.task_id = old.id and r.is_current
    where r.created_at <= now() - make_interval(days => :repeat_after_days)""",
}
CHECKS = {
    purpose: text(
        LEASE_CHECK.format(
            new_to_them=NEW_TO_THEM,
            given=f"{given} and not {WITHDRAWN.format(slate_id='s.id')}",
            leased=LEASED.format(display_order=AT_RANDOM),
            purpose=purpose,
            columns=task_columns("leased"),
        )
    )
    for purpose, given in GIVEN.items()
}
