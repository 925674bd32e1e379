"""Reads of one labeler's numbers beside the team's, over the last days; four statements at most."""

import asyncio
from collections.abc import Sequence
from typing import Any

from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncSession

from app.accounts.viewer import Viewer
from app.agreement.metrics import Label
from app.agreement.own_numbers import Habits, Judged, OwnNumbers, own_numbers
from app.projects.queries import ProjectView

DAYS = 30

# As in `queries.LABELS`, but without what labelers never see, and only where two can be compared.
SHARED = text("""
select s.prompt_id, r.slate_id, r.labeler_id, items.responses, items.ranks,
       r.purpose <> 'escalation' as is_drawn
from rounds d
join slates s on s.round_id = d.id
join rankings r on r.slate_id = s.id and r.is_current and not r.is_check
join rankings original on original.task_id = r.task_id and original.version = 1
cross join lateral (
    select array_agg(i.response_id) as responses, array_agg(i.rank) as ranks
    from ranking_items i where i.ranking_id = r.id
) items
where d.project_id = :project_id and r.created_at >= now() - make_interval(days => :days)
  and exists (
      select from rankings other
      where other.slate_id = r.slate_id and other.is_current and not other.is_check
        and other.labeler_id <> r.labeler_id
        and other.created_at >= now() - make_interval(days => :days)
  )
order by original.created_at, original.id
""")

# Ties are counted per rank: n responses of one rank are n (n - 1) / 2 tied pairs.
HABITS = text("""
with ranked as (
    select r.id, r.labeler_id, r.active_ms
    from rounds d
    join slates s on s.round_id = d.id
    join rankings r on r.slate_id = s.id and r.is_current
    where d.project_id = :project_id and r.created_at >= now() - make_interval(days => :days)
), rows as (
    select i.ranking_id, count(*) as responses
    from ranked join ranking_items i on i.ranking_id = ranked.id
    where i.rank is not null group by i.ranking_id, i.rank
), counted as (
    select ranking_id, sum(responses) as judged, sum(responses * (responses - 1) / 2) as ties
    from rows group by ranking_id
)
select cast(ranked.labeler_id as text) as labeler, count(*) as rankings,
       cast(coalesce(sum(judged * (judged - 1) / 2), 0) as bigint) as pairs,
       cast(coalesce(sum(ties), 0) as bigint) as ties, count(active_ms) as timed,
       percentile_cont(0.5) within group (order by active_ms) as median_ms
from ranked left join counted on counted.ranking_id = ranked.id
group by ranked.labeler_id
""")

OWN = text("""
select array_agg(i.rank order by i.response_id) as ranks,
       array_agg(i.rating order by i.response_id) as ratings
from rankings r
join tasks t on t.id = r.task_id
join ranking_items i on i.ranking_id = r.id
where r.labeler_id = :viewer_id and t.project_id = :project_id and r.is_current
  and r.created_at >= now() - make_interval(days => :days)
group by r.id
""")


async def own_numbers_for(tx: AsyncSession, viewer: Viewer, project: ProjectView) -> OwnNumbers:
    """The viewer's numbers of the last days, and the team's."""
    here = {"project_id": project.id, "viewer_id": viewer.id, "days": DAYS}
    shared = (await tx.execute(SHARED, here)).all()
    habits = [Habits(*row) for row in await tx.execute(HABITS, here)]
    own = [Judged(*row) for row in await tx.execute(OWN, here)]
    return await asyncio.to_thread(
        _numbers, shared, habits, own, me=str(viewer.id), conflict_gap=project.screen.conflict_gap
    )


def _numbers(
    shared: Sequence[Row[Any]],
    habits: Sequence[Habits],
    own: Sequence[Judged],
    *,
    me: str,
    conflict_gap: int | None,
) -> OwnNumbers:
    labels = [
        Label(
            prompt=row.prompt_id,
            slate=row.slate_id,
            labeler=str(row.labeler_id),
            responses=tuple(row.responses),
            ranks=tuple(row.ranks),
            is_drawn=row.is_drawn,
        )
        for row in shared
    ]
    return own_numbers(me, shared=labels, habits=habits, own=own, conflict_gap=conflict_gap)
