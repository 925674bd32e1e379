"""Reliabilities against V21, and what they say of a careless and of a reversed labeler."""

import numpy as np
import pytest
from scipy.optimize import minimize

from app.agreement.behaviour.crowd_bt import crowd_bradley_terry, fit, reliabilities
from tests.vectors import VECTORS

V21 = VECTORS["V21"]


def penalized(parameters, winner, loser, labeler, count, items):
    """Compute the objective of V21, with a minus, from strengths and the logits of eta."""
    t, eta = parameters[:items], 1 / (1 + np.exp(-parameters[items:]))
    s = 1 / (1 + np.exp(t[loser] - t[winner]))
    likelihood = count * np.log(eta[labeler] * s + (1 - eta[labeler]) * (1 - s))
    prior = (3 * np.log(eta) + np.log(1 - eta)).sum() - 0.05 * (t**2).sum()
    return -(likelihood.sum() + prior)


def v21():
    rows = [
        (int(name[1]) - 1, winner, loser, count)
        for name, winner, loser, count in V21["input"]["rows_labeler_winner_loser_count"]
    ]
    labeler, winner, loser, count = map(np.array, zip(*rows, strict=True))
    return {"winner": winner, "loser": loser, "labeler": labeler, "count": count.astype(float)}


def test_v21_strengths_and_reliabilities():
    data, expected = v21(), V21["expected"]

    got = fit(**data, slate=np.zeros(18, np.int64), shape=(1, 3), labelers=3)

    assert got.strength[0] == pytest.approx(expected["strength_centred"], abs=1e-4)
    assert got.reliability == pytest.approx([*expected["eta"].values()], abs=1e-4)
    logits = np.log(got.reliability / (1 - got.reliability))
    assert penalized(np.r_[got.strength[0], logits], **data, items=3) == pytest.approx(
        expected["penalised_nll"], abs=1e-4
    )


@pytest.mark.parametrize("seed", range(10))
def test_a_general_optimizer_finds_nothing_better(seed):
    rng = np.random.default_rng(seed)
    winner = rng.integers(0, 4, 60)
    data = {
        "winner": winner,
        "loser": (winner + rng.integers(1, 4, 60)) % 4,
        "labeler": rng.integers(0, 3, 60),
        "count": rng.integers(1, 5, 60).astype(float),
    }

    got = fit(**data, slate=np.zeros(60, np.int64), shape=(1, 4), labelers=3)

    ours = np.r_[got.strength[0], np.log(got.reliability / (1 - got.reliability))]
    arguments = (*data.values(), 4)
    better = minimize(penalized, ours, args=arguments)
    assert penalized(ours, *arguments) == pytest.approx(better.fun, abs=1e-6)


def ranked(seed):
    """Forty slates of 5, each ranked by six labelers, of whom the 5th is careless."""
    rng = np.random.default_rng(seed)
    slate, labeler = np.repeat(np.arange(40), 6), np.tile(np.arange(6), 40)
    scores = 2 * rng.normal(size=(40, 5))[slate]
    scores[labeler == 4] = 0
    scores[labeler == 5] *= -1
    noisy = scores + rng.gumbel(size=scores.shape)
    return (np.argsort(np.argsort(-noisy)) + 1).astype(np.int8), slate, labeler


def test_a_careless_labeler_is_near_a_half_and_a_reversed_one_below():
    got = crowd_bradley_terry(*ranked(0), 6).reliability

    assert got[:4].min() > 0.85
    assert got[4] == pytest.approx(0.5, abs=0.1)
    assert got[5] < 0.2


def test_two_labels_of_a_slate_are_none_to_go_by():
    ranks, slate, labeler = ranked(0)
    two = labeler % 3 != 0  # the first and the fourth go
    some = np.isin(labeler, [3, 4])

    got = reliabilities(ranks[two], slate[two], slate[two], labeler[two], 6)
    with_one = reliabilities(ranks[some], slate[some], slate[some], labeler[some], 6)

    assert [one.value is None for one in got] == [True, False, False, True, False, False]
    assert [one.units for one in got] == [0, 400, 400, 0, 400, 400]
    assert {(one.units, one.half_width) for one in with_one} == {(0, None)}
    # Two who differ could both be right, so eta would be high.
    assert crowd_bradley_terry(ranks[some], slate[some], labeler[some], 6).reliability[4] > 0.9


def test_the_error_is_that_of_prompts_drawn_again():
    def found(seed):
        ranks, slate, labeler = ranked(seed)
        return reliabilities(ranks, slate, slate, labeler, 6)

    parts = [found(seed) for seed in range(30)]

    spreads = np.std([[one.value for one in part] for part in parts], axis=0, ddof=1)
    errors = np.mean([[one.se for one in part] for part in parts], axis=0)
    assert errors[4] / spreads[4] == pytest.approx(1, abs=0.25)
    # At the ends of the scale the prior leaves little to vary, and the error is on the safe side.
    assert (errors > 0.75 * spreads).all()


def test_names_and_the_order_of_responses_change_nothing():
    ranks, slate, labeler = ranked(1)
    names, columns = np.array([3, 1, 5, 0, 2, 4]), np.array([4, 2, 0, 1, 3])

    got = crowd_bradley_terry(ranks, slate, labeler, 6)
    other = crowd_bradley_terry(ranks[::-1, columns], 39 - slate[::-1], names[labeler[::-1]], 6)

    assert other.reliability[names] == pytest.approx(got.reliability, abs=1e-6)
    assert other.strength[::-1] == pytest.approx(got.strength[:, columns], abs=1e-5)


@pytest.mark.parametrize("ranks", [np.ones((3, 4)), np.zeros((3, 4)), np.empty((0, 4))])
def test_without_a_preference_the_prior_is_all_there_is(ranks):
    slate = np.arange(len(ranks))

    got = crowd_bradley_terry(ranks.astype(np.int8), slate, slate, 3)

    assert got.reliability == pytest.approx([0.75] * 3)
    assert not got.strength.any()
