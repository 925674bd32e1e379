"""How far labels agree with others, with researchers, with gold and with themselves.

Pure, per label: scores and units, from which `by_labeler.shares` makes the numbers; shapes as
there.
"""

import numpy as np
from numpy.typing import NDArray

from app.agreement.behaviour.by_labeler import Share, sums_of_slates
from app.agreement.metrics.arrays import MISSING, Integers, Signs, signs_of
from app.agreement.metrics.estimates import Measured
from app.agreement.metrics.proportions import wilson


def with_consensus(ranks: Signs, slate: Integers) -> Share:
    """Agreement with the sign of the sum of the others' pair labels (leave one out, V03).

    Pairs that the labeler ties or on which the others cancel out are left aside.
    """
    signs = _preferences(ranks)
    sums, of = sums_of_slates(signs, slate)
    others = np.sign(sums[of] - signs)
    return _share(signs == others, (signs != 0) & (others != 0))


def with_researchers(ranks: Signs, slate: Integers, is_researcher: NDArray[np.bool_]) -> Share:
    """Strict agreement with each ranking by a researcher of the same slate, but for one's own.

    So a researcher's labels are compared with those of the other researchers.
    """
    signs = _preferences(ranks)
    by_researcher = np.where(is_researcher[:, None], signs, 0)
    first, of = sums_of_slates(by_researcher > 0, slate)
    second, _ = sums_of_slates(by_researcher < 0, slate)
    agreeing_first = first[of] - (by_researcher > 0)
    agreeing_second = second[of] - (by_researcher < 0)
    hits = np.where(signs > 0, agreeing_first, 0) + np.where(signs < 0, agreeing_second, 0)
    units = np.where(signs != 0, agreeing_first + agreeing_second, 0)
    return hits.sum(axis=1).astype(np.float64), units.sum(axis=1).astype(np.float64)


def with_gold(ranks: Signs, gold: Signs) -> Share:
    """Accuracy on the pairs that must be ordered as gold orders them; there a tie is wrong.

    Args:
        ranks: (n, w) the labels.
        gold: (n, w) the known answer to each label's slate: of two different ranks the smaller is
            better; equal ones, and 0, say nothing.
    """
    signs, must = signs_of(ranks), _preferences(gold)
    scored = (must != 0) & (signs != MISSING)
    return _share(signs == must, scored)


def with_oneself(before: Signs, again: Signs) -> Share:
    """Strict agreement of rankings (n, w) with repeats of the same slates by the same labelers."""
    signs, repeated = _preferences(before), _preferences(again)
    both = (signs != 0) & (repeated != 0)
    return _share(signs == repeated, both)


def rating_conflicts(ranks: Signs, ratings: Signs, *, gap: int) -> Share:
    """Pairs ranked against their ratings, of those rated at least `gap` >= 1 apart."""
    first, second = np.triu_indices(ranks.shape[1], k=1)
    apart = ratings[:, first] - ratings[:, second]
    rated = (ratings[:, first] > 0) & (ratings[:, second] > 0)
    signs = signs_of(ranks)
    counted = rated & (signs != MISSING) & (np.abs(apart) >= gap)
    return _share(signs == -np.sign(apart), counted)


def longer_wins(ranks: Signs, lengths: Integers) -> Share:
    """Pairs of unequal `lengths` (n, w) that the longer response wins; chance is a half."""
    first, second = np.triu_indices(ranks.shape[1], k=1)
    longer = np.sign(lengths[:, first] - lengths[:, second])
    signs = _preferences(ranks)
    both = (signs != 0) & (longer != 0)
    return _share(signs == longer, both)


def wilson_95(measured: Measured) -> tuple[float, float] | None:
    """Wilson's 95% interval (1927) of a share, on the effective number of units.

    The pairs of one prompt depend on each other, so that n = A (1 - A) / SE^2 of them would tell
    as much if they did not: at most all units, at least as many as prompts, since one ranking
    tells no less than one pair. None when there is no value.
    """
    if measured.value is None:
        return None
    share, units = measured.value, float(measured.units)
    spread = share * (1 - share)
    if measured.se is None or spread <= 0:
        effective = float(measured.prompts)
    elif measured.se == 0:
        effective = units
    else:
        effective = min(max(spread / measured.se**2, measured.prompts), units)
    return wilson(share, effective)


def _preferences(ranks: Signs) -> Signs:
    """(n, p) pair labels +1 and -1; 0 where there is a tie or no label."""
    signs = signs_of(ranks)
    return np.where(signs == MISSING, np.int8(0), signs)


def _share(hits: NDArray[np.bool_], units: NDArray[np.bool_]) -> Share:
    scored = np.count_nonzero(hits & units, axis=1)
    return scored.astype(np.float64), np.count_nonzero(units, axis=1).astype(np.float64)
