"""How many prompts to rank twice, and which pair to label next: V28, V29, and the table of B.12."""

import math

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.special import entr, expit
from scipy.stats import norm

from app.agreement.metrics.estimates import NORMAL_975, Measured, ratio
from app.agreement.metrics.planner import (
    Spread,
    design_effect,
    effective_pairs,
    prompts_needed,
    spread,
)
from app.agreement.strengths.information import expected_of
from tests.vectors import VECTORS

V28 = VECTORS["V28"]["expected"]
NOTHING = Measured(None, None, 0, 0)


@pytest.mark.parametrize("case", [name for name in V28 if name.startswith("K=")])
def test_v28_prompts_for_a_correlation_within_prompts(case):
    responses, rho = (float(part.split("=")[1]) for part in case.split(","))
    agreement, se = VECTORS["V28"]["input"]["p"], VECTORS["V28"]["input"]["se"]
    plan = {"responses": int(responses), "rho": rho}

    assert design_effect(math.comb(int(responses), 2), rho) == pytest.approx(V28[case]["deff"])
    assert prompts_needed(agreement, se, **plan) == V28[case]["prompts_for_se_1.5pt"]
    assert (
        prompts_needed(agreement, se / NORMAL_975, **plan)
        == (V28[case]["prompts_for_ci95_half_width_1.5pt"])
    )


def test_v28_independent_pairs():
    assert effective_pairs(0.726, 0.015) == pytest.approx(V28["n_eff_se"], abs=1e-6)
    assert effective_pairs(0.726, 0.015 / NORMAL_975) == pytest.approx(V28["n_eff_ci95"], abs=1e-6)


@pytest.mark.parametrize(
    ("responses", "se", "half_width", "of_a_labeler"),
    [
        (4, 223, 857, 56), (5, 161, 618, 41), (6, 128, 490, 32),
        (7, 107, 409, 27), (8, 93, 358, 24), (9, 83, 319, 21),
    ],
)  # fmt: skip
def test_without_own_prompts_the_plan_is_that_of_simulated_labelers(
    responses, se, half_width, of_a_labeler
):
    found = spread(NOTHING, responses=responses)

    assert found.prompts == 0
    assert found.prompts_for_se(0.015) == se
    assert found.prompts_for_half_width(0.015) == half_width
    assert found.prompts_for_se(0.03) == of_a_labeler
    assert found.se_of(se) <= 0.015 < found.se_of(se - 1)


def test_two_or_three_responses_spread_more_than_four():
    spreads = [spread(NOTHING, responses=responses).sd for responses in range(2, 11)]

    assert spreads[0] == pytest.approx(math.sqrt(0.726 * 0.274))
    assert spreads == sorted(spreads, reverse=True)
    assert spreads[-1] == spreads[-2]  # of ten as of nine


def test_from_30_prompts_on_the_spread_is_the_projects_own():
    rng = np.random.default_rng(1)
    agreed, prompts = rng.integers(3, 7, size=30).astype(np.float64), np.arange(30)
    measured = ratio(agreed, np.full(30, 6.0), prompts)

    found = spread(measured, responses=4)

    assert found == Spread(pytest.approx((agreed / 6).std(ddof=1)), 30)
    assert found.prompts_for_se(0.02) == math.ceil((agreed / 6).var(ddof=1) / 0.02**2)
    assert spread(ratio(agreed[1:], np.full(29, 6.0), prompts[:29]), responses=4).prompts == 0


@pytest.mark.parametrize("measured", [Measured(1.0, 0.0, 500, 40), Measured(0.7, None, 500, 40)])
def test_that_all_agree_so_far_promises_nothing(measured):
    assert spread(measured, responses=6) == spread(NOTHING, responses=6)


def test_no_prompts_give_no_standard_error():
    assert Spread(0.2, 0).se_of(0) is None


# --- the expected information of a label ---------------------------------------------------------


def test_v29_the_expected_information_of_a_label():
    grid = np.array(VECTORS["V29"]["input"]["grid"])

    found = expected_of(*grid.T)

    expected = VECTORS["V29"]["expected"].values()
    for name, got in [
        ("eig_nats", found.gain),
        ("predictive_p", found.probability),
        ("predictive_entropy", found.entropy),
    ]:
        assert got == pytest.approx([one[name] for one in expected], abs=1e-6)


def test_it_is_the_integral_of_scipy():
    rng = np.random.default_rng(2)
    mean, sd = rng.normal(0, 3, size=100), rng.exponential(2, size=100)

    found = expected_of(mean, sd).gain

    for mu, sigma, one in zip(mean, sd, found, strict=True):
        low, high = mu - 9 * sigma, mu + 9 * sigma

        def expected(function, mu=mu, sigma=sigma, low=low, high=high):
            return quad(
                lambda d: function(d) * norm.pdf(d, mu, sigma), low, high, epsabs=1e-10, limit=200
            )[0]

        p = expected(expit)
        information = entr(p) + entr(1 - p) - expected(lambda d: entr(expit(d)) + entr(expit(-d)))
        assert one == pytest.approx(information, abs=1e-7)


def test_which_response_is_the_first_changes_nothing():
    mean, sd = np.array([0.5, 2.0, 30.0]), np.array([1.0, 0.3, 4.0])

    found, turned = expected_of(mean, sd), expected_of(-mean, sd)

    assert turned.gain == pytest.approx(found.gain, abs=1e-12)
    assert turned.probability == pytest.approx(1 - found.probability, abs=1e-12)


def test_what_is_known_teaches_nothing_and_extremes_are_finite():
    mean, sd = np.array([0.0, 3.0, 5000.0, 0.0]), np.array([0.0, 0.0, 1.0, 1e6])

    found = expected_of(mean, sd).gain

    assert found[:3] == pytest.approx(0, abs=1e-12)
    assert found[3] == pytest.approx(math.log(2), abs=0.02)
    assert expected_of(np.zeros(0), np.zeros(0)).gain.shape == (0,)
