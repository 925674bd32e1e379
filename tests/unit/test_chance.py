"""Kappas and Gwet's coefficients: V04, V05, V11, V34, against statsmodels and Gwet's formulas."""

import numpy as np
import pytest
from scipy.stats import t
from statsmodels.stats.inter_rater import cohens_kappa
from statsmodels.stats.inter_rater import fleiss_kappa as fleiss_of_statsmodels

from app.agreement.metrics.chance import (
    _gwet,
    category_weights,
    cohen_kappa,
    flag_agreement,
    fleiss_kappa,
    gwet_ac,
    rating_agreement,
)
from tests.vectors import VECTORS

WEIGHTINGS = ("nominal", "linear", "quadratic")
RATINGS = np.array([[x or 0 for x in row] for row in VECTORS["V08"]["input"]["ratings"]])
FLAG = VECTORS["V11"]["input"]["flag_table"].values()


def gwet_by_the_book(counts, weighting):
    """Value, observed, expected and standard error over items, written as in Gwet (2008, 2014)."""
    weights = category_weights(counts.shape[1], weighting)
    labels = counts.sum(axis=1)
    q, n = counts.shape[1], len(counts)
    pairs = [
        sum(r[k] * (sum(weights[k, j] * r[j] for j in range(q)) - 1) for k in range(q))
        / (r.sum() * (r.sum() - 1))
        for r in counts
    ]
    pi = [np.mean(counts[:, k] / labels) for k in range(q)]
    scale = weights.sum() / (q * (q - 1))
    pa, pe = np.mean(pairs), scale * sum(p * (1 - p) for p in pi)
    value = (pa - pe) / (1 - pe)
    of_item = [
        (one - pe) / (1 - pe)
        - 2 * (1 - value) * (scale * sum(r / r.sum() * (1 - np.array(pi))) - pe) / (1 - pe)
        for one, r in zip(pairs, counts, strict=True)
    ]
    return value, pa, pe, np.sqrt(sum((np.array(of_item) - value) ** 2) / (n * (n - 1)))


def random_counts(count, *, seed, least=0):
    """Counts (items, categories) of a few labels each."""
    rng = np.random.default_rng(seed)
    for _ in range(count):
        items, categories = rng.integers(2, 30), rng.integers(2, 8)
        labels = rng.integers(least, 6, size=items)
        yield rng.multinomial(labels, rng.dirichlet(np.ones(categories), size=items)), rng


@pytest.mark.parametrize("weighting", WEIGHTINGS)
def test_v04_cohens_kappa_of_pair_labels(weighting):
    table = np.zeros((3, 3), dtype=np.int64)
    one, other = (VECTORS["V04"]["input"][f"pair_labels_{name}"] for name in ("L1", "L2"))
    np.add.at(table, (np.array(one) + 1, np.array(other) + 1), 1)

    found = cohen_kappa(table, weighting)

    assert found.value == pytest.approx(VECTORS["V04"]["expected"][f"kappa_{weighting}"], abs=1e-6)


def test_v04_cohens_kappa_of_a_table_has_an_interval():
    expected = VECTORS["V04"]["expected"]

    found = cohen_kappa(np.array(VECTORS["V04"]["input"]["table_2x2"]))

    assert found.value == pytest.approx(expected["table_kappa"], abs=1e-6)
    assert found.se == pytest.approx(expected["table_std_kappa"], abs=1e-6)
    assert found.ci95 == pytest.approx(
        (expected["table_ci_low"], expected["table_ci_upp"]), abs=1e-6
    )


@pytest.mark.parametrize("weighting", WEIGHTINGS)
def test_cohens_kappa_is_that_of_statsmodels(weighting):
    rng = np.random.default_rng(4)
    for _ in range(200):
        size = rng.integers(2, 6)
        table = rng.integers(1, 12, size=(size, size))
        if rng.random() < 0.5:
            table[0, -1] = 0
        expected = cohens_kappa(table, wt=None if weighting == "nominal" else weighting)

        found = cohen_kappa(table, weighting)

        assert found.value == pytest.approx(expected.kappa, abs=1e-12)
        assert found.se == pytest.approx(expected.std_kappa, abs=1e-9)
        # Which labeler is the first, and from which end categories are counted, changes nothing.
        assert cohen_kappa(table.T[::-1, ::-1], weighting).value == pytest.approx(found.value)


@pytest.mark.parametrize("table", ["a", "b"])
def test_v05_fleiss_kappa(table):
    counts = np.array(VECTORS["V05"]["input"][f"table_{table}"])

    found = fleiss_kappa(counts)

    assert found == pytest.approx(VECTORS["V05"]["expected"][f"table_{table}"], abs=1e-6)


