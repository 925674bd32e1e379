"""Whether the place at which a response was shown decides its rank: pure.

`positions` (n, w) int8 are the places 1..K at which the labeler saw the responses, 0 is absent.
Places are drawn at random, so that under no bias no order of them is likelier than another.
"""

import math
from dataclasses import dataclass

import numpy as np

from app.agreement.behaviour.by_labeler import in_blocks
from app.agreement.metrics.arrays import MISSING, Floats, Integers, Signs, signs_of
from app.web.translation import gettext

PROMPTS_PER_PLACE = 5
MAX_RESPONSES = 9


@dataclass(frozen=True)
class PositionTest:
    """Kendall's S of ranks against places, pooled; above 0 the earlier ones rank better."""

    s: int
    variance: float
    rankings: int
    """Those with anything to tell: at least two responses, not all of them tied."""

    @property
    def z(self) -> float | None:
        """S in standard errors; None when no ranking has anything to tell."""
        return self.s / math.sqrt(self.variance) if self.variance > 0 else None

    @property
    def p(self) -> float | None:
        """The two-sided probability of such a z by chance."""
        return None if self.z is None else two_sided(self.z)


@dataclass(frozen=True)
class BestByPosition:
    """How often the response shown at each place was best, in slates of K; ties share it."""

    responses: int
    rankings: int
    best: tuple[float, ...]
    """(K,) sums; divided by `rankings` they are shares."""
    chi2: float | None
    p: float | None
    reason: str | None


def two_sided(z: float) -> float:
    """P(|Z| > |z|) of a standard normal Z."""
    return math.erfc(abs(z) / math.sqrt(2))


def position_tests(
    ranks: Signs, positions: Signs, group: Integers, groups: int
) -> list[PositionTest]:
    """Test each group of labels, such as those of a labeler; a single group tests all together.

    Per ranking S = sum over pairs of sign(rank(later) - rank(earlier)), E S = 0 and Var S =
    [K(K-1)(2K+5) - sum t(t-1)(2t+5)] / 18 with t the sizes of ties (Kendall 1970, ch. 4).
    """
    s, eighteenths = in_blocks(kendall_s, ranks, positions)
    tells = eighteenths > 0
    summed = np.bincount(group[tells], weights=s[tells], minlength=groups)
    variances = np.bincount(group[tells], weights=eighteenths[tells], minlength=groups)
    rankings = np.bincount(group[tells], minlength=groups)
    return [
        PositionTest(round(summed[i]), float(variances[i]) / 18, int(rankings[i]))
        for i in range(groups)
    ]


def kendall_s(ranks: Signs, positions: Signs) -> tuple[Integers, Integers]:
    """Compute S and 18 times its variance (n,) of each ranking, without what was not judged."""
    judged = np.where(positions > 0, ranks, 0)
    by_rank, by_place = signs_of(judged), signs_of(positions)
    both = (by_rank != MISSING) & (by_place != MISSING)
    s = np.where(both, by_rank * by_place, 0).sum(axis=1, dtype=np.int64)
    k = np.count_nonzero(judged, axis=1)
    t = ties_of(judged)
    return s, k * (k - 1) * (2 * k + 5) - (t * (t - 1) * (2 * t + 5)).sum(axis=1)


def ties_of(ranks: Signs) -> Integers:
    """(n, 9) how many responses have rank 1, 2, ..."""
    rows, columns = np.nonzero(ranks)
    cells = rows * MAX_RESPONSES + ranks[rows, columns] - 1
    return np.bincount(cells, minlength=len(ranks) * MAX_RESPONSES).reshape(-1, MAX_RESPONSES)


def best_by_position(
    ranks: Signs, positions: Signs, group: Integers, groups: int
) -> list[list[BestByPosition]]:
    """For each group, one table for each K that occurs, of rankings that judge all K.

    Chi-square needs an expected count of 5 at each place, hence 5 K rankings.
    """
    k = np.count_nonzero(positions, axis=1)
    full = ((ranks > 0) == (positions > 0)).all(axis=1) & (k > 1)
    rows = np.flatnonzero(full)
    top = np.where(ranks[rows] > 0, ranks[rows], np.int8(127)).min(axis=1, initial=127)
    is_best = ranks[rows] == top[:, None]
    row, column = np.nonzero(is_best)
    size = MAX_RESPONSES + 1
    table = group[rows] * size + k[rows]
    cell = table[row] * size + positions[rows][row, column]
    share = 1 / np.count_nonzero(is_best, axis=1)[row]
    best = np.zeros(groups * size * size)
    best += np.bincount(cell, weights=share, minlength=len(best))
    counts = np.bincount(table, minlength=groups * size)
    found: list[list[BestByPosition]] = [[] for _ in range(groups)]
    for i in np.flatnonzero(counts).tolist():
        found[i // size].append(
            _tested(i % size, int(counts[i]), best[i * size + 1 : i * size + i % size + 1])
        )
    return found


def _tested(responses: int, rankings: int, best: Floats) -> BestByPosition:
    sums = tuple(best.tolist())
    least = PROMPTS_PER_PLACE * responses
    if rankings < least:
        reason = gettext(
            "not enough data: %(count)s of %(least)s tasks", count=rankings, least=least
        )
        return BestByPosition(responses, rankings, sums, None, None, reason)
    chi2 = chi_square(best)
    return BestByPosition(
        responses, rankings, sums, chi2, chi_square_tail(chi2, responses - 1), None
    )


def chi_square(observed: Floats) -> float:
    """Pearson's statistic of counts (k,) against equal shares."""
    expected = observed.mean()
    return float(((observed - expected) ** 2 / expected).sum())


def chi_square_tail(x: float, df: int) -> float:
    """P(chi-square > x) in closed form for whole `df` (Abramowitz and Stegun 26.4.4-5)."""
    half = x / 2
    if df % 2 == 0:
        terms = (half**i / math.factorial(i) for i in range(df // 2))
        return math.exp(-half) * math.fsum(terms)
    terms = (half ** (i + 0.5) / math.gamma(i + 1.5) for i in range(df // 2))
    return math.erfc(math.sqrt(half)) + math.exp(-half) * math.fsum(terms)
