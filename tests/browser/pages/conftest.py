"""A database and a server of its own for each module: its tests look at a whole installation."""

from collections.abc import AsyncIterator, Iterator

import psycopg
import pytest
import pytest_asyncio
from sqlalchemy.ext.asyncio import AsyncEngine

from app.db import create_engine
from app.embedded_postgres.server import EmbeddedPostgres
from tests.browser.conftest import fresh_database
from tests.processes import Podium, podium_processes


@pytest.fixture(scope="module")
def database_url(
    postgres: EmbeddedPostgres, administration: psycopg.Connection, template: str
) -> Iterator[str]:
    """One database for a module and its server."""
    with fresh_database(postgres, administration, template) as url:
        yield url


@pytest.fixture(scope="module")
def podium(database_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Podium]:
    """A running web server."""
    folder = tmp_path_factory.mktemp("podium")
    with podium_processes(database_url, folder, commands=("serve",)) as running:
        yield running


@pytest_asyncio.fixture(loop_scope="session", scope="module")
async def engine(database_url: str) -> AsyncIterator[AsyncEngine]:
    made = create_engine(database_url)
    yield made
    await made.dispose()
