"""One process at a time works in a run directory: two would write over each other's steps."""

import contextlib
import fcntl
import logging
import os
import time
from collections.abc import Iterator
from pathlib import Path

from trainer.errors import BUSY_EXIT_CODE

log = logging.getLogger(__name__)

# An attempt that was told to stop may still be writing its checkpoint when the next one starts.
PATIENCE_SECONDS = 10.0
POLL_SECONDS = 0.1


class BusyError(Exception):
    """Another process works in the run directory, in which nothing was touched."""

    exit_code = BUSY_EXIT_CODE


@contextlib.contextmanager
def alone_in(run_dir: Path) -> Iterator[None]:
    """Keep other processes out while the block runs; the kernel lets them in however it ends.

    Where the folder does not exist or its file system has no locks, nothing is kept out.

    Raises:
        BusyError: when another process does not leave in time.
    """
    try:
        folder = os.open(run_dir, os.O_RDONLY)
    except OSError:
        yield
        return
    try:
        _wait_for(folder, run_dir)
        yield
    finally:
        os.close(folder)


def _wait_for(folder: int, run_dir: Path) -> None:
    deadline, is_said = time.monotonic() + PATIENCE_SECONDS, False
    while True:
        try:
            fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > deadline:
                raise BusyError(
                    f"another process works in {run_dir}; wait until it has ended, or end it"
                ) from None
            if not is_said:
                log.info("waiting for another process that works in %s", run_dir)
            is_said = True
            time.sleep(POLL_SECONDS)
        except OSError:  # no locks here
            return
        else:
            return
