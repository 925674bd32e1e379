"""What routes ask for: the transaction, the engine, the settings."""

from collections.abc import AsyncIterator
from typing import Annotated, cast

from fastapi import Depends, Request
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession

from app.db import transaction
from app.settings import Settings


# `async` although nothing is awaited: FastAPI sends plain functions through a thread pool.
async def _engine(request: Request) -> AsyncEngine:
    return cast("AsyncEngine", request.app.state.engine)


async def _settings(request: Request) -> Settings:
    return cast("Settings", request.app.state.settings)


async def open_transaction(request: Request) -> AsyncIterator[AsyncSession]:
    """One transaction for the request, committed before the answer is sent."""
    async with transaction(await _engine(request)) as tx:
        yield tx


Engine = Annotated[AsyncEngine, Depends(_engine)]
AppSettings = Annotated[Settings, Depends(_settings)]
# The default scope would commit after the answer: a failed commit would still look like a success.
Tx = Annotated[AsyncSession, Depends(open_transaction, scope="function")]
