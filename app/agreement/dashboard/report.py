"""The dashboard as it may be shown: pure, from what was measured."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

from app.agreement.behaviour.alerts import Signal, alert_of
from app.agreement.behaviour.assistance import Assistance
from app.agreement.behaviour.diagnostics import NO_DIAGNOSIS
from app.agreement.behaviour.drift import Drift
from app.agreement.dashboard.assistance import ShownAssistance, shown_assistance
from app.agreement.dashboard.correlation import (
    NamedDiagnostics,
    RankCorrelation,
    rank_correlation,
)
from app.agreement.dashboard.overview import Overview
from app.agreement.dashboard.progress import Eta, Tasks, eta_of
from app.agreement.dashboard.watch import Watch, counted, watch_of
from app.agreement.labelers.diagnosis import ShownDiagnosis, shown_diagnosis
from app.agreement.labelers.facts import conflicts, ties
from app.agreement.metrics.estimates import Estimate, Measured, shown
from app.agreement.report import NO_CHANCE, Headline, LabelerAgreement, PairAgreement, Report
from app.projects.flags import Scope
from app.web.translation import gettext

DriftState = Literal["stable", "down"]
Column = Literal[
    "labeler",
    "rankings",
    "agreement",
    "leave_one_out",
    "gold",
    "ties",
    "conflicts",
    "position",
    "pace",
    "drift",
]
COLUMNS: tuple[Column, ...] = get_args(Column)

# An average that differs by more from the headline says that some prompts or labelers tilt it.
MAX_MACRO_GAP = 0.03
# A table of as many cells as labelers squared would be read by nobody.
MOST_IN_HEAT_MAP = 60
# So few fit a screen, even if all they have is "not enough data".
FEW_IN_HEAT_MAP = 12
NO_BLOCK = "not defined: no response was rated by all labelers"
NO_FLAG = "not defined: nobody set this flag"


@dataclass(frozen=True)
class FlagRow:
    """Agreement on one flag."""

    key: str
    label: str
    scope: Scope
    raw: Estimate
    positive: Estimate
    ac1: Estimate


@dataclass(frozen=True)
class LabelerRow:
    """A labeler's numbers; nothing of them is a verdict.

    Attributes:
        labeler: pseudonym.
        rankings: how many labels.
        strict: with the others.
        leave_one_out: with the sign of the others' sum.
        gold: on pairs with a known answer.
        ties: share of tied pairs.
        conflicts: pairs ranked against their ratings.
        position: the effect of the place, in standard errors.
        pace: words per minute, median of the tasks.
        drift: CUSUM of the agreement with the others, of which `drift_state` makes a word.
        drift_state: whether it is above its alarm height; None before there is enough.
        fired: the signals that went off.
        diagnosis: what models of labelers say; in no signal.
    """

    labeler: str
    rankings: int
    strict: Estimate
    leave_one_out: Estimate
    gold: Estimate
    ties: Estimate
    conflicts: Estimate
    position: Estimate
    pace: Estimate
    drift: Estimate
    drift_state: DriftState | None
    fired: frozenset[str]
    diagnosis: ShownDiagnosis


@dataclass(frozen=True)
class AlertRow:
    """A labeler of whom two independent signals went off, with these."""

    labeler: str
    signals: tuple[Signal, ...]


@dataclass(frozen=True)
class HeatMap:
    """Who is in the table of labelers by labelers, and who is named below it."""

    shown: list[str]
    folded: list[str]
    cells: dict[tuple[str, str], Estimate]


@dataclass(frozen=True)
class Dashboard:
    """Everything on the dashboard that is not in the report.

    Attributes:
        tasks: what there is to do, and what came of it.
        eta: when nothing is left to do; None when nothing is.
        ranked: prompts with a ranking.
        doubly_ranked: prompts whose random overlap has two.
        correlation: of whole rankings.
        headline_labelers: how many labelers the headline is of.
        macro_gap: how far the averages lie apart where that is a finding; else None.
        ac2: of the ratings.
        icc2: of the responses that all labelers rated.
        icc2k: of the mean of all labelers' ratings.
        block_labelers: how many those are.
        gold: of all labelers.
        researchers: labelers with researchers.
        among_researchers: researchers with each other.
        flags: in the project's order.
        heat_map: labeler by labeler.
        labelers: by pseudonym.
        alerts: by pseudonym.
        watch: over time.
        assistance: of ranks filled from ratings in half of the tasks; None without such.
    """

    tasks: Tasks
    eta: Eta | None
    ranked: int
    doubly_ranked: int
    headline_labelers: int
    correlation: RankCorrelation
    macro_gap: float | None
    ac2: Estimate
    icc2: Estimate
    icc2k: float | None
    block_labelers: int
    gold: Estimate
    researchers: Estimate
    among_researchers: Estimate
    flags: list[FlagRow]
    heat_map: HeatMap
    labelers: list[LabelerRow]
    alerts: list[AlertRow]
    watch: Watch
    assistance: ShownAssistance | None


def dashboard_of(
    overview: Overview,
    report: Report,
    *,
    diagnostics: NamedDiagnostics,
    tasks: Tasks,
    flags: Sequence[tuple[str, str, Scope]],
    name_of: Callable[[int], str],
    counts_conflicts: bool,
    assistance: Assistance | None,
) -> Dashboard:
    """What may be shown, in the language of the request.

    Args:
        overview: the numbers.
        report: of the same slice.
        diagnostics: of the same slice.
        tasks: counted.
        flags: key, label and scope of each flag, in the order of their bits.
        name_of: the pseudonym of a user.
        counts_conflicts: whether the project says which ratings contradict an order.
        assistance: the experiment with filled ranks, where there was one.
    """
    block = overview.block
    icc2 = shown("ratings_card", block.icc2, low=-1.0, undefined=NO_CHANCE)
    if block.icc2.units == 0:
        icc2 = Estimate(None, None, None, 0, 0, "not_enough_data", gettext(NO_BLOCK))
    users = {name_of(user): user for user in overview.evidence}
    of_report = {row.labeler: row for row in report.labelers}
    alerts = {name: alert_of(overview.signals[user]) for name, user in users.items()}
    return Dashboard(
        tasks=tasks,
        eta=eta_of(tasks),
        ranked=overview.ranked,
        doubly_ranked=overview.doubly_ranked,
        headline_labelers=overview.labelers,
        correlation=rank_correlation(overview, diagnostics),
        macro_gap=_macro_gap(report.strict),
        ac2=shown("ratings_card", overview.ac2, low=-1.0, undefined=NO_CHANCE),
        icc2=icc2,
        icc2k=None if icc2.value is None else block.icc2k,
        block_labelers=block.labelers,
        gold=shown("gold", overview.gold),
        researchers=shown("researchers", overview.researchers),
        among_researchers=shown("researchers", overview.among_researchers),
        flags=_flags(overview, flags),
        heat_map=heat_map(report.labelers, report.pairs),
        labelers=[
            _labeler(
                name,
                of_report.get(name),
                overview,
                users[name],
                diagnosis=shown_diagnosis(diagnostics.labelers.get(name, NO_DIAGNOSIS)),
                counts_conflicts=counts_conflicts,
            )
            for name in sorted(users)
        ],
        alerts=[AlertRow(name, alert.signals) for name, alert in sorted(alerts.items()) if alert],
        watch=watch_of(overview, tasks),
        assistance=None if assistance is None else shown_assistance(assistance),
    )


def _macro_gap(strict: Headline) -> float | None:
    """The widest gap between the averages, if it is a finding: never of a provisional number."""
    value, others = strict.estimate.value, (strict.macro_prompt, strict.macro_labeler_pair)
    if value is None or strict.estimate.status != "ok":
        return None
    gap = max((abs(one.value - value) for one in others if one.value is not None), default=0.0)
    return gap if gap > MAX_MACRO_GAP else None


def _flags(overview: Overview, flags: Sequence[tuple[str, str, Scope]]) -> list[FlagRow]:
    return [
        FlagRow(
            *named,
            raw=_flag(found.raw),
            positive=_flag(found.positive),
            ac1=_flag(found.ac1, low=-1.0),
        )
        for named, found in zip(flags, overview.flags, strict=True)
    ]


def _flag(measured: Measured, *, low: float = 0.0) -> Estimate:
    if measured.units == 0:
        return Estimate(None, None, None, 0, 0, "not_enough_data", gettext(NO_FLAG))
    return shown("agreement_card", measured, low=low, undefined=NO_FLAG)


def _labeler(
    name: str,
    row: LabelerAgreement | None,
    overview: Overview,
    user: int,
    *,
    diagnosis: ShownDiagnosis,
    counts_conflicts: bool,
) -> LabelerRow:
    own = overview.evidence[user]
    signals = {signal.key: signal for signal in overview.signals[user]}
    nothing = shown("labeler", own.repeats)
    return LabelerRow(
        labeler=name,
        rankings=row.rankings if row else 0,
        strict=row.strict if row else nothing,
        leave_one_out=row.leave_one_out if row else nothing,
        gold=shown("gold", own.gold),
        ties=ties(own.told_ties),
        conflicts=conflicts(own.told_conflicts, are_counted=counts_conflicts),
        position=counted(own.position.z, own.position.rankings),
        pace=counted(own.pace.median_wpm, own.pace.tasks),
        drift=_drift(own.drift, signals["drift"]),
        drift_state=_drift_state(own.drift, signals["drift"]),
        fired=frozenset(key for key, signal in signals.items() if signal.is_fired),
        diagnosis=diagnosis,
    )


def _drift(drift: Drift, signal: Signal) -> Estimate:
    n = drift.prompts
    if signal.lack is not None:
        return Estimate(None, None, None, n, n, "not_enough_data", str(signal.lack))
    return Estimate(drift.cusum, None, None, n, n, "ok", None)


def _drift_state(drift: Drift, signal: Signal) -> DriftState | None:
    if signal.lack is not None:
        return None
    return "down" if drift.is_alarming else "stable"


def heat_map(labelers: Sequence[LabelerAgreement], pairs: Sequence[PairAgreement]) -> HeatMap:
    """Those who have a number with somebody; few labelers all, very many the busiest of them."""
    cells = {pair.labelers: pair.strict for pair in pairs}
    known = {name for both, cell in cells.items() if cell.value is not None for name in both}
    cells |= {(second, first): cell for (first, second), cell in cells.items()}
    names = sorted(row.labeler for row in labelers)
    if len(names) <= FEW_IN_HEAT_MAP:
        known = set(names) if cells else set()
    by_share = sorted(
        (row for row in labelers if row.labeler in known),
        key=lambda row: (-row.strict.prompts, row.labeler),
    )
    in_table = {row.labeler for row in by_share[:MOST_IN_HEAT_MAP]}
    return HeatMap(
        shown=sorted(in_table),
        folded=[name for name in names if name not in in_table] if cells else [],
        cells=cells,
    )


VALUES: Mapping[Column, Callable[[LabelerRow], float | None]] = {
    "rankings": lambda row: row.rankings,
    "agreement": lambda row: row.strict.value,
    "leave_one_out": lambda row: row.leave_one_out.value,
    "gold": lambda row: row.gold.value,
    "ties": lambda row: row.ties.value,
    "conflicts": lambda row: row.conflicts.value,
    "position": lambda row: row.position.value,
    "pace": lambda row: row.pace.value,
    "drift": lambda row: row.drift.value,
}


def sorted_rows(rows: Sequence[LabelerRow], column: Column, *, down: bool) -> list[LabelerRow]:
    """The rows by one column; those without a number always come last, by pseudonym."""
    if column == "labeler":
        return sorted(rows, key=lambda row: row.labeler, reverse=down)
    value = VALUES[column]
    known = [(value(row), row) for row in sorted(rows, key=lambda row: row.labeler)]
    have = [(number, row) for number, row in known if number is not None]
    have.sort(key=lambda pair: -pair[0] if down else pair[0])
    return [row for _, row in have] + [row for number, row in known if number is None]
