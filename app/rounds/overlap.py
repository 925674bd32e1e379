"""Who labels what in a round: how many rank a slate, and which tasks check on their labelers.

It is fixed when the round is made (B.13), so that a change of the project's settings never changes
with which probability a task of a round that is being labeled was drawn.
"""

from dataclasses import dataclass, fields, replace
from typing import Annotated

from pydantic import ConfigDict, Field

from app.projects.queries import ProjectView
from app.projects.schemas import LabelsPerSlate
from app.projects.screen import Share
from app.web.query_params import WholeNumber
from app.web.schemas import Body


@dataclass(frozen=True)
class Overlap:
    """What a round keeps of it.

    Attributes:
        labels_per_slate: how many labelers rank each slate.
        overlap_share: share of slates that one more labeler ranks, 0..1; of those for one labeler.
        gold_share: share of tasks that have a known answer, 0..1.
        anchor_share: share of tasks that every round repeats, 0..1.
        repeat_share: share of tasks that a labeler gets twice, 0..1.
    """

    labels_per_slate: int
    overlap_share: float
    gold_share: float
    anchor_share: float
    repeat_share: float

    @classmethod
    def of(cls, project: ProjectView) -> "Overlap":
        """What the project's rounds have unless it is said otherwise."""
        return cls(
            labels_per_slate=project.labels_per_slate,
            overlap_share=project.overlap_share,
            gold_share=project.screen.gold_share,
            anchor_share=project.screen.anchor_share,
            repeat_share=project.screen.repeat_share,
        )


NAMES = tuple(field.name for field in fields(Overlap))


class OverlapWish(Body):
    """What a round shall have otherwise than the project; None is as in the project."""

    labels_per_slate: LabelsPerSlate | None = None
    overlap_share: Share | None = None
    gold_share: Share | None = None
    anchor_share: Share | None = None
    repeat_share: Share | None = None

    def within(self, project: ProjectView) -> Overlap:
        """What the round gets."""
        given = {name: getattr(self, name) for name in NAMES if getattr(self, name) is not None}
        return replace(Overlap.of(project), **given)


NOTHING = OverlapWish()


class OverlapParameters(OverlapWish):
    """The same as query parameters, whose numbers are text."""

    model_config = ConfigDict(strict=False)

    labels_per_slate: Annotated[WholeNumber, Field(ge=1, le=9)] | None = None
