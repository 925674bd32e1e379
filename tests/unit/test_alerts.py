"""An alert needs two independent signals, and none is drawn from too few labels.

The simulation: a careless, a reversed, a position-biased and a drifting labeler among twenty honest
ones are found within the counts that the page promises.
"""

from dataclasses import replace

import numpy as np
import pytest

from app.agreement.behaviour.alert_rules import LEAST, LEAST_GOLD, RULES
from app.agreement.behaviour.alerts import Signal, alert_of, signals_of
from app.agreement.behaviour.drift import Drift
from app.agreement.behaviour.effort import DisplayOrder, Pace, Ratings
from app.agreement.behaviour.evidence import GOLD_WINDOW, Evidence, evidence_of
from app.agreement.behaviour.position_bias import BestByPosition, PositionTest
from app.agreement.metrics.estimates import Measured
from tests.simulated_labelers import (
    CARELESS,
    DRIFTING,
    HONEST,
    POSITION_BIASED,
    REVERSED,
    simulate,
)

NONE = Measured(None, None, 0, 0)
RUNS = 20


def share(value, *, prompts=30, se=0.02, units=450):
    return Measured(value, se, units, prompts)


HONEST_WORK = Evidence(
    consensus=share(0.72),
    drift=Drift(60, 0.7, 0.2, 1.1, None),
    researchers=share(0.75),
    gold=share(0.9, prompts=60),
    gold_before=share(0.9),
    gold_lately=share(0.9),
    repeats=share(0.8),
    conflicts=share(0.02),
    ties=share(0.15),
    told_conflicts=share(0.02),
    told_ties=share(0.15),
    opened=share(0.8),
    position=PositionTest(8, 60.0, 30),
    best=[BestByPosition(4, 30, (8, 8, 7, 7), 0.13, 0.98, None)],
    display=DisplayOrder(30, 1, 1.2, 0.7),
    pace=Pace(30, 250.0, 0, 0),
    ratings=Ratings(180, 0.3, 0.8),
)


def signals_among(own, *, others=4, usual=HONEST_WORK):
    """A labeler's signals by key, among some with honest work."""
    return {one.key: one for one in signals_of([own, *[usual] * others])[0]}


def fired(own, **team):
    return {key for key, one in signals_among(own, **team).items() if one.is_fired}


# What goes off when one number is out of bounds.
ODD = {
    "low_agreement": {"consensus": share(0.6)},
    "drift": {"drift": Drift(60, 0.4, 1.5, 1.1, 50)},
    "low_gold": {"gold": share(0.7, prompts=60)},
    "gold_fell": {"gold_lately": share(0.8)},
    "low_with_researchers": {"researchers": share(0.6)},
    "low_self_consistency": {"repeats": share(0.6)},
    "position": {"position": PositionTest(-30, 60.0, 30)},
    "best_by_position": {"best": [BestByPosition(4, 30, (20, 4, 3, 3), 27.0, 6e-6, None)]},
    "as_displayed": {"display": DisplayOrder(30, 9, 1.2, 3e-6)},
    "too_fast": {"pace": Pace(30, 900.0, 9, 0)},
    "never_opens": {"opened": share(0.0, se=0.0)},
    "same_rating": {"ratings": Ratings(180, 0.95, 0.25)},
    "narrow_ratings": {"ratings": Ratings(180, 0.85, 0.15)},
    "never_ties": {"ties": share(0.0, se=0.0)},
    "ties_most": {"ties": share(0.7)},
    "rating_conflicts": {"conflicts": share(0.12)},
}


def test_honest_work_sets_nothing_off_and_every_signal_is_looked_at():
    signals = signals_among(HONEST_WORK)

    assert list(signals) == list(RULES)
    assert all(one.lack is None and one.value is not None for one in signals.values())
    assert fired(HONEST_WORK) == set()


@pytest.mark.parametrize("key", ODD)
def test_each_signal_goes_off_by_itself_and_is_no_alert(key):
    own = replace(HONEST_WORK, **ODD[key])

    assert fired(own) == {key}
    assert alert_of(signals_among(own).values()) is None


def test_a_reversed_scale_is_low_agreement_too():
    own = replace(HONEST_WORK, consensus=share(0.3))

    assert fired(own) == {"reversed_scale", "low_agreement"}
    assert alert_of(signals_among(own).values()) is None


def test_signals_of_one_family_are_no_two_reasons():
    of_family = {}
    for key, rule in RULES.items():
        of_family.setdefault(rule.family, []).append(Signal(key, 99, 1.0, 0.5, is_fired=True))

    assert {family: alert_of(signals) for family, signals in of_family.items()} == dict.fromkeys(
        of_family
    )


def test_two_independent_signals_are_an_alert_that_names_them():
    own = replace(HONEST_WORK, **ODD["low_agreement"], **ODD["position"])

    alert = alert_of(signals_among(own).values())

    assert [(one.key, one.n) for one in alert.signals] == [("low_agreement", 30), ("position", 30)]
    assert [one.limit for one in alert.signals] == [pytest.approx(0.66), 3]


