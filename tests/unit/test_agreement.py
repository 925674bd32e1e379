"""Agreement against V01, V02, V03, V07, V08, V19, V33, V34, and what holds for all data."""

import json
import math
from dataclasses import replace
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
import statsmodels.api as sm
from hypothesis import given, settings
from hypothesis import strategies as st
from statsmodels.stats.proportion import proportion_confint

from app.agreement.metrics.alpha import pair_alpha, rating_alpha
from app.agreement.metrics.estimates import Measured, display_status, ratio, shown, t_975
from app.agreement.metrics.labels import no_labels
from app.agreement.metrics.pairwise import (
    averages,
    leave_one_out,
    pair_counts,
    per_labeler,
    per_pair,
)
from app.agreement.metrics.win_rates import win_rates
from tests.label_columns import Label, columns, names_of

VECTORS = {
    vector["id"]: vector
    for vector in json.loads((Path(__file__).parents[1] / "vectors.json").read_text())["vectors"]
}
RULES = ("strict", "half", "three_way")


def labels_from(rankings):
    return [
        Label(prompt, prompt, labeler, tuple(ranks), tuple(ranks.values()))
        for prompt, labelers in rankings.items()
        for labeler, ranks in labelers.items()
    ]


GIVEN = labels_from(VECTORS["V01"]["input"]["rankings"])
F1 = columns(GIVEN)
NAMES = names_of(GIVEN)


def strict_of(labels):
    counts = pair_counts(labels)
    return averages(counts, counts.strict).micro


@pytest.mark.parametrize("rule", RULES)
def test_v01_agreement_by_three_rules_and_three_averages(rule):
    counts = pair_counts(F1)
    expected = VECTORS["V01"]["expected"][rule]

    got = averages(counts, getattr(counts, rule), min_units=1)

    assert got.micro.units == expected["n_units"]
    assert got.micro.prompts == expected["n_prompts"]
    assert got.micro.value == pytest.approx(expected["micro"], abs=1e-6)
    assert got.macro_prompt.value == pytest.approx(expected["macro_prompt"], abs=1e-6)
    assert got.macro_labeler_pair.value == pytest.approx(expected["macro_labeler_pair"], abs=1e-6)
    assert len(per_pair(counts)) == expected["n_labeler_pairs"]


def test_the_error_of_the_mean_over_prompts_is_that_of_their_shares():
    counts = pair_counts(F1)
    scores, units = counts.half
    shares = [
        scores[counts.prompt == prompt].sum() / units[counts.prompt == prompt].sum()
        for prompt in np.unique(counts.prompt[units > 0])
    ]

    got = averages(counts, counts.half).macro_prompt

    assert got.se == pytest.approx(np.std(shares, ddof=1) / np.sqrt(len(shares)), abs=1e-12)
    assert (got.units, got.prompts) == (units.sum(), len(shares))


def many_labels(prompts, labelers):
    random = np.random.default_rng(3)
    return columns(
        [
            Label(p, p, int(labeler), (1, 2, 3, 4), tuple(random.integers(1, 5, 4).tolist()))
            for p in range(prompts)
            for labeler in random.choice(labelers, 2, replace=False)
        ]
    )


def test_of_two_labelers_the_mean_over_pairs_is_the_agreement_itself():
    counts = pair_counts(many_labels(40, labelers=2))

    got = averages(counts, counts.strict)

    assert got.macro_labeler_pair.value == pytest.approx(got.micro.value, abs=1e-12)
    assert got.macro_labeler_pair.se == pytest.approx(got.micro.se, abs=1e-12)
    assert got.macro_labeler_pair.units == got.micro.units


def test_the_error_of_the_mean_over_pairs_is_what_leaving_out_a_prompt_tells():
    counts = pair_counts(many_labels(300, labelers=4))
    scores, units = counts.strict

    def without(prompt):
        kept = counts.prompt != prompt
        found = [
            scores[kept & (counts.pair == pair)].sum() / units[kept & (counts.pair == pair)].sum()
            for pair in np.unique(counts.pair)
        ]
        return np.mean(found)

    left = np.array([without(prompt) for prompt in range(300)])
    jackknife = np.sqrt(299 / 300 * ((left - left.mean()) ** 2).sum())

    got = averages(counts, counts.strict).macro_labeler_pair

    assert got.se == pytest.approx(jackknife, rel=0.05)


def test_v02_the_standard_error_takes_prompts_as_clusters():
    got = strict_of(F1)

    assert got.se == pytest.approx(VECTORS["V02"]["expected"]["se_cluster"], abs=1e-6)
    assert got.half_width == pytest.approx(2.776445 * got.se, abs=1e-6)


