"""The leaderboard of a project's models: V16 as slates, what is hidden, and many prompts."""

import tracemalloc
from itertools import combinations

import numpy as np
import pytest
import statsmodels.api as sm
from scipy.stats import t as t_dist

from app.agreement.strengths.bradley_terry import bradley_terry, davidson
from app.agreement.strengths.rating import MOST_CLUSTERS, MOST_MODELS, rating_of
from app.agreement.strengths.standings import board_of as shown_board
from tests.vectors import VECTORS

V16 = VECTORS["V16"]
MODELS = V16["input"]["models"]


def duels(wins, *, prompts):
    """A label of two responses for each win of the matrix, spread over so many prompts."""
    pairs = [
        (winner, loser)
        for winner, row in enumerate(wins)
        for loser, count in enumerate(row)
        for _ in range(count)
    ]
    models = np.array(pairs)
    prompt = np.arange(len(pairs)) % prompts
    order = np.argsort(prompt, kind="stable")
    ranks = np.tile(np.array([1, 2], np.int8), (len(pairs), 1))
    return ranks, models[order], prompt[order]


def board_of(ranks, models, prompt, *, lengths=None, **more):
    lengths = np.full(models.shape, 100) if lengths is None else lengths
    return shown_board(rating_of(ranks, models, prompt, lengths, **more))


def board(wins, names=MODELS, *, prompts=100, sft=("sft",)):
    return board_of(*duels(wins, prompts=prompts), names=names, sft=sft)


def entries(found):
    return {entry.model: entry for entry in found.entries}


def test_models_stand_in_the_order_of_their_strengths_with_sft_at_1000():
    found = board(V16["input"]["wins_row_beats_column"])

    assert [entry.model for entry in found.entries] == ["ppo3", "ppo2", "ppo1", "sft"]
    assert (found.anchor, found.is_anchor_sft, found.prompts) == ("sft", True, 100)
    expected = V16["expected"]["elo_sft_1000"]
    for entry in found.entries:
        assert entry.elo == pytest.approx(expected[entry.model], abs=1e-6)
        assert entry.ci95[0] <= entry.elo <= entry.ci95[1]
    assert entries(found)["sft"].ci95 == (1000, 1000)


def test_the_rank_counts_the_models_that_are_better_beyond_doubt():
    found = board([[0, 10, 5], [90, 0, 50], [95, 50, 0]], ["sft", "one", "other"])

    assert {name: entry.rank for name, entry in entries(found).items()} == {
        "one": 1,
        "other": 1,
        "sft": 3,
    }


def test_win_rates_are_over_the_sft_model_and_ties_count_half():
    ranks = np.array([[1, 2, 2], [1, 1, 2]] * 60, np.int8)
    models = np.tile([0, 1, 0], (120, 1))

    found = board_of(ranks, models, np.arange(120), names=["sft", "ppo"], sft={"sft"})

    rate = entries(found)["ppo"].win_rate
    # By hand: in the first of two it loses one and ties one, in the second it ties and wins.
    assert (rate.value, rate.units, rate.prompts, rate.status) == (0.5, 240, 120, "ok")
    assert entries(found)["sft"].win_rate is None
    assert (entries(found)["ppo"].comparisons, entries(found)["ppo"].prompts) == (240, 120)


def test_with_few_prompts_a_model_is_hidden_and_says_why():
    found = board(V16["input"]["wins_row_beats_column"], prompts=29)

    for entry in found.entries:
        assert (entry.elo, entry.ci95, entry.rank) == (None, None, None)
        assert entry.reason == "not enough data: 29 of 30 compared prompts"


def test_between_30_and_100_prompts_a_model_is_provisional():
    found = board(V16["input"]["wins_row_beats_column"], prompts=60)

    assert {entry.status for entry in found.entries} == {"provisional"}
    assert found.entries[0].reason == "provisional: 60 of 100 prompts"


