"""What is measured of a reward model: against reference numbers, closed forms and simulations."""

import json
import math
import subprocess
import sys
from dataclasses import replace
from itertools import pairwise, product
from pathlib import Path

import numpy as np
import pytest

from trainer.errors import RunDivergedError, RunRefusedError
from trainer.evaluate import Judged, evaluate, evaluate_fold, pairwise_accuracy
from trainer.measures.agreement_band import labeler_accuracy
from trainer.measures.calibration import fit_temperature
from trainer.measures.outcomes import share_of, t_975
from trainer.preference.labeler_folds import labeler_folds
from trainer.result import RewardEvaluation

VECTORS = {
    vector["id"]: vector
    for vector in json.loads((Path(__file__).parents[1] / "vectors.json").read_text())["vectors"]
}


def compared(prompt, margin, *, labeler="ann", extra=None, gap=None):
    """One comparison: of two responses the first is preferred, and scores `margin` more."""
    return Judged(
        prompt_id=prompt,
        ranks=[1, 2],
        scores=[margin, 0.0],
        labeler=labeler,
        ratings=() if gap is None else [4 + gap, 4],
        token_counts=() if extra is None else [500 + extra, 500],
    )


def voted(prompt, labeler, *, first_is_better, margin=1.0):
    """A labeler's word on a pair of responses, the first of which scores `margin` more."""
    return Judged(prompt, [1, 2] if first_is_better else [2, 1], [margin, 0.0], labeler)


def bradley_terry(count, *, scale, seed=0):
    """Comparisons of one pair a prompt, drawn from known scores, that are reported scaled."""
    random = np.random.default_rng(seed)
    differences = random.normal(0, 1.5, count)
    is_first_chosen = random.random(count) < 1 / (1 + np.exp(-differences))
    margins = scale * np.where(is_first_chosen, differences, -differences)
    return [compared(f"p{n}", margin) for n, margin in enumerate(margins.tolist())]


def labels_in_proportion(prompts, *, chance, labelers, name="p"):
    """Labels of one pair a prompt: every pattern of votes as often as its probability says."""
    judged = []
    for pattern in product((True, False), repeat=labelers):
        probability = math.prod(chance if vote else 1 - chance for vote in pattern)
        judged += [
            voted(f"{name}-{pattern}-{n}", f"l{labeler}", first_is_better=vote)
            for n in range(round(prompts * probability))
            for labeler, vote in enumerate(pattern)
        ]
    return judged


def numbers_in(value):
    if isinstance(value, dict):
        return [number for part in value.values() for number in numbers_in(part)]
    if isinstance(value, list):
        return [number for part in value for number in numbers_in(part)]
    return [value] if isinstance(value, float) else []


# --- reference vectors ---------------------------------------------------------------------------


def test_v25_accuracy_log_loss_brier_and_ece_are_those_of_the_reference():
    vector = VECTORS["V25"]
    expected, tolerance = vector["expected"], vector["tolerance"]
    margins = vector["input"]["reward_chosen_minus_rejected"]
    gaps = [{"large": 3, "small": 1}[name] for name in vector["input"]["margin_bin"]]

    found = evaluate(
        [compared(f"p{n}", m, gap=g) for n, (m, g) in enumerate(zip(margins, gaps, strict=True))],
        {"ann"},
    )

    assert found.accuracy.value == pytest.approx(expected["accuracy"], abs=tolerance)
    assert found.accuracy.count == expected["n"]
    assert found.calibration.log_loss_before == pytest.approx(expected["log_loss"], abs=tolerance)
    assert found.calibration.brier_before == pytest.approx(expected["brier"], abs=tolerance)
    assert found.calibration.ece_before == pytest.approx(expected["ece"], abs=tolerance)
    by_margin = expected["accuracy_by_margin"]
    assert found.by_margin["1"].value == pytest.approx(by_margin["small"], abs=tolerance)
    assert found.by_margin["3+"].value == pytest.approx(by_margin["large"], abs=tolerance)


def test_v26_the_correlation_of_score_and_length_is_averaged_over_prompts_that_have_one():
    vector = VECTORS["V26"]
    prompts = vector["input"]["length_and_reward"]

    found = evaluate(
        [
            Judged(prompt, [None] * len(tokens), scores, token_counts=tokens)
            for prompt, (tokens, scores) in prompts.items()
        ],
        set(),
    )

    expected = vector["expected"]["mean_spearman"]
    assert found.length.mean_spearman == pytest.approx(expected, abs=vector["tolerance"])


