"""Quick looks at independent yes-or-no outcomes; prompts as clusters are in `estimates`."""

import math

import numpy as np

from app.agreement.metrics.estimates import NORMAL_975


def wilson(share: float, n: float) -> tuple[float, float] | None:
    """The 95% interval of a share of n trials by the score test (Wilson 1927); None of nothing."""
    if n == 0:
        return None
    z2 = NORMAL_975**2
    center = (share + z2 / (2 * n)) / (1 + z2 / n)
    half = NORMAL_975 * math.sqrt(share * (1 - share) / n + z2 / (4 * n**2)) / (1 + z2 / n)
    return max(center - half, 0.0), min(center + half, 1.0)


def sign_test(wins: int, losses: int) -> float | None:
    """The exact two-sided probability that equals differ as far as that; None of nothing."""
    n = wins + losses
    if n == 0:
        return None
    log_factorial = np.concatenate([[0.0], np.log(np.arange(1, n + 1)).cumsum()])
    k = np.arange(min(wins, losses) + 1)
    log_p = log_factorial[n] - log_factorial[k] - log_factorial[n - k] - n * math.log(2)
    return min(1.0, 2 * float(np.exp(log_p).sum()))
