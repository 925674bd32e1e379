"""The labeling screen: guidelines first, then one task after the other."""

from fastapi import APIRouter, Request, Response
from fastapi.responses import RedirectResponse

from app.accounts.deps import SignedIn
from app.labeling.commands import lease_next_task, submit_ranking
from app.labeling.plain_form import ranking_from_form
from app.labeling.queries import guidelines_read_by, progress_of
from app.projects.queries import project_for
from app.web.deps import AppSettings, Tx
from app.web.render import page
from app.web.schemas import PathId

router = APIRouter(include_in_schema=False)


@router.get("/projects/{slug}/label")
async def show_next_task(
    request: Request, slug: str, tx: Tx, viewer: SignedIn, settings: AppSettings
) -> Response:
    """Show the task that the viewer holds, or lease the next one."""
    project = await project_for(tx, viewer, slug)
    if await guidelines_read_by(tx, viewer, project.id) != project.guidelines_version:
        return page(request, "labeling/guidelines.html", {"project": project})
    task = await lease_next_task(tx, viewer, slug=slug, lease_minutes=settings.lease_minutes)
    progress = await progress_of(tx, viewer, project.id)
    if task is None:
        return page(request, "labeling/empty.html", {"project": project, "progress": progress})
    return page(
        request, "labeling/task.html", {"project": project, "task": task, "progress": progress}
    )


@router.post("/projects/{slug}/label/{task_id}")
async def post_plain_ranking(
    request: Request, slug: str, task_id: PathId, tx: Tx, viewer: SignedIn
) -> Response:
    """Take the form of a browser without scripts; posted twice, it is stored once."""
    project = await project_for(tx, viewer, slug)
    ranking = ranking_from_form(await request.form())
    await submit_ranking(
        tx, viewer, task_id=task_id, request_key=ranking.lease_token, ranking=ranking
    )
    return RedirectResponse(f"/projects/{project.slug}/label", status_code=303)
