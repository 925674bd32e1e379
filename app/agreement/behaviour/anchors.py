"""Whether labelers judge the same responses as before: the moving win rate of anchors. Pure.

As in Stiennon et al. (2020, arXiv 2009.01325), some slates with responses of the SFT model and of
others come back in every round. Their responses never change, so that a win rate that moves is
drift of the labelers, not of the models.
"""

import math
from collections.abc import Collection
from dataclasses import dataclass, replace
from itertools import combinations
from statistics import NormalDist

import numpy as np

from app.agreement.metrics.arrays import Booleans, Floats, Integers, signs_of
from app.agreement.metrics.estimates import Measured, central_probability, ratio, t_975
from app.agreement.metrics.labels import PURPOSES, RANDOM, Labels

ANCHOR = PURPOSES.index("anchor")
WINDOW = 100
"""Rankings of anchors that the moving win rate is of, at most half of all."""
LEAST = 30
"""Rankings in each window; with fewer nothing is compared."""
LEAST_CLUSTERS = 5
"""Slates and labelers that can be compared; with fewer their errors are not known."""

NOTHING = 1e-12
ALMOST_SURE = 1 - 1e-15


@dataclass(frozen=True)
class Rate:
    """A share of wins; the rankings of a slate depend on each other, and so do a labeler's.

    Attributes:
        wins: `prompts` counts rankings.
        ci95: the t interval with a degree of freedom less than there are slates, or labelers,
            whichever are fewer; None with only one of either, or where nothing varies.
    """

    wins: Measured
    ci95: tuple[float, float] | None


@dataclass(frozen=True)
class AnchorWins:
    """Wins of other models over the SFT model in anchors, a tie as half a win.

    Attributes:
        model: the SFT model; None where no anchor has responses of one and of another model.
        rankings: how many there are of such anchors.
        lately: in the last of them; `prompts` counts rankings.
        before: in all earlier ones.
        slates: how many have both later and earlier rankings.
        labelers: whose these are.
        z: how far the later ones differ from the earlier ones of the same slates, as a standard
            normal; None while there are too few, or where nothing varies.
    """

    model: str | None
    rankings: int
    lately: Rate
    before: Rate
    slates: int
    labelers: int
    z: float | None


