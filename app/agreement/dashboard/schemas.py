"""Shapes of what the dashboard adds to the agreement call. Undefined is null, with a reason."""

from datetime import datetime
from typing import Annotated, Literal

from pydantic import Field

from app.agreement.behaviour.alert_rules import Family, Key
from app.agreement.dashboard.assistance import ShownAssistance
from app.agreement.dashboard.report import Dashboard, DriftState, LabelerRow
from app.agreement.estimate_schemas import EstimateOut, estimate_out
from app.agreement.labelers.diagnosis import DiagnosisOut, diagnosis_out
from app.labeling.assistance import Arm
from app.projects.flags import Scope
from app.web.schemas import Answer


class ProgressOut(Answer):
    """How much there is to label and how much of it is done."""

    prompts: Annotated[int, Field(description="prompts that can be ranked")]
    ranked: Annotated[int, Field(description="prompts with a ranking")]
    doubly_ranked: Annotated[int, Field(description="prompts whose random overlap has two")]
    labelers: Annotated[int, Field(description="labelers in the numbers at the top")]
    tasks_done: int
    tasks_skipped: int
    tasks_left: int
    eta: Annotated[datetime | None, Field(description="at the pace of the last 7 days at most")]
    eta_reason: str | None


class RatingsOut(Answer):
    """Agreement of ratings beside alpha; the block is what all labelers rated."""

    ac2: EstimateOut
    icc2: EstimateOut
    icc2k: float | None
    block_labelers: int


class ReferencesOut(Answer):
    """Labelers against known answers and against researchers."""

    gold: EstimateOut
    researchers: EstimateOut
    among_researchers: EstimateOut


class FlagOut(Answer):
    """Agreement on one flag."""

    key: str
    label: str
    scope: Annotated[Scope, Field(description="what it is said of, and what its units are")]
    raw: EstimateOut
    positive: EstimateOut
    ac1: EstimateOut


class RankCorrelationOut(Answer):
    """Correlation of whole rankings, whichever pairs of responses the slice has."""

    tau_b: Annotated[EstimateOut, Field(description="of the two labels of the headline")]
    kendall_w: Annotated[EstimateOut, Field(description="of slates with three labels or more")]
    mean_spearman: Annotated[
        EstimateOut, Field(description="(m W - 1) / (m - 1): chance is 0, while that of W is 1 / m")
    ]


class LabelerQualityOut(Answer):
    """A labeler's numbers; none of them is a verdict."""

    labeler: str
    gold: EstimateOut
    ties: Annotated[EstimateOut, Field(description="`prompts` counts rankings")]
    conflicts: Annotated[EstimateOut, Field(description="`prompts` counts rankings")]
    position_z: EstimateOut
    words_per_minute: EstimateOut
    drift: EstimateOut
    drift_state: DriftState | None
    diagnostics: DiagnosisOut
    fired: Annotated[list[str], Field(description="signals that went off; one is no reason")]


class SignalOut(Answer):
    """A signal that went off: its value is beyond its limit."""

    key: Key
    family: Family
    n: int
    value: float | None
    limit: float | None


class AlertOut(Answer):
    """A labeler of whom signals of at least two families went off."""

    labeler: str
    signals: list[SignalOut]


class RoundTiesOut(EstimateOut):
    """Share of tied pairs in a round."""

    round: int


class FirstIsBestOut(Answer):
    """How often the response shown first is the best, beside what chance gives."""

    rankings: int
    share: float | None
    chance: float | None
    z: Annotated[float | None, Field(description="Kendall's S of ranks against places, in SE")]
    reason: str | None


class AnchorsOut(Answer):
    """Wins of other models over the SFT model in anchors; `prompts` count rankings."""

    model: Annotated[str | None, Field(description="the SFT model")]
    lately: EstimateOut
    before: EstimateOut
    z: Annotated[float | None, Field(description="of the change within slates")]
    is_drifting: Annotated[bool | None, Field(description="z beyond 3")]
    reason: Annotated[str | None, Field(description="why the change is not known")]


class WatchOut(Answer):
    """What is worth watching over time."""

    anchors: AnchorsOut
    ties: list[RoundTiesOut]
    longer_wins: EstimateOut
    first_is_best: FirstIsBestOut
    skipped: EstimateOut


class HeatMapOut(Answer):
    """Who the page's table of labelers by labelers shows; its cells are `pairs`."""

    shown: list[str]
    folded: list[str]


class ArmOut(Answer):
    """What came of the tasks with, or without, ranks filled from ratings."""

    arm: Arm
    rankings: int
    ties: Annotated[EstimateOut, Field(description="`prompts` counts rankings")]
    moves: Annotated[
        EstimateOut, Field(description="a mean; `units` counts rankings whose ranks were filled")
    ]
    agreement: Annotated[EstimateOut, Field(description="of two labelers of this arm")]


