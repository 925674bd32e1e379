"""Krippendorff's alpha, from coincidences per prompt; a jackknife over prompts gives its error."""

import math
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from app.agreement.metrics.arrays import MISSING, Floats, Integers
from app.agreement.metrics.estimates import Measured
from app.agreement.metrics.labels import Digits, Labels
from app.agreement.metrics.pairwise import pair_signs

RATINGS = 7
PAIR_LABELS = 3  # worse, tie, better
# Tables of so many slates or prompts are in memory at once, however many there are.
GROUPS_AT_ONCE = 500

Level = Literal["nominal", "ordinal", "interval"]


@dataclass(frozen=True)
class Coincidences:
    """What alpha is computed from: a unit is a pair of responses, or a response for ratings.

    Attributes:
        groups: (g,) codes of the prompts, or slates, that have a unit.
        tables: (g, size, size) sums over units of 1 / (m - 1) for each ordered pair of the m >= 2
            values of a unit.
        units: (g,) how many.
        level: how far two different values are apart.
    """

    groups: Integers
    tables: Floats
    units: Integers
    level: Level


def pair_coincidences(
    labels: Labels, group: Integers, *, level: Level = "nominal", ties_count: bool = True
) -> Coincidences:
    """Those of the pair labels, stacked with their negation.

    So it does not matter which response of a pair is called the first: the symmetrized form.

    Args:
        labels: any number of a slate.
        group: (labels,) the prompt or slate of each.
        level: how far two different pair labels are apart.
        ties_count: whether a tie is a label; otherwise it is missing.
    """
    signs = pair_signs(labels)
    is_missing = (signs == MISSING) | ((signs == 0) & (not ties_count))
    values = np.where(is_missing, np.int8(-1), signs + np.int8(1))
    plain = _coincidences(labels, group, values, size=PAIR_LABELS, level=level)
    return replace(plain, tables=plain.tables + plain.tables[:, ::-1, ::-1])


def rating_coincidences(
    labels: Labels, group: Integers, *, level: Level = "ordinal"
) -> Coincidences:
    """Those of the ratings 1 to 7."""
    values = labels.ratings - np.int8(1)
    return _coincidences(labels, group, values, size=RATINGS, level=level)


def pair_alpha(labels: Labels) -> Measured:
    """Symmetrized nominal alpha of the pair labels."""
    return alpha_of(pair_coincidences(labels, labels.prompt))


def rating_alpha(labels: Labels) -> Measured:
    """Ordinal alpha of the ratings 1 to 7."""
    return alpha_of(rating_coincidences(labels, labels.prompt))


def alpha_of(found: Coincidences) -> Measured:
    """Alpha of all prompts together; its error from leaving out one prompt at a time."""
    prompts, total = len(found.tables), int(found.units.sum())
    everything = found.tables.sum(axis=0)
    value = alphas(everything[None], level=found.level)[0]
    if not np.isfinite(value):
        return Measured(None, None, total, prompts)
    without = np.concatenate(
        [
            alphas(everything - found.tables[low : low + GROUPS_AT_ONCE], level=found.level)
            for low in range(0, prompts, GROUPS_AT_ONCE)
        ]
    )
    se = None
    if prompts > 1 and np.isfinite(without).all():
        se = math.sqrt((prompts - 1) / prompts * float(((without - without.mean()) ** 2).sum()))
    return Measured(float(value), se, total, prompts)


def alphas(tables: Floats, *, level: Level) -> Floats:
    """(b,) alpha = 1 - (n - 1) sum o_ck d_ck / sum n_c n_k d_ck of each table, or NaN.

    The ordinal distance (sum_{g=c..k} n_g - (n_c + n_k) / 2)^2 is the squared distance of
    mid-ranks, the interval distance that of values.
    """
    margins = tables.sum(axis=2)
    if level == "nominal":
        distance = 1 - np.broadcast_to(np.eye(tables.shape[1]), tables.shape)
    else:
        values = np.broadcast_to(np.arange(tables.shape[1], dtype=np.float64), margins.shape)
        place = values if level == "interval" else margins.cumsum(axis=1) - margins / 2
        distance = (place[:, :, None] - place[:, None, :]) ** 2
    observed = (tables * distance).sum(axis=(1, 2))
    expected = (margins[:, :, None] * margins[:, None, :] * distance).sum(axis=(1, 2))
    # What is left of a table without one of its prompts may be all but nothing.
    defined = expected > 1e-9 * np.maximum(margins.sum(axis=1), 1)
    scaled = (margins.sum(axis=1) - 1) * observed / np.where(defined, expected, 1.0)
    return np.where(defined, 1 - scaled, np.nan)


def _coincidences(
    labels: Labels, group: Integers, values: Digits, *, size: int, level: Level
) -> Coincidences:
    """Coincidences of values (labels, columns), where -1 is missing."""
    groups, place = np.unique(group, return_inverse=True)
    tables = np.zeros((len(groups), size, size))
    units = np.zeros(len(groups), dtype=np.int64)
    order = np.argsort(labels.slate, kind="stable")
    slates, starts = np.unique(labels.slate[order], return_index=True)
    ends = np.append(starts[1:], len(order))
    for low in range(0, len(slates), GROUPS_AT_ONCE):
        high = min(low + GROUPS_AT_ONCE, len(slates))
        rows = order[starts[low] : ends[high - 1]]
        slate = np.repeat(np.arange(high - low), (ends - starts)[low:high])
        counts = _counts(values[rows], slate, size=size)
        of_slate = np.zeros(high - low, dtype=np.int64)
        of_slate[slate] = place[rows]
        unit, column = np.nonzero(counts.sum(axis=2) >= 2)  # noqa: PLR2004 two make a pair
        found = counts[unit, column]
        ordered = found[:, :, None] * found[:, None, :]
        diagonal = np.arange(size)
        ordered[:, diagonal, diagonal] -= found
        ordered /= (found.sum(axis=1) - 1)[:, None, None]
        np.add.at(tables, of_slate[unit], ordered)
        units += np.bincount(of_slate[unit], minlength=len(groups))
    has_one = units > 0
    return Coincidences(groups[has_one], tables[has_one], units[has_one], level)


def _counts(values: Digits, slate: Integers, *, size: int) -> Floats:
    """(slates, columns, size) how many labels of a slate have each value in each column."""
    slates, columns = int(slate.max(initial=-1)) + 1, values.shape[1]
    rows, column = np.nonzero(values >= 0)
    cell = (slate[rows] * columns + column) * size + values[rows, column]
    counted = np.bincount(cell, minlength=slates * columns * size)
    return counted.reshape(slates, columns, size).astype(np.float64)
