"""The datasets page of a project: snapshots and exports."""

from fastapi import APIRouter, Request, Response
from fastapi.responses import RedirectResponse

from app.accounts.deps import AdminOnly
from app.accounts.viewer import Viewer
from app.datasets.commands import create_dataset
from app.datasets.queries import datasets_of
from app.errors import DomainError
from app.projects.queries import ProjectView, project_for
from app.web.deps import AppSettings, Engine, Tx
from app.web.errors import status_of
from app.web.render import page

router = APIRouter(include_in_schema=False)


@router.get("/projects/{slug}/datasets")
async def show_datasets(request: Request, slug: str, tx: Tx, viewer: AdminOnly) -> Response:
    """Show the project's datasets and what can be exported."""
    project = await project_for(tx, viewer, slug)
    return await _datasets_page(request, tx, viewer, project)


@router.post("/projects/{slug}/datasets")
async def post_dataset_form(
    request: Request, slug: str, tx: Tx, engine: Engine, settings: AppSettings, viewer: AdminOnly
) -> Response:
    """Make a dataset and show it in the list."""
    project = await project_for(tx, viewer, slug)
    try:
        dataset = await create_dataset(engine, viewer, project, settings.root)
    except DomainError as error:
        return await _datasets_page(request, tx, viewer, project, error=error)
    return RedirectResponse(
        f"/projects/{project.slug}/datasets#dataset-{dataset.id}", status_code=303
    )


async def _datasets_page(
    request: Request,
    tx: Tx,
    viewer: Viewer,
    project: ProjectView,
    *,
    error: DomainError | None = None,
) -> Response:
    return page(
        request,
        "datasets/list.html",
        {
            "project": project,
            "datasets": await datasets_of(tx, viewer, project.id),
            "error": error,
            "origin": str(request.base_url).rstrip("/"),
        },
        status=status_of(error) if error else 200,
    )
