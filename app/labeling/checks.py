"""Which tasks check on the labeler: known answers, anchors, and repeats. Pure.

The shares are those of B.13: 3-5% known answers, 2% anchors, 2% repeats of a labeler's own tasks.
"""

import uuid
from collections.abc import Mapping
from hashlib import sha256
from math import floor

PURPOSES = ("gold", "anchor", "repeat")
HASH_BYTES = 8


def due_checks(shares: Mapping[str, float], *, seed: uuid.UUID, ordinal: int) -> dict[str, float]:
    """The purposes that a labeler's task may have instead of a label's, and the share of each.

    In order of preference. The share is the probability with which one is due.

    With a share of s, one falls on a random task of each 1/s in a row: so the share holds at any
    time, none can be foreseen, and after a time without any to ask there is no rush of them.

    Args:
        shares: of each purpose, 0..1: those of the round whose task it is.
        seed: the labeler's own, which nobody sees.
        ordinal: which task of theirs in the project it is, from 1.
    """
    return {
        purpose: shares[purpose]
        for purpose in PURPOSES
        if shares[purpose] > 0 and _is_due(f"{seed}-{purpose}", shares[purpose], ordinal)
    }


def _is_due(name: str, share: float, ordinal: int) -> bool:
    first, last = floor((ordinal - 1) * share), floor(ordinal * share)
    return any(
        ordinal - 1 < (block + _uniform(name, block)) / share <= ordinal
        for block in range(max(first - 1, 0), last + 1)
    )


def _uniform(name: str, block: int) -> float:
    """A number in (0, 1] that is fixed by the name and the block."""
    digest = sha256(f"{name}-{block}".encode()).digest()[:HASH_BYTES]
    return (int.from_bytes(digest) + 1) / float(1 << 8 * HASH_BYTES)
