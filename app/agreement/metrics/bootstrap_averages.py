"""Draws of the macro averages of agreement, by the two schemes of `bootstrap`: pure.

A prompt that was drawn twice counts twice among the prompts. The share of two labelers is that of
the prompts that were drawn; which two have enough units does not depend on the draw. With labelers
drawn as well, two who were drawn a and b times count a * b times, among the pairs of labelers and
within each prompt.
"""

import numpy as np

from app.agreement.metrics.arrays import Floats, Integers
from app.agreement.metrics.pairwise import MIN_UNITS_OF_A_PAIR, PairCounts
from app.agreement.metrics.resampling import batches, codes, draws


def averages_of_draws(
    counts: PairCounts,
    rule: tuple[Floats, Floats],
    *,
    resamples: int,
    seed: int,
    with_labelers: bool,
    min_units: int = MIN_UNITS_OF_A_PAIR,
) -> tuple[Floats, Floats]:
    """(resamples,) the means over prompts and over pairs of labelers; NaN where not defined.

    Args:
        counts: of the overlap.
        rule: (m,) scores and (m,) units, one of those of `counts`.
        resamples: how many draws.
        seed: of numpy's PCG64.
        with_labelers: whether labelers are drawn, and prompts with them.
        min_units: from how many units on two labelers count.
    """
    scores, units = (each[rule[1] > 0] for each in rule)
    if not len(units):
        return np.full(resamples, np.nan), np.full(resamples, np.nan)
    both = np.stack([counts.first, counts.second])[:, rule[1] > 0]
    labelers, labeler = np.unique(both, return_inverse=True)
    first, second = labeler.reshape(both.shape)
    prompt, pair = codes(counts.prompt[rule[1] > 0]), codes(first * len(labelers) + second)
    pairs = np.unique(pair, return_index=True)[1]  # a row of each
    is_enough = np.bincount(pair, weights=units) >= min_units
    prompts = int(prompt.max()) + 1
    generator = np.random.default_rng(seed)
    drawn = (
        draws(generator, resamples, len(labelers))
        if with_labelers
        else np.ones((resamples, len(labelers)))
    )
    by_prompt, by_pair = [], []
    for times in batches(resamples):
        of_labelers, drawn = drawn[:times], drawn[times:]
        of_prompts = draws(generator, times, prompts)
        weight = of_labelers[:, first] * of_labelers[:, second]
        share, counted = _shares(weight * scores, weight * units, prompt)
        by_prompt.append(_mean(share, of_prompts * (counted > 0)))
        weight = of_prompts[:, prompt]
        share, counted = _shares(weight * scores, weight * units, pair)
        met = of_labelers[:, first[pairs]] * of_labelers[:, second[pairs]]
        by_pair.append(_mean(share, met * (is_enough & (counted > 0))))
    return np.concatenate(by_prompt), np.concatenate(by_pair)


def _shares(scores: Floats, units: Floats, group: Integers) -> tuple[Floats, Floats]:
    """(draws, groups) shares, 0 where there is no unit, and the units, of (draws, m) columns."""
    order = np.argsort(group, kind="stable")
    starts = np.searchsorted(group[order], np.arange(int(group.max()) + 1))
    summed, counted = (np.add.reduceat(each[:, order], starts, axis=1) for each in (scores, units))
    return np.divide(summed, counted, out=np.zeros_like(summed), where=counted > 0), counted


def _mean(values: Floats, weights: Floats) -> Floats:
    total = weights.sum(axis=1)
    summed = (values * weights).sum(axis=1)
    mean: Floats = np.divide(summed, total, out=np.full(len(total), np.nan), where=total > 0)
    return mean
