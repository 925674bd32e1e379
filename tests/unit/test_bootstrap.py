"""Bootstrapped intervals against V02, against brute force, and where there are none."""

from dataclasses import replace

import numpy as np
import pytest

from app.agreement.metrics import bootstrap, resampling
from app.agreement.metrics.alpha import pair_alpha, rating_alpha
from app.agreement.metrics.bootstrap import (
    by_labelers_and_prompts,
    by_prompts,
    interval_of,
    intervals_of,
    sums_of,
)
from app.agreement.metrics.bootstrap_averages import averages_of_draws
from app.agreement.metrics.labels import headline, no_labels
from app.agreement.metrics.measures import RULES
from app.agreement.metrics.pairwise import averages, pair_counts
from tests.label_columns import Label, columns
from tests.vectors import VECTORS

AVERAGES = ("", "_by_prompt", "_by_labeler_pair")


def pairs_of_labels(prompts, *, labelers=3, seed=1, purpose="fresh"):
    """Two labels of each prompt by two of the labelers, with ties, gaps and ratings."""
    random = np.random.default_rng(seed)
    return [
        Label(
            prompt=prompt,
            slate=prompt,
            labeler=int(labeler) + 1,
            responses=(1, 2, 3, 4, 5),
            ranks=tuple(
                rank if is_judged else None
                for rank, is_judged in zip(
                    random.integers(1, 6, 5).tolist(), random.random(5) < 0.9, strict=True
                )
            ),
            ratings=tuple(rating or None for rating in random.integers(0, 8, 5).tolist()),
            purpose=purpose,
        )
        for prompt in range(1, prompts + 1)
        for labeler in random.choice(labelers, 2, replace=False)
    ]


def statistics_of(labels):
    counts = pair_counts(labels)
    by_rule = {}
    for rule in RULES:
        found = averages(counts, getattr(counts, rule))
        by_rule[rule] = found.micro.value
        by_rule[f"{rule}_by_prompt"] = found.macro_prompt.value
        by_rule[f"{rule}_by_labeler_pair"] = found.macro_labeler_pair.value
    return by_rule | {
        "alpha": pair_alpha(labels).value,
        "ratings_alpha": rating_alpha(labels).value,
    }


def repeated(labels, times):
    """Each prompt as often as it was drawn, as prompts of their own."""
    copies = [
        replace(label, prompt=100 * label.prompt + copy, slate=100 * label.prompt + copy)
        for label in labels
        for copy in range(int(times[label.prompt - 1]))
    ]
    return columns(copies)


def test_v02_the_prompt_bootstrap_of_strict_agreement():
    rankings = VECTORS["V01"]["input"]["rankings"]
    labels = columns(
        [
            Label(prompt, prompt, labeler, tuple(ranks), tuple(ranks.values()))
            for prompt, labelers in rankings.items()
            for labeler, ranks in labelers.items()
        ]
    )
    expected = VECTORS["V02"]["expected"]

    found = interval_of(by_prompts(sums_of(labels)["strict"], 2000, 20220304), "prompts")

    assert found.se == pytest.approx(expected["boot_se"], abs=1e-6)
    assert found.low == pytest.approx(expected["boot_ci_low"], abs=1e-6)
    assert found.high == pytest.approx(expected["boot_ci_high"], abs=1e-6)


def test_a_draw_of_prompts_gives_the_statistics_of_the_prompts_that_were_drawn():
    given = pairs_of_labels(8)
    sums = sums_of(columns(given))
    drawn = np.random.default_rng(5).integers(0, 8, size=(20, 8))

    for draw in range(20):
        expected = statistics_of(repeated(given, np.bincount(drawn[draw], minlength=8)))
        for name, each in sums.items():
            assert each.prompt.max() == 7, "every prompt has a unit"
            got = by_prompts(each, 20, 5)[draw]
            assert got == pytest.approx(expected[name], abs=1e-9), name


def test_a_draw_of_labelers_weighs_each_two_by_how_often_they_were_drawn():
    sums = sums_of(columns(pairs_of_labels(8)))["half"]
    generator = np.random.default_rng(5)
    labelers = generator.integers(0, 3, size=(20, 3))
    prompts = generator.integers(0, 8, size=(20, 8))

    got = by_labelers_and_prompts(sums, 20, 5)

    for draw in range(20):
        total = np.zeros(2)
        for row, prompt, one, other in zip(
            sums.rows, sums.prompt, sums.first, sums.second, strict=True
        ):
            weight = (labelers[draw] == one).sum() * (labelers[draw] == other).sum()
            total += weight * (prompts[draw] == prompt).sum() * row
        if total[1] == 0:
            assert np.isnan(got[draw])
        else:
            assert got[draw] == pytest.approx(total[0] / total[1], abs=1e-12)


