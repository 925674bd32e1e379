"""Pages of runs: the list, the form for a new one, and one run with its curves; for admins only."""

from collections.abc import Mapping
from typing import Annotated, Any

from fastapi import APIRouter, Form, Query, Request, Response
from fastapi.responses import RedirectResponse

from app.accounts.deps import AdminOnly
from app.accounts.viewer import Viewer
from app.agreement.queries import agreement_of
from app.errors import DomainError, NotFoundError
from app.jobs.commands import request_cancel
from app.jobs.resuming import resume_run
from app.projects.queries import ProjectView, project_for
from app.training.charts import Band
from app.training.commands import start_run
from app.training.curves import TABLE_ROWS, charts_of
from app.training.display import (
    KIND_NAMES,
    closing_numbers,
    elapsed_text,
    is_closing,
    live_numbers,
    shown_settings,
    state_of,
    time_left,
)
from app.training.evaluation import EvaluationView, band_of, evaluation_of
from app.training.lineage_view import lineage_view
from app.training.log_tail import log_tail_of
from app.training.new_run_form import CHOSEN, form_context, new_run_from
from app.training.presets import PRESETS, Preset
from app.training.queries import RunView, last_metrics_of, run_for, runs_of
from app.training.resume_offer import resume_offer
from app.training.sampled_texts import texts_of
from app.training.settings import TrainingKind
from app.web.deps import AppSettings, Engine, Tx
from app.web.errors import status_of
from app.web.render import page
from app.web.schemas import MAX_ID, PathId
from app.web.translation import gettext

router = APIRouter(include_in_schema=False)
RUNS_PER_PAGE = 50
# Validation is reported every few steps only: enough rows to fill the tables of rare numbers, too.
LAST_STEPS = 200
MAX_FORM_FIELDS = 80


@router.get("/projects/{slug}/runs")
async def show_runs(
    request: Request,
    slug: str,
    tx: Tx,
    viewer: AdminOnly,
    before: Annotated[int | None, Query(ge=1, le=MAX_ID)] = None,
) -> Response:
    """Show the project's runs; HTMX asks for the list alone while one is going on."""
    project = await project_for(tx, viewer, slug)
    runs = await runs_of(tx, project, before=before, limit=RUNS_PER_PAGE)
    here = f"/projects/{project.slug}/runs"
    context = {
        "project": project,
        "runs": runs,
        "kinds": {kind: gettext(name) for kind, name in KIND_NAMES.items()},
        "elapsed": elapsed_text,
        "state": state_of,
        "before": before,
        "newer": here if before else None,
        "older": f"{here}?before={runs[-1].id}" if len(runs) == RUNS_PER_PAGE else None,
    }
    is_fragment = request.headers.get("hx-request") == "true"
    return page(request, "training/runs.html", context, block="list" if is_fragment else None)


@router.get("/projects/{slug}/runs/new")
async def show_new_run(
    request: Request,
    slug: str,
    tx: Tx,
    settings: AppSettings,
    viewer: AdminOnly,
    kind: TrainingKind = "reward",
    preset: Preset | None = None,
) -> Response:
    """Show the form; `base_model`, `reward_model` and `dataset` of the query are chosen in it."""
    project = await project_for(tx, viewer, slug)
    typed = {name: request.query_params[name] for name in CHOSEN if name in request.query_params}
    context = await form_context(
        tx, settings.root, viewer, project, kind=kind, preset=preset, typed=typed
    )
    return page(request, "training/new_run.html", context)


@router.post("/projects/{slug}/runs")
async def post_run(
    request: Request,
    slug: str,
    tx: Tx,
    engine: Engine,
    settings: AppSettings,
    viewer: AdminOnly,
    kind: Annotated[TrainingKind, Form()],
) -> Response:
    """Start a run, or show the form again with what was wrong."""
    project = await project_for(tx, viewer, slug)
    typed = await _typed(request)
    try:
        new = new_run_from(kind, typed)
        started = await start_run(tx, engine, settings, viewer, project, new)
    except DomainError as error:
        context = await form_context(
            tx,
            settings.root,
            viewer,
            project,
            kind=kind,
            preset=_preset_of(typed),
            typed=typed,
            error=error,
        )
        return page(request, "training/new_run.html", context, status=status_of(error))
    return RedirectResponse(f"/projects/{project.slug}/runs/{started.id}", status_code=303)


@router.post("/projects/{slug}/runs/memory")
async def show_memory(
    request: Request,
    slug: str,
    tx: Tx,
    settings: AppSettings,
    viewer: AdminOnly,
    kind: Annotated[TrainingKind, Form()],
) -> Response:
    """Answer what follows from the form as it stands, for HTMX; starts nothing.

    That is how much memory the run would need, and the preset's values for other models or data.
    """
    project = await project_for(tx, viewer, slug)
    typed = await _typed(request)
    context = await form_context(
        tx, settings.root, viewer, project, kind=kind, preset=_preset_of(typed), typed=typed
    )
    context |= {"is_fragment": True}
    return page(request, "training/new_run.html", context, block="memory")


