"""Drift against V24 and statsmodels; an unchanged labeler alarms once in 500 prompts."""

import numpy as np
import pytest
from statsmodels.stats.proportion import proportions_ztest

from app.agreement.behaviour.drift import (
    alarm_height,
    cusum,
    drift_of,
    ewma,
    two_proportions,
)
from tests.simulated_labelers import qualities, ranks_by
from tests.vectors import VECTORS

V24 = VECTORS["V24"]


def test_v24_two_windows_ewma_and_cusum():
    given, expected = V24["input"], V24["expected"]

    difference = two_proportions(given["window_1"], given["window_2"])

    assert difference.z == pytest.approx(expected["z"], abs=1e-6)
    assert difference.p == pytest.approx(expected["p"], abs=1e-6)
    assert cusum(given["sequence"], given["p0"], given["slack"]) == pytest.approx(
        expected["cusum"], abs=1e-6
    )
    assert ewma(given["sequence"], given["p0"], given["ewma_lambda"]) == pytest.approx(
        expected["ewma"], abs=1e-6
    )


def test_two_proportions_are_those_of_statsmodels_on_200_data_sets():
    rng = np.random.default_rng(0)
    for n, m in rng.integers(2, 60, (200, 2)).tolist():
        a, b = int(rng.integers(1, n)), int(rng.integers(1, m))

        z, p = proportions_ztest([a, b], [n, m])

        got = two_proportions((a, n), (b, m))
        assert (got.z, got.p) == pytest.approx((z, p), abs=1e-9)


@pytest.mark.parametrize("windows", [((0, 0), (3, 5)), ((0, 4), (0, 9)), ((4, 4), (9, 9))])
def test_proportions_without_a_spread_are_not_compared(windows):
    assert two_proportions(*windows) is None


def prompts_to_alarm(shares, height, usual):
    """(runs,) after how many prompts each row of `shares` alarms; all of them do."""
    s, first = np.zeros(len(shares)), np.zeros(len(shares), np.int64)
    for i, x in enumerate(shares.T, start=1):
        s = np.maximum(0, s + usual - x - 0.05)
        first = np.where((first == 0) & (s > height), i, first)
    assert first.all()
    return first


@pytest.mark.parametrize("seed", range(2))
def test_an_unchanged_labeler_alarms_once_in_500_prompts(seed):
    rng = np.random.default_rng(seed)
    quality = qualities(rng, 20_000)
    first, second = np.triu_indices(6, 1)
    one, other = (ranks_by(rng, quality).astype(int) for _ in range(2))
    same = (one[:, first] < one[:, second]) == (other[:, first] < other[:, second])
    shares = same.mean(axis=1)
    assert shares.mean() == pytest.approx(0.726, abs=0.005)
    assert shares.std() == pytest.approx(0.169, abs=0.005)

    height = alarm_height(shares)
    alarms = prompts_to_alarm(rng.choice(shares, (1500, 6000)), height, shares.mean())

    assert alarms.mean() == pytest.approx(500, rel=0.1)


def test_the_alarm_height_of_bernoulli_trials_is_that_of_the_exact_chain():
    """Solve for the average run length on the lattice of a CUSUM with steps of 0.05."""
    height = alarm_height(np.repeat([0.0, 1.0], [1, 3]))

    # S moves by -6/20 on a success, +14/20 on a failure, each in twentieths.
    states = int(height * 20) + 1
    step = np.zeros((states, states))
    for s in range(states):
        step[s, max(0, s - 6)] += 0.75
        if s + 14 < states:
            step[s, s + 14] += 0.25
    run_length = np.linalg.solve(np.eye(states) - step, np.ones(states))[0]
    assert run_length == pytest.approx(500, rel=0.12)


@pytest.mark.parametrize("n", [0, 1, 30])
def test_there_is_no_drift_before_the_reference_is_complete(n):
    got = drift_of([0.7] * n, team=0.7, height=1.1)

    assert (got.prompts, got.ewma, got.cusum, got.alarm, got.since) == (n, None, None, None, None)
    assert not got.is_alarming


def steady(n, seed=4):
    return np.random.default_rng(seed).normal(0.72, 0.15, n).tolist()


def test_an_alarm_tells_since_when_and_ends_with_recovery():
    fallen = drift_of([*steady(60), *[0.4] * 20], team=0.72, height=1.1)
    recovered = drift_of([*steady(60), *[0.4] * 20, *[0.9] * 60], team=0.72, height=1.1)

    assert fallen.is_alarming
    assert 60 < fallen.since < 70
    assert fallen.cusum > fallen.alarm
    assert fallen.ewma < 0.45
    assert not recovered.is_alarming


def test_to_have_been_lower_than_the_team_always_is_no_drift():
    low = [x - 0.2 for x in steady(200)]

    assert not drift_of(low, team=0.72, height=1.1).is_alarming


def test_to_come_down_to_the_team_after_a_lucky_start_is_no_drift():
    lucky = [*[x + 0.15 for x in steady(30)], *steady(100)]

    assert not drift_of(lucky, team=0.72, height=1.1).is_alarming
    assert drift_of(lucky, team=None, height=1.1).is_alarming


def test_where_all_labels_agree_a_single_other_one_is_no_drift():
    height = alarm_height(np.zeros(40))

    assert not drift_of([*[1.0] * 40, 0.6], team=1.0, height=height).is_alarming
    assert drift_of([*[1.0] * 40, 0.6, 0.6], team=1.0, height=height).is_alarming
