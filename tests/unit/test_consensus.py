"""Consensus of one slate: V14, V15, V31, all of Kemeny's orders, and what holds for all data."""

from fractions import Fraction
from itertools import combinations, islice, permutations

import numpy as np
import pytest
from scipy.stats import rankdata

from app.agreement.metrics.consensus import (
    PairSplit,
    kemeny,
    mean_mid_ranks,
    pair_splits,
    preferences,
)
from tests.vectors import VECTORS


def table(rankings):
    return np.array([list(ranking.values()) for ranking in rankings.values()])


def brute_force(ranks):
    """The least cost and all orders of that cost, by trying every one."""
    judged = [i for i in range(ranks.shape[1]) if compares(ranks, i)]
    cost = {
        order: sum(
            int(((ranks[:, worse] < ranks[:, better]) & (ranks[:, worse] > 0)).sum())
            for better, worse in combinations(order, 2)
        )
        for order in permutations(judged)
    }
    least = min(cost.values())
    return least, sorted(order for order, one in cost.items() if one == least)


def compares(ranks, i):
    return any(row[i] > 0 and (row > 0).sum() > 1 for row in ranks)


def slates(count, *, seed):
    rng = np.random.default_rng(seed)
    for _ in range(count):
        labels, width = rng.integers(1, 6), rng.integers(2, 7)
        ranks = rng.integers(1, width + 1, size=(labels, width))
        yield ranks * (rng.random(ranks.shape) > 0.15), rng


@pytest.mark.parametrize("name", ["condorcet_cycle", "ties"])
def test_v15_mean_mid_ranks_and_all_orders_of_kemeny(name):
    expected = VECTORS["V15"]["expected"][name]
    counted = preferences(table(VECTORS["V15"]["input"][name]))

    found = kemeny(counted)

    assert mean_mid_ranks(counted) == list(expected["mean_midrank"].values())
    assert found.cost == expected["kemeny_cost"]
    assert ["".join("abcd"[i] for i in order) for order in found.orders()] == (
        expected["kemeny_orders"]
    )
    assert found.is_unique == (len(expected["kemeny_orders"]) == 1)


def test_v15_a_cycle_has_no_unique_order_and_shares_only_what_all_orders_say():
    found = kemeny(preferences(table(VECTORS["V15"]["input"]["condorcet_cycle"])))

    assert found.common == [(0, 3), (1, 3), (2, 3)]


def test_v31_the_split_of_each_pair():
    expected = VECTORS["V31"]["expected"]

    splits = pair_splits(preferences(table(VECTORS["V31"]["input"]["rankings"])))

    assert ["-".join("abcde"[i] for i in split.pair) for split in splits] == list(expected)
    for split, one in zip(splits, expected.values(), strict=True):
        assert (split.first, split.tie, split.second) == (one["first"], one["tie"], one["second"])
        assert split.entropy == pytest.approx(one["entropy_norm"], abs=1e-6)


@pytest.mark.parametrize("name", VECTORS["V14"]["input"]["pair_labels"])
def test_v14_what_several_labels_of_one_pair_say(name):
    labels = VECTORS["V14"]["input"]["pair_labels"][name]
    expected = VECTORS["V14"]["expected"][name]

    split = PairSplit((0, 1), labels.count(1), labels.count(0), labels.count(-1))

    assert split.soft_label() == pytest.approx(expected["soft_label"], abs=1e-6)
    assert split.soft_label(prior=1) == pytest.approx(expected["laplace_soft_label"], abs=1e-6)
    assert split.majority == expected["majority"]
    assert split.is_unanimous == expected["unanimous_non_tied"]
    assert split.is_conflict == expected["conflict"]


def test_kemeny_finds_what_trying_every_order_finds():
    for ranks, _rng in slates(200, seed=1):
        cost, orders = brute_force(ranks)
        found = kemeny(preferences(ranks))

        assert found.cost == cost
        assert list(found.orders()) == orders
        assert found.is_unique == (len(orders) == 1)
        assert set(found.common) == set.intersection(
            *(set(combinations(order, 2)) for order in orders)
        )


def test_mean_mid_ranks_are_those_of_scipy_over_complete_rankings():
    for ranks, _rng in slates(200, seed=2):
        complete = np.maximum(ranks, 1)

        found = [float(one) for one in mean_mid_ranks(preferences(complete))]

        assert found == pytest.approx(rankdata(complete, axis=1).mean(axis=0), abs=1e-12)


def test_names_of_labelers_and_responses_change_nothing():
    for ranks, rng in slates(100, seed=3):
        columns = rng.permutation(ranks.shape[1])
        counted = preferences(ranks)
        shuffled = preferences(rng.permutation(ranks)[:, columns])

        assert mean_mid_ranks(shuffled) == [mean_mid_ranks(counted)[i] for i in columns]
        assert kemeny(shuffled).cost == kemeny(counted).cost
        assert {tuple(columns[list(pair)]) for pair in kemeny(shuffled).common} == set(
            kemeny(counted).common
        )
        assert sorted(split.entropy or 0 for split in pair_splits(shuffled)) == pytest.approx(
            sorted(split.entropy or 0 for split in pair_splits(counted))
        )


def test_what_nobody_compared_has_no_place():
    counted = preferences(np.array([[1, 0, 2], [0, 0, 1]]))

    assert mean_mid_ranks(counted) == [Fraction(1), None, Fraction(2)]
    assert list(kemeny(counted).orders()) == [(0, 2)]
    assert pair_splits(counted)[0].entropy is None
    assert pair_splits(counted)[0].soft_label() is None
    assert not pair_splits(counted)[0].is_unanimous


def test_without_labels_there_is_an_empty_order():
    counted = preferences(np.zeros((0, 4), dtype=np.int64))

    assert mean_mid_ranks(counted) == [None] * 4
    assert list(kemeny(counted).orders()) == [()]
    assert kemeny(counted).common == []


def test_nine_responses_that_everybody_ties_have_every_order():
    found = kemeny(preferences(np.ones((3, 9), dtype=np.int64)))

    assert found.cost == 0
    assert not found.is_unique
    assert found.common == []
    assert list(islice(found.orders(), 2)) == [tuple(range(9)), (0, 1, 2, 3, 4, 5, 6, 8, 7)]


def test_more_than_nine_responses_are_refused():
    with pytest.raises(ValueError, match="at most 9"):
        kemeny(preferences(np.arange(1, 11)[None]))
