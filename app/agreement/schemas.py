"""Shapes of the agreement call. What is undefined or hidden is null, with a reason."""

from typing import Annotated, Literal

from pydantic import Field

from app.agreement.estimates import Estimate, Method, Status
from app.agreement.queries import ProjectAgreement
from app.agreement.report import Headline
from app.agreement.slices import Slice
from app.web.query_params import Parameters
from app.web.schemas import Answer, Body, Line, LongText, PathId


class AgreementParameters(Parameters):
    """Query parameters of the call."""

    round: PathId | None = Field(None, description="number of a round; none: the whole project")
    baseline: Line | None = Field(None, description="model that win rates are over; none: SFT")

    @property
    def slice(self) -> Slice:
        """What is asked for."""
        return Slice(round=self.round)


class PageParameters(Parameters):
    """Query parameters of the page; its form sends empty ones for "all" and "default"."""

    round: PathId | Literal[""] = ""
    baseline: Line | Literal[""] = ""

    @property
    def slice(self) -> Slice:
        """The chosen round, or all."""
        return Slice(round=self.round or None)


class EstimateOut(Answer):
    """A number with its uncertainty; `ci95` is a t interval with prompts as clusters."""

    value: float | None
    se: float | None
    ci95: tuple[float, float] | None
    units: int
    prompts: int
    status: Status
    reason: str | None
    interval: Method | None


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


class AgreementOut(Answer):
    """Agreement in a project or round."""

    round: int | None
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


def agreement_out(found: ProjectAgreement) -> AgreementOut:
    """The call's answer; labelers appear by pseudonym only."""
    report = found.report
    return AgreementOut(
        round=found.slice.round,
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
