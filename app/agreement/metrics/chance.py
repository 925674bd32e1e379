"""Agreement corrected for chance, beside Krippendorff's alpha: pure, numpy only.

Cohen's and Fleiss' kappa need complete data. Gwet's AC1 and AC2 take any number of labels per
response, and stay high where nearly all labels are the same, as with rare flags.
"""

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np

from app.agreement.metrics.arrays import Booleans, Floats, Integers, Small
from app.agreement.metrics.estimates import Measured, ratio
from app.agreement.metrics.proportions import NORMAL_975

Weighting = Literal["nominal", "linear", "quadratic"]

RATINGS = 7


@dataclass(frozen=True)
class Kappa:
    """Cohen's kappa with its standard error over independent items."""

    value: float
    se: float
    ci95: tuple[float, float]


@dataclass(frozen=True)
class FlagAgreement:
    """How far labelers agree on one flag."""

    raw: Measured
    """Share of label pairs that are the same."""
    positive: Measured
    """2 n11 / (2 n11 + n10 + n01): of the flags that somebody set, how far others set them too."""
    ac1: Measured


@dataclass(frozen=True)
class _Gwet:
    """Gwet's coefficient with what it is made of, and the influence of each item on it."""

    observed: float
    expected: float
    value: float
    influence: Floats  # (items,) sums to 0; the coefficient moves by influence / items


def category_weights(categories: int, weighting: Weighting) -> Floats:
    """(categories, categories) how far two labels agree: 1 on the diagonal, 0 in the corners."""
    if weighting == "nominal":
        return np.eye(categories)
    place = np.arange(categories)
    apart = np.abs(place[:, None] - place) / max(categories - 1, 1)
    agreement: Floats = 1 - (apart if weighting == "linear" else apart**2)
    return agreement


def cohen_kappa(table: Floats | Integers, weighting: Weighting = "nominal") -> Kappa | None:
    """Cohen's kappa of two labelers' counts (categories, categories), rows by one, columns by one.

    (po - pe) / (1 - pe), with the standard error of Fleiss, Cohen and Everitt (1969). None without
    items, and when both use one and the same category only.
    """
    total = float(table.sum())
    weights = category_weights(len(table), weighting)
    if total == 0:
        return None
    share = table / total
    rows, columns = share.sum(axis=1), share.sum(axis=0)
    observed, expected = float((weights * share).sum()), float(rows @ weights @ columns)
    # Both in one category: the chance agreement is 1 up to rounding, exactly 1 in counts.
    if np.count_nonzero(table.sum(axis=1) + table.sum(axis=0)) == 1:
        return None
    kappa = (observed - expected) / (1 - expected)
    mean = (weights @ columns)[:, None] + (rows @ weights)[None, :]
    spread = (share * (weights - mean * (1 - kappa)) ** 2).sum()
    variance = (spread - (kappa - expected * (1 - kappa)) ** 2) / (total * (1 - expected) ** 2)
    se = math.sqrt(max(float(variance), 0.0))
    return Kappa(kappa, se, (kappa - NORMAL_975 * se, kappa + NORMAL_975 * se))


def fleiss_kappa(counts: Integers) -> float | None:
    """Fleiss' kappa (1971) of counts (items, categories); None when all labels are the same.

    Raises:
        ValueError: the items have not all the same number of labels, two at least.
    """
    labels = counts.sum(axis=1)
    if len(counts) == 0 or np.count_nonzero(counts.sum(axis=0)) == 1:
        return None
    n = int(labels[0])
    if n < 2 or (labels != n).any():  # noqa: PLR2004 two labels make a pair
        found = sorted(set(labels.tolist()))
        raise ValueError(f"Fleiss' kappa needs the same number of labels, from 2, not {found}")
    observed = float(((counts**2).sum(axis=1) - n).mean()) / (n * (n - 1))
    expected = float(((counts.sum(axis=0) / counts.sum()) ** 2).sum())
    return (observed - expected) / (1 - expected)


