"""Models in the order of their Bradley-Terry strengths, with prompts as what is sampled.

Pure, numpy only. All labels of a prompt hang together, so intervals come from a bootstrap over
prompts; the order of labels has no influence, as it would have on an online Elo rating.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from app.agreement.metrics.arrays import MISSING, Floats, Integers, Signs
from app.agreement.strengths.bradley_terry import (
    Strength,
    bradley_terry,
    components,
    davidson,
    log_strengths,
    log_strengths_with_ties,
    reaches,
)

RESAMPLES = 1000
MANY_TIES = 0.2
MIN_CONNECTED = 0.975
DRAWN_AT_ONCE = 100_000  # row numbers: a megabyte
FITTED_AT_ONCE = 40_000  # cells of tables, of which a fit takes many copies


@dataclass(frozen=True)
class Standing:
    """One model's place; what is None is not defined, or not from these prompts."""

    strength: float | None
    """Log-strength over the anchor's."""
    se: float | None
    interval: tuple[float, float] | None
    """95%, from the bootstrap. None also where too few resamples connect the models."""
    rank: int | None
    """1 + how many models have a lower bound above this one's upper bound."""
    component: int
    """Models with the same number can be compared with each other; 0 is the largest group."""
    comparisons: float
    prompts: int


def prompt_wins(
    signs: Signs, models: Integers, prompt: Integers, *, prompts: int, size: int
) -> Floats:
    """(prompts, size, size) wins of the row's model over the column's, a tie as half of each.

    Args:
        signs: (labels, pairs) as of `signs_of`.
        models: (labels, width) model of each response, as small integers from 0; -1 is unknown.
        prompt: (labels,) prompt of each label, as small integers from 0.
        prompts: how many prompts there are.
        size: how many models there are.
    """
    wins = np.zeros(prompts * size * size)
    for pair, (i, j) in enumerate(combinations(range(models.shape[1]), 2)):
        meet = (signs[:, pair] != MISSING) & (models[:, i] != models[:, j])
        meet &= (models[:, i] >= 0) & (models[:, j] >= 0)
        one, other, start = models[meet, i], models[meet, j], prompt[meet] * size * size
        score = (signs[meet, pair] + 1.0) / 2
        np.add.at(wins, start + one * size + other, score)
        np.add.at(wins, start + other * size + one, 1 - score)
    return wins.reshape(prompts, size, size)


def prompt_ties(
    signs: Signs, models: Integers, prompt: Integers, *, prompts: int, size: int
) -> Floats:
    """(prompts, size, size) ties of two models, symmetric; arguments as of `prompt_wins`."""
    ties = np.zeros(prompts * size * size)
    for pair, (i, j) in enumerate(combinations(range(models.shape[1]), 2)):
        meet = (signs[:, pair] == 0) & (models[:, i] != models[:, j])
        meet &= (models[:, i] >= 0) & (models[:, j] >= 0)
        one, other, start = models[meet, i], models[meet, j], prompt[meet] * size * size
        np.add.at(ties, start + one * size + other, 1)
        np.add.at(ties, start + other * size + one, 1)
    return ties.reshape(prompts, size, size)


def tie_share(wins: Floats, ties: Floats) -> float:
    """The share of comparisons that are ties; 0 without any. (..., m, m) each."""
    compared = float(wins.sum())
    return float(ties.sum()) / 2 / compared if compared else 0.0


def has_tie_model(wins: Floats, ties: Floats, *, anchor: int) -> bool:
    """Whether ties are so many that they are modeled, and can be (B.9 of the design's statistics).

    Those of the models that are compared with the anchor count. Davidson's likelihood has no
    maximum when one of them has won all decided comparisons.
    """
    total, tied = wins.sum(axis=0), ties.sum(axis=0)
    group = next(one for one in components(total) if anchor in one)
    inside = np.ix_(group, group)
    if tie_share(total[inside], tied[inside]) <= MANY_TIES:
        return False
    return bool(reaches((total - tied / 2)[inside][None]).all())


