"""Reads of what admins have decided about a slate: its known answer, whether it is an anchor."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from app.agreement.metrics.orders import written

GOLD = text("""
select g.ranks, g.explanation, u.name as created_by, g.created_at, g.retired_at
from gold g join users u on u.id = g.created_by where g.slate_id = :slate_id
""")

OFFER = text("""
select s.is_anchor, s.places, count(t.id) filter (where t.status in ('open', 'leased')) as waiting
from slates s left join tasks t on t.slate_id = s.id and not t.is_check
where s.id = :slate_id group by s.id
""")

DECISIONS = text("""
select x.kind, x.reason, u.name as created_by, x.created_at
from slate_decisions x join users u on u.id = x.created_by
where x.slate_id = :slate_id order by x.id
""")


@dataclass(frozen=True)
class GoldView:
    """A known answer, as `B > A=C`; a retired one is asked no more."""

    order: str
    explanation: str
    created_by: str
    created_at: datetime
    retired_at: datetime | None

    @property
    def is_asked(self) -> bool:
        """Whether labelers are asked about it."""
        return self.retired_at is None


@dataclass(frozen=True)
class DecisionView:
    """What somebody decided, when, and why, if they said so."""

    kind: str
    reason: str | None
    created_by: str
    created_at: datetime


@dataclass(frozen=True)
class Decided:
    """What holds of a slate, and how it came to that.

    Attributes:
        gold: its known answer, also a retired one.
        is_anchor: whether it is asked in every round.
        places: how many labelers it is for.
        waiting: how many of them are still to rank it.
        decisions: oldest first.
    """

    gold: GoldView | None
    is_anchor: bool
    places: int
    waiting: int
    decisions: list[DecisionView]


async def decided_about(tx: AsyncSession, slate_id: int, letters: Mapping[int, str]) -> Decided:
    """What admins have decided about a slate that exists; letters by response."""
    here = {"slate_id": slate_id}
    gold = (await tx.execute(GOLD, here)).one_or_none()
    offer = (await tx.execute(OFFER, here)).one()
    decisions = await tx.execute(DECISIONS, here)
    return Decided(
        gold=None
        if gold is None
        else GoldView(
            written({int(id_): rank for id_, rank in gold.ranks.items()}, letters),
            gold.explanation,
            gold.created_by,
            gold.created_at,
            gold.retired_at,
        ),
        is_anchor=offer.is_anchor,
        places=offer.places,
        waiting=offer.waiting,
        decisions=[DecisionView(*row) for row in decisions],
    )
