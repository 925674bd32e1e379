"""The page of one labeler and the screening page, for admins; others find nothing."""

from datetime import UTC, datetime
from typing import Annotated

from fastapi import APIRouter, Form, Request, Response
from fastapi.responses import RedirectResponse

from app.accounts.deps import HiddenFromLabelers
from app.agreement.behaviour.signal_words import titles, written
from app.agreement.definitions import definitions
from app.agreement.files import drift_csv
from app.agreement.labelers.demonstrations import as_share
from app.agreement.labelers.queries import labeler_page
from app.agreement.labelers.schemas import CohortIn, QuarantineIn, RequalificationIn
from app.agreement.labelers.screening import (
    CUTOFF_DEMONSTRATIONS,
    CUTOFF_FLAGS,
    CUTOFF_RANKINGS,
    screening_of,
)
from app.agreement.labelers.screening_schemas import GradeIn, ScreeningIn
from app.errors import ConflictError, DomainError, NotFoundError
from app.labeling.requalification import end_requalification, start_requalification
from app.projects.demonstration_grades import grade_demonstration
from app.projects.labelers import lift_quarantine, quarantine, set_cohort
from app.projects.queries import ProjectView, project_for
from app.projects.screenings import decide_screening
from app.web.deps import Tx
from app.web.errors import status_of
from app.web.forms import checked, number_or_text, unix_lines
from app.web.render import csv_file, drawing, page

router = APIRouter(include_in_schema=False)
Typed = Annotated[str, Form()]
INVALID = 422


@router.get("/projects/{slug}/labelers/{pseudonym}")
async def show_labeler(
    request: Request, slug: str, pseudonym: str, tx: Tx, viewer: HiddenFromLabelers
) -> Response:
    """Show admins a labeler's work."""
    project = await project_for(tx, viewer, slug)
    return await _labeler_page(request, tx, project, pseudonym)


@router.get("/projects/{slug}/labelers/{pseudonym}/drift.svg")
async def download_drift(slug: str, pseudonym: str, tx: Tx, viewer: HiddenFromLabelers) -> Response:
    """Answer a labeler's agreement over time as a picture that needs nothing of Podium."""
    project = await project_for(tx, viewer, slug)
    found = await labeler_page(tx, project, pseudonym)
    if found.drift.ewma is None:
        raise NotFoundError("There is not enough data for a picture yet.")
    context = {"drift": found.drift, "labeler": found.labeler.pseudonym}
    return drawing(
        "agreement/drift_picture.html", context, name=f"{project.slug}-{pseudonym}-drift.svg"
    )


@router.get("/projects/{slug}/labelers/{pseudonym}/drift.csv")
async def download_drift_table(
    slug: str, pseudonym: str, tx: Tx, viewer: HiddenFromLabelers
) -> Response:
    """Answer the same prompt by prompt as CSV."""
    project = await project_for(tx, viewer, slug)
    found = await labeler_page(tx, project, pseudonym)
    return csv_file(drift_csv(found.drift), name=f"{project.slug}-{pseudonym}-drift.csv")


@router.post("/projects/{slug}/labelers/{pseudonym}/cohort")
async def post_cohort(
    request: Request,
    slug: str,
    pseudonym: str,
    tx: Tx,
    viewer: HiddenFromLabelers,
    cohort: Typed = "",
) -> Response:
    """Move a labeler to a cohort."""
    project = await project_for(tx, viewer, slug)
    body, errors = checked(CohortIn, {"cohort": cohort})
    if body is None:
        return await _labeler_page(request, tx, project, pseudonym, errors=errors, status=INVALID)
    await set_cohort(tx, viewer, project, pseudonym, body.cohort)
    return _back(project, pseudonym)


@router.post("/projects/{slug}/labelers/{pseudonym}/quarantine")
async def post_quarantine(
    request: Request,
    slug: str,
    pseudonym: str,
    tx: Tx,
    viewer: HiddenFromLabelers,
    reason: Typed = "",
    since: Typed = "",
) -> Response:
    """Leave what a labeler has ranked out of new datasets."""
    project = await project_for(tx, viewer, slug)
    typed = {"reason": reason, "since": since}
    given = {"reason": unix_lines(reason), "since": _day(since)}
    body, errors = checked(QuarantineIn, given)
    if body is None:
        return await _labeler_page(
            request, tx, project, pseudonym, typed=typed, errors=errors, status=INVALID
        )
    try:
        await quarantine(tx, viewer, project, pseudonym, reason=body.reason, since=body.since)
    except ConflictError as error:
        return await _refused(request, tx, project, pseudonym, error)
    return _back(project, pseudonym)


@router.post("/projects/{slug}/labelers/{pseudonym}/quarantine/lift")
async def post_lift(
    request: Request, slug: str, pseudonym: str, tx: Tx, viewer: HiddenFromLabelers
) -> Response:
    """Let new datasets hold what the labeler has ranked again."""
    project = await project_for(tx, viewer, slug)
    try:
        await lift_quarantine(tx, viewer, project, pseudonym)
    except NotFoundError as error:
        return await _refused(request, tx, project, pseudonym, error)
    return _back(project, pseudonym)


