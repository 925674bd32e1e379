"""Labelers' accuracies from what they said of the same pairs: one-coin Dawid-Skene. Pure.

Dawid and Skene 1979 with a single accuracy q_u per labeler. The pairs of one ranking depend on
each other, so q is a diagnostic and no verdict.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from app.agreement.behaviour.by_labeler import shares, sums_of_slates
from app.agreement.behaviour.latent_errors import standard_errors
from app.agreement.metrics.arrays import MISSING, Booleans, Floats, Integers, Signs, signs_of
from app.agreement.metrics.estimates import Measured

EPSILON = 1e-10
MIN_ACCURACY, MAX_ACCURACY = 0.05, 0.95
MIN_LABELS_OF_A_PAIR = 3


@dataclass(frozen=True)
class DawidSkene:
    """What EM found; `accuracy` is NaN for a labeler without an answer."""

    accuracy: Floats  # (labelers,)
    posterior: Floats  # (items,) that the answer is True
    prior: float


def accuracies(
    ranks: Signs, slate: Integers, prompt: Integers, labeler: Integers, labelers: int
) -> list[Measured]:
    """Estimate each labeler's accuracy q from all pair labels (n, w) of shared slates.

    Ties are missing. With two labels a pair, EM cannot tell which of the two errs and drives
    somebody to q = 1, so `units` and `prompts` are those pairs only that three or more order. The
    standard error has prompts as clusters, and allows for answers and accuracies being estimated
    from each other.
    """
    signs = signs_of(ranks)
    rows, columns = np.nonzero((signs != 0) & (signs != MISSING))
    _pairs, item = np.unique(slate[rows] * signs.shape[1] + columns, return_inverse=True)
    answer = signs[rows, columns] > 0
    # Which response of a pair is called the first says nothing, so the prior is even.
    found = dawid_skene(item, labeler[rows], answer, labelers=labelers, prior=0.5)
    is_right = np.where(answer, found.posterior[item], 1 - found.posterior[item])
    right = np.bincount(rows, weights=is_right, minlength=len(ranks)).astype(np.float64)
    answers = np.bincount(rows, minlength=len(ranks)).astype(np.float64)
    unsure = np.zeros(signs.shape)
    unsure[rows, columns] = signs[rows, columns] * np.sqrt(is_right * (1 - is_right))
    errors = standard_errors(found.accuracy, right, answers, unsure, slate, prompt, labeler)
    measured = shares((right, answers), prompt, labeler, labelers)
    measured = [replace(one, se=se) for one, se in zip(measured, errors, strict=True)]
    return of_full_pairs(measured, signs, slate, prompt, labeler)


def of_full_pairs(
    measured: Sequence[Measured], signs: Signs, slate: Integers, prompt: Integers, labeler: Integers
) -> list[Measured]:
    """The same numbers, with each labeler's preferences on pairs that three or more order.

    Of one who has no value, since they tie everything: the pairs that three or more judge.
    """

    def full(counts: Booleans) -> list[Measured]:
        """How many such labels each labeler has, on pairs that have three."""
        labels, of = sums_of_slates(counts, slate)
        pairs = (counts & (labels[of] >= MIN_LABELS_OF_A_PAIR)).sum(axis=1).astype(np.float64)
        return shares((np.zeros(len(pairs)), pairs), prompt, labeler, len(measured))

    is_judged = signs != MISSING
    told = [
        judged if one.value is None else ordered
        for one, ordered, judged in zip(
            measured, full(is_judged & (signs != 0)), full(is_judged), strict=True
        )
    ]
    return [
        replace(
            one,
            se=one.se if count.prompts > 1 else None,
            units=count.units,
            prompts=count.prompts,
        )
        for one, count in zip(measured, told, strict=True)
    ]


def dawid_skene(
    item: Integers,
    labeler: Integers,
    answer: NDArray[np.bool_],
    *,
    labelers: int,
    prior: float | None = None,
    tolerance: float = 1e-8,
    max_steps: int = 1000,
) -> DawidSkene:
    """Run EM from the majority vote until no posterior moves by more than `tolerance`.

    E: P(z = 1) prop. to prior * prod q_u^[x = 1] (1 - q_u)^[x = 0]; M: q_u = mean posterior of the
    labeler's own answers.

    Args:
        item: (m,) codes from 0 of what was answered, all of them in use.
        labeler: (m,) codes below `labelers`.
        answer: (m,) the binary answers.
        labelers: how many there are.
        prior: P(z = 1); None to estimate it as the mean posterior.
        tolerance: when to stop.
        max_steps: when to stop at the latest.
    """
    answers = np.bincount(labeler, minlength=labelers)
    said_false = np.bincount(labeler[~answer], minlength=labelers)
    items = int(item.max(initial=-1)) + 1
    sign = np.where(answer, 1.0, -1.0)
    votes = np.bincount(item, weights=answer, minlength=items)
    posterior = votes / np.maximum(np.bincount(item, minlength=items), 1)
    before = np.full(items, np.inf)
    accuracy, share = np.full(labelers, 0.5), 0.5
    for _ in range(max_steps):
        # The mean posterior of own answers: 1 - p where False was said.
        own = np.bincount(labeler, weights=sign * posterior[item], minlength=labelers)
        accuracy = (own + said_false) / np.maximum(answers, 1)
        share = prior if prior is not None else _mean(posterior)
        if np.abs(posterior - before).max(initial=0) < tolerance:
            break
        weight = _log_odds(accuracy, EPSILON, 1 - EPSILON)
        logit = _log_odds(np.array(share), EPSILON, 1 - EPSILON) + np.bincount(
            item, weights=sign * weight[labeler], minlength=items
        )
        before, posterior = posterior, 1 / (1 + np.exp(-np.clip(logit, -700, 700)))
    return DawidSkene(np.where(answers > 0, accuracy, np.nan), posterior, share)


def log_odds(accuracy: Floats) -> Floats:
    """log(q / (1 - q)), with q clipped to 0.05..0.95 since EM with few labels overstates it."""
    return _log_odds(accuracy, MIN_ACCURACY, MAX_ACCURACY)


def _log_odds(share: Floats, low: float, high: float) -> Floats:
    clipped = np.clip(share, low, high)
    odds: Floats = np.log(clipped / (1 - clipped))
    return odds


def _mean(posterior: Floats) -> float:
    return float(posterior.mean()) if len(posterior) else 0.5
