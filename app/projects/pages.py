"""The home page, and a project's overview, guidelines, members and settings."""

from typing import Annotated, Any

from fastapi import APIRouter, Form, Query, Request, Response
from fastapi.responses import RedirectResponse

from app.accounts.deps import AdminOnly, SignedIn
from app.errors import DomainError
from app.projects.commands import (
    NewProject,
    add_member,
    create_project,
    mark_guidelines_read,
    update_guidelines,
    update_settings,
)
from app.projects.flags import DEFAULT_FLAGS
from app.projects.queries import (
    ProjectView,
    guideline_changes_of,
    guideline_versions_of,
    home_for,
    overview_of,
    project_for,
)
from app.projects.schemas import GuidelinesIn, ProjectIn, SettingsIn
from app.web.deps import Tx
from app.web.errors import status_of
from app.web.forms import checked, number_or_text
from app.web.render import page

router = APIRouter(include_in_schema=False)
Typed = Annotated[str, Form()]
Version = Annotated[int | None, Query(ge=1, le=2**31 - 1)]
INVALID = 422


@router.get("/")
@router.get("/projects")
async def show_home(request: Request, tx: Tx, viewer: SignedIn) -> Response:
    """Show the viewer's projects."""
    template = "projects/list.html" if viewer.is_admin else "projects/home.html"
    return page(request, template, {"items": await home_for(tx, viewer)})


@router.get("/projects/new")
async def show_new(request: Request, _viewer: AdminOnly) -> Response:
    """Show the form for a new project."""
    typed = {"slug": "", "name": "", "guidelines": "", "labels_per_slate": 1, "overlap_share": 0.15}
    return _new_page(request, typed, {})


@router.post("/projects/new")
async def post_new(
    request: Request,
    tx: Tx,
    viewer: AdminOnly,
    slug: Typed = "",
    name: Typed = "",
    guidelines: Typed = "",
    labels_per_slate: Typed = "",
    overlap_share: Typed = "",
) -> Response:
    """Create a project with the default flags."""
    typed = {
        "slug": slug.strip(),
        "name": name.strip(),
        "guidelines": guidelines,
        "labels_per_slate": number_or_text(int, labels_per_slate),
        "overlap_share": number_or_text(float, overlap_share),
    }
    body, errors = checked(ProjectIn, typed)
    if body is None:
        return _new_page(request, typed, errors, status=INVALID)
    new = NewProject(**body.model_dump(exclude={"flags"}))
    try:
        project = await create_project(tx, viewer, new)
    except DomainError as error:
        return _new_page(request, typed, {"slug": error.detail}, status=status_of(error))
    return RedirectResponse(f"/projects/{project.slug}", status_code=303)


def _new_page(
    request: Request, typed: dict[str, Any], errors: dict[str, str], *, status: int = 200
) -> Response:
    context = {"typed": typed, "errors": errors, "flags": DEFAULT_FLAGS}
    return page(request, "projects/new.html", context, status=status)


@router.get("/projects/{slug}")
async def show_project(request: Request, tx: Tx, viewer: SignedIn, slug: str) -> Response:
    """Show a project to admins; labelers have a page of their own."""
    project = await project_for(tx, viewer, slug)
    if not viewer.is_admin:
        return RedirectResponse(f"/projects/{project.slug}/me", status_code=303)
    return await _overview_page(request, tx, project)


@router.post("/projects/{slug}/members")
async def post_member(
    request: Request, tx: Tx, viewer: AdminOnly, slug: str, email: Typed = ""
) -> Response:
    """Make a user a labeler of the project."""
    project = await project_for(tx, viewer, slug)
    try:
        await add_member(tx, project, email)
    except DomainError as error:
        return await _overview_page(
            request,
            tx,
            project,
            typed={"email": email},
            errors={"email": error.detail},
            status=status_of(error),
        )
    return RedirectResponse(f"/projects/{slug}#members", status_code=303)


