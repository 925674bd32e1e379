"""Tau-b, Kendall's W and intraclass correlations: V09, V10, V12, against scipy, and degenerate."""

import tracemalloc
from dataclasses import astuple
from itertools import combinations

import numpy as np
import pytest
from scipy.stats import chi2, friedmanchisquare, kendalltau

from app.agreement.metrics.arrays import signs_of
from app.agreement.metrics.estimates import Measured
from app.agreement.metrics.intraclass import complete_block, intraclass
from app.agreement.metrics.rank_correlation import (
    NO_TAU,
    kendall_w,
    mean_kendall_w,
    mean_tau_b,
    mean_tau_b_of_labelers,
    tau_b,
)
from tests.vectors import VECTORS


def random_ranks(count, *, seed, labels=None, width=None, gaps=0.2):
    rng = np.random.default_rng(seed)
    for _ in range(count):
        shape = (labels or rng.integers(1, 7), width or rng.integers(2, 10))
        yield rng.integers(1, 5, size=shape) * (rng.random(shape) >= gaps), rng


@pytest.mark.parametrize(("name", "expected"), VECTORS["V09"]["expected"]["tau_b"].items())
def test_v09_tau_b_of_two_labelers(name, expected):
    prompt, labelers = name.split(":")
    one, other = (VECTORS["V01"]["input"]["rankings"][prompt][u] for u in labelers.split("-"))

    found = tau_b(np.array(list(one.values())), np.array(list(other.values())))

    assert found == pytest.approx(expected, abs=1e-6)


def test_v09_who_ties_everything_has_no_tau_b():
    assert tau_b(*np.array(VECTORS["V09"]["input"]["all_tied"])) is None


def test_v09_tau_b_is_of_ranks_by_response_and_not_of_ids_in_order():
    orders = [VECTORS["V09"]["input"][f"order_{i}_best_first"] for i in (1, 2)]
    by_response = [[order.index(response) + 1 for response in "abcd"] for order in orders]
    by_place = [["abcd".index(response) + 1 for response in order] for order in orders]
    expected = VECTORS["V09"]["expected"]

    assert tau_b(*np.array(by_response)) == pytest.approx(
        expected["pitfall_right_tau_of_rank_vectors"], abs=1e-6
    )
    assert tau_b(*np.array(by_place)) == expected["pitfall_wrong_tau_of_ordered_ids"]


def test_tau_b_is_that_of_scipy():
    compared = 0
    for (one, other), _rng in random_ranks(200, seed=1, labels=2):
        both = (one > 0) & (other > 0)
        x, y = one[both], other[both]
        found = tau_b(one, other)
        if len(set(x.tolist())) < 2 or len(set(y.tolist())) < 2:
            assert found is None
        else:
            compared += 1
            assert found == pytest.approx(kendalltau(x, y).statistic, abs=1e-12)
    assert compared > 100


def test_the_mean_tau_b_weighs_prompts_the_same_and_slates_by_their_labels():
    ranks = np.array([[1, 2, 3], [1, 2, 3], [3, 2, 1], [1, 2, 3], [3, 2, 1], [1, 1, 1]])
    slate, prompt = np.array([0, 0, 0, 1, 1, 1]), np.array([0, 0, 0, 1, 1, 1])

    found = mean_tau_b(signs_of(ranks), slate, prompt)

    # The first prompt has the taus 1, -1, -1, the second -1 and two that are not defined.
    assert found.value == pytest.approx((-1 / 3 - 1) / 2)
    assert found.se == pytest.approx(np.std([-1 / 3, -1], ddof=1) / np.sqrt(2))
    assert (found.units, found.prompts) == (4, 2)


def test_the_mean_tau_b_is_that_of_all_pairs_and_no_name_changes_it():
    for ranks, rng in random_ranks(50, seed=2, labels=12, width=5):
        slate = rng.integers(0, 6, size=12)
        prompt = slate // 2
        taus = {}
        for i, j in combinations(range(12), 2):
            tau = tau_b(ranks[i], ranks[j]) if slate[i] == slate[j] else None
            if tau is not None:
                taus.setdefault(prompt[i], []).append(tau)
        found = mean_tau_b(signs_of(ranks), slate, prompt)
        rows, columns, names = rng.permutation(12), rng.permutation(5), rng.permutation(3)
        shuffled = mean_tau_b(signs_of(ranks[rows][:, columns]), slate[rows], names[prompt[rows]])

        assert found.value == pytest.approx(np.mean([np.mean(one) for one in taus.values()]))
        assert (found.units, found.prompts) == (sum(map(len, taus.values())), len(taus))
        assert shuffled.value == pytest.approx(found.value)
        assert shuffled.se == pytest.approx(found.se)


