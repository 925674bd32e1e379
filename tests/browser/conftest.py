"""A real server and one headless Chromium per session, a fresh profile per visit.

Tests make projects of their own there; those of whole installations are in `pages/`, with a server
per module.

Everything asynchronous runs in the session's event loop, because the browser belongs to it.
"""

import shutil
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack, contextmanager
from typing import Any

import psycopg
import pytest
import pytest_asyncio
from playwright.async_api import Browser, ConsoleMessage, Dialog, Page, async_playwright, expect
from psycopg import sql
from sqlalchemy.ext.asyncio import AsyncEngine

from app.accounts.commands import open_session
from app.db import create_engine, transaction
from app.embedded_postgres.server import EmbeddedPostgres
from tests.conftest import CLONE_NUMBERS
from tests.processes import Podium, podium_processes

CHROMIUMS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
# Chromium takes the last of several such arguments: these are Playwright's own, which keep it off
# the network, and two pages behind the address bar that every window would load, seen or not.
DISABLED_FEATURES = (
    "WebUIOmniboxAimPopup", "WebUIOmniboxPopup",
    "AimEnabled", "AvoidCorsURLLoaderRestartOnRedirect", "AvoidUnnecessaryBeforeUnloadCheckSync",
    "DestroyProfileOnBrowserClose", "HttpsFirstBalancedModeAutoEnable", "HttpsUpgrades",
    "LensOverlay", "MediaRouter", "NetworkTimeServiceQuerying", "OptimizationHints",
    "PaintHolding", "PreconnectToSearch", "ThirdPartyStoragePartitioning",
)  # fmt: skip
ARGUMENTS = [
    "--no-sandbox",
    "--disable-quic",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-features=" + ",".join(DISABLED_FEATURES),
]
PATIENCE_MS = 20_000  # machines that run these tests are often busy

OpenPage = Callable[..., Awaitable[Page]]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if "tests/browser/" in item.path.as_posix():
            item.add_marker(pytest.mark.browser)
            item.add_marker(pytest.mark.asyncio(loop_scope="session"), append=False)


@contextmanager
def fresh_database(
    postgres: EmbeddedPostgres, administration: psycopg.Connection, template: str
) -> Iterator[str]:
    """The address of a database with nothing in it, dropped at the end."""
    name = f"test_browser_{next(CLONE_NUMBERS)}"
    create = sql.SQL("create database {} template {} strategy file_copy")
    administration.execute(create.format(sql.Identifier(name), sql.Identifier(template)))
    yield postgres.url(name)
    administration.execute(sql.SQL("drop database {} with (force)").format(sql.Identifier(name)))


@pytest.fixture(scope="session")
def database_url(
    postgres: EmbeddedPostgres, administration: psycopg.Connection, template: str
) -> Iterator[str]:
    """One database for all tests here and their server; each makes a project of its own."""
    with fresh_database(postgres, administration, template) as url:
        yield url


@pytest.fixture(scope="session")
def podium(database_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Podium]:
    """A running web server."""
    folder = tmp_path_factory.mktemp("podium")
    with podium_processes(database_url, folder, commands=("serve",)) as running:
        yield running


@pytest_asyncio.fixture(loop_scope="session", scope="session")
async def engine(database_url: str) -> AsyncIterator[AsyncEngine]:
    made = create_engine(database_url)
    yield made
    await made.dispose()


@pytest_asyncio.fixture(loop_scope="session", scope="session")
async def browser() -> AsyncIterator[Browser]:
    """The system's Chromium, which every test opens fresh profiles in."""
    path = next(filter(None, map(shutil.which, CHROMIUMS)), None)
    if path is None:
        pytest.skip("no Chromium found; install it (on Debian: apt-get install chromium)")
    expect.set_options(timeout=PATIENCE_MS)
    async with async_playwright() as playwright:
        launched = await playwright.chromium.launch(executable_path=path, args=ARGUMENTS)
        yield launched
        await launched.close()


@pytest.fixture
def complaints() -> Iterator[list[str]]:
    """What the browser complained about; a test that expects something takes it out."""
    heard: list[str] = []
    yield heard
    assert heard == []


@pytest_asyncio.fixture(loop_scope="session")
async def open_page(
    podium: Podium, engine: AsyncEngine, browser: Browser, complaints: list[str]
) -> AsyncIterator[OpenPage]:
    """Open an empty page in a fresh profile, signed in as `user_id` or as nobody."""
    async with AsyncExitStack() as stack:

        async def opened(user_id: int | None = None, **options: Any) -> Page:  # noqa: ANN401
            page = await new_page(browser, podium, engine, user_id, **options)
            stack.push_async_callback(page.context.close)
            listen(page, complaints)
            return page

        yield opened


async def new_page(
    browser: Browser,
    podium: Podium,
    engine: AsyncEngine,
    user_id: int | None,
    **options: Any,  # noqa: ANN401
) -> Page:
    """An empty page in a fresh profile, which closes with the page's context."""
    context = await browser.new_context(base_url=podium.url, **options)
    context.set_default_timeout(PATIENCE_MS)
    if user_id is not None:
        async with transaction(engine) as tx:
            token = await open_session(tx, user_id=user_id, max_days=1)
        await context.add_cookies([{"name": "podium", "value": token, "url": podium.url}])
    return await context.new_page()


def listen(page: Page, complaints: list[str]) -> None:
    """Write down what the browser complains about on this page."""

    def on_console(message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            complaints.append(f"{message.type}: {message.text}")

    async def on_dialog(dialog: Dialog) -> None:
        complaints.append(f"dialog: {dialog.message}")
        await dialog.dismiss()

    page.on("console", on_console)
    page.on("dialog", on_dialog)
    page.on("pageerror", lambda error: complaints.append(f"exception: {error}"))
