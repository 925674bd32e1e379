"""Which split a group belongs to. Pure: a group keeps its split in every round and project.

A group holds prompts that must not be apart (near-duplicates, turns of one conversation); pairs
are never split.
"""

import hashlib
from typing import Literal, get_args

Split = Literal["train", "validation", "test"]
SPLITS: tuple[Split, ...] = get_args(Split)
SEED = "v1"
# Upper ends of the splits on the unit interval: 80% train, 10% validation, 10% test.
ENDS: tuple[tuple[Split, float], ...] = (("train", 0.8), ("validation", 0.9))


def fraction_of(group: str, *, seed: str = SEED) -> float:
    """The group's place in [0, 1): the first 8 bytes of sha256('seed:group') as a fraction."""
    digest = hashlib.sha256(f"{seed}:{group}".encode()).digest()
    return int.from_bytes(digest[:8], "big") / 2**64


def stable_split(group: str) -> Split:
    """The split of a group that nobody has put anywhere."""
    fraction = fraction_of(group)
    return next((split for split, end in ENDS if fraction < end), "test")
