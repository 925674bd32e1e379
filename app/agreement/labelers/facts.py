"""What may be shown of one labeler's work: pure, the same for admins and for the labeler.

Only checks are told to admins alone: how many there were would tell which tasks they are.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from app.agreement.behaviour.alerts import Alert, Signal, alert_of
from app.agreement.behaviour.drift import Drift
from app.agreement.behaviour.effort import DisplayOrder, Pace, Ratings
from app.agreement.behaviour.evidence import Evidence
from app.agreement.behaviour.position_bias import PositionTest
from app.agreement.behaviour.references import wilson_95
from app.agreement.metrics.estimates import LIMITS, Estimate, Kind, Measured, Status, shown
from app.agreement.metrics.measures import NOTHING, LabelerMeasures
from app.agreement.report import NO_CONSENSUS, NO_PREFERENCE
from app.web.translation import gettext

LIMIT = LIMITS["labeler"]
NO_PAIRS = "not defined: there is no such pair"
NO_CONFLICTS = "not counted in this project"
# What is too little, and what is still provisional.
TASKS = (
    "not enough data: %(count)s of %(least)s tasks",
    "provisional: %(count)s of %(least)s tasks",
)
TIMED = (
    "not enough data: %(count)s of %(least)s timed tasks",
    "provisional: %(count)s of %(least)s timed tasks",
)
RATED = (
    "not enough data: %(count)s of %(least)s ratings",
    "provisional: %(count)s of %(least)s ratings",
)
NO_MEASURES = LabelerMeasures(0, NOTHING, NOTHING)
NO_EVIDENCE = Evidence(
    consensus=NOTHING,
    drift=Drift(0, None, None, None, None),
    researchers=NOTHING,
    gold=NOTHING,
    gold_before=NOTHING,
    gold_lately=NOTHING,
    repeats=NOTHING,
    conflicts=NOTHING,
    ties=NOTHING,
    told_conflicts=NOTHING,
    told_ties=NOTHING,
    opened=NOTHING,
    position=PositionTest(0, 0.0, 0),
    best=[],
    display=DisplayOrder(0, 0, 0.0, None),
    pace=Pace(0, None, 0, 0),
    ratings=Ratings(0, None, None),
)


@dataclass(frozen=True)
class Number:
    """A number that is no share of pairs; hidden (None) with a `reason` while `n` is too small."""

    value: float | None
    n: int
    status: Status
    reason: str | None


@dataclass(frozen=True)
class Checks:
    """What is told to admins alone: how a labeler did where the answer is known."""

    gold: Estimate
    """The interval is Wilson's."""
    researchers: Estimate
    repeats: Estimate
    signals: list[Signal]
    alert: Alert | None

    @property
    def fired(self) -> list[Signal]:
        """The signals that went off, whether or not they make an alert."""
        return [signal for signal in self.signals if signal.is_fired]


@dataclass(frozen=True)
class LabelerFacts:
    """A labeler's work.

    Attributes:
        rankings: how many there are, checks left out.
        agreement: strict, with the others.
        leave_one_out: with the sign of the others' sum.
        ties: share of tied pairs; here and in the next, `prompts` counts rankings. A prompt that
            comes again would show itself as a check where the labeler saw prompts counted.
        conflicts: pairs ranked against ratings, of those rated far enough apart.
        position: Kendall's S of ranks against places, in standard errors.
        wpm: median words per minute; a word is six characters.
        too_fast: share of tasks above 1,000 words per minute.
        modal_rating: share of the most frequent rating.
        rating_entropy: in units of its maximum.
        as_displayed: share of rankings that keep the displayed order.
        as_displayed_expected: the same by chance.
    """

    rankings: int
    agreement: Estimate
    leave_one_out: Estimate
    ties: Estimate
    conflicts: Estimate
    position: Number
    wpm: Number
    too_fast: Number
    modal_rating: Number
    rating_entropy: Number
    as_displayed: Number
    as_displayed_expected: float | None


