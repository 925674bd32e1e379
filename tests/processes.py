"""Podium as users start it: web server and worker as processes, people made by its CLI."""

import os
import random
import secrets
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import httpx2

START_SECONDS, STOP_SECONDS = 120, 60


@dataclass(frozen=True)
class Podium:
    """A running web server and worker on one database and data folder."""

    url: str
    environment: dict[str, str]
    data_dir: Path
    clients: ExitStack  # closed at the end

    def command(self, *arguments: str, stdin: str = "") -> str:
        """Run `podium ARGUMENTS` and return what it prints."""
        done = subprocess.run(
            [sys.executable, "-m", "app", *arguments],
            input=stdin, env=self.environment, capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def person(self, email: str, role: str, password: str | None = None) -> httpx2.Client:
        """Make a user and a token with the CLI, and return a client that carries it."""
        password = password or secrets.token_urlsafe(12)
        self.command("user", "create", email, "--role", role, stdin=password + "\n")
        token = self.command("token", "create", email)
        return self.clients.enter_context(
            httpx2.Client(
                base_url=self.url + "/api/v1",
                headers={"authorization": f"Bearer {token}"},
                timeout=60,
            )
        )


@contextmanager
def podium_processes(
    database_url: str,
    data_dir: Path,
    *,
    commands: tuple[str, ...] = ("serve", "worker"),
    **settings: str,
) -> Iterator[Podium]:
    """Start the given commands and stop them at the end."""
    port = free_port()
    environment = {
        **os.environ,
        "PODIUM_DATABASE_URL": database_url,
        "PODIUM_SECRET_KEY": secrets.token_urlsafe(48),
        "PODIUM_DATA_DIR": str(data_dir),
        "OMP_NUM_THREADS": "1",
        **settings,
    }
    arguments = {"serve": ["--port", str(port)], "worker": []}
    processes = {name: _start(name, arguments[name], environment, data_dir) for name in commands}
    try:
        with ExitStack() as clients:
            podium = Podium(f"http://127.0.0.1:{port}", environment, data_dir, clients)
            _wait_until_ready(podium, processes["serve"])
            yield podium
    finally:
        for process in processes.values():
            process.terminate()
        for process in processes.values():
            process.wait(STOP_SECONDS)


def free_port() -> int:
    """A port to listen at a little later: none of those that connections get meanwhile."""
    for port in random.sample(range(20_000, 32_000), 100):
        with suppress(OSError), socket.create_server(("127.0.0.1", port)):
            return port
    raise AssertionError("no port is free")


def _start(
    name: str, arguments: list[str], environment: dict[str, str], data_dir: Path
) -> subprocess.Popen[bytes]:
    with (data_dir / f"{name}.log").open("ab") as log:
        return subprocess.Popen(
            [sys.executable, "-m", "app", name, *arguments],
            env=environment, stdout=log, stderr=log, start_new_session=True,
        )  # fmt: skip


def _wait_until_ready(podium: Podium, server: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + START_SECONDS
    with httpx2.Client(base_url=podium.url, verify=False) as client:  # no TLS: no certificates
        while time.monotonic() < deadline and server.poll() is None:
            try:
                if client.get("/readyz").is_success:
                    return
            except httpx2.TransportError:
                time.sleep(0.1)
    raise AssertionError((podium.data_dir / "serve.log").read_text()[-3000:])
