"""Reads of the slates that labelers are divided over, the most divided first, with their tables.

A number of the dashboard leads here with the same slice; a labeler's row adds the labeler, a cell
of two labelers both.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncSession

from app.agreement.cache import labels_of
from app.agreement.computing import computed_beside
from app.agreement.disagreements import letters_of
from app.agreement.loading import Loaded
from app.agreement.metrics.consensus import pair_splits, preferences
from app.agreement.metrics.estimates import Estimate, Kind, Measured, shown
from app.agreement.metrics.labels import PURPOSES, Labels
from app.agreement.metrics.orders import consensus, written
from app.agreement.metrics.rank_correlation import kendall_w
from app.agreement.slates.choices import Asked, Choices, resolved
from app.agreement.slates.divided import (
    Divided,
    Position,
    Sought,
    by_tag,
    divided,
    following,
    histogram,
    most_divided,
    overall,
)
from app.projects.queries import ProjectView

PAGE_SIZE = 25
FOR_W = 3  # of two labelers Kendall's W says no more than their agreement
MOST_UNRANKED = 100
ESCALATION = PURPOSES.index("escalation")
# By how many labelers are asked for.
KINDS: tuple[Kind, ...] = ("agreement_card", "labeler", "labeler_pair")

SLATES = text("""
select s.id, d.number as round, p.external_id as prompt_id,
       left(p.messages -> -1 ->> 'content', 300) as start,
       array(select r.id from responses r where r.slate_id = s.id order by r.position) as responses,
       exists (select from exclusions e where e.slate_id = s.id and e.revoked_at is null)
           as is_excluded,
       exists (select from gold g where g.slate_id = s.id and g.retired_at is null) as is_gold,
       s.is_anchor
from slates s join rounds d on d.id = s.round_id join prompts p on p.id = s.prompt_id
where s.id = any(cast(:ids as bigint[])) and d.project_id = :project_id
""")

# Excluded slates that have no label, of which the columns know nothing.
UNRANKED = text(f"""
select s.id from slates s join rounds d on d.id = s.round_id
where d.project_id = :project_id
  and exists (select from exclusions e where e.slate_id = s.id and e.revoked_at is null)
  and not exists (
      select from rankings r where r.slate_id = s.id and r.is_current and not r.is_check)
order by s.id desc limit {MOST_UNRANKED}
""")  # noqa: S608 - the number is ours


@dataclass(frozen=True)
class DividedSlate:
    """One slate of the list; letters are those of its responses' positions.

    Attributes:
        alike: units that are ordered alike.
        units: of them there are; 0 when all tie, and then there is no agreement.
        w: Kendall's W; None below three labelers, or when it is not defined.
        consensus: by mean mid-rank, as `B > A=C`.
        pair: letters of the two responses over which most are opposed, as `a-b`.
    """

    id: int
    round: int
    prompt_id: str
    start: str
    labels: int
    alike: int
    units: int
    w: float | None
    consensus: str
    pair: str | None
    is_excluded: bool
    is_escalated: bool
    is_gold: bool
    is_anchor: bool

    @property
    def agreement(self) -> float | None:
        """The share of the units that are ordered alike."""
        return self.alike / self.units if self.units else None

    @property
    def position(self) -> str:
        """Where the slate stands, as a page's start is written."""
        return f"{self.alike}-{self.units}-{self.id}"


@dataclass(frozen=True)
class TagAgreement:
    """The agreement over the slates of one tag."""

    tag: str
    slates: int
    strict: Estimate


@dataclass(frozen=True)
class SlateList:
    """Some of the slates that are asked for, and tables over all of them.

    Attributes:
        slates: how many fit.
        undefined: how many of them have no agreement, because every pair is tied by somebody.
        strict: their agreement.
        histogram: slates per tenth of agreement.
        rows: of this page, the most divided first.
        unranked: where excluded ones are asked for without anything else, those without a label.
        next_after: where the next page starts; None on the last.
    """

    asked: Asked
    choices: Choices
    slates: int
    undefined: int
    strict: Estimate
    histogram: list[int]
    tags: list[TagAgreement]
    rows: list[DividedSlate]
    unranked: list[int]
    next_after: str | None


