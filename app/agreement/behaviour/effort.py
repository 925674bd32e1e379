"""How much work is behind a labeler's rankings: pace, ratings, display order, ties, what was read.

Pure. A screen is a reason for a person to look, no verdict. Shapes as in `by_labeler`.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from app.agreement.behaviour.by_labeler import Share, in_blocks
from app.agreement.behaviour.position_bias import ties_of
from app.agreement.metrics.arrays import MISSING, Floats, Integers, Signs, signs_of

MS_PER_MINUTE = 60_000
# Most adults read 175 to 300 words per minute; above this nobody reads.
FASTEST_WPM = 1000
MAX_ROBUST_Z = 3.5
MAD_TO_SD = 0.6744897501960817  # the third quartile of a standard normal
HIGHEST_RATING = 7


@dataclass(frozen=True)
class Pace:
    """A labeler's reading speed over the tasks whose active time is known."""

    tasks: int
    median_wpm: float | None
    too_fast: int
    """Tasks above 1,000 words per minute."""
    outliers: int
    """Tasks that are much faster than the labeler's other ones."""


@dataclass(frozen=True)
class Ratings:
    """How a labeler spreads the ratings; None without a rating."""

    count: int
    modal_share: float | None
    entropy: float | None
    """In units of its maximum, that of seven equally frequent ratings."""


@dataclass(frozen=True)
class DisplayOrder:
    """How often a labeler ranked just as displayed, beside what chance gives."""

    rankings: int
    as_displayed: int
    expected: float
    p: float | None
    """Probability of so many or more by chance; None without a ranking that could tell."""


def words_per_minute(words: Integers, active_ms: Floats) -> Floats:
    """Words shown (n,) per minute of active time; NaN where no time above 0 is known."""
    is_known = np.isfinite(active_ms) & (active_ms > 0)
    return np.where(is_known, words * MS_PER_MINUTE / np.where(is_known, active_ms, 1.0), np.nan)


def robust_z(values: Floats) -> Floats | None:
    """0.6745 (x - median) / MAD of each value (Iglewicz and Hoaglin 1993); None if MAD is 0."""
    if not len(values):
        return None
    distance = values - np.median(values)
    mad = float(np.median(np.abs(distance)))
    return MAD_TO_SD * distance / mad if mad > 0 else None


def paces(words: Integers, active_ms: Floats, labeler: Integers, labelers: int) -> list[Pace]:
    """Measure the pace of each labeler; tasks without time or without words tell nothing."""
    wpm = words_per_minute(words, active_ms)
    known = np.flatnonzero(wpm > 0)
    order = known[np.argsort(labeler[known], kind="stable")]
    ends = np.searchsorted(labeler[order], np.arange(1, labelers))
    return [_pace(own) for own in np.split(wpm[order], ends)][:labelers]


def _pace(wpm: Floats) -> Pace:
    if not len(wpm):
        return Pace(0, None, 0, 0)
    z = robust_z(np.log(wpm))
    return Pace(
        tasks=len(wpm),
        median_wpm=float(np.median(wpm)),
        too_fast=int(np.count_nonzero(wpm > FASTEST_WPM)),
        outliers=0 if z is None else int(np.count_nonzero(z > MAX_ROBUST_Z)),
    )


def ratings_of(ratings: Signs, labeler: Integers, labelers: int) -> list[Ratings]:
    """Measure how each labeler uses the ratings 1 to 7 (n, w), where 0 is missing."""
    rows, columns = np.nonzero(ratings)
    cells = labeler[rows] * HIGHEST_RATING + ratings[rows, columns] - 1
    counts = np.bincount(cells, minlength=labelers * HIGHEST_RATING).reshape(-1, HIGHEST_RATING)
    total = counts.sum(axis=1)
    share = counts / np.maximum(total, 1)[:, None]
    entropy = -(share * np.log(np.where(share > 0, share, 1.0))).sum(axis=1)
    return [
        Ratings(
            count=n,
            modal_share=float(share[i].max()) if n else None,
            # A single rating has an entropy of -0.0.
            entropy=abs(float(entropy[i])) / math.log(HIGHEST_RATING) if n else None,
        )
        for i, n in enumerate(total.tolist())
    ]


def display_orders(
    ranks: Signs, positions: Signs, labeler: Integers, labelers: int
) -> list[DisplayOrder]:
    """Count the rankings in which no response ranks better than one shown before it.

    With ties of the sizes t, prod t! / K! of all orders are like that. The number of such rankings
    is compared with Poisson's law, whose tail above the mean is no shorter than that of the sum
    (Hoeffding 1956).
    """
    as_displayed, chance = in_blocks(_as_displayed, ranks, positions)
    tells = chance < 1
    of = labeler[tells]
    rankings = np.bincount(of, minlength=labelers)
    seen = np.bincount(of, weights=as_displayed[tells], minlength=labelers)
    expected = np.bincount(of, weights=chance[tells], minlength=labelers)
    return [
        DisplayOrder(n, round(seen[i]), float(expected[i]), _tail(round(seen[i]), expected[i], n))
        for i, n in enumerate(rankings.tolist())
    ]


def _as_displayed(ranks: Signs, positions: Signs) -> tuple[Floats, Floats]:
    """Whether each ranking (n,) is as displayed, 0 or 1, and by which chance."""
    judged = np.where(positions > 0, ranks, 0)
    by_rank, by_place = signs_of(judged), signs_of(positions)
    both = (by_rank != MISSING) & (by_place != MISSING)
    as_displayed = ~(both & (by_rank * by_place < 0)).any(axis=1)
    factorial = np.array([math.factorial(i) for i in range(HIGHEST_RATING + 3)], dtype=np.float64)
    ties = ties_of(judged)
    chance = factorial[ties].prod(axis=1) / factorial[ties.sum(axis=1)]
    return as_displayed.astype(np.float64), chance


def _tail(seen: int, expected: float, rankings: int) -> float | None:
    return poisson_tail(seen, float(expected)) if rankings else None


def poisson_tail(least: int, mean: float) -> float:
    """P(X >= least) of a Poisson X with a mean above 0."""
    if least <= mean:
        terms = (_poisson(i, mean) for i in range(least))
        return max(0.0, 1 - math.fsum(terms))
    # The terms fall at least geometrically; 1 - P(X < least) would lose small tails to rounding.
    total, i = 0.0, least
    while (term := _poisson(i, mean)) > total * 1e-16:
        total, i = total + term, i + 1
    return total


def _poisson(i: int, mean: float) -> float:
    return math.exp(i * math.log(mean) - mean - math.lgamma(i + 1))


def tied_pairs(ranks: Signs) -> Share:
    """Tied pairs (n,) of those judged (n,)."""
    signs = signs_of(ranks)
    units = np.count_nonzero(signs != MISSING, axis=1).astype(np.float64)
    return np.count_nonzero(signs == 0, axis=1).astype(np.float64), units


def opened_long(long_shown: Integers, long_opened: Integers) -> Share:
    """Long responses unfolded (n,) of those that were shown folded (n,)."""
    opened: NDArray[np.float64] = np.minimum(long_opened, long_shown).astype(np.float64)
    return opened, long_shown.astype(np.float64)
