"""Projects, members, guidelines and flags for programs."""

from dataclasses import asdict

from fastapi import APIRouter

from app.accounts.deps import AdminOnly, SignedIn
from app.projects.commands import (
    NewProject,
    add_member,
    create_project,
    update_guidelines,
    update_screen,
)
from app.projects.flag_commands import set_flags
from app.projects.flags import DEFAULT_FLAGS, FlagSpec
from app.projects.queries import FlagView, ProjectView, flags_of, project_for, projects_for
from app.projects.schemas import (
    FlagIn,
    FlagList,
    FlagOut,
    FlagsIn,
    GuidelinesIn,
    GuidelinesOut,
    MemberIn,
    MemberOut,
    ProjectIn,
    ProjectList,
    ProjectOut,
    ProjectSummary,
    flag_key,
)
from app.projects.screen import ScreenSettings
from app.web.deps import Tx
from app.web.json_body import StrictJSONRoute

router = APIRouter(tags=["projects"], route_class=StrictJSONRoute)


@router.post("/projects", status_code=201)
async def post_project(tx: Tx, viewer: AdminOnly, body: ProjectIn) -> ProjectOut:
    """Create a project; without `flags` it gets those of InstructGPT and two more."""
    new = NewProject(
        slug=body.slug,
        name=body.name,
        guidelines=body.guidelines,
        labels_per_slate=body.labels_per_slate,
        overlap_share=body.overlap_share,
        flags=DEFAULT_FLAGS if body.flags is None else tuple(map(_flag, body.flags)),
    )
    project = await create_project(tx, viewer, new)
    return _shown(project, await flags_of(tx, project))


@router.get("/projects")
async def get_projects(tx: Tx, viewer: SignedIn) -> ProjectList:
    """List the projects that you are a member of; admins see all."""
    found = await projects_for(tx, viewer)
    return ProjectList(
        projects=[
            ProjectSummary(
                id=project.id,
                slug=project.slug,
                name=project.name,
                labels_per_slate=project.labels_per_slate,
                overlap_share=project.overlap_share,
            )
            for project in found
        ]
    )


@router.get("/projects/{slug}")
async def get_project(tx: Tx, viewer: SignedIn, slug: str) -> ProjectOut:
    """Show one project."""
    project = await project_for(tx, viewer, slug)
    return _shown(project, await flags_of(tx, project))


@router.put("/projects/{slug}/members/{email}")
async def put_member(tx: Tx, viewer: AdminOnly, slug: str, email: str, body: MemberIn) -> MemberOut:
    """Make a user a labeler of the project."""
    del body  # it can only say `labeler`
    member = await add_member(tx, await project_for(tx, viewer, slug), email)
    return MemberOut(email=member.email, role=member.role, pseudonym=member.pseudonym)


@router.put("/projects/{slug}/guidelines")
async def put_guidelines(tx: Tx, viewer: AdminOnly, slug: str, body: GuidelinesIn) -> GuidelinesOut:
    """Store a new version of the guidelines; labelers read it before their next task."""
    project = await project_for(tx, viewer, slug)
    version = await update_guidelines(tx, project, body.text, base_version=body.base_version)
    return GuidelinesOut(version=version, text=body.text)


@router.get("/projects/{slug}/screen")
async def get_screen(tx: Tx, viewer: AdminOnly, slug: str) -> ScreenSettings:
    """Show how the labeling screen works."""
    return (await project_for(tx, viewer, slug)).screen


@router.put("/projects/{slug}/screen")
async def put_screen(tx: Tx, viewer: AdminOnly, slug: str, body: ScreenSettings) -> ScreenSettings:
    """Replace all settings of the labeling screen; those left out take their defaults."""
    await update_screen(tx, await project_for(tx, viewer, slug), body)
    return body


@router.get("/projects/{slug}/flags")
async def get_flags(tx: Tx, viewer: AdminOnly, slug: str) -> FlagList:
    """Show the flags in the order in which labelers see them."""
    project = await project_for(tx, viewer, slug)
    return _flag_list(await flags_of(tx, project))


@router.put("/projects/{slug}/flags")
async def put_flags(tx: Tx, viewer: AdminOnly, slug: str, body: FlagsIn) -> FlagList:
    """Replace all flags; a flag that rankings use has to stay, and its scope as well."""
    project = await project_for(tx, viewer, slug)
    return _flag_list(await set_flags(tx, project, [flag.spec() for flag in body.flags]))


def _flag_list(flags: list[FlagView]) -> FlagList:
    return FlagList(flags=[FlagOut(**asdict(flag)) for flag in flags])


def _flag(flag: FlagIn | str) -> FlagSpec:
    return flag.spec() if isinstance(flag, FlagIn) else FlagSpec(flag_key(flag), flag)


def _shown(project: ProjectView, flags: list[FlagView]) -> ProjectOut:
    return ProjectOut(
        id=project.id,
        slug=project.slug,
        name=project.name,
        labels_per_slate=project.labels_per_slate,
        overlap_share=project.overlap_share,
        guidelines=GuidelinesOut(version=project.guidelines_version, text=project.guidelines),
        flags=[FlagOut(**asdict(flag)) for flag in flags],
    )
