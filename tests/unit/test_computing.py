"""The thread that computes agreement keeps no memory that it has freed."""

import sys
from pathlib import Path

import numpy as np
import pytest

from app.agreement.computing import computed

PAGE_BYTES = 4096


def resident_bytes():
    return int(Path("/proc/self/statm").read_text().split()[1]) * PAGE_BYTES


def use_arrays():
    """One of 28 MB, after which glibc would keep as much, and 38 MB in small ones from the heap."""
    large = float(np.ones(3_500_000).sum())
    return large + sum(float(small[0]) for small in [np.ones(60_000) for _ in range(80)])


@pytest.mark.skipif(sys.platform != "linux", reason="reads the resident memory from /proc")
async def test_what_was_freed_is_given_back():
    before = resident_bytes()

    for _ in range(3):
        await computed(use_arrays)

    assert resident_bytes() - before < 20e6
