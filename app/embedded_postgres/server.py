"""A real Postgres in a folder of its own, for `serve` and `demo` without a URL and for tests.

One process owns the folder (a kernel lock that dies with it) and supervises the server; others
attach through `server.json`. Only the binaries of a package or of the system are used. For Linux
and macOS; elsewhere set PODIUM_DATABASE_URL.
"""

import contextlib
import fcntl
import logging
import os
import secrets
import shutil
import signal
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import MappingProxyType, TracebackType
from typing import IO, Self

import psycopg
from psycopg import sql

from app.embedded_postgres.accounts import account_for, as_account, usable_folder
from app.embedded_postgres.attaching import SERVER_FILE, Server, publish, read_server
from app.embedded_postgres.binaries import find_binaries, major_version, reachable
from app.embedded_postgres.errors import EmbeddedPostgresError
from app.embedded_postgres.processes import die_with_parent, first_line_number, is_server

logger = logging.getLogger(__name__)

LONGEST_SOCKET_FOLDER = 80  # sun_path holds 104 bytes on macOS, 108 on Linux
BUILTIN_LOCALES_SINCE = 17
RELAUNCH_SECONDS = 10
LOG_BYTES = 10_000_000

OPTIONS: Mapping[str, str] = MappingProxyType(
    {
        "listen_addresses": "",
        "unix_socket_permissions": "0700",
        "max_connections": "100",
        "shared_buffers": "256MB",
        "max_wal_size": "2GB",
        "jit": "off",
    }
)
# For a server whose data is thrown away. Containers often have only 64 MiB there.
MEMORY_FOLDER, MEMORY_BYTES = Path("/dev/shm"), 2**31  # noqa: S108
TEMPORARY_OPTIONS: Mapping[str, str] = MappingProxyType(
    {
        "shared_buffers": "64MB",
        "fsync": "off",
        "synchronous_commit": "off",
        "full_page_writes": "off",
        "autovacuum": "off",
    }
)


