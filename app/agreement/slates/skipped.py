"""Reads of the tasks that labelers gave back: the cases behind the share of skips."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from app.agreement.metrics.slices import Slice
from app.projects.queries import ProjectView

PAGE_SIZE = 25

# As the dashboard counts them: checks on labelers are no tasks here.
SKIPPED = text("""
select t.id, t.slate_id as slate, d.number as round,
       coalesce(m.pseudonym, 'former-' || t.labeler_id) as labeler,
       t.finished_at, t.skip_reason as reason, t.skip_note as note,
       left(p.messages -> -1 ->> 'content', 300) as start
from tasks t
join slates s on s.id = t.slate_id
join rounds d on d.id = s.round_id
join prompts p on p.id = s.prompt_id
left join project_members m on m.user_id = t.labeler_id and m.project_id = t.project_id
where t.project_id = :project_id and t.status = 'skipped' and not t.is_check
  and (cast(:round as int) is null or d.number = cast(:round as int))
  and p.tags @> cast(:tags as text[])
  and (cast(:before as bigint) is null or t.id < :before)
order by t.id desc limit :limit
""")


@dataclass(frozen=True)
class SkippedTask:
    """A task that a labeler gave back, by pseudonym, and why."""

    id: int
    slate: int
    round: int
    labeler: str
    finished_at: datetime | None
    reason: str | None
    note: str | None
    start: str


@dataclass(frozen=True)
class SkippedPage:
    """Some skipped tasks, the newest first; `next_before` is None on the last page."""

    tasks: list[SkippedTask]
    next_before: int | None


async def skipped_tasks_of(
    tx: AsyncSession, project: ProjectView, slice_: Slice, *, before: int | None = None
) -> SkippedPage:
    """The skipped tasks of a round, a tag, and a language, with ids below `before`.

    The caller has checked that the viewer is an admin.
    """
    found = await tx.execute(
        SKIPPED,
        {
            "project_id": project.id,
            "round": slice_.round,
            "tags": slice_.tags,
            "before": before,
            "limit": PAGE_SIZE + 1,
        },
    )
    rows = [SkippedTask(*row) for row in found]
    shown = rows[:PAGE_SIZE]
    return SkippedPage(shown, shown[-1].id if len(rows) > PAGE_SIZE else None)
