"""The moving win rate of anchors: by hand, against statsmodels, and when it is a drift."""

from dataclasses import replace

import numpy as np
import pytest
import statsmodels.api as sm
from scipy import stats

from app.agreement.behaviour.anchors import LEAST, WINDOW, anchor_wins, shift
from app.agreement.dashboard.watch import anchor_watch
from app.agreement.metrics.labels import no_labels
from tests.label_columns import Label, columns

MODELS = ("sft", "ppo", "ppo")
BEST, MIDDLE, TIED, WORST = (3, 1, 2), (2, 1, 3), (1, 1, 1), (1, 2, 3)
SHARES = {BEST: 1.0, MIDDLE: 0.5, TIED: 0.5, WORST: 0.0}


def ranked(orders, *, purpose="anchor", slates=6, models=MODELS):
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
    assert (wins.before.wins.value, wins.before.wins.prompts, wins.before.wins.units) == (0, 35, 70)
    assert (wins.lately.wins.value, wins.lately.wins.prompts) == (pytest.approx(3 / 5), 35)


def test_the_moving_window_is_of_the_last_hundred():
    wins = found(ranked([WORST] * 300 + [BEST] * WINDOW))

    assert (wins.before.wins.value, wins.lately.wins.value, wins.lately.wins.prompts) == (
        0,
        1,
        WINDOW,
    )


def test_of_few_rankings_all_are_one_window_and_nothing_is_compared():
    wins = found(ranked([WORST, BEST] * (LEAST - 1)))

    assert (wins.lately.wins.prompts, wins.before.wins.value, wins.z) == (2 * LEAST - 2, None, None)


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
    assert (wins.rankings, wins.lately.wins.value) == (9, 1)


@pytest.mark.parametrize("sft", [(), ("base",)])
def test_without_an_sft_model_nothing_is_defined(sft):
    wins = found(ranked([BEST] * 80), sft=sft)

    assert (wins.model, wins.rankings, wins.lately.wins.value, wins.z) == (None, 0, None, None)
    assert anchor_wins(no_labels(), sft={"sft"}).model is None


def drawn(rng, *, slates, labelers, n=160, change=0.0, of_slates=0.0, of_labelers=0.0):
    """Shares that change by so much for all, and otherwise for some slates and labelers."""
    slate, labeler = rng.integers(0, slates, n), rng.integers(0, labelers, n)
    is_late = np.arange(n) >= 0.6 * n
    own = rng.normal(0, of_slates, slates)[slate] + rng.normal(0, of_labelers, labelers)[labeler]
    shares = 0.05 * slate + is_late * (change + own) + rng.normal(0, 0.2, n)
    return shares, slate, labeler, is_late


def two_way(fit, groups):
    """The z that statsmodels' errors give for the first coefficient, the greatest of them."""
    both = np.unique(groups, axis=0, return_inverse=True)[1]
    with np.errstate(invalid="ignore"):  # levels of slates have no error there
        errors = [
            fit(cov_type="cluster", cov_kwds={"groups": one}).bse[0]
            for one in (groups, groups[:, 0], groups[:, 1], both)
        ]
    df = min(len(np.unique(one)) for one in groups.T) - 1
    change = fit().params[0]
    return np.sign(change) * stats.norm.isf(stats.t.sf(abs(change) / np.nanmax(errors), df))


@pytest.mark.parametrize("seed", range(10))
def test_the_change_is_that_of_a_regression_with_slates_and_labelers_as_clusters(seed):
    shares, slate, labeler, is_late = drawn(
        np.random.default_rng(seed), slates=6, labelers=9, change=0.1, of_labelers=0.1
    )
    design = np.column_stack([is_late, *(slate == one for one in range(6))]).astype(float)

    expected = two_way(sm.OLS(shares, design).fit, np.column_stack([slate, labeler]))

    assert shift(shares, slate, labeler, is_late) == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("spread", [{"of_labelers": 0.4}, {"of_slates": 0.4}])
def test_labelers_or_slates_that_each_change_by_chance_are_no_drift_of_all(spread):
    found = [
        shift(*drawn(np.random.default_rng(seed), slates=10, labelers=10, **spread))
        for seed in range(200)
    ]

    assert np.mean(np.abs(found) > 3) < 0.02


def test_which_anchors_came_when_is_no_drift_but_another_judgment_is():
    rng = np.random.default_rng(4)

    def history(late, *, change):
        """Of ten anchors, of which some are judged better, later rankings are of these alone."""

        def wins(i, slate):
            return rng.random() < 0.5 + 0.04 * slate + (change if i >= 100 else 0)

        return [
            Label(slate, slate, 1 + i % 8, (1, 2, 3),
                  BEST if wins(i, slate) else WORST, models=MODELS, purpose="anchor", id=1 + i)
            for i, slate in enumerate([*range(1, 11)] * 10 + late)
        ]  # fmt: skip

    steady = found(history([*range(6, 11)] * 20, change=0))
    drifted = found(history([*range(1, 11)] * 10, change=-0.5))

    assert steady.lately.wins.value > steady.before.wins.value + 0.05
    assert abs(steady.z) < 3
    assert drifted.z < -3


def test_rankings_of_a_slate_and_of_a_labeler_are_no_independent_wins():
    # Three of six labelers prefer the SFT model, whatever they are shown.
    shown = [
        Label(slate, slate, u, (1, 2, 3), BEST if u <= 3 else WORST, models=MODELS,
              purpose="anchor", id=6 * slate + u)
        for slate in range(1, 10)
        for u in range(1, 7)
    ]  # fmt: skip

    lately = found(shown).lately

    # As of six labelers with the shares 1 and 0.
    assert lately.wins.se == pytest.approx(np.std([0, 0, 0, 1, 1, 1], ddof=1) / np.sqrt(6))
    assert lately.ci95 == (0.0, 1.0)  # 0.5 with 2.57 times 0.22 to either side


def test_of_one_labeler_or_one_slate_no_error_is_known():
    def of(slate, labeler):
        return [
            Label(slate(i), slate(i), labeler(i), (1, 2, 3), (BEST, WORST)[i % 2], models=MODELS,
                  purpose="anchor", id=1 + i)
            for i in range(40)
        ]  # fmt: skip

    for one in (found(of(lambda _: 1, lambda i: i)), found(of(lambda i: i, lambda _: 1))):
        assert (one.lately.wins.value, one.lately.wins.se, one.lately.ci95) == (0.5, None, None)
        assert anchor_watch(one).lately.status == "provisional"


def test_where_nothing_varies_there_is_no_change_to_test():
    assert found(ranked([BEST] * 80)).z is None
    assert shift(np.ones(3), np.arange(3), np.arange(3), np.array([True, False, True])) is None


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


def test_few_slates_or_labelers_tell_of_no_change():
    orders = [BEST, WORST, WORST] * 40
    alone = [replace(one, labeler=1 + one.id % 4) for one in ranked(orders)]

    few_slates = anchor_watch(found(ranked(orders, slates=4)))
    few_labelers = anchor_watch(found(alone))

    assert (few_slates.z, few_labelers.z) == (None, None)
    assert few_slates.reason == (
        "not enough data: 4 of 5 anchors that were ranked lately and before"
    )
    assert few_labelers.reason == "not enough data: 4 of 5 labelers of anchors"