def facts_of(
    measures: LabelerMeasures,
    evidence: Evidence,
    *,
    counts_conflicts: bool,
) -> LabelerFacts:
    """Decide what may be shown, by B.3's limits for one labeler.

    Args:
        measures: the labeler's agreement, as on the project's page.
        evidence: everything else.
        counts_conflicts: whether the project says which ratings contradict an order.
    """
    pace, ratings, display = evidence.pace, evidence.ratings, evidence.display
    as_displayed = _number(_over(display.as_displayed, display.rankings), display.rankings, TASKS)
    return LabelerFacts(
        rankings=measures.rankings,
        agreement=agreement(measures.strict),
        leave_one_out=with_the_others_sum(measures.leave_one_out),
        ties=ties(evidence.told_ties),
        conflicts=conflicts(evidence.told_conflicts, are_counted=counts_conflicts),
        position=_number(evidence.position.z, evidence.position.rankings, TASKS),
        wpm=_number(pace.median_wpm, pace.tasks, TIMED),
        too_fast=_number(_over(pace.too_fast, pace.tasks), pace.tasks, TIMED),
        modal_rating=_number(ratings.modal_share, ratings.count, RATED),
        rating_entropy=_number(ratings.entropy, ratings.count, RATED),
        as_displayed=as_displayed,
        as_displayed_expected=None
        if as_displayed.value is None
        else _over(display.expected, display.rankings),
    )


def checks_of(evidence: Evidence, signals: Sequence[Signal]) -> Checks:
    """How the labeler did where the answer is known, and what went off."""
    gold = shown("gold", evidence.gold, undefined=NO_PAIRS, bootstrap=wilson_95(evidence.gold))
    if gold.ci95 is not None:
        gold = replace(gold, interval="wilson")
    return Checks(
        gold=gold,
        researchers=_share("researchers", evidence.researchers),
        repeats=_share("repeats", evidence.repeats),
        signals=list(signals),
        alert=alert_of(signals),
    )


def ties(measured: Measured) -> Estimate:
    """What may be shown of tied pairs, measured with each ranking as a case of its own."""
    return _of_rankings(_share("own_work", measured))


def conflicts(measured: Measured, *, are_counted: bool) -> Estimate:
    """The same of pairs ranked against their ratings."""
    if not are_counted:
        return Estimate(None, None, None, 0, 0, "not_enough_data", gettext(NO_CONFLICTS))
    return _of_rankings(_share("own_work", measured))


def agreement(measured: Measured) -> Estimate:
    """What may be shown of a labeler's agreement with the others."""
    return _share("labeler", measured)


def with_the_others_sum(measured: Measured) -> Estimate:
    """What may be shown of a labeler's agreement with the sign of the others' sum."""
    return shown("labeler", measured, undefined=NO_CONSENSUS)


def _share(kind: Kind, measured: Measured) -> Estimate:
    undefined = NO_PREFERENCE if kind in {"labeler", "researchers"} else NO_PAIRS
    return shown(kind, measured, undefined=undefined)


def _of_rankings(estimate: Estimate) -> Estimate:
    """The same in words where `prompts` counts rankings."""
    missing, provisional = TASKS
    count = estimate.prompts
    if 0 < count < LIMIT.prompts:
        return replace(estimate, reason=gettext(missing, count=count, least=LIMIT.prompts))
    if LIMIT.prompts <= count < LIMIT.ok_prompts and estimate.value is not None:
        return replace(estimate, reason=gettext(provisional, count=count, least=LIMIT.ok_prompts))
    return estimate


def _over(count: float, n: int) -> float | None:
    return count / n if n else None


def _number(value: float | None, n: int, texts: tuple[str, str]) -> Number:
    missing, provisional = texts
    if n < LIMIT.prompts or value is None:
        return Number(None, n, "not_enough_data", gettext(missing, count=n, least=LIMIT.prompts))
    if n < LIMIT.ok_prompts:
        reason = gettext(provisional, count=n, least=LIMIT.ok_prompts)
        return Number(value, n, "provisional", reason)
    return Number(value, n, "ok", None)
