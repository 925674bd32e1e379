"""The regression of labelers' choices: against definitions, a bootstrap and simulations."""

import math

import numpy as np
import pytest

from trainer.measures import choice_regression
from trainer.measures.choice_regression import (
    clustered_errors,
    is_separated,
    maximize_likelihood,
    regress_choices,
)
from trainer.measures.outcomes import Outcome


def chosen(prompt, margin, tokens):
    """A comparison by its prompt, the difference of rewards and the two lengths."""
    return Outcome(prompt, "ann", 0, 1, margin, None, tokens, None, None)


def labeled(prompts, *, reward, log_length, seed=0, responses=4):
    """Choices of labelers who like reward and length as told, among responses of each prompt."""
    random = np.random.default_rng(seed)
    rewards = random.normal(size=(prompts, responses))
    tokens = random.integers(5, 300, size=(prompts, responses))
    firsts, seconds = np.triu_indices(responses, 1)
    margins = rewards[:, firsts] - rewards[:, seconds]
    ratios = np.log(tokens[:, firsts] / tokens[:, seconds])
    chances = 1 / (1 + np.exp(-reward * margins - log_length * ratios))
    is_first = random.random(margins.shape) < chances
    winners = np.where(is_first, firsts, seconds)
    losers = np.where(is_first, seconds, firsts)
    return [
        chosen(f"p{at}", float(rewards[at, one] - rewards[at, other]),
               (int(tokens[at, one]), int(tokens[at, other])))
        for at in range(prompts)
        for one, other in zip(winners[at], losers[at], strict=True)
    ]  # fmt: skip


def differences_of(outcomes):
    return np.array([(one.margin, math.log(one.tokens[0] / one.tokens[1])) for one in outcomes])


def test_the_coefficients_that_labelers_choose_by_are_found():
    found = regress_choices(labeled(2000, reward=0.8, log_length=0.4))

    assert found.reward.low < 0.8 < found.reward.high
    assert found.log_length.low < 0.4 < found.log_length.high
    assert found.log_length.high - found.log_length.low < 0.2
    assert (found.count, found.prompts, found.reason) == (12_000, 2000, None)


def test_at_the_fit_no_direction_makes_the_choices_more_likely():
    outcomes = labeled(50, reward=1.0, log_length=-0.3)

    found = regress_choices(outcomes)

    def likelihood(reward, log_length):
        logits = differences_of(outcomes) @ (reward, log_length)
        return -np.log1p(np.exp(-logits)).sum()

    at, step = (found.reward.value, found.log_length.value), 1e-4
    by_reward = likelihood(at[0] + step, at[1]) - likelihood(at[0] - step, at[1])
    by_length = likelihood(at[0], at[1] + step) - likelihood(at[0], at[1] - step)
    assert (by_reward / step, by_length / step) == pytest.approx((0, 0), abs=1e-5)
    assert likelihood(*at) > likelihood(1.0, -0.3)


def test_the_error_of_one_comparison_a_prompt_is_that_of_white():
    outcomes = labeled(200, reward=0.7, log_length=0.2, responses=2)
    x = differences_of(outcomes)
    fit = maximize_likelihood(x)

    errors = clustered_errors(x, fit, np.arange(200))

    p = 1 / (1 + np.exp(-x @ fit))
    bread = np.linalg.inv(
        sum(q * (1 - q) * np.outer(row, row) for q, row in zip(p, x, strict=True))
    )
    meat = sum((1 - q) ** 2 * np.outer(row, row) for q, row in zip(p, x, strict=True))
    assert errors == pytest.approx(np.sqrt(200 / 199 * np.diag(bread @ meat @ bread)))


def test_a_comparison_that_ten_labelers_repeat_tells_no_more_than_once():
    outcomes = labeled(60, reward=0.7, log_length=0.2)

    once, tenfold = regress_choices(outcomes), regress_choices(outcomes * 10)

    assert (tenfold.count, tenfold.prompts) == (3600, 60)
    assert tenfold.log_length.value == pytest.approx(once.log_length.value)
    assert tenfold.log_length.se == pytest.approx(once.log_length.se)
    assert tenfold.reward.se == pytest.approx(once.reward.se)


def test_the_errors_are_those_of_a_bootstrap_over_prompts():
    # Of every prompt the same six comparisons are told by one to four labelers.
    prompts = 150
    random = np.random.default_rng(0)
    outcomes = labeled(prompts, reward=0.7, log_length=0.3)
    by_prompt = [
        differences_of(outcomes[6 * at : 6 * at + 6] * random.integers(1, 5))
        for at in range(prompts)
    ]
    x = np.concatenate(by_prompt)
    clusters = np.repeat(np.arange(prompts), [len(one) for one in by_prompt])

    errors = clustered_errors(x, maximize_likelihood(x), clusters)

    drawn = random.integers(prompts, size=(400, prompts))
    fits = [maximize_likelihood(np.concatenate([by_prompt[at] for at in row])) for row in drawn]
    assert errors == pytest.approx(np.std(fits, axis=0), rel=0.12)


