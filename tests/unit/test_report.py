"""The report on projects in which there is little or nothing to measure: a number or a reason."""

import json
from dataclasses import asdict

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.agreement.metrics.bootstrap import intervals_of
from app.agreement.metrics.labels import headline, no_labels
from app.agreement.metrics.measures import measure
from app.agreement.metrics.slices import MARGINS, Slice, sliced
from app.agreement.report import report_of
from tests.label_columns import Label, columns


def report(labels, slice_=None):
    """The report with bootstrapped intervals, as JSON would carry it."""
    slice_ = slice_ or Slice()
    part = sliced(labels, slice_)
    made = report_of(
        measure(part, sft={"sft"}, baseline=None),
        name_of=str,
        intervals=intervals_of(headline(part), resamples=20),
        is_of_pairs=slice_.is_of_pairs,
    )
    json.dumps(asdict(made), allow_nan=False)
    return made


def ranked(prompt, labeler, ranks=(1, 2, 3), ratings=(7, 4, 1), **more):
    models = ("ppo", "sft", None)
    return Label(prompt, prompt, labeler, (1, 2, 3), ranks, ratings, models, **more)


def estimates(made):
    return [
        *(getattr(made, rule).estimate for rule in ("strict", "half", "three_way")),
        made.alpha,
        made.ratings_alpha,
        *(row.strict for row in made.labelers),
        *(row.leave_one_out for row in made.labelers),
        *(row.strict for row in made.pairs),
        *(row.estimate for row in made.win_rates),
    ]


ONE_LABELER = [ranked(prompt, 1) for prompt in range(1, 41)]
CASES = {
    "no labels": [],
    "one labeler": ONE_LABELER,
    "no overlap": [ranked(prompt, 1 + prompt % 5) for prompt in range(1, 41)],
    "one prompt": [ranked(1, labeler) for labeler in range(1, 10)],
    "nothing judged": [ranked(p, u, (None,) * 3, ()) for p in range(1, 41) for u in (1, 2)],
    "only gold": [ranked(p, u, purpose="gold") for p in range(1, 41) for u in (1, 2)],
}


@pytest.mark.parametrize("name", CASES)
def test_without_shared_judgments_there_is_a_reason_and_no_number(name):
    made = report(columns(CASES[name]) if CASES[name] else no_labels())

    assert made.rankings == (0 if name == "only gold" else len(CASES[name]))
    assert all(one.value is None and one.reason for one in estimates(made)[:5])
    assert all(row.strict.value is None for row in made.labelers)


def test_who_labels_alone_still_says_which_model_wins():
    made = report(columns(ONE_LABELER))

    (rate,) = made.win_rates
    assert (rate.model, rate.baseline, rate.estimate.value) == ("ppo", "sft", 1.0)
    assert (made.labelers[0].labeler, made.labelers[0].rankings) == ("1", 40)


def test_of_ties_alone_agreement_is_not_defined_and_the_other_rules_are_full():
    made = report(columns([ranked(p, u, (1, 1, 1)) for p in range(1, 41) for u in (1, 2)]))

    assert (made.strict.estimate.value, made.strict.estimate.units) == (None, 0)
    assert made.strict.estimate.reason == (
        "not defined: no pair of responses was ordered by both labelers"
    )
    assert (made.half.estimate.value, made.three_way.estimate.value) == (1.0, 1.0)
    assert made.alpha.reason == "not defined: all labels are the same"
    assert made.tie_share == 1.0


def test_of_ties_alone_labelers_and_their_pairs_share_prompts_all_the_same():
    tied = [ranked(p, u, (1, 1, 1)) for p in range(1, 41) for u in (1, 2)]

    made = report(columns(tied))

    (pair,) = made.pairs
    reason = "not defined: no pair of responses was ordered by both labelers"
    assert (pair.strict.reason, pair.strict.prompts) == (reason, 40)
    for row in made.labelers:
        assert (row.strict.value, row.strict.reason) == (None, reason)
        assert row.leave_one_out.reason == (
            "not defined: every pair was tied, by this labeler or in sum by the others"
        )
    few = report(columns(tied[:12]))
    assert few.labelers[0].strict.reason == "not enough data: 6 of 10 shared prompts"


