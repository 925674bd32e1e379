"""How often labelers agree, from ranks alone: pure, numpy only, no SQL.

A unit is one pair of responses judged by two labelers. Pair labels are +1 (the first is better),
0 (tie) and -1; everything is counted per pair of labelers and slate, never by joining comparisons.
"""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from app.agreement.estimates import Measured, ratio

MISSING = np.int8(2)
MIN_UNITS_OF_A_PAIR = 30

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Signs = NDArray[np.int8]


@dataclass(frozen=True)
class Label:
    """One labeler's current ranking of one slate; `ranks` and `ratings` belong to `responses`.

    `is_drawn` is whether it was asked for before anybody ranked the slate.
    """

    prompt: Hashable
    slate: Hashable
    labeler: str
    responses: tuple[Hashable, ...]
    ranks: tuple[int | None, ...]
    ratings: tuple[int | None, ...] = ()
    models: tuple[str | None, ...] = ()
    is_drawn: bool = True


@dataclass(frozen=True)
class PairCounts:
    """Per slate and pair of labelers: how many pairs of responses both judged, and how alike."""

    labelers: list[str]
    prompt: Integers  # (m,)
    first: Integers  # (m,) index into labelers, below second
    second: Integers  # (m,)
    agree: Floats  # (m,) both prefer the same
    oppose: Floats  # (m,) they prefer opposite ones
    both_tie: Floats  # (m,)
    one_ties: Floats  # (m,)

    @property
    def strict(self) -> tuple[Floats, Floats]:
        """Scores and units when only pairs count on which both have a preference."""
        return self.agree, self.agree + self.oppose

    @property
    def half(self) -> tuple[Floats, Floats]:
        """Scores and units when one tie is worth a half and two ties are equal (as in LIMA)."""
        return self.agree + self.both_tie + self.one_ties / 2, self._units

    @property
    def three_way(self) -> tuple[Floats, Floats]:
        """Scores and units when a tie is a label like the others."""
        return self.agree + self.both_tie, self._units

    @property
    def _units(self) -> Floats:
        return self.agree + self.oppose + self.both_tie + self.one_ties


@dataclass(frozen=True)
class Averages:
    """The three averages of one rule: over units, over prompts, over pairs of labelers."""

    micro: Measured
    macro_prompt: float | None
    macro_labeler_pair: float | None


def first_two(labels: Sequence[Label]) -> list[Label]:
    """The first two labels of each slate, in order: later ones may depend on the outcome."""
    seen: dict[Hashable, int] = {}
    kept = []
    for label in labels:
        if not label.is_drawn:
            continue
        seen[label.slate] = seen.get(label.slate, 0) + 1
        if seen[label.slate] <= 2:  # noqa: PLR2004 two labelers make a pair
            kept.append(label)
    return kept


def pair_counts(labels: Sequence[Label]) -> PairCounts:
    """Count, for each slate and each two of its labelers, how they judged the same pairs."""
    labelers = sorted({label.labeler for label in labels})
    code = {name: i for i, name in enumerate(labelers)}
    labeler = np.array([code[label.labeler] for label in labels], dtype=np.int64)
    prompt = codes_of([label.prompt for label in labels])
    signs = pair_signs(labels)
    one, other = _rows_of_two_labelers(codes_of([label.slate for label in labels]))
    x, y = signs[one], signs[other]
    judged = (x != MISSING) & (y != MISSING)
    x_ties, y_ties = x == 0, y == 0

    def count(where: NDArray[np.bool_]) -> Floats:
        counted: Floats = np.count_nonzero(judged & where, axis=1).astype(np.float64)
        return counted

    return PairCounts(
        labelers=labelers,
        prompt=prompt[one],
        first=np.minimum(labeler[one], labeler[other]),
        second=np.maximum(labeler[one], labeler[other]),
        agree=count((x == y) & ~x_ties),
        oppose=count((x == -y) & ~x_ties),
        both_tie=count(x_ties & y_ties),
        one_ties=count(x_ties != y_ties),
    )


def averages(
    counts: PairCounts, rule: tuple[Floats, Floats], *, min_units: int = MIN_UNITS_OF_A_PAIR
) -> Averages:
    """Average one rule three ways; a pair of labelers counts from `min_units` units on."""
    scores, units = rule
    pair = counts.first * len(counts.labelers) + counts.second
    return Averages(
        micro=ratio(scores, units, counts.prompt),
        macro_prompt=_mean_of_groups(scores, units, counts.prompt, min_units=1),
        macro_labeler_pair=_mean_of_groups(scores, units, pair, min_units=min_units),
    )


