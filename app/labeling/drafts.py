"""Unsubmitted work, kept on the server as well, and what the screen reports about it."""

import json
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pydantic import ValidationError
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from app.accounts.viewer import Viewer
from app.errors import ConflictError, InvalidError, NotFoundError
from app.labeling.plain_draft import work_from_values
from app.labeling.queries import NOT_YOURS
from app.labeling.schemas import DraftIn, EventIn, ShownTask

# The version is the arbiter between two windows: who saves on an older one is told.
SAVE = text("""
insert into drafts (task_id, labeler_id, version, body)
select t.id, :labeler_id, :base_version + 1, cast(:body as jsonb) from tasks t
where t.id = :task_id and t.labeler_id = :labeler_id and t.status in ('leased', 'done')
on conflict (task_id, labeler_id) do update
set version = drafts.version + 1, body = excluded.body, updated_at = now()
where drafts.version = :base_version
returning version, updated_at
""")

READ = text("""
select d.version, d.body, d.updated_at from tasks t
left join drafts d on d.task_id = t.id and d.labeler_id = :labeler_id
where t.id = :task_id and t.labeler_id = :labeler_id
""")

STORE_EVENTS = text("""
with mine as (
    select id from tasks where id = :task_id and labeler_id = :labeler_id
), stored as (
    insert into screen_events (task_id, labeler_id, visit, sequence, kind, data, client_at)
    select mine.id, :labeler_id, :visit, e.sequence, e.kind, e.data, e.client_at
    from mine, jsonb_to_recordset(cast(:events as jsonb))
        as e (sequence int, kind text, data jsonb, client_at timestamptz)
    on conflict (task_id, visit, sequence) do nothing
)
select count(*) from mine
""")

FORGET_EVENTS = text("""
delete from screen_events where created_at < now() - make_interval(days => :days)
""")


@dataclass(frozen=True)
class DraftView:
    """Unsubmitted work, with the version that the next save has to name."""

    version: int
    body: dict[str, Any]
    saved_at: datetime


async def save_draft(
    tx: AsyncSession, viewer: Viewer, *, task_id: int, base_version: int, body: dict[str, Any]
) -> tuple[int, datetime]:
    """Keep unsubmitted work; returns its new version and when it was saved.

    Raises:
        NotFoundError: the task is not the viewer's.
        ConflictError: another window has saved since `base_version`.
    """
    who = {"task_id": task_id, "labeler_id": viewer.id}
    saved = await tx.execute(SAVE, {**who, "base_version": base_version, "body": json.dumps(body)})
    row = saved.one_or_none()
    if row is None:
        await draft_of(tx, viewer, task_id)
        raise ConflictError(
            "This task was changed in another window or on another device.", code="draft_conflict"
        )
    return row.version, row.updated_at


async def draft_of(tx: AsyncSession, viewer: Viewer, task_id: int) -> DraftView | None:
    """The viewer's unsubmitted work on a task, if there is any.

    Raises:
        NotFoundError: the task is not the viewer's.
    """
    row = (await tx.execute(READ, {"task_id": task_id, "labeler_id": viewer.id})).one_or_none()
    if row is None:
        raise NotFoundError(NOT_YOURS)
    return None if row.version is None else DraftView(row.version, row.body, row.updated_at)


async def keep_typed(
    tx: AsyncSession, viewer: Viewer, task: ShownTask, values: Mapping[str, Sequence[str]]
) -> None:
    """Keep what was typed into the plain form as the draft, beside what scripts kept in it.

    Raises:
        InvalidError: it is too long to be kept, or cannot be stored.
        ConflictError: it was changed elsewhere in this moment.
    """
    ids = [response.id for response in task.responses if response.same_as is None]
    kept = await draft_of(tx, viewer, task.id)
    body = {**({} if kept is None else kept.body), "work": work_from_values(values, ids)}
    try:
        draft = DraftIn(base_version=0 if kept is None else kept.version, body=body)
    except ValidationError:
        raise InvalidError("These notes are too long to be kept.", code="too_long") from None
    await save_draft(tx, viewer, task_id=task.id, base_version=draft.base_version, body=draft.body)


async def store_events(
    tx: AsyncSession, viewer: Viewer, *, task_id: int, visit: uuid.UUID, events: Sequence[EventIn]
) -> None:
    """Store what the screen reports; sent twice, it is stored once.

    Raises:
        NotFoundError: the task is not the viewer's.
    """
    rows = json.dumps([event.model_dump(mode="json") for event in events])
    found = await tx.scalar(
        STORE_EVENTS,
        {"task_id": task_id, "labeler_id": viewer.id, "visit": visit, "events": rows},
    )
    if not found:
        raise NotFoundError(NOT_YOURS)


async def forget_events(tx: AsyncSession, *, days: int) -> int:
    """Delete what the screen reported longer ago than this; returns how many."""
    return (await tx.execute(FORGET_EVENTS, {"days": days})).rowcount  # type: ignore[attr-defined,no-any-return]
