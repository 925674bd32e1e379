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

_thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="agreement")


# Of glibc alone: hands the holes that large arrays leave in the heap back to the system.
_trim = getattr(ctypes.CDLL(None), "malloc_trim", None)


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
