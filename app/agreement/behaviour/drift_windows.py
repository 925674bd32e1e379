"""A labeler's last month against all that was before: pure."""

import math
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np

from app.agreement.behaviour.drift import Difference, two_proportions
from app.agreement.behaviour.evidence import Followed
from app.agreement.metrics.arrays import Integers
from app.agreement.metrics.estimates import Estimate, Measured, ratio, shown
from app.agreement.metrics.labels import Labels
from app.web.translation import gettext

WINDOW_DAYS = 30
DAY = 86_400.0


@dataclass(frozen=True)
class Windows:
    """Agreement with the others' consensus in two windows.

    Attributes:
        since: when the later one begins, 30 days before the labeler's latest shared prompt.
        before: the earlier one.
        lately: the later one.
        difference: z is above 0 when agreement was higher before; None with a `reason`.
    """

    since: datetime
    before: Estimate
    lately: Estimate
    difference: Difference | None
    reason: str | None


def windows_of(followed: Followed, labels: Labels, own: Integers) -> Windows | None:
    """Compare a labeler's windows; None without a shared prompt.

    Args:
        followed: all labelers.
        labels: what its rows are of.
        own: (m,) places of the labeler in `followed`, as far as they may be told.
    """
    if not len(own):
        return None
    rows, units = followed.row[own], followed.units[own]
    at = labels.first_at[rows]
    since = float(at.max()) - WINDOW_DAYS * DAY
    hits = followed.share[own] * units
    prompt = np.unique(labels.prompt[rows], return_inverse=True)[1].astype(np.int64)
    is_late = at > since
    before, lately = (ratio(hits[here], units[here], prompt[here]) for here in (~is_late, is_late))
    shown_before, shown_lately = shown("labeler", before), shown("labeler", lately)
    lack = next((one.reason for one in (shown_before, shown_lately) if one.value is None), None)
    found = None if lack else difference(before, lately)
    return Windows(
        since=datetime.fromtimestamp(since, UTC),
        before=shown_before,
        lately=shown_lately,
        difference=found,
        reason=lack or (None if found else gettext("not defined: all pairs are alike")),
    )


def difference(before: Measured, lately: Measured) -> Difference | None:
    """Test two shares of clustered pairs with a pooled z; None when it is undefined.

    As if both were of so many independent pairs as their clustered errors are worth (Rao and Scott
    1992): n = A (1 - A) / SE^2, at least one a prompt where all pairs are alike, at most all pairs.
    """
    (p, n), (q, m) = _effective(before), _effective(lately)
    return two_proportions((p * n, n), (q * m, m))


def _effective(measured: Measured) -> tuple[float, float]:
    if measured.value is None:
        return 0.0, 0.0
    spread = measured.value * (1 - measured.value)
    if not measured.se or math.isclose(spread, 0, abs_tol=1e-12):
        return measured.value, float(measured.prompts)
    return measured.value, min(spread / measured.se**2, float(measured.units))
