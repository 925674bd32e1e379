"""The moving win rate of anchors: by hand, against statsmodels, and when it is a drift."""

import numpy as np
import pytest
import statsmodels.api as sm

from app.agreement.behaviour.anchors import LEAST, WINDOW, anchor_wins, shift
from app.agreement.dashboard.watch import anchor_watch
from app.agreement.metrics.labels import no_labels
from tests.label_columns import Label, columns

MODELS = ("sft", "ppo", "ppo")
BEST, MIDDLE, TIED, WORST = (3, 1, 2), (2, 1, 3), (1, 1, 1), (1, 2, 3)
SHARES = {BEST: 1.0, MIDDLE: 0.5, TIED: 0.5, WORST: 0.0}


def ranked(orders, *, purpose="anchor", slates=4, models=MODELS):
    """One ranking after the other, of anchors by turns, each by a labeler of its own."""
    return [
        Label(1 + i % slates, 1 + i % slates, 1 + i, (1, 2, 3), order,
              models=models, purpose=purpose, id=1 + i)
        for i, order in enumerate(orders)
    ]  # fmt: skip


def found(labels, *, sft=("sft",)):
    return anchor_wins(columns(labels), sft=sft)


def test_win_rates_are_over_the_sft_model_in_two_windows():
    orders = [WORST] * 35 + [BEST, MIDDLE, TIED, WORST, BEST] * 7

    wins = found(ranked(orders))

    assert (wins.model, wins.rankings) == ("sft", 70)
    assert (wins.before.value, wins.before.prompts, wins.before.units) == (0, 35, 70)
    assert (wins.lately.value, wins.lately.prompts) == (pytest.approx(3 / 5), 35)


def test_the_moving_window_is_of_the_last_hundred():
    wins = found(ranked([WORST] * 300 + [BEST] * WINDOW))

    assert (wins.before.value, wins.lately.value, wins.lately.prompts) == (0, 1, WINDOW)


def test_of_few_rankings_all_are_one_window_and_nothing_is_compared():
    wins = found(ranked([WORST, BEST] * (LEAST - 1)))

    assert (wins.lately.prompts, wins.before.value, wins.z) == (2 * LEAST - 2, None, None)


def test_only_anchors_with_the_sft_model_and_another_count():
    anchors = ranked([BEST] * 8)
    others = [
        Label(90, 90, 1, (1, 2, 3), WORST, models=MODELS, id=200),  # no anchor
        Label(91, 91, 1, (1, 2, 3), WORST, models=("sft",) * 3, purpose="anchor", id=201),
        Label(92, 92, 1, (1, 2, 3), WORST, models=("ppo",) * 3, purpose="anchor", id=202),
        Label(1, 1, 80, (1, 2, 3), WORST, models=MODELS, purpose="repeat", id=203),
        Label(1, 1, 81, (1, 2, 3), WORST, models=MODELS, purpose="escalation", id=204),
    ]
    first = Label(1, 1, 82, (1, 2, 3), BEST, models=MODELS, purpose="overlap", id=205)

    wins = found([*anchors, *others, first])

    # The ordinary ranking of an anchor, from before it was one, counts as well.
    assert (wins.rankings, wins.lately.value) == (9, 1)


@pytest.mark.parametrize("sft", [(), ("base",)])
def test_without_an_sft_model_nothing_is_defined(sft):
    wins = found(ranked([BEST] * 80), sft=sft)

    assert (wins.model, wins.rankings, wins.lately.value, wins.z) == (None, 0, None, None)
    assert anchor_wins(no_labels(), sft={"sft"}).model is None


def test_the_change_is_that_of_a_regression_with_a_level_per_slate():
    rng = np.random.default_rng(3)
    slate = rng.integers(0, 5, 160)
    is_late = np.arange(160) >= 90
    shares = np.clip(0.15 * slate + 0.1 * is_late + rng.normal(0, 0.2, 160), 0, 1)
    design = np.column_stack([is_late, *(slate == one for one in range(5))]).astype(float)

    fit = sm.OLS(shares, design).fit(cov_type="HC1")

    assert shift(shares, slate, is_late) == pytest.approx(fit.params[0] / fit.bse[0], abs=1e-9)


def test_which_anchors_came_when_is_no_drift_but_another_judgment_is():
    rng = np.random.default_rng(4)

    def drawn(probability):
        return BEST if rng.random() < probability else WORST

    def history(late, *, change):
        """Of two anchors, of which the second is judged better, later ones are of it alone."""
        return [
            Label(slate, slate, 1 + i, (1, 2, 3),
                  drawn(0.3 * slate + (change if i >= 100 else 0)), models=MODELS,
                  purpose="anchor", id=1 + i)
            for i, slate in enumerate([1, 2] * 50 + late)
        ]  # fmt: skip

    steady = found(history([2] * 100, change=0))
    drifted = found(history([1, 2] * 50, change=-0.29))

    assert steady.lately.value > steady.before.value + 0.05
    assert abs(steady.z) < 3
    assert drifted.z < -3


def test_where_nothing_varies_there_is_no_change_to_test():
    assert found(ranked([BEST] * 80)).z is None
    assert shift(np.ones(3), np.arange(3), np.array([True, False, True])) is None


@pytest.mark.parametrize(
    ("orders", "reason"),
    [
        ([BEST] * 80, "not defined: all labels are the same"),
        ([BEST] * 40, "not enough data: 0 of 30 rankings of anchors"),
    ],
)
def test_a_change_that_is_not_known_has_a_reason(orders, reason):
    watched = anchor_watch(found(ranked(orders)))

    assert (watched.z, watched.is_drifting, watched.reason) == (None, None, reason)
