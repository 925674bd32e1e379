"""An example of the labeling screen with settings that are still being decided."""

from dataclasses import replace

from fastapi import APIRouter, Request, Response

from app.accounts.deps import AdminOnly
from app.labeling.example import example_task
from app.labeling.workplace import workplace_of
from app.projects.queries import flags_of, project_for
from app.projects.screen import ScreenSettings
from app.projects.screen_fields import as_typed, parsed, read_typed
from app.projects.screen_words import in_words
from app.web.deps import Tx
from app.web.forms import checked
from app.web.render import page
from app.web.security import IN_OWN_FRAME

router = APIRouter(include_in_schema=False)


@router.get("/projects/{slug}/screen/preview")
async def show_preview(request: Request, tx: Tx, viewer: AdminOnly, slug: str) -> Response:
    """Show the example as the form in the query says, else as the project's settings say."""
    project = await project_for(tx, viewer, slug)
    if request.query_params:
        screen = _half_typed(dict(request.query_params), project.screen)
        project = replace(project, screen=screen)
    context = {
        "project": project,
        "workplace": workplace_of(
            project, example_task(project, await flags_of(tx, project)), None, labeler_id=viewer.id
        ),
        "words": in_words(project.screen),
    }
    return page(request, "labeling/preview.html", context, headers=IN_OWN_FRAME)


def _half_typed(form: dict[str, str], stored: ScreenSettings) -> ScreenSettings:
    """What the form says, and what is stored wherever it says nothing possible (yet)."""
    typed = read_typed(form)
    settings, errors = checked(ScreenSettings, parsed(typed))
    if settings is None:
        kept = as_typed(stored)
        typed |= {name: kept[name] for name in errors}
        settings, _ = checked(ScreenSettings, parsed(typed))
    return settings or stored
