"""What `podium demo` sets up: Postgres, a project with prompts and a small model, web and worker.

A second composition root beside `main` and `worker`. Everything lies in the data folder, where a
second start finds it.
"""

import asyncio
import json
import os
import secrets
import shutil
import signal
import socket
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx2
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession

from app.accounts.commands import create_user
from app.accounts.viewer import Viewer
from app.db import create_engine, migrate, transaction
from app.embedded_postgres.server import EmbeddedPostgres
from app.errors import ConflictError, UnavailableError
from app.projects.commands import NewProject, add_member, create_project
from app.prompts.commands import import_demonstrations, import_pretraining, import_prompts
from app.registry.commands import NewModel, register_model
from app.registry.location import Location
from app.rounds.commands import NewRound, create_round
from app.settings import Settings
from app.supervision import Program, revive, running
from trainer.spec import Sampling

ASSETS = Path(__file__).parent / "demo_assets"
SLUG = "demo"
PEOPLE = (
    ("admin@demo.example", "Ada", "admin"),
    ("mira@demo.example", "Mira", "labeler"),
    ("ola@demo.example", "Ola", "labeler"),
    ("tam@demo.example", "Tam", "labeler"),
)
RESPONSES_PER_PROMPT = 5
# Two labelers each: a newcomer sees agreement after ten prompts, not after a hundred.
LABELS_PER_SLATE = 2
SAMPLING = Sampling(temperature=0.9, top_p=0.95, max_new_tokens=96, seed=1)
START_SECONDS = 60
BAR_WIDTH = 32
POLL_SECONDS = 0.5


@dataclass(frozen=True)
class Login:
    """One of the demo's accounts, kept in the data folder (0600) for the next start to tell."""

    email: str
    name: str
    role: str
    password: str


def run(settings: Settings, *, port: int) -> None:
    """Start everything, print where and who, and stop everything on Ctrl-C or SIGTERM."""
    # SIGINT too: a shell starts background commands with it ignored.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _interrupt)
    _require_free(port)
    settings.root.mkdir(parents=True, exist_ok=True)
    settings.secret()
    _say(f"Podium demo, data in {settings.root}")
    try:
        with _postgres(settings) as url:
            logins = _set_up(settings, url)
            programs = _programs(settings, port)
            with running(programs):
                _wait_for_web(port, programs)
                asyncio.run(_show_progress(url, programs, port=port, logins=logins))
    except KeyboardInterrupt:
        _say("\nStopped. The data stays; start again with the same command.")


def _interrupt(*_: object) -> None:
    raise KeyboardInterrupt


def _say(line: str) -> None:
    print(line, flush=True)


@contextmanager
def _postgres(settings: Settings) -> Iterator[str]:
    if settings.database_url is not None:
        migrate(settings.database_url)
        yield settings.database_url
        return
    with EmbeddedPostgres(settings.root / "postgres") as postgres:
        url = postgres.ensure_database("podium")
        migrate(url)
        yield url


def _set_up(settings: Settings, url: str) -> list[Login]:
    """Make the demo's accounts and project, once, in one transaction."""
    path = settings.root / "demo_logins.json"
    if path.exists():
        return [Login(**login) for login in json.loads(path.read_text())]
    logins = [Login(email, name, role, secrets.token_urlsafe(12)) for email, name, role in PEOPLE]
    _say("Setting up the demo project ...")
    for kind in ("base", "sft"):
        shutil.copytree(
            ASSETS / kind, settings.root / "models" / f"demo-{kind}", dirs_exist_ok=True
        )
    # Before the commit: accounts whose passwords nobody knows would be worse than a file too many.
    _write_private(path.with_suffix(".new"), json.dumps([vars(login) for login in logins]))
    asyncio.run(_fill(settings, url, logins))
    path.with_suffix(".new").rename(path)
    return logins


def _write_private(path: Path, content: str) -> None:
    path.unlink(missing_ok=True)
    with os.fdopen(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "w") as file:
        file.write(content)


async def _fill(settings: Settings, url: str, logins: list[Login]) -> None:
    engine = create_engine(url, pool_size=1)
    try:
        async with transaction(engine) as tx:
            if await tx.scalar(text("select 1 from projects where slug = :slug"), {"slug": SLUG}):
                raise ConflictError(
                    f"This database has a project {SLUG!r} already, but {settings.root} does not "
                    "know its passwords; choose another --data-dir.",
                    code="demo_exists",
                )
            admin = await _create_people(tx, logins)
            await _create_project(tx, settings, admin, logins)
    finally:
        await engine.dispose()


