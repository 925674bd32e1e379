"""A labeler's re-qualifications, and how they did on the known answers since the last one."""

from dataclasses import dataclass, replace

import numpy as np
from sqlalchemy.ext.asyncio import AsyncSession

from app.agreement.behaviour.by_labeler import shares
from app.agreement.behaviour.references import wilson_95, with_gold
from app.agreement.metrics.estimates import Estimate, shown
from app.agreement.quality import Quality
from app.agreement.work import GOLD, gold_ranks
from app.labeling.requalification import (
    MOST_ANSWERS,
    Requalification,
    known_answers_left,
    requalifications_of,
)
from app.projects.labelers import Labeler
from app.projects.queries import ProjectView


@dataclass(frozen=True)
class Requalifying:
    """What an admin decides about.

    Attributes:
        all: newest first.
        left: known answers that the labeler could be asked for.
        gold: accuracy on those since the last one was asked for; None without one.
    """

    all: list[Requalification]
    left: int
    gold: Estimate | None

    @property
    def running(self) -> Requalification | None:
        """The one that the labeler's next tasks are of."""
        return next((one for one in self.all if one.is_running), None)

    @property
    def is_stuck(self) -> bool:
        """Whether the one that is running waits for known answers."""
        return self.running is not None and self.running.is_stuck(self.left)

    @property
    def offered(self) -> int:
        """How many known answers the next one would ask for."""
        return min(self.left, MOST_ANSWERS)


async def requalifying_of(
    tx: AsyncSession, project: ProjectView, labeler: Labeler, quality: Quality
) -> Requalifying:
    """All about the re-qualification of a labeler."""
    found = await requalifications_of(tx, project, labeler.user_id)
    return Requalifying(
        all=found,
        left=await known_answers_left(tx, project, labeler.user_id),
        gold=_accuracy(quality, labeler.user_id, found[0].created_at.timestamp())
        if found
        else None,
    )


def _accuracy(quality: Quality, user_id: int, since: float) -> Estimate:
    labels = quality.labels
    code = quality.code_of(user_id)
    is_asked = (labels.purpose == GOLD) & (labels.first_at >= since)
    rows = np.flatnonzero(is_asked & (labels.labeler == (-1 if code is None else code)))
    known = gold_ranks(labels.slates, quality.gold)[labels.slate[rows]].astype(np.int8)
    share = with_gold(labels.ranks[rows], known)
    (measured,) = shares(share, labels.prompt[rows], np.zeros(len(rows), dtype=np.int64), 1)
    found = shown("gold", measured, bootstrap=wilson_95(measured))
    return found if found.ci95 is None else replace(found, interval="wilson")
