"""What labelers reported as broken or unsafe, as admins read and answer it."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from app.accounts.viewer import Viewer
from app.errors import ConflictError, NotFoundError
from app.projects.queries import ProjectView
from app.rounds.places import SEVERE_KINDS, reopen_places, void_places

Resolution = Literal["removed", "nothing_wrong", "fixed"]

REPORTS = text("""
select r.id, r.kind, r.note, m.pseudonym, r.created_at, r.task_id, t.slate_id, ro.number as round,
       p.messages, r.response_id, answer.text, r.resolution, r.resolution_note,
       r.resolved_at, coalesce(nullif(u.name, ''), u.email) as resolved_by
from reports r
join tasks t on t.id = r.task_id
join slates s on s.id = t.slate_id
join rounds ro on ro.id = s.round_id
join prompts p on p.id = s.prompt_id
join project_members m on m.project_id = t.project_id and m.user_id = r.labeler_id
left join responses answer on answer.id = r.response_id
left join users u on u.id = r.resolved_by
where t.project_id = :project_id
  and (r.resolved_at is null) = :is_open
  and (cast(:before as bigint) is null or r.id < :before)
order by r.id desc limit :limit
""")

COUNTS = text("""
select count(*) filter (where r.resolved_at is null), count(r.resolved_at)
from reports r join tasks t on t.id = r.task_id where t.project_id = :project_id
""")

RESOLVE = text("""
update reports r
set resolved_at = now(), resolved_by = :admin_id, resolution = :resolution, resolution_note = :note
from tasks t
where r.id = :report_id and t.id = r.task_id and t.project_id = :project_id
  and r.resolved_at is null
returning t.slate_id
""")

EXISTS = text("""
select 1 from reports r join tasks t on t.id = r.task_id
where r.id = :report_id and t.project_id = :project_id
""")


@dataclass(frozen=True)
class ReportView:
    """A report with what it is about."""

    id: int
    kind: str
    note: str | None
    labeler: str
    created_at: datetime
    task_id: int
    slate_id: int
    round: int
    messages: list[dict[str, str]]
    response_id: int | None
    response: str | None
    resolution: str | None
    resolution_note: str | None
    resolved_at: datetime | None
    resolved_by: str | None

    @property
    def is_severe(self) -> bool:
        """Whether it has taken its slate off offer."""
        return self.kind in SEVERE_KINDS


@dataclass(frozen=True)
class ReportPage:
    """Some reports, newest first, and the counts; `next_before` is None on the last page."""

    reports: list[ReportView]
    open: int
    resolved: int
    next_before: int | None


async def reports_of(
    tx: AsyncSession,
    project: ProjectView,
    *,
    is_open: bool = True,
    before: int | None = None,
    limit: int = 50,
) -> ReportPage:
    """The project's reports that are still to answer, or those that are answered."""
    found = await tx.execute(
        REPORTS,
        {"project_id": project.id, "is_open": is_open, "before": before, "limit": limit + 1},
    )
    rows = [ReportView(*row) for row in found]
    open_, resolved = (await tx.execute(COUNTS, {"project_id": project.id})).one()
    return ReportPage(
        reports=rows[:limit],
        open=open_,
        resolved=resolved,
        next_before=rows[limit - 1].id if len(rows) > limit else None,
    )


async def resolve_report(
    tx: AsyncSession,
    viewer: Viewer,
    project: ProjectView,
    report_id: int,
    *,
    resolution: Resolution,
    note: str | None,
) -> None:
    """Answer a report: `removed` ends the slate's labeling, the others let it go on.

    Rankings that the slate has already are kept in each case. It goes on only when no other report
    holds it up, and its round is open.

    Raises:
        NotFoundError: the project has no such report.
        ConflictError: it is answered already.
    """
    which = {"report_id": report_id, "project_id": project.id}
    slate_id = await tx.scalar(
        RESOLVE, {**which, "admin_id": viewer.id, "resolution": resolution, "note": note}
    )
    if slate_id is None:
        if await tx.scalar(EXISTS, which) is None:
            raise NotFoundError("The project has no report with this number.")
        raise ConflictError("This report is resolved already.", code="already_resolved")
    if resolution == "removed":
        await void_places(tx, slate_id=slate_id)
    else:
        await reopen_places(tx, slate_id=slate_id)