def random_team(rng):
    """Three labelers of a few prompts, with ties, with gaps, and not each of each prompt."""
    return [
        Label(prompt, prompt, labeler, (1, 2, 3, 4),
              tuple(None if rng.random() < 0.15 else int(rng.integers(1, 4)) for _ in range(4)))
        for prompt in range(rng.integers(2, 8))
        for labeler in range(3)
        if rng.random() < 0.8
    ]  # fmt: skip


def units_of(labels):
    """Each unit as its prompt and what the two labelers say of the pair: 1, 0 or -1."""
    return [
        (one.prompt, *(np.sign(own.ranks[j] - own.ranks[i]) for own in (one, other)))
        for one, other in combinations(labels, 2)
        if one.slate == other.slate
        for i, j in combinations(range(4), 2)
        if None not in (one.ranks[i], one.ranks[j], other.ranks[i], other.ranks[j])
    ]


SCORES = {
    "strict": lambda x, y: None if 0 in (x, y) else float(x == y),
    "half": lambda x, y: 1.0 if x == y else 0.5 if 0 in (x, y) else 0.0,
    "three_way": lambda x, y: float(x == y),
}


@pytest.mark.parametrize("rule", RULES)
def test_agreement_and_its_error_are_those_of_statsmodels_on_200_data_sets(rule):
    compared = 0
    for seed in range(200):
        given_ = random_team(np.random.default_rng(seed))
        units = [(prompt, SCORES[rule](x, y)) for prompt, x, y in units_of(given_)]
        told = [(prompt, score) for prompt, score in units if score is not None]
        if len({prompt for prompt, _ in told}) < 2:
            continue
        compared += 1
        prompts, scores = map(np.array, zip(*told, strict=True))
        fit = sm.OLS(scores, np.ones(len(scores))).fit(
            cov_type="cluster", cov_kwds={"groups": prompts}
        )

        counts = pair_counts(columns(given_))
        got = averages(counts, getattr(counts, rule)).micro

        assert (got.units, got.prompts) == (len(told), len(set(prompts.tolist())))
        assert got.value == pytest.approx(fit.params[0], abs=1e-12)
        assert got.se == pytest.approx(fit.bse[0], abs=1e-12)
    assert compared > 150


def test_v03_agreement_of_each_pair_of_labelers():
    expected = VECTORS["V03"]["expected"]["labeler_pairs"]

    got = {
        f"{NAMES[one]}-{NAMES[other]}": measured
        for (one, other), measured in per_pair(pair_counts(F1)).items()
    }

    assert {name: m.units for name, m in got.items()} == {n: e["n"] for n, e in expected.items()}
    assert {name: m.value for name, m in got.items()} == pytest.approx(
        {name: e["agreement"] for name, e in expected.items()}, abs=1e-6
    )


@pytest.mark.parametrize(
    ("table", "got"),
    [("per_labeler", per_labeler(pair_counts(F1))), ("leave_one_out", leave_one_out(F1))],
)
def test_v03_agreement_of_each_labeler_with_the_others_and_their_consensus(table, got):
    expected = VECTORS["V03"]["expected"][table]
    got = {NAMES[code]: measured for code, measured in got.items()}

    assert {name: m.units for name, m in got.items()} == {n: e["n"] for n, e in expected.items()}
    assert {name: m.value for name, m in got.items()} == pytest.approx(
        {name: e["agreement"] for name, e in expected.items()}, abs=1e-6
    )


def test_v07_alpha_of_pair_labels_is_symmetrized():
    expected = VECTORS["V07"]["expected"]["alpha_nominal_symmetrised"]

    assert pair_alpha(F1).value == pytest.approx(expected, abs=1e-6)


def test_v08_alpha_of_ratings_is_ordinal():
    ratings = VECTORS["V08"]["input"]["ratings"]
    responses = tuple(range(8))
    labels = [
        Label("p", "s", f"L{i}", responses, responses, tuple(row)) for i, row in enumerate(ratings)
    ]

    assert rating_alpha(columns(labels)).value == pytest.approx(
        VECTORS["V08"]["expected"]["ordinal"], abs=1e-6
    )


