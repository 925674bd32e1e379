"""What the benchmarks stand on: the real server with an embedded Postgres, data, and a report.

Data is made in the database with set-based SQL; everything that is measured goes over HTTP.
"""

import json
import os
import platform
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import psutil
import psycopg

from app.accounts.tokens import digest, new_api_token
from app.embedded_postgres.server import EmbeddedPostgres

RESULTS = Path(__file__).parent / "results"
PACKAGES = ("podium", "fastapi", "uvicorn", "sqlalchemy", "psycopg")
START_SECONDS = 60


@dataclass(frozen=True)
class Server:
    """A running server: where it listens, its process, its database and a connection to it."""

    port: int
    process: psutil.Process
    database: psycopg.Connection[Any]
    database_url: str

    def rss_bytes(self) -> int:
        """Memory of all web processes together."""
        return sum(map(_rss_of_web, [self.process, *self.process.children(recursive=True)]))


def _rss_of_web(process: psutil.Process) -> int:
    """Nothing of Postgres, whose processes may end while they are looked at."""
    try:
        return 0 if "postgres" in process.name() else int(process.memory_info().rss)
    except psutil.NoSuchProcess:
        return 0


@contextmanager
def running_server(*, workers: int) -> Iterator[Server]:
    """Start `podium serve` in a data folder of its own and stop it at the end."""
    folder = Path(tempfile.mkdtemp(prefix="podium-benchmark-"))
    folder.chmod(0o711)
    port = _free_port()
    with (folder / "serve.log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "app", "serve", "--port", str(port), "--workers", str(workers)],
            env={**os.environ, "PODIUM_DATA_DIR": str(folder)},
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    try:
        _wait_until_ready(port, process, folder / "serve.log")
        with EmbeddedPostgres(folder / "postgres") as postgres:
            url = postgres.url("podium")
            with psycopg.connect(url.replace("+psycopg", ""), autocommit=True) as database:
                yield Server(port, psutil.Process(process.pid), database, url)
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait(30)
        shutil.rmtree(folder, ignore_errors=True)


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


def _wait_until_ready(port: int, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=1):
                return
        except (urllib.error.URLError, TimeoutError, ConnectionError):
            time.sleep(0.1)
    sys.exit(f"the server did not start:\n{log.read_text()[-2000:]}")


def make_project(database: psycopg.Connection[Any], *, labelers: int) -> list[str]:
    """Make the project `bench`, an admin and its labelers; return the tokens, the admin's first."""
    tokens = [new_api_token() for _ in range(labelers + 1)]
    with database.cursor() as cursor:
        cursor.execute(PROJECT)
        for number, token in enumerate(tokens):
            role = "admin" if number == 0 else "labeler"
            cursor.execute(PERSON, {"n": number, "role": role, "hash": digest(token)})
    return tokens


PROJECT = """
with project as (
    insert into projects (slug, name, labels_per_slate, overlap_share)
    values ('bench', 'Benchmark', 1, 0.15) returning id
), guidelines as (
    insert into guideline_versions (project_id, version, text)
    select id, 1, 'Prefer the helpful answer.' from project
)
insert into flags (project_id, key, label, position)
select id, 'flag-' || n, 'Flag ' || n, n from project, generate_series(1, 11) n
"""
PERSON = """
with person as (
    insert into users (email, name, role, password_hash)
    values (%(n)s || '@bench.example', 'Labeler ' || %(n)s, %(role)s, 'nobody') returning id
), token as (
    insert into api_tokens (user_id, name, prefix, token_hash, expires_at)
    select id, 'benchmark', 'podium_bench', %(hash)s, now() + interval '1 day' from person
)
insert into project_members (project_id, user_id, pseudonym, guidelines_read_version)
select projects.id, person.id, 'L-' || %(n)s, 1 from person, projects where %(role)s = 'labeler'
"""


def add_slates(
    database: psycopg.Connection[Any],
    *,
    prompts: int,
    responses: int,
    places: int = 1,
    overlap: float = 0.15,
) -> int:
    """Add a round of ready slates with open tasks, about 500 characters a response."""
    with database.transaction(), database.cursor() as cursor:
        cursor.execute("select setseed(0.5)")
        cursor.execute(ROUND)
        row = cursor.fetchone()
        assert row is not None
        values = {
            "round": row[0],
            "prompts": prompts,
            "responses": responses,
            "places": places,
            "overlap": overlap,
        }
        for statement in (PROMPTS, SLATES, RESPONSES, TASKS):
            cursor.execute(statement, values)
    database.execute("vacuum analyze")
    return int(row[0])


ROUND = """
insert into rounds (project_id, number, source, labels_per_slate, overlap_share, gold_share,
                    anchor_share, repeat_share)
select p.id, coalesce(max(r.number), 0) + 1, 'imported', p.labels_per_slate, p.overlap_share,
       0.04, 0.02, 0.02
from projects p left join rounds r on r.project_id = p.id group by p.id returning id
"""
PROMPTS = """
insert into prompts (project_id, external_id, messages, content_hash, group_key, split)
select projects.id, 'r' || %(round)s || '-' || n,
       jsonb_build_array(jsonb_build_object('role', 'user', 'content',
           'Question ' || n || ' of round ' || %(round)s || ': ' || repeat('why is it so? ', 12))),
       sha256(convert_to(%(round)s || ':' || n, 'UTF8')), 'g' || n, 'train'
from projects, generate_series(1, %(prompts)s) n
"""
SLATES = """
insert into slates (round_id, prompt_id, status, places)
select %(round)s, id, 'ready', %(places)s + case when random() < %(overlap)s then 1 else 0 end
from prompts where external_id like 'r' || %(round)s || '-%%' order by id
"""
RESPONSES = """
insert into responses (slate_id, position, text)
select s.id, n, 'Answer ' || n || ' on slate ' || s.id || ': '
       || repeat('it is so because of this and of that. ', 4 + (s.id + n)::int %% 17)
from slates s, generate_series(1, %(responses)s) n where s.round_id = %(round)s order by s.id, n
"""
TASKS = """
insert into tasks (project_id, slate_id, place, purpose)
select projects.id, s.id, place, case when s.places > 1 then 'overlap' else 'fresh' end
from projects, slates s, generate_series(1, s.places) place
where s.round_id = %(round)s order by s.id, place
"""


def reopen_tasks(database: psycopg.Connection[Any]) -> None:
    """Forget all rankings, so that the next measurement finds as many open tasks as the last."""
    for statement in (FORGET, REOPEN, REWIND, "vacuum analyze"):
        database.execute(statement)


FORGET = "truncate rankings, drafts, screen_events cascade"
REOPEN = """
update tasks set status = 'open', labeler_id = null, lease_token = null, lease_expires_at = null,
                 display_order = null, leased_at = null, finished_at = null
where status <> 'open'
"""
REWIND = "update project_members set last_task_id = 0"


def describe_machine() -> dict[str, Any]:
    """What the figures were measured on."""
    model = platform.processor()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        named = [line for line in cpuinfo.read_text().splitlines() if "model name" in line]
        model = named[0].partition(":")[2].strip() if named else model
    return {
        "processor": model,
        "cores": os.cpu_count(),
        "memory_gib": round(psutil.virtual_memory().total / 2**30, 1),
        "load_average_at_start": [round(load, 2) for load in os.getloadavg()],
        "system": platform.platform(),
    }


def describe_versions() -> dict[str, str]:
    """The versions that the figures belong to."""
    return {"python": platform.python_version(), **{name: version(name) for name in PACKAGES}}


def write_report(name: str, report: dict[str, Any]) -> None:
    """Write `results/NAME.json` and show it."""
    RESULTS.mkdir(exist_ok=True)
    text = json.dumps(report, indent=2)
    (RESULTS / f"{name}.json").write_text(text + "\n")
    print(text)
