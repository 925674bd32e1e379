"""Shapes of the calls about one labeler."""

from datetime import datetime
from typing import Annotated, Any

from pydantic import AfterValidator, Field

from app.agreement.behaviour.drift_chart import DriftChart
from app.agreement.behaviour.drift_windows import Windows
from app.agreement.behaviour.signal_words import titles
from app.agreement.estimate_schemas import EstimateOut
from app.agreement.labelers.diagnosis import DiagnosisOut, diagnosis_out
from app.agreement.labelers.facts import Checks, LabelerFacts
from app.agreement.labelers.queries import LabelerPage, RecentTask
from app.agreement.labelers.screening_schemas import DecisionOut, Reason, decision_out
from app.agreement.metrics.estimates import Estimate, Status
from app.labeling.requalification import Requalification
from app.projects.labelers import Cohort, QuarantineView
from app.web.schemas import Answer, Body

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


class RequalificationIn(Body):
    """Why a labeler is sent to re-qualification."""

    reason: Reason


class RequalificationOut(Answer):
    """A re-qualification as it is recorded; it is done when `answered` is `wanted`."""

    id: int
    reason: str
    wanted: int
    asked: Annotated[int, Field(description="given to the labeler, the one at work among them")]
    answered: int
    is_running: bool
    created_by: str
    created_at: datetime
    ended_by: str | None
    ended_at: datetime | None


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


class WindowsOut(Answer):
    """The last 30 days of shared prompts against all that was before."""

    since: datetime
    before: EstimateOut
    lately: EstimateOut
    z: Annotated[float | None, Field(description="above 0: agreement was higher before")]
    p: float | None
    reason: str | None


class DriftOut(Answer):
    """Agreement over time."""

    usual: float | None
    alarm: float | None
    alarm_since: Annotated[int | None, Field(description="number of the point, from 1")]
    points: list[PointOut]
    reason: str | None
    windows: Annotated[WindowsOut | None, Field(description="null without a shared prompt")]


class RecentTaskOut(Answer):
    """A task that the labeler has done or skipped, and what they were asked it for."""

    slate: int
    round: int
    purpose: Annotated[str, Field(description="gold, anchor and repeat are checks, not labels")]
    status: str
    skip_reason: str | None
    finished_at: datetime | None
    version: int | None
    active_seconds: float | None
    messages: list[dict[str, str]]


class LabelerDetailOut(Answer):
    """A labeler's work."""

    labeler: str
    name: str
    email: str
    cohort: Cohort
    cohort_since: datetime | None
    joined_at: datetime
    rankings: int
    agreement: EstimateOut
    leave_one_out: EstimateOut
    gold: EstimateOut
    researchers: EstimateOut
    repeats: EstimateOut
    ties: Annotated[EstimateOut, Field(description="`prompts` counts rankings")]
    conflicts: Annotated[EstimateOut, Field(description="`prompts` counts rankings")]
    position: NumberOut
    wpm: NumberOut
    too_fast: NumberOut
    modal_rating: NumberOut
    rating_entropy: NumberOut
    as_displayed: NumberOut
    as_displayed_expected: float | None
    drift: DriftOut
    diagnostics: DiagnosisOut
    alert: Annotated[bool, Field(description="whether two independent signals went off")]
    signals: list[SignalOut]
    quarantine: QuarantineOut | None
    quarantines: list[QuarantineOut]
    requalifications: list[RequalificationOut]
    known_answers_left: Annotated[int, Field(description="that they could be asked for")]
    requalification_gold: Annotated[
        EstimateOut | None, Field(description="accuracy since the last one was asked for")
    ]
    screening: DecisionOut | None
    recent: Annotated[list[RecentTaskOut], Field(description="tasks, newest first")]


def requalification_out(found: Requalification) -> RequalificationOut:
    """A re-qualification as the calls answer it."""
    return RequalificationOut(**vars(found), is_running=found.is_running)


def quarantine_out(quarantine: QuarantineView) -> QuarantineOut:
    """A quarantine as the calls answer it."""
    return QuarantineOut(**vars(quarantine))


def labeler_out(found: LabelerPage) -> LabelerDetailOut:
    """The answer of the call about a labeler."""
    labeler, facts = found.labeler, found.facts
    in_force = found.quarantine
    return LabelerDetailOut(
        labeler=labeler.pseudonym,
        name=labeler.name,
        email=labeler.email,
        cohort=labeler.cohort,
        cohort_since=labeler.cohort_since,
        joined_at=labeler.joined_at,
        rankings=facts.rankings,
        drift=_drift(found.drift),
        diagnostics=diagnosis_out(found.diagnosis),
        quarantine=None if in_force is None else quarantine_out(in_force),
        quarantines=[quarantine_out(one) for one in found.quarantines],
        requalifications=[requalification_out(one) for one in found.requalifying.all],
        known_answers_left=found.requalifying.left,
        requalification_gold=None
        if found.requalifying.gold is None
        else _estimate(found.requalifying.gold),
        screening=None if found.screened is None else decision_out(found.screened),
        recent=[_recent(task) for task in found.recent],
        **_numbers(facts),
        **_checks(found.checks),
    )


def _recent(task: RecentTask) -> RecentTaskOut:
    known = {name: value for name, value in vars(task).items() if name != "slate_id"}
    return RecentTaskOut(slate=task.slate_id, **known)


def _numbers(facts: LabelerFacts) -> dict[str, Any]:
    shares = ("agreement", "leave_one_out", "ties", "conflicts")
    others = ("position", "wpm", "too_fast", "modal_rating", "rating_entropy", "as_displayed")
    return {
        **{name: _estimate(getattr(facts, name)) for name in shares},
        **{name: NumberOut(**vars(getattr(facts, name))) for name in others},
        "as_displayed_expected": facts.as_displayed_expected,
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
        windows=None if chart.windows is None else _windows(chart.windows),
    )


def _windows(windows: Windows) -> WindowsOut:
    difference = windows.difference
    return WindowsOut(
        since=windows.since,
        before=_estimate(windows.before),
        lately=_estimate(windows.lately),
        z=difference.z if difference else None,
        p=difference.p if difference else None,
        reason=windows.reason,
    )


def _estimate(estimate: Estimate) -> EstimateOut:
    return EstimateOut(**vars(estimate))