def test_fleiss_kappa_is_that_of_statsmodels():
    rng = np.random.default_rng(5)
    for _ in range(200):
        items, categories = rng.integers(2, 30), rng.integers(2, 8)
        labels = np.full(items, rng.integers(2, 6))
        counts = rng.multinomial(labels, rng.dirichlet(np.ones(categories), size=items))
        shuffled = rng.permutation(rng.permutation(counts), axis=1)
        if np.count_nonzero(counts.sum(axis=0)) == 1:
            assert fleiss_kappa(counts) is None
            continue

        assert fleiss_kappa(counts) == pytest.approx(fleiss_of_statsmodels(counts), abs=1e-12)
        assert fleiss_kappa(shuffled) == pytest.approx(fleiss_kappa(counts), abs=1e-12)


def test_fleiss_kappa_refuses_items_with_more_or_fewer_labels():
    with pytest.raises(ValueError, match="same number of labels"):
        fleiss_kappa(np.array([[2, 1], [1, 1]]))


@pytest.mark.parametrize(
    ("name", "weighting"), [("AC1", "nominal"), ("AC2_quadratic", "quadratic")]
)
def test_v11_gwets_coefficient_of_ratings(name, weighting):
    zeros = np.zeros(3, dtype=np.int64)

    found = rating_agreement(RATINGS, zeros, zeros, weighting=weighting)

    assert found.value == pytest.approx(VECTORS["V11"]["expected"][name], abs=1e-6)
    assert (found.se, found.units, found.prompts) == (None, 8, 1)


def test_v11_with_one_response_a_prompt_its_error_is_gwets():
    expected = VECTORS["V11"]["expected"]
    rows = RATINGS.T.reshape(-1, 1)  # a label a row: eight slates of one response
    slate = np.repeat(np.arange(8), 3)

    found = rating_agreement(rows, slate, slate)

    assert found.se == pytest.approx(expected["AC2_std_err"], abs=1e-6)
    half_width = t.ppf(0.975, 7) * found.se
    assert [found.value - half_width, found.value + half_width] == pytest.approx(
        expected["AC2_ci"], abs=1e-6
    )


def test_v11_what_gwets_coefficient_is_made_of():
    counts = np.stack([np.bincount(column, minlength=8)[1:] for column in RATINGS.T])

    found = _gwet(counts, np.ones(8, dtype=bool), category_weights(7, "quadratic"))

    assert found.observed == pytest.approx(VECTORS["V11"]["expected"]["AC2_pa"], abs=1e-6)
    assert found.expected == pytest.approx(VECTORS["V11"]["expected"]["AC2_pe"], abs=1e-6)


def test_v11_a_rare_flag():
    both, one, other, none = FLAG
    expected = VECTORS["V11"]["expected"]
    yes = np.repeat([2, 1, 0], [both, one + other, none])

    found = flag_agreement(yes, np.full_like(yes, 2), np.arange(len(yes)))

    assert found.raw.value == pytest.approx(expected["flag_raw_agreement"], abs=1e-6)
    assert found.ac1.value == pytest.approx(expected["flag_AC1"], abs=1e-6)
    assert found.positive.value == pytest.approx(2 * both / (2 * both + one + other))
    assert cohen_kappa(np.array([[both, one], [other, none]])).value == pytest.approx(
        expected["flag_cohen_kappa"], abs=1e-6
    )


@pytest.mark.parametrize("weighting", WEIGHTINGS)
def test_gwets_coefficient_is_as_he_wrote_it(weighting):
    for counts, _rng in random_counts(200, seed=6, least=2):
        value, pa, pe, se = gwet_by_the_book(counts, weighting)

        found = gwet_ac(counts, np.arange(len(counts)), weighting=weighting)
        parts = _gwet(counts, counts.sum(axis=1) > 1, category_weights(counts.shape[1], weighting))

        assert (parts.observed, parts.expected) == pytest.approx((pa, pe))
        assert (found.value, found.se) == pytest.approx((value, se))
        assert (found.units, found.prompts) == (len(counts), len(counts))


def test_items_with_one_label_count_for_chance_only_and_the_error_is_a_jackknifes():
    counts = np.random.default_rng(7).multinomial(
        np.random.default_rng(8).integers(1, 4, size=600), [0.7, 0.2, 0.1]
    )
    prompt = np.arange(600) // 6

    found = gwet_ac(counts, prompt, weighting="quadratic")
    without = np.array(
        [
            gwet_ac(counts[prompt != p], prompt[prompt != p], weighting="quadratic").value
            for p in range(100)
        ]
    )

    jackknife = np.sqrt(99 / 100 * ((without - without.mean()) ** 2).sum())
    assert found.se == pytest.approx(jackknife, rel=0.02)
    assert found.units == (counts.sum(axis=1) > 1).sum()
    assert found.value != gwet_ac(
        counts[counts.sum(axis=1) > 1], prompt[counts.sum(axis=1) > 1], weighting="quadratic"
    ).value  # fmt: skip


