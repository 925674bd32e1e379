"""What the screen keeps on the server while somebody works: the draft, and what they do."""

from fastapi import APIRouter, Response

from app.accounts.deps import SignedIn
from app.labeling.drafts import draft_of, save_draft, store_events
from app.labeling.schemas import DraftIn, DraftOut, DraftSavedOut, EventsIn, EventsOut
from app.web.deps import Tx
from app.web.json_body import StrictJSONRoute
from app.web.schemas import PathId

router = APIRouter(tags=["labeling"], route_class=StrictJSONRoute)


@router.put("/tasks/{task_id}/draft")
async def put_draft(task_id: PathId, draft: DraftIn, tx: Tx, viewer: SignedIn) -> DraftSavedOut:
    """Keep unsubmitted work; 409 when another window has saved since `base_version`."""
    version, saved_at = await save_draft(
        tx, viewer, task_id=task_id, base_version=draft.base_version, body=draft.body
    )
    return DraftSavedOut(version=version, saved_at=saved_at)


@router.get(
    "/tasks/{task_id}/draft",
    response_model=DraftOut,
    responses={204: {"description": "nothing is kept of this task"}},
)
async def get_draft(task_id: PathId, tx: Tx, viewer: SignedIn) -> DraftOut | Response:
    """Get your unsubmitted work on a task."""
    draft = await draft_of(tx, viewer, task_id)
    if draft is None:
        return Response(status_code=204)
    return DraftOut(version=draft.version, saved_at=draft.saved_at, body=draft.body)


@router.post("/tasks/{task_id}/events", status_code=202)
async def post_events(task_id: PathId, told: EventsIn, tx: Tx, viewer: SignedIn) -> EventsOut:
    """Tell what was done on the screen; sent twice, it is stored once."""
    await store_events(tx, viewer, task_id=task_id, visit=told.visit, events=told.events)
    return EventsOut(received=len(told.events))
