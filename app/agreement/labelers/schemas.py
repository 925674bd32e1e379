"""Shapes of the calls about one labeler, and of screening."""

from datetime import datetime
from typing import Annotated, Any

from pydantic import AfterValidator, Field

from app.agreement.behaviour.drift_chart import DriftChart
from app.agreement.behaviour.signal_words import titles
from app.agreement.estimate_schemas import EstimateOut
from app.agreement.labelers.facts import Checks, LabelerFacts
from app.agreement.labelers.queries import LabelerPage
from app.agreement.labelers.screening import (
    CUTOFF_DEMONSTRATIONS,
    CUTOFF_FLAGS,
    CUTOFF_RANKINGS,
    Candidate,
    Screening,
)
from app.agreement.metrics.estimates import Estimate, Status
from app.projects.labelers import Cohort, QuarantineView
from app.projects.screenings import Decision, ScreeningView
from app.web.schemas import Answer, Body, LongText

Reason = Annotated[LongText, Field(max_length=2000)]


# So far from the calendar's ends no time zone leads out of it.
FIRST_YEAR, LAST_YEAR = 2000, 9000


def _placed(moment: datetime) -> datetime:
    if moment.tzinfo is None:
        raise ValueError("must have a time zone")
    if not FIRST_YEAR <= moment.year <= LAST_YEAR:
        raise ValueError("must be in the years 2000 to 9000")
    return moment


Moment = Annotated[datetime, Field(strict=False), AfterValidator(_placed)]


class CohortIn(Body):
    """The cohort that a labeler is moved to."""

    cohort: Cohort


class QuarantineIn(Body):
    """Why a labeler's rankings are left out of new datasets, and since when; null: all of them."""

    reason: Reason
    since: Moment | None = None


class ScreeningIn(Body):
    """What is decided about a candidate."""

    decision: Decision
    reason: Reason
    self_assessment: Reason | None = None


class QuarantineOut(Answer):
    """A quarantine as it is recorded."""

    id: int
    reason: str
    since: datetime | None
    created_by: str
    created_at: datetime
    revoked_by: str | None
    revoked_at: datetime | None


class CohortOut(Answer):
    """A labeler's cohort."""

    labeler: str
    cohort: Cohort
    since: Annotated[datetime | None, Field(description="null: from the start")]


class NumberOut(Answer):
    """A number that is no share of pairs, with what it is drawn from."""

    value: float | None
    n: int
    status: Status
    reason: str | None


class SignalOut(Answer):
    """One number against its limit."""

    key: str
    title: str
    family: Annotated[str, Field(description="an alert needs signals of two")]
    value: float | None
    limit: float | None
    n: int
    fired: bool
    reason: str | None


class PointOut(Answer):
    """Agreement with the others' consensus on one prompt."""

    slate: int
    at: datetime
    share: float
    ewma: float | None
    cusum: float | None


class DriftOut(Answer):
    """Agreement over time."""

    usual: float | None
    alarm: float | None
    alarm_since: Annotated[int | None, Field(description="number of the point, from 1")]
    points: list[PointOut]
    reason: str | None


class LabelerDetailOut(Answer):
    """A labeler's work."""

    labeler: str
    name: str
    cohort: Cohort
    cohort_since: datetime | None
    joined_at: datetime
    rankings: int
    agreement: EstimateOut
    leave_one_out: EstimateOut
    gold: EstimateOut
    researchers: EstimateOut
    repeats: EstimateOut
    ties: EstimateOut
    conflicts: EstimateOut
    position: NumberOut
    wpm: NumberOut
    too_fast: NumberOut
    modal_rating: NumberOut
    rating_entropy: NumberOut
    as_displayed: NumberOut
    drift: DriftOut
    alert: Annotated[bool, Field(description="whether two independent signals went off")]
    signals: list[SignalOut]
    quarantine: QuarantineOut | None
    quarantines: list[QuarantineOut]


class DecisionOut(Answer):
    """What was decided last about a candidate."""

    decision: Decision
    reason: str
    self_assessment: str | None
    created_by: str
    created_at: datetime