def test_v26_accuracy_is_split_by_whether_the_longer_response_was_chosen():
    vector = VECTORS["V26"]
    expected, tolerance = vector["expected"], vector["tolerance"]
    margins = VECTORS["V25"]["input"]["reward_chosen_minus_rejected"]
    extras = vector["input"]["chosen_minus_rejected_length"]

    length = evaluate(
        [
            compared(f"p{n}", margin, extra=extra)
            for n, (margin, extra) in enumerate(zip(margins, extras, strict=True))
        ],
        {"ann"},
    ).length

    assert length.longer_wins.value == pytest.approx(
        expected["longer_wins_baseline_accuracy"], abs=tolerance
    )
    assert length.when_chosen_longer.value == pytest.approx(
        expected["rm_accuracy_when_chosen_longer"], abs=tolerance
    )
    assert length.when_chosen_shorter.value == pytest.approx(
        expected["rm_accuracy_when_chosen_shorter"], abs=tolerance
    )
    assert length.warning == (
        "Accuracy is 64.3% where the labeler chose the longer response (7 comparisons) and 75.0% "
        "where the shorter one (4): the reward model favors short responses."
    )


@pytest.mark.parametrize("agreement", ["0.726", "0.773", "0.73"])
def test_v27_the_ceiling_is_the_labeler_accuracy_that_explains_their_agreement(agreement):
    expected = VECTORS["V27"]["expected"][agreement]["q"]

    assert labeler_accuracy(float(agreement)) == pytest.approx(
        expected, abs=VECTORS["V27"]["tolerance"]
    )


def test_v27_the_empirical_ceiling_of_four_labelers_is_the_majority_of_three():
    # A single label (right with q) is the majority's when both are right or both are wrong.
    expected = VECTORS["V27"]["expected"]["0.726"]
    q, majority = expected["q"], expected["majority_of_3"]

    band = evaluate(labels_in_proportion(4000, chance=q, labelers=4), set()).agreement

    assert band.agreement.value == pytest.approx(0.726, abs=5e-4)
    assert band.ceiling == pytest.approx(q, abs=5e-4)
    assert band.empirical_ceiling.value == pytest.approx(
        q * majority + (1 - q) * (1 - majority), abs=5e-4
    )


def test_v27_where_pairs_differ_in_difficulty_nothing_reaches_the_homogeneous_ceiling():
    expected = VECTORS["V27"]["expected"]["mixture_55pct_clear"]
    clear = labels_in_proportion(5500, chance=0.95, labelers=2, name="clear")
    coin_flips = labels_in_proportion(4500, chance=0.5, labelers=2, name="flip")

    band = evaluate(clear + coin_flips, set()).agreement

    assert band.agreement.value == pytest.approx(expected["agreement"], abs=5e-4)
    # The model prefers the first response, which is the best that can be known.
    assert band.accuracy.value == pytest.approx(expected["best_possible_vs_single_label"], abs=5e-4)
    assert band.ceiling > band.accuracy.value + 0.07


# --- accuracy and its interval -------------------------------------------------------------------


def test_accuracy_counts_strict_pairs_and_half_for_equal_scores():
    # R18
    accuracy = pairwise_accuracy(
        [
            Judged("a", [1, 2, 2, None], [1.0, 0.0, 5.0, 9.0]),
            Judged("b", [1, 2], [0.3, 0.3]),
            Judged("c", [1, 1], [0.3, 0.9]),
        ]
    )

    assert accuracy.value == pytest.approx((1 + 0 + 0.5) / 3)
    assert (accuracy.comparisons, accuracy.tied_pairs, accuracy.prompts) == (3, 2, 2)


def test_accuracy_is_given_per_comparison_and_per_prompt():
    # R18: three of three right, and none of one.
    found = evaluate([Judged("a", [1, 2, 3], [3.0, 2.0, 1.0]), compared("b", -1.0)], set())

    assert (found.accuracy.value, found.accuracy.count) == (0.75, 4)
    assert (found.accuracy_per_prompt.value, found.accuracy_per_prompt.count) == (0.5, 2)


