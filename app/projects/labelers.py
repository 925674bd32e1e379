"""What admins decide about a labeler: their cohort, quarantine, and screening. All is recorded.

Neither cohort nor quarantine deletes anything or changes a dataset that there is; they decide what
new datasets hold.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from app.accounts.viewer import Viewer
from app.errors import ConflictError, NotFoundError
from app.projects.queries import ProjectView
from app.web.translation import gettext

Cohort = Literal["training", "heldout"]

LABELER = text("""
select m.user_id, m.pseudonym, u.name, u.email, m.cohort, m.created_at as joined_at, (
    select max(c.created_at) from cohort_changes c
    where c.project_id = m.project_id and c.user_id = m.user_id
) as cohort_since
from project_members m join users u on u.id = m.user_id
where m.project_id = :project_id and m.pseudonym = :pseudonym
""")

SET_COHORT = text("""
with changed as (
    update project_members set cohort = :cohort
    where project_id = :project_id and user_id = :user_id and cohort <> :cohort
    returning user_id
)
insert into cohort_changes (project_id, user_id, cohort, created_by)
select :project_id, user_id, :cohort, :viewer_id from changed
""")

QUARANTINE = text("""
insert into quarantines (project_id, user_id, reason, since, created_by)
values (:project_id, :user_id, :reason, :since, :viewer_id)
on conflict (project_id, user_id) where revoked_at is null do nothing
returning id
""")

LIFT = text("""
update quarantines set revoked_at = now(), revoked_by = :viewer_id
where project_id = :project_id and user_id = :user_id and revoked_at is null
returning id
""")

QUARANTINES = text("""
select q.id, q.reason, q.since, creator.name as created_by, q.created_at,
       revoker.name as revoked_by, q.revoked_at
from quarantines q
join users creator on creator.id = q.created_by
left join users revoker on revoker.id = q.revoked_by
where q.project_id = :project_id and q.user_id = :user_id
order by q.id desc
""")


@dataclass(frozen=True)
class Labeler:
    """A labeler of a project, as its admins see them."""

    user_id: int
    pseudonym: str
    name: str
    email: str
    cohort: Cohort
    joined_at: datetime
    cohort_since: datetime | None
    """When they were moved to their cohort; None: they are in it from the start."""


@dataclass(frozen=True)
class QuarantineView:
    """Rankings that new datasets leave out: those `since` then, or all of the labeler."""

    id: int
    reason: str
    since: datetime | None
    created_by: str
    created_at: datetime
    revoked_by: str | None
    revoked_at: datetime | None

    @property
    def is_in_force(self) -> bool:
        """Whether nobody has lifted it."""
        return self.revoked_at is None


async def labeler_of(tx: AsyncSession, project: ProjectView, pseudonym: str) -> Labeler:
    """The labeler with this pseudonym.

    Raises:
        NotFoundError: the project has none.
    """
    known = pseudonym.replace("\x00", "")  # Postgres refuses NUL, which no pseudonym has
    found = await tx.execute(LABELER, {"project_id": project.id, "pseudonym": known})
    row = found.one_or_none()
    if row is None:
        raise NotFoundError(gettext("The project has no such labeler."))
    return Labeler(*row)


async def set_cohort(
    tx: AsyncSession, viewer: Viewer, project: ProjectView, pseudonym: str, cohort: Cohort
) -> Labeler:
    """Move a labeler to a cohort; what a held-out one has ranked is in no new dataset.

    Raises:
        NotFoundError: the project has no such labeler.
    """
    labeler = await labeler_of(tx, project, pseudonym)
    names = {"project_id": project.id, "user_id": labeler.user_id, "viewer_id": viewer.id}
    await tx.execute(SET_COHORT, {**names, "cohort": cohort})
    return await labeler_of(tx, project, pseudonym)


async def quarantine(
    tx: AsyncSession,
    viewer: Viewer,
    project: ProjectView,
    pseudonym: str,
    *,
    reason: str,
    since: datetime | None = None,
) -> QuarantineView:
    """Leave what a labeler has ranked since then, or ever, out of new datasets.

    Raises:
        NotFoundError: the project has no such labeler.
        ConflictError: they are in quarantine already.
    """
    labeler = await labeler_of(tx, project, pseudonym)
    names = {"project_id": project.id, "user_id": labeler.user_id, "viewer_id": viewer.id}
    made = await tx.scalar(QUARANTINE, {**names, "reason": reason, "since": since})
    if made is None:
        raise ConflictError(
            gettext("This labeler is in quarantine already."), code="already_quarantined"
        )
    return (await quarantines_of(tx, project, labeler))[0]


async def lift_quarantine(
    tx: AsyncSession, viewer: Viewer, project: ProjectView, pseudonym: str
) -> QuarantineView:
    """Let new datasets hold what the labeler has ranked again.

    Raises:
        NotFoundError: the project has no such labeler, or they are not in quarantine.
    """
    labeler = await labeler_of(tx, project, pseudonym)
    names = {"project_id": project.id, "user_id": labeler.user_id, "viewer_id": viewer.id}
    lifted = await tx.scalar(LIFT, names)
    if lifted is None:
        raise NotFoundError(gettext("This labeler is not in quarantine."))
    found = await quarantines_of(tx, project, labeler)
    return next(one for one in found if one.id == lifted)


async def quarantines_of(
    tx: AsyncSession, project: ProjectView, labeler: Labeler
) -> list[QuarantineView]:
    """All that there were, newest first."""
    names = {"project_id": project.id, "user_id": labeler.user_id}
    return [QuarantineView(*row) for row in await tx.execute(QUARANTINES, names)]
