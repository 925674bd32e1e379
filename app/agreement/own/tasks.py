"""Reads of what one labeler has done: today, and task by task."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from app.accounts.preferences import Preferences
from app.accounts.viewer import Viewer
from app.errors import NotFoundError
from app.projects.queries import ProjectView

PAGE_SIZE = 20

# The day's work counts in all projects, as the goal does; the rest is about this one.
TODAY = text("""
select m.guidelines_read_version, u.preferences,
    (select count(*) from tasks t
     where t.labeler_id = u.id and t.project_id = m.project_id
       and t.status in ('done', 'skipped')) as finished,
    exists (select from tasks t
            where t.labeler_id = u.id and t.project_id = m.project_id and t.status = 'leased')
        as holds_one,
    exists (select from tasks t
            where t.project_id = m.project_id and t.status = 'open' and not exists (
                select from tasks mine
                where mine.slate_id = t.slate_id and mine.labeler_id = u.id)) as has_more,
    (select count(*) from tasks t
     where t.labeler_id = u.id and t.status = 'done'
       and t.finished_at >= date_trunc('day', now())) as tasks,
    (select coalesce(sum(r.active_ms), 0) from rankings r
     where r.labeler_id = u.id and r.is_current and r.created_at >= date_trunc('day', now()))
        as active_ms
from project_members m join users u on u.id = m.user_id
where m.project_id = :project_id and m.user_id = :viewer_id
""")

TASKS = text("""
with mine as (
    select t.id, t.slate_id, t.asked_round_id, t.status, t.skip_reason, t.finished_at,
           row_number() over (order by t.finished_at, t.id) as number
    from tasks t
    where t.labeler_id = :viewer_id and t.project_id = :project_id
      and t.status in ('done', 'skipped')
)
select mine.number, mine.id, mine.status, mine.skip_reason, mine.finished_at, r.version,
       d.closed_at is null as is_open, p.messages
from mine
join slates s on s.id = mine.slate_id
join rounds d on d.id = coalesce(mine.asked_round_id, s.round_id)
join prompts p on p.id = s.prompt_id
left join rankings r on r.task_id = mine.id and r.is_current
where cast(:before as bigint) is null or mine.number < :before
order by mine.number desc limit :limit
""")


@dataclass(frozen=True)
class Today:
    """What the viewer has done today and what is next.

    Attributes:
        guidelines_read_version: the newest version that they have said to have read.
        preferences: what they have set for themselves, their goal among it.
        finished: tasks done or skipped in this project, ever.
        holds_one: whether a task is with them.
        has_more: whether another one waits for them.
        tasks: done today, in all projects.
        active_seconds: spent on them.
    """

    guidelines_read_version: int | None
    preferences: Preferences
    finished: int
    holds_one: bool
    has_more: bool
    tasks: int
    active_seconds: float

    @property
    def goal_share(self) -> float | None:
        """How far they are to their goal, 0..1; None when they have set none."""
        goal = self.preferences.goal
        if goal is None:
            return None
        done = self.tasks if goal.unit == "tasks" else self.active_seconds / 3600
        return min(1.0, done / goal.amount)


@dataclass(frozen=True)
class OwnTask:
    """A task that the viewer has done or skipped; `number` counts theirs in this project."""

    number: int
    id: int
    status: str
    skip_reason: str | None
    finished_at: datetime | None
    version: int | None
    is_open: bool
    messages: list[dict[str, str]]


@dataclass(frozen=True)
class OwnTaskPage:
    """Some of the viewer's tasks, newest first; `next_before` is None on the last page."""

    tasks: list[OwnTask]
    next_before: int | None


async def today_of(tx: AsyncSession, viewer: Viewer, project: ProjectView) -> Today:
    """What the viewer has done today.

    Raises:
        NotFoundError: they are not a labeler of this project.
    """
    rows = await tx.execute(TODAY, {"project_id": project.id, "viewer_id": viewer.id})
    row = rows.one_or_none()
    if row is None:
        raise NotFoundError("You are not a labeler of this project; an admin can add you.")
    return Today(
        guidelines_read_version=row.guidelines_read_version,
        preferences=Preferences.model_validate(row.preferences),
        finished=row.finished,
        holds_one=row.holds_one,
        has_more=row.has_more,
        tasks=row.tasks,
        active_seconds=row.active_ms / 1000,
    )


async def own_tasks_for(
    tx: AsyncSession, viewer: Viewer, project: ProjectView, *, before: int | None = None
) -> OwnTaskPage:
    """The viewer's tasks with numbers below `before`."""
    found = await tx.execute(
        TASKS,
        {
            "viewer_id": viewer.id,
            "project_id": project.id,
            "before": before,
            "limit": PAGE_SIZE + 1,
        },
    )
    rows = [OwnTask(*row) for row in found]
    shown = rows[:PAGE_SIZE]
    return OwnTaskPage(shown, shown[-1].number if len(rows) > PAGE_SIZE else None)
