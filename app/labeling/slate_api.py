"""What admins decide about one slate, over REST."""

from typing import Annotated

from fastapi import APIRouter
from pydantic import AfterValidator, Field

from app.accounts.deps import HiddenFromLabelers
from app.labeling.slate_commands import ask_another_label, make_gold, retire_gold, set_anchor
from app.projects.queries import project_for
from app.web.deps import Tx
from app.web.json_body import StrictJSONRoute
from app.web.schemas import Answer, Body, Id, Note, PathId
from trainer.spec import MAX_RESPONSES

router = APIRouter(route_class=StrictJSONRoute, tags=["slates"])
Rank = Annotated[int, Field(ge=1, le=MAX_RESPONSES)]


class GoldResponse(Body):
    """A response and its rank in the known answer; equal and absent ranks say nothing."""

    id: Id
    rank: Rank | None = None


def _each_once(responses: list[GoldResponse]) -> list[GoldResponse]:
    if len({response.id for response in responses}) < len(responses):
        raise ValueError("must name each response at most once")
    return responses


class GoldIn(Body):
    """A known answer."""

    responses: Annotated[
        list[GoldResponse],
        Field(min_length=2, max_length=MAX_RESPONSES),
        AfterValidator(_each_once),
    ]
    explanation: Note


class GoldRank(Answer):
    """The rank of a response as it is stored."""

    id: int
    rank: int | None


class GoldOut(Answer):
    """A known answer as it is stored."""

    slate: int
    responses: list[GoldRank]


class RetiredOut(Answer):
    """A known answer that is asked no more."""

    slate: int
    retired: bool


class AnchorIn(Body):
    """Whether labelers are asked about the slate in every round."""

    is_anchor: bool


class AnchorOut(Answer):
    """The same, as it is stored."""

    slate: int
    is_anchor: bool


class AnotherLabelOut(Answer):
    """A slate that one more labeler is asked about."""

    slate: int
    asked: bool


@router.post("/projects/{slug}/slates/{slate_id}/gold")
async def post_gold(
    tx: Tx, viewer: HiddenFromLabelers, slug: str, slate_id: PathId, body: GoldIn
) -> GoldOut:
    """Store the known answer of a slate, or correct it; labelers are asked from now on."""
    project = await project_for(tx, viewer, slug)
    ranks = {response.id: response.rank for response in body.responses}
    stored = await make_gold(
        tx, viewer, project, slate_id, ranks=ranks, explanation=body.explanation
    )
    return GoldOut(
        slate=slate_id, responses=[GoldRank(id=key, rank=rank) for key, rank in stored.items()]
    )


@router.post("/projects/{slug}/slates/{slate_id}/gold/retire")
async def post_retirement(
    tx: Tx, viewer: HiddenFromLabelers, slug: str, slate_id: PathId
) -> RetiredOut:
    """Ask nobody about a known answer any more; what was answered stays."""
    project = await project_for(tx, viewer, slug)
    await retire_gold(tx, viewer, project, slate_id)
    return RetiredOut(slate=slate_id, retired=True)


@router.post("/projects/{slug}/slates/{slate_id}/anchor")
async def post_anchor(
    tx: Tx, viewer: HiddenFromLabelers, slug: str, slate_id: PathId, body: AnchorIn
) -> AnchorOut:
    """Ask labelers about a slate in every round, or no longer."""
    project = await project_for(tx, viewer, slug)
    await set_anchor(tx, viewer, project, slate_id, is_anchor=body.is_anchor)
    return AnchorOut(slate=slate_id, is_anchor=body.is_anchor)


@router.post("/projects/{slug}/slates/{slate_id}/another-label")
async def post_another_label(
    tx: Tx, viewer: HiddenFromLabelers, slug: str, slate_id: PathId
) -> AnotherLabelOut:
    """Ask one more labeler about a slate; 409 in a closed round, or when it has enough."""
    project = await project_for(tx, viewer, slug)
    await ask_another_label(tx, viewer, project, slate_id)
    return AnotherLabelOut(slate=slate_id, asked=True)
