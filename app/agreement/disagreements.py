"""Where a labeler's order differs from the consensus of the others, and only where they may see it.

A slate is shown when all its places are done, its last ranking is old enough, the viewer has ranked
it, and nobody can tell whose answer the consensus is.
"""

import asyncio
import string
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncSession

from app.accounts.viewer import Viewer
from app.agreement.metrics.orders import (
    Order,
    consensus,
    is_anonymous,
    judged_pairs,
    reversed_pairs,
    written,
)
from app.agreement.own.queries import DAYS
from app.agreement.remarks import RemarkView, remarks_on
from app.errors import NotFoundError
from app.projects.queries import ProjectView

# Of the newest that many slates the most instructive are chosen.
MAX_CANDIDATES = 300

# One row a ranking of each slate that the viewer may compare, their own among them.
COMPLETE = text("""
with own as (
    select r.id, r.slate_id, r.display_order, r.created_at
    from rankings r join tasks t on t.id = r.task_id
    where r.labeler_id = :viewer_id and r.is_current and not r.is_check
      and t.project_id = :project_id
      and (cast(:ranking_id as bigint) is null or r.id = :ranking_id)
      and (cast(:days as int) is null or r.created_at >= now() - make_interval(days => :days))
), complete as (
    select own.* from own join slates s on s.id = own.slate_id
    where s.places <= (
              select count(*) from tasks t
              where t.slate_id = s.id and t.status = 'done' and not t.is_check)
      and not exists (
          select from tasks t
          where t.slate_id = s.id and t.status in ('open', 'leased') and not t.is_check)
      and (select max(r.created_at) from rankings r
           where r.slate_id = s.id and r.is_current and not r.is_check)
          <= now() - make_interval(hours => :delay_hours)
    order by own.created_at desc, own.id desc
    limit :limit
)
select complete.id, complete.slate_id, complete.display_order, complete.created_at,
       r.id = complete.id as is_own,
       array_agg(i.response_id) as responses, array_agg(i.rank) as ranks,
       (select count(*) from project_members m where m.project_id = :project_id) as members
from complete
join rankings r on r.slate_id = complete.slate_id and r.is_current and not r.is_check
  and (r.id = complete.id or r.id not in (select ranking_id from excluded_rankings))
join ranking_items i on i.ranking_id = r.id
group by complete.id, complete.slate_id, complete.display_order, complete.created_at, r.id
order by complete.created_at desc, complete.id desc
""")

PROMPTS = text("""
select s.id as slate_id, p.messages,
       (select m.text from remarks m where m.slate_id = s.id and m.ranking_id is null
        order by m.id desc limit 1) as remark
from slates s join prompts p on p.id = s.prompt_id
where s.id = any(cast(:slate_ids as bigint[]))
""")

TEXTS = text("""
select id, text from responses where id = any(cast(:ids as bigint[]))
""")


@dataclass(frozen=True)
class Difference:
    """The viewer's order of a slate and the others' consensus, in the letters the viewer saw."""

    ranking_id: int
    slate_id: int
    display_order: list[int]
    own: str
    others: str
    reversed: int
    pairs: int


@dataclass(frozen=True)
class Disagreement:
    """A difference as a line on the labeler's page."""

    difference: Difference
    question: str
    remark: str | None


@dataclass(frozen=True)
class LetteredResponse:
    """A response with the letter under which the viewer ranked it."""

    letter: str
    text: str


@dataclass(frozen=True)
class DisagreementPage:
    """One difference with everything that was there to read, and what was said about it."""

    difference: Difference
    messages: list[dict[str, str]]
    responses: list[LetteredResponse]
    remarks: list[RemarkView]


