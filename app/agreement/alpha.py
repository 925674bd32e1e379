"""Krippendorff's alpha, from coincidences per prompt; a jackknife over prompts gives its error."""

import math
from collections.abc import Sequence

import numpy as np

from app.agreement.estimates import Measured
from app.agreement.metrics import MISSING, Floats, Integers, Label, aligned, codes_of, pair_signs

RATINGS = 7
PAIR_LABELS = 3  # worse, tie, better


def pair_alpha(labels: Sequence[Label]) -> Measured:
    """Symmetrized nominal alpha of the pair labels.

    The data are stacked with their negation, so that it does not matter which response of a pair
    is called the first.
    """
    signs = pair_signs(labels)
    values = np.where(signs == MISSING, -1, signs + 1).astype(np.int64)
    plain, units = _coincidences(labels, values, size=PAIR_LABELS)
    return _measured(plain + plain[:, ::-1, ::-1], units, is_ordinal=False)


def rating_alpha(labels: Sequence[Label]) -> Measured:
    """Ordinal alpha of the ratings 1 to 7."""
    values = aligned(labels, [label.ratings for label in labels]).astype(np.int64) - 1
    return _measured(*_coincidences(labels, values, size=RATINGS), is_ordinal=True)


def _coincidences(
    labels: Sequence[Label], values: Integers, *, size: int
) -> tuple[Floats, Integers]:
    """Coincidences (prompts, size, size) and units (prompts,) of values, where -1 is missing.

    A unit (slate, column) with m >= 2 values adds 1 / (m - 1) for each ordered pair of values.
    """
    slate = codes_of([label.slate for label in labels])
    prompt = codes_of([label.prompt for label in labels])
    counts = np.zeros((slate.max(initial=-1) + 1, values.shape[1], size))
    rows, columns = np.nonzero(values >= 0)
    np.add.at(counts, (slate[rows], columns, values[rows, columns]), 1.0)
    of_slate = np.zeros(len(counts), dtype=np.int64)
    of_slate[slate] = prompt
    total = counts.sum(axis=2)
    units, columns = np.nonzero(total >= 2)  # noqa: PLR2004 two values make a pair
    pairable, weight = counts[units, columns], 1 / (total[units, columns] - 1)
    ordered = pairable[:, :, None] * pairable[:, None, :]
    diagonal = np.arange(size)
    ordered[:, diagonal, diagonal] -= pairable
    prompts = prompt.max(initial=-1) + 1
    table = np.zeros((prompts, size, size))
    np.add.at(table, of_slate[units], ordered * weight[:, None, None])
    return table, np.bincount(of_slate[units], minlength=prompts)


def _measured(coincidences: Floats, units: Integers, *, is_ordinal: bool) -> Measured:
    """Alpha of all prompts together; its error from leaving out one prompt at a time."""
    table = coincidences[units > 0]
    prompts, total = len(table), int(units.sum())
    value = _alphas(table.sum(axis=0, keepdims=True), is_ordinal=is_ordinal)[0]
    if not np.isfinite(value):
        return Measured(None, None, total, prompts)
    without = _alphas(table.sum(axis=0) - table, is_ordinal=is_ordinal)
    se = None
    if prompts > 1 and np.isfinite(without).all():
        se = math.sqrt((prompts - 1) / prompts * float(((without - without.mean()) ** 2).sum()))
    return Measured(float(value), se, total, prompts)


def _alphas(tables: Floats, *, is_ordinal: bool) -> Floats:
    """(b,) alpha = 1 - (n - 1) sum o_ck d_ck / sum n_c n_k d_ck of each table, or NaN.

    The ordinal distance (sum_{g=c..k} n_g - (n_c + n_k) / 2)^2 is the squared distance of
    mid-ranks.
    """
    margins = tables.sum(axis=2)
    if is_ordinal:
        middle = margins.cumsum(axis=1) - margins / 2
        distance = (middle[:, :, None] - middle[:, None, :]) ** 2
    else:
        distance = 1 - np.broadcast_to(np.eye(tables.shape[1]), tables.shape)
    observed = (tables * distance).sum(axis=(1, 2))
    expected = (margins[:, :, None] * margins[:, None, :] * distance).sum(axis=(1, 2))
    defined = expected > 0
    scaled = (margins.sum(axis=1) - 1) * observed / np.where(defined, expected, 1.0)
    return np.where(defined, 1 - scaled, np.nan)
