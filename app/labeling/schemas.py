"""Bodies of the labeling calls; strict: a rating of true or "3" is refused and not guessed."""

import json
from collections.abc import Iterator
from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import AfterValidator, Field, JsonValue, ValidationInfo, field_validator

from app.web.schemas import Answer, Body, Id, Note, Text

MAX_RESPONSES = 9
MAX_WARNINGS = 100  # more than nine responses can give: 36 pairs, twice at most, and the others
MAX_ACTIVE_MS = 24 * 3600 * 1000
MAX_PAIR_ANSWERS = 500
MAX_EVENTS = 500
MAX_DRAFT_CHARS = 300_000  # notes of 10,000 characters on nine responses and on the task, escaped
MAX_EVENT_CHARS = 2000
SkipReason = Literal[
    "prompt_unclear", "language", "expertise", "sensitive", "too_long", "technical", "other"
]
WarningKind = Literal["conflict", "soft_conflict", "unopened", "all_tied", "fast"]
CannotJudge = Literal["empty", "garbled", "cut_off", "language", "not_displayed"]
CannotRank = Literal["all_unacceptable", "incomparable"]
ReportKind = Literal["personal_data", "illegal", "malformed", "leaked_prompt", "rendering"]
EventKind = Literal[
    "task_open", "card_focus", "card_visible", "expand", "rate", "flag", "place", "tie", "undo",
    "compare_open", "compare_answer", "diff_toggle", "guided_answer", "find", "idle_start",
    "idle_stop", "warning_shown", "warning_action", "skip", "report", "submit",
]  # fmt: skip
LeaseToken = Annotated[UUID, Field(strict=False)]


def _storable(value: JsonValue) -> JsonValue:
    """Postgres stores no NUL and no lone surrogate, not even inside JSON."""
    for text in _texts_in(value):
        if "\x00" in text:
            raise ValueError("must not contain NUL characters")
        try:
            text.encode()
        except UnicodeEncodeError:
            raise ValueError("must be valid Unicode (it has a lone surrogate)") from None
    return value


