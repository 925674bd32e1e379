"""Reads for the labeling screen; only what labelers may see is selected."""

import asyncio
import string
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncSession

from app.accounts.viewer import Viewer
from app.errors import InvalidError, NotFoundError
from app.labeling.differences import Differences, differences
from app.labeling.duplicates import same_as_earlier, similar_to
from app.labeling.schemas import (
    FlagOut,
    GuidelinesOut,
    MessageOut,
    PromptOut,
    ResponseOut,
    ShownTask,
    TaskOut,
)
from app.web.markdown import shown_text

NOT_YOURS = "There is no such task, or it is not yours (any more)."


def task_columns(tasks: str) -> str:
    """The SQL that selects what the screen shows of the tasks in the relation `tasks`."""
    return f"""
select t.id, t.lease_token, t.lease_expires_at, p.messages,
       (select jsonb_agg(jsonb_build_object('id', r.id, 'text', r.text) order by shown.position)
        from unnest(t.display_order) with ordinality as shown (id, position)
        join responses r on r.id = shown.id) as responses,
       (select jsonb_agg(jsonb_build_object(
            'key', f.key, 'label', f.label, 'polarity', f.polarity, 'scope', f.scope,
            'condition', f.condition, 'needs_note', f.needs_note) order by f.position)
        from flags f where f.project_id = t.project_id) as flags,
       g.version, g.text as guidelines, rounds.number as round,
       'sensitive' = any(p.tags) or exists (
           select from tasks other
           where other.slate_id = t.slate_id and other.skip_reason = 'sensitive'
       ) as is_sensitive
from {tasks} t
join slates s on s.id = t.slate_id
join rounds on rounds.id = coalesce(t.asked_round_id, s.round_id)
join prompts p on p.id = s.prompt_id
join lateral (
    select version, text from guideline_versions where project_id = t.project_id
    order by version desc limit 1
) g on true
"""  # noqa: S608 - the name is ours


TASK = text(
    task_columns("tasks")
    + "where t.id = :task_id and t.labeler_id = :labeler_id and t.status = 'leased'"
)

DONE = text(f"""
with done as (
    select t.id as task_id, current.id as ranking_id, current.version as ranking_version,
           current.note, current.flags as task_flags, current.cannot_rank, current.created_at,
           current.active_ms, current.rank_origin, rounds.closed_at is not null as is_closed,
           (select jsonb_agg(jsonb_build_object(
                'id', i.response_id, 'rank', i.rank, 'rating', i.rating, 'flags', i.flags,
                'note', i.note, 'cannot_judge', i.cannot_judge))
            from ranking_items i where i.ranking_id = current.id) as items
    from tasks t
    join slates s on s.id = t.slate_id
    join rounds on rounds.id = coalesce(t.asked_round_id, s.round_id)
    join rankings current on current.task_id = t.id and current.is_current
    where t.id = :task_id and t.labeler_id = :labeler_id and t.status = 'done'
      and t.project_id = :project_id
)
select shown.*, done.* from done
join ({task_columns("tasks")} where t.id = :task_id) shown on shown.id = done.task_id
""")  # noqa: S608 - the relation's name is ours

HELD_OR_DONE = text("""
select status from tasks
where id = :task_id and labeler_id = :labeler_id and project_id = :project_id
""")

EARLIER = text("""
select t.id from tasks t
where t.labeler_id = :labeler_id and t.project_id = :project_id and t.status = 'done'
  and t.finished_at < coalesce(
      (select mine.finished_at from tasks mine
       where mine.id = cast(:task_id as bigint) and mine.labeler_id = :labeler_id), now())
order by t.finished_at desc limit 1
""")

SHOWN_TEXTS = text("""
select r.id, r.text from tasks t join responses r on r.id = any(t.display_order)
where t.id = :task_id and t.labeler_id = :labeler_id and t.status in ('leased', 'done')
  and r.id = any(:response_ids)
""")

# The day counts in all projects, as a goal does.
PROGRESS = text("""
select count(*) filter (where project_id = :project_id) as done,
       count(*) filter (where project_id = :project_id
                          and finished_at > date_trunc('day', now())) as today,
       count(*) filter (where finished_at > date_trunc('day', now())) as day_tasks,
       (select cast(coalesce(sum(r.active_ms), 0) as bigint) from rankings r
        where r.labeler_id = :labeler_id and r.created_at > date_trunc('day', now()))
           as day_active_ms
from tasks where labeler_id = :labeler_id and status = 'done'
""")

READ_VERSION = text("""
select guidelines_read_version from project_members
where project_id = :project_id and user_id = :labeler_id
""")


@dataclass(frozen=True)
class DoneTask:
    """A task that is submitted: what was shown, and what its labeler says of it now."""

    task: ShownTask
    ranking: int
    version: int
    submitted_at: datetime
    active_ms: int | None
    is_closed: bool
    judgments: dict[str, Any]


@dataclass(frozen=True)
class Progress:
    """How much a labeler has done.

    Attributes:
        done: tasks in this project, ever.
        today: tasks in this project, today.
        day_tasks: tasks in all projects, today.
        day_active_ms: active time of today's rankings in all projects, corrections among them.
    """

    done: int
    today: int
    day_tasks: int
    day_active_ms: int


