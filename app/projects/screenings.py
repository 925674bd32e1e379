"""What admins decide about candidates after screening, and why. A decision is never overwritten."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from app.accounts.viewer import Viewer
from app.projects.labelers import labeler_of
from app.projects.queries import ProjectView

Decision = Literal["accepted", "declined", "again"]

DECIDE = text("""
insert into screenings (project_id, user_id, decision, reason, self_assessment, created_by)
values (:project_id, :user_id, :decision, :reason, :self_assessment, :viewer_id)
""")

LAST = text("""
select distinct on (s.user_id) s.user_id, s.decision, s.reason, s.self_assessment,
       u.name as created_by, s.created_at
from screenings s join users u on u.id = s.created_by
where s.project_id = :project_id
  and (cast(:user_id as bigint) is null or s.user_id = :user_id)
order by s.user_id, s.id desc
""")


@dataclass(frozen=True)
class ScreeningView:
    """What was decided last about a candidate.

    `self_assessment` is what they say of their ability to spot sensitive speech, and about whom.
    """

    user_id: int
    decision: Decision
    reason: str
    self_assessment: str | None
    created_by: str
    created_at: datetime


async def decide_screening(
    tx: AsyncSession,
    viewer: Viewer,
    project: ProjectView,
    pseudonym: str,
    *,
    decision: Decision,
    reason: str,
    self_assessment: str | None = None,
) -> ScreeningView:
    """Record a decision about a candidate; it changes nothing else.

    Raises:
        NotFoundError: the project has no such labeler.
    """
    labeler = await labeler_of(tx, project, pseudonym)
    await tx.execute(
        DECIDE,
        {
            "project_id": project.id,
            "user_id": labeler.user_id,
            "decision": decision,
            "reason": reason,
            "self_assessment": self_assessment,
            "viewer_id": viewer.id,
        },
    )
    return (await screenings_of(tx, project, labeler.user_id))[labeler.user_id]


async def screenings_of(
    tx: AsyncSession, project: ProjectView, user_id: int | None = None
) -> dict[int, ScreeningView]:
    """The last decision by user, of one or of all."""
    rows = await tx.execute(LAST, {"project_id": project.id, "user_id": user_id})
    return {row.user_id: ScreeningView(*row) for row in rows}
