"""The call that answers how far labelers agree."""

from typing import Annotated

from fastapi import APIRouter, Query

from app.accounts.deps import HiddenFromLabelers
from app.agreement.dashboard.queries import project_dashboard
from app.agreement.plan import plan_of
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