def test_v19_a_win_rate_counts_ties_as_half_and_takes_prompts_as_clusters():
    expected = VECTORS["V19"]["expected"]
    scores = VECTORS["V19"]["input"]["per_prompt_scores"]
    rank_of_new = {1: 1, 0.5: 2, 0: 3}
    labels = [
        Label(
            prompt=i,
            slate=(i, j),
            labeler="L",
            responses=("new", "old"),
            ranks=(rank_of_new[score], 2),
            models=("ppo", "sft"),
        )
        for i, prompt in enumerate(scores)
        for j, score in enumerate(prompt)
    ]

    got = win_rates(columns(labels), "sft")

    assert list(got) == ["ppo"]
    assert got["ppo"].value == pytest.approx(expected["cluster_mean"], abs=1e-6)
    assert got["ppo"].se == pytest.approx(expected["cluster_se"], abs=1e-6)


def test_v19_wins_ties_and_losses_give_this_win_rate():
    given_ = VECTORS["V19"]["input"]
    scores = np.repeat([1.0, 0.5, 0.0], [given_["wins"], given_["ties"], given_["losses"]])

    got = ratio(scores, np.ones_like(scores), np.arange(len(scores)))

    assert got.value == pytest.approx(VECTORS["V19"]["expected"]["win_rate_ties_half"], abs=1e-6)


@pytest.mark.parametrize(
    ("case", "expected"),
    list(zip(VECTORS["V33"]["input"]["cases"], VECTORS["V33"]["expected"], strict=True)),
)
def test_v33_when_a_number_may_be_shown(case, expected):
    kind, prompts, units, half_width = case

    status, _ = display_status(kind, prompts=prompts, units=units, half_width=half_width)

    assert status == expected


def test_not_enough_data_is_said_with_the_counts():
    assert display_status("agreement_card", prompts=6, units=90, half_width=0.1) == (
        "not_enough_data",
        "not enough data: 6 of 10 shared prompts",
    )
    assert display_status("labeler", prompts=12, units=49, half_width=0.1)[1] == (
        "not enough data: 49 of 50 shared comparisons"
    )


def test_a_number_without_enough_data_is_hidden_with_its_reason():
    got = shown("agreement_card", strict_of(F1))

    assert (got.value, got.se, got.ci95) == (None, None, None)
    assert (got.prompts, got.units) == (5, 61)
    assert got.reason == "not enough data: 5 of 10 shared prompts"


@pytest.mark.parametrize("value", [0.0, 1.0, 0.5])
def test_prompts_that_all_say_the_same_give_wilsons_interval_and_no_error(value):
    alike = Measured(value, 0.0, 1080, 30)
    expected = proportion_confint(30 * value, 30, method="wilson")

    got = shown("agreement_card", alike)

    assert (got.value, got.se, got.interval) == (value, None, "wilson")
    assert got.ci95 == pytest.approx(expected, abs=1e-12)
    assert got.status == ("provisional" if value == 0.5 else "ok")
    # What goes from -1 to 1 is twice as wide.
    full = shown("agreement_card", replace(alike, value=1.0), low=-1.0)
    low = proportion_confint(30, 30, method="wilson")[0]
    assert full.ci95 == pytest.approx((2 * low - 1, 1), abs=1e-12)


def test_draws_that_are_all_the_same_are_no_interval():
    alike, differing = Measured(1.0, 0.0, 1080, 40), Measured(0.9, 0.02, 1080, 40)

    assert shown("agreement_card", alike, bootstrap=(1.0, 1.0)).interval == "wilson"
    assert shown("agreement_card", differing, bootstrap=(0.9, 0.9)).interval == "t"
    assert shown("agreement_card", differing, bootstrap=(0.8, 1.0)).ci95 == (0.8, 1.0)


def test_v34_what_is_undefined_is_none():
    all_tied = columns(labels_from(VECTORS["V34"]["input"]["all_tied"]))
    single = columns(labels_from(VECTORS["V34"]["input"]["single"]))
    same = columns(labels_from({"P": {"L1": {"a": 1, "b": 1}, "L2": {"a": 1, "b": 1}}}))
    none = no_labels()
    counts = pair_counts(all_tied)

    assert strict_of(single).value is None
    assert strict_of(none).value is None
    assert averages(counts, counts.strict).micro.value is None
    assert averages(counts, counts.strict).macro_prompt.value is None
    assert averages(counts, counts.strict).macro_labeler_pair.value is None
    assert averages(counts, counts.half).micro.value == 0.5
    assert pair_alpha(same).value is None
    assert pair_alpha(none).value is None
    assert rating_alpha(none).value is None
    assert leave_one_out(none) == {}
    assert leave_one_out(single) == {}


def test_one_prompt_has_a_value_but_no_standard_error():
    alike = labels_from({"P": {"L1": {"a": 1, "b": 2}, "L2": {"a": 1, "b": 2}}})

    got = strict_of(columns(alike))

    assert (got.value, got.se, got.half_width) == (1.0, None, None)


