"""Agreement of whole rankings: Kendall's tau-b of two, his W of several. Pure, numpy only.

Small are always indexed by response. A correlation of two lists of responses in order of
preference would be one of the responses' names.
"""

from dataclasses import dataclass, replace

import numpy as np

from app.agreement.metrics.arrays import (
    MISSING,
    Booleans,
    Floats,
    Integers,
    Signs,
    Small,
    rows_of_two,
    signs_of,
)
from app.agreement.metrics.estimates import Measured, ratio, ratios

NO_TAU = Measured(None, None, 0, 0)
LABELS_FOR_W = 3
TAUS_AT_ONCE, SLATES_AT_ONCE = 4096, 4096


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
    product, norm, _judged = _tau_b_terms(signs[:1], signs[1:])
    return float(product[0] / norm[0]) if norm[0] > 0 else None


def mean_tau_b(signs: Signs, slate: Integers, prompt: Integers) -> Measured:
    """The mean over prompts of the mean tau-b of every two labels of a slate.

    Args:
        signs: (labels, pairs) as of `signs_of`.
        slate: (labels,) slate of each label, as small integers from 0.
        prompt: (labels,) prompt of each label, as small integers from 0.

    Returns:
        The mean with the standard error over prompts; `units` are the defined tau-b. Where none
        is, since one of two always ties everything, `prompts` are those that both judged.
    """
    _first, _second, taus, of_prompt = _taus(signs, slate, prompt)
    one_group = np.zeros(len(taus), dtype=np.int64)
    return _means(taus, of_prompt, one_group).get(0, NO_TAU)


def mean_tau_b_of_labelers(
    signs: Signs, slate: Integers, prompt: Integers, labeler: Integers
) -> tuple[dict[int, Measured], dict[tuple[int, int], Measured]]:
    """The same of each labeler with all others, and of every two labelers who share a slate.

    Args:
        signs: (labels, pairs) as of `signs_of`.
        slate: (labels,) slate of each label, as small integers from 0.
        prompt: (labels,) prompt of each label, as small integers from 0.
        labeler: (labels,) labeler of each label, as small integers from 0.

    Returns:
        By labeler, and by two labelers of whom the smaller comes first.
    """
    first, second, taus, of_prompt = _taus(signs, slate, prompt)
    one, other = labeler[first], labeler[second]
    with_all = _means(np.tile(taus, 2), np.tile(of_prompt, 2), np.concatenate([one, other]))
    width = int(labeler.max(initial=0)) + 1
    pair = np.minimum(one, other) * width + np.maximum(one, other)
    return with_all, {
        divmod(both, width): found for both, found in _means(taus, of_prompt, pair).items()
    }


def _taus(
    signs: Signs, slate: Integers, prompt: Integers
) -> tuple[Integers, Integers, Floats, Integers]:
    """Rows of every two labels that judged a pair, (m,) their tau-b, and (m,) the prompts.

    Where one of the two ties everything, the tau-b is NaN.
    """
    first, second = rows_of_two(slate)
    found = [np.zeros(0)], [np.zeros(0)], [np.zeros(0)]
    # Some thousand at once: pairs take memory.
    for start in range(0, len(first), TAUS_AT_ONCE):
        here = slice(start, start + TAUS_AT_ONCE)
        for terms, more in zip(
            found, _tau_b_terms(signs[first[here]], signs[second[here]]), strict=True
        ):
            terms.append(more)
    product, norm, judged = map(np.concatenate, found)
    shared = judged > 0
    first, second = first[shared], second[shared]
    taus = np.full(len(first), np.nan)
    np.divide(product[shared], norm[shared], out=taus, where=norm[shared] > 0)
    return first, second, taus, prompt[first]


def _means(taus: Floats, prompt: Integers, group: Integers) -> dict[int, Measured]:
    """By group the mean over its prompts of their mean tau-b; `units` are the tau-b."""
    # Groups may be numbers of two labelers, of whom there may be millions that share nothing.
    keys, group = np.unique(group, return_inverse=True)
    width = int(prompt.max(initial=0)) + 1
    cells, cell = np.unique(group * width + prompt, return_inverse=True)
    defined = np.isfinite(taus)
    count = np.bincount(cell[defined], minlength=len(cells))
    sums = np.bincount(cell[defined], weights=taus[defined], minlength=len(cells))
    groups, of = cells // width, cells % width
    found = ratios(sums / np.maximum(count, 1), (count > 0).astype(np.float64), of, groups)
    sizes, shared = np.bincount(group[defined], minlength=len(keys)), np.bincount(groups)
    return {
        key: replace(found.get(i, replace(NO_TAU, prompts=int(shared[i]))), units=int(sizes[i]))
        for i, key in enumerate(keys.tolist())
    }


