"""Reads of the dashboard: the report on a slice with everything else on its page."""

from dataclasses import dataclass, replace

import numpy as np
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from app.agreement.behaviour.assistance import Arms, Assistance, compared
from app.agreement.cache import computed_once, labels_of
from app.agreement.computing import computed_beside
from app.agreement.dashboard.correlation import named
from app.agreement.dashboard.overview import Overview, overview_of
from app.agreement.dashboard.progress import PACE_DAYS, Tasks
from app.agreement.dashboard.report import Dashboard, dashboard_of
from app.agreement.metrics.labels import Labels
from app.agreement.metrics.slices import EVERYTHING, Slice, sliced
from app.agreement.quality import diagnosed, key_of, known_answers_of, researchers_of, unfolded_of
from app.agreement.queries import SFT, ProjectAgreement, agreement_by
from app.agreement.work import work_of
from app.projects.flags import Scope
from app.projects.queries import ProjectView

TASKS = text("""
select (
    select count(distinct s.prompt_id) from slates s
    where s.status = 'ready' and s.round_id = any(d.ids)
      and (cast(:tags as text[]) = '{}' or exists (
          select from prompts p where p.id = s.prompt_id and p.tags @> cast(:tags as text[])))
) as prompts, tasks.*, now() as now, (
    select count(*) from gold g join slates s on s.id = g.slate_id
    join rounds r on r.id = s.round_id
    where r.project_id = :project_id and g.retired_at is null
) as known_answers
from (
    select array_agg(id) as ids from rounds
    where project_id = :project_id and (cast(:round as int) is null or number = cast(:round as int))
) d
cross join lateral (
    select count(*) filter (where t.status = 'done') as done,
           count(*) filter (where t.status = 'skipped') as skipped,
           count(*) filter (where t.status in ('open', 'leased')) as left,
           count(*) filter (where t.status = 'done'
               and t.finished_at > now() - make_interval(days => :pace_days)) as lately,
           min(t.finished_at) filter (where t.status = 'done') as since
    from tasks t
    where t.project_id = :project_id and t.status <> 'void' and not t.is_check
      and (cast(:round as int) is null and cast(:tags as text[]) = '{}' or exists (
          select from slates s join prompts p on p.id = s.prompt_id
          where s.id = t.slate_id and s.round_id = any(d.ids)
            and p.tags @> cast(:tags as text[])))
) tasks
""")

# Filled once and then put in order by questions, ranks are no longer those that were filled.
ARMS = text("""
select r.id, r.screen ->> 'rank_assist_arm' = 'assisted' as is_assisted,
       case when r.rank_origin = 'from_ratings'
            then coalesce(cast(r.screen ->> 'moves_after_fill' as int), 0) else -1 end as moves
from tasks t join rankings r on r.task_id = t.id and r.is_current
where t.project_id = :project_id and r.screen ? 'rank_assist_arm'
order by r.id
""")

FLAGS = text("select id, key, label, scope from flags where project_id = :project_id order by id")


@dataclass(frozen=True)
class ProjectDashboard:
    """The dashboard with the report that it belongs to.

    Attributes:
        agreement: the report.
        dashboard: the rest, of the round, the tag, and the language alone where the slice takes
            some pairs of a slate and leaves others: who ties or reads how fast is not a matter of
            pairs.
    """

    agreement: ProjectAgreement
    dashboard: Dashboard


async def project_dashboard(
    tx: AsyncSession, project: ProjectView, slice_: Slice = EVERYTHING, *, baseline: str | None
) -> ProjectDashboard:
    """Everything on the agreement page.

    Args:
        tx: the transaction.
        project: the project; the caller has checked that the viewer is an admin.
        slice_: what to look at.
        baseline: the model that win rates are over; None for the SFT model ranked most often.

    Raises:
        NotFoundError: the project has no such round.
        InvalidError: nothing of the slice, or no response of the baseline, is ranked there.
    """
    labels = (await labels_of(tx, project.id)).labels
    agreement = await agreement_by(tx, project, labels, slice_, baseline=baseline)
    whole = replace(slice_, models=None, margin=None)
    here = {"project_id": project.id, "round": whole.round, "tags": whole.tags}
    flags = (await tx.execute(FLAGS, here)).all()
    scopes = tuple(flag.scope for flag in flags)
    overview = await _overview(tx, project, labels, whole, flags=scopes)
    diagnostics = await diagnosed(tx, project, labels, whole)
    assistance = await _assistance(tx, project, labels, whole)
    counted = (await tx.execute(TASKS, {**here, "pace_days": PACE_DAYS})).one()
    dashboard = await computed_beside(
        tx,
        lambda: dashboard_of(
            overview,
            agreement.report,
            diagnostics=named(diagnostics, labels, agreement.name_of),
            tasks=Tasks(*counted),
            flags=[(flag.key, flag.label, flag.scope) for flag in flags],
            name_of=agreement.name_of,
            counts_conflicts=project.screen.conflict_gap is not None,
            assistance=assistance,
        ),
    )
    return ProjectDashboard(agreement, dashboard)


async def _overview(
    tx: AsyncSession,
    project: ProjectView,
    labels: Labels,
    slice_: Slice,
    *,
    flags: tuple[Scope, ...],
) -> Overview:
    """What the page shows beside the report, computed once for all who ask."""
    researchers, gold = await researchers_of(tx), await known_answers_of(tx, project)
    sft = frozenset(await tx.scalars(SFT))
    gap = project.screen.conflict_gap

    async def compute() -> Overview:
        unfolded = await unfolded_of(tx, project)

        def overview() -> Overview:
            part = sliced(labels, slice_)
            work = work_of(part, researchers=researchers, gold=gold, unfolded=unfolded)
            return overview_of(part, work, flags=flags, conflict_gap=gap, sft=sft)

        return await computed_beside(tx, overview)

    key = ("overview", labels.version, slice_.key, researchers, key_of(gold), flags, gap, sft)
    return await computed_once(tx, project.id, key, compute)


async def _assistance(
    tx: AsyncSession, project: ProjectView, labels: Labels, slice_: Slice
) -> Assistance | None:
    """The experiment with filled ranks, also one that is over; None without a ranking of it."""

    async def compute() -> Assistance | None:
        rows = (await tx.execute(ARMS, {"project_id": project.id})).all()
        if not rows:
            return None
        ids, assisted, moves = np.array(rows, dtype=np.int64).T
        arms = Arms(ids, assisted.astype(np.bool_), moves)
        return await computed_beside(tx, lambda: compared(sliced(labels, slice_), arms))

    key = ("assistance", labels.version, slice_.key)
    return await computed_once(tx, project.id, key, compute)
