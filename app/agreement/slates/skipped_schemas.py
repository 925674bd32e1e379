"""Shapes of the call for the tasks that labelers gave back."""

from datetime import datetime

from pydantic import Field

from app.agreement.metrics.slices import Slice
from app.agreement.slates.skipped import SkippedPage
from app.web.query_params import Parameters
from app.web.schemas import Answer, Line, PathId


class SkippedParameters(Parameters):
    """Which skipped tasks are asked for; all that are given must hold."""

    round: PathId | None = Field(None, description="number of a round")
    tag: Line | None = Field(None, description="only prompts with this tag")
    language: Line | None = Field(None, description="only prompts with the tag lang:LANGUAGE")
    before: PathId | None = Field(None, description="`next_before` of the page before")

    @property
    def slice(self) -> Slice:
        """The part of the project."""
        return Slice(round=self.round, tag=self.tag, language=self.language)


class SkippedTaskOut(Answer):
    """A task that a labeler gave back, by pseudonym, and why."""

    task: int
    slate: int
    round: int
    labeler: str
    finished_at: datetime | None
    reason: str | None
    note: str | None
    start: str


class SkippedOut(Answer):
    """Skipped tasks, the newest first."""

    tasks: list[SkippedTaskOut]
    next_before: int | None


def skipped_out(found: SkippedPage) -> SkippedOut:
    """The page as JSON."""
    tasks = [
        SkippedTaskOut(
            task=one.id,
            slate=one.slate,
            round=one.round,
            labeler=one.labeler,
            finished_at=one.finished_at,
            reason=one.reason,
            note=one.note,
            start=one.start,
        )
        for one in found.tasks
    ]
    return SkippedOut(tasks=tasks, next_before=found.next_before)