def kendall_w(ranks: Small) -> Concordance | None:
    """Kendall's W of rankings (labelers, width), corrected for ties, over what everybody judged.

    W = (12 sum R_i^2 - 3 m^2 n (n + 1)^2) / (m^2 n (n^2 - 1) - m sum_j T_j), with the sums R_i of
    mid-ranks and T_j = sum (t^3 - t) over the ties of labeler j (Kendall and Babington Smith 1939).
    None below two labelers or two responses, and when everybody ties everything.
    """
    m = len(ranks)
    n = int((ranks > 0).all(axis=0).sum())
    if m < 2 or n < 2:  # noqa: PLR2004 a correlation is of two
        return None
    spread, most = _w_terms(ranks[None].astype(np.int64))
    if most[0] == 0:
        return None
    w = float(spread[0] / most[0])
    return Concordance(w, friedman_chi2=w * m * (n - 1), mean_spearman=(m * w - 1) / (m - 1))


def mean_kendall_w(ranks: Small, slate: Integers, prompt: Integers) -> tuple[Measured, Measured]:
    """The mean W of all slates with three labels or more, and the mean of (m W - 1) / (m - 1).

    With two labels W is biased upwards too far to be shown (that of random rankings is 1 / m).

    Args:
        ranks: (labels, width), 0 is not judged.
        slate: (labels,) slate of each label, as small integers from 0.
        prompt: (labels,) prompt of each label, as small integers from 0.

    Returns:
        Both with standard errors over prompts; `units` are slates. Where W is never defined,
        since everybody ties everything, there is no value, and all such slates are counted.
    """
    order = np.argsort(slate, kind="stable")
    _slates, starts, sizes = np.unique(slate[order], return_index=True, return_counts=True)
    found = [(np.zeros(0), np.zeros(0), np.zeros(0, dtype=np.int64))]
    for m in np.unique(sizes[sizes >= LABELS_FOR_W]).tolist():
        rows = order[starts[sizes == m][:, None] + np.arange(m)]
        for start in range(0, len(rows), SLATES_AT_ONCE):
            here = rows[start : start + SLATES_AT_ONCE]
            spread, most = _w_terms(ranks[here].astype(np.int64))
            defined = most > 0
            w = np.divide(spread, most, out=np.full(len(here), np.nan), where=defined)
            found.append((w, (m * w - 1) / (m - 1), prompt[here[:, 0]]))
    w, spearman, of = map(np.concatenate, zip(*found, strict=True))
    defined = np.isfinite(w)
    if not defined.any():
        nothing = Measured(None, None, len(of), len(np.unique(of)))
        return nothing, nothing
    units, of = np.ones(int(defined.sum())), of[defined]
    return ratio(w[defined], units, of), ratio(spearman[defined], units, of)


def _w_terms(ranks: Integers) -> tuple[Integers, Integers]:
    """Numerator and denominator (slates,) of W, of ranks (slates, m, width) with 0 not judged."""
    m = ranks.shape[1]
    judged: Booleans = np.all(ranks > 0, axis=1)
    n = judged.sum(axis=1)
    both = (judged[:, :, None] & judged[:, None, :])[:, None]
    one, other = ranks[:, :, :, None], ranks[:, :, None, :]
    higher = ((one > other) & both).sum(axis=3)
    tied = ((one == other) & both).sum(axis=3)
    # Twice the sums of mid-ranks.
    doubled = np.where(judged, (2 * higher + tied + 1).sum(axis=1), 0)
    spread = 3 * (doubled**2).sum(axis=1) - 3 * m**2 * n * (n + 1) ** 2
    ties = np.where(judged[:, None, :], tied**2 - 1, 0).sum(axis=(1, 2))
    return spread, m**2 * n * (n**2 - 1) - m * ties


def _tau_b_terms(one: Signs, other: Signs) -> tuple[Floats, Floats, Floats]:
    """(m,) C - D, sqrt((n0 - n1) (n0 - n2)), and n0 of rows of pair labels."""
    judged = (one != MISSING) & (other != MISSING)
    x, y = np.where(judged, one, 0).astype(np.int64), np.where(judged, other, 0).astype(np.int64)
    product = (x * y).sum(axis=1).astype(np.float64)
    norm = np.sqrt((x * x).sum(axis=1) * (y * y).sum(axis=1))
    return product, norm, judged.sum(axis=1).astype(np.float64)
