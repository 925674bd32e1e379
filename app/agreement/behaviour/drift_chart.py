"""A labeler's agreement over time as a picture with its table: pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np

from app.agreement.behaviour.drift import REFERENCE_PROMPTS, track_of
from app.agreement.behaviour.drift_windows import Windows, windows_of
from app.agreement.behaviour.evidence import Followed
from app.agreement.metrics.arrays import Integers
from app.agreement.metrics.estimates import SHARED
from app.agreement.metrics.labels import Labels
from app.web.translation import gettext

WIDTH, HEIGHT, MARGIN = 640.0, 120.0, 8.0


@dataclass(frozen=True)
class Point:
    """A prompt; EWMA and CUSUM begin after the reference."""

    number: int
    slate_id: int
    at: datetime
    share: float
    """Of the pairs that agree with the others' consensus."""
    ewma: float | None
    cusum: float | None


@dataclass(frozen=True)
class Line:
    """Points as SVG writes them, and the heights of level lines beside them."""

    points: str
    levels: dict[str, float]


@dataclass(frozen=True)
class DriftChart:
    """How a labeler's agreement went, prompt by prompt; `reason` says why nothing is drawn.

    Attributes:
        points: oldest first.
        usual: the share below which CUSUM adds up.
        alarm: the height above which CUSUM alarms.
        alarm_since: number of the prompt at which the present alarm began.
        ewma: a line between 0 at the bottom and 1 at the top.
        cusum: a line between 0 and `cusum_top`.
        windows: the last month and what was before; None without a shared prompt.
    """

    points: list[Point]
    usual: float | None = None
    alarm: float | None = None
    alarm_since: int | None = None
    ewma: Line | None = None
    cusum: Line | None = None
    cusum_top: float = 0.0
    reason: str | None = None
    windows: Windows | None = None


def drift_chart(
    followed: Followed, labels: Labels, code: int | None, *, known_before: float | None = None
) -> DriftChart:
    """Draw what drift is seen in.

    Args:
        followed: all labelers.
        labels: what its rows are of.
        code: the labeler's; None when they have ranked nothing.
        known_before: seconds since 1970. Of a slate ranked by anybody since then (but as a check)
            nothing is told, nor of what the labeler ranked after it.
    """
    own = np.flatnonzero(followed.labeler == code) if code is not None else np.zeros(0, np.int64)
    rows, shares = followed.row[own], followed.share[own].tolist()
    if known_before is not None:
        told = _told(labels, rows, known_before)
        own, rows, shares = own[:told], rows[:told], shares[:told]
    windows = windows_of(followed, labels, own)
    track = track_of(shares, team=followed.team)
    if track is None or followed.height is None:
        return DriftChart(
            _points(labels, rows, shares, [], []),
            reason=gettext(SHARED, count=len(shares), least=REFERENCE_PROMPTS + 1),
            windows=windows,
        )
    top = max(followed.height * 1.25, max(track.cusum) * 1.05)
    return DriftChart(
        points=_points(labels, rows, shares, track.ewma, track.cusum),
        usual=track.usual,
        alarm=followed.height,
        alarm_since=_alarm_since(track.cusum, followed.height),
        ewma=Line(_drawn(track.ewma, 1.0), {"usual": _y(track.usual, 1.0)}),
        cusum=Line(_drawn(track.cusum, top), {"alarm": _y(followed.height, top)}),
        cusum_top=top,
        windows=windows,
    )


def _told(labels: Labels, rows: Integers, known_before: float) -> int:
    """How many of the rows, from the first on, are of slates that nobody has ranked since."""
    fresh = np.flatnonzero(labels.ranked_last[labels.slate[rows]] > known_before)
    return int(fresh[0]) if len(fresh) else len(rows)


def _points(
    labels: Labels,
    rows: Integers,
    shares: Sequence[float],
    ewma: Sequence[float],
    cusum: Sequence[float],
) -> list[Point]:
    before = [None] * (len(shares) - len(ewma))
    columns = zip(rows.tolist(), shares, [*before, *ewma], [*before, *cusum], strict=True)
    return [
        Point(
            number=number,
            slate_id=int(labels.slates.ids[labels.slate[row]]),
            at=datetime.fromtimestamp(float(labels.first_at[row]), UTC),
            share=share,
            ewma=smooth,
            cusum=summed,
        )
        for number, (row, share, smooth, summed) in enumerate(columns, start=1)
    ]


def _alarm_since(cusum: Sequence[float], height: float) -> int | None:
    below = [i for i, s in enumerate(cusum) if s <= height]
    first = below[-1] + 1 if below else 0
    return REFERENCE_PROMPTS + first + 1 if first < len(cusum) else None


def _drawn(values: Sequence[float], top: float) -> str:
    step = (WIDTH - 2 * MARGIN) / max(len(values) - 1, 1)
    return " ".join(f"{MARGIN + i * step:.1f},{_y(x, top):.1f}" for i, x in enumerate(values))


def _y(value: float, top: float) -> float:
    return round(HEIGHT - MARGIN - (HEIGHT - 2 * MARGIN) * value / top, 1)
