"""The leaderboard as a picture, a dot with its interval per model on one axis, and as CSV. Pure."""

import math
from collections.abc import Iterable
from dataclasses import dataclass

from app.agreement.strengths.standings import Board, Entry
from app.datasets.formats import csv_cell
from app.training.lineage_picture import clipped

WIDTH = 380.0
LEFT, RIGHT = 148.0, 368.0  # ends of the axis
TOP, ROW_HEIGHT, AXIS_HEIGHT = 12.0, 26.0, 26.0
NAME_WIDTH = 20  # in Latin letters
ANCHOR = 1000.0
LEAST_SPAN = 100.0
MOST_TICKS = 5
COLUMNS = (
    "rank",
    "model",
    "elo",
    "elo_low",
    "elo_high",
    "status",
    "reason",
    "group",
    "comparisons",
    "prompts",
    "baseline",
    "win_rate",
    "win_rate_low",
    "win_rate_high",
    "win_rate_status",
    "win_rate_reason",
    "elo_at_equal_length",
    "elo_at_equal_length_low",
    "elo_at_equal_length_high",
)


@dataclass(frozen=True)
class Dot:
    """A model that is shown: the height of its row, and its value and interval on the axis."""

    name: str
    full: str
    y: float
    x: float
    low: float | None
    high: float | None
    status: str


@dataclass(frozen=True)
class BoardPicture:
    """All that the template draws, in pixels; `ticks` are x and the number there."""

    width: float
    height: float
    left: float
    right: float
    bottom: float
    anchor: float
    dots: list[Dot]
    ticks: list[tuple[float, int]]


def board_picture(board: Board) -> BoardPicture | None:
    """Draw the models that have a place; None when none has."""
    shown = [entry for entry in board.entries if entry.elo is not None]
    if not shown:
        return None
    low, high = _range(_ends(shown))

    def at(value: float) -> float:
        return round(LEFT + (RIGHT - LEFT) * (value - low) / (high - low), 1)

    bottom = TOP + ROW_HEIGHT * len(shown)
    return BoardPicture(
        width=WIDTH,
        height=bottom + AXIS_HEIGHT,
        left=LEFT,
        right=RIGHT,
        bottom=bottom,
        anchor=at(ANCHOR),
        dots=[
            Dot(
                name=clipped(entry.model, NAME_WIDTH),
                full=entry.model,
                y=TOP + ROW_HEIGHT * (row + 0.5),
                x=at(entry.elo or ANCHOR),
                low=None if entry.ci95 is None else at(entry.ci95[0]),
                high=None if entry.ci95 is None else at(entry.ci95[1]),
                status=entry.status,
            )
            for row, entry in enumerate(shown)
        ],
        ticks=[(at(tick), tick) for tick in _ticks(low, high)],
    )


def board_csv(board: Board) -> bytes:
    """The leaderboard as CSV (RFC 4180), best model first."""
    lines = [",".join(COLUMNS)]
    lines += [",".join(map(csv_cell, _cells(entry, board.anchor))) for entry in board.entries]
    return "".join(f"{line}\r\n" for line in lines).encode()


def _cells(entry: Entry, anchor: str | None) -> tuple[str | float | None, ...]:
    rate, equal = entry.win_rate, entry.at_equal_length
    return (
        entry.rank,
        entry.model,
        entry.elo,
        *(entry.ci95 or (None, None)),
        entry.status,
        entry.reason,
        entry.group,
        entry.comparisons,
        entry.prompts,
        *(
            (anchor, rate.value, *(rate.ci95 or (None, None)), rate.status, rate.reason)
            if rate is not None
            else (None,) * 6
        ),
        *((None,) * 3 if equal is None else (equal.value, *(equal.ci95 or (None, None)))),
    )


def _ends(entries: Iterable[Entry]) -> Iterable[float]:
    yield ANCHOR
    for entry in entries:
        if entry.elo is not None:
            yield from (entry.elo, *(entry.ci95 or ()))


def _range(values: Iterable[float]) -> tuple[float, float]:
    """What the axis shows: all values, with a little room, and never less than 100 points."""
    known = list(values)
    low, high = min(known), max(known)
    room = max((high - low) * 0.05, (LEAST_SPAN - (high - low)) / 2)
    return low - room, high + room


def _ticks(low: float, high: float) -> list[int]:
    """Up to five round numbers."""
    step = 10
    for factor in (2, 2.5, 2) * 6:
        if (high - low) / step <= MOST_TICKS:
            break
        step = round(step * factor)
    return list(range(math.ceil(low / step) * step, math.floor(high) + 1, step))
