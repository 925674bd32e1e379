"""The call that answers how labelers rank the models; for admins only."""

from typing import Annotated, Literal

from fastapi import APIRouter
from pydantic import Field

from app.accounts.deps import SignedIn
from app.agreement.definitions import leaderboard_definitions
from app.agreement.estimate_schemas import EstimateOut
from app.agreement.metrics.estimates import Status
from app.agreement.standing_queries import board_for
from app.agreement.strengths.standings import Board
from app.projects.queries import project_for
from app.web.deps import Tx
from app.web.json_body import StrictJSONRoute
from app.web.schemas import Answer

router = APIRouter(tags=["lineage"], route_class=StrictJSONRoute)


class IntervalOut(Answer):
    """A number with its 95% interval, by standard errors over prompts."""

    value: float
    ci95: tuple[float, float] | None


class EntryOut(Answer):
    """A model's place; what is hidden is null, with the reason."""

    model: str
    rank: Annotated[int | None, Field(description="1 + models better beyond their intervals")]
    elo: Annotated[float | None, Field(description="1000 + 400 t / ln 10 over the baseline")]
    ci95: Annotated[tuple[float, float] | None, Field(description="bootstrap over prompts")]
    status: Status
    reason: str | None
    comparisons: int
    prompts: int
    win_rate: Annotated[EstimateOut | None, Field(description="null of the baseline itself")]
    at_equal_length: Annotated[
        IntervalOut | None, Field(description="elo with the length of responses held fixed")
    ]


class LeaderboardOut(Answer):
    """Models, best first; models of one group are comparable with each other."""

    baseline: str | None
    prompts: int
    models: list[EntryOut]
    groups: list[list[str]]
    left_out: Annotated[int, Field(description="models compared less often than these")]
    tie_share: Annotated[float | None, Field(description="of all comparisons")]
    ties: Annotated[
        Literal["half", "davidson"],
        Field(description="half a win of both, or modeled where more than 20% are ties"),
    ]
    length_effect: Annotated[
        IntervalOut | None,
        Field(description="what one standard deviation more of relative length adds to elo"),
    ]
    definitions: Annotated[dict[str, str], Field(description="what the numbers mean, by name")]


@router.get("/projects/{slug}/leaderboard")
async def get_leaderboard(slug: str, tx: Tx, viewer: SignedIn) -> LeaderboardOut:
    """Bradley-Terry strengths of the project's models, and win rates over the SFT model."""
    project = await project_for(tx, viewer, slug)
    return _out(await board_for(tx, viewer, project))


def _out(board: Board) -> LeaderboardOut:
    return LeaderboardOut(
        baseline=board.anchor,
        prompts=board.prompts,
        models=[EntryOut.model_validate(entry, from_attributes=True) for entry in board.entries],
        groups=board.groups,
        left_out=board.left_out,
        tie_share=board.tie_share,
        ties="davidson" if board.has_tie_model else "half",
        length_effect=None
        if board.length_effect is None
        else IntervalOut.model_validate(board.length_effect, from_attributes=True),
        definitions={name: one.words for name, one in leaderboard_definitions().items()},
    )
