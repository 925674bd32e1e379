"""The embedded Postgres under real faults: killed servers, killed owners, private folders."""

import contextlib
import os
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest

from app.embedded_postgres.accounts import SYSTEM_FOLDER
from app.embedded_postgres.errors import EmbeddedPostgresError
from app.embedded_postgres.server import EmbeddedPostgres

OWNER = """
import sys, time
from app.embedded_postgres.server import EmbeddedPostgres
postgres = EmbeddedPostgres(sys.argv[1]).start()
print(postgres.server_pid, flush=True)
time.sleep(120)
"""


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder that the unprivileged account can enter; pytest's own are private."""
    parent = Path(tempfile.mkdtemp(prefix="podium-test-"))
    parent.chmod(0o755)
    yield parent / "postgres"
    shutil.rmtree(parent)


@pytest.fixture
def owner_process(folder: Path) -> Iterator[tuple[subprocess.Popen[str], int]]:
    """Another process that owns the folder, and the pid of its server."""
    owner = subprocess.Popen(
        [sys.executable, "-c", OWNER, str(folder)], stdout=subprocess.PIPE, text=True
    )
    assert owner.stdout is not None
    with owner.stdout:
        server_pid = int(owner.stdout.readline())
        yield owner, server_pid
    owner.kill()
    owner.wait()
    until(lambda: not is_alive(server_pid))


def connect(postgres: EmbeddedPostgres) -> psycopg.Connection:
    url = postgres.url().replace("postgresql+psycopg://", "postgresql://")
    return psycopg.connect(url, autocommit=True)


def until(condition: Callable[[], bool], *, seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"not within {seconds} s"
        time.sleep(0.02)


def is_alive(pid: int) -> bool:
    with contextlib.suppress(FileNotFoundError):
        return not Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].startswith("Z")
    return False


def save_note(postgres: EmbeddedPostgres) -> None:
    with connect(postgres) as connection:
        connection.execute("create table note as select 'kept' as text")


def saved_notes(postgres: EmbeddedPostgres) -> list[str]:
    with connect(postgres) as connection:
        return [text for (text,) in connection.execute("select text from note")]


def test_data_is_there_after_a_stop_and_a_start(folder):
    with EmbeddedPostgres(folder) as postgres:
        save_note(postgres)
    with EmbeddedPostgres(folder) as postgres:
        assert saved_notes(postgres) == ["kept"]


def test_text_is_sorted_by_code_point_and_passwords_are_scram(folder):
    with EmbeddedPostgres(folder) as postgres, connect(postgres) as connection:
        words = connection.execute("select w from unnest(array['é','a','B']) w order by w")
        method = connection.execute("select distinct auth_method from pg_hba_file_rules")

        assert [word for (word,) in words] == ["B", "a", "é"]
        assert method.fetchall() == [("scram-sha-256",)]


def test_a_wrong_password_is_refused(postgres):
    url = postgres.url().replace("postgresql+psycopg://", "postgresql://")
    head, _, tail = url.partition("@")
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        psycopg.connect(f"{head.rpartition(':')[0]}:wrong@{tail}")


def test_a_database_is_created_once(postgres):
    assert postgres.ensure_database("twice") == postgres.ensure_database("twice")


def test_a_killed_server_is_restarted_and_loses_no_committed_row(folder):
    with EmbeddedPostgres(folder) as postgres:
        save_note(postgres)
        killed = postgres.server_pid

        os.kill(killed, signal.SIGKILL)
        until(lambda: postgres.server_pid != killed)

        assert saved_notes(postgres) == ["kept"]


def test_the_server_ends_with_a_killed_owner_and_the_next_start_works(folder, owner_process):
    owner, server_pid = owner_process
    with EmbeddedPostgres(folder) as attached:
        save_note(attached)

    owner.kill()
    owner.wait()
    until(lambda: not is_alive(server_pid))

    with EmbeddedPostgres(folder) as postgres:
        assert postgres.is_owner
        assert saved_notes(postgres) == ["kept"]


def test_the_next_start_works_when_owner_and_server_are_killed_together(folder, owner_process):
    owner, server_pid = owner_process
    with EmbeddedPostgres(folder) as attached:
        save_note(attached)

    owner.kill()
    os.kill(server_pid, signal.SIGKILL)
    owner.wait()

    with EmbeddedPostgres(folder) as postgres:
        assert saved_notes(postgres) == ["kept"]


