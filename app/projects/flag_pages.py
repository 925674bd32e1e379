"""The pages of a project's flags: the list with a form for one more, and one flag's form."""

from typing import Annotated, Any

from fastapi import APIRouter, Form, Request, Response
from fastapi.responses import RedirectResponse

from app.accounts.deps import AdminOnly
from app.errors import DomainError
from app.projects.flag_commands import add_flag, edit_flag, remove_flag
from app.projects.flag_queries import flag_of, flag_uses_of
from app.projects.flags import FlagSpec
from app.projects.queries import ProjectView, flags_of, project_for
from app.projects.schemas import FlagIn, PlacedFlag, flag_key
from app.web.deps import Tx
from app.web.errors import status_of
from app.web.forms import checked, number_or_text
from app.web.render import page

router = APIRouter(include_in_schema=False)
Typed = Annotated[str, Form(max_length=400)]
EMPTY = FlagSpec(key="", label="")
INVALID = 422


@router.get("/projects/{slug}/flags")
async def show_flags(request: Request, tx: Tx, viewer: AdminOnly, slug: str) -> Response:
    """Show the flags in the order in which labelers see them, and the form for one more."""
    return await _list_page(request, tx, await project_for(tx, viewer, slug))


@router.post("/projects/{slug}/flags")
async def post_flag(
    request: Request,
    tx: Tx,
    viewer: AdminOnly,
    slug: str,
    *,
    key: Typed = "",
    label: Typed = "",
    polarity: Typed = "",
    scope: Typed = "",
    condition: Typed = "",
    is_severe: Typed = "",
    needs_note: Typed = "",
) -> Response:
    """Add a flag; without a key it gets one made from its label."""
    project = await project_for(tx, viewer, slug)
    typed = _typed(label, polarity, scope, condition, is_severe, needs_note)
    typed["key"] = key.strip() or flag_key(label)
    body, errors = checked(FlagIn, typed)
    if body is None:
        return await _list_page(request, tx, project, typed=typed, errors=errors, status=INVALID)
    try:
        await add_flag(tx, project, body.spec())
    except DomainError as error:
        return await _list_page(
            request,
            tx,
            project,
            typed=typed,
            errors={"key": error.detail},
            status=status_of(error),
        )
    return RedirectResponse(f"/projects/{project.slug}/flags", status_code=303)


@router.get("/projects/{slug}/flags/{key}")
async def show_flag(request: Request, tx: Tx, viewer: AdminOnly, slug: str, key: str) -> Response:
    """Show one flag's form."""
    return await _flag_page(request, tx, await project_for(tx, viewer, slug), key)


@router.post("/projects/{slug}/flags/{key}")
async def post_changed_flag(
    request: Request,
    tx: Tx,
    viewer: AdminOnly,
    slug: str,
    key: str,
    *,
    label: Typed = "",
    polarity: Typed = "",
    scope: Typed = "",
    condition: Typed = "",
    is_severe: Typed = "",
    needs_note: Typed = "",
    position: Typed = "",
) -> Response:
    """Change a flag; its key stays."""
    project = await project_for(tx, viewer, slug)
    typed = _typed(label, polarity, scope, condition, is_severe, needs_note)
    typed |= {"key": key, "position": number_or_text(int, position)}
    body, errors = checked(PlacedFlag, typed)
    if body is None:
        return await _flag_page(
            request, tx, project, key, typed=typed, errors=errors, status=INVALID
        )
    try:
        await edit_flag(tx, project, body.spec(), position=body.position)
    except DomainError as error:
        return await _flag_page(
            request,
            tx,
            project,
            key,
            typed=typed,
            errors={"scope": error.detail},
            status=status_of(error),
        )
    return RedirectResponse(f"/projects/{project.slug}/flags", status_code=303)


@router.post("/projects/{slug}/flags/{key}/remove")
async def post_removed_flag(tx: Tx, viewer: AdminOnly, slug: str, key: str) -> Response:
    """Take a flag out of the project, unless rankings use it."""
    project = await project_for(tx, viewer, slug)
    await remove_flag(tx, project, key)
    return RedirectResponse(f"/projects/{project.slug}/flags", status_code=303)


def _typed(
    label: str, polarity: str, scope: str, condition: str, is_severe: str, needs_note: str
) -> dict[str, Any]:
    return {
        "label": label.strip(),
        "polarity": polarity,
        "scope": scope,
        "condition": condition.strip() or None,
        "is_severe": is_severe == "on",
        "needs_note": needs_note == "on",
    }


async def _list_page(
    request: Request,
    tx: Tx,
    project: ProjectView,
    *,
    typed: dict[str, Any] | None = None,
    errors: dict[str, str] | None = None,
    status: int = 200,
) -> Response:
    context = {
        "project": project,
        "flags": await flags_of(tx, project),
        "uses": await flag_uses_of(tx, project),
        "typed": typed or EMPTY,
        "errors": errors or {},
    }
    return page(request, "projects/flags.html", context, status=status)


async def _flag_page(
    request: Request,
    tx: Tx,
    project: ProjectView,
    key: str,
    *,
    typed: dict[str, Any] | None = None,
    errors: dict[str, str] | None = None,
    status: int = 200,
) -> Response:
    placed = await flag_of(tx, project, key)
    context = {
        "project": project,
        "flag": placed.flag,
        "count": placed.count,
        "uses": (await flag_uses_of(tx, project)).get(key, 0),
        "typed": typed or placed.flag,
        "position": typed["position"] if typed else placed.position,
        "errors": errors or {},
    }
    return page(request, "projects/flag.html", context, status=status)