class EmbeddedPostgres:
    """The server of one folder, which is its own; this process owns it or is attached to it."""

    def __init__(
        self,
        folder: Path | str,
        *,
        options: Mapping[str, str] | None = None,
        start_timeout_seconds: float = 120,
    ) -> None:
        self._chosen = Path(folder).expanduser().resolve()
        self.is_owner = False
        self._options = options or {}
        self._start_timeout_seconds = start_timeout_seconds
        self._lock: IO[str] | None = None
        self._server: Server | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._supervisor: threading.Thread | None = None
        self._failure: Exception | None = None
        self._ready, self._stopping = threading.Event(), threading.Event()

    @staticmethod
    @contextlib.contextmanager
    def temporary() -> "Iterator[EmbeddedPostgres]":
        """A server for tests: in memory where there is room, and deleted at the end."""
        folder = Path(tempfile.mkdtemp(prefix="podium-", dir=_memory_folder()))
        folder.chmod(0o711)  # mkdtemp's 0700 would lock out the unprivileged account
        try:
            with EmbeddedPostgres(folder, options=TEMPORARY_OPTIONS) as postgres:
                yield postgres
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()

    def start(self) -> Self:
        """Start the server, or attach to the one that another process runs on this folder.

        Raises:
            EmbeddedPostgresError: no binaries, folder or account to use, or the server fails.
        """
        self.folder = usable_folder(self._chosen)
        self._account = account_for(self.folder)
        self._hand_over(self.folder)
        try:
            self._lock = (self.folder / "owner.lock").open("a+")
        except PermissionError as error:
            owner = self.folder.stat().st_uid
            raise EmbeddedPostgresError(
                f"{self.folder} belongs to user {owner} and you are user {os.geteuid()}; start as "
                "that user, or choose another PODIUM_DATA_DIR"
            ) from error
        self._hand_over(self.folder / "owner.lock")
        deadline = time.monotonic() + self._start_timeout_seconds
        while not _try_lock(self._lock):
            server = read_server(self.folder)
            if server and server.answers():
                self._lock.close()
                self._server = server
                return self
            if time.monotonic() > deadline:
                raise EmbeddedPostgresError(
                    f"another process owns {self.folder} but its Postgres does not answer after "
                    f"{self._start_timeout_seconds:.0f} s; end that process and start again"
                )
            time.sleep(0.05)
        self.is_owner = True
        try:
            self._start_owned()
        except BaseException:
            self.stop()
            raise
        return self

    def stop(self) -> None:
        """Stop the server if this process owns it."""
        if not self.is_owner:
            return
        self._stopping.set()
        is_temporary = self._options.get("fsync") == "off"
        signals = (signal.SIGQUIT,) if is_temporary else (signal.SIGINT, signal.SIGQUIT)
        for shutdown in signals:  # fast with a checkpoint; immediate, replaying the log next time
            if self._supervisor is None or not self._supervisor.is_alive():
                break
            if self._process is not None:
                self._process.send_signal(shutdown)
            self._supervisor.join(30)
        (self.folder / SERVER_FILE).unlink(missing_ok=True)
        if self._server and Path(self._server.socket_folder) != self.folder:
            shutil.rmtree(self._server.socket_folder, ignore_errors=True)
        if self._lock:
            self._lock.close()
        self.is_owner = False

    def url(self, database: str = "postgres") -> str:
        """The SQLAlchemy URL of `database`, which need not exist yet."""
        assert self._server is not None, "not started"
        return self._server.url("postgresql+psycopg", database)

    def ensure_database(self, database: str) -> str:
        """Create `database` unless it exists, and return its URL."""
        assert self._server is not None, "not started"
        statement = sql.SQL("create database {}").format(sql.Identifier(database))
        with (
            psycopg.connect(
                self._server.url("postgresql", "postgres"), autocommit=True
            ) as connection,
            contextlib.suppress(psycopg.errors.DuplicateDatabase),
        ):
            connection.execute(statement)
        return self.url(database)

    @property
    def server_pid(self) -> int:
        """The process id of the server that this process owns."""
        assert self._process is not None, "not the owner"
        return self._process.pid

    def _start_owned(self) -> None:
        (self.folder / SERVER_FILE).unlink(missing_ok=True)  # left by an owner that was killed
        self._binaries = reachable(find_binaries(), self._account)
        major = major_version(self._binaries)
        self._cluster = self.folder / f"pg{major}"
        if others := [p.name for p in self.folder.glob("pg[0-9]*") if p != self._cluster]:
            raise EmbeddedPostgresError(
                f"{self.folder} holds {', '.join(others)} but the binaries in {self._binaries} are "
                f"Postgres {major}; set PODIUM_PG_BIN to the matching bin folder"
            )
        if not self._cluster.exists():
            self._make_cluster(major)
        self._server = Server(
            owner_pid=os.getpid(),
            socket_folder=str(self._make_socket_folder()),
            password=(self.folder / "password").read_text(),
        )
        self._supervisor = threading.Thread(
            target=self._supervise, name="embedded-postgres", daemon=True
        )
        self._supervisor.start()
        self._ready.wait()
        if self._failure:
            raise self._failure

    def _make_cluster(self, major: int) -> None:
        """Make the database files under another name and rename: they are complete or absent."""
        unfinished = self.folder / "initdb.unfinished"
        shutil.rmtree(unfinished, ignore_errors=True)
        password = self.folder / "password"
        password.unlink(missing_ok=True)
        password.touch(mode=0o600)
        password.write_text(secrets.token_urlsafe(24))
        self._hand_over(password)
        locale = ["--locale-provider=builtin"] if major >= BUILTIN_LOCALES_SINCE else []
        sync = ["--no-sync"] if self._options.get("fsync") == "off" else []
        done = subprocess.run(  # noqa: S603 - the arguments are ours
            [
                *(str(self._binaries / "initdb"), "--pgdata", str(unfinished)),
                *("--username=postgres", "--auth=scram-sha-256", f"--pwfile={password}"),
                *("--encoding=UTF8", "--locale=C.UTF-8", *locale, *sync),
            ],
            capture_output=True,
            text=True,
            check=False,
            cwd="/",
            **as_account(self._account),
        )
        if done.returncode:
            raise EmbeddedPostgresError(f"initdb failed in {self.folder}: {done.stderr.strip()}")
        unfinished.rename(self._cluster)

    def _make_socket_folder(self) -> Path:
        if len(str(self.folder)) <= LONGEST_SOCKET_FOLDER:
            return self.folder
        folder = Path(tempfile.mkdtemp(prefix="podium-socket-"))
        self._hand_over(folder)
        return folder

    def _supervise(self) -> None:
        """Keep the server running until `stop`.

        In a thread of its own: Linux signals a child when the *thread* that made it ends.
        """
        while not self._stopping.is_set():
            try:
                self._process = self._launch()
            except (EmbeddedPostgresError, OSError) as error:
                if not self._ready.is_set():
                    self._failure = error
                    self._ready.set()
                    return
                logger.exception("embedded_postgres.server.restart_failed")
                self._stopping.wait(5)
                continue
            assert self._server is not None
            publish(self._server, self.folder)
            self._ready.set()
            code = self._process.wait()
            if not self._stopping.is_set():
                logger.warning("embedded_postgres.server.died code=%s, restarting", code)

    def _launch(self) -> subprocess.Popen[bytes]:
        began = time.monotonic()
        while True:
            self._clear_leftovers(began + self._start_timeout_seconds)
            process = self._spawn()
            while process.poll() is None:
                if _is_ready(self._cluster, process.pid):
                    return process
                late = time.monotonic() > began + self._start_timeout_seconds
                if late or self._stopping.is_set():
                    process.send_signal(signal.SIGQUIT)
                    process.wait()
                    raise EmbeddedPostgresError(self._why("is not ready"))
                time.sleep(0.02)
            # Backends of a killed server hold its shared memory for a moment: try again.
            if time.monotonic() > began + RELAUNCH_SECONDS:
                raise EmbeddedPostgresError(self._why(f"exits with {process.returncode}"))
            self._stopping.wait(0.2)

    def _spawn(self) -> subprocess.Popen[bytes]:
        assert self._server is not None
        options = {
            **OPTIONS,
            "unix_socket_directories": self._server.socket_folder,
            **self._options,
        }
        arguments = [f"--{name}={value}" for name, value in options.items()]
        log = self.folder / "postgres.log"
        if log.exists() and log.stat().st_size > LOG_BYTES:
            log.replace(log.with_suffix(".log.1"))
        with log.open("ab") as output:
            self._hand_over(log)
            # The session of its own keeps the terminal's Ctrl-C away: web and worker drain first.
            return subprocess.Popen(  # noqa: S603 - the arguments are ours
                [str(self._binaries / "postgres"), "-D", str(self._cluster), *arguments],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                cwd="/",
                start_new_session=True,
                preexec_fn=die_with_parent(signal.SIGINT),  # noqa: PLW1509 - one system call
                **as_account(self._account),
            )

    def _clear_leftovers(self, deadline: float) -> None:
        """Stop an orphaned server on our files; remove a pid file that names anything else."""
        pid_file = self._cluster / "postmaster.pid"
        while (pid := first_line_number(pid_file)) is not None:
            if not is_server(pid, self._cluster):
                pid_file.unlink(missing_ok=True)
                for stale in self.folder.glob(".s.PGSQL.*"):
                    stale.unlink(missing_ok=True)
                return
            if time.monotonic() > deadline:
                raise EmbeddedPostgresError(f"an orphaned Postgres (pid {pid}) does not stop")
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGINT)
            time.sleep(0.05)

    def _hand_over(self, path: Path) -> None:
        if self._account:
            os.chown(path, self._account.uid, self._account.gid)

    def _why(self, what: str) -> str:
        log = self.folder / "postgres.log"
        last = log.read_text(errors="replace").strip().splitlines()[-3:]
        return f"Postgres {what}; the end of {log}: {' / '.join(last)}"


def _memory_folder() -> Path | None:
    """Where files are kept in memory: making a database takes a tenth of the time there."""
    try:
        has_room = shutil.disk_usage(MEMORY_FOLDER).free >= MEMORY_BYTES
    except OSError:
        return None
    return MEMORY_FOLDER if has_room else None


def _try_lock(file: IO[str]) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _is_ready(cluster: Path, pid: int) -> bool:
    with contextlib.suppress(OSError, ValueError, IndexError):
        lines = (cluster / "postmaster.pid").read_text().splitlines()
        return int(lines[0]) == pid and lines[7].strip() == "ready"
    return False