def rating_agreement(
    ratings: Small, slate: Integers, prompt: Integers, *, weighting: Weighting = "quadratic"
) -> Measured:
    """Gwet's AC2 of ratings 1 to 7; AC1 with nominal weights.

    Args:
        ratings: (labels, width) 0 is missing; a column is the same response in all of a slate.
        slate: (labels,) slate of each label, as small integers from 0.
        prompt: (labels,) prompt of each label, as small integers from 0.
        weighting: how far two different ratings agree.
    """
    slates, of = np.unique(slate, return_inverse=True)
    of_slate = np.zeros(len(slates), dtype=np.int64)
    of_slate[of] = prompt
    prompts = np.repeat(of_slate, ratings.shape[1])
    return gwet_ac(_rating_counts(ratings, of, len(slates)), prompts, weighting=weighting)


def _rating_counts(ratings: Small, of: Integers, slates: int) -> Integers:
    """(slates * width, RATINGS) labels of each response in each category; `of` is their slate."""
    width = ratings.shape[1]
    rows, columns = np.nonzero(ratings)
    item = of[rows] * width + columns
    cells = item * RATINGS + ratings[rows, columns] - 1
    return np.bincount(cells, minlength=slates * width * RATINGS).reshape(-1, RATINGS)


def flag_agreement(yes: Integers, judged: Integers, prompt: Integers) -> FlagAgreement:
    """Agreement on one flag, from counts per response.

    Args:
        yes: (items,) how many set the flag; an item is a response of a slate.
        judged: (items,) how many looked.
        prompt: (items,) prompt of each item, as small integers from 0.
    """
    no = judged - yes
    both, neither = yes * (yes - 1) / 2, no * (no - 1) / 2
    one = (yes * no).astype(np.float64)
    return FlagAgreement(
        raw=ratio(both + neither, both + neither + one, prompt),
        positive=ratio(2 * both, 2 * both + one, prompt),
        ac1=gwet_ac(np.stack([no, yes], axis=1), prompt, weighting="nominal"),
    )


def gwet_ac(counts: Integers, prompt: Integers, *, weighting: Weighting) -> Measured:
    """Gwet's AC1 (nominal) or AC2 of counts (items, categories), with prompts as clusters.

    The standard error is that of the linearized coefficient (Gwet 2008, equation 23), summed over
    the items of each prompt: an infinitesimal jackknife over prompts. With one item a prompt it is
    his own. `units` are the items with two labels or more.

    Args:
        counts: (items, categories) labels of each item in each category.
        prompt: (items,) prompt of each item, as small integers from 0.
        weighting: how far two different categories agree.
    """
    labeled = counts.sum(axis=1) > 0
    counts, prompt = counts[labeled], prompt[labeled]
    shared = counts.sum(axis=1) > 1
    units, prompts = int(shared.sum()), len(np.unique(prompt[shared]))
    found = _gwet(counts, shared, category_weights(counts.shape[1], weighting))
    if found is None:
        return Measured(None, None, 0, 0)
    se = None
    if prompts > 1:
        summed = np.bincount(prompt, weights=found.influence)
        clusters = len(np.unique(prompt))
        variance = clusters / (clusters - 1) * float(summed @ summed)
        se = math.sqrt(variance) / len(counts)
    return Measured(found.value, se, units, prompts)


def _gwet(counts: Integers, shared: Booleans, weights: Floats) -> _Gwet | None:
    """(pa - pe) / (1 - pe) of items with a label each, of which some are `shared` by two or more.

    pa = mean over shared items of sum_k r_k (r*_k - 1) / (r (r - 1)), with r* = W r;
    pe = sum W / (q (q - 1)) sum_k pi_k (1 - pi_k), with pi the mean of r_k / r.
    """
    if not shared.any():
        return None
    labels = counts.sum(axis=1)
    matching = np.einsum("ik,ik->i", counts, counts @ weights) - labels
    observed = np.where(shared, matching / np.maximum(labels * (labels - 1), 1), 0.0)
    pa = float(observed[shared].mean())
    share = counts / labels[:, None]
    pi = share.mean(axis=0)
    categories = counts.shape[1]
    scale = float(weights.sum()) / (categories * (categories - 1))
    pe = scale * float((pi * (1 - pi)).sum())
    value = (pa - pe) / (1 - pe)
    from_observed = np.where(shared, observed - pa, 0.0) * (len(counts) / int(shared.sum()))
    from_expected = 2 * (scale * share @ (1 - pi) - pe)
    influence = (from_observed - (1 - value) * from_expected) / (1 - pe)
    return _Gwet(pa, pe, value, influence)
