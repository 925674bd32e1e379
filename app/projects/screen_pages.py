"""The page on which admins decide how the labeling screen of a project works."""

from typing import Any

from fastapi import APIRouter, Request, Response
from fastapi.responses import RedirectResponse

from app.accounts.deps import AdminOnly
from app.errors import DomainError
from app.projects.commands import update_screen
from app.projects.queries import ProjectView, project_for
from app.projects.screen import ScreenSettings
from app.projects.screen_fields import as_typed, groups_of, parsed, read_typed
from app.projects.screen_words import in_words
from app.web.deps import Tx
from app.web.errors import status_of
from app.web.forms import checked
from app.web.render import page
from app.web.security import WITH_OWN_FRAMES

router = APIRouter(include_in_schema=False)
INVALID = 422


@router.get("/projects/{slug}/screen")
async def show_screen(
    request: Request, tx: Tx, viewer: AdminOnly, slug: str, *, defaults: bool = False
) -> Response:
    """Show the settings of the labeling screen, or the defaults, beside an example of it."""
    project = await project_for(tx, viewer, slug)
    shown = ScreenSettings() if defaults else project.screen
    return _screen_page(request, project, as_typed(shown), are_defaults=defaults)


@router.post("/projects/{slug}/screen")
async def post_screen(request: Request, tx: Tx, viewer: AdminOnly, slug: str) -> Response:
    """Store the settings."""
    project = await project_for(tx, viewer, slug)
    form = await request.form()
    typed = read_typed({name: text for name, text in form.items() if isinstance(text, str)})
    settings, errors = checked(ScreenSettings, parsed(typed))
    if settings is None:
        return _screen_page(request, project, typed, errors=errors, status=INVALID)
    try:
        await update_screen(tx, project, settings)
    except DomainError as error:
        errors = {str(fault.loc[-1]): fault.msg for fault in error.faults}
        return _screen_page(request, project, typed, errors=errors, status=status_of(error))
    return RedirectResponse(f"/projects/{project.slug}/screen", status_code=303)


def _screen_page(
    request: Request,
    project: ProjectView,
    typed: dict[str, str],
    *,
    errors: dict[str, str] | None = None,
    status: int = 200,
    are_defaults: bool = False,
) -> Response:
    context: dict[str, Any] = {
        "project": project,
        "groups": groups_of(typed),
        "changed": len(project.screen.model_dump(exclude_defaults=True)),
        "words": in_words(project.screen),
        "errors": errors or {},
        "are_defaults": are_defaults,
    }
    return page(request, "projects/screen.html", context, status=status, headers=WITH_OWN_FRAMES)
