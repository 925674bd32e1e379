"""The calls about one's own work, for the labelers of a project; they tell nothing of others."""

from typing import Annotated

from fastapi import APIRouter, Query

from app.accounts.deps import SignedIn
from app.agreement.commands import object_to_consensus
from app.agreement.disagreements import disagreement_for
from app.agreement.own.home import labeler_home_for
from app.agreement.own.schemas import (
    DisagreementDetailOut,
    HomeOut,
    ObjectionStored,
    OwnTasksOut,
    disagreement_out,
    home_out,
    own_tasks_out,
)
from app.agreement.own.tasks import own_tasks_for
from app.agreement.remark_schemas import RemarkIn
from app.projects.queries import project_for
from app.web.deps import Tx
from app.web.json_body import StrictJSONRoute
from app.web.query_params import WholeNumber
from app.web.schemas import MAX_ID, PathId

router = APIRouter(tags=["own work"], route_class=StrictJSONRoute)


@router.get("/projects/{slug}/me")
async def get_home(tx: Tx, viewer: SignedIn, slug: str) -> HomeOut:
    """Your day, your numbers beside the team's, disagreements to learn from, and last tasks."""
    project = await project_for(tx, viewer, slug)
    return home_out(await labeler_home_for(tx, viewer, project), project)


@router.get("/projects/{slug}/me/tasks")
async def get_own_tasks(
    tx: Tx,
    viewer: SignedIn,
    slug: str,
    before: Annotated[WholeNumber | None, Query(ge=1, le=MAX_ID)] = None,
) -> OwnTasksOut:
    """List what you have done or skipped in the project, newest first."""
    project = await project_for(tx, viewer, slug)
    return own_tasks_out(await own_tasks_for(tx, viewer, project, before=before))


@router.get("/projects/{slug}/disagreements/{ranking_id}")
async def get_disagreement(
    tx: Tx, viewer: SignedIn, slug: str, ranking_id: PathId
) -> DisagreementDetailOut:
    """One of your rankings beside the others' consensus; 404 while it may not be compared."""
    project = await project_for(tx, viewer, slug)
    return disagreement_out(await disagreement_for(tx, viewer, project, ranking_id))


@router.post("/projects/{slug}/disagreements/{ranking_id}/remarks", status_code=201)
async def post_objection(
    tx: Tx, viewer: SignedIn, slug: str, ranking_id: PathId, body: RemarkIn
) -> ObjectionStored:
    """Say why you still disagree; admins read it. Sent twice, it is stored once."""
    project = await project_for(tx, viewer, slug)
    await object_to_consensus(tx, viewer, project, ranking_id=ranking_id, remark=body.text)
    return ObjectionStored(ranking=ranking_id, text=body.text)
