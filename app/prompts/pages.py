"""The prompts page: what is there, and the forms that bring more."""

from enum import StrEnum
from typing import Annotated
from urllib.parse import urlencode

from fastapi import APIRouter, Query, Request, Response
from starlette.datastructures import UploadFile
from starlette.requests import ClientDisconnect

from app.accounts.deps import AdminOnly
from app.errors import DomainError, InvalidError, MalformedError
from app.projects.queries import ProjectView, project_for
from app.prompts.api import MAX_IMPORT_BYTES
from app.prompts.commands import (
    ImportResult,
    import_demonstrations,
    import_pretraining,
    import_prompts,
)
from app.prompts.import_file import refuse_by_name
from app.prompts.queries import counts_of, prompt_page
from app.prompts.split import SPLITS
from app.web.deps import Tx
from app.web.errors import status_of
from app.web.render import page
from app.web.schemas import MAX_ID, Text

router = APIRouter(include_in_schema=False)
PAGE_ROWS = 25
FORM_BYTES = 64 * 1024


class Kind(StrEnum):
    """What a file holds."""

    PROMPTS = "prompts"
    DEMONSTRATIONS = "demonstrations"
    PRETRAINING = "pretraining"


IMPORTS = {
    Kind.PROMPTS: import_prompts,
    Kind.DEMONSTRATIONS: import_demonstrations,
    Kind.PRETRAINING: import_pretraining,
}


@router.get("/projects/{slug}/prompts")
async def show_prompts(
    request: Request,
    tx: Tx,
    viewer: AdminOnly,
    slug: str,
    *,
    after: Annotated[int, Query(ge=0, le=MAX_ID)] = 0,
    split: Annotated[str, Query(max_length=20)] = "",
    tag: Annotated[Text, Query(max_length=200)] = "",
) -> Response:
    """Show a project's prompts, and the forms to import more."""
    project = await project_for(tx, viewer, slug)
    return await _prompts_page(request, tx, project, after=after, split=split, tag=tag)


@router.post("/projects/{slug}/prompts/upload/{kind}", max_body_size=MAX_IMPORT_BYTES + FORM_BYTES)
async def post_file(request: Request, tx: Tx, viewer: AdminOnly, slug: str, kind: Kind) -> Response:
    """Import a file and show what became of its lines."""
    project = await project_for(tx, viewer, slug)
    try:
        data, is_strict = await _uploaded(request)
        result = await IMPORTS[kind](tx, project, data, is_strict=is_strict)
    except DomainError as error:
        return await _prompts_page(request, tx, project, kind=kind, error=error)
    return await _prompts_page(request, tx, project, kind=kind, result=result)


async def _uploaded(request: Request) -> tuple[bytes, bool]:
    """The form's one file and whether it is all or nothing.

    Raises:
        DomainError: there is no file, or it is of another kind.
    """
    try:
        async with request.form(max_files=1, max_fields=2) as form:
            file = form.get("file")
            if not isinstance(file, UploadFile) or not file.filename:
                raise InvalidError("Choose a file first.", code="no_file")
            refuse_by_name(file.filename)
            return await file.read(), form.get("strict") == "on"
    except ClientDisconnect:
        raise MalformedError(
            "The upload ended half way. Nothing was imported.", code="incomplete_body"
        ) from None


async def _prompts_page(
    request: Request,
    tx: Tx,
    project: ProjectView,
    *,
    after: int = 0,
    split: str = "",
    tag: str = "",
    kind: Kind | None = None,
    result: ImportResult | None = None,
    error: DomainError | None = None,
) -> Response:
    known_split = next((known for known in SPLITS if known == split), None)
    shown = await prompt_page(
        tx, project, after=after, limit=PAGE_ROWS, split=known_split, tag=tag or None
    )
    more = {"split": known_split or "", "tag": tag, "after": shown.next_after}
    context = {
        "project": project,
        "counts": await counts_of(tx, project),
        "shown": shown,
        "splits": SPLITS,
        "filters": {"split": known_split or "", "tag": tag, "after": after},
        "next": f"?{urlencode(more)}" if shown.next_after else None,
        "kind": kind,
        "result": result,
        "error": error,
    }
    return page(request, "prompts/list.html", context, status=status_of(error) if error else 200)
