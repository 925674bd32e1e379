"""What a labeler's work is measured from, and how it is drawn."""

from dataclasses import replace

import numpy as np
import pytest

from app.agreement.behaviour.drift_chart import HEIGHT, MARGIN, WIDTH, drift_chart
from app.agreement.behaviour.evidence import evidence_of, followed
from app.agreement.labelers.facts import NO_EVIDENCE, NO_MEASURES, checks_of, facts_of
from app.agreement.labelers.screening import flags_with_researchers
from app.agreement.metrics.labels import PURPOSES, no_labels
from app.agreement.work import Unfolded, gold_ranks, nothing_unfolded, work_of
from tests.label_columns import Label, columns

RESPONSES = (1, 2, 3)


def label(slate, labeler, ranks=(1, 2, 3), purpose="fresh", flags=()):
    first = 10 * slate
    responses = tuple(first + i for i in RESPONSES)
    return Label(slate, slate, labeler, responses, ranks, purpose=purpose, flags=flags)


def work(labels, *, researchers=(), gold=None, unfolded=None):
    return work_of(
        labels, researchers=researchers, gold=gold or {}, unfolded=unfolded or nothing_unfolded()
    )


def test_known_answers_count_only_where_they_were_asked_for():
    labels = columns([label(1, 1, purpose="gold"), label(1, 2), label(2, 1, purpose="gold")])

    found = work(labels, gold={1: {11: 2, 12: 1, 99: 3}, 7: {71: 1}})

    assert found.gold.tolist() == [[2, 1, 0], [0, 0, 0], [0, 0, 0]]
    assert gold_ranks(labels.slates, {}).tolist() == [[0, 0, 0], [0, 0, 0]]