async def leased_task_for(tx: AsyncSession, viewer: Viewer, task_id: int) -> TaskOut:
    """The task that the viewer holds, with everything that the screen shows.

    Raises:
        NotFoundError: the viewer does not hold it.
    """
    rows = await tx.execute(TASK, {"task_id": task_id, "labeler_id": viewer.id})
    row = rows.one_or_none()
    if row is None:
        raise NotFoundError(NOT_YOURS)
    return task_from(row)


def task_from(row: Row[tuple[Any, ...]]) -> TaskOut:
    """A row of `task_columns` of a leased task."""
    shown = shown_task_from(row)
    return TaskOut(
        **dict(shown), lease_token=row.lease_token, lease_expires_at=row.lease_expires_at
    )


def shown_task_from(row: Row[tuple[Any, ...]]) -> ShownTask:
    """A row of `task_columns`, with letters in the order in which the responses are shown."""
    return ShownTask(
        id=row.id,
        prompt=PromptOut(messages=[MessageOut(**message) for message in row.messages]),
        responses=_responses(row.responses),
        flags=[FlagOut(**flag) for flag in row.flags or ()],
        guidelines=GuidelinesOut(version=row.version, text=row.guidelines),
        round=row.round,
        is_sensitive=row.is_sensitive,
    )


async def own_task_for(
    tx: AsyncSession, viewer: Viewer, project_id: int, task_id: int
) -> TaskOut | DoneTask:
    """A task that the viewer holds, or has ranked, with what they submitted.

    Raises:
        NotFoundError: it is neither.
    """
    who = {"task_id": task_id, "labeler_id": viewer.id, "project_id": project_id}
    status = await tx.scalar(HELD_OR_DONE, who)
    if status == "leased":
        return await leased_task_for(tx, viewer, task_id)
    row = (await tx.execute(DONE, who)).one_or_none() if status == "done" else None
    if row is None:
        raise NotFoundError(NOT_YOURS)
    return DoneTask(
        task=shown_task_from(row),
        ranking=row.ranking_id,
        version=row.ranking_version,
        submitted_at=row.created_at,
        active_ms=row.active_ms,
        is_closed=row.is_closed,
        judgments={
            "items": {str(item.pop("id")): item for item in row.items},
            "note": row.note,
            "flags": row.task_flags,
            "cannot_rank": row.cannot_rank,
            "rank_origin": row.rank_origin,
        },
    )


async def earlier_task_of(
    tx: AsyncSession, viewer: Viewer, project_id: int, task_id: int | None
) -> int | None:
    """The task that the viewer submitted last before this one, or before now."""
    who = {"task_id": task_id, "labeler_id": viewer.id, "project_id": project_id}
    found: int | None = await tx.scalar(EARLIER, who)
    return found


def _responses(items: list[dict[str, Any]]) -> list[ResponseOut]:
    letters = string.ascii_uppercase
    texts = [item["text"] for item in items]
    return [
        ResponseOut(
            id=item["id"],
            letter=letter,
            text=item["text"],
            same_as=None if same is None else letters[same],
            similar_to=[letters[position] for position in similar],
        )
        for letter, item, same, similar in zip(
            letters[: len(items)], items, same_as_earlier(texts), similar_to(texts), strict=True
        )
    ]


async def differences_for(
    tx: AsyncSession, viewer: Viewer, task_id: int, *, left: int, right: int
) -> Differences:
    """What differs between two responses of a task that the viewer holds or has done.

    Compared are the words that are read, not their Markdown.

    Raises:
        NotFoundError: one of them was not shown to the viewer there.
        InvalidError: they are too long to be compared.
    """
    rows = await tx.execute(
        SHOWN_TEXTS,
        {"task_id": task_id, "labeler_id": viewer.id, "response_ids": [left, right]},
    )
    texts = {row.id: row.text for row in rows}
    if not {left, right} <= texts.keys():
        raise NotFoundError("There are no such responses in a task of yours.")
    # Long texts take longer than other requests should wait.
    found = await asyncio.to_thread(
        lambda: differences(shown_text(texts[left]), shown_text(texts[right]))
    )
    if found is None:
        raise InvalidError(
            "These two responses have too many sentences to be compared word by word.",
            code="too_long",
        )
    return found


async def progress_of(tx: AsyncSession, viewer: Viewer, project_id: int) -> Progress:
    """The viewer's own progress."""
    row = (await tx.execute(PROGRESS, {"labeler_id": viewer.id, "project_id": project_id})).one()
    return Progress(*row)


async def guidelines_read_by(tx: AsyncSession, viewer: Viewer, project_id: int) -> int | None:
    """Which version of the guidelines the viewer has said to have read.

    Raises:
        NotFoundError: the viewer is not a labeler of this project.
    """
    rows = await tx.execute(READ_VERSION, {"project_id": project_id, "labeler_id": viewer.id})
    row = rows.one_or_none()
    if row is None:
        raise NotFoundError("You are not a labeler of this project; an admin can add you.")
    version: int | None = row.guidelines_read_version
    return version
