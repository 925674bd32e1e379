"""The labeling screen: guidelines first, then one task after the other."""

from collections.abc import Sequence
from typing import Annotated

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import RedirectResponse

from app.accounts.deps import SignedIn
from app.accounts.preferences import preferences_of
from app.errors import InvalidError, NotFoundError
from app.labeling.commands import submit_ranking
from app.labeling.drafts import draft_of, keep_typed
from app.labeling.leasing import report_task, skip_task
from app.labeling.next_task import lease_next_task
from app.labeling.plain_form import (
    complaints,
    ranking_from_form,
    report_from_form,
    skip_from_form,
    typed_values,
)
from app.labeling.queries import (
    DoneTask,
    earlier_task_of,
    guidelines_read_by,
    own_task_for,
    progress_of,
)
from app.labeling.workplace import Workplace, workplace_of
from app.projects.queries import ProjectView, project_for
from app.web.deps import AppSettings, Tx
from app.web.render import page
from app.web.schemas import MAX_ID, PathId
from app.web.translation import gettext

router = APIRouter(include_in_schema=False)
MAX_HELD = 4  # one at work and some that are submitted but, without a network, not stored yet
Beside = Annotated[list[PathId], Query(min_length=1, max_length=MAX_HELD)]
TaskId = Annotated[int, Query(ge=1, le=MAX_ID)]


@router.get("/projects/{slug}/label")
async def show_next_task(
    request: Request,
    slug: str,
    tx: Tx,
    viewer: SignedIn,
    settings: AppSettings,
    *,
    reported: bool = False,
) -> Response:
    """Show the task that the viewer holds, or lease the next one; `reported` says thanks."""
    project = await project_for(tx, viewer, slug)
    try:
        read_version = await guidelines_read_by(tx, viewer, project.id)
    except NotFoundError:  # an admin: the project is hidden from others who are no labelers of it
        return page(request, "labeling/no_labeler.html", {"project": project})
    if read_version != project.guidelines_version:
        return page(request, "labeling/guidelines.html", {"project": project})
    task = await lease_next_task(tx, viewer, slug=slug, lease_minutes=settings.lease_minutes)
    if task is None:
        progress = await progress_of(tx, viewer, project.id)
        return page(request, "labeling/empty.html", {"project": project, "progress": progress})
    draft = await draft_of(tx, viewer, task.id)
    workplace = workplace_of(project, task, draft, labeler_id=viewer.id)
    return await _task_page(request, tx, viewer, project, workplace, is_reported=reported)


@router.post("/projects/{slug}/label/ahead")
async def post_ahead(
    request: Request, slug: str, beside: Beside, tx: Tx, viewer: SignedIn, settings: AppSettings
) -> Response:
    """Lease another task ahead of time; 204 when there is none, or new guidelines come first."""
    project = await project_for(tx, viewer, slug)
    if await guidelines_read_by(tx, viewer, project.id) != project.guidelines_version:
        return Response(status_code=204)
    task = await lease_next_task(
        tx, viewer, slug=slug, lease_minutes=settings.lease_minutes, beside=beside
    )
    if task is None:
        return Response(status_code=204)
    workplace = workplace_of(
        project, task, await draft_of(tx, viewer, task.id), labeler_id=viewer.id
    )
    return page(request, "labeling/workplace.html", {"project": project, "workplace": workplace})


@router.get("/projects/{slug}/label/earlier")
async def show_earlier_task(
    slug: str, tx: Tx, viewer: SignedIn, than: TaskId | None = None
) -> Response:
    """Go to the task that the viewer submitted before this one, or last."""
    project = await project_for(tx, viewer, slug)
    earlier = await earlier_task_of(tx, viewer, project.id, than) or than
    where = f"/{earlier}" if earlier else ""
    return RedirectResponse(f"/projects/{project.slug}/label{where}", status_code=303)


@router.get("/projects/{slug}/label/{task_id}")
async def show_own_task(
    request: Request, slug: str, task_id: PathId, tx: Tx, viewer: SignedIn
) -> Response:
    """Show a task that the viewer holds, or one that they submitted, to change it."""
    project = await project_for(tx, viewer, slug)
    task = await own_task_for(tx, viewer, project.id, task_id)
    draft = await draft_of(tx, viewer, task_id)
    return await _task_page(
        request, tx, viewer, project, workplace_of(project, task, draft, labeler_id=viewer.id)
    )


