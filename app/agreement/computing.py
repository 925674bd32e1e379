"""The one thread in which a process computes agreement.

One, because two reports at once would take twice the memory and end no sooner; a thread, because
meanwhile the process answers others.
"""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")

_thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="agreement")


async def computed(function: Callable[[], T]) -> T:
    """What the function returns, while other requests go on."""
    return await asyncio.get_running_loop().run_in_executor(_thread, function)