def test_the_interval_of_one_comparison_a_prompt_is_the_t_interval_of_a_share():
    share = share_of((str(n), float(n % 4 > 0)) for n in range(40))

    half = 2.0226909 * math.sqrt(0.75 * 0.25 / 39)
    assert share.value == 0.75
    assert (share.low, share.high) == pytest.approx((0.75 - half, 0.75 + half), abs=1e-6)


def test_repeating_the_comparisons_of_every_prompt_does_not_narrow_the_interval():
    once = share_of((str(n), float(n % 3 > 0)) for n in range(30))
    tenfold = share_of((str(n), float(n % 3 > 0)) for n in range(30) for _ in range(10))

    assert tenfold.count == 300
    assert (tenfold.low, tenfold.high) == pytest.approx((once.low, once.high))


def test_the_interval_is_that_of_a_bootstrap_over_prompts():
    # R18: prompts differ in difficulty and in their number of comparisons.
    random = np.random.default_rng(0)
    sizes = random.integers(1, 20, 300)
    rights = [random.binomial(size, random.beta(3, 1)) for size in sizes]
    scored = [
        (str(n), float(at < right))
        for n, (size, right) in enumerate(zip(sizes, rights, strict=True))
        for at in range(size)
    ]

    share = share_of(scored)

    drawn = random.integers(300, size=(4000, 300))
    resampled = np.array(rights)[drawn].sum(axis=1) / sizes[drawn].sum(axis=1)
    low, high = np.quantile(resampled, [0.025, 0.975])
    assert (share.low, share.high) == pytest.approx((low, high), abs=0.004)
    assert high - low > 0.05


def test_the_interval_holds_the_truth_19_times_in_20():
    # Twelve prompts of 15 comparisons that share their prompt's chance, 0.7 on average.
    random = np.random.default_rng(0)

    def is_covered():
        chances = random.beta(7, 3, 12)
        rights = random.binomial(15, chances)
        share = share_of(
            (str(n), float(at < right)) for n, right in enumerate(rights) for at in range(15)
        )
        return share.low <= 0.7 <= share.high

    assert sum(is_covered() for _ in range(1000)) == pytest.approx(945, abs=25)


@pytest.mark.parametrize(
    ("degrees", "quantile"), [(9, 2.2621572), (12, 2.1788128), (30, 2.0422725), (1000, 1.9623391)]
)
def test_the_quantiles_of_students_t_are_those_of_the_tables(degrees, quantile):
    assert t_975(degrees) == pytest.approx(quantile, abs=2e-4)


@pytest.mark.parametrize(("score", "low", "high"), [(1.0, 0.7225, 1.0), (0.0, 0.0, 0.2775)])
def test_ten_prompts_all_right_or_all_wrong_prove_neither_perfection_nor_its_opposite(
    score, low, high
):
    share = share_of((str(n), score) for n in range(10))

    assert (share.value, share.low, share.high) == pytest.approx((score, low, high), abs=1e-4)


def test_below_ten_prompts_there_is_a_reason_instead_of_an_interval():
    nine = share_of((str(n), float(n % 2)) for n in range(9))
    ten = share_of((str(n), float(n % 2)) for n in range(10))

    assert (nine.low, nine.high) == (None, None)
    assert nine.reason == "not enough data: 9 of 10 prompts"
    assert ten.reason is None
    assert ten.low < ten.value < ten.high


# --- by whom and by how much ---------------------------------------------------------------------


def test_accuracy_is_split_by_who_was_trained_on_and_by_labeler():
    found = evaluate(
        [
            compared("a", 1.0, labeler="ann"),
            compared("a", -1.0, labeler="ben"),
            compared("b", 1.0, labeler="cem"),
            compared("b", 1.0, labeler="ben"),
            replace(compared("c", 1.0, labeler="dan"), ranks=[1, 1]),
        ],
        {"ann", "ben", "somebody else"},
    )

    assert (found.training_labelers.value, found.training_labelers.count) == (2 / 3, 3)
    assert (found.held_out_labelers.value, found.held_out_labelers.count) == (1.0, 1)
    assert {name: share.value for name, share in found.by_labeler.items()} == {
        "ann": 1.0,
        "ben": 0.5,
        "cem": 1.0,
        "dan": None,
    }
    assert found.by_labeler["dan"].reason == "not enough data: no comparison"