def test_a_repeat_repeats_the_labelers_own_ranking_of_the_slate():
    labels = columns(
        [
            label(1, 1),
            label(1, 2),
            label(2, 1),
            label(1, 2, purpose="repeat"),
            label(3, 1, purpose="repeat"),
        ]
    )

    assert work(labels).repeat_of.tolist() == [-1, -1, -1, 1, -1]
    assert work(labels).words.tolist() == [30 // 6] * 5


def test_what_was_unfolded_is_found_by_the_ranking():
    labels = columns([label(1, 1), label(2, 1), label(3, 1)])
    known = Unfolded(labels.ranking_id[[0, 2]], np.array([4, 2]), np.array([1, 2]))

    found = work(labels, unfolded=known)

    assert (found.long_shown.tolist(), found.long_opened.tolist()) == ([4, 0, 2], [1, 0, 2])


def test_escalations_are_no_random_overlap_and_researchers_are_known_by_user():
    labels = columns([label(1, 5), label(1, 8), label(1, 9, purpose="escalation")])

    found = work(labels, researchers=[8, 77])

    assert found.is_shared.tolist() == [True, True, False]
    assert found.is_researcher.tolist() == [False, True, False]


def test_a_check_of_a_slate_ranked_before_is_not_held_against_researchers_again():
    labels = columns(
        [
            label(1, 5, flags=(1, 0, 0)),
            label(1, 8),
            label(1, 5, purpose="anchor"),
            label(1, 8, purpose="gold"),
            label(2, 5, purpose="anchor"),
            label(2, 8, purpose="anchor"),
        ]
    )

    of_labeler, of_researcher = evidence_of(work(labels, researchers=[8]))
    on_flags = flags_with_researchers(labels, np.array([False, True]), {0: "response"})

    assert (of_labeler.researchers.units, of_researcher.researchers.units) == (6, 0)
    assert (on_flags[0].raw.units, on_flags[0].raw.value) == (6, pytest.approx(5 / 6))


def test_a_prompt_that_comes_again_is_told_like_any_other():
    usual = [label(slate, 5) for slate in range(1, 6)]
    again, another = [*usual, label(2, 5, purpose="repeat")], [*usual, label(6, 5)]

    (repeated,), (went_on,) = (evidence_of(work(columns(one))) for one in (again, another))

    assert (repeated.ties.prompts, went_on.ties.prompts) == (5, 6)
    assert (repeated.told_ties.prompts, repeated.told_ties.units) == (6, 18)
    assert repeated.told_ties == went_on.told_ties
    assert repeated.told_conflicts == went_on.told_conflicts


def test_flags_of_whole_tasks_are_held_against_researchers_task_by_task():
    labels = columns(
        [
            Label(slate, slate, user, (1, 2, 3), (1, 2, 3), flags=flags, task_flags=task_flags)
            for slate, user, flags, task_flags in [
                (1, 5, (1, 0, 0), 2), (1, 8, (0, 0, 0), 2),
                (2, 5, (0, 0, 0), 1), (2, 8, (2, 2, 2), 2),
            ]
        ]
    )  # fmt: skip
    is_researcher = np.array([False, True])

    on_task = flags_with_researchers(labels, is_researcher, {1: "task"})[0]
    on_both = flags_with_researchers(labels, is_researcher, {0: "response", 1: "task"})[0]

    assert (on_task.raw.units, on_task.raw.prompts, on_task.raw.value) == (2, 2, 0.5)
    # One of six responses and one of two tasks are flagged by one alone.
    assert (on_both.raw.units, on_both.raw.value) == (8, 6 / 8)


def test_without_labels_nothing_is_measured():
    nothing = work(no_labels())

    assert evidence_of(nothing) == []
    assert drift_chart(followed(nothing), no_labels(), None).points == []


def drifting(*, prompts, alike):
    """Two labelers who agree on the first `alike` prompts and then not at all."""
    return columns(
        [
            label(slate, labeler, (1, 2, 3) if labeler == 1 or slate <= alike else (3, 2, 1))
            for slate in range(1, prompts + 1)
            for labeler in (1, 2)
        ]
    )


def test_the_picture_shows_what_the_table_says():
    labels = drifting(prompts=36, alike=33)

    chart = drift_chart(followed(work(labels)), labels, 1)

    assert [point.share for point in chart.points] == [1.0] * 33 + [0.0] * 3
    assert chart.usual == pytest.approx(33 / 36)
    drawn = [tuple(map(float, point.split(","))) for point in chart.ewma.points.split()]
    assert len(drawn) == 6
    assert (drawn[0][0], drawn[-1][0]) == (MARGIN, WIDTH - MARGIN)
    for (_, y), point in zip(drawn, chart.points[30:], strict=True):
        assert (HEIGHT - MARGIN - y) / (HEIGHT - 2 * MARGIN) == pytest.approx(point.ewma, abs=1e-3)
    assert all(MARGIN <= y <= HEIGHT - MARGIN for _, y in drawn)
    above = [point.number for point in chart.points[30:] if point.cusum > chart.alarm]
    assert chart.alarm_since == (above[0] if above else None)


def test_the_chart_ends_where_the_drift_signal_stands():
    labels = drifting(prompts=45, alike=36)
    measured = work(labels)

    for code, own in enumerate(evidence_of(measured)):
        chart = drift_chart(followed(measured), labels, code)

        assert (chart.points[-1].ewma, chart.points[-1].cusum) == (own.drift.ewma, own.drift.cusum)
        assert chart.alarm == own.drift.alarm
        assert chart.alarm_since == (None if own.drift.since is None else own.drift.since + 1)


def test_nothing_is_told_from_a_slate_on_that_was_ranked_lately():
    labels = drifting(prompts=40, alike=40)
    # The other labeler was late on prompt 33.
    late = replace(labels, submitted_at=np.where(np.arange(80) == 65, 5000.0, 100.0))

    chart = drift_chart(followed(work(late)), late, 0, known_before=1000.0)
    early = drift_chart(followed(work(late)), late, 0, known_before=50.0)

    assert len(chart.points) == 32
    assert early.points == []
    assert early.reason == "not enough data: 0 of 31 shared prompts"


def test_a_check_answered_lately_does_not_end_the_chart():
    labels = drifting(prompts=40, alike=40)
    late = replace(
        labels,
        submitted_at=np.where(np.arange(80) == 65, 5000.0, 100.0),
        purpose=np.where(np.arange(80) == 65, np.int8(PURPOSES.index("anchor")), labels.purpose),
    )

    chart = drift_chart(followed(work(labels)), late, 0, known_before=1000.0)

    assert len(chart.points) == 40


def test_who_has_done_nothing_has_no_numbers_and_no_alert():
    facts = facts_of(NO_MEASURES, NO_EVIDENCE, counts_conflicts=True)
    checks = checks_of(NO_EVIDENCE, [])

    shown = [*vars(facts).values(), checks.gold, checks.researchers, checks.repeats]
    assert {one.value for one in shown if hasattr(one, "value")} == {None}
    assert facts.wpm.reason == "not enough data: 0 of 10 timed tasks"
    assert (checks.alert, checks.fired) == (None, [])
