"""The `podium` command: one function per subcommand; the work is done by the domains.

A subcommand imports what only it needs: all of Podium takes several times as long to load as most
subcommands take.

Exit codes: 0 done, 1 a check or command failed, 2 the environment or arguments are not usable.
"""

import asyncio
import sys
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Literal, NoReturn, TypeVar

import typer
from pydantic import ValidationError
from sqlalchemy.exc import OperationalError
from sqlalchemy.ext.asyncio import AsyncEngine

from app.accounts.viewer import Viewer
from app.datasets.formats import ExportFormat
from app.db import create_engine, migrate, transaction
from app.embedded_postgres.errors import EmbeddedPostgresError
from app.embedded_postgres.server import EmbeddedPostgres
from app.errors import DomainError
from app.settings import Settings, SettingsError, describe_settings

T = TypeVar("T")
UNUSABLE = 2
# Who may use this command may use the database: it acts as an admin.
OPERATOR = Viewer(id=0, email="", name="operator", role="admin")
SHUTDOWN_SECONDS = 3

app = typer.Typer(
    name="podium",
    help="The whole RLHF loop of InstructGPT in one program.",
    epilog="Settings, from the environment:\n\n" + describe_settings(),
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
    rich_markup_mode=None,
)
users = typer.Typer(help="People who sign in.", no_args_is_help=True)
tokens = typer.Typer(help="API tokens.", no_args_is_help=True)
imports = typer.Typer(help="Bring data in.", no_args_is_help=True)
app.add_typer(users, name="user")
app.add_typer(tokens, name="token")
app.add_typer(imports, name="import")


def main() -> None:
    """Run the command; what people can mend is one line, never a traceback."""
    try:
        app()
    except DomainError as error:
        _fail(error.detail, code=1)
    except ValidationError as error:
        first = error.errors()[0]
        name = "_".join(map(str, first["loc"])).upper()
        _fail(f"PODIUM_{name}: {first['msg'].removeprefix('Value error, ')}")
    except (SettingsError, EmbeddedPostgresError) as error:
        _fail(str(error))
    except OperationalError as error:
        _fail(f"The database cannot be used: {str(error.orig).strip().splitlines()[0]}")


def _fail(message: str, *, code: int = UNUSABLE) -> NoReturn:
    print(f"podium: {message}", file=sys.stderr)
    raise SystemExit(code)


@contextmanager
def _database(settings: Settings) -> Iterator[str]:
    """The URL of the configured database, else of the embedded one, started here if nobody did."""
    settings.secret()
    if settings.database_url is not None:
        yield settings.database_url
        return
    with EmbeddedPostgres(settings.root / "postgres") as postgres:
        url = postgres.ensure_database("podium")
        migrate(url)
        yield url


def _in_transaction(work: Callable[[AsyncEngine], Awaitable[T]]) -> T:
    """Run one asynchronous piece of work on the database."""

    async def run(url: str) -> T:
        engine = create_engine(url, pool_size=2)
        try:
            return await work(engine)
        finally:
            await engine.dispose()

    with _database(Settings()) as url:
        return asyncio.run(run(url))


@app.command()
def demo(
    port: Annotated[int, typer.Option(min=1, max=65535)] = 8000,
    data_dir: Annotated[Path | None, typer.Option(help="default: PODIUM_DATA_DIR")] = None,
) -> None:
    """Run everything on this machine, with a demo project; Ctrl-C stops it, the data stays."""
    from app import demo as demonstration

    settings = Settings() if data_dir is None else Settings(data_dir=data_dir)
    demonstration.run(settings, port=port)


@app.command()
def serve(
    host: str = "127.0.0.1",
    port: Annotated[int, typer.Option(min=1, max=65535)] = 8000,
    workers: Annotated[int, typer.Option(min=1, max=64)] = 1,
) -> None:
    """Run the web server."""
    import uvicorn

    with _database(Settings()):
        uvicorn.run(
            "app.main:create_app",
            factory=True,
            host=host,
            port=port,
            workers=workers,
            access_log=False,
            server_header=False,
            timeout_graceful_shutdown=SHUTDOWN_SECONDS,
        )


@app.command()
def worker() -> None:
    """Run the background worker."""
    from app.worker import run_worker

    settings = Settings()
    with _database(settings) as url:
        asyncio.run(run_worker(settings, database_url=url))


@app.command(name="migrate")
def migrate_schema() -> None:
    """Bring the schema to head."""
    with _database(Settings()) as url:
        migrate(url)


@app.command()
def check() -> None:
    """Check the invariants; exit 1 with the names of those that are broken."""
    from app.invariants import violations

    broken = _in_transaction(violations)
    for name, rows in broken.items():
        print(f"{name}: {'; '.join(rows)}")
    if broken:
        raise SystemExit(1)


@users.command(name="create")
def create_user_command(
    email: str,
    role: Annotated[str, typer.Option(help="admin or labeler")],
    name: str = "",
) -> None:
    """Make a user; the password comes from stdin or a prompt."""
    from app.accounts.commands import create_user

    if sys.stdin.isatty():
        password = typer.prompt("Password", hide_input=True, confirmation_prompt=True)
    else:
        password = sys.stdin.readline().rstrip("\r\n")

    async def work(engine: AsyncEngine) -> None:
        async with transaction(engine) as tx:
            await create_user(tx, email=email, name=name, role=role, password=password)

    _in_transaction(work)


@tokens.command(name="create")
def create_token_command(
    email: str,
    days: Annotated[int, typer.Option(min=1, max=366)] = 90,
) -> None:
    """Print a new API token, once."""
    from app.accounts.commands import create_api_token_for_email

    async def work(engine: AsyncEngine) -> str:
        async with transaction(engine) as tx:
            return await create_api_token_for_email(
                tx, email=email, name="made by podium token create", days=days
            )

    print(_in_transaction(work))


@imports.command(name="prompts")
def import_prompts_command(project: str, file: Path, *, strict: bool = False) -> None:
    """Import prompts from a file with one JSON object per line."""
    from app.projects.queries import project_for
    from app.prompts.commands import ImportResult, import_prompts

    data = file.read_bytes()

    async def work(engine: AsyncEngine) -> ImportResult:
        async with transaction(engine) as tx:
            target = await project_for(tx, OPERATOR, project)
            return await import_prompts(tx, target, data, is_strict=strict)

    result = _in_transaction(work)
    for rejection in result.rejected:
        print(f"line {rejection.line}: {rejection.error}", file=sys.stderr)
    print(
        f"{result.imported} imported, {result.duplicates} duplicates, "
        f"{len(result.rejected)} rejected"
    )


@app.command()
def export(
    project: str,
    what: Annotated[Literal["rankings", "comparisons"], typer.Argument()],
    file_format: Annotated[ExportFormat, typer.Option("--format")] = ExportFormat.JSONL,
    output: Annotated[Path | None, typer.Option("--output", "-o", help="default: stdout")] = None,
) -> None:
    """Export a project's rankings or comparisons."""
    from app.datasets.export import write_comparisons, write_rankings
    from app.projects.queries import project_for

    write = write_rankings if what == "rankings" else write_comparisons

    async def work(engine: AsyncEngine) -> None:
        async with transaction(engine) as tx:
            target = await project_for(tx, OPERATOR, project)
        with sys.stdout.buffer if output is None else output.open("wb") as file:
            await write(engine, target.id, file, file_format=file_format)

    _in_transaction(work)
