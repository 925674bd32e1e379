"""The real application on a real database, and one client per kind of caller."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path

import httpx2
import pytest
from fastapi import FastAPI
from sqlalchemy import text

from app.accounts.commands import create_api_token, open_session
from app.accounts.deps import cookie_name
from app.db import create_engine, transaction
from app.main import create_app
from app.settings import Settings

ORIGIN = "http://localhost"

SignUp = Callable[[str, str], Awaitable[httpx2.AsyncClient]]

USER = text(
    "insert into users (email, name, role, password_hash) "
    "values (:email, :name, :role, 'not a hash') returning id"
)


@pytest.fixture
def settings(database_url: str, tmp_path: Path) -> Settings:
    return Settings(
        database_url=database_url, data_dir=tmp_path, secret_key="k" * 48, database_pool_size=5
    )


@pytest.fixture(scope="session")
def application() -> FastAPI:
    """The application; building its routes takes longer than most tests."""
    return create_app(Settings(database_url="postgresql+psycopg://", secret_key="k" * 48))


@pytest.fixture
async def app(application: FastAPI, settings: Settings) -> AsyncIterator[FastAPI]:
    """The application with the settings and the database of this test."""
    assert settings.database_url is not None
    application.state.settings = settings
    application.state.engine = create_engine(settings.database_url, pool_size=5)
    yield application
    await application.state.engine.dispose()


@pytest.fixture
async def open_client(app: FastAPI) -> AsyncIterator[Callable[..., Awaitable[httpx2.AsyncClient]]]:
    """Call it with the headers that every request of the new client carries."""
    async with AsyncExitStack() as stack:

        async def opened(**headers: str) -> httpx2.AsyncClient:
            transport = httpx2.ASGITransport(app=app, raise_app_exceptions=False)
            return await stack.enter_async_context(
                httpx2.AsyncClient(transport=transport, base_url=ORIGIN, headers=headers)
            )

        yield opened


@pytest.fixture
async def sign_up(app: FastAPI, open_client) -> SignUp:
    """Create a user (email, role) and get a client that carries their API token."""

    async def signed_up(email: str, role: str) -> httpx2.AsyncClient:
        async with transaction(app.state.engine) as tx:
            user_id = await tx.scalar(USER, {"email": email, "name": email, "role": role})
            token = await create_api_token(tx, user_id=user_id, name="tests", days=1)
        return await open_client(authorization=f"Bearer {token}")

    return signed_up


@pytest.fixture
async def browser_for(app: FastAPI, settings: Settings, open_client) -> SignUp:
    """Create a user (email, role) and get a client like a browser: a session cookie, wants HTML."""

    async def browser(email: str, role: str) -> httpx2.AsyncClient:
        async with transaction(app.state.engine) as tx:
            user_id = await tx.scalar(USER, {"email": email, "name": email, "role": role})
            token = await open_session(tx, user_id=user_id, max_days=1)
        opened = await open_client(**{"accept": "text/html", "sec-fetch-site": "same-origin"})
        opened.cookies.set(cookie_name(settings), token)
        return opened

    return browser


@pytest.fixture
async def client(open_client) -> httpx2.AsyncClient:
    """Nobody: no token, no cookie."""
    return await open_client()


@pytest.fixture
async def admin(sign_up: SignUp) -> httpx2.AsyncClient:
    return await sign_up("admin@example.org", "admin")


@pytest.fixture
async def labeler(sign_up: SignUp) -> httpx2.AsyncClient:
    return await sign_up("labeler@example.org", "labeler")


@pytest.fixture
async def admin_browser(browser_for: SignUp) -> httpx2.AsyncClient:
    return await browser_for("admin.browser@example.org", "admin")


@pytest.fixture
async def labeler_browser(browser_for: SignUp) -> httpx2.AsyncClient:
    return await browser_for("labeler.browser@example.org", "labeler")


@pytest.fixture
async def project(admin: httpx2.AsyncClient) -> str:
    """The slug of a project with the default flags; `labeler@example.org` is not a member yet."""
    created = await admin.post(
        "/api/v1/projects",
        json={"slug": "demo", "name": "Demo", "guidelines": "Prefer the helpful answer."},
    )
    assert created.status_code == 201, created.text
    return "demo"
