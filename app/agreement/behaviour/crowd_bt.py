"""Labelers' reliabilities from comparisons: the crowd Bradley-Terry model. Pure.

Chen, Bennett, Collins-Thompson and Horvitz 2013: P(i > j | u) = eta_u s(t_i - t_j) + (1 - eta_u)
s(t_j - t_i). An eta near 0.5 is noise, one below 0.5 a reversed scale: does this labeler know that
1 is best? A diagnostic, since it takes the pairs of one ranking as independent.
"""

from dataclasses import dataclass

import numpy as np

from app.agreement.behaviour.dawid_skene import of_full_pairs
from app.agreement.metrics.arrays import MISSING, Floats, Integers, Signs, signs_of
from app.agreement.metrics.estimates import Measured

RIDGE = 0.05
# Beta(4, 2): labelers are right more often than not, which keeps off the solution with all signs
# flipped.
PRIOR_RIGHT, PRIOR_WRONG = 3.0, 1.0


@dataclass(frozen=True)
class CrowdBradleyTerry:
    """The penalized maximum of the likelihood."""

    strength: Floats  # (slates, w) 0 on average over each slate
    reliability: Floats  # (labelers,) eta; the prior's mode 0.75 for one who compared nothing


def reliabilities(
    ranks: Signs, slate: Integers, prompt: Integers, labeler: Integers, labelers: int
) -> list[Measured]:
    """Estimate each labeler's eta from all rankings (n, w) of shared slates.

    As in `dawid_skene`, `units` and `prompts` are those pairs only that three or more order: of two
    labels that differ, strengths between them explain both, and everybody would look reliable. The
    standard error is the sandwich of the likelihood's score with prompts as clusters (Liang and
    Zeger 1986); it takes the estimated strengths as given.
    """
    signs = signs_of(ranks)
    found, comparisons = _fitted(ranks, signs, slate, labeler, labelers)
    rows, better, worse = comparisons
    eta = found.reliability
    s = _logistic(found.strength[slate[rows], better] - found.strength[slate[rows], worse])
    own = eta[labeler[rows]]
    score = (2 * s - 1) / (own * s + (1 - own) * (1 - s))
    information = np.bincount(labeler[rows], weights=score**2, minlength=labelers)
    width = int(prompt.max(initial=0)) + 1
    cells, cell = np.unique(labeler[rows] * width + prompt[rows], return_inverse=True)
    clusters = np.bincount(cell, weights=score, minlength=len(cells))
    squares = np.bincount(cells // width, weights=clusters**2, minlength=labelers)
    error = np.sqrt(squares) / np.maximum(information, np.finfo(np.float64).tiny)
    made = np.bincount(labeler[rows], minlength=labelers)
    measured = [
        Measured(one if n else None, se if inverse else None, n, 0)
        for one, se, inverse, n in zip(
            eta.tolist(), error.tolist(), information.tolist(), made.tolist(), strict=True
        )
    ]
    return of_full_pairs(measured, signs, slate, prompt, labeler)


def crowd_bradley_terry(
    ranks: Signs, slate: Integers, labeler: Integers, labelers: int
) -> CrowdBradleyTerry:
    """Fit the preferences (n, w) of all labelers; strengths are those of a slate's responses."""
    return _fitted(ranks, signs_of(ranks), slate, labeler, labelers)[0]


def _fitted(
    ranks: Signs, signs: Signs, slate: Integers, labeler: Integers, labelers: int
) -> tuple[CrowdBradleyTerry, tuple[Integers, Integers, Integers]]:
    """The fit, and of each comparison (m,) the ranking, the better response, and the worse."""
    first, second = np.triu_indices(ranks.shape[1], k=1)
    rows, pairs = np.nonzero((signs != 0) & (signs != MISSING))
    is_first = signs[rows, pairs] > 0
    winner = np.where(is_first, first[pairs], second[pairs])
    loser = np.where(is_first, second[pairs], first[pairs])
    found = fit(
        slate=slate[rows],
        winner=winner,
        loser=loser,
        labeler=labeler[rows],
        count=np.ones(len(rows)),
        shape=(int(slate.max(initial=-1)) + 1, ranks.shape[1]),
        labelers=labelers,
    )
    return found, (rows, winner, loser)


def fit(
    *,
    slate: Integers,
    winner: Integers,
    loser: Integers,
    labeler: Integers,
    count: Floats,
    shape: tuple[int, int],
    labelers: int,
    tolerance: float = 1e-6,
    max_steps: int = 300,
) -> CrowdBradleyTerry:
    """Maximize sum c log P - 0.05 sum t^2 + sum (3 log eta + log(1 - eta)) by EM.

    E: how likely each comparison was made the right way round; M: eta in closed form, t by a
    Newton step in each slate.

    Args:
        slate: (m,) codes below `shape[0]`.
        winner: (m,) which response of the slate was preferred, below `shape[1]`.
        loser: (m,) to which.
        labeler: (m,) codes below `labelers`.
        count: (m,) how often.
        shape: slates and most responses of one.
        labelers: how many there are.
        tolerance: stop when neither an eta nor a strength moves by more.
        max_steps: stop at the latest.
    """
    slates, width = shape
    better, worse = slate * width + winner, slate * width + loser
    cell, mirrored = better * width + loser, worse * width + winner
    made = np.bincount(labeler, weights=count, minlength=labelers)
    eta = np.full(labelers, PRIOR_RIGHT / (PRIOR_RIGHT + PRIOR_WRONG))
    t = np.zeros(slates * width)
    for _ in range(max_steps):
        s = _logistic(t[better] - t[worse])
        right = eta[labeler] * s
        right = right / (right + (1 - eta[labeler]) * (1 - s))
        before, earlier = eta, t
        eta = (np.bincount(labeler, weights=count * right, minlength=labelers) + PRIOR_RIGHT) / (
            made + PRIOR_RIGHT + PRIOR_WRONG
        )
        wins = np.zeros(slates * width * width)
        wins += np.bincount(cell, weights=count * right, minlength=len(wins))
        wins += np.bincount(mirrored, weights=count * (1 - right), minlength=len(wins))
        t = _newton(t.reshape(shape), wins.reshape(slates, width, width)).ravel()
        moved = max(np.abs(eta - before).max(initial=0), np.abs(t - earlier).max(initial=0))
        if moved < tolerance:
            break
    strength = t.reshape(shape)
    mean = strength.sum(axis=1, keepdims=True) / max(shape[1], 1)
    return CrowdBradleyTerry(strength - mean, eta)


def _newton(t: Floats, wins: Floats) -> Floats:
    """One Newton step of (slates, w) strengths, given how often (slates, w, w) each beat each."""
    s = _logistic(t[:, :, None] - t[:, None, :])
    lost = wins.transpose(0, 2, 1)
    gradient = (wins * (1 - s) - lost * s).sum(axis=2) - 2 * RIDGE * t
    curvature = -(wins + lost) * s * (1 - s)
    diagonal = np.arange(t.shape[1])
    curvature[:, diagonal, diagonal] -= curvature.sum(axis=2) - 2 * RIDGE
    step: Floats = np.linalg.solve(curvature, gradient[:, :, None])[:, :, 0]
    # Bounded, since a full step from afar may overshoot.
    return t + np.clip(step, -1.0, 1.0)


def _logistic(x: Floats) -> Floats:
    return 1 / (1 + np.exp(-np.clip(x, -700, 700)))
