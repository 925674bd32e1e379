"""Reads for changing flags: where one stands, and how often rankings use each."""

from dataclasses import dataclass

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from app.errors import NotFoundError
from app.projects.queries import FlagView, ProjectView, flags_of

# Corrected versions count too: they are kept, and name the flag as well.
FLAG_USES = text("""
select used.key, count(*) from (
    select unnest(i.flags) as key from ranking_items i
    join rankings r on r.id = i.ranking_id join tasks t on t.id = r.task_id
    where t.project_id = :id and i.flags <> '{}'
    union all
    select unnest(r.flags) from rankings r join tasks t on t.id = r.task_id
    where t.project_id = :id and r.flags <> '{}'
) used group by used.key
""")


@dataclass(frozen=True)
class PlacedFlagView:
    """A flag and its place among the project's `count` flags, counted from 1."""

    flag: FlagView
    position: int
    count: int


async def flag_of(tx: AsyncSession, project: ProjectView, key: str) -> PlacedFlagView:
    """The project's flag with this key.

    Raises:
        NotFoundError: there is none.
    """
    flags = await flags_of(tx, project)
    for position, flag in enumerate(flags, start=1):
        if flag.key == key:
            return PlacedFlagView(flag, position, len(flags))
    raise NotFoundError("The project has no flag with this key.")


async def flag_uses_of(tx: AsyncSession, project: ProjectView) -> dict[str, int]:
    """How often rankings use each flag, by key; those that none uses are left out."""
    rows = await tx.execute(FLAG_USES, {"id": project.id})
    return {row[0]: row[1] for row in rows}
