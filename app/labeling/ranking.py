"""Pure rules of one ranking: dense ranks, and the comparisons that ranks stand for. No I/O.

The SQL view `comparisons` says the same for stored rankings; a test holds the two together.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from math import comb

MIN_JUDGED = 2


@dataclass(frozen=True)
class Comparisons:
    """What one ranking says about pairs; responses are named by their index in the ranking."""

    strict: tuple[tuple[int, int], ...]
    """(chosen, rejected), in the order of the responses."""
    ties: tuple[tuple[int, int], ...]
    weight_kept: float | None
    """1 / number of strict comparisons: a ranking weighs 1 in total. None when all are tied."""
    weight_all: float | None
    """1 / number of pairs, as in the paper. None when fewer than two responses are judged."""


def dense_ranks(ranks: Sequence[int | None]) -> list[int | None]:
    """The same order with ranks 1, 2, 3, ... and no gaps; None ("cannot judge") stays None."""
    place = {rank: i for i, rank in enumerate(sorted({r for r in ranks if r is not None}), start=1)}
    return [None if rank is None else place[rank] for rank in ranks]


def comparisons_of(ranks: Sequence[int | None]) -> Comparisons:
    """Expand ranks (1 is best, equal is a tie, None is not judged) into comparisons.

    K judged responses give C(K, 2) pairs: ties give no comparison, and pairs with an unjudged
    response are absent.
    """
    judged = [(i, rank) for i, rank in enumerate(ranks) if rank is not None]
    strict: list[tuple[int, int]] = []
    ties: list[tuple[int, int]] = []
    for (i, rank_i), (j, rank_j) in combinations(judged, 2):
        if rank_i == rank_j:
            ties.append((i, j))
        else:
            strict.append((i, j) if rank_i < rank_j else (j, i))
    return Comparisons(
        strict=tuple(strict),
        ties=tuple(ties),
        weight_kept=1 / len(strict) if strict else None,
        weight_all=1 / comb(len(judged), 2) if len(judged) >= MIN_JUDGED else None,
    )
