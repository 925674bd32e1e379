"""Orders of one slate's responses: their consensus, how far apart two are, how one is written.

Pure. An order gives each response a rank: 1 is best, equal is a tie, None was not judged.
"""

from collections.abc import Mapping, Sequence
from fractions import Fraction
from itertools import combinations, groupby, permutations

MIN_OTHERS, MIN_MEMBERS = 2, 3

Order = Mapping[int, int | None]


def is_anonymous(others: int, members: int) -> bool:
    """Whether nobody can tell whose answer the consensus of so many others is.

    Of several others it is nobody's; that of one alone could be anybody's of a larger team.
    """
    return others >= MIN_OTHERS or (others == 1 and members >= MIN_MEMBERS)


def consensus(orders: Sequence[Order]) -> dict[int, int | None]:
    """The order by mean rank (Borda): a response's share of pairs won, minus that of pairs lost.

    Over complete rankings this is the order of mean mid-ranks; a response that somebody could not
    judge is compared with what the same person did judge. Equal shares are a tie; who nobody
    compared has no rank.
    """
    responses = sorted({response for order in orders for response in order})
    score = {response: _net_share(response, orders) for response in responses}
    best_first = sorted({one for one in score.values() if one is not None}, reverse=True)
    return {
        response: None if one is None else best_first.index(one) + 1
        for response, one in score.items()
    }


def _net_share(response: int, orders: Sequence[Order]) -> Fraction | None:
    signs = [
        _sign(order, response, other)
        for order in orders
        if order.get(response) is not None
        for other, rank in order.items()
        if other != response and rank is not None
    ]
    return Fraction(sum(signs), len(signs)) if signs else None


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
