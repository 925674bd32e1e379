"""However many open pages of agreement at once, labelers find a connection to the database."""

import asyncio
import threading

import pytest

from app.agreement import cache, queries
from app.agreement.dashboard import queries as dashboard_queries
from app.agreement.labelers import screening
from app.agreement.slates import listing
from app.db import create_engine, transaction
from app.projects.commands import add_member
from tests.labeled_project import Given, GivenSlate, seed

SLATES = [GivenSlate([Given(1, [(1, 2, 3, 4)]), Given(2, [(2, 1, 3, 4)])]) for _ in range(12)]
API = "/api/v1/projects/{}"
PAGES = ("agreement", "agreement/prompts", "screening", "agreement/plan", "agreement?round=1")


@pytest.fixture
async def two_connections(app, settings):
    await app.state.engine.dispose()
    app.state.engine = create_engine(settings.database_url, pool_size=2)
    return app


@pytest.fixture
async def seeded(two_connections, labeler):
    async with transaction(two_connections.state.engine) as tx:
        for slug in ("seeded", "other"):
            made = await seed(tx, SLATES, slug=slug)
            await add_member(tx, made.project, "labeler@example.org")


async def goes_on(labeler):
    """Whether the labeler gets an answer."""
    return (await labeler.post(f"{API.format('seeded')}/tasks/next")).status_code == 204


def opened(admin, *slugs):
    """Requests for all pages at once."""
    return [
        asyncio.create_task(admin.get(f"{API.format(slug)}/{page}"))
        for slug in slugs
        for page in PAGES
    ]


async def answers(pages):
    return {answer.status_code for answer in await asyncio.gather(*pages)}


async def test_while_labels_are_read_for_the_first_time(seeded, labeler, admin, monkeypatch):
    reading, go_on, loaded_since = asyncio.Event(), asyncio.Event(), cache.loaded_since

    async def slow(tx, project_id, before):
        loaded = await loaded_since(tx, project_id, before)
        reading.set()
        await go_on.wait()
        return loaded

    monkeypatch.setattr(cache, "loaded_since", slow)
    pages = opened(admin, "seeded", "other")
    await reading.wait()

    went_on = await goes_on(labeler)
    go_on.set()

    assert went_on
    assert await answers(pages) == {200}


@pytest.mark.parametrize(
    ("module", "name"),
    [
        (cache, "measure"),
        (queries, "report_of"),
        (dashboard_queries, "overview_of"),
        (dashboard_queries, "dashboard_of"),
        (screening, "flags_with_researchers"),
        (listing, "_tables"),
    ],
)
async def test_while_numbers_are_computed(
    seeded, two_connections, labeler, admin, monkeypatch, module, name
):
    if name == "flags_with_researchers":
        await admin.get(f"{API.format('seeded')}/agreement")
    computing, go_on, compute = threading.Event(), threading.Event(), getattr(module, name)

    def slow(*args, **kwargs):
        computing.set()
        go_on.wait()
        return compute(*args, **kwargs)

    monkeypatch.setattr(module, name, slow)
    pages = opened(admin, "seeded")
    await asyncio.to_thread(computing.wait)

    went_on = await goes_on(labeler)
    go_on.set()

    assert went_on
    assert await answers(pages) == {200}
