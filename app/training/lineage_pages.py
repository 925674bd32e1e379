"""The lineage page of a project with its leaderboard, and both as files; for admins only."""

import asyncio

from fastapi import APIRouter, Request, Response

from app.accounts.deps import SignedIn
from app.accounts.viewer import Viewer
from app.agreement.definitions import leaderboard_definitions
from app.agreement.standing_queries import board_for
from app.errors import NotFoundError
from app.projects.queries import ProjectView, project_for
from app.training.leaderboard_view import board_csv, board_picture
from app.training.lineage import Lineage, lineage_of_rows
from app.training.lineage_picture import picture_of
from app.training.lineage_queries import Shown, lineage_rows_for
from app.training.lineage_table import lineage_csv, rows_of
from app.web.deps import Tx
from app.web.render import csv_file, drawing, page

router = APIRouter(include_in_schema=False)


@router.get("/projects/{slug}/lineage")
async def show_lineage(
    request: Request, slug: str, tx: Tx, viewer: SignedIn, shown: Shown = "newest"
) -> Response:
    """Show which models, rounds and datasets were made from which."""
    project, lineage = await _lineage(tx, viewer, slug, shown)
    board = await board_for(tx, viewer, project)
    base = f"/projects/{project.slug}"
    context = {
        "project": project,
        "lineage": lineage,
        "picture": await asyncio.to_thread(picture_of, lineage, base),
        "rows": rows_of(lineage, base),
        "board": board,
        "board_picture": board_picture(board),
        "board_definitions": leaderboard_definitions(),
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
        "picture": await asyncio.to_thread(picture_of, lineage, f"/projects/{project.slug}"),
        "origin": str(request.base_url).rstrip("/"),
    }
    return drawing("training/lineage_picture.html", context, name=f"{project.slug}-lineage.svg")


@router.get("/projects/{slug}/lineage.csv")
async def download_table(slug: str, tx: Tx, viewer: SignedIn, shown: Shown = "newest") -> Response:
    """Answer the table as CSV."""
    project, lineage = await _lineage(tx, viewer, slug, shown)
    content = lineage_csv(lineage, f"/projects/{project.slug}")
    return csv_file(content, name=f"{project.slug}-lineage.csv")


@router.get("/projects/{slug}/leaderboard.svg")
async def download_leaderboard_picture(slug: str, tx: Tx, viewer: SignedIn) -> Response:
    """Answer the leaderboard's picture as a file that needs nothing of Podium."""
    project = await project_for(tx, viewer, slug)
    board = await board_for(tx, viewer, project)
    picture = board_picture(board)
    if picture is None:
        raise NotFoundError("There is not enough data for a picture yet.")
    context = {"project": project, "board": board, "board_picture": picture}
    name = f"{project.slug}-leaderboard.svg"
    return drawing("training/leaderboard_picture.html", context, name=name)


@router.get("/projects/{slug}/leaderboard.csv")
async def download_leaderboard_table(slug: str, tx: Tx, viewer: SignedIn) -> Response:
    """Answer the leaderboard as CSV."""
    project = await project_for(tx, viewer, slug)
    board = await board_for(tx, viewer, project)
    return csv_file(board_csv(board), name=f"{project.slug}-leaderboard.csv")


async def _lineage(tx: Tx, viewer: Viewer, slug: str, shown: Shown) -> tuple[ProjectView, Lineage]:
    project = await project_for(tx, viewer, slug)
    rows = await lineage_rows_for(tx, viewer, project, shown=shown)
    return project, lineage_of_rows(rows)