@pytest.mark.parametrize(
    ("labels", "prompts"),
    [([], 0), ([[1, 2, 3]], 0), ([[1, 0, 0], [0, 2, 1]], 0), ([[1, 1, 1], [1, 2, 3]], 1)],
)
def test_without_two_rankings_that_order_something_there_is_no_mean_tau_b(labels, prompts):
    ranks = np.array(labels, dtype=np.int8).reshape(-1, 3)
    same = np.zeros(len(ranks), dtype=np.int64)

    found = mean_tau_b(signs_of(ranks), same, same)

    # What both judged is counted all the same: why there is none is not that nothing is shared.
    assert (found.value, found.se, found.units, found.prompts) == (None, None, 0, prompts)


@pytest.mark.parametrize(("name", "ranks"), VECTORS["V10"]["input"].items())
def test_v10_kendalls_w_with_and_without_ties(name, ranks):
    expected = VECTORS["V10"]["expected"][name.removesuffix("_buckets")]

    found = kendall_w(np.array(ranks))

    assert found.w == pytest.approx(expected["W"], abs=1e-6)
    assert found.friedman_chi2 == pytest.approx(expected["friedman_chi2"], abs=1e-6)
    assert chi2.sf(found.friedman_chi2, 5) == pytest.approx(expected["p_value"], abs=1e-6)
    assert found.mean_spearman == pytest.approx(expected["mean_spearman"], abs=1e-6)


def test_w_is_friedmans_statistic_of_scipy():
    for ranks, rng in random_ranks(200, seed=3, labels=4, gaps=0):
        if (ranks == ranks[:, :1]).all() or ranks.shape[1] < 3:
            continue
        found = kendall_w(ranks)

        assert found.friedman_chi2 == pytest.approx(friedmanchisquare(*ranks.T).statistic, abs=1e-9)
        assert 0 <= found.w <= 1 + 1e-12
        assert kendall_w(rng.permutation(rng.permutation(ranks), axis=1)) == found


def test_w_is_over_what_everybody_judged():
    ranks = np.array([[1, 2, 0, 3], [1, 2, 3, 4], [2, 1, 3, 4]])

    assert kendall_w(ranks) == kendall_w(ranks[:, [0, 1, 3]])


@pytest.mark.parametrize(
    "ranks",
    [
        np.zeros((0, 4)), [[1, 2, 3]], [[1], [1]], [[1, 1, 1], [2, 2, 2]], [[1, 0], [0, 1]],
        VECTORS["V34"]["input"]["single"]["P"]["L1"].values(),
    ],
)  # fmt: skip
def test_v34_without_anything_to_correlate_there_is_no_w(ranks):
    assert kendall_w(np.atleast_2d(np.array(list(ranks), dtype=np.int64))) is None


def test_v12_the_six_intraclass_correlations_of_shrout_and_fleiss():
    found = intraclass(np.array(VECTORS["V12"]["input"]["ratings"]))

    for name, expected in VECTORS["V12"]["expected"].items():
        assert getattr(found, name.lower()) == pytest.approx(expected, abs=1e-6)


def test_intraclass_correlations_follow_from_the_analysis_of_variance():
    for block, rng in random_ranks(200, seed=4, gaps=0):
        ratings = block.T
        n, k = ratings.shape
        if k < 2 or len(np.unique(ratings)) < 2:
            continue
        rows, columns = ratings.mean(axis=1, keepdims=True), ratings.mean(axis=0, keepdims=True)
        msr = k * rows.var(ddof=1)
        msc = n * columns.var(ddof=1)
        mse = ((ratings - rows - columns + ratings.mean()) ** 2).sum() / ((n - 1) * (k - 1))
        below = msr + (k - 1) * mse + k * (msc - mse) / n
        found = intraclass(ratings)

        assert found.icc2 == (pytest.approx((msr - mse) / below) if below > 1e-9 else None)
        assert intraclass(rng.permutation(rng.permutation(ratings), axis=1)) == found


