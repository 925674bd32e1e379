"""Whether a reward model's probabilities hold: p(chosen beats rejected) = sigmoid(margin)."""

import hashlib
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from trainer.measures.outcomes import MIN_PROMPTS, NO_COMPARISON, Outcome
from trainer.result import Calibration, CalibrationBin

BINS = 10
MAX_DOUBLINGS = 40
BISECTIONS = 60

FEW_FOR_TEMPERATURE = "not enough data for a temperature: %(count)s of %(least)s prompts"
NO_TEMPERATURE = (
    "no temperature fits: all prompts or one half of them have no wrong comparison, or scores no "
    "better than chance"
)

Floats = NDArray[np.float64]


def calibrate(outcomes: Sequence[Outcome]) -> Calibration:
    """Measure calibration before and after dividing the scores by a temperature.

    The bins show the scores as they are. `temperature` is fitted on all comparisons; the numbers
    after it are cross-fitted: each half of the prompts is judged with the temperature of the other
    half, since a temperature always flatters the comparisons it was fitted on.
    """
    margins = np.array([outcome.margin for outcome in outcomes], dtype=np.float64)
    if not margins.size:
        return _calibration(margins, None, None, reason=NO_COMPARISON)
    prompts = {outcome.prompt_id for outcome in outcomes}
    if len(prompts) < MIN_PROMPTS:
        reason = FEW_FOR_TEMPERATURE % {"count": len(prompts), "least": MIN_PROMPTS}
        return _calibration(margins, None, None, reason=reason)
    # By hash, so that a prompt stays in its half; alternating, so that the halves are even.
    ordered = sorted(prompts, key=lambda prompt: hashlib.sha256(prompt.encode()).digest())
    first_half = set(ordered[::2])
    is_first = np.array([outcome.prompt_id in first_half for outcome in outcomes])
    whole, first, second = map(fit_temperature, (margins, margins[is_first], margins[~is_first]))
    if whole is None or first is None or second is None:
        return _calibration(margins, None, None, reason=NO_TEMPERATURE)
    return _calibration(margins, whole, margins / np.where(is_first, second, first))


def fit_temperature(margins: Floats) -> float | None:
    """Return the temperature T with the least log loss of sigmoid(margins / T).

    The loss is convex in 1/T (Platt scaling without offset, arXiv 1706.04599, section 4.2): its
    derivative has at most one root, which bisection finds.

    Args:
        margins: (m,) score of the chosen minus score of the rejected response.

    Returns:
        None when no positive, finite temperature is best: nothing is wrong (the best is 0), or
        the margins add up to nothing above 0 (the best is infinite).
    """
    if margins.sum() <= 0 or margins.min() >= 0:
        return None
    scale = float(np.abs(margins).max())
    scaled = margins / scale

    def gain(inverse: float) -> float:
        return float(scaled @ sigmoid(-inverse * scaled))

    low, high = 0.0, 1.0
    for _ in range(MAX_DOUBLINGS):
        if gain(high) <= 0:
            break
        low, high = high, 2 * high
    for _ in range(BISECTIONS):
        middle = (low + high) / 2
        low, high = (middle, high) if gain(middle) > 0 else (low, middle)
    return scale / high


def sigmoid(values: Floats) -> Floats:
    """Return 1 / (1 + exp(-values)) without overflow."""
    small = np.exp(-np.abs(values))
    return np.where(values >= 0, 1.0, small) / (1.0 + small)


def log_loss(margins: Floats) -> float:
    """Return the mean of -log sigmoid(margins)."""
    return float((np.maximum(-margins, 0.0) + np.log1p(np.exp(-np.abs(margins)))).mean())


def brier(margins: Floats) -> float:
    """Return the mean squared distance of the probabilities from 1 (Brier 1950)."""
    return float(np.square(sigmoid(-margins)).mean())


def bins_of(margins: Floats) -> list[CalibrationBin]:
    """Sort comparisons by confidence max(p, 1 - p) into ten equal bins of [0.5, 1]."""
    confidence = sigmoid(np.abs(margins))
    right = (np.sign(margins) + 1) / 2
    place = np.minimum(((confidence - 0.5) * 2 * BINS).astype(np.int64), BINS - 1)
    bins = []
    for at in range(BINS):
        inside = place == at
        count = int(inside.sum())
        bins.append(
            CalibrationBin(
                low=round(0.5 + at / (2 * BINS), 2),
                high=round(0.5 + (at + 1) / (2 * BINS), 2),
                confidence=float(confidence[inside].mean()) if count else None,
                accuracy=float(right[inside].mean()) if count else None,
                count=count,
            )
        )
    return bins


def expected_calibration_error(bins: Sequence[CalibrationBin]) -> float:
    """Return the mean distance of accuracy from confidence (arXiv 1706.04599, equation 3)."""
    gaps = [
        one.count * abs(one.accuracy - one.confidence)
        for one in bins
        if one.accuracy is not None and one.confidence is not None
    ]
    return sum(gaps) / sum(one.count for one in bins)


def _calibration(
    margins: Floats, temperature: float | None, after: Floats | None, *, reason: str | None = None
) -> Calibration:
    bins = bins_of(margins)
    is_known = margins.size > 0
    return Calibration(
        temperature=temperature,
        log_loss_before=log_loss(margins) if is_known else None,
        log_loss_after=None if after is None else log_loss(after),
        brier_before=brier(margins) if is_known else None,
        brier_after=None if after is None else brier(after),
        ece_before=expected_calibration_error(bins) if is_known else None,
        ece_after=None if after is None else expected_calibration_error(bins_of(after)),
        bins=bins,
        reason=reason,
    )
