"""What several labelers together say of one slate: counts per pair, mid-ranks, Kemeny's orders.

Pure, numpy only. A response is its column; everything is derived from who prefers which of two,
so a response that somebody could not judge is compared with what the same person did judge.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from itertools import combinations

import numpy as np

from app.agreement.metrics.arrays import Booleans, Integers

MAX_RESPONSES = 9
WAYS = 3  # the first is better, a tie, the second is better


@dataclass(frozen=True)
class Preferences:
    """How many labelers prefer which response of a slate."""

    wins: Integers
    """(K, K) how many prefer the row's response to the column's."""
    ties: Integers
    """(K, K) how many rank both the same; 0 on the diagonal."""

    @property
    def compared(self) -> Integers:
        """(K, K) how many judged both."""
        return self.wins + self.wins.T + self.ties


@dataclass(frozen=True)
class PairSplit:
    """How the labelers who judged two responses of a slate are divided over them."""

    pair: tuple[int, int]
    first: int
    tie: int
    second: int

    @property
    def labels(self) -> int:
        """How many labelers judged both."""
        return self.first + self.tie + self.second

    @property
    def entropy(self) -> float | None:
        """Entropy of the three-way split over log 3: 0 is one mind, 1 an even split."""
        if self.labels == 0:
            return None
        shares = [count / self.labels for count in (self.first, self.tie, self.second) if count]
        return sum(share * math.log(1 / share) for share in shares) / math.log(WAYS)

    def soft_label(self, *, prior: float = 0.0) -> float | None:
        """(wins + ties / 2 + prior) / (labels + 2 prior) of the first; 1 is Laplace's prior."""
        total = self.labels + 2 * prior
        return (self.first + self.tie / 2 + prior) / total if total > 0 else None

    @property
    def majority(self) -> int:
        """+1 when more prefer the first, -1 when more prefer the second, 0 when as many do."""
        return (self.first > self.second) - (self.first < self.second)

    @property
    def is_conflict(self) -> bool:
        """Whether both are preferred by somebody."""
        return self.first > 0 and self.second > 0

    @property
    def is_unanimous(self) -> bool:
        """Whether everybody prefers the same one; who ties prefers none."""
        return self.labels > 0 and self.labels in (self.first, self.second)