async def _task_page(
    request: Request,
    tx: Tx,
    viewer: SignedIn,
    project: ProjectView,
    workplace: Workplace,
    *,
    missing: Sequence[str] = (),
    title: str | None = None,
    is_reported: bool = False,
) -> Response:
    context = {
        "missing": missing,
        "title": title,
        "is_reported": is_reported,
        "project": project,
        "workplace": workplace,
        "progress": await progress_of(tx, viewer, project.id),
        "preferences": await preferences_of(tx, viewer),
        "event_days": request.app.state.settings.event_days,
    }
    return page(request, "labeling/task.html", context, status=422 if missing else 200)


@router.post("/projects/{slug}/label/{task_id}")
async def post_plain_ranking(
    request: Request, slug: str, task_id: PathId, tx: Tx, viewer: SignedIn
) -> Response:
    """Take the form of a browser without scripts; posted twice, it is stored once.

    What is refused is shown again as it was typed. With `then` what was typed is only kept, and
    the form that `then` names is shown.
    """
    project = await project_for(tx, viewer, slug)
    form = await request.form()
    if form.get("then") in ("skip", "report"):
        task = await own_task_for(tx, viewer, project.id, task_id)
        shown = task.task if isinstance(task, DoneTask) else task
        await keep_typed(tx, viewer, shown, typed_values(form))
        where = f"/projects/{project.slug}/label/{task_id}#{form['then']}"
        return RedirectResponse(where, status_code=303)
    try:
        posted = ranking_from_form(form)
        await submit_ranking(
            tx, viewer, task_id=task_id, request_key=posted.request_key, ranking=posted.ranking
        )
    except InvalidError as error:
        task = await own_task_for(tx, viewer, project.id, task_id)
        workplace = workplace_of(project, task, None, typed_values(form), labeler_id=viewer.id)
        missing = complaints(error, form, workplace.task)
        return await _task_page(request, tx, viewer, project, workplace, missing=missing)
    return RedirectResponse(f"/projects/{project.slug}/label", status_code=303)


@router.post("/projects/{slug}/label/{task_id}/skip")
async def post_plain_skip(
    request: Request, slug: str, task_id: PathId, tx: Tx, viewer: SignedIn
) -> Response:
    """Give the task back, from the form of a browser without scripts."""
    project = await project_for(tx, viewer, slug)
    try:
        skip = skip_from_form(await request.form())
    except InvalidError as error:
        return await _refused_page(
            request, tx, viewer, project, task_id, error, gettext("The task was not skipped")
        )
    await skip_task(
        tx, viewer, task_id=task_id, lease_token=skip.lease_token, reason=skip.reason,
        note=skip.note,
    )  # fmt: skip
    return RedirectResponse(f"/projects/{project.slug}/label", status_code=303)


@router.post("/projects/{slug}/label/{task_id}/report")
async def post_plain_report(
    request: Request, slug: str, task_id: PathId, tx: Tx, viewer: SignedIn
) -> Response:
    """Tell the admins what is wrong, from the form of a browser without scripts."""
    project = await project_for(tx, viewer, slug)
    try:
        report = report_from_form(await request.form())
        await report_task(
            tx, viewer, task_id=task_id, kind=report.kind, response_id=report.response,
            note=report.note,
        )  # fmt: skip
    except InvalidError as error:
        return await _refused_page(
            request, tx, viewer, project, task_id, error, gettext("Nothing was reported")
        )
    return RedirectResponse(f"/projects/{project.slug}/label?reported=true", status_code=303)


async def _refused_page(
    request: Request,
    tx: Tx,
    viewer: SignedIn,
    project: ProjectView,
    task_id: int,
    error: InvalidError,
    title: str,
) -> Response:
    task = await own_task_for(tx, viewer, project.id, task_id)
    workplace = workplace_of(
        project, task, await draft_of(tx, viewer, task_id), labeler_id=viewer.id
    )
    return await _task_page(
        request, tx, viewer, project, workplace, missing=[gettext(error.detail)], title=title
    )
