"""Strengths of models: V16 to V19, V35, against choix, statsmodels and scipy, and degenerate."""

import math
from dataclasses import replace
from itertools import pairwise

import choix
import numpy as np
import pytest
import statsmodels.api as sm
from scipy.optimize import minimize
from scipy.special import expit
from scipy.stats import binomtest
from statsmodels.stats.proportion import proportion_confint
from statsmodels.tools.numdiff import approx_hess

from app.agreement.metrics.arrays import signs_of
from app.agreement.metrics.proportions import sign_test, wilson
from app.agreement.strengths.bradley_terry import (
    bradley_terry,
    components,
    davidson,
    elo,
    log_strengths,
    win_probability,
)
from app.agreement.strengths.leaderboard import leaderboard, prompt_wins
from app.agreement.strengths.length_control import (
    Comparisons,
    _is_told_apart,
    length_controlled,
    length_gap,
)
from app.agreement.strengths.newton import maximize
from app.agreement.strengths.plackett_luce import plackett_luce
from tests.vectors import VECTORS

MODELS = VECTORS["V16"]["input"]["models"]
WINS = np.array(VECTORS["V16"]["input"]["wins_row_beats_column"], dtype=np.float64)


def ties_of_v17():
    ties = np.zeros_like(WINS)
    for pair, count in VECTORS["V17"]["input"]["ties"].items():
        one, other = map(MODELS.index, pair.split("-"))
        ties[one, other] = ties[other, one] = count
    return ties


TIES = ties_of_v17()


def values(strengths):
    return [strength.value for strength in strengths]


def random_wins(count, *, seed, most=7):
    """Win matrices with gaps and with half wins, some of them not connected."""
    rng = np.random.default_rng(seed)
    for _ in range(count):
        m = rng.integers(2, most)
        wins = rng.integers(0, 9, size=(m, m)) / 2 * (rng.random((m, m)) > 0.25)
        np.fill_diagonal(wins, 0)
        yield wins, rng


def glm_of(wins, *, anchor):
    """statsmodels' logistic regression of the win table: a row per direction, none of nothing."""
    design, outcome = [], []
    for i, j in zip(*np.nonzero(wins), strict=True):
        row = np.zeros(len(wins))
        row[i], row[j] = 1, -1
        design.append(np.delete(row, anchor))
        outcome.append([wins[i, j], 0])
    return sm.GLM(np.array(outcome), np.array(design), family=sm.families.Binomial()).fit(tol=1e-12)


def test_v16_strengths_errors_and_the_elo_scale():
    expected = VECTORS["V16"]["expected"]

    found = bradley_terry(WINS, anchor=0)

    by_name = dict(zip(MODELS, found, strict=True))
    assert {name: one.value for name, one in by_name.items()} == pytest.approx(
        expected["log_strength_minus_sft"], abs=1e-6
    )
    assert {name: by_name[name].se for name in expected["se_vs_sft"]} == pytest.approx(
        expected["se_vs_sft"], abs=1e-6
    )
    assert {name: one.elo for name, one in by_name.items()} == pytest.approx(
        expected["elo_sft_1000"], abs=1e-6
    )
    assert win_probability(found[3].value, 0) == pytest.approx(
        expected["p_ppo3_beats_sft"], abs=1e-6
    )
    assert win_probability(found[3].value, found[2].value) == pytest.approx(
        expected["p_ppo3_beats_ppo2"], abs=1e-6
    )


def test_v17_ties_are_half_a_win_each():
    expected = VECTORS["V17"]["expected"]

    found = values(bradley_terry(WINS + TIES / 2, anchor=0))

    assert found == pytest.approx(list(expected["log_strength_minus_sft"].values()), abs=1e-6)
    assert [elo(t) for t in found] == pytest.approx(
        list(expected["elo_sft_1000"].values()), abs=1e-6
    )