def test_a_model_that_always_lost_is_not_comparable():
    found = board([[0, 40, 60], [60, 0, 60], [0, 0, 0]], ["sft", "ppo", "bad"])

    bad = entries(found)["bad"]
    assert (bad.elo, bad.rank) == (None, None)
    assert bad.reason == "not comparable with sft: no chain of wins leads both ways"
    assert bad.win_rate.value == 0
    assert [sorted(group) for group in found.groups] == [["ppo", "sft"], ["bad"]]
    assert found.entries[-1] is bad


def test_models_that_never_met_are_in_groups_of_their_own():
    wins = np.zeros((4, 4), int)
    wins[0, 1], wins[1, 0], wins[2, 3], wins[3, 2] = 40, 60, 70, 30

    found = board(wins.tolist(), ["sft", "ppo", "x", "y"])

    assert [sorted(group) for group in found.groups] == [["ppo", "sft"], ["x", "y"]]
    assert entries(found)["x"].elo is None
    assert entries(found)["x"].win_rate.reason == "not enough data: 0 of 30 compared prompts"


def test_an_sft_model_has_1000_even_if_others_are_compared_more_often():
    found = board([[0, 60, 60], [60, 0, 20], [40, 10, 0]], ["a", "b", "c"], sft=("c", "b"))

    assert (found.anchor, entries(found)["b"].elo) == ("b", 1000)


def test_without_an_sft_model_the_one_compared_most_often_has_1000():
    found = board([[0, 40, 10], [60, 0, 60], [20, 50, 0]], ["a", "b", "c"], sft=())

    assert (found.anchor, found.is_anchor_sft) == ("b", False)
    assert entries(found)["b"].elo == 1000


def test_responses_that_were_not_judged_or_have_no_model_are_in_no_comparison():
    ranks = np.array([[1, 2, 0, 3]] * 40, np.int8)
    models = np.tile([0, 1, 2, -1], (40, 1))

    found = board_of(ranks, models, np.arange(40), names=["a", "b", "c"], sft={"a"})

    assert sorted(entry.model for entry in found.entries) == ["a", "b"]
    assert {entry.comparisons for entry in found.entries} == {40}


def test_labels_may_come_in_any_order_and_of_any_prompts():
    ranks, models, prompt = duels(V16["input"]["wins_row_beats_column"], prompts=100)
    mixed = np.random.default_rng(3).permutation(len(ranks))
    single = np.zeros((5, 2), int)  # one model twice: nothing to compare

    found = board_of(
        np.concatenate([ranks[mixed], ranks[:5]]),
        np.concatenate([models[mixed], single]),
        np.concatenate([7 * prompt[mixed] + 90, np.arange(5)]),
        names=MODELS,
        sft={"sft"},
    )

    assert found == board(V16["input"]["wins_row_beats_column"])


def test_nothing_compared_is_an_empty_board():
    found = board_of(
        np.ones((3, 2), np.int8), np.zeros((3, 2), int), np.arange(3), names=["a"], sft={"a"}
    )

    assert (found.anchor, found.entries, found.groups) == (None, [], [])