@router.post("/projects/{slug}/settings")
async def post_settings(
    request: Request,
    tx: Tx,
    viewer: AdminOnly,
    slug: str,
    name: Typed = "",
    labels_per_slate: Typed = "",
    overlap_share: Typed = "",
) -> Response:
    """Change a project's name and its overlap."""
    project = await project_for(tx, viewer, slug)
    typed: dict[str, Any] = {
        "name": name.strip(),
        "labels_per_slate": number_or_text(int, labels_per_slate),
        "overlap_share": number_or_text(float, overlap_share),
    }
    body, errors = checked(SettingsIn, typed)
    if body is None:
        return await _overview_page(
            request, tx, project, typed=typed, errors=errors, status=INVALID
        )
    await update_settings(tx, project, **body.model_dump())
    return RedirectResponse(f"/projects/{slug}", status_code=303)


async def _overview_page(
    request: Request,
    tx: Tx,
    project: ProjectView,
    *,
    typed: dict[str, Any] | None = None,
    errors: dict[str, str] | None = None,
    status: int = 200,
) -> Response:
    kept = {
        "email": "",
        "name": project.name,
        "labels_per_slate": project.labels_per_slate,
        "overlap_share": project.overlap_share,
        **(typed or {}),
    }
    overview = await overview_of(tx, project)
    context = {"project": project, "overview": overview, "typed": kept, "errors": errors or {}}
    return page(request, "projects/overview.html", context, status=status)


@router.get("/projects/{slug}/guidelines")
async def show_guidelines(request: Request, tx: Tx, viewer: AdminOnly, slug: str) -> Response:
    """Show the form for new guidelines, and the earlier versions."""
    project = await project_for(tx, viewer, slug)
    return await _guidelines_page(request, tx, project, typed=project.guidelines)


@router.post("/projects/{slug}/guidelines")
async def post_guidelines(
    request: Request,
    tx: Tx,
    viewer: AdminOnly,
    slug: str,
    text: Typed = "",
    base_version: Typed = "",
) -> Response:
    """Store a new version of the guidelines."""
    project = await project_for(tx, viewer, slug)
    # Browsers send line breaks as CRLF; without this an unchanged text would be a new version.
    text = text.replace("\r\n", "\n")
    given = {"text": text, "base_version": number_or_text(int, base_version)}
    body, errors = checked(GuidelinesIn, given)
    if body is None:
        return await _guidelines_page(
            request, tx, project, typed=text, errors=errors, status=INVALID
        )
    try:
        await update_guidelines(tx, project, body.text, base_version=body.base_version)
    except DomainError as error:
        return await _guidelines_page(
            request,
            tx,
            project,
            typed=text,
            errors={"text": error.detail},
            status=status_of(error),
        )
    return RedirectResponse(f"/projects/{slug}/guidelines", status_code=303)


async def _guidelines_page(
    request: Request,
    tx: Tx,
    project: ProjectView,
    *,
    typed: str,
    errors: dict[str, str] | None = None,
    status: int = 200,
) -> Response:
    context = {
        "project": project,
        "versions": await guideline_versions_of(tx, project),
        "typed": typed,
        "errors": errors or {},
    }
    return page(request, "projects/guidelines.html", context, status=status)


@router.get("/projects/{slug}/guidelines/read")
async def show_guidelines_text(request: Request, tx: Tx, viewer: SignedIn, slug: str) -> Response:
    """Show the guidelines in force to read."""
    project = await project_for(tx, viewer, slug)
    return page(request, "projects/guidelines_text.html", {"project": project})


@router.get("/projects/{slug}/guidelines/changes")
async def show_guidelines_changes(
    request: Request, tx: Tx, viewer: SignedIn, slug: str, since: Version = None
) -> Response:
    """Show what the guidelines in force say otherwise than an earlier version, or the last one."""
    project = await project_for(tx, viewer, slug)
    earlier = since or max(1, project.guidelines_version - 1)
    changes = await guideline_changes_of(tx, project, earlier)
    return page(
        request, "projects/guidelines_changes.html", {"project": project, "changes": changes}
    )


@router.post("/projects/{slug}/guidelines/read")
async def post_guidelines_read(
    tx: Tx, viewer: SignedIn, slug: str, version: Annotated[int, Form(ge=1, le=2**31 - 1)]
) -> Response:
    """Note that the viewer has read the guidelines, and go on to labeling."""
    project = await project_for(tx, viewer, slug)
    await mark_guidelines_read(tx, project, viewer, version)
    return RedirectResponse(f"/projects/{project.slug}/label", status_code=303)
