"""Whether labelers judge the same responses as before: the moving win rate of anchors. Pure.

As in Stiennon et al. (2020, arXiv 2009.01325), some slates with responses of the SFT model and of
others come back in every round. Their responses never change, so that a win rate that moves is
drift of the labelers, not of the models.
"""

import math
from collections.abc import Collection
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from app.agreement.metrics.arrays import Booleans, Floats, Integers, signs_of
from app.agreement.metrics.estimates import Measured, ratio
from app.agreement.metrics.labels import PURPOSES, RANDOM, Labels

ANCHOR = PURPOSES.index("anchor")
WINDOW = 100
"""Rankings of anchors that the moving win rate is of, at most half of all."""
LEAST = 30
"""Rankings in each window; with fewer nothing is compared."""


@dataclass(frozen=True)
class AnchorWins:
    """Wins of other models over the SFT model in anchors, a tie as half a win.

    Attributes:
        model: the SFT model; None where no anchor has responses of one and of another model.
        rankings: how many there are of such anchors.
        lately: in the last of them; `prompts` counts rankings, which are taken as independent.
        before: in all earlier ones.
        z: how far the later ones differ from the earlier ones of the same slates, in standard
            errors; None while there are too few, or where nothing varies.
    """

    model: str | None
    rankings: int
    lately: Measured
    before: Measured
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
    wins, met, slate = wins[is_compared], met[is_compared], here.slate[is_compared]
    n = len(met)
    window = n if n < 2 * LEAST else min(WINDOW, n // 2)
    is_late = np.arange(n) >= n - window
    return AnchorWins(
        model=model,
        rankings=n,
        lately=_rate(wins, met, is_late),
        before=_rate(wins, met, ~is_late),
        z=shift(wins / met, slate, is_late) if n >= 2 * LEAST else None,
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


def _rate(wins: Floats, met: Floats, rows: Booleans) -> Measured:
    return ratio(wins[rows], met[rows], np.arange(int(rows.sum())))


def shift(shares: Floats, slate: Integers, is_late: Booleans) -> float | None:
    """The change of the later shares against the earlier ones of the same slates, over its error.

    Least squares with a level per slate, so that it does not matter which anchors came when; the
    error allows for unequal variances (White 1980), with n / (n - slates - 1).

    Args:
        shares: (n,) wins of each ranking, 0..1.
        slate: (n,) whose ranking it is.
        is_late: (n,) whether it is one of the later ones.
    """
    of = np.unique(slate, return_inverse=True)[1]
    counts = np.bincount(of)
    n, slates = len(shares), len(counts)
    late = is_late - (np.bincount(of, weights=is_late) / counts)[of]
    share = shares - (np.bincount(of, weights=shares) / counts)[of]
    weight = float(late @ late)
    if weight == 0 or n <= slates + 1:
        return None
    change = float(late @ share) / weight
    left = share - change * late
    variance = float(late**2 @ left**2) * n / (n - slates - 1) / weight**2
    return change / math.sqrt(variance) if variance > 0 else None
