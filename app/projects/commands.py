"""Changes to projects: creation, settings, guidelines, members."""

from dataclasses import dataclass

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from app.accounts.commands import canonical_email
from app.accounts.viewer import Viewer
from app.errors import ConflictError, Fault, InvalidError, NotFoundError
from app.projects.flag_storage import store_flags
from app.projects.flags import DEFAULT_FLAGS, FlagSpec
from app.projects.queries import MemberView, ProjectView, project_for
from app.projects.screen import ScreenSettings
from app.web.translation import gettext

CREATE = text("""
with project as (
    insert into projects (slug, name, labels_per_slate, overlap_share)
    values (:slug, :name, :labels_per_slate, :overlap_share)
    on conflict (slug) do nothing
    returning id
), guidelines as (
    insert into guideline_versions (project_id, version, text)
    select id, 1, :guidelines from project
)
select id from project
""")

# Serializes what is numbered or deduplicated within a project, without stopping its labelers.
LOCK = text("select from projects where id = :project_id for no key update")

NEW_VERSION = text("""
insert into guideline_versions (project_id, version, text)
select :project_id, max(version) + 1, :text from guideline_versions where project_id = :project_id
returning version
""")

SETTINGS = text("""
update projects
set name = :name, labels_per_slate = :labels_per_slate, overlap_share = :overlap_share
where id = :project_id
""")

SCREEN = text("update projects set screen = cast(:screen as jsonb) where id = :project_id")

ADD_MEMBER = text("""
insert into project_members (project_id, user_id, pseudonym, cohort)
select :project_id, u.id, 'L-' || lpad(number, greatest(2, length(number)), '0'),
       coalesce((select cohort from labeler_cohorts
                 where project_id = :project_id and user_id = u.id), 'training')
from users u, (
    select cast(1 + coalesce(max(cast(substring(pseudonym from 3) as int)), 0) as text) as number
    from project_members where project_id = :project_id
) free where u.email = :email and u.is_active
on conflict (project_id, user_id) do nothing
""")

MEMBER = text("""
select u.email, u.name, m.role, m.pseudonym, m.guidelines_read_version
from project_members m join users u on u.id = m.user_id
where m.project_id = :project_id and u.email = :email
""")

GUIDELINES_READ = text("""
update project_members m
set guidelines_read_version = greatest(m.guidelines_read_version, g.version)
from guideline_versions g
where m.project_id = :project_id and m.user_id = :user_id
  and g.project_id = m.project_id and g.version = :version
returning m.guidelines_read_version
""")


@dataclass(frozen=True)
class NewProject:
    """What a project is made from."""

    slug: str
    name: str
    guidelines: str
    labels_per_slate: int = 1
    overlap_share: float = 0.15
    flags: tuple[FlagSpec, ...] = DEFAULT_FLAGS


async def create_project(tx: AsyncSession, viewer: Viewer, new: NewProject) -> ProjectView:
    """Make a project with the first version of its guidelines and its flags.

    Raises:
        ConflictError: the slug is taken.
        InvalidError: two flags share a key.
    """
    created = await tx.scalar(
        CREATE,
        {
            "slug": new.slug,
            "name": new.name,
            "guidelines": new.guidelines,
            "labels_per_slate": new.labels_per_slate,
            "overlap_share": new.overlap_share,
        },
    )
    if created is None:
        raise ConflictError(
            gettext("There is already a project %(slug)s.", slug=new.slug), code="slug_taken"
        )
    await store_flags(tx, created, new.flags)
    return await project_for(tx, viewer, new.slug)


async def lock_project(tx: AsyncSession, project: ProjectView) -> None:
    """Wait for other changes to the project's guidelines, members or prompts, until the commit."""
    await tx.execute(LOCK, {"project_id": project.id})


async def update_guidelines(
    tx: AsyncSession, project: ProjectView, new_text: str, *, base_version: int | None = None
) -> int:
    """Store a new version of the guidelines and return its number; the same text makes none.

    Args:
        tx: the caller's transaction.
        project: the project, as the caller has just read it.
        new_text: the guidelines in Markdown.
        base_version: the version that was edited; None replaces whatever is in force.

    Raises:
        ConflictError: somebody else has stored a newer version than `base_version`.
    """
    await lock_project(tx, project)
    latest = await tx.execute(
        text(
            "select version, text from guideline_versions "
            "where project_id = :project_id order by version desc limit 1"
        ),
        {"project_id": project.id},
    )
    version, old_text = latest.one()
    if base_version is not None and base_version != version:
        raise ConflictError(
            gettext(
                "Version %(version)s of the guidelines was saved while you edited version "
                "%(edited)s. Your text is kept below; compare, then save again.",
                version=version,
                edited=base_version,
            ),
            code="version_conflict",
        )
    if new_text == old_text:
        return int(version)
    stored = await tx.execute(NEW_VERSION, {"project_id": project.id, "text": new_text})
    return int(stored.scalar_one())


async def update_settings(
    tx: AsyncSession,
    project: ProjectView,
    *,
    name: str,
    labels_per_slate: int,
    overlap_share: float,
) -> None:
    """Change the name and how many labelers a slate of later rounds gets."""
    await tx.execute(
        SETTINGS,
        {
            "project_id": project.id,
            "name": name,
            "labels_per_slate": labels_per_slate,
            "overlap_share": overlap_share,
        },
    )


async def update_screen(tx: AsyncSession, project: ProjectView, settings: ScreenSettings) -> None:
    """Change how the labeling screen works; only what differs from the defaults is stored.

    Raises:
        InvalidError: the criterion shall be in own words, and there are none.
    """
    if settings.criteria_profile == "custom" and not settings.criteria_text.strip():
        fault = Fault(("body", "criteria_text"), "say which criterion goes first")
        raise InvalidError(
            "criteria_text: say which criterion goes first", code="invalid", faults=(fault,)
        )
    changed = settings.model_dump_json(exclude_defaults=True)
    await tx.execute(SCREEN, {"project_id": project.id, "screen": changed})


async def add_member(tx: AsyncSession, project: ProjectView, email: str) -> MemberView:
    """Make a user a labeler of the project; adding them again changes nothing.

    Raises:
        InvalidError: this is not an email address.
        NotFoundError: no active user has this address.
    """
    address = canonical_email(email)
    await lock_project(tx, project)
    await tx.execute(ADD_MEMBER, {"project_id": project.id, "email": address})
    row = (await tx.execute(MEMBER, {"project_id": project.id, "email": address})).one_or_none()
    if row is None:
        raise NotFoundError(
            gettext(
                "There is no active user %(address)s; create them first, under Users.",
                address=address,
            ),
            code="unknown_user",
        )
    return MemberView(*row)


async def mark_guidelines_read(
    tx: AsyncSession, project: ProjectView, viewer: Viewer, version: int
) -> int:
    """Note that the viewer has read this version; returns the newest version that they have read.

    Raises:
        ConflictError: the viewer is not a member, or there is no such version.
    """
    found = await tx.execute(
        GUIDELINES_READ, {"project_id": project.id, "user_id": viewer.id, "version": version}
    )
    newest = found.scalar_one_or_none()
    if newest is None:
        raise ConflictError(
            gettext(
                "Version %(version)s of the guidelines cannot be marked as read: "
                "only members of the project can do that, and only for a version that exists.",
                version=version,
            ),
            code="not_a_member",
        )
    return int(newest)