@pytest.mark.parametrize("rule", RULES)
def test_a_draw_of_prompts_gives_the_averages_of_the_prompts_that_were_drawn(rule):
    given = pairs_of_labels(8)
    counts = pair_counts(columns(given))
    drawn = np.random.default_rng(5).integers(0, 8, size=(20, 8))

    by_prompt, by_pair = averages_of_draws(
        counts, getattr(counts, rule), resamples=20, seed=5, with_labelers=False, min_units=1
    )

    for draw in range(20):
        again = pair_counts(repeated(given, np.bincount(drawn[draw], minlength=8)))
        expected = averages(again, getattr(again, rule), min_units=1)
        assert by_prompt[draw] == pytest.approx(expected.macro_prompt.value, abs=1e-9)
        assert by_pair[draw] == pytest.approx(expected.macro_labeler_pair.value, abs=1e-9)


def test_a_draw_of_labelers_weighs_their_pairs_in_both_averages():
    counts = pair_counts(columns(pairs_of_labels(8)))
    generator = np.random.default_rng(5)
    labelers = generator.integers(0, 3, size=(20, 3))
    prompts = generator.integers(0, 8, size=(20, 8))

    got = averages_of_draws(
        counts, counts.half, resamples=20, seed=5, with_labelers=True, min_units=18
    )
    all_units = counts.half[1]
    units_of = {
        both: all_units[(counts.first == both[0]) & (counts.second == both[1])].sum()
        for both in zip(counts.first.tolist(), counts.second.tolist(), strict=True)
    }
    assert min(units_of.values()) < 18 <= max(units_of.values())

    for draw in range(20):
        shares, of_pairs = [], {}
        for prompt in prompts[draw]:
            sums = np.zeros(2)
            for row in np.flatnonzero(counts.prompt == prompt):
                both = (counts.first[row], counts.second[row])
                weight = np.prod([(labelers[draw] == one).sum() for one in both])
                scores, units = counts.half[0][row], counts.half[1][row]
                sums += weight * np.array([scores, units])
                here = of_pairs.setdefault(both, [weight, 0.0, 0.0])
                here[1:] = [here[1] + scores, here[2] + units]
            shares += [sums[0] / sums[1]] if sums[1] else []
        known = [
            (weight, a / n)
            for both, (weight, a, n) in of_pairs.items()
            if weight and n and units_of[both] >= 18
        ]
        weights, of_two = zip(*known, strict=True) if known else ((), ())
        expected = (
            np.mean(shares) if shares else np.nan,
            np.average(of_two, weights=weights) if known else np.nan,
        )
        assert (got[0][draw], got[1][draw]) == pytest.approx(expected, abs=1e-12, nan_ok=True)


def test_how_many_draws_are_made_at_once_changes_nothing(monkeypatch):
    labels = columns(pairs_of_labels(12, labelers=4))
    at_once = intervals_of(labels, resamples=103)
    monkeypatch.setattr(resampling, "DRAWS_AT_ONCE", 10)

    in_parts = intervals_of(labels, resamples=103)

    assert in_parts.keys() == at_once.keys()
    for name, interval in at_once.items():
        assert in_parts[name].resampled == interval.resampled
        assert in_parts[name].low == pytest.approx(interval.low, abs=1e-12)
        assert in_parts[name].high == pytest.approx(interval.high, abs=1e-12)


def test_with_few_labelers_the_wider_interval_is_taken():
    labels = columns(pairs_of_labels(40, labelers=4))
    sums = sums_of(labels)

    found = intervals_of(labels, resamples=300)

    assert "labelers and prompts" in {one.resampled for one in found.values()}
    for name, interval in found.items():
        if name not in sums:
            continue  # an average, which has no sums
        alone = interval_of(by_prompts(sums[name], 300, bootstrap.SEED), "prompts")
        assert interval.high - interval.low >= alone.high - alone.low


def test_with_ten_labelers_prompts_alone_are_drawn():
    labels = columns(pairs_of_labels(60, labelers=10))

    found = intervals_of(labels, resamples=100)

    assert {one.resampled for one in found.values()} == {"prompts"}


def test_an_interval_lies_around_its_number():
    labels = columns(pairs_of_labels(600, labelers=12))
    numbers = statistics_of(labels)

    for name, interval in intervals_of(labels).items():
        assert interval.low < numbers[name] < interval.high


@pytest.mark.parametrize(
    "labels",
    [
        no_labels(),
        columns(pairs_of_labels(1)),
        headline(columns([Label(p, p, 1, (1, 2), (1, 2)) for p in range(20)])),
        headline(columns(pairs_of_labels(20, purpose="gold"))),
    ],
    ids=["nothing", "one prompt", "no overlap", "gold alone"],
)
def test_without_two_prompts_there_is_no_interval(labels):
    assert intervals_of(labels) == {}


def test_what_is_not_defined_in_most_draws_has_no_interval():
    tied = [
        Label(prompt, prompt, labeler, (1, 2), (1, 1), (4, 4))
        for prompt in range(40)
        for labeler in (1, 2)
    ]

    found = intervals_of(columns(tied))

    # Neither a preference nor two different ratings: only the rules that count ties have a number.
    counting = [f"{rule}{average}" for rule in ("half", "three_way") for average in AVERAGES]
    assert found.keys() == set(counting)
    assert (found["half"].low, found["half"].high) == (1.0, 1.0)
