"""Shares per labeler from columns of labels: pure, one pass over all labelers at once.

Shapes: n labels, w columns of responses, p = w (w - 1) / 2 pairs in the order of
`np.triu_indices(w, 1)`. Ranks are int8 with 0 for what was not judged.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from app.agreement.metrics.arrays import Floats, Integers
from app.agreement.metrics.estimates import Measured

LABELS_AT_ONCE = 4096

Share = tuple[Floats, Floats]
"""Scores and units (n,) of each label: the share is the sum of the one over that of the other."""


def in_blocks(
    per_label: Callable[..., tuple[NDArray[Any], NDArray[Any]]], *columns: NDArray[Any]
) -> tuple[NDArray[Any], NDArray[Any]]:
    """Apply what looks at each label by itself to some thousand at once: pairs take memory.

    Args:
        per_label: of columns (m, ...), two arrays (m,).
        columns: (n, ...) each.
    """
    n = len(columns[0])
    found = [
        per_label(*(column[start : start + LABELS_AT_ONCE] for column in columns))
        for start in range(0, max(n, 1), LABELS_AT_ONCE)
    ]
    scores, units = zip(*found, strict=True)
    return np.concatenate(scores), np.concatenate(units)


def shares(share: Share, prompt: Integers, labeler: Integers, labelers: int) -> list[Measured]:
    """Measure a share for each labeler, with prompts as clusters, as `estimates.ratio` does.

    Args:
        share: scores and units (n,) of each label.
        prompt: (n,) codes from 0.
        labeler: (n,) codes below `labelers`.
        labelers: how many there are, also those without a label.
    """
    scores, units = share
    width = int(prompt.max(initial=-1)) + 1
    counts = units > 0
    cells, cell = np.unique(labeler[counts] * width + prompt[counts], return_inverse=True)
    summed = np.bincount(cell, weights=scores[counts], minlength=len(cells))
    sizes = np.bincount(cell, weights=units[counts], minlength=len(cells))
    of = cells // max(width, 1)
    total = np.bincount(of, weights=sizes, minlength=labelers)
    prompts = np.bincount(of, minlength=labelers)
    value = np.bincount(of, weights=summed, minlength=labelers) / np.maximum(total, 1)
    squares = np.bincount(of, weights=(summed - value[of] * sizes) ** 2, minlength=labelers)
    se = np.sqrt(prompts / np.maximum(prompts - 1, 1) * squares) / np.maximum(total, 1)
    rows = zip(value.tolist(), se.tolist(), total.tolist(), prompts.tolist(), strict=True)
    return [
        Measured(own if n else None, error if n > 1 else None, round(size), n)
        for own, error, size, n in rows
    ]


def sums_of_slates(
    values: NDArray[np.int8] | NDArray[np.bool_], slate: Integers
) -> tuple[Integers, Integers]:
    """Add up the rows of each slate: (slates, p) sums, and (n,) which of them belongs to a row."""
    slates, of = np.unique(slate, return_inverse=True)
    sums = np.zeros((len(slates), values.shape[1]), dtype=np.int64)
    order = np.argsort(of, kind="stable")
    if len(order):
        starts = np.searchsorted(of[order], np.arange(len(slates)))
        sums = np.add.reduceat(values[order], starts, axis=0, dtype=np.int64)
    return sums, of
