"""The calls on slates that labelers are divided over, and on what is excluded."""

from typing import Annotated

from fastapi import APIRouter, Query

from app.accounts.deps import HiddenFromLabelers
from app.agreement.commands import remark_on_slate
from app.agreement.remark_schemas import RemarkIn, RemarkStored
from app.agreement.slates.exclusions import exclude, revoke
from app.agreement.slates.listing import divided_slates_of
from app.agreement.slates.listing_schemas import PromptParameters, PromptsOut, prompts_out
from app.agreement.slates.schemas import ExclusionOut, SlateOut, exclusion_out, slate_out
from app.agreement.slates.sent import ExclusionIn, SlateParameters
from app.agreement.slates.skipped import skipped_tasks_of
from app.agreement.slates.skipped_schemas import SkippedOut, SkippedParameters, skipped_out
from app.agreement.slates.view import slate_of
from app.projects.queries import project_for
from app.web.deps import Tx
from app.web.json_body import StrictJSONRoute
from app.web.schemas import PathId

router = APIRouter(tags=["agreement"], route_class=StrictJSONRoute)


@router.get("/projects/{slug}/agreement/prompts")
async def get_divided_prompts(
    slug: str,
    tx: Tx,
    viewer: HiddenFromLabelers,
    parameters: Annotated[PromptParameters, Query()],
) -> PromptsOut:
    """Prompts that two or more labelers ranked, those they agree least on first."""
    project = await project_for(tx, viewer, slug)
    found = await divided_slates_of(tx, project, parameters.asked, after=parameters.position)
    return prompts_out(found)


@router.get("/projects/{slug}/agreement/skipped")
async def get_skipped_tasks(
    slug: str,
    tx: Tx,
    viewer: HiddenFromLabelers,
    parameters: Annotated[SkippedParameters, Query()],
) -> SkippedOut:
    """Tasks that labelers gave back, with their reasons, the newest first."""
    project = await project_for(tx, viewer, slug)
    found = await skipped_tasks_of(tx, project, parameters.slice, before=parameters.before)
    return skipped_out(found)


@router.get("/projects/{slug}/agreement/slates/{slate_id}")
async def get_slate(
    slug: str,
    slate_id: PathId,
    tx: Tx,
    viewer: HiddenFromLabelers,
    parameters: Annotated[SlateParameters, Query()],
) -> SlateOut:
    """One slate with its labels as they came, and what its labelers say together."""
    project = await project_for(tx, viewer, slug)
    return slate_out(await slate_of(tx, project, slate_id, pair=parameters.letters))


@router.post("/projects/{slug}/slates/{slate_id}/remarks", status_code=201)
async def post_remark(
    slug: str, slate_id: PathId, body: RemarkIn, tx: Tx, viewer: HiddenFromLabelers
) -> RemarkStored:
    """Say something about a slate; everybody who ranked it can read it."""
    project = await project_for(tx, viewer, slug)
    stored = await remark_on_slate(tx, viewer, project, slate_id, remark=body.text)
    return RemarkStored(id=stored, text=body.text)


@router.post("/projects/{slug}/slates/{slate_id}/exclusions", status_code=201)
async def post_exclusion(
    slug: str, slate_id: PathId, body: ExclusionIn, tx: Tx, viewer: HiddenFromLabelers
) -> ExclusionOut:
    """Leave a slate or a ranking out of agreement, comparisons, exports and new datasets."""
    project = await project_for(tx, viewer, slug)
    excluded = await exclude(
        tx, viewer, project, slate_id, ranking_id=body.ranking, reason=body.reason
    )
    return exclusion_out(excluded)


@router.post("/projects/{slug}/exclusions/{exclusion_id}/revoke")
async def post_revocation(
    slug: str, exclusion_id: PathId, tx: Tx, viewer: HiddenFromLabelers
) -> ExclusionOut:
    """Let what was excluded count again."""
    project = await project_for(tx, viewer, slug)
    return exclusion_out(await revoke(tx, viewer, project, exclusion_id))
