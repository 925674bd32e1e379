"""Grades of what candidates wrote as demonstrations. A new one is recorded beside the old one."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from app.accounts.viewer import Viewer
from app.projects.labelers import labeler_of
from app.projects.queries import ProjectView

GRADE = text("""
insert into demonstration_grades (project_id, user_id, demonstration, grade, created_by)
values (:project_id, :user_id, :demonstration, :grade, :viewer_id)
""")

# Of the same demonstration by the same person the last one counts.
LAST = text("""
select * from (
    select distinct on (g.user_id, g.demonstration, g.created_by)
           g.id, g.user_id, g.demonstration, g.grade, u.name as created_by, g.created_at
    from demonstration_grades g join users u on u.id = g.created_by
    where g.project_id = :project_id
      and (cast(:user_id as bigint) is null or g.user_id = :user_id)
    order by g.user_id, g.demonstration, g.created_by, g.id desc
) last order by id
""")


@dataclass(frozen=True)
class DemonstrationGrade:
    """What a researcher thinks of a demonstration, from 1 to 7."""

    id: int
    user_id: int
    demonstration: str
    grade: int
    created_by: str
    created_at: datetime


async def grade_demonstration(
    tx: AsyncSession,
    viewer: Viewer,
    project: ProjectView,
    pseudonym: str,
    *,
    demonstration: str,
    grade: int,
) -> DemonstrationGrade:
    """Record a grade; it takes the place of the viewer's earlier one of the same demonstration.

    White space around what names the demonstration makes it no other one.

    Raises:
        NotFoundError: the project has no such labeler.
    """
    labeler = await labeler_of(tx, project, pseudonym)
    names = {"project_id": project.id, "user_id": labeler.user_id, "viewer_id": viewer.id}
    await tx.execute(GRADE, {**names, "demonstration": demonstration.strip(), "grade": grade})
    return (await demonstration_grades_of(tx, project, labeler.user_id))[labeler.user_id][-1]


async def demonstration_grades_of(
    tx: AsyncSession, project: ProjectView, user_id: int | None = None
) -> dict[int, list[DemonstrationGrade]]:
    """Those that count by user, of one or of all, oldest first."""
    rows = await tx.execute(LAST, {"project_id": project.id, "user_id": user_id})
    found: dict[int, list[DemonstrationGrade]] = {}
    for row in rows:
        found.setdefault(row.user_id, []).append(DemonstrationGrade(*row))
    return found
