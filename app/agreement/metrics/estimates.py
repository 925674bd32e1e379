"""Shares with the uncertainty of clustered data, and the rule that says when one may be shown.

Comparisons of one prompt depend on each other, so prompts are the clusters; what is undefined is
None with a reason, never 0 or NaN.
"""

import math
from dataclasses import dataclass
from functools import cache
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from app.agreement.metrics.proportions import NORMAL_975, wilson_of_alike
from app.web.translation import gettext

Kind = Literal[
    "agreement_card",
    "ratings_card",
    "labeler",
    "labeler_pair",
    "win_rate",
    "gold",
    "researchers",
    "own_work",
    "repeats",
    "latent",
    "rank_correlation",
    "rank_correlation_of_two",
    "concordance",
]
Status = Literal["ok", "provisional", "not_enough_data"]
Method = Literal["t", "bootstrap", "wilson"]

MAX_HALF_WIDTH = 0.10
MAX_EXACT_DF = 60
NO_WIDTH = 1e-9


@dataclass(frozen=True)
class Limits:
    """Below `prompts` or `units` a number is hidden, below `ok_prompts` it is provisional.

    `missing` says that there are too few prompts, `few` that there are too few units.
    """

    prompts: int
    units: int
    ok_prompts: int
    missing: str
    few: str = "not enough data: %(count)s of %(least)s shared comparisons"


SHARED = "not enough data: %(count)s of %(least)s shared prompts"
COMPARED = "not enough data: %(count)s of %(least)s compared prompts"
RATED = "not enough data: %(count)s of %(least)s responses that two labelers rated"
GOLD = "not enough data: %(count)s of %(least)s prompts with a known answer"
RESEARCHED = "not enough data: %(count)s of %(least)s prompts ranked by researchers"
RANKED = "not enough data: %(count)s of %(least)s ranked prompts"
REPEATED = "not enough data: %(count)s of %(least)s repeated prompts"
THREEFOLD = "not enough data: %(count)s of %(least)s prompts with three labels"
FULL_PAIRS = "not enough data: %(count)s of %(least)s pairs with three labels"
PAIRS = "not enough data: %(count)s of %(least)s pairs"
LIMITS: dict[Kind, Limits] = {
    "agreement_card": Limits(10, 50, 30, SHARED),
    "ratings_card": Limits(10, 50, 30, SHARED, RATED),
    "labeler": Limits(10, 50, 30, SHARED),
    "labeler_pair": Limits(5, 30, 15, SHARED),
    "win_rate": Limits(30, 0, 100, COMPARED),
    "gold": Limits(10, 50, 30, GOLD, PAIRS),
    "researchers": Limits(10, 50, 30, RESEARCHED, PAIRS),
    "own_work": Limits(10, 50, 30, RANKED, PAIRS),
    "repeats": Limits(10, 50, 30, REPEATED, PAIRS),
    "latent": Limits(10, 50, 30, THREEFOLD, FULL_PAIRS),
    "rank_correlation": Limits(10, 0, 30, SHARED),
    "rank_correlation_of_two": Limits(5, 0, 15, SHARED),
    "concordance": Limits(10, 0, 30, THREEFOLD),
}


@dataclass(frozen=True)
class Measured:
    """A number as computed from all that there is, however little; `value` is None if undefined."""

    value: float | None
    se: float | None
    units: int
    prompts: int

    @property
    def half_width(self) -> float | None:
        """Half of the 95% t interval with prompts - 1 degrees of freedom."""
        return None if self.se is None else t_975(self.prompts - 1) * self.se


@dataclass(frozen=True)
class Estimate:
    """A number as it may be shown; hidden (None) with a `reason` while there is not enough data.

    `interval` says what `ci95` is: a t interval of the clustered error, percentiles of draws, or
    Wilson's, as where all prompts say the same: then there is no error to know (`se` is None).
    """

    value: float | None
    se: float | None
    ci95: tuple[float, float] | None
    units: int
    prompts: int
    status: Status
    reason: str | None
    interval: Method | None = None


def ratio(
    scores: NDArray[np.float64], units: NDArray[np.float64], clusters: NDArray[np.int64]
) -> Measured:
    """Sum of scores over sum of units, with the standard error of the ratio over clusters.

    SE = sqrt(P/(P-1) * sum_p (a_p - A n_p)^2) / sum_p n_p, where cluster p has the summed scores
    a_p and n_p units (linearized ratio estimator; the same as OLS on a constant with clustered
    covariance, Liang and Zeger 1986).

    Args:
        scores: (m,) summed scores of each row.
        units: (m,) number of units of each row.
        clusters: (m,) cluster of each row, as small integers from 0.
    """
    one_group = np.zeros(len(scores), dtype=np.int64)
    return ratios(scores, units, clusters, one_group).get(0, Measured(None, None, 0, 0))


