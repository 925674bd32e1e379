"""Orders of one slate's responses: their consensus, how far apart two are, how one is written.

Pure. An order gives each response a rank: 1 is best, equal is a tie, None was not judged.
"""

from collections.abc import Collection, Mapping, Sequence
from itertools import combinations, groupby, permutations

import numpy as np

from app.agreement.metrics.consensus import mean_mid_ranks, preferences

MIN_OTHERS, MIN_MEMBERS = 2, 3

Order = Mapping[int, int | None]


def is_anonymous(others: int, members: int) -> bool:
    """Whether nobody can tell whose answer the consensus of so many others is.

    Of several others it is nobody's; that of one alone could be anybody's of a larger team.
    """
    return others >= MIN_OTHERS or (others == 1 and members >= MIN_MEMBERS)


def consensus(orders: Sequence[Order]) -> dict[int, int | None]:
    """The order by mean mid-rank (Borda): a response's share of pairs won, minus that of lost ones.

    A response that somebody could not judge is compared with what the same person did judge. Equal
    means are a tie; who nobody compared has no rank.
    """
    responses = sorted({response for order in orders for response in order})
    ranks = [[order.get(response) or 0 for response in responses] for order in orders]
    table = np.array(ranks, dtype=np.int64).reshape(len(orders), len(responses))
    means = mean_mid_ranks(preferences(table))
    best_first = sorted({mean for mean in means if mean is not None})
    return {
        response: None if mean is None else best_first.index(mean) + 1
        for response, mean in zip(responses, means, strict=True)
    }


def reversed_pairs(one: Order, other: Order) -> int:
    """How many pairs the two order the opposite way; a tie is opposite to nothing."""
    return sum(_sign(one, i, j) * _sign(other, i, j) < 0 for i, j in _judged_pairs(one, other))


def judged_pairs(one: Order, other: Order) -> int:
    """How many pairs of responses have a rank in both."""
    return len(_judged_pairs(one, other))


def _judged_pairs(one: Order, other: Order) -> list[tuple[int, int]]:
    both = [
        response
        for response, rank in one.items()
        if rank is not None and other.get(response) is not None
    ]
    return list(combinations(both, 2))


def _sign(order: Order, i: int, j: int) -> int:
    """+1 when i is better, -1 when j is, 0 for a tie or when one is not judged."""
    rank_i, rank_j = order.get(i), order.get(j)
    if rank_i is None or rank_j is None:
        return 0
    return (rank_j > rank_i) - (rank_j < rank_i)


def written(order: Order, letters: Mapping[int, str]) -> str:
    """The order in letters, best first: `C > A=E > B`; what has no rank is left out."""
    ranked = sorted((rank, letters[response]) for response, rank in order.items() if rank)
    rows = groupby(ranked, key=lambda one: one[0])
    return " > ".join("=".join(letter for _, letter in row) for _, row in rows)


def read(order: str, letters: Collection[str]) -> dict[str, int]:
    """The rank of each letter of an order as `written` writes it; spaces and case do not matter.

    Raises:
        ValueError: a letter is not one of `letters`, or is there twice, or something else is.
    """
    rows = [row.split("=") for row in "".join(order.upper().split()).split(">")]
    ranks = {letter: rank for rank, row in enumerate(rows, start=1) for letter in row}
    if len(ranks) < sum(map(len, rows)) or not ranks.keys() <= set(letters):
        raise ValueError("must name each response at most once, as B > A=C")
    return ranks


def conflicts(
    ranks: Sequence[int | None], ratings: Sequence[int | None], *, gap: int
) -> tuple[int, int]:
    """How many pairs rated at least `gap` apart are ranked the other way round, and of how many."""
    judged = [
        (rank, rating)
        for rank, rating in zip(ranks, ratings, strict=True)
        if rank is not None and rating is not None
    ]
    apart = [
        rank > other_rank
        for (rank, rating), (other_rank, other_rating) in permutations(judged, 2)
        if rating - other_rating >= gap
    ]
    return sum(apart), len(apart)
