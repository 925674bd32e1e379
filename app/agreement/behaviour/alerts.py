"""When an admin is asked to look at a labeler's work: pure, from the evidence of all labelers.

One signal is no reason: by chance somebody is always the lowest. An alert needs two that are
independent, that is of different families. It leads to cases and a talk, never to a verdict or a
deletion.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from app.agreement.behaviour.alert_rules import RULES, TEAM, WIDE, Family, Key, Lack
from app.agreement.behaviour.evidence import Evidence
from app.agreement.metrics.estimates import LIMITS, MAX_HALF_WIDTH, PAIRS, Measured

# A labeler stands out from the team by this many standard errors and at least this share.
STANDARD_ERRORS = 3.0
MIN_GAP = 0.05
MIN_LABELERS = 3
MAX_CHANCE = 0.001
MAX_TOO_FAST = 0.2
MAX_MODAL_SHARE = 0.9
MIN_ENTROPY = 0.2
MAX_TIES = 0.6
TEAM_TIES = 0.05
INDEPENDENT = 2


class Signal(NamedTuple):
    """One number of a labeler against its limit; without a value there is a `lack`.

    A tuple, since seventeen are made for each of what may be thousands of labelers.
    """

    key: Key
    n: int
    """What `RULES[key].least` counts."""
    value: float | None = None
    limit: float | None = None
    is_fired: bool = False
    lack: Lack | None = None

    @property
    def family(self) -> Family:
        """What it is drawn from."""
        return RULES[self.key].family


@dataclass(frozen=True)
class Alert:
    """The signals that went off, of at least two families."""

    signals: tuple[Signal, ...]


@dataclass(frozen=True)
class Team:
    """What is usual: medians over the labelers with enough data, None with fewer than three."""

    usual: dict[Key, float | None]
    labelers: dict[Key, int]


# The share of each labeler that is compared with the team's, and where it may not lie: -1 below.
COMPARED: dict[Key, tuple[Callable[[Evidence], Measured], int]] = {
    "low_agreement": (lambda own: own.consensus, -1),
    "low_gold": (lambda own: own.gold, -1),
    "low_with_researchers": (lambda own: own.researchers, -1),
    "low_self_consistency": (lambda own: own.repeats, -1),
    "rating_conflicts": (lambda own: own.conflicts, 1),
    "never_ties": (lambda own: own.ties, 0),
}


def alert_of(signals: Sequence[Signal]) -> Alert | None:
    """Make an alert of a labeler's signals if two independent ones went off."""
    fired = tuple(signal for signal in signals if signal.is_fired)
    return Alert(fired) if len({signal.family for signal in fired}) >= INDEPENDENT else None


def signals_of(evidence: Sequence[Evidence]) -> list[list[Signal]]:
    """Compute each labeler's signals, in the order of `RULES`; provisional numbers never fire."""
    team = _team(evidence)
    return [
        sorted([*_against_team(own, team), *_by_themselves(own)], key=_order) for own in evidence
    ]


def _order(signal: Signal) -> int:
    return ORDER[signal.key]


ORDER = {key: i for i, key in enumerate(RULES)}


def _team(evidence: Sequence[Evidence]) -> Team:
    usual: dict[Key, float | None] = {}
    labelers: dict[Key, int] = {}
    for key, (number, _) in COMPARED.items():
        values = [
            measured.value
            for measured in map(number, evidence)
            if measured.value is not None and _lack(key, measured) is None
        ]
        labelers[key] = len(values)
        usual[key] = float(np.median(values)) if len(values) >= MIN_LABELERS else None
    return Team(usual, labelers)


def _lack(key: Key, measured: Measured) -> Lack | None:
    """Why a share is not to be judged yet: B.3's rule for one labeler."""
    rule = RULES[key]
    if measured.prompts < rule.least:
        return Lack(rule.missing, measured.prompts, rule.least)
    if measured.units < LIMITS["labeler"].units:
        return Lack(PAIRS, measured.units, LIMITS["labeler"].units)
    if measured.half_width is None or measured.half_width > MAX_HALF_WIDTH:
        return Lack(WIDE)
    return None


