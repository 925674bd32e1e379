"""Reads of one labeler's work: for admins by pseudonym, and for the labeler themselves."""

from dataclasses import dataclass, replace
from datetime import UTC, datetime

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from app.accounts.viewer import Viewer
from app.agreement.behaviour.drift_chart import DriftChart, drift_chart
from app.agreement.computing import computed_beside
from app.agreement.labelers.diagnosis import ShownDiagnosis, shown_diagnosis
from app.agreement.labelers.facts import (
    NO_EVIDENCE,
    NO_MEASURES,
    Checks,
    LabelerFacts,
    agreement,
    checks_of,
    facts_of,
    with_the_others_sum,
)
from app.agreement.labelers.requalifying import Requalifying, requalifying_of
from app.agreement.metrics.measures import measure_labeler
from app.agreement.own.feedback import is_told, known_before, not_told, why_not_told
from app.agreement.quality import Quality, diagnosed, own_quality_of, quality_of
from app.projects.demonstration_grades import DemonstrationGrade, demonstration_grades_of
from app.projects.labelers import Labeler, QuarantineView, labeler_of, quarantines_of
from app.projects.queries import ProjectView
from app.projects.screenings import ScreeningView, screenings_of

RECENT = 20

TASKS = text("""
select t.slate_id, t.purpose, t.status, t.skip_reason, t.finished_at, d.number as round,
       r.version, cast(r.active_ms as float8) / 1000 as active_seconds, p.messages
from tasks t
join slates s on s.id = t.slate_id
join rounds d on d.id = coalesce(t.asked_round_id, s.round_id)
join prompts p on p.id = s.prompt_id
left join rankings r on r.task_id = t.id and r.is_current
where t.project_id = :project_id and t.labeler_id = :user_id and t.status in ('done', 'skipped')
order by t.finished_at desc nulls last, t.id desc limit :limit
""")


@dataclass(frozen=True)
class RecentTask:
    """A task that the labeler has done or skipped, and what they were asked it for."""

    slate_id: int
    purpose: str
    status: str
    skip_reason: str | None
    finished_at: datetime | None
    round: int
    version: int | None
    active_seconds: float | None
    messages: list[dict[str, str]]


@dataclass(frozen=True)
class LabelerPage:
    """A labeler as admins see them.

    Attributes:
        labeler: who they are.
        facts: numbers, as the labeler sees them.
        checks: what the labeler is not told.
        drift: agreement over time.
        quarantines: newest first.
        recent: tasks, newest first.
        screened: what was decided last about them as a candidate.
        diagnosis: what models of labelers say, for admins alone.
        grades: of what they wrote as demonstrations.
        requalifying: re-qualifications, and whether one can be asked for.
    """

    labeler: Labeler
    facts: LabelerFacts
    checks: Checks
    drift: DriftChart
    quarantines: list[QuarantineView]
    recent: list[RecentTask]
    screened: ScreeningView | None
    diagnosis: ShownDiagnosis
    requalifying: Requalifying
    grades: list[DemonstrationGrade]

    @property
    def quarantine(self) -> QuarantineView | None:
        """The one in force."""
        return next((one for one in self.quarantines if one.is_in_force), None)


@dataclass(frozen=True)
class OwnWork:
    """The same of the viewer, without what would tell which tasks were checks."""

    facts: LabelerFacts
    drift: DriftChart
    measured_at: datetime | None
    """When all but agreement was, in a large project; None: now."""


async def labeler_page(tx: AsyncSession, project: ProjectView, pseudonym: str) -> LabelerPage:
    """Everything about a labeler; the caller has checked that the viewer is an admin.

    Raises:
        NotFoundError: the project has no such labeler.
    """
    labeler = await labeler_of(tx, project, pseudonym)
    quality = await quality_of(tx, project)
    diagnostics = await diagnosed(tx, project, quality.labels)
    tasks = await tx.execute(
        TASKS, {"project_id": project.id, "user_id": labeler.user_id, "limit": RECENT}
    )
    code = quality.code_of(labeler.user_id)
    return LabelerPage(
        labeler=labeler,
        facts=_facts(quality, labeler.user_id, project),
        checks=checks_of(
            NO_EVIDENCE if code is None else quality.evidence[code],
            [] if code is None else quality.signals[code],
        ),
        drift=drift_chart(quality.drift, quality.labels, code),
        quarantines=await quarantines_of(tx, project, labeler),
        recent=[RecentTask(*row) for row in tasks],
        screened=(await screenings_of(tx, project, labeler.user_id)).get(labeler.user_id),
        diagnosis=shown_diagnosis(diagnostics.of(code)),
        requalifying=await requalifying_of(tx, project, labeler, quality),
        grades=(await demonstration_grades_of(tx, project, labeler.user_id)).get(
            labeler.user_id, []
        ),
    )


async def own_work_for(tx: AsyncSession, viewer: Viewer, project: ProjectView) -> OwnWork:
    """The viewer's own, as far as they may know how others ranked.

    Agreement is told after the project's delay, and only where nobody can tell whose answers it was
    with.
    """
    quality = await own_quality_of(tx, project, viewer.id)
    facts = facts_of(
        quality.measures or NO_MEASURES,
        quality.evidence or NO_EVIDENCE,
        counts_conflicts=project.screen.conflict_gap is not None,
    )
    at = quality.measured_at
    measured_at = None if at is None else datetime.fromtimestamp(at, UTC)
    if not await is_told(tx, project):
        hidden = replace(facts, agreement=not_told(), leave_one_out=not_told())
        return OwnWork(hidden, DriftChart([], reason=why_not_told()), measured_at)
    since = known_before(quality.now, project)
    measured = await computed_beside(
        tx, lambda: measure_labeler(quality.labels.not_ranked_since(since), viewer.id)
    )
    return OwnWork(
        replace(
            facts,
            agreement=agreement(measured.strict),
            leave_one_out=with_the_others_sum(measured.leave_one_out),
        ),
        drift_chart(quality.drift, quality.labels, 0, known_before=since),
        measured_at,
    )


def _facts(quality: Quality, user_id: int, project: ProjectView) -> LabelerFacts:
    code = quality.code_of(user_id)
    return facts_of(
        quality.measures.labelers.get(user_id, NO_MEASURES),
        NO_EVIDENCE if code is None else quality.evidence[code],
        counts_conflicts=project.screen.conflict_gap is not None,
    )
