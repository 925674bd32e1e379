"""Pace, ratings, display order and ties against V23 and scipy."""

import math
from itertools import permutations, product

import numpy as np
import pytest
from scipy.stats import entropy, median_abs_deviation, poisson

from app.agreement.behaviour.effort import (
    display_orders,
    opened_long,
    paces,
    poisson_tail,
    ratings_of,
    robust_z,
    tied_pairs,
    words_per_minute,
)
from tests.vectors import VECTORS

V23 = VECTORS["V23"]
NAN = math.nan


def one_labeler(rows):
    return np.zeros(len(rows), np.int64), 1


def test_v23_words_per_minute_and_robust_z():
    given, expected = V23["input"], V23["expected"]
    words, ms = np.array(given["words_shown"]), 1000 * np.array(given["active_seconds"])

    wpm = words_per_minute(words, ms)
    (pace,) = paces(words, ms, *one_labeler(words))

    assert wpm == pytest.approx(expected["words_per_minute"], abs=1e-6)
    assert robust_z(np.log(wpm)) == pytest.approx(expected["robust_z_of_log_wpm"], abs=1e-6)
    assert pace.tasks == 8
    assert pace.too_fast == sum(expected["flag_over_1000_wpm"])
    assert pace.outliers == 1
    assert pace.median_wpm == pytest.approx(np.median(expected["words_per_minute"]))


def test_v23_modal_share_and_entropy_of_ratings():
    expected = V23["expected"]
    ratings = np.array(V23["input"]["ratings"], np.int8).reshape(2, 6)

    (got,) = ratings_of(ratings, *one_labeler(ratings))

    assert got.count == 12
    assert got.modal_share == pytest.approx(expected["modal_share"], abs=1e-6)
    assert got.entropy == pytest.approx(expected["normalised_entropy"], abs=1e-6)


def test_robust_z_and_entropy_are_those_of_scipy_on_200_data_sets():
    rng = np.random.default_rng(0)
    for _ in range(200):
        values = rng.normal(size=rng.integers(3, 30))
        ratings = rng.integers(0, 8, (1, rng.integers(2, 10))).astype(np.int8)

        z = robust_z(values)
        (got,) = ratings_of(ratings, *one_labeler(ratings))

        mad = median_abs_deviation(values, scale="normal")
        assert z == pytest.approx((values - np.median(values)) / mad)
        counts = np.bincount(ratings[ratings > 0], minlength=8)
        assert got.count == counts.sum()
        if got.count:
            assert got.entropy == pytest.approx(entropy(counts) / math.log(7), abs=1e-12)


def test_a_task_without_a_known_time_has_no_pace():
    words, ms = np.array([100, 100, 100, 0]), np.array([NAN, 0.0, 60_000.0, 60_000.0])

    (some,) = paces(words, ms, *one_labeler(words))
    (none,) = paces(words[:2], ms[:2], *one_labeler(words[:2]))

    assert (some.tasks, some.median_wpm, some.too_fast, some.outliers) == (1, 100, 0, 0)
    assert (none.tasks, none.median_wpm) == (0, None)


def test_equal_paces_have_no_outliers():
    assert robust_z(np.ones(5)) is None
    assert robust_z(np.empty(0)) is None


def test_each_labeler_has_their_own_pace():
    words, ms = np.full(4, 600), np.array([60_000.0, 30_000.0, NAN, 180_000.0])

    got = paces(words, ms, np.array([2, 2, 0, 3]), 5)

    assert [one.median_wpm for one in got] == [None, None, 900, 200, None]
    assert [one.too_fast for one in got] == [0, 0, 1, 0, 0]


@pytest.mark.parametrize(
    ("ratings", "modal_share", "relative_entropy"),
    [([5, 5, 5, 0], 1, 0), ([1, 2, 3, 4, 5, 6, 7], 1 / 7, 1), ([0, 0], None, None)],
)
def test_the_spread_of_ratings(ratings, modal_share, relative_entropy):
    (got,) = ratings_of(np.array([ratings], np.int8), np.array([0]), 1)

    assert got.modal_share == pytest.approx(modal_share)
    assert got.entropy == pytest.approx(relative_entropy)


@pytest.mark.parametrize(
    "ranks", sorted({tuple(sorted(one)) for one in product((1, 2, 3), repeat=4)})
)
def test_the_chance_of_the_display_order_is_that_of_all_orders(ranks):
    orders = np.array(list(permutations(ranks)), np.int8)
    places = np.tile(np.arange(1, 5, dtype=np.int8), (len(orders), 1))

    (got,) = display_orders(orders, places, *one_labeler(orders))

    # What is tied throughout is always like the display and tells nothing.
    assert got.rankings == (0 if len(set(ranks)) == 1 else 24)
    assert got.as_displayed == pytest.approx(got.expected, abs=1e-9)


def test_a_labeler_who_leaves_the_display_order_stands_out():
    places = np.tile(np.array([2, 3, 1, 0], np.int8), (10, 1))

    (got,) = display_orders(places, places, *one_labeler(places))

    assert (got.rankings, got.as_displayed) == (10, 10)
    assert got.expected == pytest.approx(10 / 6)
    assert got.p == pytest.approx(poisson.sf(9, 10 / 6))


@pytest.mark.parametrize("ranks", [np.ones((5, 4)), np.zeros((5, 4)), np.empty((0, 4))])
def test_what_tells_nothing_has_no_p(ranks):
    places = np.tile(np.arange(1, 5, dtype=np.int8), (len(ranks), 1))

    (got,) = display_orders(ranks.astype(np.int8), places, *one_labeler(ranks))

    assert (got.rankings, got.as_displayed, got.p) == (0, 0, None)


@pytest.mark.parametrize(
    ("least", "mean"), [(0, 3.0), (1, 1e-4), (5, 0.2), (3, 10.0), (60, 20.0), (400, 300.0)]
)
def test_the_tail_of_poisson_is_that_of_scipy(least, mean):
    assert poisson_tail(least, mean) == pytest.approx(poisson.sf(least - 1, mean), rel=1e-9)


def test_ties_and_long_responses_are_counted_per_ranking():
    tied, pairs = tied_pairs(np.array([[1, 1, 2, 0], [1, 1, 1, 1], [1, 0, 0, 0]], np.int8))
    opened, long = opened_long(np.array([3, 0, 2]), np.array([1, 0, 2]))

    assert (tied.tolist(), pairs.tolist()) == ([1, 6, 0], [3, 6, 0])
    assert (opened.tolist(), long.tolist()) == ([1, 0, 2], [3, 0, 2])


def test_nobody():
    none, table = np.empty(0, np.int64), np.empty((0, 4), np.int8)

    assert paces(none, none.astype(float), none, 0) == []
    assert ratings_of(table, none, 0) == []
    assert display_orders(table, table, none, 0) == []
