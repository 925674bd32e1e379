"""The lineage page of a project, and its picture and table as files; for admins only."""

from fastapi import APIRouter, Request, Response

from app.accounts.deps import SignedIn
from app.accounts.viewer import Viewer
from app.projects.queries import ProjectView, project_for
from app.training.lineage import Lineage, lineage_of_rows
from app.training.lineage_picture import picture_of
from app.training.lineage_queries import Shown, lineage_rows_for
from app.training.lineage_table import lineage_csv, rows_of
from app.web.deps import Tx
from app.web.render import drawing, page

router = APIRouter(include_in_schema=False)


@router.get("/projects/{slug}/lineage")
async def show_lineage(
    request: Request, slug: str, tx: Tx, viewer: SignedIn, shown: Shown = "newest"
) -> Response:
    """Show which models, rounds and datasets were made from which."""
    project, lineage = await _lineage(tx, viewer, slug, shown)
    base = f"/projects/{project.slug}"
    context = {
        "project": project,
        "lineage": lineage,
        "picture": picture_of(lineage, base),
        "rows": rows_of(lineage, base),
        "shown": shown,
        "origin": "",
    }
    return page(request, "training/lineage.html", context)


@router.get("/projects/{slug}/lineage.svg")
async def download_picture(
    request: Request, slug: str, tx: Tx, viewer: SignedIn, shown: Shown = "newest"
) -> Response:
    """Answer the picture as a file that needs nothing of Podium."""
    project, lineage = await _lineage(tx, viewer, slug, shown)
    context = {
        "project": project,
        "picture": picture_of(lineage, f"/projects/{project.slug}"),
        "origin": str(request.base_url).rstrip("/"),
    }
    return drawing("training/lineage_picture.html", context, name=f"{project.slug}-lineage.svg")


@router.get("/projects/{slug}/lineage.csv")
async def download_table(slug: str, tx: Tx, viewer: SignedIn, shown: Shown = "newest") -> Response:
    """Answer the table as CSV."""
    project, lineage = await _lineage(tx, viewer, slug, shown)
    return Response(
        lineage_csv(lineage, f"/projects/{project.slug}"),
        media_type="text/csv; charset=utf-8",
        headers={"Content-Disposition": f'attachment; filename="{project.slug}-lineage.csv"'},
    )


async def _lineage(tx: Tx, viewer: Viewer, slug: str, shown: Shown) -> tuple[ProjectView, Lineage]:
    project = await project_for(tx, viewer, slug)
    rows = await lineage_rows_for(tx, viewer, project, shown=shown)
    return project, lineage_of_rows(rows)
