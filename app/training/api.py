"""Runs over REST; for admins only."""

import uuid
from typing import Annotated

from fastapi import APIRouter, Header, Query, Response

from app.accounts.deps import AdminOnly
from app.errors import MalformedError
from app.jobs.commands import request_cancel
from app.jobs.resuming import resume_run
from app.projects.queries import project_for
from app.training.commands import NewRun, start_run
from app.training.queries import last_step_of, metrics_of, run_for, runs_of
from app.training.schemas import (
    CancelOut,
    MetricsList,
    MetricsOut,
    ResumeOut,
    RunIn,
    RunList,
    RunOut,
    RunStarted,
)
from app.training.settings import parse_settings
from app.web.deps import AppSettings, Engine, Tx
from app.web.json_body import StrictJSONRoute
from app.web.query_params import WholeNumber
from app.web.schemas import MAX_ID, PathId

router = APIRouter(tags=["runs"], route_class=StrictJSONRoute)
UUID_LENGTH = 36
MAX_RUNS, MAX_STEPS = 200, 10_000
MAX_STEP = 2**31 - 1


@router.post("/projects/{slug}/runs", status_code=202)
async def post_run(
    slug: str,
    body: RunIn,
    answer: Response,
    tx: Tx,
    engine: Engine,
    settings: AppSettings,
    viewer: AdminOnly,
    idempotency_key: Annotated[str | None, Header()] = None,
) -> RunStarted:
    """Queue a training run; repeated with its Idempotency-Key it answers 200 and the same id."""
    new = NewRun(
        kind=body.kind,
        base_model=body.base_model,
        reward_model=body.reward_model,
        dataset_id=body.dataset,
        settings=parse_settings(body.kind, body.settings),
        request_key=None if idempotency_key is None else parse_key(idempotency_key),
    )
    project = await project_for(tx, viewer, slug)
    started = await start_run(tx, engine, settings, viewer, project, new)
    if not started.is_new:
        answer.status_code = 200
    return RunStarted(id=started.id)


@router.get("/projects/{slug}/runs")
async def get_runs(
    slug: str,
    tx: Tx,
    viewer: AdminOnly,
    before: Annotated[WholeNumber | None, Query(ge=1, le=MAX_ID)] = None,
    limit: Annotated[WholeNumber, Query(ge=1, le=MAX_RUNS)] = 50,
) -> RunList:
    """List the project's runs, newest first."""
    project = await project_for(tx, viewer, slug)
    runs = await runs_of(tx, project, before=before, limit=limit)
    return RunList(
        runs=[RunOut.of(run) for run in runs], next=runs[-1].id if len(runs) == limit else None
    )


@router.get("/runs/{run_id}")
async def get_run(run_id: PathId, tx: Tx, viewer: AdminOnly) -> RunOut:
    """Show one run."""
    return RunOut.of(await run_for(tx, viewer, run_id))


@router.get("/runs/{run_id}/metrics")
async def get_metrics(
    run_id: PathId,
    tx: Tx,
    viewer: AdminOnly,
    after: Annotated[WholeNumber, Query(ge=-1, le=MAX_STEP)] = -1,
    limit: Annotated[WholeNumber, Query(ge=1, le=MAX_STEPS)] = 2000,
) -> MetricsList:
    """List what the run reported after the step `after`, oldest first."""
    run = await run_for(tx, viewer, run_id)
    rows = await metrics_of(tx, run.id, after=after, limit=limit)
    last = await last_step_of(tx, run.id)
    return MetricsList(metrics=[MetricsOut.of(row) for row in rows], last=last)


@router.post("/runs/{run_id}/cancel", responses={202: {"model": CancelOut}})
async def post_cancel(run_id: PathId, answer: Response, tx: Tx, viewer: AdminOnly) -> CancelOut:
    """Cancel a queued run (200), or ask the worker to stop a running one (202)."""
    run = await run_for(tx, viewer, run_id)
    status = await request_cancel(tx, run.id)
    if status == "running":
        answer.status_code = 202
        status = "cancelling"
    return CancelOut(id=run.id, status=status)


@router.post("/runs/{run_id}/resume", status_code=202)
async def post_resume(
    run_id: PathId, tx: Tx, settings: AppSettings, viewer: AdminOnly
) -> ResumeOut:
    """Queue a cancelled or failed run again; it goes on from its last complete checkpoint."""
    run = await run_for(tx, viewer, run_id)
    point = await resume_run(tx, settings.root, run.id)
    return ResumeOut(id=run.id, status="queued", step=point.step)


def parse_key(key: str) -> uuid.UUID:
    """The request's own key.

    Raises:
        MalformedError: it is not a UUID.
    """
    try:
        return uuid.UUID(key if len(key) == UUID_LENGTH else "")
    except ValueError:
        raise MalformedError(
            "Send the header Idempotency-Key with a UUID that is new for each run.",
            code="bad_idempotency_key",
        ) from None
