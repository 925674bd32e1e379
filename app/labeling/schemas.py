"""Bodies of the labeling calls; strict: a rating of true or "3" is refused and not guessed."""

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from pydantic import Field

from app.web.schemas import Answer, Body, Id, Note, Text

MAX_RESPONSES = 9
MAX_WARNINGS = 100  # more than nine responses can give: 36 pairs, twice at most, and the others
MAX_ACTIVE_MS = 24 * 3600 * 1000
SkipReason = Literal[
    "prompt_unclear", "language", "expertise", "sensitive", "too_long", "technical", "other"
]
WarningKind = Literal["conflict", "soft_conflict", "unopened", "all_tied", "fast"]
LeaseToken = Annotated[UUID, Field(strict=False)]
FlagKey = Annotated[Text, Field(min_length=1, max_length=64)]


class JudgedResponse(Body):
    """What a labeler says about one response; without a rank it must be marked `cannot_judge`."""

    id: Id
    rank: int | None = Field(None, ge=1, le=MAX_RESPONSES)
    rating: int | None = Field(None, ge=1, le=7)
    flags: list[FlagKey] = Field([], max_length=50)
    note: Note | None = None
    cannot_judge: bool = False


class Warned(Body):
    """What the labeler was asked about before submitting, and what they did.

    Attributes:
        kind: a rating gap of two or more against the ranks, one of three or more against a tie, a
            long response never unfolded, one rank for all, more words a minute than people read.
        responses: that it is about; empty when it is about all of them.
        action: whether it still held when the ranking was submitted.
    """

    kind: WarningKind
    responses: list[Id] = Field([], max_length=MAX_RESPONSES)
    action: Literal["kept", "changed"]


class RankingIn(Body):
    """A submitted ranking."""

    lease_token: LeaseToken
    responses: list[JudgedResponse] = Field(min_length=1, max_length=MAX_RESPONSES)
    note: Note | None = None
    active_ms: int | None = Field(None, description="as measured by the browser; clamped")
    warnings: list[Warned] = Field([], max_length=MAX_WARNINGS)


class LeaseIn(Body):
    """Proof of holding a task."""

    lease_token: LeaseToken


class SkipIn(LeaseIn):
    """Giving a task back, with the reason."""

    reason: SkipReason
    note: Note | None = None


class RankingOut(Answer):
    """Which ranking was stored, and as which version of it."""

    ranking: int
    version: int


class LeaseOut(Answer):
    """How long the task stays with its labeler."""

    lease_expires_at: datetime


class SkipOut(Answer):
    """The task's new status."""

    status: Literal["skipped"]


class MessageOut(Answer):
    """One turn of the conversation."""

    role: str
    content: str


class PromptOut(Answer):
    """The conversation to answer."""

    messages: list[MessageOut]


class ResponseOut(Answer):
    """A response under its letter; where it comes from is never shown to labelers."""

    id: int
    letter: str
    text: str


class FlagOut(Answer):
    """A remark that can be put on a response."""

    key: str
    label: str


class GuidelinesOut(Answer):
    """The guidelines in force."""

    version: int
    text: str


class TaskOut(Answer):
    """A leased task, complete: everything that the screen shows."""

    id: int
    lease_token: UUID
    lease_expires_at: datetime
    prompt: PromptOut
    responses: list[ResponseOut]
    flags: list[FlagOut]
    guidelines: GuidelinesOut
