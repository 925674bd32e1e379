"""The calls that answer how far labelers agree, and what they say to it."""

from typing import Annotated

from fastapi import APIRouter, Query

from app.accounts.deps import HiddenFromLabelers
from app.agreement.commands import answer_objection
from app.agreement.dashboard.queries import project_dashboard
from app.agreement.plan import plan_of
from app.agreement.remark_schemas import (
    ObjectionsOut,
    RemarkIn,
    RemarkStored,
    objections_out,
)
from app.agreement.remarks import objections_of
from app.agreement.schemas import (
    AgreementOut,
    AgreementParameters,
    PlanOut,
    PlanParameters,
    agreement_out,
    plan_out,
)
from app.projects.queries import project_for
from app.web.deps import Tx
from app.web.json_body import StrictJSONRoute
from app.web.query_params import WholeNumber
from app.web.schemas import MAX_ID, PathId

router = APIRouter(tags=["agreement"], route_class=StrictJSONRoute)


@router.get("/projects/{slug}/agreement")
async def get_agreement(
    slug: str,
    tx: Tx,
    viewer: HiddenFromLabelers,
    parameters: Annotated[AgreementParameters, Query()],
) -> AgreementOut:
    """Agreement in the project or in a slice of it, and win rates over the SFT model."""
    project = await project_for(tx, viewer, slug)
    found = await project_dashboard(tx, project, parameters.slice, baseline=parameters.baseline)
    return agreement_out(found)


@router.get("/projects/{slug}/agreement/plan")
async def get_plan(
    slug: str,
    tx: Tx,
    viewer: HiddenFromLabelers,
    parameters: Annotated[PlanParameters, Query()],
) -> PlanOut:
    """How many prompts to rank twice for an agreement of a wanted precision."""
    project = await project_for(tx, viewer, slug)
    return plan_out(await plan_of(tx, project, parameters.wish))


@router.get("/projects/{slug}/remarks")
async def get_objections(
    tx: Tx,
    viewer: HiddenFromLabelers,
    slug: str,
    before: Annotated[WholeNumber | None, Query(ge=1, le=MAX_ID)] = None,
) -> ObjectionsOut:
    """List why labelers still disagree with the others' consensus, newest first."""
    project = await project_for(tx, viewer, slug)
    return objections_out(await objections_of(tx, project, before=before))


@router.post("/projects/{slug}/remarks/{remark_id}/answers", status_code=201)
async def post_answer(
    tx: Tx, viewer: HiddenFromLabelers, slug: str, remark_id: PathId, body: RemarkIn
) -> RemarkStored:
    """Answer a labeler's remark; everybody who ranked the slate can read it."""
    project = await project_for(tx, viewer, slug)
    stored = await answer_objection(tx, viewer, project, remark_id=remark_id, answer=body.text)
    return RemarkStored(id=stored, text=body.text)
