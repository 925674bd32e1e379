"""Shapes of the agreement call. What is undefined or hidden is null, with a reason."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from app.agreement.dashboard.queries import ProjectDashboard
from app.agreement.dashboard.report import Column
from app.agreement.dashboard.schemas import DashboardOut, dashboard_out
from app.agreement.definitions import definitions
from app.agreement.estimate_schemas import EstimateOut, estimate_out
from app.agreement.metrics.estimates import Status
from app.agreement.metrics.slices import Margin, Slice
from app.agreement.plan import Plan, Wish
from app.agreement.queries import BootstrapState
from app.agreement.report import Headline
from app.web.query_params import Parameters, WholeNumber
from app.web.schemas import Answer, Line, PathId


class AgreementParameters(Parameters):
    """Query parameters of the call."""

    round: PathId | None = Field(None, description="number of a round; none: the whole project")
    baseline: Line | None = Field(None, description="model that win rates are over; none: SFT")

    tag: Line | None = Field(None, description="only prompts with this tag")
    language: Line | None = Field(None, description="only prompts with the tag lang:LANGUAGE")
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
        return Slice(
            round=self.round,
            tag=self.tag,
            language=self.language,
            models=models,
            margin=self.margin,
        )


class PageParameters(Parameters):
    """Query parameters of the page; its form sends empty ones for "all" and "default"."""

    round: PathId | Literal[""] = ""
    tag: Line | Literal[""] = ""
    language: Line | Literal[""] = ""
    model_a: Line | Literal[""] = ""
    model_b: Line | Literal[""] = ""
    margin: Margin | Literal[""] = ""
    baseline: Line | Literal[""] = ""
    sort: Column = "labeler"
    order: Literal["up", "down"] = "up"

    @property
    def slice(self) -> Slice:
        """What was chosen; one model alone makes no pairs."""
        models = (self.model_a, self.model_b) if self.model_a and self.model_b else None
        return Slice(
            round=self.round or None,
            tag=self.tag or None,
            language=self.language or None,
            models=models,
            margin=self.margin or None,
        )

    @property
    def lacks_a_model(self) -> bool:
        """Whether one model was chosen and the other was not."""
        return bool(self.model_a) != bool(self.model_b)

    @property
    def chosen(self) -> dict[str, str]:
        """All that is not left at its default, but for the order of the table: for links."""
        names = ("round", "tag", "language", "model_a", "model_b", "margin", "baseline")
        return {name: str(value) for name in names if (value := getattr(self, name))}


class PlanParameters(Parameters):
    """Query parameters of the planner."""

    round: PathId | None = Field(None, description="number of a round; none: no one in particular")
    responses: Annotated[WholeNumber, Field(ge=2, le=9)] | None = Field(
        None, description="per prompt; none: as many as the round has"
    )
    half_width: float = Field(
        1.5, ge=0.1, le=25, allow_inf_nan=False, description="what is wanted, in points"
    )

    @property
    def wish(self) -> Wish:
        """What is asked for."""
        return Wish(self.round, self.responses, target=self.half_width / 100)


class ResponsesPlanOut(Answer):
    """Prompts to rank twice with so many responses each, of simulated labelers."""

    responses: int
    prompts_for_se: int
    prompts_for_half_width: int


class RoundPlanOut(Answer):
    """What a round gives; null without a prompt to be ranked twice."""

    number: int
    prompts: int
    planned: Annotated[int, Field(description="prompts drawn to be ranked by two")]
    done: Annotated[int, Field(description="prompts ranked by two")]
    se: float | None
    half_width: float | None


class PlanOut(Answer):
    """How many doubly ranked prompts a wanted precision takes; errors are shares."""

    responses: int
    target: float
    sd: Annotated[float, Field(description="standard deviation of a prompt's agreement")]
    own_prompts: Annotated[int, Field(description="that it was measured on; 0: simulated")]
    prompts_for_se: int
    prompts_for_half_width: int
    by_responses: list[ResponsesPlanOut]
    round: RoundPlanOut | None


def plan_out(plan: Plan) -> PlanOut:
    """The planner's answer."""
    return PlanOut(
        responses=plan.responses,
        target=plan.target,
        sd=plan.spread.sd,
        own_prompts=plan.spread.prompts,
        prompts_for_se=plan.for_se,
        prompts_for_half_width=plan.for_interval,
        by_responses=[
            ResponsesPlanOut(
                responses=responses, prompts_for_se=for_se, prompts_for_half_width=for_interval
            )
            for responses, (for_se, for_interval) in plan.by_responses.items()
        ],
        round=RoundPlanOut(**vars(plan.round)) if plan.round else None,
    )


class HeadlineOut(EstimateOut):
    """Agreement by one rule, also averaged over prompts and over pairs of labelers."""

    macro_prompt: float | None
    macro_prompt_se: float | None
    macro_prompt_ci95: tuple[float, float] | None
    macro_labeler_pair: float | None
    macro_labeler_pair_se: float | None
    macro_labeler_pair_ci95: tuple[float, float] | None


class LabelerOut(EstimateOut):
    """Strict agreement of a labeler with the others."""

    labeler: str
    rankings: int
    leave_one_out: EstimateOut


class PairOut(EstimateOut):
    """Strict agreement of two labelers."""

    labelers: Annotated[tuple[str, str], Field(description="pseudonyms")]
    tau_b: Annotated[EstimateOut, Field(description="of whole rankings, mean over prompts")]


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
    language: str | None
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
    dashboard: DashboardOut
    definitions: Annotated[dict[str, str], Field(description="what each number means")]


def agreement_out(shown: ProjectDashboard) -> AgreementOut:
    """The call's answer; labelers appear by pseudonym only."""
    found = shown.agreement
    report = found.report
    return AgreementOut(
        round=found.slice.round,
        slice=SliceOut(**vars(found.slice)),
        label_version=found.label_version,
        bootstrap=found.bootstrap,
        dashboard=dashboard_out(shown.dashboard),
        definitions={name: one.words for name, one in definitions().items()},
        rankings=report.rankings,
        strict=_headline(report.strict),
        half=_headline(report.half),
        three_way=_headline(report.three_way),
        alpha=estimate_out(report.alpha),
        ratings_alpha=estimate_out(report.ratings_alpha),
        tie_share=report.tie_share,
        labelers=[
            LabelerOut(
                labeler=row.labeler,
                rankings=row.rankings,
                leave_one_out=estimate_out(row.leave_one_out),
                **vars(row.strict),
            )
            for row in report.labelers
        ],
        pairs=[
            PairOut(
                labelers=row.labelers,
                tau_b=estimate_out(shown.dashboard.correlation.of_two(row.labelers)),
                **vars(row.strict),
            )
            for row in report.pairs
        ],
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


def _headline(headline: Headline) -> HeadlineOut:
    return HeadlineOut(
        macro_prompt=headline.macro_prompt.value,
        macro_prompt_se=headline.macro_prompt.se,
        macro_prompt_ci95=headline.macro_prompt.ci95,
        macro_labeler_pair=headline.macro_labeler_pair.value,
        macro_labeler_pair_se=headline.macro_labeler_pair.se,
        macro_labeler_pair_ci95=headline.macro_labeler_pair.ci95,
        **vars(headline.estimate),
    )
