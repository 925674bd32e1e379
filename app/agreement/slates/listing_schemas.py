"""Shapes of the calls on slates that labelers are divided over; what is undefined says why."""

import re
from typing import Annotated, Any, Self

from pydantic import AfterValidator, Field, model_validator

from app.agreement.estimate_schemas import EstimateOut
from app.agreement.metrics.slices import Margin, Slice
from app.agreement.slates.cases import Case
from app.agreement.slates.choices import Asked
from app.agreement.slates.divided import BINS, Position
from app.agreement.slates.listing import FOR_W, DividedSlate, SlateList
from app.web.query_params import Parameters, WholeNumber
from app.web.schemas import Answer, Line, PathId
from app.web.translation import gettext


def _is_position(value: str) -> str:
    if not re.fullmatch(r"[0-9]{1,6}-[0-9]{1,6}-[1-9][0-9]{0,18}", value):
        raise ValueError("must be what a page gives as the next one")
    return value


class PromptParameters(Parameters):
    """Which slates are asked for; all that are given must hold."""

    round: PathId | None = Field(None, description="number of a round")
    tag: Line | None = Field(None, description="only prompts with this tag")
    language: Line | None = Field(None, description="only prompts with the tag lang:LANGUAGE")
    model_a: Line | None = Field(None, description="only pairs of a response of this model ...")
    model_b: Line | None = Field(None, description="... and one of this")
    margin: Margin | None = Field(None, description="only pairs whose ratings are so far apart")
    labeler: Line | None = Field(None, description="pseudonym: their agreement with all others ...")
    other_labeler: Line | None = Field(None, description="... or with this one alone")
    flag: Line | None = Field(None, description="key of a flag that somebody gave")
    split_on_severe: bool = Field(
        default=False,
        description="some gave a response, or the whole task, a severe flag, and others did not",
    )
    tenth: Annotated[WholeNumber, Field(ge=0, lt=BINS)] | None = Field(
        None, description="of agreement: 0 is below 10%, 9 is 90% and more"
    )
    case: Case | None = Field(
        None,
        description="slates behind a number of the watch list, also those with one label: where "
        "the longer response wins more than half of the pairs, where somebody thinks the response "
        "they saw first best, or anchors",
    )
    headline: bool = Field(default=False, description="only what the headline counts")
    excluded: bool = Field(
        default=False, description="what is excluded, with the numbers that it would have"
    )
    after: Annotated[str, AfterValidator(_is_position)] | None = Field(
        None, description="`next` of the page before"
    )

    @model_validator(mode="after")
    def _together(self) -> Self:
        if (self.model_a is None) != (self.model_b is None):
            raise ValueError("model_a and model_b go together")
        if self.other_labeler is not None and self.labeler in {None, self.other_labeler}:
            raise ValueError("labeler and other_labeler are two")
        return self

    @property
    def asked(self) -> Asked:
        """What is asked for."""
        models = (self.model_a, self.model_b) if self.model_a and self.model_b else None
        return Asked(
            slice=Slice(
                round=self.round,
                tag=self.tag,
                language=self.language,
                models=models,
                margin=self.margin,
            ),
            labelers=tuple(name for name in (self.labeler, self.other_labeler) if name),
            flag=self.flag,
            is_split_on_severe=self.split_on_severe,
            bin=self.tenth,
            case=self.case,
            is_headline=self.headline,
            is_excluded=self.excluded,
        )

    @property
    def position(self) -> Position | None:
        """Behind which slate the page starts."""
        return None if self.after is None else Position.of(*map(int, self.after.split("-")))


class PromptPageParameters(PromptParameters):
    """The same for the page, whose form sends empty ones for "all"."""

    @model_validator(mode="before")
    @classmethod
    def _without_empty(cls, given: Any) -> Any:  # noqa: ANN401 whatever was sent
        if not isinstance(given, dict):
            return given
        kept = {name: value for name, value in given.items() if value != ""}
        if "labeler" not in kept and "other_labeler" in kept:
            kept["labeler"] = kept.pop("other_labeler")
        return kept


class Value(Answer):
    """A number; null with the reason where it is not defined."""

    value: float | None
    reason: str | None


def agreement_value(value: float | None, labels: int) -> Value:
    """The agreement of one slate."""
    reason = None
    if labels < 2:  # noqa: PLR2004 two can agree
        reason = gettext("it takes two labelers")
    elif value is None:
        reason = gettext("every pair is tied by one of the labelers")
    return Value(value=value, reason=reason)


def w_value(value: float | None, labels: int) -> Value:
    """Kendall's W of one slate."""
    reason = None
    if labels < FOR_W:
        reason = gettext("it takes three labelers")
    elif value is None:
        reason = gettext("everybody ties everything that all have judged")
    return Value(value=value, reason=reason)


class DividedSlateOut(Answer):
    """A slate with how far its labelers agree; letters are those of the responses' positions."""

    slate: int
    round: int
    prompt: str
    start: str
    labels: int
    agreement: Value
    alike: Annotated[int, Field(description="of the units")]
    units: int
    w: Value
    consensus: Annotated[str, Field(description="by mean mid-rank")]
    pair: Annotated[str | None, Field(description="the two that divide most labelers, as a-c")]
    is_excluded: bool
    is_escalated: bool
    is_gold: bool
    is_anchor: bool


class TagAgreementOut(EstimateOut):
    """The agreement over the prompts of one tag."""

    tag: str
    slates: int


class TenthOut(Answer):
    """How many slates have an agreement from `low` to below `high`; 1 is in the last."""

    low: float
    high: float
    slates: int


class PromptsOut(Answer):
    """Slates with two or more labels, the least agreement first; of the excluded ones all."""

    slates: int
    undefined: Annotated[int, Field(description="slates where every pair is tied by somebody")]
    strict: EstimateOut
    histogram: list[TenthOut]
    tags: list[TagAgreementOut]
    prompts: list[DividedSlateOut]
    unranked: Annotated[
        list[int], Field(description="excluded slates without a label, newest first")
    ]
    next: Annotated[str | None, Field(description="`after` of the next page")]


def prompts_out(found: SlateList) -> PromptsOut:
    """The answer of the list; labelers appear in it nowhere."""
    return PromptsOut(
        slates=found.slates,
        undefined=found.undefined,
        strict=EstimateOut(**vars(found.strict)),
        histogram=[
            TenthOut(low=i / BINS, high=(i + 1) / BINS, slates=count)
            for i, count in enumerate(found.histogram)
        ],
        tags=[
            TagAgreementOut(tag=row.tag, slates=row.slates, **vars(row.strict))
            for row in found.tags
        ],
        prompts=[_slate(row) for row in found.rows],
        unranked=found.unranked,
        next=found.next_after,
    )


def _slate(row: DividedSlate) -> DividedSlateOut:
    return DividedSlateOut(
        slate=row.id,
        round=row.round,
        prompt=row.prompt_id,
        start=row.start,
        labels=row.labels,
        agreement=agreement_value(row.agreement, row.labels),
        alike=row.alike,
        units=row.units,
        w=w_value(row.w, row.labels),
        consensus=row.consensus,
        pair=row.pair,
        is_excluded=row.is_excluded,
        is_escalated=row.is_escalated,
        is_gold=row.is_gold,
        is_anchor=row.is_anchor,
    )
