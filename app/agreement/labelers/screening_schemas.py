"""Shapes of the calls about screening."""

from datetime import datetime
from typing import Annotated

from pydantic import Field

from app.agreement.estimate_schemas import EstimateOut, estimate_out
from app.agreement.labelers.screening import (
    CUTOFF_DEMONSTRATIONS,
    CUTOFF_FLAGS,
    CUTOFF_RANKINGS,
    Candidate,
    Screening,
)
from app.projects.demonstration_grades import DemonstrationGrade
from app.projects.labelers import Cohort
from app.projects.screenings import Decision, ScreeningView
from app.web.schemas import Answer, Body, LongText

Reason = Annotated[LongText, Field(max_length=2000)]


class ScreeningIn(Body):
    """What is decided about a candidate."""

    decision: Decision
    reason: Reason
    self_assessment: Reason | None = None


class GradeIn(Body):
    """A grade of something that a candidate wrote, by its title or its text."""

    demonstration: Reason
    grade: Annotated[int, Field(ge=1, le=7)]


class GradeOut(Answer):
    """A grade as it is recorded."""

    id: int
    demonstration: str
    grade: int
    created_by: str
    created_at: datetime


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
    name: str
    cohort: Cohort
    flags: EstimateOut
    flags_ac1: EstimateOut
    rankings: EstimateOut
    gold: EstimateOut
    demonstrations: Annotated[
        EstimateOut, Field(description="mean grade, 1 to 7; `units` are grades")
    ]
    self_assessment: str | None
    decision: DecisionOut | None
    is_requalifying: bool


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
    candidates: list[CandidateOut]


def decision_out(decision: ScreeningView) -> DecisionOut:
    """A decision as the calls answer it."""
    return DecisionOut(**{key: vars(decision)[key] for key in DecisionOut.model_fields})


def grade_out(grade: DemonstrationGrade) -> GradeOut:
    """A grade as the calls answer it."""
    return GradeOut(**{key: vars(grade)[key] for key in GradeOut.model_fields})


def screening_out(found: Screening) -> ScreeningOut:
    """The answer of the screening call."""
    return ScreeningOut(
        cutoffs=CutoffsOut(),
        flags=found.severe,
        researchers=found.researchers,
        known_answers=found.known_answers,
        candidates=[_candidate(candidate) for candidate in found.candidates],
    )


def _candidate(candidate: Candidate) -> CandidateOut:
    decision = candidate.decision
    return CandidateOut(
        labeler=candidate.pseudonym,
        name=candidate.name,
        cohort=candidate.cohort,
        flags=estimate_out(candidate.flags),
        flags_ac1=estimate_out(candidate.flags_ac1),
        rankings=estimate_out(candidate.rankings),
        gold=estimate_out(candidate.gold),
        demonstrations=estimate_out(candidate.demonstrations),
        self_assessment=decision.self_assessment if decision else None,
        decision=decision_out(decision) if decision else None,
        is_requalifying=candidate.requalification is not None,
    )
