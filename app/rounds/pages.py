"""The pages of rounds: all of a project with the forms that make one, and one with its slates."""

from typing import Annotated, Any
from urllib.parse import urlencode

from fastapi import APIRouter, Depends, Form, Query, Request, Response
from fastapi.responses import RedirectResponse
from starlette.datastructures import UploadFile
from starlette.requests import ClientDisconnect

from app.accounts.deps import HiddenFromLabelers
from app.errors import DomainError, InvalidError, MalformedError
from app.projects.queries import ProjectView, project_for
from app.prompts.import_file import refuse_by_name
from app.prompts.split import SPLITS
from app.registry.queries import all_models
from app.rounds.api import MAX_ANSWERS_BYTES
from app.rounds.closing import close_round, reopen_round
from app.rounds.commands import (
    SAMPLED_KINDS,
    ImportedRound,
    create_round,
    import_responses,
)
from app.rounds.forms import UPLOAD, RoundForm, overlap_typed, read_overlap, read_typed
from app.rounds.overlap import NAMES, OverlapWish
from app.rounds.queries import prompts_by_split, round_of, rounds_of, slates_of
from app.web.deps import AppSettings, Tx
from app.web.errors import status_of
from app.web.formats import number
from app.web.forms import checked
from app.web.render import page
from app.web.schemas import MAX_ID, PathId
from app.web.translation import gettext

router = APIRouter(include_in_schema=False)
Typed = Annotated[str, Form(max_length=200)]
DEFAULTS: dict[str, Any] = {
    "models": [],
    "responses_per_prompt": "4",
    "temperature": "1",
    "top_p": "1",
    "max_new_tokens": "128",
    "seed": "",
    "split": "",
    "limit": "",
}
STATUSES = ("ready", "pending", "unusable")
FILTERS = (
    ("", "All"),
    ("ready", "Ready"),
    ("pending", "Pending"),
    ("unusable", "Unusable"),
    ("problems", "With problems"),
)
PAGE_SLATES = 10
FORM_BYTES = 64 * 1024
INVALID = 422


async def _overlap_typed(
    labels_per_slate: Typed = "",
    overlap_share: Typed = "",
    gold_share: Typed = "",
    anchor_share: Typed = "",
    repeat_share: Typed = "",
) -> dict[str, str]:
    return {
        "labels_per_slate": labels_per_slate,
        "overlap_share": overlap_share,
        "gold_share": gold_share,
        "anchor_share": anchor_share,
        "repeat_share": repeat_share,
    }


@router.get("/projects/{slug}/rounds")
async def show_rounds(
    request: Request,
    tx: Tx,
    viewer: HiddenFromLabelers,
    slug: str,
    models: Annotated[list[str] | None, Query()] = None,
) -> Response:
    """Show the rounds and the forms that make one, `models` ticked; HTMX gets the table alone."""
    project = await project_for(tx, viewer, slug)
    if request.headers.get("hx-request") == "true":
        context = {"project": project, "rounds": await rounds_of(tx, project)}
        return page(request, "rounds/list.html", context, block="table")
    return await _rounds_page(request, tx, project, typed={"models": models or []})


@router.post("/projects/{slug}/rounds")
async def post_round(
    request: Request,
    tx: Tx,
    viewer: HiddenFromLabelers,
    settings: AppSettings,
    slug: str,
    overlap: Annotated[dict[str, str], Depends(_overlap_typed)],
    *,
    models: Annotated[list[str] | None, Form(max_length=100)] = None,
    responses_per_prompt: Typed = "",
    temperature: Typed = "",
    top_p: Typed = "",
    max_new_tokens: Typed = "",
    seed: Typed = "",
    split: Typed = "",
    limit: Typed = "",
) -> Response:
    """Start a round and show it."""
    project = await project_for(tx, viewer, slug)
    typed = {
        "models": models or [],
        "responses_per_prompt": responses_per_prompt,
        "temperature": temperature,
        "top_p": top_p,
        "max_new_tokens": max_new_tokens,
        "seed": seed,
        "split": split,
        "limit": limit,
        **overlap,
    }
    form, errors = checked(RoundForm, read_typed(typed))
    if form is None:
        return await _rounds_page(request, tx, project, typed=typed, errors=errors, status=INVALID)
    try:
        started = await create_round(tx, settings, viewer, project, form.as_new_round())
    except DomainError as error:
        return await _rounds_page(
            request,
            tx,
            project,
            typed=typed,
            errors={"round": error.detail}
            | {str(fault.loc[-1]): fault.msg for fault in error.faults},
            status=status_of(error),
        )
    return RedirectResponse(f"/projects/{project.slug}/rounds/{started.number}", status_code=303)