def test_the_interval_of_the_length_holds_the_truth_19_times_in_20():
    found = [regress_choices(labeled(40, reward=1.0, log_length=0.3, seed=n)) for n in range(400)]

    holding = sum(one.log_length.low < 0.3 < one.log_length.high for one in found)

    assert holding == pytest.approx(380, abs=14)


@pytest.mark.parametrize(
    ("liked", "warning"),
    [(0.6, choice_regression.MISSES), (0.0, None), (-0.6, choice_regression.OVERSHOOTS)],
)
def test_a_length_that_labelers_like_beyond_the_reward_is_said_in_a_sentence(liked, warning):
    assert regress_choices(labeled(100, reward=1.0, log_length=liked)).warning == warning


@pytest.mark.parametrize("unit", [1e-4, 1.0, 1e30])
def test_the_coefficient_of_the_reward_has_the_unit_of_the_reward(unit):
    outcomes = labeled(60, reward=0.7, log_length=0.2)
    in_unit = [one._replace(margin=unit * one.margin) for one in outcomes]

    plain, scaled = regress_choices(outcomes), regress_choices(in_unit)

    assert unit * scaled.reward.value == pytest.approx(plain.reward.value)
    assert unit * scaled.reward.se == pytest.approx(plain.reward.se)
    assert scaled.log_length.value == pytest.approx(plain.log_length.value)
    assert scaled.log_length.se == pytest.approx(plain.log_length.se)


def test_comparisons_of_unknown_lengths_are_left_aside():
    outcomes = labeled(40, reward=1.0, log_length=0.3)
    unknown = [chosen(f"q{n}", -1.0, None) for n in range(99)]

    assert regress_choices([*outcomes, *unknown]) == regress_choices(outcomes)


LONGER, SHORTER = (200, 100), (100, 200)
WHY_NOT = {
    "no comparison": ([], "not enough data: no comparison"),
    "no lengths": ([chosen(f"p{n}", 1.0, None) for n in range(40)], choice_regression.NO_LENGTHS),
    "29 prompts": (labeled(29, reward=1.0, log_length=0.0), choice_regression.FEW),
    "equal rewards": (
        [chosen(f"p{n}", 1e-7, LONGER if n % 2 else SHORTER) for n in range(40)],
        choice_regression.NO_REWARDS,
    ),
    "equal lengths": (
        [chosen(f"p{n}", n % 3 - 1.0, (70, 70)) for n in range(40)],
        choice_regression.SAME_LENGTHS,
    ),
    "reward is length": (
        [chosen(f"p{n}", 3.0 if n % 3 else -3.0, LONGER if n % 3 else SHORTER) for n in range(40)],
        choice_regression.ALIKE,
    ),
    "no wrong choice": (
        [chosen(f"p{n}", 1.0 + n % 5, LONGER if n % 2 else SHORTER) for n in range(40)],
        choice_regression.SEPARATED,
    ),
    "always the longer": (
        [chosen(f"p{n}", n % 3 - 1.0, (70 + n, 70)) for n in range(40)],
        choice_regression.SEPARATED,
    ),
}


@pytest.mark.parametrize(("outcomes", "reason"), WHY_NOT.values(), ids=WHY_NOT.keys())
def test_where_nothing_can_be_fitted_there_is_a_reason_and_no_number(outcomes, reason):
    found = regress_choices(outcomes)

    assert found.reason.startswith(reason)
    assert (found.reward, found.log_length, found.warning) == (None, None, None)


@pytest.mark.parametrize(
    ("degrees", "expected"),
    [
        ([0, 90, 179], True),
        ([0, 90, 180], True),  # nothing is against the direction of 90 degrees
        ([0, 90, 181], False),
        ([0, 90, 180, 270], False),
        ([10, 130, 250], False),
        ([100, 190, 279], True),
    ],
)
def test_choices_are_separated_when_all_lie_on_one_side(degrees, expected):
    turns = np.radians(degrees)
    x = np.stack([np.cos(turns), np.sin(turns)], axis=1)

    assert is_separated(x) == expected
    assert is_separated(np.concatenate([x, np.zeros((3, 2))])) == expected


def test_choices_that_are_separated_but_for_one_in_ten_million_have_no_fit():
    # It would be at about (1e4, 1e4), where all but two opposite comparisons are certain.
    certain = [chosen(f"p{n}", 1e-3, (1001, 1000)) for n in range(28)]
    opposite = [
        chosen("q", 1 - 1e-7, (1000, 2718)),
        chosen("r", -1 - 1e-7, (2718, 1000)),
    ]

    found = regress_choices([*certain, *opposite])

    assert not is_separated(differences_of([*certain, *opposite]))
    assert (found.log_length, found.reason) == (None, choice_regression.SEPARATED)


def test_a_comparison_with_a_response_of_its_eos_alone_counts():
    outcomes = labeled(40, reward=1.0, log_length=0.3)

    found = regress_choices([*outcomes, chosen("p0", 0.5, (1, 80)), chosen("p1", 0.2, (80, 1))])

    assert found.count == 242
    assert found.log_length.se > 0
