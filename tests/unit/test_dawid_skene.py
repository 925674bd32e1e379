"""Labelers' accuracies against V20 and crowd-kit, and what holds for all data."""

import numpy as np
import pandas as pd
import pytest
from crowdkit.aggregation import OneCoinDawidSkene
from hypothesis import given, settings
from hypothesis import strategies as st

from app.agreement.behaviour.dawid_skene import accuracies, dawid_skene, log_odds
from tests.vectors import VECTORS

V20 = VECTORS["V20"]


def random_answers(rng, *, items=40, labelers=6):
    """Three to five answers on each of some items, as item, labeler and answer."""
    right = rng.uniform(0.55, 0.95, labelers)
    truth = rng.random(items) < 0.6
    asked = [rng.choice(labelers, rng.integers(3, 6), replace=False) for _ in range(items)]
    item = np.repeat(np.arange(items), [len(some) for some in asked])
    labeler = np.concatenate(asked)
    is_right = rng.random(len(item)) < right[labeler]
    return item, labeler, truth[item] == is_right


def test_v20_accuracies_prior_and_posteriors():
    expected = V20["expected"]
    rows = [
        (i, "ABCD".index(name), answer == 1)
        for i, answers in enumerate(V20["input"]["labels"].values())
        for name, answer in answers.items()
    ]
    item, labeler, answer = map(np.array, zip(*rows, strict=True))

    got = dawid_skene(item, labeler, answer, labelers=4)

    assert got.accuracy == pytest.approx([*expected["labeler_accuracy"].values()], abs=1e-6)
    assert got.prior == pytest.approx(expected["prior_of_1"], abs=1e-6)
    assert got.posterior == pytest.approx([*expected["posterior_of_1"].values()], abs=1e-6)
    assert log_odds(got.accuracy) == pytest.approx(
        [*expected["weight_log_odds_clipped"].values()], abs=1e-5
    )


def test_weights_of_accuracies_near_0_and_1_are_clipped():
    assert log_odds(np.array([0.0, 1.0])) == pytest.approx([-2.944439, 2.944439], abs=1e-6)


# crowd-kit's own
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_crowd_kit_takes_the_same_steps_on_200_data_sets():
    # All at once, with items and labelers of their own: they share the prior alone.
    parts = [random_answers(np.random.default_rng(seed)) for seed in range(200)]
    items, labelers, answers = zip(*parts, strict=True)
    item = np.concatenate([own + 1000 * i for i, own in enumerate(items)])
    labeler = np.concatenate([own + 6 * i for i, own in enumerate(labelers)])
    answer = np.concatenate(answers)
    theirs = OneCoinDawidSkene(n_iter=4, tol=-np.inf)
    theirs.fit(pd.DataFrame({"task": item, "worker": labeler, "label": answer.astype(int)}))

    # It ends with the maximization that we begin the next step with.
    item = np.unique(item, return_inverse=True)[1]
    ours = dawid_skene(item, labeler, answer, labelers=1200, tolerance=0, max_steps=5)

    assert ours.accuracy == pytest.approx(theirs.skills_.sort_index().to_numpy(), abs=1e-9)
    assert ours.prior == pytest.approx(theirs.priors_[1], abs=1e-9)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_names_order_and_orientation_change_nothing(seed):
    rng = np.random.default_rng(seed)
    item, labeler, answer = random_answers(rng)
    order, names = rng.permutation(len(item)), rng.permutation(6)
    is_flipped = rng.random(item.max() + 1) < 0.5

    got = dawid_skene(item, labeler, answer, labelers=6, prior=0.5)
    other = dawid_skene(
        item[order],
        names[labeler][order],
        (answer ^ is_flipped[item])[order],
        labelers=6,
        prior=0.5,
    )

    assert other.accuracy[names] == pytest.approx(got.accuracy, abs=1e-6)


def test_nobody_and_nothing():
    none = np.empty(0, np.int64)

    got = dawid_skene(none, none, none.astype(bool), labelers=0)

    assert (len(got.accuracy), len(got.posterior)) == (0, 0)


def ranked(rng, slates, labels, noise):
    """Rankings of 4 responses by `labels` labelers each, with as many labelers."""
    slate = np.repeat(np.arange(slates), labels)
    labeler = np.tile(np.arange(labels), slates)
    scores = rng.normal(size=(slates, 4))[slate] + noise[labeler, None] * rng.gumbel(
        size=(len(slate), 4)
    )
    return (np.argsort(np.argsort(-scores)) + 1).astype(np.int8), slate, labeler