def test_margins_are_gaps_of_ratings_and_contradicting_ratings_are_kept_apart():
    found = evaluate(
        [
            compared("a", 1.0, gap=0),
            compared("b", -1.0, gap=1),
            compared("c", 1.0, gap=2),
            compared("d", 1.0, gap=3),
            compared("e", -1.0, gap=6),
            compared("f", -1.0, gap=-2),
            compared("g", 1.0),
            replace(compared("h", 1.0), ratings=[5, None]),
        ],
        set(),
    )

    assert {name: (share.value, share.count) for name, share in found.by_margin.items()} == {
        "0": (1.0, 1),
        "1": (0.0, 1),
        "2": (1.0, 1),
        "3+": (0.5, 2),
        "below 0": (0.0, 1),
    }


def test_accuracy_is_split_by_round_in_their_order_without_what_is_of_no_round():
    found = evaluate(
        [
            replace(compared("a", 1.0), round=10),
            replace(compared("b", -1.0), round=2),
            replace(compared("c", 1.0), round=2),
            replace(compared("d", 1.0), ranks=[1, 1], round=3),
            compared("e", -1.0),
        ],
        set(),
    )

    assert [(name, one.value, one.count) for name, one in found.by_round.items()] == [
        ("2", 0.5, 2),
        ("10", 1.0, 1),
    ]


def test_accuracy_is_split_by_whose_responses_were_compared_whichever_was_chosen():
    chosen_first = Judged("a", [1, 2, 3, 4], [4.0, 3.0, 2.0, 1.0], models=["a", "b", "a", None])
    chosen_last = replace(chosen_first, prompt_id="b", ranks=[3, 2, 1, 4])

    found = evaluate([chosen_first, chosen_last, compared("c", 1.0)], set())

    assert [
        (pair.models, pair.accuracy.value, pair.accuracy.count) for pair in found.by_models
    ] == [
        (("a", "b"), 0.5, 4),
        (("a", "a"), 0.5, 2),
    ]


def test_the_interval_of_a_round_and_of_a_pair_of_models_has_prompts_as_clusters():
    once = [replace(compared(f"p{n}", n % 3 - 0.5), round=1, models=("a", "b")) for n in range(30)]

    alone, tenfold = evaluate(once, set()), evaluate(once * 10, set())

    assert tenfold.by_round["1"].prompts == 30
    for one, many in (
        (alone.by_round["1"], tenfold.by_round["1"]),
        (alone.by_models[0].accuracy, tenfold.by_models[0].accuracy),
    ):
        assert (many.low, many.high) == pytest.approx((one.low, one.high))


def test_an_evaluation_of_before_rounds_models_and_choices_were_measured_is_still_read():
    newer = {"by_round": True, "by_models": True, "length": {"choice"}}
    written = evaluate([compared("a", 1.0)], set()).model_dump(exclude=newer)

    read = RewardEvaluation.model_validate(written)

    assert (read.by_round, read.by_models, read.length.choice) == ({}, [], None)


# --- calibration ---------------------------------------------------------------------------------


def test_true_bradley_terry_scores_are_calibrated():
    # R19
    calibration = evaluate(bradley_terry(20_000, scale=1.0), set()).calibration

    assert calibration.ece_before < 0.02
    assert calibration.ece_after < 0.02
    assert calibration.temperature == pytest.approx(1.0, abs=0.05)


def test_a_temperature_makes_scores_believable_that_are_three_times_too_large():
    calibration = evaluate(bradley_terry(20_000, scale=3.0), set()).calibration

    assert calibration.temperature == pytest.approx(3.0, abs=0.15)
    assert calibration.ece_before > 0.08
    assert calibration.ece_after < 0.02
    assert calibration.log_loss_after < calibration.log_loss_before
    assert calibration.brier_after < calibration.brier_before


def test_bins_hold_every_comparison_once_from_a_half_to_certainty():
    judged = [compared("a", margin) for margin in (0.0, 1e-9, -0.3, 2.0, 800.0, -800.0)]

    bins = evaluate(judged, set()).calibration.bins

    assert [one.count for one in bins] == [2, 1, 0, 0, 0, 0, 0, 1, 0, 2]
    assert (bins[0].low, bins[-1].high) == (0.5, 1.0)
    assert all(before.high == after.low for before, after in pairwise(bins))
    assert (bins[0].accuracy, bins[1].accuracy, bins[9].accuracy) == (0.75, 0.0, 0.5)
    assert bins[7].confidence == pytest.approx(0.8807971)
    assert (bins[2].accuracy, bins[2].confidence) == (None, None)


