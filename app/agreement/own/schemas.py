"""Shapes of the calls about one's own work: nothing in them names other people, slates or models.

Nor do they tell which tasks were checks.
"""

from datetime import datetime
from typing import Annotated

from pydantic import Field

from app.accounts.preferences import Goal
from app.agreement.disagreements import Disagreement, DisagreementPage
from app.agreement.estimate_schemas import EstimateOut
from app.agreement.labelers.queries import OwnWork
from app.agreement.labelers.schemas import NumberOut
from app.agreement.own.home import LabelerHome
from app.agreement.own.queries import DAYS
from app.agreement.own.tasks import OwnTaskPage, Today
from app.agreement.remark_schemas import RemarkOut
from app.projects.queries import ProjectView
from app.web.schemas import Answer


class TodayOut(Answer):
    """What was done today in all projects, and what is next in this one."""

    tasks: int
    active_seconds: float
    goal: Goal | None
    goal_share: Annotated[float | None, Field(description="0 to 1; null without a goal")]
    finished: Annotated[int, Field(description="tasks done or skipped in this project, ever")]
    holds_one: Annotated[bool, Field(description="whether a task is with you")]
    has_more: Annotated[bool, Field(description="whether another one waits for you")]
    guidelines_version: int
    guidelines_read_version: int | None


class OwnOut(Answer):
    """A number of your own; null with the reason while there is not enough for one."""

    value: float | None
    reason: str | None


class BandOut(Answer):
    """Where most of the team lie."""

    low: float
    high: float


class OwnNumbersOut(Answer):
    """Your numbers beside the team's; a band is null while it would tell of one person."""

    days: Annotated[int, Field(description="of so many last days")] = DAYS
    agreement: EstimateOut
    team_agreement: EstimateOut
    ties: OwnOut
    tie_band: BandOut | None
    conflicts: OwnOut
    conflicting_pairs: int
    pairs_apart: int
    seconds: Annotated[OwnOut, Field(description="median active time of a task")]
    seconds_band: BandOut | None


class OwnPointOut(Answer):
    """Agreement with the others' consensus on one prompt."""

    at: datetime
    share: float
    ewma: float | None
    cusum: float | None


class OwnDriftOut(Answer):
    """Agreement over time."""

    usual: float | None
    alarm: float | None
    alarm_since: Annotated[int | None, Field(description="number of the point, from 1")]
    points: list[OwnPointOut]
    reason: str | None


class OwnWorkOut(Answer):
    """All of your rankings, by the numbers that admins see."""

    agreement: EstimateOut
    leave_one_out: EstimateOut
    ties: Annotated[EstimateOut, Field(description="`prompts` counts rankings")]
    conflicts: Annotated[EstimateOut, Field(description="`prompts` counts rankings")]
    position: NumberOut
    wpm: NumberOut
    too_fast: NumberOut
    modal_rating: NumberOut
    rating_entropy: NumberOut
    as_displayed: NumberOut
    as_displayed_expected: float | None
    drift: OwnDriftOut
    measured_at: Annotated[
        datetime | None,
        Field(description="when all but agreement was, in a large project; null: now"),
    ]


class OrdersOut(Answer):
    """Your order and the others' consensus, in the letters that you saw."""

    ranking: int
    own: str
    others: str
    reversed: Annotated[int, Field(description="pairs that are the other way round")]
    pairs: int


class DisagreementOut(OrdersOut):
    """A slate that others ranked the other way round."""

    question: str
    remark: Annotated[str | None, Field(description="an admin's last one")]


class LetteredTextOut(Answer):
    """A response under the letter that you saw."""

    letter: str
    text: str


class DisagreementDetailOut(OrdersOut):
    """The same with everything that was there to read."""

    messages: list[dict[str, str]]
    responses: list[LetteredTextOut]
    remarks: list[RemarkOut]


class ObjectionStored(Answer):
    """What you have said about a consensus, as it is stored."""

    ranking: int
    text: str


class AnswerOut(Answer):
    """What an admin said after you had objected."""

    ranking: int
    text: str
    created_at: datetime


class OwnTaskOut(Answer):
    """A task that you have done or skipped; an open one can be changed."""

    id: int
    number: Annotated[int, Field(description="counted in this project from 1")]
    status: str
    skip_reason: str | None
    finished_at: datetime | None
    version: int | None
    is_open: bool
    messages: list[dict[str, str]]


class OwnTasksOut(Answer):
    """Some of your tasks, newest first; `next` is what `before` must be for the following page."""

    tasks: list[OwnTaskOut]
    next: int | None


class HomeOut(Answer):
    """A labeler's day, their numbers, what they may learn from, and their last tasks."""

    today: TodayOut
    numbers: OwnNumbersOut
    work: OwnWorkOut
    disagreements: list[DisagreementOut]
    answers: list[AnswerOut]
    recent: OwnTasksOut


def home_out(home: LabelerHome, project: ProjectView) -> HomeOut:
    """The answer of the call on a labeler's own page."""
    return HomeOut(
        today=_today(home.today, project),
        numbers=OwnNumbersOut.model_validate(home.numbers, from_attributes=True),
        work=_work(home.work),
        disagreements=[_disagreement(one) for one in home.disagreements],
        answers=[
            AnswerOut(ranking=one.ranking_id, text=one.text, created_at=one.created_at)
            for one in home.answers
        ],
        recent=own_tasks_out(home.recent),
    )


def own_tasks_out(found: OwnTaskPage) -> OwnTasksOut:
    """The answer of the call on one's own tasks."""
    return OwnTasksOut(
        tasks=[OwnTaskOut.model_validate(task, from_attributes=True) for task in found.tasks],
        next=found.next_before,
    )


def disagreement_out(found: DisagreementPage) -> DisagreementDetailOut:
    """The answer of the call on one disagreement."""
    difference = found.difference
    return DisagreementDetailOut(
        ranking=difference.ranking_id,
        own=difference.own,
        others=difference.others,
        reversed=difference.reversed,
        pairs=difference.pairs,
        messages=found.messages,
        responses=[LetteredTextOut(**vars(response)) for response in found.responses],
        remarks=[RemarkOut(**vars(remark)) for remark in found.remarks],
    )


def _today(today: Today, project: ProjectView) -> TodayOut:
    return TodayOut(
        tasks=today.tasks,
        active_seconds=today.active_seconds,
        goal=today.preferences.goal,
        goal_share=today.goal_share,
        finished=today.finished,
        holds_one=today.holds_one,
        has_more=today.has_more,
        guidelines_version=project.guidelines_version,
        guidelines_read_version=today.guidelines_read_version,
    )


def _work(work: OwnWork) -> OwnWorkOut:
    return OwnWorkOut.model_validate(
        {**vars(work.facts), "drift": work.drift, "measured_at": work.measured_at},
        from_attributes=True,
    )


def _disagreement(found: Disagreement) -> DisagreementOut:
    difference = found.difference
    return DisagreementOut(
        ranking=difference.ranking_id,
        own=difference.own,
        others=difference.others,
        reversed=difference.reversed,
        pairs=difference.pairs,
        question=found.question,
        remark=found.remark,
    )
