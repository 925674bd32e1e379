"""A labeler's numbers beside the team's: the report's definitions, bands, and what is missing."""

from hypothesis import given
from hypothesis import strategies as st

from app.agreement.metrics.measures import measure
from app.agreement.own.numbers import Habits, Judged, band, own_numbers
from app.agreement.report import report_of
from tests.label_columns import Label, columns


def label(slate, labeler, *ranks):
    everything = tuple(range(len(ranks)))
    return Label(slate, slate, labeler, everything, ranks, (4,) * len(ranks), ("sft",) * len(ranks))


def numbers(me=1, shared=(), habits=(), own=(), conflict_gap=2):
    labels = columns(shared)
    return own_numbers(me, shared=labels, habits=habits, own=own, conflict_gap=conflict_gap)


def test_agreement_is_the_one_of_the_report():
    labels = [
        one
        for slate in range(40)
        for one in (
            label(slate, "a", 1, 2, 3, 4),
            label(slate, "b", *((4, 3, 2, 1) if slate % 4 == 0 else (1, 2, 3, 3))),
            label(slate, "c", 2, 1, 3, 4),
        )
    ]
    measures = measure(columns(labels), sft=(), baseline=None)
    report = report_of(measures, name_of=str, intervals={})

    found = numbers(3, shared=labels)

    assert found.agreement == report.labelers[2].strict
    assert found.team_agreement == report.strict.estimate
    assert found.agreement.value != found.team_agreement.value


def test_without_rankings_nothing_is_a_number():
    found = numbers()

    assert found.agreement.reason == "not enough data: 0 of 10 shared prompts"
    assert found.ties.reason == "not enough data: 0 of 10 tasks"
    assert found.conflicts.reason == "not enough data: 0 of 50 pairs rated 2 or more apart"
    assert found.seconds.reason == "not enough data: 0 of 10 timed tasks"
    values = (found.agreement, found.team_agreement, found.ties, found.conflicts, found.seconds)
    assert [one.value for one in values] == [None] * 5
    assert (found.tie_band, found.seconds_band) == (None, None)


def test_ties_and_times_have_bands_from_five_labelers_on():
    habits = [Habits(i + 1, 10, 100, 10 * i, 10, 1000.0 * i) for i in range(5)]

    found = numbers(3, habits=habits)

    assert (found.ties.value, found.seconds.value) == (0.2, 2.0)
    assert (round(found.tie_band.low, 6), round(found.tie_band.high, 6)) == (0.04, 0.36)
    assert (found.seconds_band.low, found.seconds_band.high) == (1.0, 3.0)
    assert numbers(3, habits=habits[:4]).tie_band is None


def test_who_has_too_few_rankings_is_in_no_band():
    habits = [Habits(i, 10, 100, 10, 10, 1000.0) for i in range(1, 5)]

    assert numbers(habits=[*habits, Habits(5, 9, 100, 10, 9, 1.0)]).tie_band is None


def test_conflicts_are_counted_among_the_pairs_rated_apart():
    own = [Judged((1, 2, 3), (1, 4, 7))] + [Judged((1, 2, 3), (7, 4, 1))] * 19

    found = numbers(own=own)

    assert (found.conflicting_pairs, found.pairs_apart) == (3, 60)
    assert found.conflicts.value == 0.05
    assert numbers(own=own, conflict_gap=None).conflicts.reason == "not counted in this project"


@given(st.lists(st.floats(0, 1), min_size=5, max_size=30))
def test_a_band_lies_within_the_team(values):
    found = band(values, 0.1, 0.9)

    assert min(values) <= found.low <= found.high <= max(values)