def test_the_temperature_has_the_least_log_loss():
    margins = np.array([2.1, 0.4, -0.3, 1.2, 0.05, -1.1, 3.0, 0.7, 0.0, -0.6, 1.9, 0.2])

    temperature = fit_temperature(margins)

    grid = np.exp(np.linspace(-2, 2, 4001))
    losses = np.logaddexp(0, -margins / grid[:, None]).mean(axis=1)
    assert temperature == pytest.approx(grid[losses.argmin()], rel=0.002)


@pytest.mark.parametrize("unit", [1e-12, 1.0, 1e30])
def test_the_temperature_has_the_unit_of_the_scores(unit):
    margins = np.array([2.0, 1.0, -0.5, 0.7])

    assert fit_temperature(unit * margins) == pytest.approx(unit * fit_temperature(margins))


def test_no_temperature_is_fitted_to_its_own_half():
    # One temperature fitted to all comparisons would always look at least as good.
    judged = bradley_terry(400, scale=1.0)
    margins = np.array([one.scores[0] for one in judged])

    calibration = evaluate(judged, set()).calibration

    flattered = np.logaddexp(0, -margins / calibration.temperature).mean()
    assert calibration.log_loss_after > flattered
    assert calibration.log_loss_after == pytest.approx(flattered, abs=0.01)


@pytest.mark.parametrize("margins", [[1.0, 2.0, 0.0], [-1.0, 0.5], [0.0, 0.0], [1.0, -1.0]])
def test_scores_without_mistake_or_without_use_have_no_temperature(margins):
    assert fit_temperature(np.array(margins)) is None


def test_a_missing_temperature_is_explained():
    few = evaluate([compared("a", 1.0), compared("b", -0.5)], set()).calibration
    perfect = evaluate([compared(f"p{n}", 1.0) for n in range(20)], set()).calibration

    assert few.reason == "not enough data for a temperature: 2 of 10 prompts"
    assert perfect.reason.startswith("no temperature fits")
    assert (perfect.temperature, perfect.ece_after) == (None, None)
    assert perfect.ece_before == pytest.approx(1 - 1 / (1 + math.exp(-1)))


# --- length --------------------------------------------------------------------------------------


def test_a_response_that_two_labelers_ranked_is_correlated_once():
    ranking = Judged("a", [1, 2, 3], [3.0, 1.0, 2.0], token_counts=[30, 20, 10], labeler="ann")
    two_of_them = Judged("a", [2, 1], [2.0, 3.0], "ben", (), [10, 30], responses=[2, 0])

    one = evaluate([ranking], set()).length.mean_spearman
    both = evaluate([ranking, two_of_them], set()).length.mean_spearman

    assert one == pytest.approx(0.5)
    assert both == one


def test_a_difference_of_ten_points_is_no_warning():
    judged = [
        compared(f"{extra}-{n}", 1.0 if n < right else -1.0, extra=extra)
        for extra, right in ((5, 8), (-5, 7))
        for n in range(10)
    ]

    assert evaluate(judged, set()).length.warning is None


def test_a_model_that_pays_for_length_is_warned_about():
    judged = [compared(f"p{n}", extra / 10, extra=extra) for n, extra in enumerate([9, -9] * 6)]

    length = evaluate(judged, set()).length

    assert (length.when_chosen_longer.value, length.when_chosen_shorter.value) == (1.0, 0.0)
    assert "favors long responses" in length.warning


def test_without_token_counts_there_are_no_length_checks():
    length = evaluate([compared("a", 1.0)], set()).length

    assert length.mean_spearman is None
    assert length.longer_wins.count == 0
    assert length.warning is None


# --- agreement -----------------------------------------------------------------------------------


def test_the_model_is_judged_on_the_pairs_on_which_labelers_are():
    # R21: on "a" the labelers disagree, on "b" they agree; only one saw "c".
    judged = [
        voted("a", "ann", first_is_better=True),
        voted("a", "ben", first_is_better=False),
        voted("b", "ann", first_is_better=False),
        voted("b", "ben", first_is_better=False),
        voted("c", "ann", first_is_better=True),
    ]

    found = evaluate(judged, set())

    assert found.accuracy.value == pytest.approx(2 / 5)
    assert (found.agreement.agreement.value, found.agreement.agreement.count) == (0.5, 2)
    assert (found.agreement.accuracy.value, found.agreement.accuracy.count) == (0.25, 2)
    assert found.agreement.ceiling == 0.5


