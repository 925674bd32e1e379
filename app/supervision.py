"""Keeps programs running as children: one that ends is started again, unless it keeps ending."""

import contextlib
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from app.embedded_postgres.processes import die_with_parent
from app.errors import UnavailableError

MAX_ENDS, ENDS_WITHIN_SECONDS = 3, 60
STOP_SECONDS = 30  # a worker lets its trainer write a checkpoint


@dataclass
class Program:
    """A command with its child process; what it prints is appended to `log`."""

    name: str
    command: Sequence[str]
    environment: Mapping[str, str]
    log: Path
    process: subprocess.Popen[bytes] | None = None
    ended_at: list[float] = field(default_factory=list)

    def start(self) -> None:
        """Start the command; it is signaled when this process dies, even by kill -9."""
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(  # noqa: S603 - our own program and arguments
                self.command,
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,  # Ctrl-C reaches only us; we stop them in order
                preexec_fn=die_with_parent(signal.SIGTERM),  # noqa: PLW1509 - no threads yet
            )


@contextmanager
def running(programs: Sequence[Program]) -> Iterator[None]:
    """Start the programs and stop all of them at the end."""
    try:
        for program in programs:
            program.start()
        yield
    finally:
        _stop(programs)


def revive(programs: Sequence[Program]) -> list[str]:
    """Start again what has ended since the last call, and return a line about each.

    Raises:
        UnavailableError: when a program ended three times within a minute.
    """
    lines = []
    for program in programs:
        code = program.process.poll() if program.process else None
        if code is None:
            continue
        now = time.monotonic()
        recent = [at for at in program.ended_at if at > now - ENDS_WITHIN_SECONDS]
        program.ended_at = [*recent, now]
        if len(program.ended_at) >= MAX_ENDS:
            raise UnavailableError(
                f"{program.name} ended {MAX_ENDS} times within {ENDS_WITHIN_SECONDS} s, last with "
                f"code {code}; see {program.log}.",
                code="process_ended",
            )
        program.start()
        lines.append(f"{program.name} ended with code {code}; started again.")
    return lines


def _stop(programs: Sequence[Program]) -> None:
    processes = [program.process for program in programs if program.process]
    for process in processes:
        process.terminate()
    deadline = time.monotonic() + STOP_SECONDS
    for process in processes:
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(max(0.1, deadline - time.monotonic()))
        process.kill()
        process.wait()
