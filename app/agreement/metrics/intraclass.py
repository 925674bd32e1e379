"""Intraclass correlations of ratings on complete blocks: pure, numpy only."""

from dataclasses import dataclass

import numpy as np

from app.agreement.metrics.arrays import Integers, Small


@dataclass(frozen=True)
class Intraclass:
    """The six forms of Shrout and Fleiss (1979); None where a form is not defined.

    1 takes other labelers for each response, 2 the same labelers as a sample of all (absolute
    agreement), 3 exactly these labelers (consistency: their leniency does not count). The k-forms
    are those of the mean of all labelers.
    """

    icc1: float | None
    icc2: float | None
    icc3: float | None
    icc1k: float | None
    icc2k: float | None
    icc3k: float | None


def complete_block(ratings: Small, slate: Integers, labeler: Integers) -> Integers:
    """(responses, labelers) ratings of what every one of these labelers rated.

    Args:
        ratings: (labels, width) 0 is missing; a column is the same response in all of a slate.
        slate: (labels,) slate of each label, as small integers from 0.
        labeler: (labels,) labeler of each label.
    """
    width = ratings.shape[1]
    labelers, column = np.unique(labeler, return_inverse=True)
    block = np.zeros(((int(slate.max(initial=-1)) + 1) * width, len(labelers)), dtype=np.int64)
    block[slate[:, None] * width + np.arange(width), column[:, None]] = ratings
    return block[(block > 0).all(axis=1)] if len(labelers) else block[:0]


def intraclass(ratings: Integers) -> Intraclass | None:
    """Correlate complete ratings (responses, labelers); None below two responses or two labelers.

    The sums of squares are integers here (times responses x labelers, which cancels out), so that
    constant ratings give exact zeros and not the quotient of two rounding errors.
    """
    n, k = ratings.shape
    if n < 2 or k < 2:  # noqa: PLR2004 a correlation is of two
        return None
    exact = ratings.astype(np.int64)
    total = int(exact.sum())
    everything = n * k * int((exact**2).sum()) - total**2
    rows = n * int((exact.sum(axis=1) ** 2).sum()) - total**2
    columns = k * int((exact.sum(axis=0) ** 2).sum()) - total**2
    msr = rows / (n - 1)
    msw = (everything - rows) / (n * (k - 1))
    msc = columns / (k - 1)
    mse = (everything - rows - columns) / ((n - 1) * (k - 1))
    leniency = (msc - mse) / n
    return Intraclass(
        icc1=_share(msr - msw, msr + (k - 1) * msw),
        icc2=_share(msr - mse, msr + (k - 1) * mse + k * leniency),
        icc3=_share(msr - mse, msr + (k - 1) * mse),
        icc1k=_share(msr - msw, msr),
        icc2k=_share(msr - mse, msr + leniency),
        icc3k=_share(msr - mse, msr),
    )


def _share(numerator: float, denominator: float) -> float | None:
    return numerator / denominator if denominator > 0 else None
