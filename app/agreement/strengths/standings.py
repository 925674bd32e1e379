"""Models in the order that labelers rank their responses, as it may be shown: pure.

Strengths are Bradley-Terry's on a scale like Elo's, with the SFT model at 1000; win rates are over
that model. What was measured is in `rating`.
"""

from dataclasses import dataclass

from app.agreement.metrics.estimates import Estimate, Status, display_status, shown, t_975
from app.agreement.strengths.bradley_terry import ELO_PER_UNIT, Strength, elo, win_probability
from app.agreement.strengths.leaderboard import Standing
from app.agreement.strengths.length_control import LengthControlled
from app.agreement.strengths.rating import Rating
from app.web.translation import gettext


@dataclass(frozen=True)
class Interval:
    """A number on the scale of Elo with its 95% interval."""

    value: float
    ci95: tuple[float, float] | None


@dataclass(frozen=True)
class Entry:
    """A model's place; what is None is hidden or not defined, with the `reason`.

    Attributes:
        model: its name.
        rank: 1 + how many models have a lower bound above this one's upper bound.
        elo: 1000 + 400 t / ln 10, with t the log-strength over the anchor's.
        ci95: of it.
        status: of it, by the rules for win rates.
        reason: why it is missing or provisional.
        comparisons: with other models.
        prompts: in which it was compared.
        group: models of the same group are comparable with each other; 0 is the largest.
        win_rate: over the anchor, a tie as half a win; None for the anchor itself.
        at_equal_length: `elo` with the length of the responses held fixed; None where that is not
            defined, and where `elo` is hidden.
    """

    model: str
    rank: int | None
    elo: float | None
    ci95: tuple[float, float] | None
    status: Status
    reason: str | None
    comparisons: int
    prompts: int
    group: int
    win_rate: Estimate | None
    at_equal_length: Interval | None = None


@dataclass(frozen=True)
class Board:
    """The entries, best first and hidden ones last; `groups` are the names that are comparable.

    Attributes:
        tie_share: share of the comparisons that are ties; None without any.
        has_tie_model: whether they are modeled (Davidson 1970), being more than a fifth.
        length_effect: what a response gains whose length is above the other's by one standard
            deviation of that gap, on the scale of `elo`; None where it is not defined.
    """

    anchor: str | None
    is_anchor_sft: bool
    prompts: int
    entries: list[Entry]
    groups: list[list[str]]
    left_out: int
    tie_share: float | None = None
    has_tie_model: bool = False
    length_effect: Interval | None = None


EMPTY = Board(None, is_anchor_sft=False, prompts=0, entries=[], groups=[], left_out=0)


def board_of(rating: Rating | None) -> Board:
    """What may be shown, in the language of the request."""
    if rating is None:
        return EMPTY
    places = range(len(rating.names))
    found = rating.at_equal_length
    return Board(
        anchor=rating.names[rating.anchor],
        is_anchor_sft=rating.is_anchor_sft,
        prompts=rating.prompts,
        entries=sorted((_entry(rating, place) for place in places), key=_order),
        groups=[[rating.names[place] for place in group] for group in rating.groups],
        left_out=rating.left_out,
        tie_share=rating.tie_share,
        has_tie_model=rating.has_tie_model,
        length_effect=None if found is None else _interval(found.beta, found, above=0.0),
    )


def _entry(rating: Rating, place: int) -> Entry:
    standing, prompts = rating.standings[place], int(rating.prompts_of[place])
    anchor = rating.names[rating.anchor]
    status, reason = _status(standing, anchor, prompts)
    is_hidden = status == "not_enough_data" or standing.strength is None
    interval = None if is_hidden else standing.interval
    return Entry(
        model=rating.names[place],
        rank=None if is_hidden else standing.rank,
        elo=None if is_hidden or standing.strength is None else elo(standing.strength),
        ci95=None if interval is None else (elo(interval[0]), elo(interval[1])),
        status=status,
        reason=reason,
        comparisons=round(standing.comparisons),
        prompts=prompts,
        group=standing.component,
        win_rate=None if place == rating.anchor else shown("win_rate", rating.win_rates[place]),
        at_equal_length=None if is_hidden else _at_equal_length(rating, place),
    )


def _at_equal_length(rating: Rating, place: int) -> Interval | None:
    found = rating.at_equal_length
    strength = None if found is None else found.strengths[place]
    if found is None or strength is None:
        return None
    return _interval(strength, found, above=elo(0.0))


def _interval(strength: Strength, found: LengthControlled, *, above: float) -> Interval:
    """On the scale of Elo, with the t quantile of so many prompts."""
    value = above + ELO_PER_UNIT * strength.value
    if found.prompts is None or found.prompts <= 1:
        return Interval(value, None)
    reach = ELO_PER_UNIT * t_975(found.prompts - 1) * strength.se
    return Interval(value, (value - reach, value + reach))


def _status(standing: Standing, anchor: str, prompts: int) -> tuple[Status, str | None]:
    """As for a win rate; the interval's width is that of the win rate that the strengths imply."""
    half_width = None
    if standing.interval is not None:
        low, high = (win_probability(bound, 0.0) for bound in standing.interval)
        half_width = (high - low) / 2
    status, reason = display_status(
        "win_rate", prompts=prompts, units=round(standing.comparisons), half_width=half_width
    )
    if status == "not_enough_data":
        return status, reason
    if standing.strength is None:
        return "not_enough_data", gettext(
            "not comparable with %(anchor)s: no chain of wins leads both ways", anchor=anchor
        )
    return status, reason


def _order(entry: Entry) -> tuple[bool, float, str]:
    return (entry.elo is None, -(entry.elo or 0.0), entry.model)
