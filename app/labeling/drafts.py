"""Unsubmitted work, kept on the server as well, and what the screen reports about it."""

import json
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from app.accounts.viewer import Viewer
from app.errors import ConflictError, NotFoundError
from app.labeling.schemas import EventIn

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
select d.version, d.body, d.updated_at from drafts d join tasks t on t.id = d.task_id
where d.task_id = :task_id and d.labeler_id = :labeler_id and t.labeler_id = :labeler_id
""")

STORE_EVENTS = text("""
insert into screen_events (task_id, labeler_id, visit, sequence, kind, data, client_at)
select t.id, :labeler_id, :visit, e.sequence, e.kind, e.data, e.client_at
from tasks t, jsonb_to_recordset(cast(:events as jsonb))
    as e (sequence int, kind text, data jsonb, client_at timestamptz)
where t.id = :task_id and t.labeler_id = :labeler_id
on conflict (task_id, visit, sequence) do nothing
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
        if (await tx.execute(READ, who)).one_or_none() is None:
            raise NotFoundError("There is no such task, or it is not yours (any more).")
        raise ConflictError(
            "This task was changed in another window or on another device.", code="draft_conflict"
        )
    return row.version, row.updated_at


async def draft_of(tx: AsyncSession, viewer: Viewer, task_id: int) -> DraftView | None:
    """The viewer's unsubmitted work on a task, if there is any."""
    row = (await tx.execute(READ, {"task_id": task_id, "labeler_id": viewer.id})).one_or_none()
    return None if row is None else DraftView(row.version, row.body, row.updated_at)


async def store_events(
    tx: AsyncSession, viewer: Viewer, *, task_id: int, visit: uuid.UUID, events: Sequence[EventIn]
) -> None:
    """Store what the screen reports; sent twice, it is stored once.

    What is said about a task of somebody else is dropped: the screen cannot do anything about it.
    """
    rows = json.dumps([event.model_dump(mode="json") for event in events])
    await tx.execute(
        STORE_EVENTS,
        {"task_id": task_id, "labeler_id": viewer.id, "visit": visit, "events": rows},
    )


async def forget_events(tx: AsyncSession, *, days: int) -> int:
    """Delete what the screen reported longer ago than this; returns how many."""
    return (await tx.execute(FORGET_EVENTS, {"days": days})).rowcount  # type: ignore[attr-defined,no-any-return]
