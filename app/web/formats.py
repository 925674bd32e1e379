"""How numbers and times are written on pages; what is undefined is a dash, never 0 or NaN."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

UNDEFINED = "–"
SMALL_NUMBER, LARGE_NUMBER = 1e-3, 100
MINUTE, HOUR, DAY = 60, 3600, 86_400


def percent(value: float | None, digits: int = 1) -> str:
    """A share as a percentage: 0.726 is 72.6%."""
    return UNDEFINED if value is None else f"{100 * value:.{digits}f}%"


def number(value: float | None, digits: int = 3) -> str:
    """A number with at most `digits` decimals, from 100 on with one; with thousands separators."""
    if value is None:
        return UNDEFINED
    if isinstance(value, int) or float(value).is_integer():
        return f"{int(value):,}"
    if abs(value) < SMALL_NUMBER:
        return f"{value:,.{digits}g}"
    return f"{value:,.{min(digits, 1) if abs(value) >= LARGE_NUMBER else digits}f}"


def when(moment: datetime | None) -> str:
    """A moment in UTC to the minute."""
    return UNDEFINED if moment is None else f"{moment.astimezone(UTC):%Y-%m-%d %H:%M} UTC"


def ago(moment: datetime | None) -> str:
    """How long ago a moment was, in its largest unit."""
    if moment is None:
        return UNDEFINED
    seconds = int((datetime.now(UTC) - moment).total_seconds())
    if seconds < MINUTE:
        return "just now"
    for unit, name in ((DAY, "d"), (HOUR, "h"), (MINUTE, "min")):
        if seconds >= unit:
            return f"{seconds // unit} {name} ago"
    return "just now"


def duration(seconds: float) -> str:
    """A duration in seconds, then minutes, then hours."""
    whole = int(seconds)
    if whole < MINUTE:
        return f"{whole} s"
    if whole < HOUR:
        return f"{whole // MINUTE} min {whole % MINUTE} s"
    return f"{whole // HOUR} h {whole % HOUR // MINUTE} min"


FILTERS: dict[str, Callable[..., Any]] = {
    "percent": percent,
    "number": number,
    "when": when,
    "ago": ago,
    "duration": duration,
}
