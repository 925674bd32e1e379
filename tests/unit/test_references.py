"""Agreement per labeler with the consensus, researchers, gold and oneself; from V01 and V03."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.agreement.behaviour.by_labeler import shares
from app.agreement.behaviour.references import (
    longer_wins,
    rating_conflicts,
    wilson_95,
    with_consensus,
    with_gold,
    with_oneself,
    with_researchers,
)
from app.agreement.metrics.arrays import signs_of
from app.agreement.metrics.estimates import Measured
from app.agreement.metrics.orders import conflicts
from app.agreement.metrics.pairwise import leave_one_out, pair_signs, per_labeler
from app.agreement.metrics.pairwise import pair_counts as counts_of
from app.agreement.metrics.proportions import wilson
from tests.label_columns import Label, columns
from tests.vectors import VECTORS

NAMES = ["L1", "L2", "L3", "L4"]


def f1():
    """The fixture F1 as ranks (13, 5), prompt and labeler."""
    rankings = VECTORS["V01"]["input"]["rankings"]
    rows = [
        (p, NAMES.index(name), [ranks.get(one, 0) for one in "abcde"])
        for p, labelers in enumerate(rankings.values())
        for name, ranks in labelers.items()
    ]
    prompt, labeler, ranks = zip(*rows, strict=True)
    return np.array(ranks, np.int8), np.array(prompt), np.array(labeler)


def random_labels(rng, n=60, *, labelers=5, width=5):
    """Rankings with ties and gaps of slates with one to all labelers, some of them two a prompt."""
    cells = rng.permutation(16 * labelers)[:n]
    slate, labeler = cells // labelers, cells % labelers
    return rng.integers(0, 4, (n, width)).astype(np.int8), slate, labeler


def as_labels(ranks, slate, labeler):
    return columns(
        [
            Label(s // 2, s, u, tuple(range(len(own))), tuple(int(r) or None for r in own))
            for own, s, u in zip(ranks, slate.tolist(), labeler.tolist(), strict=True)
        ]
    )


def same(got, expected):
    """Equal but for rounding, None included."""
    for one, other in zip(got, expected, strict=True):
        assert (one.units, one.prompts) == (other.units, other.prompts)
        assert one.value == pytest.approx(other.value, abs=1e-12)
        assert one.se == pytest.approx(other.se, abs=1e-12)


def test_v03_agreement_with_the_consensus():
    ranks, prompt, labeler = f1()
    expected = VECTORS["V03"]["expected"]["leave_one_out"]

    got = shares(with_consensus(ranks, prompt), prompt, labeler, 4)

    assert [one.units for one in got] == [expected[name]["n"] for name in NAMES]
    assert [one.value for one in got] == pytest.approx(
        [expected[name]["agreement"] for name in NAMES], abs=1e-6
    )


def test_v03_agreement_with_one_researcher_is_that_of_the_pair():
    ranks, prompt, labeler = f1()
    expected = VECTORS["V03"]["expected"]["labeler_pairs"]

    first, *others = shares(with_researchers(ranks, prompt, labeler == 0), prompt, labeler, 4)

    assert first.value is None
    assert [one.units for one in others] == [expected[f"L1-{n}"]["n"] for n in NAMES[1:]]
    assert [one.value for one in others] == pytest.approx(
        [expected[f"L1-{n}"]["agreement"] for n in NAMES[1:]], abs=1e-6
    )


@pytest.mark.parametrize("seed", range(200))
def test_the_columns_say_what_the_labels_say(seed):
    rng = np.random.default_rng(seed)
    ranks, slate, labeler = random_labels(rng, int(rng.integers(1, 61)))
    labels = as_labels(ranks, slate, labeler)
    codes = [int(np.searchsorted(labels.labeler_ids, u)) for u in range(5)]
    codes = [code if u in labels.labeler_ids else -1 for u, code in enumerate(codes)]
    nothing = Measured(None, None, 0, 0)

    everyone = with_researchers(ranks, slate, np.ones(len(ranks), np.bool_))

    assert (signs_of(ranks) == pair_signs(labels)).all()
    same(
        shares(with_consensus(ranks, slate), slate // 2, labeler, 5),
        [leave_one_out(labels).get(code, nothing) for code in codes],
    )
    ordered = {
        code: one for code, one in per_labeler(counts_of(labels)).items() if one.value is not None
    }
    same(shares(everyone, slate // 2, labeler, 5), [ordered.get(code, nothing) for code in codes])


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_names_order_and_batches_of_slates_change_nothing(seed):
    rng = np.random.default_rng(seed)
    ranks, slate, labeler = random_labels(rng)
    is_researcher = labeler == 0
    order, names = rng.permutation(len(ranks)), rng.permutation(5)
    columns, slates = rng.permutation(5), rng.permutation(16)
    is_early = slate < 8

    for measure in (with_consensus, lambda r, s: with_researchers(r, s, is_researcher)):
        scores, units = measure(ranks, slate)
        assert (measure(ranks[:, columns], slates[slate]) == np.array([scores, units])).all()
        same(
            [
                shares((scores[order], units[order]), slate[order], names[labeler[order]], 5)[name]
                for name in names
            ],
            shares((scores, units), slate, labeler, 5),
        )
    scores, units = with_consensus(ranks, slate)
    for half in (is_early, ~is_early):
        assert (
            with_consensus(ranks[half], slate[half]) == np.array([scores[half], units[half]])
        ).all()


def test_gold_scores_the_pairs_that_it_decides_and_takes_a_tie_there_for_wrong():
    gold = np.array([[1, 1, 2, 0]] * 5, np.int8)  # a = b > c, and nothing of d
    ranks = np.array(
        [[1, 2, 3, 4], [2, 1, 3, 3], [3, 2, 1, 1], [1, 2, 2, 1], [0, 1, 2, 1]], np.int8
    )

    scores, units = with_gold(ranks, gold)

    assert scores.tolist() == [2, 2, 0, 1, 1]
    assert units.tolist() == [2, 2, 2, 2, 1]


def test_a_repeat_is_compared_pair_by_pair():
    before = np.array([[1, 2, 3], [1, 1, 2], [1, 2, 0], [1, 1, 1]], np.int8)
    again = np.array([[1, 3, 2], [1, 2, 3], [2, 1, 3], [1, 2, 3]], np.int8)

    scores, units = with_oneself(before, again)

    assert scores.tolist() == [2, 2, 0, 0]
    assert units.tolist() == [3, 2, 1, 0]


@pytest.mark.parametrize("gap", [1, 2, 3])
def test_conflicts_are_those_of_single_rankings(gap):
    rng = np.random.default_rng(gap)
    ranks = rng.integers(0, 5, (200, 6)).astype(np.int8)
    ratings = rng.integers(0, 8, (200, 6)).astype(np.int8)

    scores, units = rating_conflicts(ranks, ratings, gap=gap)

    expected = [
        conflicts([r or None for r in own], [r or None for r in rated], gap=gap)
        for own, rated in zip(ranks.tolist(), ratings.tolist(), strict=True)
    ]
    assert list(zip(scores.tolist(), units.tolist(), strict=True)) == expected


def test_the_longer_response_wins_or_not():
    ranks = np.array([[1, 2, 3], [3, 2, 1], [1, 1, 0]], np.int8)
    lengths = np.array([[30, 20, 10], [30, 20, 20], [5, 4, 3]])

    scores, units = longer_wins(ranks, lengths)

    assert scores.tolist() == [3, 0, 0]
    assert units.tolist() == [3, 2, 0]


@pytest.mark.parametrize(
    ("measured", "effective"),
    [
        (Measured(0.8, 0.04, 300, 30), 100),  # 0.16 / 0.04^2
        (Measured(0.8, 0.2, 300, 30), 30),  # never fewer than prompts
        (Measured(0.8, 0.001, 300, 30), 300),  # never more than units
        (Measured(0.5, 0.0, 300, 30), 300),
        (Measured(1.0, 0.0, 300, 30), 30),  # without an error nothing is known of it
        (Measured(0.8, None, 10, 1), 1),
    ],
)
def test_the_interval_respects_that_pairs_of_a_prompt_hang_together(measured, effective):
    assert wilson_95(measured) == pytest.approx(wilson(measured.value, effective))


def test_there_is_no_interval_without_a_value():
    assert wilson_95(Measured(None, None, 0, 0)) is None


def test_ten_thousand_labelers_with_a_label_each():
    ranks = np.tile(np.array([1, 2, 3], np.int8), (10_000, 1))
    slate, labeler = np.arange(10_000) // 2, np.arange(10_000)

    got = shares(with_consensus(ranks, slate), slate, labeler, 10_000)

    assert got == [Measured(1.0, None, 3, 1)] * 10_000


def test_no_label_at_all():
    none = np.empty((0, 4), np.int8), np.empty(0, np.int64)

    assert shares(with_consensus(*none), none[1], none[1], 2) == [Measured(None, None, 0, 0)] * 2
    assert shares(with_consensus(*none), none[1], none[1], 0) == []
