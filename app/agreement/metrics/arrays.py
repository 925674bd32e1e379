"""Labels as arrays, a row per label: what the arrays are called, and their pair labels. Pure."""

from itertools import combinations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Signs = NDArray[np.int8]
Booleans = NDArray[np.bool_]
Small = NDArray[np.int8] | NDArray[np.int64]
"""Ranks or ratings (labels, width), where 0 is missing and a column the same response of a slate.

A labeler has one label of a slate.
"""

MISSING = np.int8(2)


def signs_of(ranks: Small) -> Signs:
    """(labels, pairs) +1 (the first is better), 0 (tie), -1 or MISSING.

    Pairs are in the order of `np.triu_indices(width, 1)`.
    """
    first, second = np.triu_indices(ranks.shape[1], k=1)
    better, worse = ranks[:, first], ranks[:, second]
    signs = np.sign(worse - better).astype(np.int8)
    return np.where((better == 0) | (worse == 0), MISSING, signs)


def first_of_each(slate: Integers, labeler: Integers) -> Integers:
    """(m,) rows of each labeler's first label of each slate, ascending; checks may repeat it."""
    width = int(labeler.max(initial=0)) + 1
    return np.sort(np.unique(slate * width + labeler, return_index=True)[1])


def rows_of_two(slate: Integers) -> tuple[Integers, Integers]:
    """Every two labels of the same slate, as two arrays of row numbers."""
    order = np.argsort(slate, kind="stable")
    _slates, starts, sizes = np.unique(slate[order], return_index=True, return_counts=True)
    ones, others = [np.empty(0, np.int64)], [np.empty(0, np.int64)]
    for size in np.unique(sizes).tolist():
        start = starts[sizes == size]
        for i, j in combinations(range(size), 2):
            ones.append(order[start + i])
            others.append(order[start + j])
    return np.concatenate(ones), np.concatenate(others)
