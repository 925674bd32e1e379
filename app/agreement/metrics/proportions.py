"""Quick looks at independent yes-or-no outcomes; prompts as clusters are in `estimates`."""

import math

import numpy as np

NORMAL_975 = 1.959963984540054


def wilson(share: float, n: float) -> tuple[float, float] | None:
    """The 95% interval of a share of n trials by the score test (Wilson 1927); None of nothing."""
    if n == 0:
        return None
    z2 = NORMAL_975**2
    center = (share + z2 / (2 * n)) / (1 + z2 / n)
    half = NORMAL_975 * math.sqrt(share * (1 - share) / n + z2 / (4 * n**2)) / (1 + z2 / n)
    return max(center - half, 0.0), min(center + half, 1.0)


def wilson_of_alike(
    value: float, n: int, *, low: float = 0.0, high: float = 1.0
) -> tuple[float, float] | None:
    """The 95% interval of the mean of n equal values that may lie anywhere between two bounds.

    Their spread is 0 and says nothing of how far others may lie off. No values have more spread
    than those that are at one bound or at the other, so Wilson's interval of such is wide enough.
    """
    found = wilson((value - low) / (high - low), n)
    return None if found is None else (low + (high - low) * found[0], low + (high - low) * found[1])


def sign_test(wins: int, losses: int) -> float | None:
    """The exact two-sided probability that equals differ as far as that; None of nothing."""
    n = wins + losses
    if n == 0:
        return None
    log_factorial = np.concatenate([[0.0], np.log(np.arange(1, n + 1)).cumsum()])
    k = np.arange(min(wins, losses) + 1)
    log_p = log_factorial[n] - log_factorial[k] - log_factorial[n - k] - n * math.log(2)
    return min(1.0, 2 * float(np.exp(log_p).sum()))
