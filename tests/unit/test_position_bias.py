"""Position bias against V22 and scipy, and what holds for all data."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import chi2, kendalltau

from app.agreement.behaviour.position_bias import (
    best_by_position,
    chi_square,
    chi_square_tail,
    kendall_s,
    position_tests,
)
from tests.vectors import VECTORS

V22 = VECTORS["V22"]


def v22():
    rows = V22["input"]["rows_display_order_and_buckets"]
    ranks = np.array([[buckets[one] for one in "abcd"] for _, buckets in rows], np.int8)
    places = np.array([[shown.index(one) + 1 for one in "abcd"] for shown, _ in rows], np.int8)
    return ranks, places


def random_rankings(rng, n, *, width=9):
    """Rankings with ties of 2 to `width` shown responses, some of them not judged."""
    k = rng.integers(2, width + 1, n)
    order = np.argsort(rng.random((n, width)), axis=1)
    places = np.where(order < k[:, None], order + 1, 0).astype(np.int8)
    is_judged = (places > 0) & (rng.random((n, width)) < 0.9)
    return np.where(is_judged, rng.integers(1, 6, (n, width)), 0).astype(np.int8), places


def test_v22_the_pooled_test():
    expected = V22["expected"]

    (got,) = position_tests(*v22(), np.zeros(6, np.int64), 1)

    assert (got.s, got.variance, got.rankings) == (expected["S"], expected["var_S"], 6)
    assert got.z == pytest.approx(expected["z"], abs=1e-6)
    assert got.p == pytest.approx(expected["p_two_sided"], abs=1e-6)


def test_v22_best_by_position_and_its_chi_square():
    expected = V22["expected"]

    ((got,),) = best_by_position(*v22(), np.zeros(6, np.int64), 1)

    assert got.best == pytest.approx(expected["best_counts_by_position"])
    assert (got.responses, got.rankings) == (4, 6)
    # Six rankings are too few for the test to be shown.
    assert (got.chi2, got.p, got.reason) == (None, None, "not enough data: 6 of 20 tasks")
    assert chi_square(np.array(got.best)) == pytest.approx(expected["chi2"], abs=1e-6)
    assert chi_square_tail(expected["chi2"], 3) == pytest.approx(expected["chi2_p"], abs=1e-6)


@pytest.mark.parametrize("df", range(1, 9))
@pytest.mark.parametrize("x", [0.0, 0.3, 4.0, 30.0, 200.0])
def test_the_tail_of_chi_square_is_that_of_scipy(x, df):
    assert chi_square_tail(x, df) == pytest.approx(chi2.sf(x, df), rel=1e-9)


def test_s_and_its_variance_are_those_of_scipy_on_200_rankings():
    ranks, places = random_rankings(np.random.default_rng(0), 200)

    s, eighteenths = kendall_s(ranks, places)

    # scipy divides by n - 2.
    for row in np.flatnonzero((eighteenths > 0) & (np.count_nonzero(ranks, axis=1) > 2)):
        judged = ranks[row] > 0
        # By its asymptotic law scipy's p comes from z = S / sqrt(Var).
        result = kendalltau(ranks[row][judged], places[row][judged], method="asymptotic")
        z = s[row] / np.sqrt(eighteenths[row] / 18)
        assert result.pvalue == pytest.approx(chi2.sf(z**2, 1), abs=1e-9)
        assert np.sign(result.statistic) == np.sign(s[row])


def test_chance_gives_a_standard_normal_z():
    rng = np.random.default_rng(1)
    ranks, places = random_rankings(rng, 20_000)
    group = np.arange(20_000) // 50

    z = np.array([one.z for one in position_tests(ranks, places, group, 400)])

    assert z.mean() == pytest.approx(0, abs=0.15)
    assert z.std() == pytest.approx(1, abs=0.1)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_names_columns_and_batches_change_nothing(seed):
    rng = np.random.default_rng(seed)
    ranks, places = random_rankings(rng, 60)
    group, names = rng.integers(0, 4, 60), rng.permutation(4)
    order, columns = rng.permutation(60), rng.permutation(9)

    got = position_tests(ranks, places, group, 4)
    tables = best_by_position(ranks, places, group, 4)
    moved = (ranks[order][:, columns], places[order][:, columns], names[group][order], 4)
    halves = [position_tests(ranks[h], places[h], group[h], 4) for h in np.split(order, 2)]

    assert [position_tests(*moved)[i] for i in names] == got
    for i, others in enumerate(best_by_position(*moved)[name] for name in names):
        assert [(one.responses, one.rankings) for one in others] == [
            (one.responses, one.rankings) for one in tables[i]
        ]
        for one, other in zip(tables[i], others, strict=True):
            assert other.best == pytest.approx(one.best)
            assert sum(one.best) == pytest.approx(one.rankings)
    for i, one in enumerate(got):
        assert one.s == sum(half[i].s for half in halves)
        assert one.variance == pytest.approx(sum(half[i].variance for half in halves), abs=1e-9)


def test_labeled_in_display_order_or_against_it():
    places = np.tile(np.array([3, 1, 2], np.int8), (40, 1))

    (forwards,) = position_tests(places, places, np.zeros(40, np.int64), 1)
    (backwards,) = position_tests(4 - places, places, np.zeros(40, np.int64), 1)
    ((table,),) = best_by_position(places, places, np.zeros(40, np.int64), 1)

    assert forwards.z == -backwards.z > 3
    assert table.best == (40, 0, 0)
    assert table.p < 1e-6
    assert table.reason is None


@pytest.mark.parametrize(
    "ranks",
    [np.ones((5, 4)), np.zeros((5, 4)), np.tile([1, 0, 0, 0], (5, 1)), np.empty((0, 4))],
    ids=["all tied", "none judged", "one judged", "no ranking"],
)
def test_what_tells_nothing_has_no_z(ranks):
    places = np.tile(np.arange(1, 5, dtype=np.int8), (len(ranks), 1))

    (got,) = position_tests(ranks.astype(np.int8), places, np.zeros(len(ranks), np.int64), 1)

    assert (got.z, got.p, got.rankings) == (None, None, 0)


def test_a_response_whose_place_is_not_known_is_left_aside():
    ranks, places = np.array([[1, 2, 3, 4]], np.int8), np.array([[1, 2, 3, 0]], np.int8)

    (got,) = position_tests(ranks, places, np.zeros(1, np.int64), 1)
    (without,) = position_tests(ranks[:, :3], places[:, :3], np.zeros(1, np.int64), 1)

    assert got == without


def test_slates_of_several_sizes_have_a_table_each_and_unjudged_ones_none():
    ranks = np.array([[1, 2, 3, 0], [1, 1, 2, 3], [2, 1, 3, 4], [1, 2, 0, 0]], np.int8)
    places = np.array([[1, 2, 3, 0], [1, 2, 3, 4], [1, 2, 3, 4], [1, 2, 3, 0]], np.int8)

    (got,) = best_by_position(ranks, places, np.zeros(4, np.int64), 1)

    assert [(one.responses, one.rankings, one.best) for one in got] == [
        (3, 1, (1, 0, 0)),
        (4, 2, (0.5, 1.5, 0, 0)),
    ]