def test_a_complete_block_is_what_everybody_rated():
    ratings = np.array([[7, 6, 0], [5, 4, 3], [1, 0, 2], [2, 3, 0]])

    block = complete_block(ratings, np.array([0, 0, 1, 1]), np.array([8, 3, 3, 8]))

    assert block.tolist() == [[5, 7], [4, 6], [1, 2]]
    assert complete_block(ratings, np.array([0, 0, 1, 1]), np.array([8, 3, 3, 9])).shape == (0, 3)
    nothing = np.zeros(0, dtype=np.int64)
    assert intraclass(complete_block(np.zeros((0, 4)), nothing, nothing)) is None


@pytest.mark.parametrize("ratings", [np.zeros((0, 0)), [[1, 2, 3]], [[1], [2]]])
def test_one_response_or_labeler_has_no_intraclass_correlation(ratings):
    assert intraclass(np.array(ratings, dtype=np.int64)) is None


def test_constant_ratings_have_no_intraclass_correlation():
    found = intraclass(np.full((5, 3), 4))

    assert set(vars(found).values()) == {None}


def test_labelers_who_only_differ_in_leniency_have_no_consistency_to_measure():
    found = intraclass(np.tile([1, 4, 6], (5, 1)))

    assert (found.icc2, found.icc3, found.icc3k) == (0.0, None, None)


def test_tau_b_of_labelers_is_that_of_each_alone():
    for ranks, _rng in random_ranks(30, seed=5, labels=12, width=5):
        slate, labeler = np.repeat(np.arange(4), 3), np.tile(np.arange(3), 4)
        prompt = slate // 2

        with_all, of_two = mean_tau_b_of_labelers(signs_of(ranks), slate, prompt, labeler)

        for u, v in combinations(range(3), 2):
            rows = labeler != 3 - u - v
            alone = mean_tau_b(signs_of(ranks[rows]), slate[rows], prompt[rows])
            assert astuple(of_two.get((u, v), NO_TAU)) == pytest.approx(astuple(alone))
        for u, found in with_all.items():
            taus = {}
            for i, j in combinations(range(12), 2):
                if slate[i] == slate[j] and u in (labeler[i], labeler[j]):
                    tau = tau_b(ranks[i], ranks[j])
                    taus.setdefault(prompt[i], []).extend([] if tau is None else [tau])
            assert found.value == pytest.approx(np.mean([np.mean(t) for t in taus.values() if t]))


def test_the_mean_w_is_that_of_slates_with_three_labels():
    for ranks, rng in random_ranks(50, seed=6, labels=12, width=5):
        slate = rng.permutation(np.array([0, 0, 1, 1, 1, 2, 2, 2, 3, 3, 3, 3]))
        each = [kendall_w(ranks[slate == one]) for one in (1, 2, 3)]
        known = [one for one in each if one is not None]

        w, spearman = mean_kendall_w(ranks, slate, slate)

        assert w.units == spearman.prompts == len(known)
        if known:
            assert w.value == pytest.approx(np.mean([one.w for one in known]))
            assert spearman.value == pytest.approx(np.mean([one.mean_spearman for one in known]))


def test_slates_on_which_everybody_ties_everything_are_counted_but_have_no_w():
    ranks, slate = np.ones((12, 4), dtype=np.int64), np.repeat(np.arange(4), 3)

    assert mean_kendall_w(ranks, slate, slate) == (Measured(None, None, 4, 4),) * 2


def test_ten_thousand_labelers_with_a_label_each_are_no_table_of_all_by_all():
    labeler, slate = np.arange(10_000), np.arange(10_000) // 2
    signs = signs_of(np.tile(np.array([1, 2, 3], np.int8), (10_000, 1)))

    tracemalloc.start()
    try:
        with_all, of_two = mean_tau_b_of_labelers(signs, slate, slate, labeler)
        most = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()

    assert (len(with_all), len(of_two)) == (10_000, 5000)
    assert set(with_all.values()) == set(of_two.values()) == {Measured(1.0, None, 1, 1)}
    assert most < 50 * 2**20  # a number for each two of them would be 400 MiB