@dataclass(frozen=True)
class _Tables:
    """What is computed in the thread; `page` has one row more where there is a next page."""

    found: Divided
    page: list[int]
    strict: Measured
    histogram: list[int]
    tags: list[tuple[str, int, Measured]]


async def divided_slates_of(
    tx: AsyncSession, project: ProjectView, asked: Asked, *, after: Position | None
) -> SlateList:
    """The slates with two or more labels that are asked for, the most divided first.

    Of those with something excluded also the ones with a single label or none.

    Args:
        tx: the transaction.
        project: the project; the caller has checked that the viewer is an admin.
        asked: which of them.
        after: behind which place; it need not be there any more.

    Raises:
        NotFoundError: the project has no such round.
        InvalidError: no such model or tag is ranked, or there is no such labeler or flag.
    """
    loaded = await labels_of(tx, project.id)
    choices, sought = await resolved(tx, project, asked, loaded.every)
    tables = await computed_beside(
        tx,
        lambda: _tables(
            _of_excluded(loaded) if asked.is_excluded else loaded.labels, sought, after
        ),
    )
    found, page = tables.found, tables.page[:PAGE_SIZE]
    ids = {"ids": found.ids[page].tolist(), "project_id": project.id}
    about = {row.id: row for row in await tx.execute(SLATES, ids)}
    rows = await computed_beside(
        tx, lambda: [_row(found, row, about[int(found.ids[row])]) for row in page]
    )
    unranked = await tx.scalars(UNRANKED, ids) if asked == Asked(is_excluded=True) else ()
    kind = KINDS[len(asked.labelers)]
    return SlateList(
        asked=asked,
        choices=choices,
        slates=len(found),
        undefined=int(((found.labelers > 1) & (found.units == 0)).sum()),
        strict=_estimate(kind, tables.strict),
        histogram=tables.histogram,
        tags=[TagAgreement(tag, n, _estimate(kind, one)) for tag, n, one in tables.tags],
        rows=rows,
        unranked=list(unranked),
        next_after=rows[-1].position if len(tables.page) > PAGE_SIZE else None,
    )


def _estimate(kind: Kind, measured: Measured) -> Estimate:
    return shown(kind, measured, undefined="every pair is tied by one of the labelers")


def _of_excluded(loaded: Loaded) -> Labels:
    """All labels of the slates of which some are excluded."""
    every = loaded.every
    is_excluded = np.isin(every.ranking_id, loaded.excluded)
    return every.where(np.isin(every.slate, every.slate[is_excluded]))


def _tables(labels: Labels, sought: Sought, after: Position | None) -> _Tables:
    found = divided(labels, sought)
    return _Tables(
        found,
        following(found, after, limit=PAGE_SIZE + 1).tolist(),
        overall(found),
        histogram(found),
        by_tag(found),
    )


def _row(found: Divided, row: int, about: Row[Any]) -> DividedSlate:
    labels, place = found.labels, int(found.place[row])
    rows = found.rows_of(place)
    letters = letters_of(about.responses)
    responses = labels.slates.responses[place, : len(about.responses)].tolist()
    ranks = labels.ranks[rows, : len(responses)].astype(np.int64)
    orders = [dict(zip(responses, map(_rank, one), strict=True)) for one in ranks.tolist()]
    concordance = kendall_w(ranks) if len(rows) >= FOR_W else None
    pair = most_divided(pair_splits(preferences(ranks)))
    return DividedSlate(
        id=about.id,
        round=about.round,
        prompt_id=about.prompt_id,
        start=about.start,
        labels=len(rows),
        alike=int(found.alike[row]),
        units=int(found.units[row]),
        w=None if concordance is None else concordance.w,
        consensus=written(consensus(orders), letters),
        pair=None
        if pair is None
        else "-".join(sorted(letters[responses[i]] for i in pair)).lower(),
        is_excluded=about.is_excluded,
        is_escalated=bool((labels.purpose[rows] == ESCALATION).any()),
        is_gold=about.is_gold,
        is_anchor=about.is_anchor,
    )


def _rank(rank: int) -> int | None:
    return rank or None
