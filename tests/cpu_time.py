"""Processor time that something takes, without the garbage of what ran before."""

import gc
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass


@dataclass
class CPUTime:
    """`seconds` of the whole process, known at the end."""

    seconds: float = 0.0


@contextmanager
def cpu_time() -> Iterator[CPUTime]:
    """Count while the block runs. After thousands of tests one collection takes seconds."""
    taken = CPUTime()
    gc.disable()
    begin = time.process_time()
    try:
        yield taken
    finally:
        taken.seconds = time.process_time() - begin
        gc.enable()
