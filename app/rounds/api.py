"""Rounds over REST; for admins, since they name the models."""

from typing import Annotated, Literal

from fastapi import APIRouter, Query, Request

from app.accounts.deps import HiddenFromLabelers
from app.projects.queries import project_for
from app.prompts.api import MAX_IMPORT_BYTES, NDJSON_BODY, ndjson_body
from app.rounds.closing import close_round, reopen_round
from app.rounds.commands import NewRound, create_round, import_responses, random_seed
from app.rounds.overlap import OverlapParameters
from app.rounds.queries import round_of, rounds_of, slates_of
from app.rounds.schemas import (
    RejectedLine,
    RoundImported,
    RoundIn,
    RoundOut,
    RoundStarted,
    RoundWithSlates,
    SlateOut,
)
from app.web.deps import AppSettings, Tx
from app.web.json_body import StrictJSONRoute
from app.web.query_params import WholeNumber
from app.web.schemas import MAX_ID, PathId
from trainer.spec import Sampling

router = APIRouter(route_class=StrictJSONRoute, tags=["rounds"])

# Answers are several times as long as prompts.
MAX_ANSWERS_BYTES = 4 * MAX_IMPORT_BYTES


@router.post("/projects/{slug}/rounds", status_code=202)
async def post_round(
    tx: Tx, viewer: HiddenFromLabelers, settings: AppSettings, slug: str, body: RoundIn
) -> RoundStarted:
    """Start a round; its run samples in the background."""
    project = await project_for(tx, viewer, slug)
    sampling = body.sampling.model_dump()
    if sampling["seed"] is None:
        sampling["seed"] = random_seed()
    new = NewRound(
        models=tuple(body.models),
        responses_per_prompt=body.responses_per_prompt,
        sampling=Sampling(**sampling),
        split=body.prompts.split,
        limit=body.prompts.limit,
        overlap=body,
    )
    started = await create_round(tx, settings, viewer, project, new)
    return RoundStarted(round=started.number, run=started.run_id, slates=started.slates)


@router.get("/projects/{slug}/rounds")
async def get_rounds(tx: Tx, viewer: HiddenFromLabelers, slug: str) -> list[RoundOut]:
    """List the rounds, newest first."""
    project = await project_for(tx, viewer, slug)
    return [RoundOut.of(row) for row in await rounds_of(tx, project)]


@router.get("/projects/{slug}/rounds/{number}")
async def get_round(
    tx: Tx,
    viewer: HiddenFromLabelers,
    slug: str,
    number: PathId,
    *,
    after: Annotated[WholeNumber, Query(ge=0, le=MAX_ID)] = 0,
    limit: Annotated[WholeNumber, Query(ge=1, le=200)] = 50,
    status: Literal["pending", "ready", "unusable", "problems"] | None = None,
) -> RoundWithSlates:
    """Show a round with its slates, page by page."""
    project = await project_for(tx, viewer, slug)
    row = await round_of(tx, project, number)
    found = await slates_of(
        tx,
        row.id,
        after=after,
        limit=limit,
        status=None if status == "problems" else status,
        with_problems=status == "problems",
    )
    return RoundWithSlates(
        round=RoundOut.of(row),
        slates=[SlateOut.of(slate) for slate in found.slates],
        next=found.next_after,
    )


@router.post("/projects/{slug}/rounds/{number}/close")
async def post_close(tx: Tx, viewer: HiddenFromLabelers, slug: str, number: PathId) -> RoundOut:
    """End the round's labeling: its open and leased tasks become void, its rankings stay."""
    project = await project_for(tx, viewer, slug)
    return RoundOut.of(await close_round(tx, project, number))


@router.post("/projects/{slug}/rounds/{number}/reopen")
async def post_reopen(tx: Tx, viewer: HiddenFromLabelers, slug: str, number: PathId) -> RoundOut:
    """Offer the void places of a closed round again."""
    project = await project_for(tx, viewer, slug)
    return RoundOut.of(await reopen_round(tx, project, number))


@router.post(
    "/projects/{slug}/responses", max_body_size=MAX_ANSWERS_BYTES, openapi_extra=NDJSON_BODY
)
async def post_responses(
    request: Request,
    tx: Tx,
    viewer: HiddenFromLabelers,
    slug: str,
    overlap: Annotated[OverlapParameters, Query()],
) -> RoundImported:
    """Make a round from answers made elsewhere: `{prompt | messages, responses: [..]}` per line."""
    project = await project_for(tx, viewer, slug)
    imported = await import_responses(tx, project, await ndjson_body(request), overlap)
    return RoundImported(
        round=imported.number,
        slates=imported.slates,
        rejected=[RejectedLine(line=item.line, error=item.error) for item in imported.rejected],
    )
