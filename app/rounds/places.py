"""Taking places off offer and offering them again, for whole rounds and for single slates.

A place off offer is a void task. It keeps the labeler who held it, so that they are told why it is
gone; offered again, it is anybody's.
"""

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

# Reports of these kinds take a slate off offer until an admin has answered them.
SEVERE_KINDS = ("personal_data", "illegal")

VOID = text("""
update tasks t set status = 'void', lease_token = null, lease_expires_at = null
from slates s
where s.id = t.slate_id and t.status in ('open', 'leased')
  and (s.round_id = :round_id or s.id = :slate_id)
""")

REOPEN = text("""
update tasks set status = 'open', labeler_id = null, leased_at = null, display_order = null
where id in (
    select distinct on (t.slate_id, t.place) t.id
    from tasks t join slates s on s.id = t.slate_id join rounds r on r.id = s.round_id
    where (s.round_id = :round_id or s.id = :slate_id) and r.closed_at is null
      and t.status = 'void'
      and not exists (
          select from tasks other where other.slate_id = t.slate_id and other.place = t.place
            and other.status not in ('skipped', 'void'))
      and not exists (
          select from reports report join tasks reported on reported.id = report.task_id
          where reported.slate_id = t.slate_id
            and (report.resolution = 'removed'
                 or (report.resolved_at is null and report.kind = any(:severe_kinds))))
    order by t.slate_id, t.place, t.id
)
""")


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

    A closed round stays so, and so does a slate that was removed or waits for an answer.
    """
    await tx.execute(
        REOPEN,
        {"round_id": round_id, "slate_id": slate_id, "severe_kinds": list(SEVERE_KINDS)},
    )