def test_flags_of_several_labelers_are_counted_by_pair():
    yes, judged = np.array([3, 1, 0, 0, 1]), np.array([4, 2, 3, 1, 0 + 1])

    found = flag_agreement(yes, judged, np.array([0, 0, 1, 2, 2]))

    # 4 labelers with 3 yes: 3 pairs yes-yes, 3 yes-no; then 1 yes-no; then 3 no-no.
    assert found.raw.value == pytest.approx(6 / 10)
    assert found.positive.value == pytest.approx(6 / (6 + 4))
    assert (found.raw.units, found.raw.prompts) == (10, 2)
    assert (found.ac1.units, found.ac1.prompts) == (3, 2)


def test_names_of_responses_labelers_and_prompts_change_no_coefficient():
    rng = np.random.default_rng(9)
    for _ in range(50):
        ratings = rng.integers(0, 8, size=(20, 4))
        slate = rng.integers(0, 8, size=20)
        rows, columns, names = rng.permutation(20), rng.permutation(4), rng.permutation(8)

        found = rating_agreement(ratings, slate, slate // 2)
        shuffled = rating_agreement(
            ratings[rows][:, columns], names[slate[rows]], names[slate[rows] // 2]
        )
        mirrored = rating_agreement(np.where(ratings > 0, 8 - ratings, 0), slate, slate // 2)

        assert (shuffled.value, shuffled.se) == pytest.approx((found.value, found.se))
        assert (mirrored.value, mirrored.se) == pytest.approx((found.value, found.se))
        assert (shuffled.units, shuffled.prompts) == (found.units, found.prompts)


def test_a_flag_turned_round_has_the_same_raw_agreement_and_coefficient():
    for counts, rng in random_counts(50, seed=10):
        judged, yes = counts[:, :2].sum(axis=1), counts[:, 0]
        prompt = rng.integers(0, 5, size=len(yes))

        found, turned = flag_agreement(yes, judged, prompt), flag_agreement(judged - yes, judged, prompt)  # noqa: E501  # fmt: skip

        assert found.raw == turned.raw
        assert (found.ac1.value is None) == (turned.ac1.value is None)
        if found.ac1.value is not None:
            assert found.ac1.value == pytest.approx(turned.ac1.value)


# --- without anything to compare there is no number, and never a warning --------------------------

ZERO = np.zeros(0, dtype=np.int64)


@pytest.mark.parametrize("weighting", WEIGHTINGS)
@pytest.mark.parametrize("table", [[[0, 0], [0, 0]], [[7, 0], [0, 0]], [[0, 0], [0, 3]]])
def test_v34_kappa_of_one_category_is_not_defined(table, weighting):
    assert cohen_kappa(np.array(table), weighting) is None


def test_v34_fleiss_kappa_of_equal_labels_is_not_defined():
    assert fleiss_kappa(np.zeros((0, 3), dtype=np.int64)) is None
    assert fleiss_kappa(np.array([[0, 3, 0], [0, 3, 0]])) is None


@pytest.mark.parametrize("ratings", [np.zeros((0, 4)), [[1, 2, 3]], [[1, 0], [0, 2]], [[0, 0]]])
def test_v34_without_a_response_rated_twice_there_is_no_coefficient(ratings):
    ratings = np.array(ratings, dtype=np.int8)
    same = np.zeros(len(ratings), dtype=np.int64)

    found = rating_agreement(ratings, same, same)

    assert (found.value, found.se, found.units, found.prompts) == (None, None, 0, 0)


def test_constant_ratings_agree_in_full():
    ratings, slate = np.full((6, 3), 4), np.arange(6) // 2

    found = rating_agreement(ratings, slate, slate)

    assert (found.value, found.se) == (1.0, 0.0)


def test_a_flag_that_nobody_set_has_no_positive_agreement():
    found = flag_agreement(np.zeros(5, dtype=np.int64), np.full(5, 2), np.arange(5))

    assert (found.raw.value, found.ac1.value) == (1.0, 1.0)
    assert found.positive.value is None
    nothing = flag_agreement(ZERO, ZERO, ZERO)
    assert [one.value for one in vars(nothing).values()] == [None] * 3