class CandidateOut(Answer):
    """A labeler by the four criteria."""

    labeler: str
    cohort: Cohort
    flags: EstimateOut
    flags_ac1: EstimateOut
    rankings: EstimateOut
    gold: EstimateOut
    demonstrations: None
    self_assessment: str | None
    decision: DecisionOut | None


class CutoffsOut(Answer):
    """Lines beside the numbers; nothing is decided by them."""

    flags: float = CUTOFF_FLAGS
    rankings: float = CUTOFF_RANKINGS
    demonstrations: float = CUTOFF_DEMONSTRATIONS


class ScreeningOut(Answer):
    """All candidates."""

    cutoffs: CutoffsOut
    flags: Annotated[list[str], Field(description="the severe ones")]
    researchers: int
    known_answers: int
    demonstrations_reason: str
    candidates: list[CandidateOut]


def quarantine_out(quarantine: QuarantineView) -> QuarantineOut:
    """A quarantine as the calls answer it."""
    return QuarantineOut(**vars(quarantine))


def decision_out(decision: ScreeningView) -> DecisionOut:
    """A decision as the calls answer it."""
    return DecisionOut(**{key: vars(decision)[key] for key in DecisionOut.model_fields})


def labeler_out(found: LabelerPage) -> LabelerDetailOut:
    """The answer of the call about a labeler."""
    labeler, facts = found.labeler, found.facts
    in_force = found.quarantine
    return LabelerDetailOut(
        labeler=labeler.pseudonym,
        name=labeler.name,
        cohort=labeler.cohort,
        cohort_since=labeler.cohort_since,
        joined_at=labeler.joined_at,
        rankings=facts.rankings,
        drift=_drift(found.drift),
        quarantine=None if in_force is None else quarantine_out(in_force),
        quarantines=[quarantine_out(one) for one in found.quarantines],
        **_numbers(facts),
        **_checks(found.checks),
    )


def screening_out(found: Screening) -> ScreeningOut:
    """The answer of the screening call."""
    return ScreeningOut(
        cutoffs=CutoffsOut(),
        flags=found.severe,
        researchers=found.researchers,
        known_answers=found.known_answers,
        demonstrations_reason=found.demonstrations,
        candidates=[_candidate(candidate) for candidate in found.candidates],
    )


def _numbers(facts: LabelerFacts) -> dict[str, Any]:
    shares = ("agreement", "leave_one_out", "ties", "conflicts")
    others = ("position", "wpm", "too_fast", "modal_rating", "rating_entropy", "as_displayed")
    return {
        **{name: _estimate(getattr(facts, name)) for name in shares},
        **{name: NumberOut(**vars(getattr(facts, name))) for name in others},
    }


def _checks(checks: Checks) -> dict[str, Any]:
    words = titles()
    return {
        "gold": _estimate(checks.gold),
        "researchers": _estimate(checks.researchers),
        "repeats": _estimate(checks.repeats),
        "alert": checks.alert is not None,
        "signals": [
            SignalOut(
                key=signal.key,
                title=words[signal.key],
                family=signal.family,
                value=signal.value,
                limit=signal.limit,
                n=signal.n,
                fired=signal.is_fired,
                reason=None if signal.lack is None else str(signal.lack),
            )
            for signal in checks.signals
        ],
    }


def _drift(chart: DriftChart) -> DriftOut:
    return DriftOut(
        usual=chart.usual,
        alarm=chart.alarm,
        alarm_since=chart.alarm_since,
        points=[
            PointOut(
                slate=point.slate_id,
                at=point.at,
                share=point.share,
                ewma=point.ewma,
                cusum=point.cusum,
            )
            for point in chart.points
        ],
        reason=chart.reason,
    )


def _candidate(candidate: Candidate) -> CandidateOut:
    decision = candidate.decision
    return CandidateOut(
        labeler=candidate.pseudonym,
        cohort=candidate.cohort,
        flags=_estimate(candidate.flags),
        flags_ac1=_estimate(candidate.flags_ac1),
        rankings=_estimate(candidate.rankings),
        gold=_estimate(candidate.gold),
        demonstrations=None,
        self_assessment=decision.self_assessment if decision else None,
        decision=decision_out(decision) if decision else None,
    )


def _estimate(estimate: Estimate) -> EstimateOut:
    return EstimateOut(**vars(estimate))
