"""Processes that end with the one that started them, and those that were left behind."""

import ctypes
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

PR_SET_PDEATHSIG = 1

_libc = ctypes.CDLL(None)


def die_with_parent(death_signal: signal.Signals) -> Callable[[], None]:
    """Make a `preexec_fn`: Linux signals the child when its parent dies, even by kill -9."""
    parent = os.getpid()

    def arm() -> None:
        if sys.platform == "linux":
            _libc.prctl(PR_SET_PDEATHSIG, int(death_signal))
            if os.getppid() != parent:  # it died before the line above
                os._exit(1)

    return arm


def first_line_number(path: Path) -> int | None:
    """The number in the first line of a pid file; 0 when it is none, None without a file."""
    try:
        return int(path.read_text().splitlines()[0])
    except FileNotFoundError:
        return None
    except (ValueError, IndexError):
        return 0


def is_server(pid: int, cluster: Path) -> bool:
    """Whether `pid` is alive (a zombie is not) and serves `cluster`."""
    if pid == 0:
        return False
    return not (command := _command_of(pid)).startswith("Z") and str(cluster) in command


def _command_of(pid: int) -> str:
    """The state letter and the command line of a process; empty when there is none."""
    if sys.platform != "linux":
        ps = ["/bin/ps", "-p", str(pid), "-o", "stat=", "-o", "command="]
        return subprocess.run(ps, capture_output=True, text=True, check=False).stdout  # noqa: S603
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2]
        return state[0] + " " + Path(f"/proc/{pid}/cmdline").read_text().replace("\0", " ")
    except (FileNotFoundError, ProcessLookupError):
        return ""
