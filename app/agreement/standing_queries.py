"""Reads of how labelers rank the models of a project against each other; for admins.

The numbers are computed once for all who ask, until labels come; their words when somebody asks.
"""

import numpy as np
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from app.accounts.viewer import Viewer
from app.agreement.cache import computed_once, labels_of
from app.agreement.computing import computed_beside
from app.agreement.metrics.labels import ORDINARY, Labels
from app.agreement.strengths.rating import Rating, rating_of
from app.agreement.strengths.standings import Board, board_of
from app.errors import NotFoundError
from app.projects.queries import ProjectView


async def board_for(tx: AsyncSession, viewer: Viewer, project: ProjectView) -> Board:
    """The leaderboard of the models whose responses are ranked in the project.

    Checks on labelers (gold, anchors, repeats) do not count, as in win rates.

    Raises:
        NotFoundError: the viewer is not an admin.
    """
    if not viewer.is_admin:
        raise NotFoundError("There is no such page, or it is not yours to see.")
    labels = (await labels_of(tx, project.id)).labels
    sft = frozenset(await tx.scalars(text("select name from models where kind = 'sft'")))

    async def compute() -> Rating | None:
        return await computed_beside(tx, lambda: _rating(labels, sft))

    rating = await computed_once(tx, project.id, ("rating", labels.version, sft), compute)
    return board_of(rating)


def _rating(labels: Labels, sft: frozenset[str]) -> Rating | None:
    labels = labels.of_purposes(ORDINARY)
    return rating_of(
        labels.ranks,
        labels.slates.models[labels.slate].astype(np.int64) - 1,
        labels.prompt,
        labels.slates.lengths[labels.slate],
        names=labels.slates.model_names,
        sft=sft,
    )
