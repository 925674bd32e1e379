"""Closing a round, which ends its labeling and keeps what was ranked, and opening it again."""

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from app.projects.queries import ProjectView
from app.rounds.places import reopen_places, void_places
from app.rounds.queries import RoundView, round_of

CLOSE = text("update rounds set closed_at = now() where id = :round_id and closed_at is null")
REOPEN = text("update rounds set closed_at = null where id = :round_id and closed_at is not null")


async def close_round(tx: AsyncSession, project: ProjectView, number: int) -> RoundView:
    """End a round's labeling: nobody gets a task of it, and who holds one loses it.

    Closing it again changes nothing.

    Raises:
        NotFoundError: the project has no round with this number.
    """
    row = await round_of(tx, project, number)
    # First the round, by a statement of its own: samples that arrive meanwhile wait for it.
    await tx.execute(CLOSE, {"round_id": row.id})
    await void_places(tx, round_id=row.id)
    return await round_of(tx, project, number)


async def reopen_round(tx: AsyncSession, project: ProjectView, number: int) -> RoundView:
    """Offer the places again that were open or held when the round was closed.

    Raises:
        NotFoundError: the project has no round with this number.
    """
    row = await round_of(tx, project, number)
    await tx.execute(REOPEN, {"round_id": row.id})
    await reopen_places(tx, round_id=row.id)
    return await round_of(tx, project, number)