def test_v18_plackett_luce():
    expected = VECTORS["V18"]["expected"]

    found = plackett_luce(VECTORS["V18"]["input"]["orders_best_first"], items=4)

    assert found == pytest.approx(expected["log_strength"], abs=1e-6)
    strength = np.exp(found)
    assert strength / strength.sum() == pytest.approx(
        expected["probability_ranked_first"], abs=1e-6
    )


def test_v19_a_quick_look_at_decided_comparisons():
    wins, losses = VECTORS["V19"]["input"]["wins"], VECTORS["V19"]["input"]["losses"]
    expected = VECTORS["V19"]["expected"]

    assert wins / (wins + losses) == pytest.approx(expected["win_rate_decided"], abs=1e-6)
    assert wilson(wins / (wins + losses), wins + losses) == pytest.approx(
        (expected["wilson_low"], expected["wilson_high"]), abs=1e-6
    )
    assert sign_test(wins, losses) == pytest.approx(expected["sign_test_p"], abs=1e-6)


def online_elo(games, *, k, start):
    rating = {}
    for one, other, score in games:
        a, b = rating.get(one, start), rating.get(other, start)
        surprise = k * (score - 1 / (1 + 10 ** ((b - a) / 400)))
        rating[one], rating[other] = a + surprise, b - surprise
    return rating


def test_v35_an_online_elo_depends_on_the_order_of_games_and_the_leaderboard_does_not():
    data = VECTORS["V35"]["input"]
    games = data["games_a_b_score_of_a"]
    wins = np.zeros((6, 3, 3))
    for game, (one, other, score) in enumerate(games):
        wins[game, "xyz".index(one), "xyz".index(other)] = score
        wins[game, "xyz".index(other), "xyz".index(one)] = 1 - score

    forward, backward = (
        online_elo(order, k=data["k"], start=data["start"]) for order in (games, games[::-1])
    )

    assert forward == pytest.approx(VECTORS["V35"]["expected"]["forward"], abs=1e-6)
    assert backward == pytest.approx(VECTORS["V35"]["expected"]["backward"], abs=1e-6)
    assert max(forward, key=forward.get) != max(backward, key=backward.get)
    strengths = [one.strength for one in leaderboard(wins, anchor=0, resamples=2)]
    assert strengths == [one.strength for one in leaderboard(wins[::-1], anchor=0, resamples=2)]


def test_bradley_terry_is_that_of_choix_and_its_errors_those_of_statsmodels():
    compared = 0
    for wins, rng in random_wins(200, seed=1):
        m = len(wins)
        anchor = int(rng.integers(m))
        found = bradley_terry(wins, anchor=anchor)
        if len(components(wins)) > 1:
            group = next(one for one in components(wins) if anchor in one)
            is_known = [one is not None for one in found]
            assert is_known == [len(group) > 1 and i in group for i in range(m)]
            continue
        compared += 1
        expected = choix.ilsr_pairwise_dense(wins, tol=1e-12)
        glm = glm_of(wins, anchor=anchor)

        assert values(found) == pytest.approx(expected - expected[anchor], abs=1e-6)
        assert np.delete(values(found), anchor) == pytest.approx(glm.params, abs=1e-6)
        assert np.delete([one.se for one in found], anchor) == pytest.approx(glm.bse, abs=1e-6)
        order = rng.permutation(m)
        shuffled = bradley_terry(wins[np.ix_(order, order)], anchor=int(np.argsort(order)[anchor]))
        assert values(shuffled) == pytest.approx(np.array(values(found))[order], abs=1e-9)
        turned = bradley_terry(wins.T, anchor=anchor)
        assert values(turned) == pytest.approx(-np.array(values(found)), abs=1e-9)
    assert compared > 100


def test_many_at_once_are_as_one_by_one():
    connected = [wins for wins, _rng in random_wins(200, seed=2) if len(components(wins)) == 1]
    four = np.array([wins for wins in connected if len(wins) == 4])

    found = log_strengths(four)

    for theta, wins in zip(found, four, strict=True):
        assert theta - theta[0] == pytest.approx(values(bradley_terry(wins, anchor=0)), abs=1e-9)