def test_only_the_first_two_labels_of_a_slate_count_for_the_headline():
    kept = F1.first_two()

    of_p1_and_p3 = kept.labeler[np.isin(kept.prompt, (0, 2))].tolist()
    assert [NAMES[code] for code in of_p1_and_p3] == ["L1", "L2", "L1", "L2"]


@pytest.mark.parametrize(
    ("df", "quantile"),
    [
        (1, 12.7062047362),
        (2, 4.3026527297),
        (4, 2.7764451052),
        (9, 2.2621571629),
        (29, 2.0452296421),
        (60, 2.0002978211),
        (61, 1.9996235849),
        (1000, 1.9623390808),
    ],
)
def test_the_t_quantile_has_the_tabulated_values(df, quantile):
    assert t_975(df) == pytest.approx(quantile, abs=1e-8)


# --- what holds for all data ---------------------------------------------------------------------


@st.composite
def rankings(draw):
    """Up to 6 prompts, 4 responses each, ranked by some of 4 labelers, with ties and gaps."""
    rank = st.one_of(st.none(), st.integers(1, 4))
    return {
        f"P{p}": {
            f"L{u}": dict(zip("abcd", draw(st.tuples(rank, rank, rank, rank)), strict=True))
            for u in draw(st.sets(st.integers(1, 4), min_size=1))
        }
        for p in range(draw(st.integers(0, 6)))
    }


def everything(given_labels):
    """All numbers of some labels, without the labelers' names."""
    labels = columns([replace(label, ratings=label.ranks) for label in given_labels])
    counts = pair_counts(labels)
    numbers = [pair_alpha(labels), rating_alpha(labels)]
    for rule in RULES:
        average = averages(counts, getattr(counts, rule), min_units=1)
        numbers += [average.micro, average.macro_prompt, average.macro_labeler_pair]
    for table in (per_labeler(counts), per_pair(counts), leave_one_out(labels)):
        numbers += sorted(table.values(), key=repr)
    return [
        number
        for item in numbers
        for number in (
            [item.value, item.se, item.units, item.prompts] if hasattr(item, "se") else [item]
        )
    ]


def same(left, right):
    """Equal up to rounding; a table's rows may swap when their numbers are equal up to rounding."""
    assert [x is None for x in left] == [x is None for x in right]
    assert sorted(x for x in left if x is not None) == pytest.approx(
        sorted(x for x in right if x is not None), abs=1e-9
    )


@settings(max_examples=60, deadline=None)
@given(rankings(), st.randoms())
def test_the_order_of_labels_and_responses_and_the_names_change_nothing(data, random):
    labels = labels_from(data)
    shuffled = []
    for label in random.sample(labels, len(labels)):
        order = random.sample(range(4), 4)
        shuffled.append(
            replace(
                label,
                labeler={"L1": "z", "L2": "y", "L3": "x", "L4": "w"}[label.labeler],
                prompt=f"other {label.prompt}",
                responses=tuple(label.responses[i] for i in order),
                ranks=tuple(label.ranks[i] for i in order),
            )
        )

    same(everything(shuffled), everything(labels))


@settings(max_examples=60, deadline=None)
@given(rankings())
def test_reversing_every_ranking_changes_nothing(data):
    labels = labels_from(data)
    reversed_ = [
        replace(label, ranks=tuple(r if r is None else 5 - r for r in label.ranks))
        for label in labels
    ]

    same(everything(reversed_)[4:], everything(labels)[4:])


@settings(max_examples=60, deadline=None)
@given(rankings())
def test_no_number_is_ever_nan_or_infinite_and_shares_lie_between_0_and_1(data):
    labels = labels_from(data)
    counts = pair_counts(columns(labels))

    assert all(math.isfinite(x) for x in everything(labels) if x is not None)
    assert all(
        0 <= averages(counts, getattr(counts, rule)).micro.value <= 1
        for rule in RULES
        if averages(counts, getattr(counts, rule)).micro.value is not None
    )


@settings(max_examples=60, deadline=None)
@given(rankings())
def test_two_labelers_of_a_pair_of_models_share_the_wins(data):
    labels = [replace(label, models=("sft", "sft", "ppo", "ppo")) for label in labels_from(data)]

    over_sft, over_ppo = (win_rates(columns(labels), model) for model in ("sft", "ppo"))

    assert over_sft.keys() == ({"ppo"} if labels else set())
    for model, measured in over_sft.items():
        flipped = over_ppo["sft"]
        assert measured.units == flipped.units, model
        assert (measured.value is None) == (flipped.value is None)
        if measured.value is not None:
            assert measured.value + flipped.value == pytest.approx(1)
