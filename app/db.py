"""The database: engine, base class, migrations, and `transaction`, the one place that commits.

Pool: `database_pool_size` connections per process, no overflow; with two web processes and a worker
that stays below Postgres' default of 100. Exports use connections of their own (`snapshot`), so
that a long download never starves the pages.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import MetaData, text
from sqlalchemy.engine import make_url
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, AsyncSession, create_async_engine
from sqlalchemy.orm import DeclarativeBase
from sqlalchemy.pool import NullPool

if TYPE_CHECKING:
    from alembic.config import Config

MIGRATIONS = Path(__file__).resolve().parent.parent / "migrations"

NAMING = {
    "ix": "ix_%(column_0_N_label)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
    "pk": "pk_%(table_name)s",
}


class Base(DeclarativeBase):
    """All tables; constraint names are fixed by convention so that migrations can name them."""

    metadata = MetaData(naming_convention=NAMING)


def psycopg_url(url: str) -> str:
    """The same URL with the one driver that Podium uses."""
    return make_url(url).set(drivername="postgresql+psycopg").render_as_string(hide_password=False)


def create_engine(url: str, *, pool_size: int = 10) -> AsyncEngine:
    """Make the process's engine.

    Connections are not pinged first, which would cost every request a round trip: when the server
    was restarted, one request answers 503 and SQLAlchemy then replaces all of them.
    """
    return create_async_engine(
        psycopg_url(url), pool_size=pool_size, max_overflow=0, pool_timeout=10
    )


@asynccontextmanager
async def transaction(engine: AsyncEngine) -> AsyncIterator[AsyncSession]:
    """One transaction: commits when the block ends, rolls back when it raises."""
    async with AsyncSession(
        engine, expire_on_commit=False, autoflush=False, close_resets_only=False
    ) as session:
        yield session
        await session.commit()


async def let_go(tx: AsyncSession) -> None:
    """Give the transaction's connection back to the pool, before a long wait that needs none.

    For readers: what was written up to here (that somebody was seen) is committed. The next
    statement takes a connection again.
    """
    await tx.commit()


@asynccontextmanager
async def outside_pool(engine: AsyncEngine) -> AsyncIterator[AsyncEngine]:
    """The same database without the pool, for who holds one of its connections already.

    As many requests as the pool has connections, each waiting for a second one, would all wait
    until they give up.
    """
    outside = create_async_engine(engine.url, poolclass=NullPool)
    try:
        yield outside
    finally:
        await outside.dispose()


@asynccontextmanager
async def snapshot(engine: AsyncEngine) -> AsyncIterator[AsyncConnection]:
    """A read-only REPEATABLE READ view of the database on a connection outside the pool."""
    async with outside_pool(engine) as outside, outside.connect() as connection:
        repeatable = await connection.execution_options(isolation_level="REPEATABLE READ")
        await repeatable.execute(text("set transaction read only"))
        yield repeatable


def alembic_config(url: str) -> "Config":
    """Alembic's configuration, without an ini file."""
    # Only migrations need Alembic, which takes as long to load as the rest of a short command.
    from alembic.config import Config  # noqa: PLC0415

    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    config.set_main_option("sqlalchemy.url", psycopg_url(url).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    return config


def migrate(url: str) -> None:
    """Bring the schema to head; several processes at once wait for each other (`env.py`)."""
    from alembic import command  # noqa: PLC0415

    command.upgrade(alembic_config(url), "head")