def test_one_sided_strengths_are_found_too():
    found = bradley_terry(np.array([[0, 1e6], [1, 0]]), anchor=1)

    assert found[0].value == pytest.approx(math.log(1e6), abs=1e-9)


def test_a_step_that_goes_too_far_is_halved():
    def evaluate(theta):  # -log cosh, whose Newton steps run away from beyond 1.09
        slope = np.tanh(theta)
        return -np.log(np.cosh(theta))[:, 0], -slope, (1 - slope**2)[:, :, None]

    theta, _information, converged = maximize(evaluate, np.array([[3.0], [0.5], [-2.0]]))

    assert converged.all()
    assert theta == pytest.approx(0, abs=1e-6)


def test_a_likelihood_without_a_maximum_does_not_converge():
    def evaluate(theta):
        p = expit(-theta)
        return np.log(expit(theta))[:, 0], p, (p * (1 - p))[:, :, None]

    assert not maximize(evaluate, np.zeros((1, 1)))[2][0]


def test_components_are_who_won_over_whom_by_way_of_others():
    wins = np.zeros((6, 6))
    for one, other in [(0, 2), (2, 4), (4, 0), (1, 3), (3, 1), (0, 1)]:
        wins[one, other] = 1

    assert components(wins) == [[0, 2, 4], [1, 3], [5]]
    assert components(wins + wins.T) == [[0, 1, 2, 3, 4], [5]]


@pytest.mark.parametrize("wins", [np.zeros((3, 3)), np.triu(np.ones((3, 3)), 1), np.zeros((1, 1))])
def test_models_that_are_not_connected_have_no_strength(wins):
    assert bradley_terry(wins, anchor=0) == [None] * len(wins)
    assert [one.strength for one in leaderboard(wins[None], anchor=0)] == [None] * len(wins)


def test_models_that_always_tie_are_equally_strong():
    found = bradley_terry(3 * (1 - np.eye(3)), anchor=1)

    assert values(found) == pytest.approx([0, 0, 0])
    assert davidson(np.zeros((3, 3)), 6 * (1 - np.eye(3)), anchor=1) is None


def test_davidsons_strengths_are_the_most_probable():
    upper = np.triu_indices(4, 1)

    def minus_log_likelihood(theta):
        t = np.append(0, theta[:3])
        half = (t[:, None] - t)[upper] / 2
        total = np.log(np.exp(half) + np.exp(-half) + np.exp(theta[3]))
        return -(
            WINS[upper] @ (half - total) + WINS.T[upper] @ (-half - total)
            + TIES[upper] @ (theta[3] - total)
        )  # fmt: skip

    best = minimize(minus_log_likelihood, np.zeros(4), method="BFGS", options={"gtol": 1e-7})

    found = davidson(WINS, TIES, anchor=0)

    assert [*values(found.strengths)[1:], math.log(found.nu)] == pytest.approx(best.x, abs=1e-5)
    covariance = np.linalg.inv(approx_hess(best.x, minus_log_likelihood))
    assert [one.se for one in found.strengths[1:]] == pytest.approx(
        np.sqrt(np.diag(covariance))[:3], rel=1e-4
    )


def test_davidson_without_ties_is_bradley_terry():
    found = davidson(WINS, np.zeros_like(WINS), anchor=0)

    assert found.nu == 0
    assert found.strengths == bradley_terry(WINS, anchor=0)


