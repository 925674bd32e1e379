"""The consensus of several orders, how far apart two are, conflicts, and what changed in a text."""

from fractions import Fraction
from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.agreement.metrics.orders import (
    conflicts,
    consensus,
    judged_pairs,
    read,
    reversed_pairs,
    written,
)
from app.labeling.ranking import dense_ranks
from app.projects.guideline_changes import changed_lines

LETTERS = dict(enumerate("ABCDEFGHI"))
RANKS = st.one_of(st.none(), st.integers(1, 9))


def orders_of(ranks, *, most=5):
    """Several orders of the same responses."""
    return st.integers(2, 9).flatmap(
        lambda size: st.lists(
            st.lists(ranks, min_size=size, max_size=size).map(lambda row: dict(enumerate(row))),
            min_size=1,
            max_size=most,
        )
    )


def mid_ranks(order):
    """The mean place of each response, ties sharing theirs."""
    return {
        one: Fraction(
            2 * sum(rank < order[one] for rank in order.values())
            + 1
            + sum(rank == order[one] for rank in order.values()),
            2,
        )
        for one in order
    }


def test_the_consensus_is_the_order_of_mean_ranks():
    others = [{0: 1, 1: 2, 2: 3, 3: 3}, {0: 2, 1: 1, 2: 3, 3: 4}]

    # Mean mid-ranks: 1.5, 1.5, 3.25, 3.75.
    assert consensus(others) == {0: 1, 1: 1, 2: 2, 3: 3}


def test_a_response_that_nobody_judged_has_no_rank_in_the_consensus():
    assert consensus([{0: 2, 1: None, 2: 1}, {0: 2, 1: None, 2: 1}]) == {0: 2, 1: None, 2: 1}


def test_a_response_that_one_could_not_judge_is_placed_by_the_others():
    assert consensus([{0: 1, 1: None, 2: 2}, {0: 2, 1: 1, 2: 3}]) == {0: 2, 1: 1, 2: 3}


@given(orders_of(st.integers(1, 9)))
def test_over_complete_rankings_it_is_bordas(others):
    found = consensus(others)

    mean = {one: sum(mid_ranks(order)[one] for order in others) for one in others[0]}
    for i, j in combinations(found, 2):
        assert (found[i] < found[j]) == (mean[i] < mean[j])
        assert (found[i] == found[j]) == (mean[i] == mean[j])


@given(orders_of(RANKS))
def test_a_consensus_has_dense_ranks(others):
    ranks = {rank for rank in consensus(others).values() if rank is not None}

    assert ranks == set(range(1, len(ranks) + 1))


@given(orders_of(RANKS, most=1))
def test_an_order_is_nowhere_opposed_to_itself_and_everywhere_to_its_reverse(orders):
    (order,) = orders
    reverse = {one: None if rank is None else -rank for one, rank in order.items()}
    ranked = [rank for rank in order.values() if rank is not None]
    strict = sum(i != j for i, j in combinations(ranked, 2))

    assert reversed_pairs(order, order) == 0
    assert reversed_pairs(order, reverse) == reversed_pairs(reverse, order) == strict
    assert judged_pairs(order, reverse) == len(ranked) * (len(ranked) - 1) // 2


def test_a_tie_is_opposed_to_nothing():
    assert reversed_pairs({0: 1, 1: 1, 2: 2}, {0: 1, 1: 2, 2: 3}) == 0
    assert reversed_pairs({0: 1, 1: 2, 2: 3}, {0: 2, 1: 1, 2: 3}) == 1


def test_an_order_is_written_best_first_with_ties():
    assert written({0: 2, 1: 3, 2: 1, 3: None, 4: 2}, LETTERS) == "C > A=E > B"


@pytest.mark.parametrize(
    ("ranks", "ratings", "gap", "expected"),
    [
        ((1, 2), (3, 6), 2, (1, 1)),
        ((1, 2), (6, 3), 2, (0, 1)),
        ((1, 1), (6, 3), 2, (0, 1)),
        ((1, 2), (4, 5), 2, (0, 0)),
        ((1, 2), (4, 5), 1, (1, 1)),
        ((1, None, 2), (1, 7, 7), 2, (1, 1)),
        ((1, 2), (None, 5), 2, (0, 0)),
    ],
)
def test_a_conflict_is_a_clearly_better_rating_with_a_worse_rank(ranks, ratings, gap, expected):
    assert conflicts(ranks, ratings, gap=gap) == expected


def test_changed_lines_come_with_what_is_around_them():
    old = "one\ntwo\nthree\nfour\nfive\nsix\nseven\neight"
    new = old.replace("four", "FOUR")

    shown = [(line.kind, line.text) for line in changed_lines(old, new)]

    assert shown == [
        ("left_out", ""),
        ("same", "two"), ("same", "three"), ("removed", "four"), ("added", "FOUR"),
        ("same", "five"), ("same", "six"),
        ("left_out", ""),
    ]  # fmt: skip


@given(st.lists(st.sampled_from("abc")), st.lists(st.sampled_from("abc")))
def test_equal_texts_alone_have_no_changed_lines(old, new):
    assert (changed_lines("\n".join(old), "\n".join(new)) == []) == (old == new)


@given(st.lists(st.one_of(st.none(), st.integers(1, 9)), min_size=1, max_size=9).filter(any))
def test_what_is_written_can_be_read(ranks):
    dense = dense_ranks(ranks)

    found = read(written(dict(enumerate(dense)), LETTERS).lower(), LETTERS.values())

    assert found == {LETTERS[i]: rank for i, rank in enumerate(dense) if rank is not None}


@pytest.mark.parametrize(
    "order", ["", "A > A", "A > Z", "A = B > A", "A > > B", "A >", "AB", "A, B"]
)
def test_an_order_that_says_something_else_is_refused(order):
    with pytest.raises(ValueError, match="at most once"):
        read(order, "ABCDEFGHI")
