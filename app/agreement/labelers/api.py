"""The calls about one labeler and about screening, for admins; others find nothing."""

from fastapi import APIRouter

from app.accounts.deps import HiddenFromLabelers
from app.agreement.labelers.queries import labeler_page
from app.agreement.labelers.schemas import (
    CohortIn,
    CohortOut,
    LabelerDetailOut,
    QuarantineIn,
    QuarantineOut,
    RequalificationIn,
    RequalificationOut,
    labeler_out,
    quarantine_out,
    requalification_out,
)
from app.agreement.labelers.screening import screening_of
from app.agreement.labelers.screening_schemas import (
    DecisionOut,
    GradeIn,
    GradeOut,
    ScreeningIn,
    ScreeningOut,
    decision_out,
    grade_out,
    screening_out,
)
from app.labeling.requalification import end_requalification, start_requalification
from app.projects.demonstration_grades import grade_demonstration
from app.projects.labelers import lift_quarantine, quarantine, set_cohort
from app.projects.queries import project_for
from app.projects.screenings import decide_screening
from app.web.deps import Tx
from app.web.json_body import StrictJSONRoute

router = APIRouter(tags=["labelers"], route_class=StrictJSONRoute)


@router.get("/projects/{slug}/labelers/{pseudonym}")
async def get_labeler(
    tx: Tx, viewer: HiddenFromLabelers, slug: str, pseudonym: str
) -> LabelerDetailOut:
    """Show a labeler's work: agreement, checks, habits, drift, and alerts."""
    return labeler_out(await labeler_page(tx, await project_for(tx, viewer, slug), pseudonym))


@router.put("/projects/{slug}/labelers/{pseudonym}/cohort")
async def put_cohort(
    tx: Tx, viewer: HiddenFromLabelers, slug: str, pseudonym: str, body: CohortIn
) -> CohortOut:
    """Move a labeler to a cohort; what a held-out one ranks is in no new dataset."""
    project = await project_for(tx, viewer, slug)
    moved = await set_cohort(tx, viewer, project, pseudonym, body.cohort)
    return CohortOut(labeler=moved.pseudonym, cohort=moved.cohort, since=moved.cohort_since)


@router.post("/projects/{slug}/labelers/{pseudonym}/quarantine", status_code=201)
async def post_quarantine(
    tx: Tx, viewer: HiddenFromLabelers, slug: str, pseudonym: str, body: QuarantineIn
) -> QuarantineOut:
    """Leave what a labeler has ranked out of new datasets; nothing is deleted."""
    project = await project_for(tx, viewer, slug)
    made = await quarantine(tx, viewer, project, pseudonym, reason=body.reason, since=body.since)
    return quarantine_out(made)


@router.post("/projects/{slug}/labelers/{pseudonym}/quarantine/revoke")
async def post_revocation(
    tx: Tx, viewer: HiddenFromLabelers, slug: str, pseudonym: str
) -> QuarantineOut:
    """Let new datasets hold what the labeler has ranked again."""
    project = await project_for(tx, viewer, slug)
    return quarantine_out(await lift_quarantine(tx, viewer, project, pseudonym))


@router.post("/projects/{slug}/labelers/{pseudonym}/requalification", status_code=201)
async def post_requalification(
    tx: Tx, viewer: HiddenFromLabelers, slug: str, pseudonym: str, body: RequalificationIn
) -> RequalificationOut:
    """Let a labeler's next tasks have known answers; 409 where there are none new to them."""
    project = await project_for(tx, viewer, slug)
    made = await start_requalification(tx, viewer, project, pseudonym, reason=body.reason)
    return requalification_out(made)


@router.post("/projects/{slug}/labelers/{pseudonym}/requalification/end")
async def post_requalification_end(
    tx: Tx, viewer: HiddenFromLabelers, slug: str, pseudonym: str
) -> RequalificationOut:
    """Give a labeler ordinary tasks again."""
    project = await project_for(tx, viewer, slug)
    return requalification_out(await end_requalification(tx, viewer, project, pseudonym))


@router.get("/projects/{slug}/screening")
async def get_screening(tx: Tx, viewer: HiddenFromLabelers, slug: str) -> ScreeningOut:
    """Show all labelers by the four criteria of screening."""
    return screening_out(await screening_of(tx, await project_for(tx, viewer, slug)))


@router.post("/projects/{slug}/labelers/{pseudonym}/screening", status_code=201)
async def post_screening(
    tx: Tx, viewer: HiddenFromLabelers, slug: str, pseudonym: str, body: ScreeningIn
) -> DecisionOut:
    """Record what was decided about a candidate, and why."""
    project = await project_for(tx, viewer, slug)
    made = await decide_screening(
        tx,
        viewer,
        project,
        pseudonym,
        decision=body.decision,
        reason=body.reason,
        self_assessment=body.self_assessment,
    )
    return decision_out(made)


@router.post("/projects/{slug}/labelers/{pseudonym}/demonstrations", status_code=201)
async def post_grade(
    tx: Tx, viewer: HiddenFromLabelers, slug: str, pseudonym: str, body: GradeIn
) -> GradeOut:
    """Grade a candidate's demonstration; the viewer's last grade of it counts."""
    project = await project_for(tx, viewer, slug)
    made = await grade_demonstration(
        tx, viewer, project, pseudonym, demonstration=body.demonstration, grade=body.grade
    )
    return grade_out(made)