def test_a_second_process_attaches_and_leaves_the_server_running(folder, owner_process):
    _, server_pid = owner_process

    with EmbeddedPostgres(folder) as attached:
        assert not attached.is_owner
        save_note(attached)

    assert is_alive(server_pid)


def test_four_processes_that_start_at_once_share_one_server(folder):
    program = OWNER.replace("print(postgres.server_pid", "print(postgres.is_owner")
    command = [sys.executable, "-c", program, str(folder)]
    processes = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(4)]
    answers = [process.stdout.readline().strip() for process in processes]
    for process in processes:
        process.stdout.close()
        process.kill()
        process.wait()
    until(lambda: not (folder / "pg18" / "postmaster.pid").exists())

    assert sorted(answers) == ["False", "False", "False", "True"]


def test_a_pid_file_that_names_another_program_is_removed(folder):
    with EmbeddedPostgres(folder) as postgres:
        save_note(postgres)
        major = next(folder.glob("pg[0-9]*"))
    lines = f"{os.getpid()}\n{major}\n1700000000\n5432\n{folder}\n\n  1 1\nready   \n"
    (major / "postmaster.pid").write_text(lines)

    with EmbeddedPostgres(folder) as postgres:
        assert saved_notes(postgres) == ["kept"]


def test_an_interrupted_initialization_is_repeated(folder):
    unfinished = folder / "initdb.unfinished"
    unfinished.mkdir(parents=True)
    (unfinished / "PG_VERSION").write_text("18\n")

    with EmbeddedPostgres(folder) as postgres, connect(postgres) as connection:
        assert connection.execute("select 1").fetchone() == (1,)


def test_files_with_the_password_are_private(folder):
    with EmbeddedPostgres(folder) as postgres:
        modes = [
            stat.S_IMODE((postgres.folder / name).stat().st_mode)
            for name in ("server.json", "password", ".")
        ]

        assert modes == [0o600, 0o600, 0o700]


def test_a_server_that_cannot_start_says_why(folder, monkeypatch):
    monkeypatch.setattr("app.embedded_postgres.server.RELAUNCH_SECONDS", 0.1)
    with pytest.raises(EmbeddedPostgresError, match="unrecognized configuration parameter"):
        EmbeddedPostgres(folder, options={"no_such_option": "1"}).start()


def test_a_long_path_gets_a_socket_elsewhere(folder):
    long = folder / ("long-" * 20)
    with EmbeddedPostgres(long) as postgres, connect(postgres) as connection:
        assert connection.execute("select 1").fetchone() == (1,)
        assert "podium-socket-" in postgres.url()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root runs the server as another account")
class TestAsRoot:
    def test_the_server_runs_unprivileged(self, postgres):
        assert Path(f"/proc/{postgres.server_pid}").stat().st_uid != 0

    def test_a_private_data_folder_gets_its_cluster_in_a_system_folder(self, folder):
        folder.parent.chmod(0o700)
        with EmbeddedPostgres(folder) as postgres:
            save_note(postgres)
        with EmbeddedPostgres(folder) as postgres:
            used = postgres.folder
            notes = saved_notes(postgres)
        shutil.rmtree(used)

        assert notes == ["kept"]
        assert used.parent == SYSTEM_FOLDER
        assert stat.S_IMODE(folder.parent.stat().st_mode) == 0o700

    def test_binaries_in_a_private_folder_are_copied(self, folder, monkeypatch):
        from app.embedded_postgres.binaries import find_binaries  # noqa: PLC0415

        found = find_binaries()
        private = folder.parent / "private" / found.parents[1].name
        shutil.copytree(found.parents[1], private)
        for libraries in found.parents[2].glob("*pgserver.libs"):
            shutil.copytree(libraries, private.parent / libraries.name)
        private.parent.chmod(0o700)
        monkeypatch.setenv("PODIUM_PG_BIN", str(private / found.relative_to(found.parents[1])))

        with EmbeddedPostgres(folder) as postgres, connect(postgres) as connection:
            used = postgres._binaries
            assert connection.execute("select 1").fetchone() == (1,)
        shutil.rmtree(SYSTEM_FOLDER / used.relative_to(SYSTEM_FOLDER).parts[0])