def test_agreement_follows_the_response_and_not_its_place():
    judged = [
        Judged("a", [1, 2], [1.0, 0.0], "ann", responses=["x", "y"]),
        Judged("a", [2, 1], [0.0, 1.0], "ben", responses=["y", "x"]),
        Judged("a", [1, 2], [0.5, 0.0], "cem", responses=["z", "y"]),
    ]

    agreement = evaluate(judged, set()).agreement.agreement

    assert (agreement.value, agreement.count) == (1.0, 1)


def test_a_labeler_does_not_agree_with_themself():
    judged = [voted("a", "ann", first_is_better=True)] * 3

    assert evaluate(judged, set()).agreement.agreement.value is None


def test_the_empirical_ceiling_leaves_out_what_the_others_cannot_decide():
    # For each of the two who agree, the others cancel out; for the third they are two against one.
    judged = [
        voted("a", "ann", first_is_better=True),
        voted("a", "ben", first_is_better=True),
        voted("a", "cem", first_is_better=False),
        voted("b", "ann", first_is_better=True),
        voted("b", "ben", first_is_better=True),
    ]

    band = evaluate(judged, set()).agreement

    assert (band.empirical_ceiling.value, band.empirical_ceiling.count) == (0.0, 1)
    assert (band.accuracy_beside_majority.value, band.accuracy_beside_majority.count) == (0.0, 1)


def test_an_agreement_below_chance_has_no_ceiling_but_a_reason():
    judged = [
        voted("a", labeler, first_is_better=better)
        for labeler, better in (("x", True), ("y", False))
    ]

    band = evaluate(judged, set()).agreement

    assert band.agreement.value == 0.0
    assert band.ceiling is None
    assert band.reason == "labelers agree on 0.0%, which is less than chance"


# --- labeler folds -------------------------------------------------------------------------------


def test_every_labeler_is_in_one_fold_and_the_folds_weigh_the_same():
    # R17
    rankings = {f"l{n}": count for n, count in enumerate([90, 70, 60, 40, 40, 30, 20, 20, 20, 10])}

    folds = labeler_folds(rankings, 5, seed=0)

    assert sorted(name for fold in folds for name in fold) == sorted(rankings)
    loads = sorted(sum(rankings[name] for name in fold) for fold in folds)
    assert loads == [70, 80, 80, 80, 90]


def test_folds_depend_on_the_seed_and_not_on_the_order_of_the_labelers():
    rankings = {f"l{n}": 10 for n in range(20)}
    reversed_rankings = dict(reversed(rankings.items()))

    assert labeler_folds(rankings, 5, seed=3) == labeler_folds(reversed_rankings, 5, seed=3)
    assert labeler_folds(rankings, 5, seed=3) != labeler_folds(rankings, 5, seed=4)


@pytest.mark.parametrize(
    ("rankings", "folds", "sizes"),
    [
        ({"a": 3, "b": 1, "c": 2}, 3, [1, 1, 1]),
        ({"a": 0, "b": 0, "c": 0, "d": 5}, 2, [1, 3]),
        ({"a": 0, "b": 0, "c": 0}, 3, [1, 1, 1]),
        ({"a": 3, "b": 1}, 0, []),
        ({}, 0, []),
    ],
)
def test_no_fold_is_empty(rankings, folds, sizes):
    assert sorted(len(fold) for fold in labeler_folds(rankings, folds, seed=0)) == sizes


def test_scores_that_differ_by_rounding_only_count_half():
    judged = [compared(name, 1e-7) for name in "abc"]

    assert pairwise_accuracy(judged).value == 0.5


@pytest.mark.parametrize("rankings", [{}, {"a": 3}, {"a": 3, "b": 1}])
def test_more_folds_than_labelers_are_refused_with_both_numbers(rankings):
    with pytest.raises(RunRefusedError, match=f"labeler_folds is 3, but {len(rankings)} labelers"):
        labeler_folds(rankings, 3, seed=0)


def test_one_fold_is_refused_because_nobody_would_be_left():
    with pytest.raises(RunRefusedError, match="labeler_folds is 1"):
        labeler_folds({"a": 1, "b": 2}, 1, seed=0)


