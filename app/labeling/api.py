"""The calls by which tasks are taken, kept, ranked and skipped."""

import uuid
from typing import Annotated

from fastapi import APIRouter, Header, Response

from app.accounts.deps import SignedIn
from app.errors import MalformedError
from app.labeling.commands import submit_ranking
from app.labeling.leasing import (
    extend_lease,
    regain_lease,
    report_task,
    skip_task,
)
from app.labeling.next_task import lease_next_task
from app.labeling.schemas import (
    LeaseIn,
    LeaseOut,
    LostLeaseIn,
    RankingIn,
    RankingOut,
    RegainedOut,
    ReportIn,
    ReportOut,
    SkipIn,
    SkipOut,
    TaskOut,
)
from app.web.deps import AppSettings, Tx
from app.web.json_body import StrictJSONRoute
from app.web.schemas import PathId

router = APIRouter(tags=["labeling"], route_class=StrictJSONRoute)
UUID_LENGTH = 36


@router.post(
    "/projects/{slug}/tasks/next",
    response_model=TaskOut,
    responses={204: {"description": "nothing to label at the moment"}},
)
async def post_next_task(
    slug: str, tx: Tx, viewer: SignedIn, settings: AppSettings
) -> TaskOut | Response:
    """Lease the next task; the one that is held already comes again."""
    task = await lease_next_task(tx, viewer, slug=slug, lease_minutes=settings.lease_minutes)
    return Response(status_code=204) if task is None else task


@router.post("/tasks/{task_id}/heartbeat")
async def post_heartbeat(
    task_id: PathId, lease: LeaseIn, tx: Tx, viewer: SignedIn, settings: AppSettings
) -> LeaseOut:
    """Keep a task for longer."""
    expires_at = await extend_lease(
        tx,
        viewer,
        task_id=task_id,
        lease_token=lease.lease_token,
        lease_minutes=settings.lease_minutes,
    )
    return LeaseOut(lease_expires_at=expires_at)


@router.post("/tasks/{task_id}/lease")
async def post_lease(
    task_id: PathId, lost: LostLeaseIn, tx: Tx, viewer: SignedIn, settings: AppSettings
) -> RegainedOut:
    """Get a task back whose lease was lost, if nobody else has it."""
    token, expires_at = await regain_lease(
        tx,
        viewer,
        task_id=task_id,
        display_order=lost.display_order,
        lease_minutes=settings.lease_minutes,
    )
    return RegainedOut(lease_token=token, lease_expires_at=expires_at)


@router.put("/tasks/{task_id}/ranking", status_code=201)
async def put_ranking(
    task_id: PathId,
    ranking: RankingIn,
    answer: Response,
    tx: Tx,
    viewer: SignedIn,
    idempotency_key: Annotated[str | None, Header()] = None,
) -> RankingOut:
    """Submit or correct a ranking; repeated with the same key it answers 200 and the same body."""
    stored = await submit_ranking(
        tx, viewer, task_id=task_id, request_key=_parse_key(idempotency_key), ranking=ranking
    )
    if not stored.is_new:
        answer.status_code = 200
    return RankingOut(ranking=stored.ranking, version=stored.version)


def _parse_key(key: str | None) -> uuid.UUID:
    try:
        return uuid.UUID(key if key is not None and len(key) == UUID_LENGTH else "")
    except ValueError:
        raise MalformedError(
            "Send the header Idempotency-Key with a UUID that is new for each ranking.",
            code="bad_idempotency_key",
        ) from None


@router.post("/tasks/{task_id}/skip")
async def post_skip(task_id: PathId, skip: SkipIn, tx: Tx, viewer: SignedIn) -> SkipOut:
    """Give a task back, with a reason."""
    await skip_task(
        tx,
        viewer,
        task_id=task_id,
        lease_token=skip.lease_token,
        reason=skip.reason,
        note=skip.note,
    )
    return SkipOut(status="skipped")


@router.post("/tasks/{task_id}/report", status_code=201)
async def post_report(task_id: PathId, report: ReportIn, tx: Tx, viewer: SignedIn) -> ReportOut:
    """Say that the prompt or a response is broken or unsafe; what may harm is withdrawn at once."""
    withdrawn = await report_task(
        tx,
        viewer,
        task_id=task_id,
        kind=report.kind,
        response_id=report.response,
        note=report.note,
    )
    return ReportOut(withdrawn=withdrawn)