def test_plackett_luce_is_that_of_choix():
    rng = np.random.default_rng(3)
    compared = 0
    for _ in range(200):
        items = int(rng.integers(2, 6))
        orders = [
            rng.permutation(items)[: rng.integers(1, items + 1)].tolist()
            for _ in range(rng.integers(2, 12))
        ]
        wins = np.zeros((items, items))
        for order in orders:
            for place, item in enumerate(order):
                wins[item, order[place + 1 :]] += 1
        found = plackett_luce(orders, items=items)
        if len(components(wins)) > 1:
            assert found is None
            continue
        compared += 1
        # choix counts an order of one item as a choice; it says nothing.
        told = [order for order in orders if len(order) > 1]
        expected = choix.opt_rankings(items, told, method="Newton-CG", tol=1e-12)
        assert found == pytest.approx(expected - expected.mean(), abs=1e-4)
        assert plackett_luce(orders[::-1], items=items) == pytest.approx(found, abs=1e-9)
    assert compared > 60


def test_plackett_luce_of_nothing_is_not_defined():
    assert plackett_luce([], items=3) is None
    assert plackett_luce([[0, 1, 2]], items=3) is None


# --- proportions ---------------------------------------------------------------------------------


def test_wilsons_interval_and_the_sign_test_are_those_of_statsmodels_and_scipy():
    rng = np.random.default_rng(4)
    for wins, losses in rng.integers(0, 60, size=(200, 2)).tolist():
        n = wins + losses
        if n == 0:
            continue
        assert wilson(wins / n, n) == pytest.approx(
            proportion_confint(wins, n, method="wilson"), abs=1e-9
        )
        assert sign_test(wins, losses) == pytest.approx(binomtest(wins, n).pvalue, rel=1e-9)
        assert sign_test(losses, wins) == sign_test(wins, losses)


def test_of_nothing_there_is_no_interval_and_no_test():
    assert wilson(0.0, 0) is None
    assert sign_test(0, 0) is None


# --- the leaderboard -----------------------------------------------------------------------------


def contests(prompts, *, seed, strengths=(0.0, 0.5, 1.5)):
    """(prompts, m, m) wins: every two models once per prompt, a tie now and then."""
    rng = np.random.default_rng(seed)
    m = len(strengths)
    wins = np.zeros((prompts, m, m))
    for i in range(m):
        for j in range(i + 1, m):
            score = rng.random(prompts) < expit(strengths[i] - strengths[j])
            score = np.where(rng.random(prompts) < 0.1, 0.5, score)
            wins[:, i, j], wins[:, j, i] = score, 1 - score
    return wins


def test_the_wins_of_a_prompt_are_those_between_different_known_models():
    ranks = np.array([[1, 2, 2, 0], [1, 1, 3, 2]])
    models = np.array([[0, 1, 0, 1], [1, -1, 0, 0]])

    found = prompt_wins(signs_of(ranks), models, np.array([2, 0]), prompts=3, size=2)

    # The first label: 0 over 1, 1 ties with 0; the second: 1 over 0 twice.
    assert found.tolist() == [[[0, 0], [2, 0]], [[0, 0], [0, 0]], [[0, 1.5], [0.5, 0]]]


def test_the_intervals_are_percentiles_of_refits_to_resampled_prompts():
    wins = contests(80, seed=5)

    found = leaderboard(wins, anchor=1, resamples=300, seed=9)

    rng = np.random.default_rng(9)
    refits = np.array(
        [
            values(bradley_terry(wins[rng.integers(0, 80, size=80)].sum(axis=0), anchor=1))
            for _ in range(300)
        ]
    )
    assert [one.strength for one in found] == values(bradley_terry(wins.sum(axis=0), anchor=1))
    for model, one in enumerate(found):
        assert one.interval == pytest.approx(np.percentile(refits[:, model], [2.5, 97.5]))
        assert one.se == pytest.approx(refits[:, model].std(ddof=1))
        assert (one.comparisons, one.prompts, one.component) == (160, 80, 0)


def test_a_rank_counts_who_is_better_beyond_doubt():
    found = leaderboard(contests(300, seed=6, strengths=(0, 0.02, 2.0)), anchor=0)

    assert [one.rank for one in found] == [2, 2, 1]


