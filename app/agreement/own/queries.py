"""Reads of one labeler's numbers beside the team's, over the last days; five statements at most."""

from dataclasses import replace

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from app.accounts.viewer import Viewer
from app.agreement.cache import labels_of
from app.agreement.computing import computed_beside
from app.agreement.metrics.labels import ORDINARY
from app.agreement.own.feedback import is_told, not_told, told_of
from app.agreement.own.numbers import Habits, Judged, OwnNumbers, own_numbers
from app.projects.queries import ProjectView

DAYS = 30
SECONDS_A_DAY = 86_400

# Checks count like any other ranking, as on the labeler's page: a count that stands still after a
# task would tell that it was one.
# Ties are counted per rank: n responses of one rank are n (n - 1) / 2 tied pairs.
HABITS = text("""
with ranked as (
    select r.id, r.labeler_id, r.active_ms
    from rounds d
    join slates s on s.round_id = d.id
    join rankings r on r.slate_id = s.id and r.is_current
                   and r.id not in (select ranking_id from excluded_rankings)
    where d.project_id = :project_id and r.created_at >= now() - make_interval(days => :days)
), rows as (
    select i.ranking_id, count(*) as responses
    from ranked join ranking_items i on i.ranking_id = ranked.id
    where i.rank is not null group by i.ranking_id, i.rank
), counted as (
    select ranking_id, sum(responses) as judged, sum(responses * (responses - 1) / 2) as ties
    from rows group by ranking_id
)
select ranked.labeler_id as labeler, count(*) as rankings,
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
  and r.id not in (select ranking_id from excluded_rankings)
  and r.created_at >= now() - make_interval(days => :days)
group by r.id
""")


async def own_numbers_for(tx: AsyncSession, viewer: Viewer, project: ProjectView) -> OwnNumbers:
    """The viewer's numbers of the last days, and the team's; agreement as far as it is told."""
    here = {"project_id": project.id, "viewer_id": viewer.id, "days": DAYS}
    loaded = await labels_of(tx, project.id)
    habits = [Habits(*row) for row in await tx.execute(HABITS, here)]
    own = [Judged(*row) for row in await tx.execute(OWN, here)]

    def numbers() -> OwnNumbers:
        told = told_of(loaded, project)
        is_recent = told.submitted_at >= loaded.now - DAYS * SECONDS_A_DAY
        return own_numbers(
            viewer.id,
            shared=told.where(is_recent).of_purposes(ORDINARY).shared(),
            habits=habits,
            own=own,
            conflict_gap=project.screen.conflict_gap,
        )

    found = await computed_beside(tx, numbers)
    if await is_told(tx, project):
        return found
    return replace(found, agreement=not_told(), team_agreement=not_told())