async def disagreements_for(
    tx: AsyncSession, viewer: Viewer, project: ProjectView
) -> list[Disagreement]:
    """The most instructive ones of the last days: the most pairs ordered the other way first."""
    rows = await _complete(tx, viewer, project, ranking_id=None, days=DAYS)
    differences = await asyncio.to_thread(_differences, rows)
    opposed = [one for one in differences if one.reversed > 0]
    # Stable, so that of two alike the newer comes first.
    chosen = sorted(opposed, key=lambda one: -one.reversed)[: project.screen.feedback_items]
    if not chosen:
        return []
    found = await tx.execute(PROMPTS, {"slate_ids": [one.slate_id for one in chosen]})
    prompts = {row.slate_id: row for row in found}
    return [
        Disagreement(
            one,
            question=prompts[one.slate_id].messages[-1]["content"],
            remark=prompts[one.slate_id].remark,
        )
        for one in chosen
    ]


async def disagreement_for(
    tx: AsyncSession, viewer: Viewer, project: ProjectView, ranking_id: int
) -> DisagreementPage:
    """One of the viewer's current rankings beside the consensus of the others.

    Raises:
        NotFoundError: it is not theirs, or it may not be compared (yet).
    """
    difference = await difference_for(tx, viewer, project, ranking_id)
    prompts = await tx.execute(PROMPTS, {"slate_ids": [difference.slate_id]})
    texts = {row.id: row.text for row in await tx.execute(TEXTS, {"ids": difference.display_order})}
    return DisagreementPage(
        difference=difference,
        messages=prompts.one().messages,
        responses=[
            LetteredResponse(letter, texts[response])
            for response, letter in letters_of(difference.display_order).items()
        ],
        remarks=await remarks_on(tx, viewer, difference.slate_id),
    )


async def difference_for(
    tx: AsyncSession, viewer: Viewer, project: ProjectView, ranking_id: int
) -> Difference:
    """The same without what there is to read.

    Raises:
        NotFoundError: it is not theirs, or it may not be compared (yet).
    """
    rows = await _complete(tx, viewer, project, ranking_id=ranking_id, days=None)
    found = _differences(rows)
    if not found:
        raise NotFoundError(
            "There is nothing to compare here: either this is not your current ranking, or not "
            "everybody has ranked the slate yet, or it is too early.",
            code="not_comparable",
        )
    return found[0]


async def _complete(
    tx: AsyncSession,
    viewer: Viewer,
    project: ProjectView,
    *,
    ranking_id: int | None,
    days: int | None,
) -> Sequence[Row[Any]]:
    found = await tx.execute(
        COMPLETE,
        {
            "viewer_id": viewer.id,
            "project_id": project.id,
            "ranking_id": ranking_id,
            "days": days,
            "limit": MAX_CANDIDATES,
            "delay_hours": project.screen.feedback_delay_hours,
        },
    )
    return found.all()


def _differences(rows: Sequence[Row[Any]]) -> list[Difference]:
    """One per own ranking of which there are enough others, in the order of the rows."""
    own: dict[int, Row[Any]] = {}
    others: dict[int, list[Order]] = {}
    for row in rows:
        if row.is_own:
            own[row.id] = row
        else:
            others.setdefault(row.id, []).append(_order_of(row))
    return [
        _difference(row, others[ranking_id])
        for ranking_id, row in own.items()
        if is_anonymous(len(others.get(ranking_id, ())), row.members)
    ]


def _difference(row: Row[Any], others: Sequence[Order]) -> Difference:
    own, agreed = _order_of(row), consensus(others)
    letters = letters_of(row.display_order)
    return Difference(
        ranking_id=row.id,
        slate_id=row.slate_id,
        display_order=row.display_order,
        own=written(own, letters),
        others=written(agreed, letters),
        reversed=reversed_pairs(own, agreed),
        pairs=judged_pairs(own, agreed),
    )


def _order_of(row: Row[Any]) -> Order:
    return dict(zip(row.responses, row.ranks, strict=True))


def letters_of(order: Sequence[int]) -> dict[int, str]:
    """The letter of each response, given in the order in which they are shown."""
    return dict(zip(order, string.ascii_uppercase, strict=False))
