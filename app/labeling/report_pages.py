"""The page of reports, for admins."""

from typing import Annotated, Any
from urllib.parse import urlencode

from fastapi import APIRouter, Form, Query, Request, Response
from fastapi.responses import RedirectResponse

from app.accounts.deps import HiddenFromLabelers
from app.errors import DomainError
from app.labeling.report_api import ResolutionIn
from app.labeling.reports import reports_of, resolve_report
from app.projects.queries import ProjectView, project_for
from app.web.deps import Tx
from app.web.errors import status_of
from app.web.forms import checked
from app.web.render import page
from app.web.schemas import MAX_ID, PathId

router = APIRouter(include_in_schema=False)
Typed = Annotated[str, Form(max_length=20_000)]
INVALID = 422
PAGE_REPORTS = 20
KINDS = {
    "personal_data": "Personal data",
    "illegal": "Illegal content",
    "malformed": "Malformed prompt",
    "leaked_prompt": "Leaked system prompt",
    "rendering": "Displayed wrongly",
}
RESOLUTIONS = {"removed": "removed", "nothing_wrong": "nothing wrong", "fixed": "fixed"}


@router.get("/projects/{slug}/reports")
async def show_reports(
    request: Request,
    tx: Tx,
    viewer: HiddenFromLabelers,
    slug: str,
    *,
    status: Annotated[str, Query(max_length=20)] = "open",
    before: Annotated[int | None, Query(ge=1, le=MAX_ID)] = None,
) -> Response:
    """Show the reports to answer, or with `status=resolved` those that are answered."""
    project = await project_for(tx, viewer, slug)
    return await _reports_page(request, tx, project, is_open=status != "resolved", before=before)


@router.post("/projects/{slug}/reports/{report_id}/resolve")
async def post_resolution(
    request: Request,
    tx: Tx,
    viewer: HiddenFromLabelers,
    slug: str,
    report_id: PathId,
    *,
    resolution: Typed = "",
    note: Typed = "",
) -> Response:
    """Answer a report."""
    project = await project_for(tx, viewer, slug)
    typed = {"resolution": resolution, "note": note.strip() or None}
    body, errors = checked(ResolutionIn, typed)
    if "resolution" in errors:
        errors["resolution"] = "choose one"
    failed = {"id": report_id, **typed}
    if body is None:
        return await _reports_page(
            request, tx, project, failed=failed, errors=errors, status=INVALID
        )
    try:
        await resolve_report(
            tx, viewer, project, report_id, resolution=body.resolution, note=body.note
        )
    except DomainError as error:
        return await _reports_page(
            request, tx, project, errors={"page": error.detail}, status=status_of(error)
        )
    return RedirectResponse(f"/projects/{project.slug}/reports", status_code=303)


async def _reports_page(
    request: Request,
    tx: Tx,
    project: ProjectView,
    *,
    is_open: bool = True,
    before: int | None = None,
    failed: dict[str, Any] | None = None,
    errors: dict[str, str] | None = None,
    status: int = 200,
) -> Response:
    shown = await reports_of(tx, project, is_open=is_open, before=before, limit=PAGE_REPORTS)
    errors = errors or {}
    if failed and failed["id"] not in {report.id for report in shown.reports}:
        errors = {"page": "Choose an answer to the report."}  # its form is on a later page
    more = {"status": "open" if is_open else "resolved", "before": shown.next_before}
    context = {
        "project": project,
        "shown": shown,
        "is_open": is_open,
        "before": before,
        "kinds": KINDS,
        "resolutions": RESOLUTIONS,
        "failed": failed or {"id": None},
        "errors": errors,
        "next": f"?{urlencode(more)}" if shown.next_before else None,
    }
    return page(request, "labeling/reports.html", context, status=status)
