"""Reports over REST, for admins."""

from datetime import datetime
from typing import Annotated, Literal, Self

from fastapi import APIRouter, Query

from app.accounts.deps import HiddenFromLabelers
from app.labeling.reports import ReportView, Resolution, reports_of, resolve_report
from app.projects.queries import project_for
from app.web.deps import Tx
from app.web.json_body import StrictJSONRoute
from app.web.query_params import WholeNumber
from app.web.schemas import MAX_ID, Answer, Body, Note, PathId

router = APIRouter(route_class=StrictJSONRoute, tags=["reports"])


class ResolutionIn(Body):
    """An admin's answer to a report."""

    resolution: Resolution
    note: Note | None = None


class ReportOut(Answer):
    """A report; `labeler` is a pseudonym."""

    id: int
    kind: str
    note: str | None
    labeler: str
    created_at: datetime
    task: int
    slate: int
    round: int
    messages: list[dict[str, str]]
    response_id: int | None
    response: str | None
    resolution: str | None
    resolution_note: str | None
    resolved_at: datetime | None

    @classmethod
    def of(cls, row: ReportView) -> Self:
        """The answer for one report."""
        return cls(
            id=row.id,
            kind=row.kind,
            note=row.note,
            labeler=row.labeler,
            created_at=row.created_at,
            task=row.task_id,
            slate=row.slate_id,
            round=row.round,
            messages=row.messages,
            response_id=row.response_id,
            response=row.response,
            resolution=row.resolution,
            resolution_note=row.resolution_note,
            resolved_at=row.resolved_at,
        )


class ReportList(Answer):
    """A page of reports, newest first; `next` is what `before` must be for the following page."""

    reports: list[ReportOut]
    open: int
    resolved: int
    next: int | None


class Resolved(Answer):
    """A report that is answered."""

    id: int
    resolution: str


@router.get("/projects/{slug}/reports")
async def get_reports(
    tx: Tx,
    viewer: HiddenFromLabelers,
    slug: str,
    *,
    status: Literal["open", "resolved"] = "open",
    before: Annotated[WholeNumber | None, Query(ge=1, le=MAX_ID)] = None,
    limit: Annotated[WholeNumber, Query(ge=1, le=200)] = 50,
) -> ReportList:
    """List what labelers reported, newest first."""
    project = await project_for(tx, viewer, slug)
    found = await reports_of(tx, project, is_open=status == "open", before=before, limit=limit)
    return ReportList(
        reports=[ReportOut.of(row) for row in found.reports],
        open=found.open,
        resolved=found.resolved,
        next=found.next_before,
    )


@router.post("/projects/{slug}/reports/{report_id}/resolve")
async def post_resolution(
    tx: Tx, viewer: HiddenFromLabelers, slug: str, report_id: PathId, body: ResolutionIn
) -> Resolved:
    """Answer a report: `removed` ends the slate's labeling, the others let it go on."""
    project = await project_for(tx, viewer, slug)
    await resolve_report(tx, viewer, project, report_id, resolution=body.resolution, note=body.note)
    return Resolved(id=report_id, resolution=body.resolution)