def per_labeler(counts: PairCounts) -> dict[str, Measured]:
    """Strict agreement of each labeler with all others."""
    return {
        name: _strict_where(counts, (counts.first == i) | (counts.second == i))
        for i, name in enumerate(counts.labelers)
    }


def per_pair(counts: PairCounts) -> dict[tuple[str, str], Measured]:
    """Strict agreement of each two labelers who share a slate."""
    together = sorted(set(zip(counts.first.tolist(), counts.second.tolist(), strict=True)))
    return {
        (counts.labelers[i], counts.labelers[j]): _strict_where(
            counts, (counts.first == i) & (counts.second == j)
        )
        for i, j in together
    }


def leave_one_out(labels: Sequence[Label]) -> dict[str, Measured]:
    """How often each labeler agrees with the sign of the sum of the others' pair labels.

    Pairs that the labeler ties or on which the others cancel out are left aside.
    """
    signs = pair_signs(labels)
    slate = codes_of([label.slate for label in labels])
    prompt = codes_of([label.prompt for label in labels])
    known = np.where(signs == MISSING, 0, signs).astype(np.int64)
    sums = np.zeros((slate.max(initial=-1) + 1, signs.shape[1]), dtype=np.int64)
    np.add.at(sums, slate, known)
    others = np.sign(sums[slate] - known)
    decided = (known != 0) & (others != 0)
    hits = (decided & (known == others)).sum(axis=1).astype(np.float64)
    units = decided.sum(axis=1).astype(np.float64)
    names = np.array([label.labeler for label in labels])
    return {
        str(name): ratio(hits[names == name], units[names == name], prompt[names == name])
        for name in sorted(set(names.tolist()))
    }


def pair_signs(labels: Sequence[Label]) -> Signs:
    """(labels, pairs) +1, 0, -1 or MISSING; a column is the same pair in all labels of a slate."""
    ranks = aligned(labels, [label.ranks for label in labels])
    upper = np.triu_indices(ranks.shape[1], k=1)
    better, worse = ranks[:, upper[0]], ranks[:, upper[1]]
    signs = np.sign(worse - better).astype(np.int8)
    return np.where((better == 0) | (worse == 0), MISSING, signs)


def aligned(labels: Sequence[Label], values: Sequence[Sequence[int | None]]) -> Signs:
    """(labels, width) values with 0 for None; a column is the same response in a slate."""
    columns: dict[Hashable, dict[Hashable, int]] = {}
    cells = []
    for row, (label, numbers) in enumerate(zip(labels, values, strict=True)):
        column = columns.setdefault(label.slate, {})
        for response, number in zip(label.responses, numbers, strict=True):
            place = column.setdefault(response, len(column))
            if number is not None:
                cells.append((row, place, number))
    width = max(map(len, columns.values()), default=0)
    table = np.zeros((len(labels), width), dtype=np.int8)
    if cells:
        rows, places, numbers_ = np.array(cells, dtype=np.int64).T
        table[rows, places] = numbers_
    return table


def codes_of(names: Sequence[Hashable]) -> Integers:
    """Small integers from 0 that are equal where the names are."""
    code: dict[Hashable, int] = {}
    return np.array([code.setdefault(name, len(code)) for name in names], dtype=np.int64)


def _rows_of_two_labelers(slate: Integers) -> tuple[Integers, Integers]:
    """Every two rows of the same slate, as two arrays of row numbers."""
    order = np.argsort(slate, kind="stable")
    _slates, starts, sizes = np.unique(slate[order], return_index=True, return_counts=True)
    ones, others = [np.empty(0, np.int64)], [np.empty(0, np.int64)]
    for size in np.unique(sizes).tolist():
        start = starts[sizes == size]
        for i, j in combinations(range(size), 2):
            ones.append(order[start + i])
            others.append(order[start + j])
    return np.concatenate(ones), np.concatenate(others)


def _strict_where(counts: PairCounts, where: NDArray[np.bool_]) -> Measured:
    scores, units = counts.strict
    return ratio(scores[where], units[where], counts.prompt[where])


def _mean_of_groups(
    scores: Floats, units: Floats, group: Integers, *, min_units: int
) -> float | None:
    summed, counts = np.bincount(group, weights=scores), np.bincount(group, weights=units)
    enough = counts >= max(min_units, 1)
    return float((summed[enough] / counts[enough]).mean()) if enough.any() else None