def test_of_few_ties_it_says_how_many_prompts_are_shared():
    made = report(columns([ranked(p, u, (1, 1, 1)) for p in range(1, 4) for u in (1, 2)]))

    assert made.strict.estimate.reason == "not enough data: 3 of 10 shared prompts"


def test_too_few_ratings_are_counted_as_such():
    made = report(columns([ranked(p, u) for p in range(1, 13) for u in (1, 2)]))

    assert made.ratings_alpha.reason == (
        "not enough data: 36 of 50 responses that two labelers rated"
    )


def test_a_labeler_who_contradicts_everybody_is_reported_as_such():
    given_ = [
        one
        for p in range(1, 41)
        for one in (ranked(p, 1), ranked(p, 2), ranked(p, 3), ranked(p, 4, (3, 2, 1)))
    ]

    made = report(columns(given_))

    assert [row.leave_one_out.value for row in made.labelers] == [1.0, 1.0, 1.0, 0.0]
    assert made.strict.estimate.value == 1.0


def test_ten_thousand_labelers_with_one_label_each_are_no_table_of_all_by_all():
    given_ = [ranked(1 + n // 2, n + 1, (1, 2, 2 + n % 2)) for n in range(10_000)]

    made = report(columns(given_))

    assert (made.strict.estimate.prompts, made.strict.estimate.units) == (5000, 10_000)
    assert made.strict.estimate.status == "ok"
    assert made.strict.macro_labeler_pair.value is None
    assert made.strict.macro_labeler_pair.reason == (
        "not enough data: no two labelers share 30 comparisons"
    )
    assert (len(made.labelers), len(made.pairs)) == (10_000, 5000)
    assert {row.strict.reason for row in made.labelers} == {
        "not enough data: 1 of 10 shared prompts"
    }


@st.composite
def teams(draw):
    """Some prompts with some labelers each, whatever they were asked for."""
    rank = st.one_of(st.none(), st.integers(1, 3))
    rating = st.one_of(st.none(), st.integers(1, 7))
    return [
        Label(
            prompt=prompt,
            slate=prompt,
            labeler=labeler,
            responses=(1, 2, 3),
            ranks=draw(st.tuples(rank, rank, rank)),
            ratings=draw(st.tuples(rating, rating, rating)),
            models=("sft", "ppo", None),
            purpose=draw(st.sampled_from(("fresh", "overlap", "escalation", "gold", "repeat"))),
        )
        for prompt in range(1, draw(st.integers(1, 30)) + 1)
        for labeler in sorted(draw(st.sets(st.integers(1, 4), min_size=1)))
    ]


@settings(max_examples=40, deadline=None)
@given(teams(), st.sampled_from([Slice(), Slice(models=("sft", "ppo")), *map(Slice, (1, 2))]))
def test_every_number_is_finite_or_has_a_reason(labels, slice_):
    made = report(columns(labels), slice_)

    for one in estimates(made):
        assert (one.value is None) == (one.ci95 is None) or one.interval is None
        assert one.value is not None or one.reason
        if one.ci95 is not None:
            assert one.interval in ("t", "bootstrap")
            assert np.isfinite(one.ci95).all()


@settings(max_examples=20, deadline=None)
@given(teams())
def test_the_units_of_all_margins_are_those_of_rated_pairs(labels):
    rated = [
        one for one in labels if None not in one.ratings and one.purpose in {"fresh", "overlap"}
    ]
    whole = columns(rated) if rated else no_labels()

    def units(slice_):
        part = sliced(whole, slice_)
        return measure(part, sft=(), baseline=None).headline["half"].micro.units

    assert sum(units(Slice(margin=margin)) for margin in MARGINS) == units(Slice())
