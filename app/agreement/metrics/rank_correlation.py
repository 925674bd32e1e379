"""Agreement of whole rankings: Kendall's tau-b of two, his W of several. Pure, numpy only.

Small are always indexed by response. A correlation of two lists of responses in order of
preference would be one of the responses' names.
"""

from dataclasses import dataclass, replace

import numpy as np

from app.agreement.metrics.arrays import (
    MISSING,
    Floats,
    Integers,
    Signs,
    Small,
    rows_of_two,
    signs_of,
)
from app.agreement.metrics.estimates import Measured, ratio


@dataclass(frozen=True)
class Concordance:
    """How far several rankings of the same responses go together."""

    w: float
    """Kendall's W, from 0 to 1. That of random rankings has mean 1 / labelers."""
    friedman_chi2: float
    """Friedman's statistic, W labelers (responses - 1), with responses - 1 degrees of freedom."""
    mean_spearman: float
    """(labelers W - 1) / (labelers - 1); the mean of Spearman's rho where nobody ties."""


def tau_b(one: Small, other: Small) -> float | None:
    """Kendall's tau-b of two rankings (width,), over the responses that both judged.

    (C - D) / sqrt((n0 - n1) (n0 - n2)) with n0 pairs, of which n1 and n2 are ties (Kendall 1945).
    None when one of them ties everything.
    """
    signs = signs_of(np.array([one, other], dtype=np.int64))
    product, norm = _tau_b_terms(signs[:1], signs[1:])
    return float(product[0] / norm[0]) if norm[0] > 0 else None


def mean_tau_b(signs: Signs, slate: Integers, prompt: Integers) -> Measured:
    """The mean over prompts of the mean tau-b of every two labels of a slate.

    Args:
        signs: (labels, pairs) as of `signs_of`.
        slate: (labels,) slate of each label, as small integers from 0.
        prompt: (labels,) prompt of each label, as small integers from 0.

    Returns:
        The mean with the standard error over prompts; `units` are the defined tau-b.
    """
    first, second = rows_of_two(slate)
    product, norm = _tau_b_terms(signs[first], signs[second])
    defined = norm > 0
    taus, of_prompt = product[defined] / norm[defined], prompt[first][defined]
    count = np.bincount(of_prompt).astype(np.float64)
    here = np.flatnonzero(count)
    means = np.bincount(of_prompt, weights=taus)[here] / count[here]
    return replace(ratio(means, np.ones(len(here)), here), units=len(taus))


def kendall_w(ranks: Small) -> Concordance | None:
    """Kendall's W of rankings (labelers, width), corrected for ties, over what everybody judged.

    W = (12 sum R_i^2 - 3 m^2 n (n + 1)^2) / (m^2 n (n^2 - 1) - m sum_j T_j), with the sums R_i of
    mid-ranks and T_j = sum (t^3 - t) over the ties of labeler j (Kendall and Babington Smith 1939).
    None below two labelers or two responses, and when everybody ties everything.
    """
    judged_by_all = ranks[:, (ranks > 0).all(axis=0)].astype(np.int64)
    m, n = judged_by_all.shape
    if m < 2 or n < 2:  # noqa: PLR2004 a correlation is of two
        return None
    higher = (judged_by_all[:, :, None] > judged_by_all[:, None, :]).sum(axis=2)
    tied = (judged_by_all[:, :, None] == judged_by_all[:, None, :]).sum(axis=2)
    doubled = (2 * higher + tied + 1).sum(axis=0)  # twice the sums of mid-ranks
    spread = 3 * int((doubled**2).sum()) - 3 * m**2 * n * (n + 1) ** 2
    most = m**2 * n * (n**2 - 1) - m * int((tied**2 - 1).sum())
    if most == 0:
        return None
    w = spread / most
    return Concordance(w, friedman_chi2=w * m * (n - 1), mean_spearman=(m * w - 1) / (m - 1))


def _tau_b_terms(one: Signs, other: Signs) -> tuple[Floats, Floats]:
    """(m,) C - D and (m,) sqrt((n0 - n1) (n0 - n2)) of rows of pair labels."""
    judged = (one != MISSING) & (other != MISSING)
    x, y = np.where(judged, one, 0).astype(np.int64), np.where(judged, other, 0).astype(np.int64)
    product = (x * y).sum(axis=1).astype(np.float64)
    norm = np.sqrt((x * x).sum(axis=1) * (y * y).sum(axis=1))
    return product, norm
