"""Taking places off offer and offering them again, for whole rounds and for single slates.

A place off offer is a void task. It keeps the labeler who held it, so that they are told why it is
gone; offered again, it is anybody's. A check on a labeler takes no place: off offer, it stays so.
"""

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

# Reports of these kinds take a slate off offer until an admin has answered them.
SEVERE_KINDS = ("personal_data", "illegal")
MAX_LABELS = 5  # of a slate that labelers disagree on

# To be used with `SEVERE_KINDS` as `:severe_kinds`. What is excluded as a whole counts nowhere, so
# nobody's time goes into it.
WITHDRAWN = """(exists (
    select from reports report join tasks reported on reported.id = report.task_id
    where reported.slate_id = {slate_id}
      and (report.resolution = 'removed'
           or (report.resolved_at is null and report.kind = any(:severe_kinds))))
    or exists (
    select from exclusions exclusion
    where exclusion.slate_id = {slate_id} and exclusion.ranking_id is null
      and exclusion.revoked_at is null))"""

VOID = text("""
update tasks t set status = 'void', lease_token = null, lease_expires_at = null
from slates s
where s.id = t.slate_id and t.status in ('open', 'leased')
  and ((s.round_id = :round_id and not t.is_check) or t.asked_round_id = :round_id
       or s.id = :slate_id)
""")

REOPEN = text(f"""
update tasks set status = 'open', labeler_id = null, leased_at = null, display_order = null
where id in (
    select distinct on (t.slate_id, t.place) t.id
    from tasks t join slates s on s.id = t.slate_id join rounds r on r.id = s.round_id
    where (s.round_id = :round_id or s.id = :slate_id) and r.closed_at is null
      and t.status = 'void' and not t.is_check
      and not exists (
          select from tasks other where other.slate_id = t.slate_id and other.place = t.place
            and other.status not in ('skipped', 'void'))
      and not {WITHDRAWN.format(slate_id="t.slate_id")}
    order by t.slate_id, t.place, t.id
)
""")  # noqa: S608 - the column's name is ours

# Not waiting for a round that is being closed, which in turn may wait for this transaction.
# A place that no member could take would keep its slate unfinished for ever.
OPEN_ANOTHER = text(f"""
with slate as (
    select s.id, d.project_id from slates s join rounds d on d.id = s.round_id
    where s.id = :slate_id and s.status = 'ready' and s.places < {MAX_LABELS}
      and d.closed_at is null and not {WITHDRAWN.format(slate_id="s.id")}
      and exists (
          select from project_members m
          where m.project_id = d.project_id and not exists (
              select from tasks had where had.slate_id = s.id and had.labeler_id = m.user_id))
    for no key update of s for share of d skip locked
), wider as (
    update slates set places = places + 1 from slate where slates.id = slate.id
    returning slates.id, slates.places, slate.project_id
)
insert into tasks (project_id, slate_id, place, purpose)
select project_id, id, places, 'escalation' from wider
returning id
""")  # noqa: S608 - the column's name is ours


async def void_places(
    tx: AsyncSession, *, round_id: int | None = None, slate_id: int | None = None
) -> None:
    """Take all open and leased tasks of a round or of a slate off offer."""
    # Again until there are none: a skip that was under way has put a fresh task in its place.
    where = {"round_id": round_id, "slate_id": slate_id}
    while (await tx.execute(VOID, where)).rowcount:  # type: ignore[attr-defined]
        pass


async def reopen_places(
    tx: AsyncSession, *, round_id: int | None = None, slate_id: int | None = None
) -> None:
    """Offer the void places of a round or of a slate again, except where there is a reason not to.

    A closed round stays so, and so does a slate that was removed, waits for an answer, or is
    excluded.
    """
    await tx.execute(
        REOPEN,
        {"round_id": round_id, "slate_id": slate_id, "severe_kinds": list(SEVERE_KINDS)},
    )


async def open_another_place(tx: AsyncSession, slate_id: int) -> bool:
    """Ask one more labeler about a slate because of what the others said.

    Returns:
        Whether it was possible: not in a closed round, for a withdrawn slate, beyond `MAX_LABELS`,
        or when all members have had their turn.
    """
    opened = await tx.scalar(
        OPEN_ANOTHER, {"slate_id": slate_id, "severe_kinds": list(SEVERE_KINDS)}
    )
    return opened is not None
