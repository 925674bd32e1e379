"""The one statement that flags are written with, for new projects and for changes alike."""

import json
from collections.abc import Sequence
from dataclasses import asdict

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from app.errors import InvalidError
from app.projects.flags import FlagSpec

STORE = text("""
insert into flags (project_id, key, label, polarity, scope, condition, is_severe, needs_note,
                   position)
select :project_id, given.key, given.label, given.polarity, given.scope, given.condition,
       given.is_severe, given.needs_note, given.position
from jsonb_to_recordset(cast(:flags as jsonb)) as given (
    key text, label text, polarity text, scope text, condition text, is_severe boolean,
    needs_note boolean, position smallint)
on conflict (project_id, key) do update set
    label = excluded.label, polarity = excluded.polarity, scope = excluded.scope,
    condition = excluded.condition, is_severe = excluded.is_severe,
    needs_note = excluded.needs_note, position = excluded.position
""")


async def store_flags(tx: AsyncSession, project_id: int, flags: Sequence[FlagSpec]) -> None:
    """Add the flags, or change those that have these keys, in this order.

    Raises:
        InvalidError: two of them share a key.
    """
    if len({flag.key for flag in flags}) != len(flags):
        raise InvalidError("Two flags have the same key.", code="duplicate_flag")
    rows = [{**asdict(flag), "position": position} for position, flag in enumerate(flags, start=1)]
    await tx.execute(STORE, {"project_id": project_id, "flags": json.dumps(rows)})
