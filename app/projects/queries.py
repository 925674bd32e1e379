"""Reads of projects; who may see one is decided here."""

import asyncio
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncSession

from app.accounts.viewer import Viewer
from app.errors import NotFoundError
from app.projects.flags import FlagSpec
from app.projects.guideline_changes import ChangedLine, changed_lines
from app.projects.screen import ScreenSettings
from app.web.translation import gettext

PROJECT = text("""
select p.id, p.slug, p.name, p.labels_per_slate, p.overlap_share,
       g.version as guidelines_version, g.text as guidelines, p.screen,
       case when :is_admin then (
           select count(*) from reports r join tasks t on t.id = r.task_id
           where t.project_id = p.id and r.resolved_at is null
       ) else 0 end as open_reports
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
    """A project with the guidelines in force; `open_reports` is 0 for labelers, who see none."""

    id: int
    slug: str
    name: str
    labels_per_slate: int
    overlap_share: float
    guidelines_version: int
    guidelines: str
    screen: ScreenSettings
    open_reports: int = 0


async def project_for(tx: AsyncSession, viewer: Viewer, slug: str) -> ProjectView:
    """The project with this slug.

    Raises:
        NotFoundError: there is none, or the viewer is neither a member nor an admin.
    """
    known = slug.replace("\x00", "")  # Postgres refuses NUL, which no slug has
    rows = await tx.execute(
        PROJECT, {"slug": known, "is_admin": viewer.is_admin, "viewer_id": viewer.id}
    )
    row = rows.one_or_none()
    if row is None or known != slug:
        raise NotFoundError("There is no such project, or you are not a member of it.")
    return _project_from(row)


async def projects_for(tx: AsyncSession, viewer: Viewer) -> list[ProjectView]:
    """The projects that the viewer may see, oldest first."""
    rows = await tx.execute(
        PROJECT, {"slug": None, "is_admin": viewer.is_admin, "viewer_id": viewer.id}
    )
    return [_project_from(row) for row in rows]


def _project_from(row: Row[tuple[Any, ...]]) -> ProjectView:
    stored = dict(row._mapping)  # noqa: SLF001 - SQLAlchemy's public name for it
    return ProjectView(**{**stored, "screen": ScreenSettings.model_validate(stored["screen"])})


class FlagView(FlagSpec):
    """A flag of a project."""


FLAGS = text("""
select key, label, polarity, scope, condition, is_severe, needs_note from flags
where project_id = :id order by position, id
""")


async def flags_of(tx: AsyncSession, project: ProjectView) -> list[FlagView]:
    """The project's flags in the order in which they are shown."""
    return [FlagView(*row) for row in await tx.execute(FLAGS, {"id": project.id})]


@dataclass(frozen=True)
class MemberView:
    """A labeler of a project; exports show the pseudonym alone."""

    email: str
    name: str
    role: str
    pseudonym: str
    guidelines_read_version: int | None


@dataclass(frozen=True)
class MemberProgress(MemberView):
    """A member with what they have done so far."""

    rankings: int
    last_ranked_at: datetime | None


MEMBERS = text("""
select u.email, u.name, m.role, m.pseudonym, m.guidelines_read_version,
       coalesce(done.tasks, 0), done.last_at
from project_members m join users u on u.id = m.user_id
left join lateral (
    select count(*) as tasks, max(t.finished_at) as last_at from tasks t
    where t.labeler_id = m.user_id and t.project_id = m.project_id and t.status = 'done'
) done on true
where m.project_id = :id
order by m.pseudonym
""")


async def members_of(tx: AsyncSession, project: ProjectView) -> list[MemberProgress]:
    """The project's members by pseudonym."""
    return [MemberProgress(*row) for row in await tx.execute(MEMBERS, {"id": project.id})]


@dataclass(frozen=True)
class GuidelineVersionView:
    """One version of a project's guidelines."""

    version: int
    text: str
    created_at: datetime


async def guideline_versions_of(
    tx: AsyncSession, project: ProjectView
) -> list[GuidelineVersionView]:
    """All versions, newest first."""
    rows = await tx.execute(
        text(
            "select version, text, created_at from guideline_versions "
            "where project_id = :id order by version desc"
        ),
        {"id": project.id},
    )
    return [GuidelineVersionView(*row) for row in rows]


@dataclass(frozen=True)
class Progress:
    """How far a project is."""

    prompts: int
    members: int
    rounds: int
    slates_ready: int
    slates_pending: int
    slates_unusable: int
    slates_labeled: int
    tasks_open: int
    tasks_done: int


PROGRESS = text("""
select p.id,
    (select count(*) from prompts where project_id = p.id),
    (select count(*) from project_members where project_id = p.id),
    (select count(*) from rounds where project_id = p.id),
    slates.ready, slates.pending, slates.unusable,
    tasks.labeled, tasks.open, tasks.done
from projects p
left join lateral (
    select count(*) filter (where s.status = 'ready') as ready,
           count(*) filter (where s.status = 'pending') as pending,
           count(*) filter (where s.status = 'unusable') as unusable
    from slates s join rounds r on r.id = s.round_id where r.project_id = p.id
) slates on true
left join lateral (
    select count(distinct t.slate_id) filter (where t.status = 'done') as labeled,
           count(*) filter (where t.status in ('open', 'leased')) as open,
           count(*) filter (where t.status = 'done') as done
    from tasks t where t.project_id = p.id and not t.is_check
) tasks on true
where p.id = any(cast(:ids as bigint[]))
""")


async def progress_of(tx: AsyncSession, projects: list[ProjectView]) -> dict[int, Progress]:
    """Counts per project id."""
    rows = await tx.execute(PROGRESS, {"ids": [project.id for project in projects]})
    return {row[0]: Progress(*row[1:]) for row in rows}


@dataclass(frozen=True)
class OwnProgress:
    """What one labeler has done in a project, and whether there is more for them."""

    ranked: int
    ranked_today: int
    has_more: bool
    guidelines_read_version: int | None


OWN_PROGRESS = text("""
select m.project_id,
    (select count(*) from tasks t
     where t.labeler_id = m.user_id and t.project_id = m.project_id and t.status = 'done'),
    (select count(*) from tasks t
     where t.labeler_id = m.user_id and t.project_id = m.project_id and t.status = 'done'
       and t.finished_at >= date_trunc('day', now())),
    exists (
        select from tasks t
        where t.project_id = m.project_id
          and ((t.status = 'leased' and t.labeler_id = m.user_id)
            or (t.status = 'open' and not exists (
                select from tasks mine
                where mine.slate_id = t.slate_id and mine.labeler_id = m.user_id)))
    ),
    m.guidelines_read_version
from project_members m
where m.user_id = :viewer_id and m.project_id = any(cast(:ids as bigint[]))
""")


async def own_progress_of(
    tx: AsyncSession, viewer: Viewer, projects: list[ProjectView]
) -> dict[int, OwnProgress]:
    """The viewer's own counts per project id, for the projects that they are a member of."""
    rows = await tx.execute(
        OWN_PROGRESS, {"viewer_id": viewer.id, "ids": [project.id for project in projects]}
    )
    return {row[0]: OwnProgress(*row[1:]) for row in rows}


@dataclass(frozen=True)
class HomeItem:
    """A project on the home page; `progress` is for admins, `own` for its labelers."""

    project: ProjectView
    progress: Progress | None
    own: OwnProgress | None


async def home_for(tx: AsyncSession, viewer: Viewer) -> list[HomeItem]:
    """What the viewer sees first."""
    projects = await projects_for(tx, viewer)
    progress = await progress_of(tx, projects) if viewer.is_admin else {}
    own = await own_progress_of(tx, viewer, projects)
    return [
        HomeItem(project, progress.get(project.id), own.get(project.id)) for project in projects
    ]


@dataclass(frozen=True)
class Overview:
    """A project as its admins see it."""

    project: ProjectView
    progress: Progress
    members: list[MemberProgress]
    flags: list[FlagView]
    open_reports: int


OPEN_REPORTS = text("""
select count(*) from reports r join tasks t on t.id = r.task_id
where t.project_id = :id and r.resolved_at is null
""")


async def overview_of(tx: AsyncSession, project: ProjectView) -> Overview:
    """Everything on a project's overview page."""
    return Overview(
        project=project,
        progress=(await progress_of(tx, [project]))[project.id],
        members=await members_of(tx, project),
        flags=await flags_of(tx, project),
        open_reports=await tx.scalar(OPEN_REPORTS, {"id": project.id}) or 0,
    )


@dataclass(frozen=True)
class GuidelineChanges:
    """What the guidelines in force say otherwise than an earlier version."""

    since: int
    lines: list[ChangedLine]


async def guideline_changes_of(
    tx: AsyncSession, project: ProjectView, since: int
) -> GuidelineChanges:
    """The changes since a version.

    Raises:
        NotFoundError: there is no such version.
    """
    old = await tx.scalar(
        text("select text from guideline_versions where project_id = :id and version = :version"),
        {"id": project.id, "version": since},
    )
    if old is None:
        raise NotFoundError(gettext("The guidelines have no version %(version)s.", version=since))
    lines = await asyncio.to_thread(changed_lines, old, project.guidelines)
    return GuidelineChanges(since, lines)