def ratios(
    scores: NDArray[np.float64],
    units: NDArray[np.float64],
    clusters: NDArray[np.int64],
    groups: NDArray[np.int64],
) -> dict[int, Measured]:
    """The same for each group of rows that has a unit, in one pass, by ascending group.

    Args:
        scores: (m,) summed scores of each row.
        units: (m,) number of units of each row.
        clusters: (m,) cluster of each row, from 0.
        groups: (m,) group of each row, from 0.
    """
    width = int(clusters.max(initial=0)) + 1
    keys, row = np.unique(groups * width + clusters, return_inverse=True)
    summed = np.bincount(row, weights=scores, minlength=len(keys))
    counts = np.bincount(row, weights=units, minlength=len(keys))
    is_used = counts > 0
    summed, counts = summed[is_used], counts[is_used]
    found, group = np.unique(keys[is_used] // width, return_inverse=True)
    total = np.bincount(group, weights=counts)
    prompts = np.bincount(group)
    value = np.bincount(group, weights=summed) / total
    squares = np.bincount(group, weights=(summed - value[group] * counts) ** 2)
    return {
        int(found[i]): Measured(
            float(value[i]),
            math.sqrt(p / (p - 1) * float(squares[i])) / float(total[i]) if p > 1 else None,
            round(float(total[i])),
            p,
        )
        for i, p in enumerate(prompts.tolist())
    }


def display_status(
    kind: Kind, *, prompts: int, units: int, half_width: float | None
) -> tuple[Status, str | None]:
    """Whether a number of this kind may be shown, and if not as it stands, why."""
    limits = LIMITS[kind]
    if prompts < limits.prompts:
        return "not_enough_data", gettext(limits.missing, count=prompts, least=limits.prompts)
    if units < limits.units:
        return "not_enough_data", gettext(limits.few, count=units, least=limits.units)
    if prompts < limits.ok_prompts:
        return "provisional", gettext(
            "provisional: %(count)s of %(least)s prompts", count=prompts, least=limits.ok_prompts
        )
    if half_width is None or half_width > MAX_HALF_WIDTH:
        return "provisional", gettext("provisional: the 95% interval is wider than ±10 points")
    return "ok", None


def shown(
    kind: Kind,
    measured: Measured,
    *,
    low: float = 0.0,
    undefined: str = "not defined",
    bootstrap: tuple[float, float] | None = None,
) -> Estimate:
    """What may be shown of a measured number.

    Args:
        kind: which limits hold.
        measured: the number.
        low: the least possible value, where the interval is cut; the greatest is 1.
        undefined: the reason when there is enough data but no value.
        bootstrap: the 95% interval to show instead of the t interval.
    """
    interval, method = _interval_of(measured, low, bootstrap)
    half_width = None if interval is None else (interval[1] - interval[0]) / 2
    if method == "t":  # of which a bound may have been cut
        half_width = measured.half_width
    units, prompts = measured.units, measured.prompts
    status, reason = display_status(kind, prompts=prompts, units=units, half_width=half_width)
    if status == "not_enough_data" or measured.value is None:
        reason = reason if status == "not_enough_data" else gettext(undefined)
        return Estimate(None, None, None, units, prompts, "not_enough_data", reason, None)
    se = None if method == "wilson" else measured.se
    return Estimate(measured.value, se, interval, units, prompts, status, reason, method)


def _interval_of(
    measured: Measured, low: float, bootstrap: tuple[float, float] | None
) -> tuple[tuple[float, float] | None, Method | None]:
    """The widest that the data tell: one without any width would claim certainty."""
    value, half_width = measured.value, measured.half_width
    if bootstrap is not None and bootstrap[1] - bootstrap[0] > NO_WIDTH:
        return bootstrap, "bootstrap"
    if value is None or half_width is None:
        return None, None
    if half_width > NO_WIDTH:
        return (max(low, value - half_width), min(1.0, value + half_width)), "t"
    return wilson_of_alike(value, measured.prompts, low=low), "wilson"


@cache
def t_975(df: int) -> float:
    """The 97.5% quantile of Student's t with `df` degrees of freedom.

    Up to 60 by bisection of the exact distribution (Abramowitz and Stegun 26.7.3-4), above by the
    expansion around the normal quantile (26.7.5), whose error there is below 1e-8.
    """
    if df > MAX_EXACT_DF:
        return _t_975_expanded(df)
    low, high = NORMAL_975, 13.0
    for _ in range(60):
        middle = (low + high) / 2
        if central_probability(middle, df) < 0.95:  # noqa: PLR2004 two-sided 95%
            low = middle
        else:
            high = middle
    return (low + high) / 2


def _t_975_expanded(df: int) -> float:
    x = NORMAL_975
    terms = (
        (x**3 + x) / 4,
        (5 * x**5 + 16 * x**3 + 3 * x) / 96,
        (3 * x**7 + 19 * x**5 + 17 * x**3 - 15 * x) / 384,
        (79 * x**9 + 776 * x**7 + 1482 * x**5 - 1920 * x**3 - 945 * x) / 92160,
    )
    return x + sum(term / float(df) ** power for power, term in enumerate(terms, start=1))


def central_probability(t: float, df: int) -> float:
    """P(|T| < t) of Student's t with `df` degrees of freedom."""
    angle = math.atan(t / math.sqrt(df))
    sine, cosine = math.sin(angle), math.cos(angle)
    is_odd = df % 2 == 1
    term = cosine if is_odd else 1.0
    total = 0.0
    for power in range(3 if is_odd else 2, df + 1, 2):
        total += term
        term *= (power - 1) / power * cosine**2
    return 2 / math.pi * (angle + sine * total) if is_odd else sine * total