@router.get("/projects/{slug}/runs/{run_id}")
async def show_run(
    request: Request,
    slug: str,
    run_id: PathId,
    tx: Tx,
    settings: AppSettings,
    viewer: AdminOnly,
    step: Annotated[int | None, Query(ge=0, le=MAX_ID)] = None,
) -> Response:
    """Show one run; `step` chooses the evaluation whose sampled texts are shown."""
    project, run = await _project_and_run(tx, viewer, slug, run_id)
    metrics = await last_metrics_of(tx, run.id, limit=LAST_STEPS)
    evaluation = evaluation_of(run.result)
    band = await _agreement_band(tx, project, run, evaluation)
    context = {
        **_status_context(project, run),
        "metrics": metrics[-TABLE_ROWS:],
        "charts": charts_of(run.kind, run.settings, metrics, agreement=band),
        "evaluation": evaluation,
        "lineage": lineage_view(run),
        "texts": await texts_of(settings, run.id, step=step),
        "chosen_step": step,
        "closing": closing_numbers(run),
        "resume": await resume_offer(settings, run),
        "settings": shown_settings(run),
        "log": await log_tail_of(settings, run.id),
    }
    return page(request, "training/run.html", context)


@router.get("/projects/{slug}/runs/{run_id}/texts")
async def show_texts(
    request: Request,
    slug: str,
    run_id: PathId,
    tx: Tx,
    settings: AppSettings,
    viewer: AdminOnly,
    step: Annotated[int | None, Query(ge=0, le=MAX_ID)] = None,
) -> Response:
    """Answer the sampled texts of a run's page alone, for HTMX."""
    project, run = await _project_and_run(tx, viewer, slug, run_id)
    texts = await texts_of(settings, run.id, step=step)
    context = {**_status_context(project, run), "texts": texts, "chosen_step": step}
    return page(request, "training/run.html", context, block="texts")


@router.get("/projects/{slug}/runs/{run_id}/status")
async def show_run_status(
    request: Request, slug: str, run_id: PathId, tx: Tx, viewer: AdminOnly
) -> Response:
    """Answer the head of a run's page; once the run is over, the browser loads the whole page."""
    project, run = await _project_and_run(tx, viewer, slug, run_id)
    headers = {"HX-Refresh": "true"} if run.is_finished else {}
    context = _status_context(project, run)
    return page(request, "training/run.html", context, headers=headers, block="status")


@router.post("/projects/{slug}/runs/{run_id}/cancel")
async def post_cancel(slug: str, run_id: PathId, tx: Tx, viewer: AdminOnly) -> Response:
    """Cancel a run."""
    project, run = await _project_and_run(tx, viewer, slug, run_id)
    await request_cancel(tx, run.id)
    return RedirectResponse(f"/projects/{project.slug}/runs/{run.id}", status_code=303)


@router.post("/projects/{slug}/runs/{run_id}/resume")
async def post_resume(
    slug: str, run_id: PathId, tx: Tx, settings: AppSettings, viewer: AdminOnly
) -> Response:
    """Queue a cancelled or failed run again."""
    project, run = await _project_and_run(tx, viewer, slug, run_id)
    await resume_run(tx, settings.root, run.id)
    return RedirectResponse(f"/projects/{project.slug}/runs/{run.id}", status_code=303)


def _preset_of(typed: Mapping[str, str]) -> Preset:
    """The preset that the form was filled in with."""
    name = typed.get("preset")
    return next((preset for preset in PRESETS if preset == name), "default")


async def _typed(request: Request) -> dict[str, str]:
    async with request.form(max_files=0, max_fields=MAX_FORM_FIELDS) as form:
        return {name: value for name, value in form.items() if isinstance(value, str)}


async def _project_and_run(
    tx: Tx, viewer: Viewer, slug: str, run_id: int
) -> tuple[ProjectView, RunView]:
    project = await project_for(tx, viewer, slug)
    run = await run_for(tx, viewer, run_id)
    if run.project != project.slug:
        raise NotFoundError("There is no such run in this project.")
    return project, run


async def _agreement_band(
    tx: Tx, project: ProjectView, run: RunView, evaluation: EvaluationView | None
) -> Band | None:
    """What accuracy is seen against: measured with the run, or else the project's numbers."""
    if run.kind not in ("reward", "dpo"):
        return None
    if evaluation is not None and evaluation.band is not None:
        return evaluation.band
    found = await agreement_of(tx, project, baseline=None)
    return band_of(found.report.strict.estimate.value)


def _status_context(project: ProjectView, run: RunView) -> dict[str, Any]:
    return {
        "project": project,
        "run": run,
        "kind_name": gettext(KIND_NAMES[run.kind]),
        "elapsed": elapsed_text,
        "state": state_of,
        "time_left": time_left(run),
        "is_closing": is_closing(run),
        "numbers": live_numbers(run),
    }