def test_the_names_of_prompts_without_a_comparison_and_of_models_change_nothing():
    wins = contests(60, seed=7)
    padded = np.insert(wins, [0, 30], 0, axis=0)
    order = [2, 0, 1]

    found = leaderboard(wins, anchor=0, seed=1)
    shuffled = leaderboard(padded[:, order][:, :, order], anchor=1, seed=1)

    for one, other in zip([found[i] for i in order], shuffled, strict=True):
        assert other.strength == pytest.approx(one.strength, abs=1e-9)
        assert other.interval == pytest.approx(one.interval, abs=1e-9)
        assert (other.rank, other.prompts) == (one.rank, one.prompts)


def test_an_interval_that_would_be_infinite_is_not_given():
    wins = np.zeros((20, 2, 2))
    wins[:, 0, 1] = 1
    wins[0] = [[0, 0], [1, 0]]  # a third of all resamples leave out the only win of 1

    found = leaderboard(wins, anchor=0)

    assert found[1].strength == pytest.approx(math.log(1 / 19))
    assert [(one.se, one.interval, one.rank) for one in found] == [(None, None, None)] * 2


def test_one_prompt_has_strengths_but_no_intervals():
    found = leaderboard(WINS[None], anchor=0)

    assert found[3].strength == pytest.approx(1.148384, abs=1e-6)
    assert [one.rank for one in found] == [None] * 4


def test_a_model_that_met_no_other_is_of_another_component():
    wins = np.zeros((40, 4, 4))
    wins[:, :3, :3] = contests(40, seed=8)

    found = leaderboard(wins, anchor=0)

    assert [one.component for one in found] == [0, 0, 0, 1]
    assert (found[3].strength, found[3].rank, found[3].prompts) == (None, None, 0)


# --- at equal length -----------------------------------------------------------------------------


def lengthy(n, *, seed, beta=0.8, models=3):
    """Comparisons in which the last models write longer, and length wins."""
    rng = np.random.default_rng(seed)
    one = rng.integers(0, models, size=n)
    other = (one + rng.integers(1, models, size=n)) % models
    lengths = rng.integers(10, 400, size=(2, n)) + 100.0 * np.stack([one, other])
    gap = length_gap(*lengths)
    spread = np.sqrt((gap**2).mean())
    wins = rng.random(n) < expit(0.2 * (one - other) + beta * gap / spread)
    score = np.where(rng.random(n) < 0.1, 0.5, wins)
    return Comparisons(one, other, score, gap)


def controlled(*parts, **more):
    return length_controlled(lambda: parts, **more)


def test_strengths_at_equal_length_are_a_logistic_regressions():
    for seed in range(20):
        data = lengthy(400, seed=seed)
        design = np.zeros((400, 4))
        design[np.arange(400), data.first] += 1
        design[np.arange(400), data.second] -= 1
        design[:, 3] = data.gap / np.sqrt((data.gap**2).mean())
        glm = sm.GLM(data.score, design[:, 1:], family=sm.families.Binomial()).fit(tol=1e-12)

        found = controlled(data, models=3, anchor=0)

        assert [*values(found.strengths)[1:], found.beta.value] == pytest.approx(
            glm.params, abs=1e-6
        )
        assert [*(one.se for one in found.strengths[1:]), found.beta.se] == pytest.approx(
            glm.bse, abs=1e-6
        )


def test_which_response_is_the_first_changes_nothing_at_equal_length():
    data = lengthy(300, seed=1)
    flip = np.random.default_rng(2).random(300) < 0.5
    flipped = Comparisons(
        first=np.where(flip, data.second, data.first),
        second=np.where(flip, data.first, data.second),
        score=np.where(flip, 1 - data.score, data.score),
        gap=np.where(flip, -data.gap, data.gap),
    )

    found, other = (controlled(one, models=4, anchor=0) for one in (data, flipped))

    assert values(other.strengths[:3]) == pytest.approx(values(found.strengths[:3]), abs=1e-9)
    assert other.beta.value == pytest.approx(found.beta.value, abs=1e-9)
    assert found.strengths[3] is None