class AssistanceOut(Answer):
    """Ranks filled from ratings in half of the tasks by chance, beside the other half."""

    arms: list[ArmOut]
    across: Annotated[EstimateOut, Field(description="agreement of two labelers, one of each arm")]


class DashboardOut(Answer):
    """Everything else on the dashboard, of the round and tag of the slice."""

    labels: Literal["first two of the random overlap"] = "first two of the random overlap"
    progress: ProgressOut
    macro_gap: float | None
    ratings: RatingsOut
    references: ReferencesOut
    rank_correlation: RankCorrelationOut
    flags: list[FlagOut]
    heat_map: HeatMapOut
    labelers: list[LabelerQualityOut]
    alerts: list[AlertOut]
    watch: WatchOut
    rank_assist_experiment: AssistanceOut | None


def dashboard_out(found: Dashboard) -> DashboardOut:
    """The dashboard as JSON; labelers appear by pseudonym only."""
    watch = found.watch
    return DashboardOut(
        progress=ProgressOut(
            prompts=found.tasks.prompts,
            ranked=found.ranked,
            doubly_ranked=found.doubly_ranked,
            labelers=found.headline_labelers,
            tasks_done=found.tasks.done,
            tasks_skipped=found.tasks.skipped,
            tasks_left=found.tasks.left,
            eta=found.eta.at if found.eta else None,
            eta_reason=found.eta.reason if found.eta else None,
        ),
        macro_gap=found.macro_gap,
        ratings=RatingsOut(
            ac2=estimate_out(found.ac2),
            icc2=estimate_out(found.icc2),
            icc2k=found.icc2k,
            block_labelers=found.block_labelers,
        ),
        references=ReferencesOut(
            gold=estimate_out(found.gold),
            researchers=estimate_out(found.researchers),
            among_researchers=estimate_out(found.among_researchers),
        ),
        rank_correlation=RankCorrelationOut(
            tau_b=estimate_out(found.correlation.tau_b),
            kendall_w=estimate_out(found.correlation.kendall_w),
            mean_spearman=estimate_out(found.correlation.mean_spearman),
        ),
        flags=[
            FlagOut(
                key=flag.key,
                label=flag.label,
                scope=flag.scope,
                raw=estimate_out(flag.raw),
                positive=estimate_out(flag.positive),
                ac1=estimate_out(flag.ac1),
            )
            for flag in found.flags
        ],
        heat_map=HeatMapOut(shown=found.heat_map.shown, folded=found.heat_map.folded),
        labelers=[_labeler(row) for row in found.labelers],
        alerts=[
            AlertOut(
                labeler=alert.labeler,
                signals=[
                    SignalOut(
                        key=signal.key,
                        family=signal.family,
                        n=signal.n,
                        value=signal.value,
                        limit=signal.limit,
                    )
                    for signal in alert.signals
                ],
            )
            for alert in found.alerts
        ],
        watch=WatchOut(
            anchors=AnchorsOut(
                model=watch.anchors.model,
                lately=estimate_out(watch.anchors.lately),
                before=estimate_out(watch.anchors.before),
                z=watch.anchors.z,
                is_drifting=watch.anchors.is_drifting,
                reason=watch.anchors.reason,
            ),
            ties=[RoundTiesOut(round=number, **vars(ties)) for number, ties in watch.ties.items()],
            longer_wins=estimate_out(watch.longer_wins),
            first_is_best=FirstIsBestOut(
                **vars(watch.first_is_best), reason=watch.first_is_best.reason
            ),
            skipped=estimate_out(watch.skipped),
        ),
        rank_assist_experiment=None if found.assistance is None else _assistance(found.assistance),
    )


def _assistance(found: ShownAssistance) -> AssistanceOut:
    return AssistanceOut(
        arms=[
            ArmOut(
                arm=row.arm,
                rankings=row.rankings,
                ties=estimate_out(row.ties),
                moves=estimate_out(row.moves),
                agreement=estimate_out(row.agreement),
            )
            for row in found.arms
        ],
        across=estimate_out(found.across),
    )


def _labeler(row: LabelerRow) -> LabelerQualityOut:
    return LabelerQualityOut(
        labeler=row.labeler,
        gold=estimate_out(row.gold),
        ties=estimate_out(row.ties),
        conflicts=estimate_out(row.conflicts),
        position_z=estimate_out(row.position),
        words_per_minute=estimate_out(row.pace),
        drift=estimate_out(row.drift),
        drift_state=row.drift_state,
        diagnostics=diagnosis_out(row.diagnosis),
        fired=sorted(row.fired),
    )
