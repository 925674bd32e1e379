"""What must always hold in the database: `invariants.sql`, run by `podium check` and by tests."""

import re
from pathlib import Path

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from app.db import snapshot

SOURCE = Path(__file__).with_suffix(".sql")
NAMED_QUERY = re.compile(r"-- name: (\w+)\n(.*?);", re.DOTALL)
MAX_SHOWN = 5


async def violations(engine: AsyncEngine) -> dict[str, list[str]]:
    """This function will run every invariant and return the broken ones with some of their rows."""
    broken = {}
    async with snapshot(engine) as connection:
        for name, query in NAMED_QUERY.findall(SOURCE.read_text()):
            rows = (await connection.execute(text(query))).fetchmany(MAX_SHOWN)
            if rows:
                broken[name] = [", ".join(map(str, row)) for row in rows]
    return broken
