"""Reads of projects; who may see one is decided here."""

from dataclasses import dataclass

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from app.accounts.viewer import Viewer
from app.errors import NotFoundError

PROJECT = text("""
select p.id, p.slug, p.name, p.labels_per_slate, p.overlap_share,
       g.version as guidelines_version, g.text as guidelines
from projects p
join lateral (
    select version, text from guideline_versions
    where project_id = p.id order by version desc limit 1
) g on true
where (cast(:slug as text) is null or p.slug = :slug) and (:is_admin or exists (
    select from project_members m where m.project_id = p.id and m.user_id = :viewer_id
))
order by p.id
""")


@dataclass(frozen=True)
class ProjectView:
    """A project with the guidelines in force."""

    id: int
    slug: str
    name: str
    labels_per_slate: int
    overlap_share: float
    guidelines_version: int
    guidelines: str


async def project_for(tx: AsyncSession, viewer: Viewer, slug: str) -> ProjectView:
    """The project with this slug.

    Raises:
        NotFoundError: there is none, or the viewer is neither a member nor an admin.
    """
    rows = await tx.execute(
        PROJECT, {"slug": slug, "is_admin": viewer.is_admin, "viewer_id": viewer.id}
    )
    row = rows.one_or_none()
    if row is None:
        raise NotFoundError("There is no such project, or you are not a member of it.")
    return ProjectView(*row)


async def projects_for(tx: AsyncSession, viewer: Viewer) -> list[ProjectView]:
    """The projects that the viewer may see, oldest first."""
    rows = await tx.execute(
        PROJECT, {"slug": None, "is_admin": viewer.is_admin, "viewer_id": viewer.id}
    )
    return [ProjectView(*row) for row in rows]
