"""What a process keeps of projects, so that a page reads only what is new: labels and numbers.

Bounded by memory: the projects that were looked at longest ago are forgotten. Who waits here for
others holds no connection of the pool, and one project at a time is read from the start: however
many open pages in a process that has just started, labelers go on.
"""

import asyncio
import math
from collections import OrderedDict
from collections.abc import AsyncIterator, Awaitable, Callable, Hashable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, TypeVar
from weakref import WeakKeyDictionary

from sqlalchemy.engine import Connection, Engine
from sqlalchemy.ext.asyncio import AsyncSession

from app.agreement.computing import computed_beside
from app.agreement.loading import Loaded, loaded_since, nothing_loaded
from app.agreement.metrics.labels import Labels
from app.agreement.metrics.measures import Measures, measure
from app.agreement.metrics.slices import Slice, sliced
from app.db import let_go

MOST_BYTES = 64 * 2**20
MOST_MEASURES = 32
T = TypeVar("T")


class Turns:
    """A lock; who has to wait for it does so without a connection of the pool."""

    def __init__(self) -> None:
        self._lock = asyncio.Lock()
        # The lock alone would look free while it is handed over to who waited for it.
        self._present = 0

    @asynccontextmanager
    async def turn(self, tx: AsyncSession) -> AsyncIterator[None]:
        """Hold the lock."""
        must_wait = self._present > 0
        self._present += 1
        try:
            if must_wait:
                await let_go(tx)
            async with self._lock:
                yield
        finally:
            self._present -= 1


@dataclass
class _Project:
    """A project; taking turns keeps many who open a page at once from reading the same."""

    loaded: Loaded | None = None
    measures: OrderedDict[Hashable, Any] = field(default_factory=OrderedDict)
    lately: dict[Hashable, tuple[float, Any]] = field(default_factory=dict)
    turns: Turns = field(default_factory=Turns)


# By database: a process of tests sees many, and each has a project 1.
_kept: WeakKeyDictionary[Engine | Connection, OrderedDict[int, _Project]] = WeakKeyDictionary()
# Held by who reads a project from the start, which takes a connection for seconds.
_first_reads: WeakKeyDictionary[Engine | Connection, Turns] = WeakKeyDictionary()


async def labels_of(tx: AsyncSession, project_id: int) -> Loaded:
    """All labels of the project as they are now.

    They are kept for others: the transaction must not have written rankings itself.
    """
    kept = _kept.setdefault(tx.get_bind(), OrderedDict())
    project = kept.setdefault(project_id, _Project())
    kept.move_to_end(project_id)
    async with project.turns.turn(tx):
        before = project.loaded
        if before is None:
            async with _first_reads.setdefault(tx.get_bind(), Turns()).turn(tx):
                loaded = await loaded_since(tx, project_id, nothing_loaded())
        else:
            loaded = await loaded_since(tx, project_id, before)
            if loaded.labels.version != before.labels.version:
                project.measures.clear()
        project.loaded = loaded
    _forget(kept)
    return loaded


async def measures_of(
    tx: AsyncSession,
    project_id: int,
    labels: Labels,
    slice_: Slice,
    *,
    sft: frozenset[str],
    baseline: str | None,
) -> Measures:
    """The numbers of a slice of these labels, computed once for all who ask."""

    async def compute() -> Measures:
        return await computed_beside(
            tx, lambda: measure(sliced(labels, slice_), sft=sft, baseline=baseline)
        )

    key = ("measures", labels.version, slice_.key, sft, baseline)
    return await computed_once(tx, project_id, key, compute)


async def computed_once(
    tx: AsyncSession, project_id: int, key: Hashable, compute: Callable[[], Awaitable[T]]
) -> T:
    """What was computed for this key, or is now; kept while the project's labels stay the same."""
    project = _kept.setdefault(tx.get_bind(), OrderedDict()).get(project_id, _Project())
    async with project.turns.turn(tx):
        if key not in project.measures:
            project.measures[key] = await compute()
        project.measures.move_to_end(key)
        if len(project.measures) > MOST_MEASURES:
            project.measures.popitem(last=False)
        found: T = project.measures[key]
        return found


async def computed_lately(
    tx: AsyncSession,
    project_id: int,
    key: Hashable,
    compute: Callable[[], Awaitable[T]],
    *,
    now: float,
    seconds: float,
) -> T:
    """What was computed for this key in the last seconds, whatever labels came since; or anew.

    Args:
        tx: the transaction.
        project_id: the project; `labels_of` has been called for it.
        key: of the number.
        compute: makes it; it must hold no labels, which would stay in memory.
        now: when that is by the database's clock, in seconds since 1970.
        seconds: how old it may be.
    """
    project = _kept.setdefault(tx.get_bind(), OrderedDict()).get(project_id, _Project())
    at, found = project.lately.get(key, (-math.inf, None))
    if not 0 <= now - at < seconds:
        found = await compute()
        project.lately[key] = (now, found)
    lately: T = found
    return lately


def _forget(kept: OrderedDict[int, _Project]) -> None:
    """Drop the projects looked at longest ago until the rest fits; the last one always stays."""
    held = sum(_bytes_held(project) for project in kept.values())
    while held > MOST_BYTES and len(kept) > 1:
        _, dropped = kept.popitem(last=False)
        held -= _bytes_held(dropped)


def _bytes_held(project: _Project) -> int:
    return 0 if project.loaded is None else project.loaded.every.bytes_held
