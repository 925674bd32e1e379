"""The one thread in which a process computes agreement.

One, because two reports at once would take twice the memory and end no sooner; a thread, because
meanwhile the process answers others.
"""

import asyncio
import ctypes
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from typing import TypeVar

from sqlalchemy.ext.asyncio import AsyncSession

from app.db import let_go

T = TypeVar("T")

# Of glibc alone, which keeps what is freed for what comes next: holes in the heap until they are
# trimmed, and the end of a thread's heap, up to 64 MB, even then. With fixed thresholds arrays
# above them are given back when they are freed, and so is that end. Lower ones would let the
# system zero pages for each block of labels, which takes longer than computing on it.
_libc = ctypes.CDLL(None)
_trim = getattr(_libc, "malloc_trim", None)
_set_option = getattr(_libc, "mallopt", None)
TRIM_THRESHOLD, MMAP_THRESHOLD = -1, -3  # names of options in malloc.h
MOST_KEPT_BYTES = 2**20


def _give_back_early() -> None:
    if _set_option is not None:
        _set_option(TRIM_THRESHOLD, MOST_KEPT_BYTES)
        _set_option(MMAP_THRESHOLD, MOST_KEPT_BYTES)


_thread = ThreadPoolExecutor(
    max_workers=1, thread_name_prefix="agreement", initializer=_give_back_early
)


async def computed_beside(tx: AsyncSession, function: Callable[[], T]) -> T:
    """What the function returns, for a request: others have its connection meanwhile."""
    await let_go(tx)
    return await computed(function)


async def computed(function: Callable[[], T]) -> T:
    """What the function returns, while other requests go on; it speaks the request's language."""
    run = copy_context().run
    return await asyncio.get_running_loop().run_in_executor(_thread, run, _then_trimmed, function)


def _then_trimmed(function: Callable[[], T]) -> T:
    found = function()
    if _trim is not None:
        _trim(0)
    return found