def leaderboard(
    wins: Floats,
    *,
    anchor: int,
    ties: Floats | None = None,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> list[Standing]:
    """Every model's standing, in the order of the models.

    Args:
        wins: (prompts, m, m) as of `prompt_wins`.
        anchor: the model whose strength is 0, as a rule the SFT model; only models that are
            connected with it have a strength.
        ties: (prompts, m, m) as of `prompt_ties`, to model them as Davidson does (1970) where
            `has_tie_model`; None to take each for half a win of both.
        resamples: how many bootstrap samples of prompts.
        seed: of the generator; the same prompts in the same order give the same intervals.
    """
    total = wins.sum(axis=0)
    strengths = _strengths(total, None if ties is None else ties.sum(axis=0), anchor)
    group = [model for model, strength in enumerate(strengths) if strength is not None]
    spreads = _bootstrap(wins, ties, group, anchor, resamples=resamples, seed=seed)
    component = {model: number for number, one in enumerate(components(total)) for model in one}
    standings = []
    for model, strength in enumerate(strengths):
        met = wins[:, model] + wins[:, :, model]
        se, low, high = spreads.get(model, (None, None, None))
        interval = None if low is None or high is None else (low, high)
        standings.append(
            Standing(
                strength=None if strength is None else strength.value,
                se=se,
                interval=interval,
                rank=None if high is None else 1 + sum(one[1] > high for one in spreads.values()),
                component=component[model],
                comparisons=float(met.sum()),
                prompts=int(met.any(axis=1).sum()),
            )
        )
    return standings


def _strengths(total: Floats, tied: Floats | None, anchor: int) -> list[Strength | None]:
    if tied is None:
        return bradley_terry(total, anchor=anchor)
    found = davidson(total - tied / 2, tied, anchor=anchor)
    return [None] * len(total) if found is None else found.strengths


def _bootstrap(
    wins: Floats,
    ties: Floats | None,
    group: list[int],
    anchor: int,
    *,
    resamples: int,
    seed: int,
) -> dict[int, tuple[float, float, float]]:
    """Standard error, lower and upper bound of each model of the group; empty if not defined.

    A resample in which some model wins or loses everything has no strengths. Those few that may
    be are left out; where there are more, a bound would be infinite.
    """
    tables = [table[:, group][:, :, group] for table in (wins, ties) if table is not None]
    if ties is not None:
        tables[0] -= tables[1] / 2
    is_met = np.logical_or.reduce([table.any(axis=(1, 2)) for table in tables])
    cells = (int(is_met.sum()), len(group) ** 2)
    inside = np.concatenate([table[is_met].reshape(cells) for table in tables], axis=1)
    if len(inside) < 2:  # noqa: PLR2004 one prompt says nothing of others
        return {}
    size = len(group)
    drawn = np.concatenate(list(_resampled(inside, resamples, seed)))
    drawn = drawn.reshape(-1, len(tables), size, size)
    connected = drawn[reaches(drawn[:, 0]).all(axis=(1, 2))]
    if len(connected) < MIN_CONNECTED * resamples:
        return {}
    at_once = max(1, FITTED_AT_ONCE // size**2)
    fitted = _without_ties if ties is None else _with_ties
    theta = np.concatenate(
        [fitted(connected[start : start + at_once]) for start in range(0, len(connected), at_once)]
    )
    if len(theta) < MIN_CONNECTED * resamples:
        return {}
    theta -= theta[:, [group.index(anchor)]]
    low, high = np.percentile(theta, [2.5, 97.5], axis=0)
    columns = zip(theta.std(axis=0, ddof=1).tolist(), low.tolist(), high.tolist(), strict=True)
    return dict(zip(group, columns, strict=True))


def _without_ties(drawn: Floats) -> Floats:
    """(b, m) strengths of (b, 1, m, m) wins."""
    return log_strengths(drawn[:, 0])


def _with_ties(drawn: Floats) -> Floats:
    """(some, m) strengths of (b, 2, m, m) wins and ties, of those that have any."""
    tied = drawn[drawn[:, 1].any(axis=(1, 2))]
    theta = log_strengths_with_ties(tied[:, 0], tied[:, 1])
    return theta[~np.isnan(theta[:, 0])]


def _resampled(rows: Floats, resamples: int, seed: int) -> Iterator[Floats]:
    """(some, k) sums of as many rows (n, k), drawn with replacement, as there are."""
    rng = np.random.default_rng(seed)
    n = len(rows)
    at_once = max(1, DRAWN_AT_ONCE // n)
    for start in range(0, resamples, at_once):
        count = min(at_once, resamples - start)
        drawn = rng.integers(0, n, size=(count, n)) + n * np.arange(count)[:, None]
        times = np.bincount(drawn.ravel(), minlength=count * n).reshape(count, n)
        yield times.astype(np.float64) @ rows
