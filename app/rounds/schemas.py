"""Bodies and answers of the rounds API."""

from datetime import datetime
from typing import Annotated, Any, Self

from pydantic import ConfigDict, Field

from app.prompts.split import Split
from app.rounds.overlap import OverlapWish
from app.rounds.queries import ResponseView, RoundView, SlateView
from app.web.schemas import Answer, Body, Line
from trainer.spec import MAX_RESPONSES, Sampling, Seed

MAX_PROMPTS = 1_000_000


class SamplingIn(Sampling):
    """How responses are drawn; the same bounds as the trainer's, but read strictly."""

    model_config = ConfigDict(strict=True)

    # Without a seed the round gets a random one.
    seed: Seed | None = None  # type: ignore[assignment]


class PromptChoice(Body):
    """Which prompts a round is sampled for; all of them by default."""

    split: Split | None = None
    limit: Annotated[int, Field(ge=1, le=MAX_PROMPTS)] | None = None


class RoundIn(OverlapWish):
    """A round to start; who labels what is as in the project unless it is said."""

    models: Annotated[list[Line], Field(min_length=1, max_length=MAX_RESPONSES)]
    responses_per_prompt: Annotated[int, Field(ge=4, le=MAX_RESPONSES)]
    sampling: SamplingIn = SamplingIn()
    prompts: PromptChoice = PromptChoice()


class RoundStarted(Answer):
    """The number of a round, and the run that samples it."""

    round: int
    run: int
    slates: int


class RejectedLine(Answer):
    """A line that was not taken."""

    line: int
    error: str


class RoundImported(Answer):
    """The number of a round that was made from answers made elsewhere."""

    round: int
    slates: int
    rejected: list[RejectedLine]


class SlateCounts(Answer):
    """Slates by status."""

    ready: int
    pending: int
    unusable: int


class TaskCounts(Answer):
    """Tasks by status."""

    open: int
    leased: int
    done: int


class RunState(Answer):
    """The run that samples a round."""

    id: int
    status: str | None
    error: str | None


class RoundOut(Answer):
    """A round and how far it is."""

    round: int
    source: str
    models: list[str]
    responses_per_prompt: int | None
    sampling: dict[str, Any] | None
    slates: SlateCounts
    tasks: TaskCounts
    run: RunState | None
    created_at: datetime
    closed_at: datetime | None
    labels_per_slate: int
    overlap_share: float
    gold_share: float
    anchor_share: float
    repeat_share: float

    @classmethod
    def of(cls, row: RoundView) -> Self:
        """The answer for one round."""
        run = None
        if row.run_id is not None:
            run = RunState(id=row.run_id, status=row.run_status, error=row.run_error)
        return cls(
            round=row.number,
            source=row.source,
            models=row.models,
            responses_per_prompt=row.responses_per_prompt,
            sampling=row.sampling,
            slates=SlateCounts(ready=row.ready, pending=row.pending, unusable=row.unusable),
            tasks=TaskCounts(open=row.tasks_open, leased=row.tasks_leased, done=row.tasks_done),
            run=run,
            created_at=row.created_at,
            closed_at=row.closed_at,
            labels_per_slate=row.labels_per_slate,
            overlap_share=row.overlap_share,
            gold_share=row.gold_share,
            anchor_share=row.anchor_share,
            repeat_share=row.repeat_share,
        )


class ResponseOut(Answer):
    """A response with what it was sampled with."""

    id: int
    text: str
    model: str | None
    seed: int | None
    temperature: float | None
    top_p: float | None
    max_new_tokens: int | None
    attempts: int
    finish: str | None
    problem: str | None

    @classmethod
    def of(cls, row: ResponseView) -> Self:
        """The answer for one response."""
        return cls(
            id=row.id,
            text=row.text,
            model=row.model,
            seed=row.seed,
            temperature=row.temperature,
            top_p=row.top_p,
            max_new_tokens=row.max_new_tokens,
            attempts=row.attempts,
            finish=row.finish,
            problem=row.problem,
        )


class SlateOut(Answer):
    """A slate with its responses."""

    id: int
    status: str
    places: int
    rankings: int
    prompt_id: int
    messages: list[dict[str, str]]
    responses: list[ResponseOut]

    @classmethod
    def of(cls, row: SlateView) -> Self:
        """The answer for one slate."""
        return cls(
            id=row.id,
            status=row.status,
            places=row.places,
            rankings=row.rankings,
            prompt_id=row.prompt_id,
            messages=row.messages,
            responses=[ResponseOut.of(response) for response in row.responses],
        )


class RoundWithSlates(Answer):
    """A round with a page of its slates; `next` is what `after` must be for the following page."""

    round: RoundOut
    slates: list[SlateOut]
    next: int | None
