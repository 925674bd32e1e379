"""What one arm reports of itself: processor seconds of the training alone, and its peak memory."""

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

MIB = 2**20


class Stopwatch:
    """Counts processor seconds of this process between `start` and the last `lap`."""

    def __init__(self) -> None:
        self.started: float | None = None
        self.seconds = 0.0
        self.wall_started = self.wall_seconds = 0.0

    def start(self) -> None:
        """Begin; a second start is ignored."""
        if self.started is None:
            self.started, self.wall_started = time.process_time(), time.perf_counter()

    def lap(self) -> None:
        """Note the time that has passed since the start."""
        if self.started is not None:
            self.seconds = time.process_time() - self.started
            self.wall_seconds = time.perf_counter() - self.wall_started

    def paused(self, work: Callable[..., Any]) -> Callable[..., Any]:
        """Return `work` as it is, but its time does not count."""

        def untimed(*arguments: Any, **named: Any) -> Any:  # noqa: ANN401 - passed on
            process, wall = time.process_time(), time.perf_counter()
            found = work(*arguments, **named)
            if self.started is not None:
                self.started += time.process_time() - process
                self.wall_started += time.perf_counter() - wall
            return found

        return untimed


def peak_mib() -> float:
    """Return the most memory that this process has held, in MiB.

    `getrusage` would also count the process that started this one.
    """
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return round(int(line.split()[1]) * 1024 / MIB, 1)
    raise OSError("/proc/self/status has no VmHWM: this benchmark needs Linux")


def write_report(path: Path, watch: Stopwatch, **measured: object) -> None:
    """Write what an arm found."""
    report = {
        "processor_seconds": round(watch.seconds, 3),
        "wall_seconds": round(watch.wall_seconds, 3),
        **measured,
    }
    path.write_text(json.dumps(report))