FEWER = {
    "low_agreement": {"consensus": share(0.3, prompts=29)},
    "reversed_scale": {"consensus": share(0.3, prompts=29)},
    "drift": {"drift": Drift(39, 0.4, 1.5, 1.1, 35)},
    "low_gold": {"gold": share(0.3, prompts=39)},
    "gold_fell": {"gold_before": share(0.99, prompts=29)},
    "low_with_researchers": {"researchers": share(0.3, prompts=29)},
    "low_self_consistency": {"repeats": share(0.3, prompts=29)},
    "position": {"position": PositionTest(90, 60.0, 29)},
    "best_by_position": {"best": [BestByPosition(4, 29, (29, 0, 0, 0), 87.0, 1e-9, None)]},
    "as_displayed": {"display": DisplayOrder(29, 29, 1.2, 1e-9)},
    "too_fast": {"pace": Pace(29, 9000.0, 29, 0)},
    "never_opens": {"opened": share(0.0, se=0.0, units=29)},
    "same_rating": {"ratings": Ratings(29, 1.0, 0.0)},
    "narrow_ratings": {"ratings": Ratings(29, 1.0, 0.0)},
    "never_ties": {"ties": share(0.0, se=0.0, prompts=29)},
    "ties_most": {"ties": share(1.0, prompts=29)},
    "rating_conflicts": {"conflicts": share(0.9, prompts=29)},
}


@pytest.mark.parametrize("key", RULES)
def test_nothing_goes_off_from_fewer_labels_than_promised(key):
    own = replace(HONEST_WORK, **FEWER[key])
    if key == "gold_fell":
        own = replace(own, gold_lately=share(0.2, prompts=30))
    signal = signals_among(own)[key]

    assert (signal.value, signal.limit, signal.is_fired) == (None, None, False)
    assert str(signal.lack).startswith(f"not enough data: {RULES[key].least - 1} of")


@pytest.mark.parametrize(
    ("consensus", "reason"),
    [
        (share(0.3, units=49), "not enough data: 49 of 50 pairs"),
        (share(0.3, se=0.06), "provisional: the 95% interval is wider than ±10 points"),
        (share(0.3, se=None), "provisional: the 95% interval is wider than ±10 points"),
    ],
)
def test_nothing_goes_off_on_provisional_numbers(consensus, reason):
    signals = signals_among(replace(HONEST_WORK, consensus=consensus))

    for key in ("low_agreement", "reversed_scale"):
        assert (signals[key].is_fired, str(signals[key].lack)) == (False, reason)


def test_without_three_labelers_nobody_is_lower_than_the_others():
    careless = replace(HONEST_WORK, consensus=share(0.5))

    signal = signals_among(careless, others=1)["low_agreement"]

    assert not signal.is_fired
    assert str(signal.lack) == "not enough data: 2 of 3 labelers to compare with"


def test_a_small_but_certain_difference_is_no_reason():
    own = replace(HONEST_WORK, consensus=share(0.68, prompts=3000, se=0.002, units=45_000))

    assert fired(own) == set()


def test_a_fall_of_gold_without_any_error_is_seen_too():
    never_wrong = replace(HONEST_WORK, gold_before=share(1.0, se=0.0))
    fallen = replace(never_wrong, gold_lately=share(0.0, se=0.0))
    steady = replace(never_wrong, gold_lately=share(1.0, se=0.0))

    assert fired(fallen) == {"gold_fell"}
    assert fired(steady) == set()


def test_who_never_ties_stands_out_only_where_others_do():
    never = replace(HONEST_WORK, **ODD["never_ties"])
    hardly = replace(HONEST_WORK, ties=share(0.03))

    assert fired(never, usual=hardly) == set()


def test_with_two_tables_of_best_positions_each_must_be_less_likely():
    table = BestByPosition(4, 30, (14, 6, 5, 5), 7.0, 0.0008, None)

    assert fired(replace(HONEST_WORK, best=[table])) == {"best_by_position"}
    assert fired(replace(HONEST_WORK, best=[table, HONEST_WORK.best[0]])) == set()


# --- the promise ---------------------------------------------------------------------------------


def alerts_of(seed, *, turns, drift_from):
    rng = np.random.default_rng(seed)
    signals = signals_of(evidence_of(simulate(rng, turns=turns, drift_from=drift_from)))
    return {u: alert for u, own in enumerate(signals) if (alert := alert_of(own)) is not None}


def families(alert):
    return {one.family for one in alert.signals}


def test_labelers_who_should_be_noticed_are_and_honest_ones_are_not():
    """Everybody has as many shared slates and slates with a known answer as the rules ask for.

    One who drifts is honest for so many and then ranks at random for so many.
    """
    enough = max(LEAST, LEAST_GOLD)
    honest = 0
    for seed in range(RUNS):
        early = alerts_of(seed, turns=enough, drift_from=enough)
        late = alerts_of(RUNS + seed, turns=2 * enough, drift_from=enough)

        assert {CARELESS, REVERSED, POSITION_BIASED} <= early.keys()
        assert {CARELESS, REVERSED, POSITION_BIASED, DRIFTING} <= late.keys()
        assert families(early[CARELESS]) >= {"consensus", "trusted"}
        assert "reversed_scale" in {one.key for one in early[REVERSED].signals}
        assert "position" in families(early[POSITION_BIASED])
        assert "drift" in {one.key for one in late[DRIFTING].signals}
        honest += sum(u < HONEST for u in [*early, *late])
    assert honest <= 1


def test_the_promise_covers_both_windows_of_gold():
    assert RULES["gold_fell"].least == LEAST + GOLD_WINDOW <= 2 * max(LEAST, LEAST_GOLD)
