"""Import and list prompts, demonstrations and pretraining texts for programs."""

from typing import Annotated

from fastapi import APIRouter, Query, Request
from starlette.requests import ClientDisconnect

from app.accounts.deps import AdminOnly
from app.errors import MalformedError, UnsupportedTypeError
from app.projects.queries import project_for
from app.prompts.commands import (
    ImportResult,
    import_demonstrations,
    import_pretraining,
    import_prompts,
)
from app.prompts.import_file import TAKEN
from app.prompts.queries import PromptView, prompt_page
from app.prompts.schemas import ImportOut, MessageOut, PromptOut, PromptPageOut, RejectionOut
from app.prompts.split import Split
from app.web.deps import Tx
from app.web.query_params import WholeNumber
from app.web.schemas import MAX_ID, Line

router = APIRouter(tags=["prompts"])
MAX_IMPORT_BYTES = 64 * 1024 * 1024
CONTENT_TYPES = (
    "application/x-ndjson",
    "application/ndjson",
    "application/jsonl",
    "application/x-jsonlines",
    "application/octet-stream",
)

NDJSON_BODY = {
    "requestBody": {
        "required": True,
        "content": {"application/x-ndjson": {"schema": {"type": "string"}}},
    }
}
IsStrict = Annotated[bool, Query(alias="strict", description="all or nothing")]


@router.post("/projects/{slug}/prompts", max_body_size=MAX_IMPORT_BYTES, openapi_extra=NDJSON_BODY)
async def post_prompts(
    request: Request,
    tx: Tx,
    viewer: AdminOnly,
    slug: str,
    *,
    is_strict: IsStrict = False,
) -> ImportOut:
    """Import NDJSON lines `{prompt | messages, id?, group?, split?, tags?}`."""
    project = await project_for(tx, viewer, slug)
    return _shown(
        await import_prompts(tx, project, await ndjson_body(request), is_strict=is_strict)
    )


@router.post(
    "/projects/{slug}/demonstrations", max_body_size=MAX_IMPORT_BYTES, openapi_extra=NDJSON_BODY
)
async def post_demonstrations(
    request: Request,
    tx: Tx,
    viewer: AdminOnly,
    slug: str,
    *,
    is_strict: IsStrict = False,
) -> ImportOut:
    """Import NDJSON lines `{prompt | messages, response, id?, group?, split?}`."""
    project = await project_for(tx, viewer, slug)
    return _shown(
        await import_demonstrations(tx, project, await ndjson_body(request), is_strict=is_strict)
    )


@router.post(
    "/projects/{slug}/pretraining", max_body_size=MAX_IMPORT_BYTES, openapi_extra=NDJSON_BODY
)
async def post_pretraining(
    request: Request,
    tx: Tx,
    viewer: AdminOnly,
    slug: str,
    *,
    is_strict: IsStrict = False,
) -> ImportOut:
    """Import NDJSON lines `{text}`."""
    project = await project_for(tx, viewer, slug)
    return _shown(
        await import_pretraining(tx, project, await ndjson_body(request), is_strict=is_strict)
    )


@router.get("/projects/{slug}/prompts")
async def get_prompts(
    tx: Tx,
    viewer: AdminOnly,
    slug: str,
    *,
    after: Annotated[WholeNumber, Query(ge=0, le=MAX_ID)] = 0,
    limit: Annotated[WholeNumber, Query(ge=1, le=500)] = 100,
    split: Split | None = None,
    tag: Annotated[Line | None, Query()] = None,
) -> PromptPageOut:
    """List prompts in the order in which they came, page by page."""
    project = await project_for(tx, viewer, slug)
    found = await prompt_page(tx, project, after=after, limit=limit, split=split, tag=tag)
    return PromptPageOut(prompts=[_prompt(row) for row in found.prompts], next=found.next_after)


async def ndjson_body(request: Request) -> bytes:
    """The body of an import.

    Raises:
        UnsupportedTypeError: the content type says that it is something else.
        MalformedError: the client went away half way.
    """
    kind = request.headers.get("content-type", CONTENT_TYPES[0]).partition(";")[0].strip().lower()
    if kind not in CONTENT_TYPES:
        raise UnsupportedTypeError(
            f"This content type is not taken here. {TAKEN}: send it as {CONTENT_TYPES[0]}. "
            "CSV and Parquet are not taken yet.",
            code="unsupported_media_type",
        )
    try:
        return await request.body()
    except ClientDisconnect:
        raise MalformedError(
            "The body ended half way. Nothing was imported.", code="incomplete_body"
        ) from None


def _shown(result: ImportResult) -> ImportOut:
    return ImportOut(
        imported=result.imported,
        duplicates=result.duplicates,
        rejected=[RejectionOut(line=item.line, error=item.error) for item in result.rejected],
    )


def _prompt(row: PromptView) -> PromptOut:
    return PromptOut(
        prompt_id=row.id,
        id=row.external_id,
        messages=[MessageOut(**turn) for turn in row.messages],
        group=row.group,
        split=row.split,
        tags=row.tags,
        created_at=row.created_at,
    )
