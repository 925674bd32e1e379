"""Whether a labeler's agreement changes over time: EWMA, CUSUM, two windows. Pure.

A sequence holds one number of each prompt, in the order in which they were labeled: the share of
pairs that agree with the others' consensus, or with gold.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate

import numpy as np

from app.agreement.behaviour.position_bias import two_sided
from app.agreement.metrics.arrays import Floats

EWMA_LAMBDA = 0.2
SLACK = 0.05
PROMPTS_PER_FALSE_ALARM = 500
REFERENCE_PROMPTS = 30
SEQUENCES = 2000
SEED = 5
# Where all labels agree, a single other one is no drift.
MIN_HEIGHT = 0.5


@dataclass(frozen=True)
class Difference:
    """Two windows compared: z is above 0 when the first is higher."""

    z: float
    p: float


@dataclass(frozen=True)
class Drift:
    """Where a labeler stands after the latest prompt; None before the reference is complete."""

    prompts: int
    """All of them, the reference included."""
    ewma: float | None
    cusum: float | None
    alarm: float | None
    """The height above which CUSUM alarms."""
    since: int | None
    """Index of the prompt at which the present alarm began."""

    @property
    def is_alarming(self) -> bool:
        """Whether CUSUM is above its alarm height now; an alarm ends when agreement recovers."""
        return self.since is not None


def ewma(sequence: Sequence[float], start: float, weight: float = EWMA_LAMBDA) -> list[float]:
    """Exponentially weighted moving averages (Roberts 1959), one after each number."""
    means = accumulate(sequence, lambda mean, x: weight * x + (1 - weight) * mean, initial=start)
    return list(means)[1:]


def cusum(sequence: Sequence[float], usual: float, slack: float = SLACK) -> list[float]:
    """Page's one-sided sums (1954): S_t = max(0, S_{t-1} + usual - x_t - slack)."""
    sums = accumulate(sequence, lambda s, x: max(0.0, s + usual - x - slack), initial=0.0)
    return list(sums)[1:]


def alarm_height(shares: Floats) -> float:
    """Find the height that CUSUM crosses once in 500 prompts while nothing changes.

    By simulation with a fixed seed, since shares of few pairs are skewed and a formula for normal
    noise would alarm twice as often. Alarms of an unchanged labeler come without memory, so that
    exp(-1) of all sequences of 500 prompts have none when there is one in 500 on average.

    Args:
        shares: (m,) how far each of m > 0 shares is from what is usual for its labeler.
    """
    rng, noise = np.random.default_rng(SEED), np.sort(shares - shares.mean())
    s, highest = np.zeros(SEQUENCES), np.zeros(SEQUENCES)
    for _ in range(PROMPTS_PER_FALSE_ALARM):
        s = np.maximum(0.0, s - noise[rng.integers(0, len(noise), SEQUENCES)] - SLACK)
        highest = np.maximum(highest, s)
    return max(MIN_HEIGHT, float(np.quantile(highest, math.exp(-1))))


@dataclass(frozen=True)
class Track:
    """A labeler from the 31st prompt on; one number after each."""

    usual: float
    ewma: list[float]
    cusum: list[float]


def track_of(sequence: Sequence[float], *, team: float | None) -> Track | None:
    """Follow a labeler from the 31st prompt on; None before.

    What is usual is the labeler's own mean of the first 30 prompts, or the team's where that is
    lower: to come down to it after a lucky start is no drift, to have been lower always neither.

    Args:
        sequence: shares in 0..1.
        team: the team's usual share, if there is one.
    """
    reference, later = sequence[:REFERENCE_PROMPTS], sequence[REFERENCE_PROMPTS:]
    if not len(later):
        return None
    own = float(np.mean(reference))
    usual = own if team is None else min(own, team)
    return Track(usual, ewma(later, usual), cusum(later, usual))


def drift_of(sequence: Sequence[float], *, team: float | None, height: float) -> Drift:
    """Where a labeler stands after the latest prompt, as `track_of` follows them.

    Args:
        sequence: shares in 0..1.
        team: the team's usual share, if there is one.
        height: where CUSUM alarms.
    """
    track = track_of(sequence, team=team)
    if track is None:
        return Drift(len(sequence), None, None, None, None)
    since = None
    for i, s in enumerate(track.cusum):
        since = None if s <= height else i if since is None else since
    return Drift(
        prompts=len(sequence),
        ewma=track.ewma[-1],
        cusum=track.cusum[-1],
        alarm=height,
        since=None if since is None else since + REFERENCE_PROMPTS,
    )


def two_proportions(first: tuple[float, float], second: tuple[float, float]) -> Difference | None:
    """Test two shares with a pooled z, each given as (successes, n); None when it is undefined.

    For independent trials; `drift_windows` says how many those of dependent pairs are worth.
    """
    (a, n), (b, m) = first, second
    if n == 0 or m == 0 or not 0 < a + b < n + m:
        return None
    pooled = (a + b) / (n + m)
    z = (a / n - b / m) / math.sqrt(pooled * (1 - pooled) * (1 / n + 1 / m))
    return Difference(z, two_sided(z))
