"""One Postgres per test session, one migrated template in it, one fresh copy of that per test."""

import gc
from collections.abc import AsyncIterator, Generator, Iterator
from itertools import count

import psycopg
import pytest
from psycopg import sql
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession

from app.db import create_engine, migrate, transaction
from app.embedded_postgres.server import EmbeddedPostgres

TEMPLATE = "template_podium"
CLONE_NUMBERS = count(1)


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Import all tests, and what they test, without looking for garbage, there or later."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


@pytest.fixture(scope="session")
def postgres() -> Iterator[EmbeddedPostgres]:
    """One throw-away server for this process (with xdist: for this worker)."""
    with EmbeddedPostgres.temporary() as server:
        yield server


@pytest.fixture(scope="session")
def administration(postgres: EmbeddedPostgres) -> Iterator[psycopg.Connection]:
    """A connection that creates and drops databases."""
    with psycopg.connect(_libpq(postgres.url()), autocommit=True) as connection:
        yield connection


@pytest.fixture(scope="session")
def template(postgres: EmbeddedPostgres) -> str:
    """The name of a database with the newest schema and no rows."""
    migrate(postgres.ensure_database(TEMPLATE))
    return TEMPLATE


@pytest.fixture
def database_url(
    postgres: EmbeddedPostgres, administration: psycopg.Connection, template: str
) -> Iterator[str]:
    """The URL of an empty, migrated database of this test's own."""
    name = f"test_{next(CLONE_NUMBERS)}"
    create = sql.SQL("create database {} template {} strategy file_copy")
    administration.execute(create.format(sql.Identifier(name), sql.Identifier(template)))
    yield postgres.url(name)
    administration.execute(sql.SQL("drop database {} with (force)").format(sql.Identifier(name)))


@pytest.fixture
async def engine(database_url: str) -> AsyncIterator[AsyncEngine]:
    made = create_engine(database_url)
    yield made
    await made.dispose()


@pytest.fixture
async def tx(engine: AsyncEngine) -> AsyncIterator[AsyncSession]:
    """One transaction as long as the test; `await tx.commit()` shows its rows to others."""
    async with transaction(engine) as session:
        yield session


def _libpq(url: str) -> str:
    return url.replace("postgresql+psycopg://", "postgresql://")
