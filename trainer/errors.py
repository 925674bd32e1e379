"""How a run ends without a model: each error's message is the one line that people read of it.

The app imports this module, so only the standard library is used here.
"""

import errno
import shutil
from pathlib import Path

# EX_TEMPFAIL of sysexits.h: the same run may succeed later, without a change.
DISK_FULL_EXIT_CODE = 75
# EX_UNAVAILABLE: the run directory is another process's.
BUSY_EXIT_CODE = 69

# What a rank knows that has lost another one; that one's reason, if it left any, counts more.
PEER_LOST = (
    "another rank has ended or does not answer; its own last line in the log says why, and the run "
    "goes on from its last checkpoint when it is started again"
)


class RunRefusedError(Exception):
    """The run cannot be done as it was specified; the message says what to change."""

    exit_code = 2


class RunDivergedError(Exception):
    """The run was started but its numbers went wrong; the message says which and what to try."""

    exit_code = 1


class DiskFullError(Exception):
    """The disk has no room; the run can go on from its last checkpoint when there is some."""

    exit_code = DISK_FULL_EXIT_CODE

    def __init__(self, path: Path, *, needed_bytes: int) -> None:
        super().__init__(say_disk_full(needed_bytes, shutil.disk_usage(path).free))


class StoppedError(BaseException):
    """SIGTERM or Ctrl-C came; not an `Exception`, so that no handler in between goes on."""


def say_disk_full(needed_bytes: int, free_bytes: int) -> str:
    """Say what a run waits for, with as many digits as show that the numbers differ."""
    needed, free = needed_bytes / 1e6, free_bytes / 1e6
    digits = next((n for n in (1, 2, 3) if f"{needed:.{n}f}" != f"{free:.{n}f}"), 6)
    return f"waiting for disk: needs {needed:,.{digits}f} MB, has {free:,.{digits}f} MB"


def is_disk_full(error: BaseException) -> bool:
    """Tell whether an error says that the disk or the quota is full."""
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        return True
    # The writer of safetensors has an error class of its own and no number in it.
    return f"os error {errno.ENOSPC}" in str(error) or f"os error {errno.EDQUOT}" in str(error)


def first_line(error: Exception) -> str:
    """Return what an error says, in one line."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    # A line that ends so says nothing without the next one.
    said = " ".join(lines[:2] if lines and lines[0].endswith(":") else lines[:1])
    return said[:300] or type(error).__name__
