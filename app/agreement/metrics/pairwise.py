"""How often labelers agree, from ranks alone: pure, numpy only, no SQL.

A unit is one pair of responses judged by two labelers. Pair labels are +1 (the first is better),
0 (tie) and -1; everything is counted per pair of labelers and slate, never by joining comparisons.
Labelers and prompts are the codes that the labels have.
"""

import math
from dataclasses import dataclass, replace

import numpy as np

from app.agreement.metrics.arrays import (
    MISSING,
    Booleans,
    Floats,
    Integers,
    Signs,
    rows_of_two,
    signs_of,
)
from app.agreement.metrics.estimates import Measured, ratio, ratios
from app.agreement.metrics.labels import Labels

MIN_UNITS_OF_A_PAIR = 30


@dataclass(frozen=True)
class PairCounts:
    """Per slate and pair of labelers: how many pairs of responses both judged, and how alike."""

    prompt: Integers  # (m,)
    first: Integers  # (m,) labeler, below second
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

    @property
    def pair(self) -> Integers:
        """(m,) the two labelers as one number: first * `labelers` + second."""
        return self.first * self.labelers + self.second

    @property
    def labelers(self) -> int:
        """One more than the greatest code of a labeler."""
        return int(self.second.max(initial=-1)) + 1


@dataclass(frozen=True)
class Averages:
    """The three averages of one rule: over units, over prompts, over pairs of labelers."""

    micro: Measured
    macro_prompt: Measured
    macro_labeler_pair: Measured


def pair_counts(labels: Labels) -> PairCounts:
    """Count, for each slate and each two of its labelers, how they judged the same pairs."""
    signs = pair_signs(labels)
    one, other = rows_of_two_labelers(labels)
    x, y = signs[one], signs[other]
    judged = (x != MISSING) & (y != MISSING)
    x_ties, y_ties = x == 0, y == 0

    def count(where: Booleans) -> Floats:
        counted: Floats = np.count_nonzero(judged & where, axis=1).astype(np.float64)
        return counted

    return PairCounts(
        prompt=labels.prompt[one],
        first=np.minimum(labels.labeler[one], labels.labeler[other]),
        second=np.maximum(labels.labeler[one], labels.labeler[other]),
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
    return Averages(
        micro=ratio(scores, units, counts.prompt),
        macro_prompt=_over_prompts(scores, units, counts.prompt),
        macro_labeler_pair=_over_pairs(scores, units, counts, min_units=min_units),
    )


def of_everybody(counts: PairCounts) -> Measured:
    """Strict agreement of all of them; without value as `per_labeler`."""
    one_group = np.zeros(len(counts.prompt), dtype=np.int64)
    return _strict_by(one_group, counts, times=1).get(0, Measured(None, None, 0, 0))


def per_labeler(counts: PairCounts) -> dict[int, Measured]:
    """Strict agreement of each labeler with all others, where both judged the same pairs.

    Where one always ties there is no value; `units` and `prompts` then say what both judged.
    """
    labelers = np.concatenate((counts.first, counts.second))
    return _strict_by(labelers, counts, times=2)


def per_pair(counts: PairCounts) -> dict[tuple[int, int], Measured]:
    """Strict agreement of each two labelers who share a slate; without value as `per_labeler`."""
    found = _strict_by(counts.pair, counts, times=1)
    nothing = Measured(None, None, 0, 0)
    return {
        divmod(pair, counts.labelers): found.get(pair, nothing)
        for pair in np.unique(counts.pair).tolist()
    }


def _strict_by(group: Integers, counts: PairCounts, *, times: int) -> dict[int, Measured]:
    """By group, of all rows so many times."""
    scores, units = (np.tile(column, times).astype(np.float64) for column in counts.strict)
    judged = np.tile(counts.half[1], times).astype(np.float64)
    prompt = np.tile(counts.prompt, times).astype(np.int64)
    ordered = ratios(scores, units, prompt, group)
    return {
        key: ordered.get(key, Measured(None, None, both.units, both.prompts))
        for key, both in ratios(judged, judged, prompt, group).items()
    }


def leave_one_out(labels: Labels) -> dict[int, Measured]:
    """How often each labeler agrees with the sign of the sum of the others' pair labels.

    Pairs that the labeler ties or on which the others cancel out are left aside.
    """
    signs = pair_signs(labels)
    known = np.where(signs == MISSING, 0, signs)
    slates, slate = np.unique(labels.slate, return_inverse=True)
    sums = np.zeros((len(slates), signs.shape[1]), dtype=np.int32)
    np.add.at(sums, slate, known)
    others = np.sign(sums[slate] - known)
    decided = (known != 0) & (others != 0)
    hits = np.count_nonzero(decided & (known == others), axis=1).astype(np.float64)
    units = np.count_nonzero(decided, axis=1).astype(np.float64)
    return ratios(hits, units, labels.prompt, labels.labeler)


def pair_signs(labels: Labels) -> Signs:
    """(labels, pairs) +1, 0, -1 or MISSING; a column is the same pair in all labels of a slate."""
    signs = signs_of(labels.ranks)
    if labels.left_out is not None:
        signs[labels.left_out[labels.slate]] = MISSING
    return signs


def rows_of_two_labelers(labels: Labels) -> tuple[Integers, Integers]:
    """Every two rows of the same slate by two labelers, as two arrays of row numbers."""
    one, other = rows_of_two(labels.slate)
    are_two = labels.labeler[one] != labels.labeler[other]
    return one[are_two], other[are_two]


def _over_prompts(scores: Floats, units: Floats, prompt: Integers) -> Measured:
    """The mean of the prompts' shares, each of which is one draw."""
    found, row = np.unique(prompt[units > 0], return_inverse=True)
    summed, counts = (np.bincount(row, weights=each[units > 0]) for each in (scores, units))
    mean = ratio(summed / counts, np.ones(len(found)), np.arange(len(found)))
    return replace(mean, units=int(units.sum()))


def _over_pairs(scores: Floats, units: Floats, counts: PairCounts, *, min_units: int) -> Measured:
    """The mean of the shares of those two who have enough units.

    With M of them, with shares A_g and n_g units, the standard error is that of the sums over
    prompts of (a_gp - A_g n_gp) / (M n_g): the mean linearized, with prompts as clusters.
    """
    found, row = np.unique(counts.pair, return_inverse=True)
    summed, counted = (
        np.bincount(row, weights=each, minlength=len(found)) for each in (scores, units)
    )
    enough = counted >= max(min_units, 1)
    if not enough.any():
        return Measured(None, None, 0, 0)
    here = enough[row] & (units > 0)
    row, prompt = row[here], np.unique(counts.prompt[here], return_inverse=True)[1]
    shares = np.divide(summed, counted, out=np.zeros(len(found)), where=counted > 0)
    residuals = (scores[here] - shares[row] * units[here]) / (enough.sum() * counted[row])
    parts = np.bincount(prompt, weights=residuals)
    prompts = len(parts)
    se = math.sqrt(prompts / (prompts - 1) * float(parts @ parts)) if prompts > 1 else None
    return Measured(float(shares[enough].mean()), se, int(units[here].sum()), prompts)
