"""Models of labelers: from which labels, and what may be shown of them."""

import numpy as np
import pytest

from app.agreement.behaviour import diagnostics
from app.agreement.behaviour.diagnostics import diagnostics_of
from app.agreement.labelers.diagnosis import shown_diagnosis
from app.agreement.metrics.estimates import Measured
from app.agreement.metrics.labels import no_labels
from app.agreement.metrics.rank_correlation import tau_b
from tests.label_columns import Label, columns

UP, SWAPPED, DOWN = (1, 2, 3, 4), (2, 1, 3, 4), (4, 3, 2, 1)
RESPONSES = (1, 2, 3, 4)


def label(prompt, labeler, ranks, **more):
    return Label(prompt, prompt, labeler, RESPONSES, ranks, **more)


def threefold(prompts, *, last=DOWN):
    """Slates that three labelers rank, of whom the third one ranks all alike."""
    return [
        label(prompt, u, ranks)
        for prompt in range(1, prompts + 1)
        for u, ranks in ((1, UP), (2, SWAPPED if prompt % 4 else UP), (3, last))
    ]


def test_a_reversed_labeler_has_a_low_accuracy_and_reliability_and_a_tau_b_below_0():
    first, second, third = diagnostics_of(columns(threefold(40))).labelers

    assert third.accuracy.value < 0.2
    assert 0.7 < second.accuracy.value <= first.accuracy.value
    assert third.reliability.value < 0.2
    assert third.tau_b.value == pytest.approx(
        np.mean([(tau_b(np.array(DOWN), np.array(own)) - 1) / 2 for own in [SWAPPED] * 3 + [UP]])
    )
    assert (third.tau_b.units, third.tau_b.prompts) == (80, 40)


def test_tau_b_of_two_is_by_their_codes():
    found = diagnostics_of(columns(threefold(12))).tau_b_of_two

    assert sorted(found) == [(0, 1), (0, 2), (1, 2)]
    assert found[0, 2].value == pytest.approx(-1)
    assert (found[0, 1].units, found[0, 1].prompts) == (12, 12)


def test_repeats_count_nowhere_and_known_answers_for_the_models_alone():
    again = [label(prompt, 1, DOWN, purpose="repeat") for prompt in range(1, 41)]
    gold = [label(prompt, u, UP, purpose="gold") for prompt in range(50, 60) for u in (1, 2, 3)]
    usual = threefold(40)

    assert diagnostics_of(columns(usual + again)) == diagnostics_of(columns(usual))
    with_gold = diagnostics_of(columns(usual + gold)).labelers[0]
    assert (with_gold.accuracy.prompts, with_gold.reliability.prompts) == (50, 50)
    assert with_gold.tau_b.prompts == 40


@pytest.mark.parametrize(("limit", "most"), [("MOST_SLATES", 15), ("MOST_LABELS", 45)])
def test_of_many_slates_the_newest_count(monkeypatch, limit, most):
    monkeypatch.setattr(diagnostics, limit, most)
    old = [label(prompt, u, DOWN) for prompt in range(1, 21) for u in (1, 2)]
    new = [label(100 + one.prompt, one.labeler, one.ranks) for one in threefold(15)]

    both, alone = diagnostics_of(columns(old + new)), diagnostics_of(columns(new))

    assert [one.accuracy for one in both.labelers] == [one.accuracy for one in alone.labelers]
    assert [one.reliability for one in both.labelers] == [one.reliability for one in alone.labelers]


def test_a_slate_with_very_many_labels_counts_all_the_same(monkeypatch):
    monkeypatch.setattr(diagnostics, "MOST_LABELS", 4)
    everybody = [label(1, u, DOWN) for u in range(1, 7)]

    assert diagnostics_of(columns(everybody)).labelers[0].accuracy.prompts == 1


def test_nothing_of_nobody_and_of_one_labeler():
    assert diagnostics_of(no_labels()).labelers == []
    (alone,) = diagnostics_of(columns([label(1, 1, UP)])).labelers
    assert alone.accuracy == alone.tau_b == Measured(None, None, 0, 0)
    assert (alone.reliability.value, alone.reliability.units) == (None, 0)


@pytest.mark.parametrize(
    ("prompts", "pairs", "reason"),
    [
        (6, 40, "not enough data: 6 of 10 prompts with three labels"),
        (12, 40, "not enough data: 40 of 50 pairs with three labels"),
    ],
)
def test_with_too_few_full_pairs_neither_model_is_shown(prompts, pairs, reason):
    known = Measured(0.9, 0.01, pairs, prompts)
    found = shown_diagnosis(diagnostics.Diagnosis(known, known, Measured(0.4, 0.02, 6, 6)))

    assert [found.accuracy.value, found.weight, found.reliability.value] == [None] * 3
    assert (found.accuracy.reason, found.reliability.reason) == (reason, reason)
    assert found.tau_b.reason == "not enough data: 6 of 10 shared prompts"


def test_the_weight_of_an_accuracy_is_cut_where_em_overstates_it():
    sure = Measured(1.0, 0.0, 400, 40)
    found = shown_diagnosis(diagnostics.Diagnosis(sure, sure, sure))

    assert found.weight == pytest.approx(np.log(0.95 / 0.05))


TIED = (1, 1, 1, 1)


def test_where_everything_is_tied_it_says_so_and_not_that_nothing_is_shared():
    tied = [label(prompt, u, TIED) for prompt in range(1, 41) for u in (1, 2, 3)]

    found = shown_diagnosis(diagnostics_of(columns(tied)).labelers[0])
    few = shown_diagnosis(diagnostics_of(columns(tied[:18])).labelers[0])

    assert found.tau_b.reason == "not defined: no pair of responses was ordered by both labelers"
    assert found.accuracy.reason == found.reliability.reason == "not defined: all pairs are tied"
    assert few.tau_b.reason == "not enough data: 6 of 10 shared prompts"
    assert few.accuracy.reason == "not enough data: 6 of 10 prompts with three labels"


def test_who_ties_everything_among_others_who_do_not_is_told_why():
    given = threefold(40, last=TIED)

    found = diagnostics_of(columns(given))

    first, _second, third = map(shown_diagnosis, found.labelers)
    assert third.tau_b.reason == "not defined: no pair of responses was ordered by both labelers"
    assert (third.tau_b.prompts, third.accuracy.reason) == (40, "not defined: all pairs are tied")
    assert first.tau_b.value is not None
    assert found.tau_b_of_two[0, 2] == Measured(None, None, 0, 40)