def anchor_wins(labels: Labels, *, sft: Collection[str]) -> AnchorWins:
    """Compare the last rankings of anchors with the earlier ones.

    An anchor's ordinary rankings, from before it was one, count as well.

    Args:
        labels: in the order of their first submission.
        sft: names of the SFT models; the one that is in most rankings of anchors counts.
    """
    is_anchor = np.isin(labels.slate, labels.slate[labels.purpose == ANCHOR])
    here = labels.where(is_anchor).of_purposes((*RANDOM, ANCHOR))
    model, wins, met = _over_sft(here, sft)
    is_compared = met > 0
    wins, met = wins[is_compared], met[is_compared]
    slate, labeler = here.slate[is_compared], here.labeler[is_compared]
    n = len(met)
    window = n if n < 2 * LEAST else min(WINDOW, n // 2)
    is_late = np.arange(n) >= n - window
    is_in_both = np.isin(slate, np.intersect1d(slate[is_late], slate[~is_late]))
    slates, labelers = (len(np.unique(codes[is_in_both])) for codes in (slate, labeler))
    is_enough = n >= 2 * LEAST and min(slates, labelers) >= LEAST_CLUSTERS
    return AnchorWins(
        model=model,
        rankings=n,
        lately=_rate(wins, met, slate, labeler, is_late),
        before=_rate(wins, met, slate, labeler, ~is_late),
        slates=slates,
        labelers=labelers,
        z=shift(wins / met, slate, labeler, is_late) if is_enough else None,
    )


def _over_sft(labels: Labels, sft: Collection[str]) -> tuple[str | None, Floats, Floats]:
    """The SFT model, and (n,) wins of others over it and comparisons with it."""
    slates = labels.slates
    models = slates.models[labels.slate].astype(np.int64) - 1
    nothing = np.zeros(len(labels))
    codes = [code for code, name in enumerate(slates.model_names) if name in sft]
    found = [(code, *_wins_over(labels, models, code)) for code in codes]
    code, wins, met = max(
        found, key=lambda one: np.count_nonzero(one[2]), default=(None, nothing, nothing)
    )
    if code is None or not met.any():
        return None, nothing, nothing
    return slates.model_names[code], wins, met


def _wins_over(labels: Labels, models: Integers, code: int) -> tuple[Floats, Floats]:
    signs = signs_of(labels.ranks)
    wins, met = np.zeros(len(labels)), np.zeros(len(labels))
    for pair, (i, j) in enumerate(combinations(range(models.shape[1]), 2)):
        is_known = (np.abs(signs[:, pair]) <= 1) & (models[:, i] >= 0) & (models[:, j] >= 0)
        for base, other, sign in ((i, j, -1), (j, i, 1)):
            meet = is_known & (models[:, base] == code) & (models[:, other] != code)
            met += meet
            wins += np.where(meet, (sign * signs[:, pair] + 1) / 2, 0.0)
    return wins, met


def _rate(wins: Floats, met: Floats, slate: Integers, labeler: Integers, rows: Booleans) -> Rate:
    wins, met, slate, labeler = wins[rows], met[rows], slate[rows], labeler[rows]
    found = ratio(wins, met, np.arange(len(met)))
    if found.value is None:
        return Rate(found, None)
    variance = two_way_variance(wins - found.value * met, slate, labeler)
    if variance is None:
        return Rate(replace(found, se=None), None)
    se = math.sqrt(variance) / float(met.sum())
    if se == 0:
        return Rate(replace(found, se=0.0), None)
    half = t_975(_fewest(slate, labeler) - 1) * se
    ci95 = max(0.0, found.value - half), min(1.0, found.value + half)
    return Rate(replace(found, se=se), ci95)


def shift(shares: Floats, slate: Integers, labeler: Integers, is_late: Booleans) -> float | None:
    """The change of the later shares against the earlier ones of the same slates, as a z.

    Least squares with a level per slate, so that it does not matter which anchors came when.
    Slates and labelers are clusters. So few of them make a t with a degree of freedom less than
    there are of the fewer (Cameron, Gelbach, and Miller 2011); it is told as the z that is as
    unlikely.

    Args:
        shares: (n,) wins of each ranking, 0..1.
        slate: (n,) whose ranking it is.
        labeler: (n,) who ranked.
        is_late: (n,) whether it is one of the later ones.
    """
    # A slate with rankings in one window alone tells nothing of a change.
    rows = np.isin(slate, np.intersect1d(slate[is_late], slate[~is_late]))
    shares, slate, labeler, is_late = shares[rows], slate[rows], labeler[rows], is_late[rows]
    of = np.unique(slate, return_inverse=True)[1]
    counts = np.bincount(of)
    n, slates = len(shares), len(counts)
    if n <= slates + 1:
        return None
    late = is_late - (np.bincount(of, weights=is_late) / counts)[of]
    share = shares - (np.bincount(of, weights=shares) / counts)[of]
    weight = float(late @ late)
    change = float(late @ share) / weight
    variance = two_way_variance(late * (share - change * late), slate, labeler)
    # Rounding leaves a little where all labels of a slate and a window are the same.
    if variance is None or variance <= (NOTHING * weight) ** 2:
        return None
    error = math.sqrt(variance * (n - 1) / (n - slates - 1)) / weight
    likely = central_probability(abs(change / error), _fewest(slate, labeler) - 1)
    return math.copysign(NormalDist().inv_cdf(min((1 + likely) / 2, ALMOST_SURE)), change)


def two_way_variance(parts: Floats, slate: Integers, labeler: Integers) -> float | None:
    """The variance of the sum of (n,) parts that depend on each other within slates and labelers.

    V = V_slate + V_labeler - V_both with G / (G - 1) for G clusters (Cameron, Gelbach, and Miller
    2011), but never below any of the three: a difference may be small by chance (MacKinnon,
    Nielsen, and Webb 2024). None with fewer than two of either.
    """
    if _fewest(slate, labeler) < 2:  # noqa: PLR2004 a spread is of two
        return None
    both = slate * (int(labeler.max()) + 1) + labeler
    by_slate, by_labeler, by_both = (_variance(parts, codes) for codes in (slate, labeler, both))
    return max(by_slate + by_labeler - by_both, by_slate, by_labeler, by_both)


def _variance(parts: Floats, cluster: Integers) -> float:
    sums = np.bincount(np.unique(cluster, return_inverse=True)[1], weights=parts)
    return len(sums) / (len(sums) - 1) * float(sums @ sums)


def _fewest(slate: Integers, labeler: Integers) -> int:
    return min(len(np.unique(slate)), len(np.unique(labeler)))
