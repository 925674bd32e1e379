"""A random order that goes on without end and can be entered at any place.

Each round deals every index once, in an order of its own that only the seed and the round decide:
a run that resumes needs no more than the number of indices it has used.
"""

import random
from array import array
from functools import lru_cache

from trainer.running.seeds import derive_seed


def order_between(start: int, stop: int, *, count: int, seed: int) -> list[int]:
    """Return the indices (below `count`) at places start .. stop - 1 of the endless order."""
    return [
        _round(count, derive_seed(seed, "round", place // count))[place % count]
        for place in range(start, stop)
    ]


@lru_cache(maxsize=4)
def _round(count: int, seed: int) -> "array[int]":
    order = array("q", range(count))
    random.Random(seed).shuffle(order)  # noqa: S311 - an order of rows, not a secret
    return order
