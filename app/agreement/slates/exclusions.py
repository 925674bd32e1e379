"""Slates and rankings that count nowhere: who excluded them, when and why. Nothing is deleted.

What is excluded is in no number of agreement, in no comparison or export, and in no new dataset;
datasets made before keep it, for they never change. Of a slate that is excluded as a whole nobody
is asked any more. Revoking brings everything back.
"""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from app.accounts.viewer import Viewer
from app.errors import ConflictError, NotFoundError
from app.projects.queries import ProjectView
from app.rounds.places import reopen_places, void_places
from app.web.translation import gettext

# Two requests at once must not both find nothing and exclude the same thing twice: the second waits
# here, and looks in a statement of its own, which sees what the first did. The lock is one beside
# which rankings are stored: who stores one holds the task that is taken off offer then.
LOCK_SLATE = text("""
select s.id from slates s join rounds d on d.id = s.round_id
where s.id = :slate_id and d.project_id = :project_id
for no key update of s
""")

FOUND = text("""
select cast(:ranking_id as bigint) is null or exists (
           select from rankings r where r.id = :ranking_id and r.slate_id = :slate_id
       ) as has_ranking,
       exists (
           select from exclusions e left join rankings excluded on excluded.id = e.ranking_id
           where e.slate_id = :slate_id and e.revoked_at is null
             and (e.ranking_id is null or excluded.task_id = (
                      select task_id from rankings where id = :ranking_id))
       ) as is_excluded
""")

EXCLUDE = text("""
insert into exclusions (slate_id, ranking_id, reason, created_by)
values (:slate_id, :ranking_id, :reason, :viewer_id)
returning id
""")

# So that a slate which is being finished, with places off offer, is finished when they are sought.
LOCK_EXCLUDED = text("""
select s.id from exclusions e join slates s on s.id = e.slate_id
where e.id = :exclusion_id for no key update of s
""")

REVOKE = text("""
update exclusions e set revoked_at = now(), revoked_by = :viewer_id
from slates s join rounds d on d.id = s.round_id
where e.id = :exclusion_id and s.id = e.slate_id and d.project_id = :project_id
  and e.revoked_at is null
returning e.slate_id
""")

OF_SLATE = text("""
select e.id, e.slate_id, e.ranking_id,
       coalesce(m.pseudonym, 'former-' || r.labeler_id) as labeler, e.reason,
       creator.name as created_by, e.created_at, revoker.name as revoked_by, e.revoked_at
from exclusions e
join slates s on s.id = e.slate_id
join rounds d on d.id = s.round_id
left join rankings r on r.id = e.ranking_id
left join project_members m on m.project_id = d.project_id and m.user_id = r.labeler_id
join users creator on creator.id = e.created_by
left join users revoker on revoker.id = e.revoked_by
where d.project_id = :project_id and e.slate_id = :slate_id
  and (cast(:exclusion_id as bigint) is null or e.id = :exclusion_id)
order by e.id
""")


@dataclass(frozen=True)
class ExclusionView:
    """What was excluded; without a ranking it is the whole slate."""

    id: int
    slate_id: int
    ranking_id: int | None
    labeler: str | None
    reason: str
    created_by: str
    created_at: datetime
    revoked_by: str | None
    revoked_at: datetime | None

    @property
    def is_in_force(self) -> bool:
        """Whether nobody has revoked it."""
        return self.revoked_at is None


async def exclude(
    tx: AsyncSession,
    viewer: Viewer,
    project: ProjectView,
    slate_id: int,
    *,
    ranking_id: int | None,
    reason: str,
) -> ExclusionView:
    """Leave a slate, or one ranking of it with its later versions, out of everything.

    Raises:
        NotFoundError: the project has no such slate, or the slate no such ranking.
        ConflictError: it is excluded already.
    """
    names = {"slate_id": slate_id, "ranking_id": ranking_id, "project_id": project.id}
    if await tx.scalar(LOCK_SLATE, names) is None:
        raise NotFoundError(gettext("The project has no such slate."))
    found = (await tx.execute(FOUND, names)).one()
    if not found.has_ranking:
        raise NotFoundError(gettext("The slate has no such ranking."))
    if found.is_excluded:
        raise ConflictError(gettext("This is excluded already."), code="already_excluded")
    exclusion_id = await tx.scalar(EXCLUDE, {**names, "reason": reason, "viewer_id": viewer.id})
    if ranking_id is None:
        await void_places(tx, slate_id=slate_id)
    return await _exclusion(tx, project, slate_id, exclusion_id)


async def revoke(
    tx: AsyncSession, viewer: Viewer, project: ProjectView, exclusion_id: int
) -> ExclusionView:
    """Let what was excluded count again, and be ranked again where places were still open.

    Raises:
        NotFoundError: the project has no such exclusion that is in force.
    """
    names = {"exclusion_id": exclusion_id, "project_id": project.id, "viewer_id": viewer.id}
    await tx.execute(LOCK_EXCLUDED, names)
    slate_id = await tx.scalar(REVOKE, names)
    if slate_id is None:
        raise NotFoundError(gettext("The project has no such exclusion that is in force."))
    await reopen_places(tx, slate_id=slate_id)
    return await _exclusion(tx, project, slate_id, exclusion_id)


async def exclusions_of(
    tx: AsyncSession, project: ProjectView, slate_id: int
) -> list[ExclusionView]:
    """All that there were of a slate, oldest first."""
    names = {"project_id": project.id, "slate_id": slate_id, "exclusion_id": None}
    return [ExclusionView(*row) for row in await tx.execute(OF_SLATE, names)]


async def _exclusion(
    tx: AsyncSession, project: ProjectView, slate_id: int, exclusion_id: int
) -> ExclusionView:
    names = {"project_id": project.id, "slate_id": slate_id, "exclusion_id": exclusion_id}
    return ExclusionView(*(await tx.execute(OF_SLATE, names)).one())