async def _create_people(tx: AsyncSession, logins: list[Login]) -> Viewer:
    ids = [
        await create_user(
            tx, email=login.email, name=login.name, role=login.role, password=login.password
        )
        for login in logins
    ]
    return Viewer(id=ids[0], email=logins[0].email, name=logins[0].name, role="admin")


async def _create_project(
    tx: AsyncSession, settings: Settings, admin: Viewer, logins: list[Login]
) -> None:
    project = await create_project(
        tx,
        admin,
        NewProject(
            slug=SLUG,
            name="Demo: a small assistant",
            guidelines=(ASSETS / "guidelines.md").read_text(),
            labels_per_slate=LABELS_PER_SLATE,
        ),
    )
    for login in logins[1:]:
        await add_member(tx, project, login.email)
    await import_prompts(tx, project, (ASSETS / "prompts.jsonl").read_bytes())
    await import_demonstrations(tx, project, (ASSETS / "demonstrations.jsonl").read_bytes())
    await import_pretraining(tx, project, (ASSETS / "pretraining.jsonl").read_bytes())
    for name, kind in (("demo-base", "base"), ("demo-sft", "sft")):
        location = Location(path=str(settings.root / "models" / name))
        await register_model(tx, settings, NewModel(name=name, kind=kind, location=location))
    await create_round(
        tx,
        settings,
        admin,
        project,
        NewRound(
            models=("demo-sft",), responses_per_prompt=RESPONSES_PER_PROMPT, sampling=SAMPLING
        ),
    )


def _programs(settings: Settings, port: int) -> list[Program]:
    environment = {**os.environ, "PODIUM_DATA_DIR": str(settings.root)}
    return [
        Program(
            name=f"podium {name}",
            command=(sys.executable, "-m", "app", name, *arguments),
            environment=environment,
            log=settings.root / f"{name}.log",
        )
        for name, arguments in (("serve", ("--port", str(port))), ("worker", ()))
    ]


def _require_free(port: int) -> None:
    """Refuse a port that another program answers on: its pages would be taken for ours."""
    try:
        socket.create_server(("127.0.0.1", port)).close()
    except OSError:
        raise UnavailableError(
            f"Port {port} is in use; stop what uses it or choose another with --port.",
            code="port_in_use",
        ) from None


def _wait_for_web(port: int, programs: Sequence[Program]) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        _revive(programs)
        try:
            if httpx2.get(f"http://127.0.0.1:{port}/readyz", timeout=1).is_success:
                return
        except httpx2.HTTPError:
            pass
        time.sleep(0.1)
    raise UnavailableError(
        f"The web server did not answer within {START_SECONDS} s; see serve.log.", code="no_web"
    )


def _revive(programs: Sequence[Program]) -> None:
    for line in revive(programs):
        _say(f"\n{line}")


async def _show_progress(
    url: str,
    programs: Sequence[Program],
    *,
    port: int,
    logins: list[Login],
) -> None:
    """Draw the bar until everything is sampled, print the logins at the first slate, then wait."""
    engine = create_engine(url, pool_size=1)
    has_told = False
    ready, total = await _sampled(engine)
    while True:
        _revive(programs)
        if ready and not has_told:
            _tell(port, logins)
            has_told = True
        if ready == total:
            break
        _draw_bar(ready, total)
        await asyncio.sleep(POLL_SECONDS)
        ready, total = await _sampled(engine)
    _draw_bar(ready, total)
    _say("\nReady. Ctrl-C stops everything.")
    while True:
        _revive(programs)
        await asyncio.sleep(POLL_SECONDS)


async def _sampled(engine: AsyncEngine) -> tuple[int, int]:
    async with engine.connect() as connection:
        row = (
            await connection.execute(
                text("select count(*) filter (where status <> 'pending'), count(*) from slates")
            )
        ).one()
    return row[0], row[1]


def _tell(port: int, logins: list[Login]) -> None:
    _say(f"\n\n  http://127.0.0.1:{port}\n")
    for login in logins:
        _say(f"  {login.role:<8} {login.email:<20} {login.password}")
    _say("")


def _draw_bar(done: int, total: int) -> None:
    filled = BAR_WIDTH * done // max(total, 1)
    bar = "█" * filled + "░" * (BAR_WIDTH - filled)
    print(f"\r  sampling responses {bar} {done}/{total} prompts", end="", flush=True)