def test_a_fold_compares_the_labelers_it_held_out_with_those_it_was_trained_on():
    """R17: dan ranked only held-out prompts, so that no fold was trained on dan or without."""
    judged = [
        compared("a", 1.0, labeler="ann"),
        compared("a", -1.0, labeler="ben"),
        compared("b", 1.0, labeler="cem"),
        compared("b", -1.0, labeler="dan"),
    ]

    fold = evaluate_fold(judged, {"cem", "ben"}, training_labelers={"ann"})

    assert fold.labelers == ["ben", "cem"]
    assert (fold.training_labelers.value, fold.training_labelers.count) == (1.0, 1)
    assert (fold.held_out_labelers.value, fold.held_out_labelers.count) == (0.5, 2)


# --- whatever comes ------------------------------------------------------------------------------


CASES = {
    "nothing": [],
    "one comparison": [compared("a", 0.3, extra=4, gap=1)],
    "all ties": [Judged("a", [1, 1, 1], [1.0, 2.0, 3.0], "ann", [4, 4, 4], [5, 6, 7])],
    "nothing judged": [Judged("a", [None, None], [1.0, 2.0], "ann", [None, None], [5, 6])],
    "constant scores": [compared(f"p{n}", 0.0, extra=n % 3 - 1, gap=n % 5) for n in range(30)],
    "constant lengths": [compared(f"p{n}", n % 3 - 0.5, extra=0) for n in range(30)],
    "all wrong": [compared(f"p{n}", -1.0, extra=3) for n in range(30)],
    "huge scores": [compared(f"p{n}", 3e38 if n % 3 else -3e38, extra=1) for n in range(30)],
    "tiny scores": [compared(f"p{n}", 1e-45 if n % 3 else -1e-45, extra=1) for n in range(30)],
    "contradictory labelers": [
        voted(f"p{n}", labeler, first_is_better=labeler == "ann")
        for n in range(30)
        for labeler in ("ann", "ben")
    ],
}


@pytest.mark.parametrize("judged", CASES.values(), ids=CASES.keys())
def test_whatever_the_rankings_the_numbers_are_finite_and_shares_within_0_and_1(judged):
    found = evaluate(judged, {"ann"})

    assert RewardEvaluation.model_validate_json(found.model_dump_json()) == found
    assert all(math.isfinite(number) for number in numbers_in(found.model_dump()))
    for share in (found.accuracy, found.training_labelers, *found.by_labeler.values()):
        assert share.value is None or 0 <= (share.low or 0) <= share.value <= (share.high or 1) <= 1
        assert share.reason or share.low is not None


def test_without_a_comparison_everything_is_undefined_with_a_reason_and_not_zero():
    found = evaluate([Judged("a", [1, 1], [0.0, 1.0], "ann")], {"ann"})

    assert found.accuracy.value is None
    assert found.accuracy.reason == "not enough data: no comparison"
    assert found.calibration.ece_before is None
    assert found.calibration.reason == "not enough data: no comparison"
    assert found.agreement.ceiling is None
    assert found.agreement.reason


@pytest.mark.parametrize("score", [math.nan, math.inf, -math.inf])
def test_a_score_that_is_no_number_ends_the_run_with_the_prompt_in_the_message(score):
    with pytest.raises(RunDivergedError, match=f"a response to prompt q7 scores {score}"):
        evaluate([Judged("q7", [1, 2, None], [1.0, 0.0, score], "ann")], {"ann"})


def test_permuting_the_responses_of_a_ranking_changes_nothing():
    # R20
    random = np.random.default_rng(0)
    judged = [
        Judged(
            f"p{n}",
            random.permutation(5).tolist(),
            random.normal(size=5).tolist(),
            f"l{n % 3}",
            random.integers(1, 8, 5).tolist(),
            random.integers(10, 90, 5).tolist(),
            [0, 1, 2, 3, 4],
        )
        for n in range(40)
    ]
    order = [3, 0, 4, 1, 2]
    permuted = [
        replace(
            one,
            **{
                name: [getattr(one, name)[place] for place in order]
                for name in ("ranks", "scores", "ratings", "token_counts", "responses")
            },
        )
        for one in judged
    ]

    before, after = evaluate(judged, {"l0"}), evaluate(permuted, {"l0"})

    assert numbers_in(after.model_dump()) == pytest.approx(numbers_in(before.model_dump()))


def test_measuring_needs_no_torch():
    modules = "trainer.evaluate, trainer.preference.labeler_folds"
    code = f"import sys, {modules}; sys.exit('torch' in sys.modules)"

    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
