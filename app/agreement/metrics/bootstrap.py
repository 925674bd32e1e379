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
from app.agreement.metrics.labels import Labels
from app.agreement.metrics.measures import RULES
from app.agreement.metrics.pairwise import pair_counts, rows_of_two_labelers

Statistic = Literal["strict", "half", "three_way", "alpha", "ratings_alpha"]
Resampled = Literal["prompts", "labelers and prompts"]

RESAMPLES = 1000
SEED = 20220304
FEW_LABELERS = 10
DRAWS_AT_ONCE = 50
# With fewer draws that have a value, the percentiles would be of special cases.
LEAST_DEFINED = 0.8


@dataclass(frozen=True)
class Interval:
    """The 2.5% and 97.5% percentiles of the draws and their standard deviation."""

    low: float
    high: float
    se: float
    resampled: Resampled


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
    found: dict[Statistic, Interval] = {}
    for name, sums in sums_of(overlap).items():
        if sums.prompt.max(initial=0) == 0:
            continue  # of one prompt all draws are alike
        intervals = [interval_of(by_prompts(sums, resamples, seed), "prompts")]
        if len(np.unique(overlap.labeler)) < FEW_LABELERS:
            drawn = by_labelers_and_prompts(sums, resamples, seed)
            intervals.append(interval_of(drawn, "labelers and prompts"))
        known = [one for one in intervals if one is not None]
        if known:
            found[name] = max(known, key=lambda one: one.high - one.low)
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
        sums[rule] = Sums(rows, _codes(prompt), first, second, _share)
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
            _codes(overlap.prompt[one[place]]),
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
        [
            sums.value(_draws(generator, draws, prompts) @ per_prompt)
            for draws in _batches(resamples)
        ]
    )


def by_labelers_and_prompts(sums: Sums, resamples: int, seed: int) -> Floats:
    """The same of labelers drawn first: two who were drawn a and b times count a * b times.

    One labeler drawn twice is not compared with themselves.
    """
    prompts = int(sums.prompt.max(initial=-1)) + 1
    if prompts == 0:
        return np.zeros(0)
    labelers, codes = np.unique((sums.first, sums.second), return_inverse=True)
    first, second = codes.reshape(2, -1)
    pairs, pair = np.unique(first * len(labelers) + second, return_inverse=True)
    generator = np.random.default_rng(seed)
    all_times = _draws(generator, resamples, len(labelers))
    values = []
    for draws in _batches(resamples):
        times, all_times = all_times[:draws], all_times[draws:]
        of_prompts = _draws(generator, draws, prompts)
        drawn = np.zeros((draws, sums.rows.shape[1]))
        for number, both in enumerate(pairs.tolist()):
            rows = pair == number
            weight = times[:, both // len(labelers)] * times[:, both % len(labelers)]
            drawn += weight[:, None] * (of_prompts[:, sums.prompt[rows]] @ sums.rows[rows])
        values.append(sums.value(drawn))
    return np.concatenate(values)


def _draws(generator: np.random.Generator, draws: int, among: int) -> Floats:
    """(draws, among) how often each was drawn, of as many as there are."""
    drawn = generator.integers(0, among, size=(draws, among))
    cells = drawn + among * np.arange(draws)[:, None]
    counted = np.bincount(cells.ravel(), minlength=draws * among)
    return counted.reshape(draws, among).astype(np.float64)


def _batches(resamples: int) -> list[int]:
    full, rest = divmod(resamples, DRAWS_AT_ONCE)
    return [DRAWS_AT_ONCE] * full + ([rest] if rest else [])


def _codes(values: Integers) -> Integers:
    return np.unique(values, return_inverse=True)[1].astype(np.int64)


def interval_of(values: Floats, resampled: Resampled) -> Interval | None:
    """The percentiles of draws; None when too many of them have no value."""
    known = values[np.isfinite(values)]
    if len(known) <= 1 or len(known) < LEAST_DEFINED * len(values):
        return None
    low, high = np.percentile(known, (2.5, 97.5))
    return Interval(float(low), float(high), float(known.std(ddof=1)), resampled)