@dataclass(frozen=True)
class Kemeny:
    """The orders that the fewest preferences speak against (Kemeny 1959).

    An order puts every response that was compared in a place of its own and costs, for each two,
    the number of labelers who strictly prefer the lower one. Often several orders are equally good.
    """

    compared: tuple[int, ...]
    """The responses that the orders are about, by column."""
    wins: Integers
    """(n, n) how many prefer one of `compared` to another."""

    @property
    def cost(self) -> int:
        """How many preferences the best orders violate."""
        return int(self._first[-1])

    @property
    def is_unique(self) -> bool:
        """Whether there is one best order only."""
        size = len(self.compared)
        return int(self._before.sum()) == size * (size - 1) // 2

    @property
    def common(self) -> list[tuple[int, int]]:
        """The partial order that all best orders share: (better, worse) columns."""
        rows, columns = np.nonzero(self._before)
        return [
            (self.compared[i], self.compared[j])
            for i, j in zip(rows.tolist(), columns.tolist(), strict=True)
        ]

    def orders(self) -> Iterator[tuple[int, ...]]:
        """All best orders, best response first, in lexicographic order.

        There may be as many as 9! = 362,880 of them: take what is needed.
        """
        return self._continued((), 0)

    def _continued(self, order: tuple[int, ...], state: int) -> Iterator[tuple[int, ...]]:
        if len(order) == len(self.compared):
            yield order
        for i, response in enumerate(self.compared):
            after = state | 1 << i
            if after != state and self._is_optimal_step(state, after, i):
                yield from self._continued((*order, response), after)

    def _is_optimal_step(self, before: int, after: int, i: int) -> bool:
        steps = self._first[before] + self._step[before, i] + self._rest[after]
        return bool(steps == self._first[-1])

    @cached_property
    def _inside(self) -> Booleans:
        """(2^n, n) which responses a state has placed: bit i of the state is response i."""
        size = len(self.compared)
        inside: Booleans = (np.arange(2**size)[:, None] >> np.arange(size) & 1).astype(np.bool_)
        return inside

    @cached_property
    def _step(self) -> Integers:
        """(2^n, n) what it costs to place a response next: who prefers one still to be placed."""
        step: Integers = (~self._inside).astype(np.int64) @ self.wins
        return step

    @cached_property
    def _first(self) -> Integers:
        """(2^n,) least cost of placing the responses of a state before all others."""
        size = len(self.compared)
        cost, step = [0] * 2**size, self._step.tolist()
        for state in range(1, 2**size):
            cost[state] = min(
                cost[state ^ 1 << i] + step[state ^ 1 << i][i]
                for i in range(size)
                if state >> i & 1
            )
        return np.array(cost, dtype=np.int64)

    @cached_property
    def _rest(self) -> Integers:
        """(2^n,) least cost of placing the responses that a state has not placed yet."""
        size = len(self.compared)
        cost, step = [0] * 2**size, self._step.tolist()
        for state in range(2**size - 2, -1, -1):
            cost[state] = min(
                cost[state | 1 << i] + step[state][i] for i in range(size) if not state >> i & 1
            )
        return np.array(cost, dtype=np.int64)

    @cached_property
    def _before(self) -> Booleans:
        """(n, n) whether the row's response is before the column's in every best order.

        It is not when some state on a best way holds the column's response without the row's.
        """
        inside = self._inside[self._first + self._rest == self._first[-1]].astype(np.int64)
        before: Booleans = (1 - inside).T @ inside == 0
        np.fill_diagonal(before, val=False)
        return before


def preferences(ranks: Integers) -> Preferences:
    """Count who prefers which response of one slate.

    Args:
        ranks: (labels, K) 1 is best, equal is a tie, 0 was not judged.
    """
    judged = ranks > 0
    both = judged[:, :, None] & judged[:, None, :]
    wins = (both & (ranks[:, :, None] < ranks[:, None, :])).sum(axis=0)
    ties = (both & (ranks[:, :, None] == ranks[:, None, :])).sum(axis=0)
    np.fill_diagonal(ties, 0)
    return Preferences(wins, ties)


def pair_splits(counted: Preferences) -> list[PairSplit]:
    """The split of every two responses, in the order of their columns."""
    wins, ties = counted.wins.tolist(), counted.ties.tolist()
    return [
        PairSplit((i, j), first=wins[i][j], tie=ties[i][j], second=wins[j][i])
        for i, j in combinations(range(len(wins)), 2)
    ]


def mean_mid_ranks(counted: Preferences) -> list[Fraction | None]:
    """The mean mid-rank (Borda) of each response, exactly; None for what nobody compared.

    Over complete rankings it is the mean over labelers of the place that ties share. It is
    (n + 1) / 2 - (n - 1) / 2 (won - lost) / compared, of the n responses that were compared, and
    in this form it needs no complete rankings.
    """
    net = (counted.wins - counted.wins.T).sum(axis=1).tolist()
    compared = counted.compared.sum(axis=1).tolist()
    n = sum(one > 0 for one in compared)
    return [
        None if total == 0 else Fraction(n + 1, 2) - Fraction(n - 1, 2) * Fraction(won, total)
        for won, total in zip(net, compared, strict=True)
    ]


def kemeny(counted: Preferences) -> Kemeny:
    """The best orders of the responses that somebody compared, by dynamic programming over subsets.

    Raises:
        ValueError: there are more than 9 responses.
    """
    compared = np.flatnonzero(counted.compared.sum(axis=1))
    if len(compared) > MAX_RESPONSES:
        raise ValueError(f"a slate has at most {MAX_RESPONSES} responses, not {len(compared)}")
    return Kemeny(tuple(compared.tolist()), counted.wins[np.ix_(compared, compared)])
