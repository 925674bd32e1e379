"""The call that answers what differs between two responses."""

from typing import Annotated, Literal

from fastapi import APIRouter, Query

from app.accounts.deps import SignedIn
from app.labeling.differences import Segment
from app.labeling.queries import differences_for
from app.web.deps import Tx
from app.web.query_params import WholeNumber
from app.web.schemas import MAX_ID, Answer, PathId

router = APIRouter(tags=["labeling"])
ResponseId = Annotated[WholeNumber, Query(ge=1, le=MAX_ID)]


class SegmentOut(Answer):
    """A piece of a response; the same number is on the two places of a moved sentence."""

    kind: Literal["same", "deleted", "inserted", "moved"]
    text: str
    number: int | None = None


class DifferencesOut(Answer):
    """Both responses as they are read, each link with its address behind it; spaces never count."""

    left: list[SegmentOut]
    right: list[SegmentOut]


@router.get("/tasks/{task_id}/differences")
async def get_differences(
    task_id: PathId, left: ResponseId, right: ResponseId, tx: Tx, viewer: SignedIn
) -> DifferencesOut:
    """Compare two responses of an own task, word by word."""
    found = await differences_for(tx, viewer, task_id, left=left, right=right)
    return DifferencesOut(left=_out(found.left), right=_out(found.right))


def _out(segments: list[Segment]) -> list[SegmentOut]:
    return [
        SegmentOut(kind=segment.kind, text=segment.text, number=segment.number)
        for segment in segments
    ]