def test_the_noisier_labeler_has_the_lower_accuracy():
    noise = np.array([0.4, 0.4, 0.4, 1.0, 3.0])
    ranks, slate, labeler = ranked(np.random.default_rng(0), 100, 5, noise)

    *good, middle, worst = accuracies(ranks, slate, slate // 2, labeler, 5)

    assert min(one.value for one in good) > middle.value > worst.value
    assert (worst.units, worst.prompts) == (600, 50)


def test_the_error_is_that_of_prompts_drawn_again():
    noise = np.array([0.5, 0.5, 1.0, 2.0])
    sets = [ranked(np.random.default_rng(seed), 100, 4, noise) for seed in range(40)]
    parts = [accuracies(ranks, slate, slate, labeler, 4) for ranks, slate, labeler in sets]

    for own in zip(*parts, strict=True):
        spread = np.std([one.value for one in own], ddof=1)
        assert 0.75 < np.mean([one.se for one in own]) / spread < 1.25


def test_the_error_is_that_of_a_jackknife_which_estimates_everything_anew():
    # One pair each, so that who is right is hardly known beside how often each labeler is.
    rng = np.random.default_rng(1)
    slate, labeler = np.repeat(np.arange(120), 3), np.tile(np.arange(3), 120)
    right = rng.random(360) < np.array([0.85, 0.75, 0.65])[labeler]
    first = right == (rng.random(120) < 0.5)[slate]
    ranks = np.where(first[:, None], [[1, 2]], [[2, 1]]).astype(np.int8)
    prompt = slate // 2

    got = accuracies(ranks, slate, prompt, labeler, 3)
    without = []
    for one in range(60):
        kept = prompt != one
        found = accuracies(
            ranks[kept], *(np.unique(ids[kept], return_inverse=True)[1] for ids in (slate, prompt)),
            labeler[kept], 3,
        )  # fmt: skip
        without.append([own.value for own in found])

    jackknife = np.sqrt(59 / 60 * ((without - np.mean(without, axis=0)) ** 2).sum(axis=0))
    assert [own.se for own in got] == pytest.approx(jackknife, rel=0.1)


def test_where_the_labels_do_not_tell_the_accuracies_apart_there_is_no_error():
    # Of two labels that differ either may be right: no accuracy fits better than another.
    ranks = np.tile(np.array([[1, 2], [2, 1]], np.int8), (40, 1))
    slate, labeler = np.repeat(np.arange(40), 2), np.tile(np.arange(2), 40)

    got = accuracies(ranks, slate, slate, labeler, 2)

    assert [one.se for one in got] == [None, None]


def test_which_response_is_called_the_first_changes_no_accuracy():
    ranks, slate, labeler = ranked(np.random.default_rng(0), 60, 3, np.array([0.5, 1.0, 2.0]))

    got = accuracies(ranks, slate, slate, labeler, 3)
    turned = accuracies(ranks[:, ::-1], slate, slate, labeler, 3)

    assert [one.value for one in turned] == pytest.approx([one.value for one in got], abs=1e-6)


@pytest.mark.parametrize("labels", [1, 2])
def test_pairs_with_fewer_than_three_labels_are_none_to_go_by(labels):
    ranks, slate, labeler = ranked(np.random.default_rng(0), 50, labels, np.ones(labels))

    got = accuracies(ranks, slate, slate, labeler, labels)

    assert {(one.units, one.prompts, one.half_width) for one in got} == {(0, 0, None)}


def test_ties_are_missing_and_a_labeler_without_a_label_has_no_accuracy():
    tied = np.ones((200, 4), np.int8)
    slate = np.repeat(np.arange(50), 4)

    got = accuracies(tied, slate, slate, np.tile(np.arange(4), 50), 5)

    # Six pairs of fifty slates are judged, of which none is ordered.
    assert [(one.value, one.units) for one in got] == [(None, 300)] * 4 + [(None, 0)]


def test_ten_thousand_labelers_with_a_label_each():
    ranks = np.tile(np.array([1, 2, 3], np.int8), (10_000, 1))
    slate = np.arange(10_000) // 2

    got = accuracies(ranks, slate, slate, np.arange(10_000), 10_000)

    assert {one.units for one in got} == {0}