def _against_team(own: Evidence, team: Team) -> list[Signal]:
    signals = []
    for key, (number, side) in COMPARED.items():
        measured, usual = number(own), team.usual[key]
        lack = _lack(key, measured)
        if lack is None and usual is None:
            lack = Lack(TEAM, team.labelers[key], MIN_LABELERS)
        if lack is not None or measured.value is None or measured.se is None or usual is None:
            signals.append(Signal(key, measured.prompts, lack=lack))
            continue
        if side == 0:
            # Who never ties stands out only where the others do.
            is_fired, limit = measured.value == 0 and usual >= TEAM_TIES, 0.0
        else:
            limit = usual + side * max(MIN_GAP, STANDARD_ERRORS * measured.se)
            is_fired = side * (measured.value - limit) > 0
        signals.append(Signal(key, measured.prompts, measured.value, limit, is_fired))
    return signals


def _by_themselves(own: Evidence) -> list[Signal]:
    return [
        _reversed(own.consensus),
        _drift(own),
        _gold_fell(own),
        _position(own),
        _best_by_position(own),
        _checked("as_displayed", own.display.rankings, own.display.p, MAX_CHANCE, side=-1),
        _checked(
            "too_fast",
            own.pace.tasks,
            own.pace.too_fast / max(own.pace.tasks, 1),
            MAX_TOO_FAST,
        ),
        _never_opens(own.opened),
        _checked("same_rating", own.ratings.count, own.ratings.modal_share, MAX_MODAL_SHARE),
        _checked("narrow_ratings", own.ratings.count, own.ratings.entropy, MIN_ENTROPY, side=-1),
        _ties_most(own.ties),
    ]


def _checked(key: Key, n: int, value: float | None, limit: float, *, side: int = 1) -> Signal:
    """Hold a number that needs only `n` labels against a fixed limit."""
    rule = RULES[key]
    if n < rule.least or value is None:
        return Signal(key, n, lack=Lack(rule.missing, n, rule.least))
    return Signal(key, n, value, limit, is_fired=side * (value - limit) > 0)


def _reversed(consensus: Measured) -> Signal:
    lack = _lack("reversed_scale", consensus)
    if lack is not None or consensus.value is None or consensus.se is None:
        return Signal("reversed_scale", consensus.prompts, lack=lack)
    limit = 0.5 - STANDARD_ERRORS * consensus.se
    return Signal(
        "reversed_scale", consensus.prompts, consensus.value, limit, consensus.value < limit
    )


def _drift(own: Evidence) -> Signal:
    drift, rule = own.drift, RULES["drift"]
    if drift.prompts < rule.least:
        return Signal("drift", drift.prompts, lack=Lack(rule.missing, drift.prompts, rule.least))
    return Signal("drift", drift.prompts, drift.cusum, drift.alarm, drift.is_alarming)


def _gold_fell(own: Evidence) -> Signal:
    """Compare the latest 30 gold prompts with those before."""
    before, lately = own.gold_before, own.gold_lately
    n = before.prompts + lately.prompts
    if before.value is None or before.se is None or lately.value is None or lately.se is None:
        return _checked("gold_fell", n, None, MIN_GAP)
    limit = max(MIN_GAP, STANDARD_ERRORS * math.hypot(before.se, lately.se))
    return _checked("gold_fell", n, before.value - lately.value, limit)


def _position(own: Evidence) -> Signal:
    signal = _checked("position", own.position.rankings, own.position.z, STANDARD_ERRORS)
    if signal.value is None:
        return signal
    # Later ones may be preferred too, with a z below 0.
    is_fired = abs(signal.value) > STANDARD_ERRORS
    return Signal(signal.key, signal.n, signal.value, signal.limit, is_fired)


def _best_by_position(own: Evidence) -> Signal:
    """Take the least likely table; with several, each must be so much less likely."""
    tables = [(table.p, table.rankings) for table in own.best if table.p is not None]
    most = max((table.rankings for table in own.best), default=0)
    p, n = min(tables, default=(None, most))
    return _checked("best_by_position", n, p, MAX_CHANCE / max(len(tables), 1), side=-1)


def _never_opens(opened: Measured) -> Signal:
    signal = _checked("never_opens", opened.units, opened.value, 0.0)
    is_fired = signal.value == 0
    return Signal(signal.key, signal.n, signal.value, signal.limit, is_fired, signal.lack)


def _ties_most(ties: Measured) -> Signal:
    lack = _lack("ties_most", ties)
    if lack is not None:
        return Signal("ties_most", ties.prompts, lack=lack)
    return _checked("ties_most", ties.prompts, ties.value, MAX_TIES)