def _texts_in(value: JsonValue) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        yield from value
        for inner in value.values():
            yield from _texts_in(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _texts_in(inner)


StorableJSON = Annotated[JsonValue, AfterValidator(_storable)]
FlagKey = Annotated[Text, Field(min_length=1, max_length=64)]


class JudgedResponse(Body):
    """What a labeler says about one response; without a rank it must be marked `cannot_judge`.

    Attributes:
        id: of the response.
        rank: 1 is best, equal is a tie.
        rating: 1 is worst, 7 is best.
        flags: the keys of those that apply.
        not_flagged: those answered with no, where each flag needs an answer.
        note: in own words.
        cannot_judge: true, or why: then there is no rank, and the rating is stored as 1 where the
            project says so (`rate_unjudged`).
        same_as: the response with the same text that it was judged together with.
        opened: whether a long text was unfolded; None when it was short.
        visible_ms: for how long it was on the screen.
    """

    id: Id
    rank: int | None = Field(None, ge=1, le=MAX_RESPONSES)
    rating: int | None = Field(None, ge=1, le=7)
    flags: list[FlagKey] = Field([], max_length=50)
    not_flagged: list[FlagKey] = Field([], max_length=50)
    note: Note | None = None
    cannot_judge: bool | CannotJudge = False
    same_as: Id | None = None
    opened: bool | None = None
    visible_ms: int | None = None


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


class PairAnswer(Body):
    """What was answered about two responses beside each other, whatever the final ranks say."""

    left: Id
    right: Id
    answer: Literal["left", "right", "tie", "undecided"]
    source: Literal["compare", "guided", "check"]
    ms: Annotated[int, Field(ge=0, le=MAX_ACTIVE_MS)]


class InputMethods(Body):
    """How often something was placed with the keys, by clicks or taps, and by dragging."""

    key: Annotated[int, Field(ge=0, le=100_000)] = 0
    click: Annotated[int, Field(ge=0, le=100_000)] = 0
    drag: Annotated[int, Field(ge=0, le=100_000)] = 0


class Circumstances(Body):
    """Where and how a ranking was made, as the browser tells; stored as `rankings.screen`."""

    device: Literal["desktop", "tablet", "phone"]
    viewport: tuple[
        Annotated[int, Field(ge=0, le=100_000)], Annotated[int, Field(ge=0, le=100_000)]
    ] = Field(strict=False)
    locale: Annotated[Text, Field(max_length=35)]
    input_methods: InputMethods = InputMethods()
    moves_after_fill: Annotated[int, Field(ge=0, le=100_000)] = 0
    board_ms: Annotated[int, Field(ge=0, le=MAX_ACTIVE_MS)] = 0


class RankingIn(Body):
    """A submitted ranking.

    Attributes:
        lease_token: proof of holding the task; a correction needs none.
        responses: each of those that were shown, once.
        note: on the whole task.
        flags: the keys of those on the whole task.
        cannot_rank: why no order can be given: all responses then share one rank.
        active_ms: as measured by the browser; clamped.
        wall_ms: from opening the task to submitting it; clamped.
        warnings: what was asked about before submitting.
        rank_origin: how the ranks came about.
        pair_answers: answers about two responses, as they were given.
        screen: where and how it was made.
        revises: the version that this corrects, 0 for a first ranking; refused when another one is
            stored by now. None takes whatever is there.
    """

    lease_token: LeaseToken | None = None
    responses: list[JudgedResponse] = Field(min_length=1, max_length=MAX_RESPONSES)
    note: Note | None = None
    flags: list[FlagKey] = Field([], max_length=50)
    cannot_rank: CannotRank | None = None
    active_ms: int | None = Field(None, description="as measured by the browser; clamped")
    wall_ms: int | None = None
    warnings: list[Warned] = Field([], max_length=MAX_WARNINGS)
    rank_origin: Literal["manual", "from_ratings", "guided", "form"] = "manual"
    pair_answers: list[PairAnswer] = Field([], max_length=MAX_PAIR_ANSWERS)
    screen: Circumstances | None = None
    revises: Annotated[int, Field(ge=0, le=32_767)] | None = None


class LeaseIn(Body):
    """Proof of holding a task."""

    lease_token: LeaseToken


class SkipIn(LeaseIn):
    """Giving a task back, with the reason; another one than those listed is said in the note."""

    reason: SkipReason
    note: Note | None = Field(default=None, validate_default=True)

    @field_validator("note")
    @classmethod
    def _says_the_other_reason(cls, note: str | None, info: ValidationInfo) -> str | None:
        if info.data.get("reason") == "other" and not (note or "").strip():
            raise ValueError("say what the reason is")
        return note


class LostLeaseIn(Body):
    """What is needed to get a task back: in which order its responses were shown."""

    display_order: list[Id] = Field(min_length=1, max_length=MAX_RESPONSES)


class ReportIn(Body):
    """What is wrong with the prompt, or with one response."""

    kind: ReportKind
    response: Id | None = None
    note: Note | None = None


def _small(body: dict[str, Any]) -> dict[str, Any]:
    if len(json.dumps(body, ensure_ascii=False)) > MAX_DRAFT_CHARS:
        raise ValueError(f"must not be longer than {MAX_DRAFT_CHARS} characters as JSON")
    return body


def _brief(data: dict[str, Any]) -> dict[str, Any]:
    if len(json.dumps(data, ensure_ascii=False)) > MAX_EVENT_CHARS:
        raise ValueError(f"must not be longer than {MAX_EVENT_CHARS} characters as JSON")
    return data


class DraftIn(Body):
    """Unsubmitted work as the screen keeps it; `base_version` is 0 for the first save."""

    base_version: Annotated[int, Field(ge=0, le=2**31 - 2)]
    body: Annotated[dict[Text, StorableJSON], AfterValidator(_small)]


class EventIn(Body):
    """One thing that happened on the screen."""

    sequence: Annotated[int, Field(ge=0, le=2**31 - 1)]
    kind: EventKind
    data: Annotated[dict[Text, StorableJSON], AfterValidator(_brief)] = Field(default_factory=dict)
    client_at: Annotated[datetime, Field(strict=False)]


class EventsIn(Body):
    """Events of one visit: one opening of the task in one window."""

    visit: Annotated[UUID, Field(strict=False)]
    events: list[EventIn] = Field(min_length=1, max_length=MAX_EVENTS)


class RankingOut(Answer):
    """Which ranking was stored, and as which version of it."""

    ranking: int
    version: int


class LeaseOut(Answer):
    """How long the task stays with its labeler."""

    lease_expires_at: datetime


class RegainedOut(Answer):
    """A task that is the labeler's again."""

    lease_token: UUID
    lease_expires_at: datetime


class ReportOut(Answer):
    """Whether the slate was withdrawn until an admin has looked."""

    withdrawn: bool


class DraftSavedOut(Answer):
    """The draft's new version, and when it was saved."""

    version: int
    saved_at: datetime


class DraftOut(DraftSavedOut):
    """Unsubmitted work."""

    body: dict[str, Any]


class EventsOut(Answer):
    """How many events arrived."""

    received: int


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
    """A response under its letter; where it comes from is never shown to labelers.

    Attributes:
        same_as: the letter of the first response with the same text, when that is another one.
        similar_to: the letters of responses that say nearly the same, word by word.
    """

    id: int
    letter: str
    text: str
    same_as: str | None = None
    similar_to: list[str] = Field([])


class FlagOut(Answer):
    """A remark that can be put on a response, or on the whole task."""

    key: str
    label: str
    polarity: str
    scope: str
    condition: str | None
    needs_note: bool


class GuidelinesOut(Answer):
    """The guidelines in force."""

    version: int
    text: str


class ShownTask(Answer):
    """Everything that the screen shows of a task."""

    id: int
    prompt: PromptOut
    responses: list[ResponseOut]
    flags: list[FlagOut]
    guidelines: GuidelinesOut
    round: int
    is_sensitive: bool


class TaskOut(ShownTask):
    """A leased task, complete."""

    lease_token: UUID
    lease_expires_at: datetime
