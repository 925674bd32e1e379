"""When a slate is worth one more label, after what its labelers said so far. Pure.

The rule is that of B.13, as HelpSteer2 (arXiv 2406.08673) asks further people where two differ.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

from app.labeling.ranking import MIN_JUDGED

MIN_AGREEMENT = 0.5


@dataclass(frozen=True)
class SlateLabel:
    """What one labeler says of a slate.

    Attributes:
        ranks: rank by response, 1 is best; None where it could not be judged.
        severe: the severe flags given, each with its response, or with None for the whole task.
    """

    ranks: Mapping[int, int | None]
    severe: frozenset[tuple[int | None, str]]


def is_split(labels: Sequence[SlateLabel]) -> bool:
    """Whether the labelers agree on less than half of the pairs, or are even on a severe flag."""
    if len(labels) < MIN_JUDGED:
        return False
    agreement = strict_agreement([label.ranks for label in labels])
    return (agreement is not None and agreement < MIN_AGREEMENT) or _is_flag_even(labels)


def strict_agreement(rankings: Sequence[Mapping[int, int | None]]) -> float | None:
    """The strict agreement of B.2 among rankings of one slate; None when no pair is ordered twice.

    A unit is two responses that two labelers both order; it scores 1 where they order them alike.
    """
    agreed = units = 0
    for first, second in combinations(rankings, 2):
        for i, j in combinations(first, 2):
            one, other = _sign(first, i, j), _sign(second, i, j)
            if one * other != 0:
                units += 1
                agreed += one == other
    return agreed / units if units else None


def _sign(ranks: Mapping[int, int | None], i: int, j: int) -> int:
    """1 when `i` is better, -1 when `j` is, 0 for a tie or when one of them is not judged."""
    rank_i, rank_j = ranks.get(i), ranks.get(j)
    if rank_i is None or rank_j is None:
        return 0
    return (rank_j > rank_i) - (rank_j < rank_i)


def _is_flag_even(labels: Sequence[SlateLabel]) -> bool:
    for where, key in frozenset().union(*(label.severe for label in labels)):
        judging = [label for label in labels if where is None or label.ranks.get(where) is not None]
        if 2 * sum((where, key) in label.severe for label in judging) == len(judging):
            return True
    return False
