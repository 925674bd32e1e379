"""How numbers and times are written on pages; what is undefined is a dash, never 0 or NaN."""

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any

from babel.dates import format_date
from babel.numbers import get_decimal_symbol, get_group_symbol

from app.web.translation import gettext, language

UNDEFINED = "–"
SMALL_NUMBER, LARGE_NUMBER = 1e-3, 100
WEEK = timedelta(days=7)
MINUTE, HOUR, DAY = 60, 3600, 86_400


def percent(value: float | None, digits: int = 1) -> str:
    """A share as a percentage: 0.726 is 72.6%."""
    if value is None:
        return UNDEFINED
    return gettext("%(number)s%%", number=localized(f"{100 * value:z.{digits}f}"))


def number(value: float | None, digits: int = 3) -> str:
    """A number with at most `digits` decimals, from 100 on with one; with thousands separators."""
    if value is None:
        return UNDEFINED
    if isinstance(value, int) or float(value).is_integer():
        return localized(f"{int(value):,}")
    if abs(value) < SMALL_NUMBER:
        return localized(_short_exponent(f"{value:,.{digits}g}"))
    shown = min(digits, 1) if abs(value) >= LARGE_NUMBER else digits
    return localized(f"{value:,.{shown}f}")


def fixed(value: float | None, digits: int) -> str:
    """A number with exactly so many decimals."""
    return UNDEFINED if value is None else localized(f"{value:z,.{digits}f}")


def plain(value: float) -> str:
    """A number as people type it: not rounded to few decimals, and without thousands separators."""
    return localized(_short_exponent(f"{value:g}"))


def when(moment: datetime | None) -> str:
    """A moment in UTC to the minute."""
    if moment is None:
        return UNDEFINED
    return moment.astimezone(UTC).strftime(gettext("%Y-%m-%d %H:%M UTC"))


def day(moment: datetime) -> str:
    """A day to come, in UTC: as the day of the week as long as that tells which one is meant."""
    there = moment.astimezone(UTC).date()
    if there - datetime.now(UTC).date() < WEEK:
        return format_date(there, "EEE", locale=language())
    return there.strftime(gettext("%Y-%m-%d"))


def ago(moment: datetime | None) -> str:
    """How long ago a moment was, in its largest unit."""
    if moment is None:
        return UNDEFINED
    seconds = int((datetime.now(UTC) - moment).total_seconds())
    if seconds < MINUTE:
        return gettext("just now")
    if seconds < HOUR:
        return gettext("%(count)s min ago", count=seconds // MINUTE)
    if seconds < DAY:
        return gettext("%(count)s h ago", count=seconds // HOUR)
    return gettext("%(count)s d ago", count=seconds // DAY)


def duration(seconds: float) -> str:
    """A duration in seconds, then minutes, then hours: the units are those of every language."""
    whole = int(seconds)
    if whole < MINUTE:
        return f"{whole} s"
    if whole < HOUR:
        return f"{whole // MINUTE} min {whole % MINUTE} s"
    return f"{whole // HOUR} h {whole % HOUR // MINUTE} min"


def localized(text: str) -> str:
    """A number as Python writes it, with the separators of the request's language."""
    return text.translate(_separators(language()))


def as_python_reads(text: str) -> str:
    """A number as people type it or as the page writes it: in German, 0,5 is 0.5, 10.000 is 10000.

    A point is a decimal mark where it cannot stand between thousands, as in 0.001 or 2.5.
    """
    mark, group = get_decimal_symbol(language()), get_group_symbol(language())
    grouped = rf"[+-]?[1-9]\d{{0,2}}({re.escape(group)}\d{{3}})+({re.escape(mark)}\d*)?"
    if re.fullmatch(grouped, text):
        text = text.replace(group, "")
    return text if "." in text else text.replace(mark, ".")


def _short_exponent(text: str) -> str:
    """The same number without zeros before its exponent: 1e-5 as people and the curves write it."""
    return re.sub(r"(e[+-])0+", r"\1", text)


@cache
def _separators(chosen: str) -> dict[int, str]:
    return str.maketrans({",": get_group_symbol(chosen), ".": get_decimal_symbol(chosen)})


FILTERS: dict[str, Callable[..., Any]] = {
    "percent": percent,
    "number": number,
    "fixed": fixed,
    "when": when,
    "day": day,
    "ago": ago,
    "duration": duration,
}
