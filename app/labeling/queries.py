"""Reads for the labeling screen; only what labelers may see is selected."""

import string
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncSession

from app.accounts.viewer import Viewer
from app.errors import NotFoundError
from app.labeling.schemas import (
    FlagOut,
    GuidelinesOut,
    MessageOut,
    PromptOut,
    ResponseOut,
    TaskOut,
)


def task_columns(tasks: str) -> str:
    """The SQL that selects what the screen shows of the leased tasks in the relation `tasks`."""
    return f"""
select t.id, t.lease_token, t.lease_expires_at, p.messages,
       (select jsonb_agg(jsonb_build_object('id', r.id, 'text', r.text) order by shown.position)
        from unnest(t.display_order) with ordinality as shown (id, position)
        join responses r on r.id = shown.id) as responses,
       (select jsonb_agg(jsonb_build_object('key', f.key, 'label', f.label) order by f.position)
        from flags f where f.project_id = t.project_id) as flags,
       g.version, g.text as guidelines
from {tasks} t
join slates s on s.id = t.slate_id
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

PROGRESS = text("""
select count(*) filter (where status = 'done') as done,
       count(*) filter (where status = 'done' and finished_at > date_trunc('day', now())) as today
from tasks where labeler_id = :labeler_id and project_id = :project_id
  and status in ('done', 'skipped')
""")

READ_VERSION = text("""
select guidelines_read_version from project_members
where project_id = :project_id and user_id = :labeler_id
""")


@dataclass(frozen=True)
class Progress:
    """How many tasks a labeler has done in a project."""

    done: int
    today: int


async def leased_task_for(tx: AsyncSession, viewer: Viewer, task_id: int) -> TaskOut:
    """The task that the viewer holds, with everything that the screen shows.

    Raises:
        NotFoundError: the viewer does not hold it.
    """
    rows = await tx.execute(TASK, {"task_id": task_id, "labeler_id": viewer.id})
    row = rows.one_or_none()
    if row is None:
        raise NotFoundError("There is no such task, or it is not yours (any more).")
    return task_from(row)


def task_from(row: Row[tuple[Any, ...]]) -> TaskOut:
    """A row of `task_columns`, with letters in the order in which the responses are shown."""
    return TaskOut(
        id=row.id,
        lease_token=row.lease_token,
        lease_expires_at=row.lease_expires_at,
        prompt=PromptOut(messages=[MessageOut(**message) for message in row.messages]),
        responses=[
            ResponseOut(id=item["id"], letter=letter, text=item["text"])
            for letter, item in zip(string.ascii_uppercase, row.responses, strict=False)
        ],
        flags=[FlagOut(**flag) for flag in row.flags or ()],
        guidelines=GuidelinesOut(version=row.version, text=row.guidelines),
    )


async def progress_of(tx: AsyncSession, viewer: Viewer, project_id: int) -> Progress:
    """The viewer's own progress."""
    row = (await tx.execute(PROGRESS, {"labeler_id": viewer.id, "project_id": project_id})).one()
    return Progress(done=row.done, today=row.today)


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
