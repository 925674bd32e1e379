"""Percentile intervals of the headline by resampling: pure, from sums per prompt.

Prompts are drawn with replacement (Efron 1979; clusters as in Davison and Hinkley 1997, 3.8). With
few labelers, who they are says more than which prompts they met: then labelers are drawn first and
prompts with them (the two-way scheme of Owen 2007), and the wider interval is the one to show. A
draw is a row of counts, and a statistic of all draws one product of counts and sums.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Literal

import numpy as np

from app.agreement.metrics.alpha import (
    Coincidences,
    Level,
    alphas,
    pair_coincidences,
    rating_coincidences,
)
from app.agreement.metrics.arrays import Floats, Integers
from app.agreement.metrics.bootstrap_averages import averages_of_draws
from app.agreement.metrics.labels import Labels
from app.agreement.metrics.measures import RULES, Rule
from app.agreement.metrics.pairwise import pair_counts, rows_of_two_labelers
from app.agreement.metrics.resampling import batches, codes, draws

Statistic = Literal[
    "strict",
    "half",
    "three_way",
    "strict_by_prompt",
    "half_by_prompt",
    "three_way_by_prompt",
    "strict_by_labeler_pair",
    "half_by_labeler_pair",
    "three_way_by_labeler_pair",
    "alpha",
    "ratings_alpha",
]
Resampled = Literal["prompts", "labelers and prompts"]

BY_PROMPT: dict[Rule, Statistic] = {
    "strict": "strict_by_prompt",
    "half": "half_by_prompt",
    "three_way": "three_way_by_prompt",
}
BY_LABELER_PAIR: dict[Rule, Statistic] = {
    "strict": "strict_by_labeler_pair",
    "half": "half_by_labeler_pair",
    "three_way": "three_way_by_labeler_pair",
}
RESAMPLES = 1000
SEED = 20220304
FEW_LABELERS = 10
# With fewer draws that have a value, the percentiles would be of special cases.
LEAST_DEFINED = 0.8


@dataclass(frozen=True)
class Interval:
    """The 2.5% and 97.5% percentiles of the draws and their standard deviation."""

    low: float
    high: float
    se: float
    resampled: Resampled

    @property
    def width(self) -> float:
        """Between the two percentiles."""
        return self.high - self.low


@dataclass(frozen=True)
class Sums:
    """A statistic's sums per slate and two labelers, and what it is of draws of them.

    Attributes:
        rows: (m, size) sums.
        prompt: (m,) prompt of each row, from 0.
        first: (m,) one of the two labelers of each row.
        second: (m,) the other one.
        value: of (draws, size) sums: (draws,), NaN where it is not defined.
    """

    rows: Floats
    prompt: Integers
    first: Integers
    second: Integers
    value: Callable[[Floats], Floats]


def intervals_of(
    overlap: Labels, *, resamples: int = RESAMPLES, seed: int = SEED
) -> dict[Statistic, Interval]:
    """The intervals of all statistics that have one.

    Args:
        overlap: the labels that the headline is computed from, two of each slate.
        resamples: how many draws.
        seed: of numpy's PCG64.
    """
    schemes: list[Resampled] = ["prompts"]
    if len(np.unique(overlap.labeler)) < FEW_LABELERS:
        schemes.append("labelers and prompts")
    found: dict[Statistic, Interval] = {}
    for scheme in schemes:
        drawn = _sums_drawn(overlap, scheme, resamples, seed)
        drawn |= _averages_drawn(overlap, scheme, resamples, seed)
        for name, values in drawn.items():
            interval = interval_of(values, scheme)
            if interval is not None and (name not in found or found[name].width < interval.width):
                found[name] = interval
    return found


def _sums_drawn(
    overlap: Labels, scheme: Resampled, resamples: int, seed: int
) -> dict[Statistic, Floats]:
    """By statistic (resamples,) values; of one prompt all draws would be alike."""
    draw = by_prompts if scheme == "prompts" else by_labelers_and_prompts
    return {
        name: draw(sums, resamples, seed)
        for name, sums in sums_of(overlap).items()
        if sums.prompt.max(initial=0) > 0
    }


def _averages_drawn(
    overlap: Labels, scheme: Resampled, resamples: int, seed: int
) -> dict[Statistic, Floats]:
    """The same of the macro averages."""
    counts = pair_counts(overlap)
    found: dict[Statistic, Floats] = {}
    for rule in RULES:
        scores, units = getattr(counts, rule)
        if len(np.unique(counts.prompt[units > 0])) <= 1:
            continue
        by_prompt, by_pair = averages_of_draws(
            counts,
            (scores, units),
            resamples=resamples,
            seed=seed,
            with_labelers=scheme == "labelers and prompts",
        )
        found[BY_PROMPT[rule]] = by_prompt
        found[BY_LABELER_PAIR[rule]] = by_pair
    return found


def sums_of(overlap: Labels) -> dict[Statistic, Sums]:
    """Those of all statistics."""
    counts = pair_counts(overlap)
    sums: dict[Statistic, Sums] = {}
    for rule in RULES:
        scores, units = getattr(counts, rule)
        rows = np.column_stack((scores, units))[units > 0]
        prompt, first, second = (
            each[units > 0] for each in (counts.prompt, counts.first, counts.second)
        )
        sums[rule] = Sums(rows, codes(prompt), first, second, _share)
    one, other = rows_of_two_labelers(overlap)
    by_slate = np.argsort(overlap.slate[one])
    one, other = one[by_slate], other[by_slate]
    slates = overlap.slate[one]
    found: dict[Statistic, Coincidences] = {
        "alpha": pair_coincidences(overlap, overlap.slate),
        "ratings_alpha": rating_coincidences(overlap, overlap.slate),
    }
    for name, each in found.items():
        place = np.searchsorted(slates, each.groups)
        sums[name] = Sums(
            each.tables.reshape(len(each.tables), each.tables.shape[1] ** 2),
            codes(overlap.prompt[one[place]]),
            overlap.labeler[one[place]],
            overlap.labeler[other[place]],
            partial(_alpha, level=each.level),
        )
    return sums


def _share(sums: Floats) -> Floats:
    share: Floats = np.divide(
        sums[:, 0], sums[:, 1], out=np.full(len(sums), np.nan), where=sums[:, 1] > 0
    )
    return share


def _alpha(sums: Floats, *, level: Level) -> Floats:
    size = math.isqrt(sums.shape[1])
    return alphas(sums.reshape(-1, size, size), level=level)


def by_prompts(sums: Sums, resamples: int, seed: int) -> Floats:
    """(resamples,) the statistic of prompts drawn with replacement."""
    prompts = int(sums.prompt.max(initial=-1)) + 1
    if prompts == 0:
        return np.zeros(0)
    per_prompt = np.zeros((prompts, sums.rows.shape[1]))
    np.add.at(per_prompt, sums.prompt, sums.rows)
    generator = np.random.default_rng(seed)
    return np.concatenate(
        [sums.value(draws(generator, times, prompts) @ per_prompt) for times in batches(resamples)]
    )


def by_labelers_and_prompts(sums: Sums, resamples: int, seed: int) -> Floats:
    """The same of labelers drawn first: two who were drawn a and b times count a * b times.

    One labeler drawn twice is not compared with themselves.
    """
    prompts = int(sums.prompt.max(initial=-1)) + 1
    if prompts == 0:
        return np.zeros(0)
    labelers, labeler = np.unique((sums.first, sums.second), return_inverse=True)
    first, second = labeler.reshape(2, -1)
    pairs, pair = np.unique(first * len(labelers) + second, return_inverse=True)
    generator = np.random.default_rng(seed)
    all_labelers = draws(generator, resamples, len(labelers))
    values = []
    for times in batches(resamples):
        of_labelers, all_labelers = all_labelers[:times], all_labelers[times:]
        of_prompts = draws(generator, times, prompts)
        drawn = np.zeros((times, sums.rows.shape[1]))
        for number, both in enumerate(pairs.tolist()):
            rows = pair == number
            one, other = divmod(both, len(labelers))
            weight = of_labelers[:, one] * of_labelers[:, other]
            drawn += weight[:, None] * (of_prompts[:, sums.prompt[rows]] @ sums.rows[rows])
        values.append(sums.value(drawn))
    return np.concatenate(values)


def interval_of(values: Floats, resampled: Resampled) -> Interval | None:
    """The percentiles of draws; None when too many of them have no value."""
    known = values[np.isfinite(values)]
    if len(known) <= 1 or len(known) < LEAST_DEFINED * len(values):
        return None
    low, high = np.percentile(known, (2.5, 97.5))
    return Interval(float(low), float(high), float(known.std(ddof=1)), resampled)
