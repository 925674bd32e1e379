"""The call that answers what was made from what; for admins only."""

from typing import Annotated

from fastapi import APIRouter, Query

from app.accounts.deps import SignedIn
from app.projects.queries import project_for
from app.training.lineage import lineage_of_rows
from app.training.lineage_queries import Shown, lineage_rows_for
from app.training.lineage_schemas import LineageOut, lineage_out
from app.web.deps import Tx
from app.web.json_body import StrictJSONRoute

router = APIRouter(tags=["lineage"], route_class=StrictJSONRoute)


@router.get("/projects/{slug}/lineage")
async def get_lineage(
    slug: str,
    tx: Tx,
    viewer: SignedIn,
    shown: Annotated[Shown, Query(description="of rounds and training runs")] = "newest",
) -> LineageOut:
    """The project's newest rounds, datasets and models, and what each was made from."""
    project = await project_for(tx, viewer, slug)
    rows = await lineage_rows_for(tx, viewer, project, shown=shown)
    return lineage_out(lineage_of_rows(rows))
