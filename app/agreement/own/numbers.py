"""How a labeler's own numbers lie beside the team's: pure, and silent while there are too few.

Agreement is defined as in `report`; the others describe and do not judge.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from app.agreement.metrics.estimates import LIMITS, Estimate, Measured, shown
from app.agreement.metrics.labels import Labels, headline
from app.agreement.metrics.measures import measure_labeler
from app.agreement.metrics.orders import conflicts
from app.agreement.metrics.pairwise import of_everybody, pair_counts
from app.agreement.report import NO_PREFERENCE
from app.web.translation import gettext

LIMIT = LIMITS["labeler"]
# Fewer would tell one labeler the numbers of another.
MIN_LABELERS = 5
TIE_BAND = (0.1, 0.9)
TIME_BAND = (0.25, 0.75)


@dataclass(frozen=True)
class Habits:
    """How one labeler (a user's id) ranks: counts, over all of their rankings."""

    labeler: int
    rankings: int
    pairs: int
    ties: int
    timed: int
    median_ms: float | None

    @property
    def tie_share(self) -> float | None:
        """Share of pairs tied, while there are enough of them."""
        is_enough = self.rankings >= LIMIT.prompts and self.pairs >= LIMIT.units
        return self.ties / self.pairs if is_enough else None

    @property
    def median_seconds(self) -> float | None:
        """Median active time of a task, while there are enough of them."""
        is_enough = self.timed >= LIMIT.prompts and self.median_ms is not None
        return (self.median_ms or 0) / 1000 if is_enough else None


@dataclass(frozen=True)
class Own:
    """A number of one's own; None with the reason while there is not enough for one."""

    value: float | None
    reason: str | None


@dataclass(frozen=True)
class Band:
    """Where most of the team lie; None while that would say too much about one person."""

    low: float
    high: float


@dataclass(frozen=True)
class OwnNumbers:
    """One labeler beside the team."""

    agreement: Estimate
    team_agreement: Estimate
    ties: Own
    tie_band: Band | None
    conflicts: Own
    conflicting_pairs: int
    pairs_apart: int
    seconds: Own
    seconds_band: Band | None


@dataclass(frozen=True)
class Judged:
    """One of the labeler's own rankings."""

    ranks: Sequence[int | None]
    ratings: Sequence[int | None]


def own_numbers(
    me: int,
    *,
    shared: Labels,
    habits: Sequence[Habits],
    own: Sequence[Judged],
    conflict_gap: int | None,
) -> OwnNumbers:
    """Compute the numbers.

    Args:
        me: the labeler's user id.
        shared: ordinary labels of slates with two or more.
        habits: of everybody with a ranking.
        own: the labeler's own rankings.
        conflict_gap: which difference of ratings contradicts the opposite order; None is none.
    """
    mine = next((one for one in habits if one.labeler == me), Habits(me, 0, 0, 0, 0, None))
    conflicting, apart = _conflicts(own, conflict_gap)
    return OwnNumbers(
        agreement=shown("labeler", measure_labeler(shared, me).strict, undefined=NO_PREFERENCE),
        team_agreement=shown("agreement_card", _of_team(shared), undefined=NO_PREFERENCE),
        ties=Own(mine.tie_share, _missing_pairs(mine)),
        tie_band=band([one.tie_share for one in habits], *TIE_BAND),
        conflicts=_share_of_conflicts(conflicting, apart, conflict_gap),
        conflicting_pairs=conflicting,
        pairs_apart=apart,
        seconds=Own(
            mine.median_seconds,
            None
            if mine.median_seconds is not None
            else gettext(
                "not enough data: %(count)s of %(least)s timed tasks",
                count=mine.timed,
                least=LIMIT.prompts,
            ),
        ),
        seconds_band=band([one.median_seconds for one in habits], *TIME_BAND),
    )


def _of_team(shared: Labels) -> Measured:
    return of_everybody(pair_counts(headline(shared)))


def _missing_pairs(mine: Habits) -> str | None:
    if mine.rankings < LIMIT.prompts:
        return gettext(
            "not enough data: %(count)s of %(least)s tasks",
            count=mine.rankings,
            least=LIMIT.prompts,
        )
    if mine.pairs < LIMIT.units:
        return gettext(
            "not enough data: %(count)s of %(least)s pairs", count=mine.pairs, least=LIMIT.units
        )
    return None


def _conflicts(own: Sequence[Judged], gap: int | None) -> tuple[int, int]:
    if gap is None:
        return 0, 0
    found = [conflicts(one.ranks, one.ratings, gap=gap) for one in own]
    return sum(count for count, _ in found), sum(apart for _, apart in found)


def _share_of_conflicts(conflicting: int, apart: int, gap: int | None) -> Own:
    if gap is None:
        return Own(None, gettext("not counted in this project"))
    if apart < LIMIT.units:
        return Own(
            None,
            gettext(
                "not enough data: %(count)s of %(least)s pairs rated %(gap)s or more apart",
                count=apart,
                least=LIMIT.units,
                gap=gap,
            ),
        )
    return Own(conflicting / apart, None)


def band(values: Sequence[float | None], low: float, high: float) -> Band | None:
    """The two quantiles of those who have a value, or None when they are too few."""
    known = [value for value in values if value is not None]
    if len(known) < MIN_LABELERS:
        return None
    return Band(float(np.quantile(known, low)), float(np.quantile(known, high)))
