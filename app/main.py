"""The web server: routers, error handlers, static files, lifespan. Never imports torch."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import Depends, FastAPI
from fastapi.responses import JSONResponse, PlainTextResponse
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

from app.accounts import pages as accounts_pages
from app.accounts import preferences_api
from app.accounts.deps import SignedIn, signed_in
from app.agreement import api as agreement_api
from app.agreement import pages as agreement_pages
from app.agreement.labelers import api as labeler_api
from app.agreement.labelers import pages as labeler_pages
from app.agreement.own import api as own_work_api
from app.agreement.slates import api as divided_api
from app.agreement.slates import pages as slate_pages
from app.datasets import api as datasets_api
from app.datasets import pages as datasets_pages
from app.db import create_engine
from app.embedded_postgres.server import EmbeddedPostgres
from app.labeling import api as labeling_api
from app.labeling import compare_api, preview_pages, report_api, report_pages, slate_api
from app.labeling import pages as labeling_pages
from app.labeling import screen_api as labeling_screen_api
from app.projects import api as projects_api
from app.projects import flag_pages, screen_pages
from app.projects import pages as projects_pages
from app.prompts import api as prompts_api
from app.prompts import pages as prompts_pages
from app.registry import api as registry_api
from app.registry import pages as registry_pages
from app.rounds import api as rounds_api
from app.rounds import pages as rounds_pages
from app.settings import Settings
from app.training import api as training_api
from app.training import leaderboard_api, lineage_api, lineage_pages
from app.training import pages as training_pages
from app.web.compression import CompressPages
from app.web.deps import Engine
from app.web.errors import install_error_handlers
from app.web.language import ChooseLanguage
from app.web.query_params import only_known
from app.web.security import SecurityMiddleware
from app.web.static import serve_static

API = "/api/v1"
APIS = (
    labeling_api,  # first: routes are searched in order, and labelers call these all day
    labeling_screen_api,
    compare_api,
    preferences_api,
    projects_api,
    prompts_api,
    registry_api,
    rounds_api,
    report_api,
    slate_api,
    agreement_api,
    divided_api,
    labeler_api,
    own_work_api,
    datasets_api,
    training_api,
    lineage_api,
    leaderboard_api,
)
PAGES = (
    accounts_pages,
    projects_pages,
    flag_pages,
    screen_pages,
    prompts_pages,
    registry_pages,
    rounds_pages,
    labeling_pages,
    preview_pages,
    report_pages,
    agreement_pages,
    slate_pages,
    labeler_pages,
    datasets_pages,
    training_pages,
    lineage_pages,
)
MAX_BODY_BYTES = 1_048_576  # imports raise this for their own routes


def create_app(settings: Settings | None = None, *, database_url: str | None = None) -> FastAPI:
    """Build the application.

    Args:
        settings: the process's settings; read from the environment when None.
        database_url: the database, when the settings do not name it.
    """
    settings = settings or Settings()
    settings.secret()
    url = database_url or settings.database_url
    if url is None:  # `podium serve` has started it; every web process attaches
        url = EmbeddedPostgres(settings.root / "postgres").start().url("podium")

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        app.state.engine = create_engine(url, pool_size=settings.database_pool_size)
        yield
        await app.state.engine.dispose()

    app = FastAPI(
        title="Podium",
        version="1",
        lifespan=lifespan,
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
    )
    app.state.settings = settings
    app.add_middleware(CompressPages)
    app.add_middleware(SecurityMiddleware, settings=settings)
    app.add_middleware(ChooseLanguage)
    install_error_handlers(app)
    _add_routes(app)
    app.mount("/static", serve_static, name="static")
    return app


def _add_routes(app: FastAPI) -> None:
    for api in APIS:
        app.include_router(
            api.router,
            prefix=API,
            max_body_size=MAX_BODY_BYTES,
            dependencies=[Depends(signed_in, scope="function"), Depends(only_known)],
        )
    for pages in PAGES:
        app.include_router(pages.router, max_body_size=MAX_BODY_BYTES)

    @app.get(f"{API}/openapi.json", include_in_schema=False)
    async def openapi(_viewer: SignedIn) -> JSONResponse:
        return JSONResponse(app.openapi())

    @app.get("/healthz", include_in_schema=False)
    async def healthz() -> PlainTextResponse:
        return PlainTextResponse("ok")

    @app.get("/readyz", include_in_schema=False)
    async def readyz(engine: Engine) -> PlainTextResponse:
        try:
            async with engine.connect() as connection:
                await connection.execute(text("select 1"))
        except (SQLAlchemyError, OSError):
            return PlainTextResponse("the database does not answer", status_code=503)
        return PlainTextResponse("ok")
