"""How work learns that its run is to end: it passes what it goes through to a watch."""

from collections.abc import Iterable
from typing import Protocol, TypeVar

Item = TypeVar("Item")


class Watch(Protocol):
    """Passes items of work on as long as the run may go on, and ends it otherwise.

    `iter` is one that never does. With several ranks each of them has to pass equally many items.
    """

    def __call__(self, items: Iterable[Item], /) -> Iterable[Item]:
        """Return an iterable over the same items."""
