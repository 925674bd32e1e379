"""What the numbers of a run are counted in, and how they are written with it. Pure."""

from typing import Final, Literal

from app.web.formats import number, percent
from app.web.translation import gettext

Unit = Literal[
    "",
    "%",
    "nats",
    "nats per comparison",
    "nats per response",
    "nats per token",
    "s",
    "tokens per response",
    "tokens per second",
]
# Decimals of each unit that stands behind its number.
DIGITS: Final[dict[Unit, int]] = {
    "nats": 3,
    "nats per comparison": 3,
    "nats per response": 3,
    "nats per token": 3,
    "s": 2,
    "tokens per response": 1,
    "tokens per second": 0,
}


def written(value: float | None, unit: Unit) -> str:
    """A number as it stands before its unit; a share as a percentage."""
    return percent(value) if unit == "%" else number(value, DIGITS.get(unit, 3))


def unit_words(unit: Unit) -> str | None:
    """The unit in the page's language; None where nothing stands behind the number."""
    return gettext(unit) if unit in DIGITS else None