@router.post("/projects/{slug}/rounds/upload", max_body_size=MAX_ANSWERS_BYTES + FORM_BYTES)
async def post_answers(request: Request, tx: Tx, viewer: HiddenFromLabelers, slug: str) -> Response:
    """Import answers made elsewhere and show what became of the file's lines."""
    project = await project_for(tx, viewer, slug)
    typed: dict[str, str] = {}
    try:
        data, typed = await _uploaded(request)
        overlap, wrong = checked(OverlapWish, read_overlap(typed, UPLOAD))
        if overlap is None:
            errors = {f"{UPLOAD}{name}": said for name, said in wrong.items()}
            return await _rounds_page(
                request, tx, project, typed=typed, errors=errors, status=INVALID
            )
        imported = await import_responses(tx, project, data, overlap)
    except DomainError as error:
        return await _rounds_page(
            request,
            tx,
            project,
            typed=typed,
            errors={"file": error.detail},
            status=status_of(error),
        )
    return await _rounds_page(request, tx, project, imported=imported)


async def _uploaded(request: Request) -> tuple[bytes, dict[str, str]]:
    """The form's one file, and its other fields.

    Raises:
        DomainError: there is no file, or it is of another kind.
    """
    try:
        async with request.form(max_files=1, max_fields=1 + len(NAMES)) as form:
            file = form.get("file")
            if not isinstance(file, UploadFile) or not file.filename:
                raise InvalidError("Choose a file first.", code="no_file")
            refuse_by_name(file.filename)
            typed = {name: text for name, text in form.items() if isinstance(text, str)}
            return await file.read(), typed
    except ClientDisconnect:
        raise MalformedError(
            "The upload ended half way. Nothing was imported.", code="incomplete_body"
        ) from None


async def _rounds_page(
    request: Request,
    tx: Tx,
    project: ProjectView,
    *,
    typed: dict[str, Any] | None = None,
    errors: dict[str, str] | None = None,
    imported: ImportedRound | None = None,
    status: int = 200,
) -> Response:
    known = await all_models(tx, kinds=SAMPLED_KINDS)
    context = {
        "project": project,
        "rounds": await rounds_of(tx, project),
        "models": [model for model in known if not model.is_untrained],
        "prompt_choices": _prompt_choices(await prompts_by_split(tx, project)),
        "typed": DEFAULTS | overlap_typed(project) | (typed or {}),
        "errors": errors or {},
        "imported": imported,
    }
    return page(request, "rounds/list.html", context, status=status)


def _prompt_choices(counts: dict[str, int]) -> list[tuple[str, str]]:
    """What the form offers: all prompts, or those of a split that has some."""
    splits = [(split, f"{split}: {number(counts[split])}") for split in SPLITS if split in counts]
    return [("", gettext("all %(count)s", count=number(sum(counts.values())))), *splits]


@router.get("/projects/{slug}/rounds/{number}")
async def show_round(
    request: Request,
    tx: Tx,
    viewer: HiddenFromLabelers,
    slug: str,
    number: PathId,
    *,
    after: Annotated[int, Query(ge=0, le=MAX_ID)] = 0,
    status: Annotated[str, Query(max_length=20)] = "",
) -> Response:
    """Show one round with its slates; HTMX gets its progress alone."""
    project = await project_for(tx, viewer, slug)
    row = await round_of(tx, project, number)
    context: dict[str, Any] = {"project": project, "round": row}
    if request.headers.get("hx-request") == "true":
        return page(request, "rounds/round.html", context, block="progress")
    shown = await slates_of(
        tx,
        row.id,
        after=after,
        limit=PAGE_SLATES,
        status=status if status in STATUSES else None,
        with_problems=status == "problems",
    )
    more = {"status": status, "after": shown.next_after}
    context |= {
        "shown": shown,
        "status": status,
        "after": after,
        "filters": FILTERS,
        "next": f"?{urlencode(more)}" if shown.next_after else None,
    }
    return page(request, "rounds/round.html", context)


@router.post("/projects/{slug}/rounds/{number}/close")
async def post_close(tx: Tx, viewer: HiddenFromLabelers, slug: str, number: PathId) -> Response:
    """End the round's labeling."""
    project = await project_for(tx, viewer, slug)
    await close_round(tx, project, number)
    return RedirectResponse(f"/projects/{project.slug}/rounds/{number}", status_code=303)


@router.post("/projects/{slug}/rounds/{number}/reopen")
async def post_reopen(tx: Tx, viewer: HiddenFromLabelers, slug: str, number: PathId) -> Response:
    """Offer the places of a closed round again."""
    project = await project_for(tx, viewer, slug)
    await reopen_round(tx, project, number)
    return RedirectResponse(f"/projects/{project.slug}/rounds/{number}", status_code=303)
