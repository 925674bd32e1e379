"""What one more label of a pair is expected to teach: pure, numpy only."""

from dataclasses import dataclass

import numpy as np

from app.agreement.metrics.arrays import Floats

STEPS, REACH = 321, 8.0


@dataclass(frozen=True)
class Expected:
    """What is expected of the next label of each pair: (n,) arrays, in nats."""

    probability: Floats
    """That the first is preferred: E s(d)."""
    entropy: Floats
    """How uncertain the label is: H(E s(d)). It says nothing of what may be learned from it."""
    gain: Floats
    """How much of that is learned: H(E s(d)) - E H(s(d))."""


def expected_of(mean: Floats, sd: Floats) -> Expected:
    """Look ahead to one more label of each pair.

    The gap d between the scores of two responses is normal, and a labeler prefers the first with
    probability s(d), the logistic function. Where d is known the label may be as uncertain as can
    be and still teach nothing (Houlsby et al. 2011, equation 2). The expectations are sums over
    even steps, which for a smooth function under a normal curve are exact to rounding.

    Args:
        mean: (n,) expected gap, in logits.
        sd: (n,) its standard deviation, 0 at least.
    """
    z = np.linspace(-REACH, REACH, STEPS)
    weight = np.exp(-(z**2) / 2)
    weight /= weight.sum()
    gap = mean[:, None] + sd[:, None] * z
    log_first, log_second = -np.logaddexp(0, -gap), -np.logaddexp(0, gap)
    first, second = np.exp(log_first), np.exp(log_second)
    conditional = -(first * log_first + second * log_second) @ weight
    probability = first @ weight
    entropy = _entropy(probability) + _entropy(second @ weight)
    return Expected(probability, entropy, np.maximum(entropy - conditional, 0.0))


def _entropy(p: Floats) -> Floats:
    """(n,) -p log p, where 0 log 0 is 0."""
    entropy: Floats = -p * np.log(np.maximum(p, np.finfo(np.float64).tiny))
    return entropy