def test_in_how_many_parts_comparisons_come_changes_nothing_at_equal_length():
    prompt = np.repeat(np.arange(60), 5)
    data = replace(lengthy(300, seed=1), prompt=prompt)
    parts = [data.where(prompt % 7 == part) for part in range(7)]

    found, other = (controlled(*p, models=4, anchor=0) for p in ([data], parts))

    assert (found.prompts, other.prompts) == (60, 60)
    both = [*found.strengths[:3], found.beta], [*other.strengths[:3], other.beta]
    for one, same in zip(*both, strict=True):
        assert (same.value, same.se) == pytest.approx((one.value, one.se), rel=1e-12, abs=1e-12)


def test_a_model_that_leads_by_length_alone_does_not_lead_at_equal_length():
    data = lengthy(4000, seed=3, beta=1.5)
    wins = np.zeros((3, 3))
    np.add.at(wins, (data.first, data.second), data.score)
    np.add.at(wins, (data.second, data.first), 1 - data.score)

    plain = bradley_terry(wins, anchor=0)
    at_equal_length = controlled(data, models=3, anchor=0)

    assert 1.0 < at_equal_length.beta.value < 1.5  # ties draw it towards 0
    assert at_equal_length.strengths[2].value < plain[2].value - 0.3


@pytest.mark.parametrize(
    "gap",
    [
        np.zeros(60),  # all of the same length
        np.where(np.arange(60) % 2 == 0, 0.5, -0.5),  # it follows from which models meet
    ],
)
def test_length_that_cannot_be_told_from_the_models_is_not_controlled(gap):
    first = np.arange(60) % 2
    score = (np.arange(60) % 3 == 0).astype(np.float64)

    data = Comparisons(first, 1 - first, score, gap)

    assert controlled(data, models=2, anchor=0) is None


def test_length_that_follows_from_each_models_own_is_not_controlled():
    rng = np.random.default_rng(5)
    first = rng.integers(0, 3, size=90)
    second = (first + rng.integers(1, 3, size=90)) % 3
    own = np.array([0.1, 0.23, 0.57])
    data = Comparisons(first, second, rng.integers(0, 3, size=90) / 2, own[first] - own[second])

    assert controlled(data, models=3, anchor=0) is None


@pytest.mark.parametrize(("own", "expected"), [(0.09, False), (0.1, True)])
def test_length_is_told_from_the_models_by_what_it_alone_explains(own, expected):
    # One comparison of two models with a gap of 0.3 explains 0.09 through the models.
    information = np.array([[2, 0, 0.3], [0, 2, -0.3], [0.3, -0.3, own]])

    assert _is_told_apart(information) == expected


def test_length_that_decides_everything_is_not_controlled():
    rng = np.random.default_rng(4)
    first = rng.integers(0, 2, size=80)
    gap = rng.uniform(0.1, 0.9, size=80) * rng.choice([-1, 1], size=80)

    data = Comparisons(first, 1 - first, (gap > 0).astype(np.float64), gap)

    assert controlled(data, models=2, anchor=0) is None


def test_without_comparisons_there_is_nothing_at_equal_length():
    nothing = np.zeros(0, dtype=np.int64)
    data = Comparisons(nothing, nothing, nothing.astype(float), nothing.astype(float))

    assert controlled(data, models=2, anchor=0) is None
    assert length_gap(np.array([0.0, 3.0]), np.array([0.0, 1.0])).tolist() == [0.0, 0.5]


def test_a_larger_strength_wins_with_more_probability():
    probabilities = [win_probability(t, 0.0) for t in (-800.0, -1.0, 0.0, 1.0, 800.0)]

    assert probabilities[0] == 0
    assert probabilities[2] == 0.5
    assert probabilities[4] == 1
    assert all(one < other for one, other in pairwise(probabilities))
