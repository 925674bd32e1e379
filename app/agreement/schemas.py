"""Shapes of the agreement call. What is undefined or hidden is null, with a reason."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from app.agreement.definitions import definitions
from app.agreement.estimates import Estimate, Method, Status
from app.agreement.queries import BootstrapState, ProjectAgreement
from app.agreement.report import Headline
from app.agreement.slices import Margin, Slice
from app.web.query_params import Parameters
from app.web.schemas import Answer, Body, Line, LongText, PathId


class AgreementParameters(Parameters):
    """Query parameters of the call."""

    round: PathId | None = Field(None, description="number of a round; none: the whole project")
    baseline: Line | None = Field(None, description="model that win rates are over; none: SFT")

    tag: Line | None = Field(None, description="only prompts with this tag")
    model_a: Line | None = Field(None, description="only pairs of a response of this model ...")
    model_b: Line | None = Field(None, description="... and one of this")
    margin: Margin | None = Field(None, description="only pairs whose ratings are so far apart")

    @model_validator(mode="after")
    def _two_models(self) -> Self:
        if (self.model_a is None) != (self.model_b is None):
            raise ValueError("model_a and model_b go together")
        return self

    @property
    def slice(self) -> Slice:
        """What is asked for."""
        models = (self.model_a, self.model_b) if self.model_a and self.model_b else None
        return Slice(round=self.round, tag=self.tag, models=models, margin=self.margin)


class PageParameters(Parameters):
    """Query parameters of the page; its form sends empty ones for "all" and "default"."""

    round: PathId | Literal[""] = ""
    baseline: Line | Literal[""] = ""

    @property
    def slice(self) -> Slice:
        """The chosen round, or all."""
        return Slice(round=self.round or None)


class EstimateOut(Answer):
    """A number with its uncertainty, and how `ci95` was computed: `t` or `bootstrap`."""

    value: float | None
    se: float | None
    ci95: tuple[float, float] | None
    units: int
    prompts: int
    status: Status
    reason: str | None
    interval: Annotated[
        Method | None, Field(description="t: of the clustered error; bootstrap: percentiles")
    ]


class HeadlineOut(EstimateOut):
    """Agreement by one rule, also averaged over prompts and over pairs of labelers."""

    macro_prompt: float | None
    macro_labeler_pair: float | None


class LabelerOut(EstimateOut):
    """Strict agreement of a labeler with the others."""

    labeler: str
    rankings: int
    leave_one_out: EstimateOut


class PairOut(EstimateOut):
    """Strict agreement of two labelers."""

    labelers: Annotated[tuple[str, str], Field(description="pseudonyms")]


class WinRateOut(Answer):
    """How often a model's responses are ranked above the baseline's; a tie is half a win."""

    model: str
    baseline: str
    value: float | None
    se: float | None
    ci95: tuple[float, float] | None
    n: Annotated[int, Field(description="pairs of responses compared")]
    prompts: int
    status: Status
    reason: str | None


class SliceOut(Answer):
    """What the numbers are of; null is everything."""

    round: int | None
    tag: str | None
    models: tuple[str, str] | None
    margin: Margin | None


class AgreementOut(Answer):
    """Agreement in a project, or in a slice of it."""

    round: int | None
    slice: SliceOut
    label_version: Annotated[str, Field(description="the same for the same labels")]
    bootstrap: BootstrapState
    rankings: int
    strict: HeadlineOut
    half: HeadlineOut
    three_way: HeadlineOut
    alpha: EstimateOut
    ratings_alpha: EstimateOut
    tie_share: float | None
    labelers: list[LabelerOut]
    pairs: list[PairOut]
    baseline: str | None
    win_rates: list[WinRateOut]
    definitions: Annotated[dict[str, str], Field(description="what each number means")]


def agreement_out(found: ProjectAgreement) -> AgreementOut:
    """The call's answer; labelers appear by pseudonym only."""
    report = found.report
    return AgreementOut(
        round=found.slice.round,
        slice=SliceOut(**vars(found.slice)),
        label_version=found.label_version,
        bootstrap=found.bootstrap,
        definitions={name: words for name, (_, words) in definitions().items()},
        rankings=report.rankings,
        strict=_headline(report.strict),
        half=_headline(report.half),
        three_way=_headline(report.three_way),
        alpha=_estimate(report.alpha),
        ratings_alpha=_estimate(report.ratings_alpha),
        tie_share=report.tie_share,
        labelers=[
            LabelerOut(
                labeler=row.labeler,
                rankings=row.rankings,
                leave_one_out=_estimate(row.leave_one_out),
                **vars(row.strict),
            )
            for row in report.labelers
        ],
        pairs=[PairOut(labelers=row.labelers, **vars(row.strict)) for row in report.pairs],
        baseline=report.baseline,
        win_rates=[
            WinRateOut(
                model=row.model,
                baseline=row.baseline,
                value=row.estimate.value,
                se=row.estimate.se,
                ci95=row.estimate.ci95,
                n=row.estimate.units,
                prompts=row.estimate.prompts,
                status=row.estimate.status,
                reason=row.estimate.reason,
            )
            for row in report.win_rates
        ],
    )


def _estimate(estimate: Estimate) -> EstimateOut:
    return EstimateOut(**vars(estimate))


def _headline(headline: Headline) -> HeadlineOut:
    return HeadlineOut(
        macro_prompt=headline.macro_prompt,
        macro_labeler_pair=headline.macro_labeler_pair,
        **vars(headline.estimate),
    )


class RemarkIn(Body):
    """What a labeler or an admin says about a slate."""

    text: Annotated[LongText, Field(max_length=2000)]