@router.post("/projects/{slug}/labelers/{pseudonym}/requalification")
async def post_requalification(
    request: Request,
    slug: str,
    pseudonym: str,
    tx: Tx,
    viewer: HiddenFromLabelers,
    wherefore: Typed = "",
) -> Response:
    """Let a labeler's next tasks have known answers."""
    project = await project_for(tx, viewer, slug)
    body, errors = checked(RequalificationIn, {"reason": unix_lines(wherefore)})
    if body is None:
        return await _labeler_page(
            request,
            tx,
            project,
            pseudonym,
            typed={"wherefore": wherefore},
            errors={"wherefore": errors["reason"]},
            status=INVALID,
        )
    try:
        await start_requalification(tx, viewer, project, pseudonym, reason=body.reason)
    except ConflictError as error:
        return await _refused(request, tx, project, pseudonym, error)
    return _back(project, pseudonym)


@router.post("/projects/{slug}/labelers/{pseudonym}/requalification/end")
async def post_requalification_end(
    request: Request, slug: str, pseudonym: str, tx: Tx, viewer: HiddenFromLabelers
) -> Response:
    """Give a labeler ordinary tasks again."""
    project = await project_for(tx, viewer, slug)
    try:
        await end_requalification(tx, viewer, project, pseudonym)
    except NotFoundError as error:
        return await _refused(request, tx, project, pseudonym, error)
    return _back(project, pseudonym)


@router.get("/projects/{slug}/screening")
async def show_screening(
    request: Request, slug: str, tx: Tx, viewer: HiddenFromLabelers
) -> Response:
    """Show admins all labelers by the criteria of screening."""
    project = await project_for(tx, viewer, slug)
    context = {
        "project": project,
        "screening": await screening_of(tx, project),
        "cutoffs": {
            "flags": CUTOFF_FLAGS,
            "rankings": CUTOFF_RANKINGS,
            "demonstrations": CUTOFF_DEMONSTRATIONS,
        },
        "as_share": as_share,
    }
    return page(request, "agreement/screening.html", context)


@router.post("/projects/{slug}/labelers/{pseudonym}/screening")
async def post_screening(
    request: Request,
    slug: str,
    pseudonym: str,
    tx: Tx,
    viewer: HiddenFromLabelers,
    decision: Typed = "",
    why: Typed = "",
    self_assessment: Typed = "",
) -> Response:
    """Record what was decided about a candidate."""
    project = await project_for(tx, viewer, slug)
    typed = {"decision": decision, "why": why, "self_assessment": self_assessment}
    given = {
        "decision": decision,
        "reason": unix_lines(why),
        "self_assessment": unix_lines(self_assessment).strip() or None,
    }
    body, errors = checked(ScreeningIn, given)
    if body is None:
        named = {"why" if name == "reason" else name: text for name, text in errors.items()}
        return await _labeler_page(
            request, tx, project, pseudonym, typed=typed, errors=named, status=INVALID
        )
    await decide_screening(
        tx,
        viewer,
        project,
        pseudonym,
        decision=body.decision,
        reason=body.reason,
        self_assessment=body.self_assessment,
    )
    return _back(project, pseudonym)


@router.post("/projects/{slug}/labelers/{pseudonym}/demonstrations")
async def post_grade(
    request: Request,
    slug: str,
    pseudonym: str,
    tx: Tx,
    viewer: HiddenFromLabelers,
    demonstration: Typed = "",
    grade: Typed = "",
) -> Response:
    """Grade a candidate's demonstration."""
    project = await project_for(tx, viewer, slug)
    typed = {"demonstration": demonstration, "grade": grade}
    given = {"demonstration": unix_lines(demonstration), "grade": number_or_text(int, grade)}
    body, errors = checked(GradeIn, given)
    if body is None:
        return await _labeler_page(
            request, tx, project, pseudonym, typed=typed, errors=errors, status=INVALID
        )
    await grade_demonstration(
        tx, viewer, project, pseudonym, demonstration=body.demonstration, grade=body.grade
    )
    return _back(project, pseudonym)


async def _labeler_page(
    request: Request,
    tx: Tx,
    project: ProjectView,
    pseudonym: str,
    *,
    typed: dict[str, str] | None = None,
    errors: dict[str, str] | None = None,
    status: int = 200,
) -> Response:
    found = await labeler_page(tx, project, pseudonym)
    screened = found.screened
    kept = {
        "reason": "",
        "since": "",
        "wherefore": "",
        "demonstration": "",
        "grade": "",
        "decision": "again",
        "why": "",
        "self_assessment": (screened and screened.self_assessment) or "",
    }
    context = {
        "project": project,
        "found": found,
        "titles": titles(),
        "written": written,
        "definitions": definitions(),
        "typed": kept | (typed or {}),
        "errors": errors or {},
    }
    return page(request, "agreement/labeler.html", context, status=status)


async def _refused(
    request: Request, tx: Tx, project: ProjectView, pseudonym: str, error: DomainError
) -> Response:
    """Say above the page why nothing was changed; 404 when there is no such labeler."""
    return await _labeler_page(
        request, tx, project, pseudonym, errors={"page": error.detail}, status=status_of(error)
    )


def _back(project: ProjectView, pseudonym: str) -> Response:
    return RedirectResponse(f"/projects/{project.slug}/labelers/{pseudonym}", status_code=303)


def _day(typed: str) -> datetime | str | None:
    """The beginning of the day that a date field sends, in UTC; what is none is refused later."""
    if not typed.strip():
        return None
    try:
        return datetime.strptime(typed.strip(), "%Y-%m-%d").replace(tzinfo=UTC)
    except ValueError:
        return typed
