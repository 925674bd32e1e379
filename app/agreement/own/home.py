"""What a labeler sees first in a project: their day, their numbers, disagreements, news, tasks."""

from dataclasses import dataclass

from sqlalchemy.ext.asyncio import AsyncSession

from app.accounts.viewer import Viewer
from app.agreement.behaviour.drift_chart import DriftChart
from app.agreement.disagreements import Disagreement, disagreements_for
from app.agreement.labelers.queries import OwnWork, own_work_for
from app.agreement.own.numbers import OwnNumbers
from app.agreement.own.queries import own_numbers_for
from app.agreement.own.tasks import OwnTaskPage, Today, own_tasks_for, today_of
from app.agreement.remarks import AnswerView, answers_for
from app.labeling.requalification import known_answers_to_come
from app.projects.queries import ProjectView


@dataclass(frozen=True)
class LabelerHome:
    """Everything on the page."""

    today: Today
    numbers: OwnNumbers
    work: OwnWork
    disagreements: list[Disagreement]
    answers: list[AnswerView]
    recent: OwnTaskPage
    known_answers: int
    """How many of the viewer's next tasks are re-qualification."""


async def own_drift_for(tx: AsyncSession, viewer: Viewer, project: ProjectView) -> DriftChart:
    """The viewer's agreement over time as far as it is told, as on their page.

    Raises:
        NotFoundError: they are not a labeler of this project.
    """
    await today_of(tx, viewer, project)
    return (await own_work_for(tx, viewer, project)).drift


async def labeler_home_for(tx: AsyncSession, viewer: Viewer, project: ProjectView) -> LabelerHome:
    """The viewer's own page of a project, with a few statements however much there is.

    Raises:
        NotFoundError: they are not a labeler of this project.
    """
    return LabelerHome(
        today=await today_of(tx, viewer, project),
        numbers=await own_numbers_for(tx, viewer, project),
        work=await own_work_for(tx, viewer, project),
        disagreements=await disagreements_for(tx, viewer, project),
        answers=await answers_for(tx, viewer, project),
        recent=await own_tasks_for(tx, viewer, project),
        known_answers=await known_answers_to_come(tx, project, viewer.id),
    )