def test_of_many_models_those_compared_most_often_are_kept():
    size = MOST_MODELS + 5
    pairs = np.array(list(combinations(range(size), 2)) * 2)
    pairs[len(pairs) // 2 :] = pairs[len(pairs) // 2 :, ::-1]
    extra = np.array([[0, size - 1]] * 50)  # the last one is compared more often, like the first
    models = np.concatenate([pairs, extra])
    ranks = np.tile(np.array([1, 2], np.int8), (len(models), 1))

    found = board_of(
        ranks, models, np.arange(len(models)), names=[f"m{i}" for i in range(size)], sft=()
    )

    assert (len(found.entries), found.left_out) == (MOST_MODELS, 5)
    assert {"m0", f"m{size - 1}"} <= set(entries(found))


def test_many_prompts_have_the_error_of_many_prompts():
    prompts = 3 * MOST_CLUSTERS
    rng = np.random.default_rng(5)
    is_win = rng.random(prompts) < 0.6
    models = np.where(is_win[:, None], [[1, 0]], [[0, 1]])
    ranks = np.tile(np.array([1, 2], np.int8), (prompts, 1))

    found = board_of(ranks, models, np.arange(prompts), names=["sft", "ppo"], sft={"sft"})

    low, high = entries(found)["ppo"].ci95
    # Of a log-odds: 1 / sqrt(n p (1 - p)), on the scale 173.7 to a unit; a bootstrap is 5% off.
    error = 173.717793 / np.sqrt(prompts * 0.6 * 0.4)
    assert (high - low) / 2 == pytest.approx(1.96 * error, rel=0.12)
    assert entries(found)["ppo"].prompts == prompts


def test_memory_does_not_grow_with_the_labels():
    rng = np.random.default_rng(5)
    labels, width = 12_000, 9
    ranks = rng.integers(1, 10, size=(labels, width), dtype=np.int8)
    models = np.tile(np.arange(width) % 5, (labels, 1))
    lengths = rng.integers(10, 3000, size=(labels, width), dtype=np.int32)

    tracemalloc.start()
    found = rating_of(ranks, models, np.arange(labels), lengths, names=list("abcde"), sft={"a"})
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()

    assert found.at_equal_length is not None
    # All comparisons at once would take 48 MB, and five times as many labels five times that.
    assert peak < 28e6


def test_the_same_labels_give_the_same_numbers():
    wins = V16["input"]["wins_row_beats_column"]

    assert board(wins) == board(wins)


# --- Ties and length --------------------------------------------------------------------------


def with_ties(wins, ties, *, prompts=100):
    """Duels with ties beside them, of which the matrix has each twice."""
    ranks, models, prompt = duels(wins, prompts=prompts)
    tied = [
        (one, other)
        for one, row in enumerate(ties)
        for other, count in enumerate(row[:one])
        for _ in range(count)
    ]
    return (
        np.concatenate([ranks, np.ones((len(tied), 2), np.int8)]),
        np.concatenate([models, np.array(tied)]),
        np.concatenate([prompt, np.arange(len(tied)) % prompts]),
    )


@pytest.mark.parametrize(("ties", "is_modeled"), [(25, False), (27, True)])
def test_ties_are_modeled_from_a_fifth_of_the_comparisons_on(ties, is_modeled):
    wins = np.array([[0, 10, 15], [20, 0, 15], [30, 15, 0]])
    table = np.zeros((3, 3), int)
    table[1, 0] = table[0, 1] = ties  # of 105 decided ones
    decided = davidson(wins.astype(float), table.astype(float), anchor=0)

    found = board_of(*with_ties(wins, table), names=["sft", "a", "b"], sft={"sft"})

    plain = bradley_terry(wins + table / 2, anchor=0)
    expected = (decided.strengths if is_modeled else plain)[2].elo
    assert (found.has_tie_model, found.tie_share) == (is_modeled, ties / (105 + ties))
    assert entries(found)["b"].elo == pytest.approx(expected, abs=1e-6)
    low, high = entries(found)["b"].ci95
    # Here almost no two comparisons are of one prompt, so that the error is that of the model.
    error = 173.717793 * (decided.strengths if is_modeled else plain)[2].se
    assert (high - low) / 2 == pytest.approx(1.96 * error, rel=0.2)
    assert entries(found)["a"].win_rate.value == (20 + ties / 2) / (30 + ties)


def test_ties_are_half_a_win_where_one_model_has_won_all_that_was_decided():
    wins, ties = np.array([[0, 0], [60, 0]]), np.array([[0, 50], [50, 0]])

    found = board_of(*with_ties(wins, ties), names=["sft", "ppo"], sft={"sft"})

    assert (found.has_tie_model, found.tie_share) == (False, 50 / 110)
    assert entries(found)["ppo"].elo == pytest.approx(1000 + 400 * np.log10(85 / 25), abs=1e-6)


def test_ties_that_are_all_of_models_not_comparable_with_the_baseline_are_not_modeled():
    wins = np.array([[0, 60, 0, 0], [60, 0, 0, 0], [0, 0, 0, 20], [0, 0, 20, 0]])
    ties = np.zeros((4, 4), int)
    ties[3, 2] = ties[2, 3] = 80

    found = board_of(*with_ties(wins, ties), names=["sft", "a", "b", "c"], sft={"sft"})

    assert (found.has_tie_model, found.tie_share) == (False, 80 / 240)
    low, high = entries(found)["a"].ci95
    assert low < 1000 < high


def test_where_ties_are_modeled_equal_length_is_on_the_same_scale():
    rng = np.random.default_rng(1)
    drawn = rng.random((600, 1))
    ranks = np.where(drawn < 0.4, [[1, 1]], np.where(drawn < 0.8, [[2, 1]], [[1, 2]]))
    models, lengths = np.tile([0, 1], (600, 1)), rng.integers(50, 150, (600, 2))

    found = board_of(
        ranks.astype(np.int8), models, np.arange(600), lengths=lengths, names=["sft", "ppo"],
        sft={"sft"},
    )  # fmt: skip

    ppo = entries(found)["ppo"]
    assert found.has_tie_model
    # Length says nothing here, so that holding it fixed leaves the strength what it is.
    assert ppo.at_equal_length.value == pytest.approx(ppo.elo, abs=2)
    assert np.diff(ppo.at_equal_length.ci95) == pytest.approx(np.diff(ppo.ci95), rel=0.1)


def lengthy(prompts=300, *, seed=1):
    """Two rankings a prompt, alike: whoever is longer wins, and ppo is mostly longer."""
    rng = np.random.default_rng(seed)
    lengths = np.stack([rng.integers(100, 500, prompts), rng.integers(190, 680, prompts)], axis=1)
    is_longer = lengths[:, 1] > lengths[:, 0]
    wins = np.where(rng.random(prompts) < 0.8, is_longer, ~is_longer)
    ranks = np.where(wins[:, None], [[2, 1]], [[1, 2]]).astype(np.int8)
    models = np.tile([0, 1], (prompts, 1))
    return [np.repeat(one, 2, axis=0) for one in (ranks, models, np.arange(prompts), lengths)]


def test_at_equal_length_a_model_that_wins_by_length_is_no_better():
    ranks, models, prompt, lengths = lengthy()

    found = board_of(ranks, models, prompt, lengths=lengths, names=["sft", "ppo"], sft={"sft"})

    ppo, sft = entries(found)["ppo"], entries(found)["sft"]
    low, high = ppo.at_equal_length.ci95
    assert ppo.ci95[0] > 1000
    assert low < 1000 < high
    assert sft.at_equal_length.value == 1000
    assert found.length_effect.ci95[0] > 100


def test_errors_at_equal_length_are_those_of_clusters_of_prompts():
    ranks, models, prompt, lengths = lengthy()
    gap = (lengths[:, 1] - lengths[:, 0]) / lengths.sum(axis=1)
    gap = np.round(gap * 256) / 256
    design = np.stack([np.ones(len(gap)), gap / np.sqrt((gap**2).mean())], axis=1)
    glm = sm.GLM((ranks[:, 1] == 1).astype(float), design, family=sm.families.Binomial())
    fit = glm.fit(
        tol=1e-12,
        cov_type="cluster",
        cov_kwds={"groups": prompt, "use_correction": True, "df_correction": False},
    )

    found = board_of(ranks, models, prompt, lengths=lengths, names=["sft", "ppo"], sft={"sft"})

    ppo = entries(found)["ppo"].at_equal_length
    # statsmodels' correction has (n - 1) / (n - k) besides P / (P - 1).
    factor = t_dist.ppf(0.975, 299) / np.sqrt((len(gap) - 1) / (len(gap) - 2))
    half = 173.717793 * fit.bse * factor
    assert ppo.value == pytest.approx(1000 + 173.717793 * fit.params[0], abs=1e-4)
    assert (ppo.ci95[1] - ppo.ci95[0]) / 2 == pytest.approx(half[0], rel=1e-4)
    effect = found.length_effect
    assert effect.value == pytest.approx(173.717793 * fit.params[1], abs=1e-4)
    assert (effect.ci95[1] - effect.ci95[0]) / 2 == pytest.approx(half[1], rel=1e-4)


def test_of_equal_lengths_nothing_is_said():
    found = board(V16["input"]["wins_row_beats_column"])

    assert found.length_effect is None
    assert {entry.at_equal_length for entry in found.entries} == {None}
