"""Ranks to comparisons: V13, and what holds for every ranking."""

import json
from itertools import combinations
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.labeling.ranking import comparisons_of, dense_ranks

VECTORS = {
    vector["id"]: vector
    for vector in json.loads((Path(__file__).parents[1] / "vectors.json").read_text())["vectors"]
}
V13 = VECTORS["V13"]
RANKS = st.lists(st.one_of(st.none(), st.integers(1, 9)), min_size=0, max_size=9)


@pytest.mark.parametrize("name", V13["input"]["rankings"])
def test_v13_a_ranking_gives_these_comparisons_ties_and_weights(name):
    ranking = V13["input"]["rankings"][name]
    expected = V13["expected"][name]
    letters = list(ranking)

    got = comparisons_of(list(ranking.values()))

    assert sorted(f"{letters[c]}>{letters[r]}" for c, r in got.strict) == expected["comparisons"]
    assert sorted(f"{letters[i]}={letters[j]}" for i, j in got.ties) == expected["ties"]
    assert len(got.strict) + len(got.ties) == expected["n_possible"]
    assert got.weight_all == pytest.approx(expected["weight_all"], abs=1e-6)
    assert got.weight_kept == pytest.approx(expected["weight_kept"], abs=1e-6)


@pytest.mark.parametrize(("k", "pairs"), list(V13["expected"]["pairs_by_K"].items()))
def test_v13_k_responses_without_ties_give_this_many_comparisons(k, pairs):
    assert len(comparisons_of(list(range(1, int(k) + 1))).strict) == pairs


def test_v34_an_all_tied_ranking_has_no_comparison_and_no_weight():
    got = comparisons_of([1, 1, 1])

    assert got.strict == ()
    assert got.weight_kept is None


def test_a_response_that_cannot_be_judged_is_in_no_pair():
    got = comparisons_of([2, None, 1])

    assert got.strict == ((2, 0),)
    assert got.ties == ()
    assert got.weight_kept == 1
    assert got.weight_all == 1


def test_fewer_than_two_judged_responses_have_no_pairs_and_no_weights():
    got = comparisons_of([None, 1, None])

    assert (got.strict, got.ties) == ((), ())
    assert (got.weight_kept, got.weight_all) == (None, None)


def test_ranks_are_made_dense():
    assert dense_ranks([2, 1, 2, 2, 5]) == [2, 1, 2, 2, 3]
    assert dense_ranks([7, None, 3]) == [2, None, 1]
    assert dense_ranks([]) == []


@given(RANKS)
def test_making_ranks_dense_changes_no_comparison(ranks):
    dense = dense_ranks(ranks)

    assert comparisons_of(dense) == comparisons_of(ranks)
    assert sorted({r for r in dense if r is not None}) == list(
        range(1, len({r for r in ranks if r is not None}) + 1)
    )


@given(RANKS)
def test_every_judged_pair_is_either_one_comparison_or_one_tie(ranks):
    judged = [i for i, rank in enumerate(ranks) if rank is not None]

    got = comparisons_of(ranks)

    assert sorted(tuple(sorted(pair)) for pair in got.strict + got.ties) == list(
        combinations(judged, 2)
    )
    assert all(ranks[chosen] < ranks[rejected] for chosen, rejected in got.strict)


@given(RANKS)
def test_the_kept_weights_of_a_ranking_sum_to_one_or_there_are_none(ranks):
    got = comparisons_of(ranks)

    if got.weight_kept is None:
        assert got.strict == ()
    else:
        assert len(got.strict) * got.weight_kept == pytest.approx(1)
