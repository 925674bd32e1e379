"""The agreement page of a project."""

from typing import Annotated

from fastapi import APIRouter, Query, Request, Response

from app.accounts.deps import AdminOnly
from app.agreement.metrics import MIN_UNITS_OF_A_PAIR
from app.agreement.queries import agreement_of
from app.agreement.schemas import PageParameters
from app.projects.queries import project_for
from app.web.deps import Tx
from app.web.query_params import NoRepeats
from app.web.render import page

router = APIRouter(include_in_schema=False)


@router.get("/projects/{slug}/agreement")
async def show_agreement(
    request: Request,
    slug: str,
    tx: Tx,
    viewer: AdminOnly,
    parameters: Annotated[PageParameters, Query()],
    _: NoRepeats,
) -> Response:
    """Show how far labelers agree and which model's responses win."""
    project = await project_for(tx, viewer, slug)
    found = await agreement_of(
        tx, project, round_number=parameters.round_number, baseline=parameters.baseline or None
    )
    cells = {pair.labelers: pair.strict for pair in found.report.pairs}
    cells |= {(second, first): estimate for (first, second), estimate in cells.items()}
    return page(
        request,
        "agreement/show.html",
        {
            "project": project,
            "found": found,
            "report": found.report,
            "cells": cells,
            "min_units": MIN_UNITS_OF_A_PAIR,
        },
    )
