"""What the dashboard composes of labels, and what of it may be shown."""

import math
from dataclasses import astuple, is_dataclass

import numpy as np
import pytest

from app.agreement.behaviour.diagnostics import diagnostics_of
from app.agreement.dashboard.correlation import named
from app.agreement.dashboard.overview import overview_of
from app.agreement.dashboard.progress import Tasks
from app.agreement.dashboard.report import (
    FEW_IN_HEAT_MAP,
    dashboard_of,
    heat_map,
    sorted_rows,
)
from app.agreement.dashboard.watch import counted
from app.agreement.metrics.estimates import Estimate
from app.agreement.metrics.labels import no_labels
from app.agreement.metrics.measures import measure
from app.agreement.report import LabelerAgreement, PairAgreement, report_of
from app.agreement.work import nothing_unfolded, work_of
from tests.label_columns import Label, columns

ORDERS = ((1, 2, 3, 4), (2, 1, 3, 4), (1, 3, 2, 4), (4, 3, 2, 1))


def label(prompt, labeler, ranks=(1, 2, 3, 4), **more):
    given = {"ratings": tuple(9 - 2 * rank for rank in ranks), "responses": (1, 2, 3, 4)} | more
    return Label(prompt, prompt, labeler, ranks=ranks, **given)


def shared(prompts, *, labelers=2, orders=1, **more):
    """Slates that all labelers rank; labeler u takes the order u of so many, by turns."""
    return [
        label(prompt, u, ORDERS[(u * prompt) % orders], **more)
        for prompt in range(1, prompts + 1)
        for u in range(1, labelers + 1)
    ]


def overview(labels, *, researchers=(), gold=None, flags=()):
    unfolded = nothing_unfolded()
    work = work_of(labels, researchers=researchers, gold=gold or {}, unfolded=unfolded)
    return overview_of(labels, work, flags=flags, conflict_gap=2, sft={"sft"})


def dashboard(labels, *, flags=(), tasks=None, **references):
    report = report_of(measure(labels, sft=(), baseline=None), name_of=str, intervals={})
    return dashboard_of(
        overview(labels, flags=[scope for _, _, scope in flags], **references),
        report,
        diagnostics=named(diagnostics_of(labels), labels, str),
        tasks=tasks or Tasks(len(labels), len(labels), 0),
        flags=flags,
        name_of=str,
        counts_conflicts=True,
        assistance=None,
    )


def numbers(tree):
    """Every number in nested dataclasses, tuples, lists and dictionaries."""
    if is_dataclass(tree):
        return numbers(astuple(tree))
    if isinstance(tree, dict):
        return numbers(list(tree.values()))
    if isinstance(tree, list | tuple | set | frozenset):
        return [number for one in tree for number in numbers(one)]
    return [tree] if isinstance(tree, float) else []


def estimates(tree):
    """Every estimate in nested dataclasses, lists and dictionaries."""
    if isinstance(tree, Estimate):
        return [tree]
    if is_dataclass(tree):
        return estimates(vars(tree))
    if isinstance(tree, dict):
        return estimates(list(tree.values()))
    if isinstance(tree, list | tuple):
        return [found for one in tree for found in estimates(one)]
    return []


def of_changing_k():
    """One of two labelers cannot judge the last response."""
    return [
        Label(p, p, u, (1, 2, 3, 4), (1, 2, 3, 4 if (p + u) % 2 else None), (7, 5, 3, None))
        for p in range(1, 41)
        for u in (1, 2)
    ]


def contradicting():
    """A labeler who turns each of their rankings round when it comes again."""
    return [
        *shared(40, labelers=2),
        *(label(p, 1, ORDERS[3], purpose="repeat", id=1000 + p) for p in range(1, 41)),
    ]


def estimate(value, prompts=40):
    status = "not_enough_data" if value is None else "ok"
    return Estimate(value, 0.01, None, 100, prompts, status, None)


@pytest.mark.parametrize(
    "labels",
    [
        no_labels(),
        columns(shared(40, labelers=1)),
        columns(shared(1, labelers=2)),
        columns(shared(40, labelers=2, orders=1)),
        columns([label(p, u, (1, 1, 1, 1)) for p in range(1, 41) for u in (1, 2)]),
        columns([label(p, u, (0, 0, 0, 0), ratings=()) for p in range(1, 41) for u in (1, 2)]),
        columns([label(p, p) for p in range(1, 61)]),
        columns(contradicting()),
        columns(of_changing_k()),
    ],
    ids=[
        "nothing",
        "one labeler",
        "one prompt",
        "all alike",
        "all ties",
        "none judged",
        "strangers",
        "contradict themselves",
        "K changes",
    ],
)
def test_nothing_is_ever_nan_or_an_alert_of_too_little(labels):
    found = dashboard(labels, flags=[("rude", "Rude", "response")])

    assert all(map(math.isfinite, numbers(found)))
    assert found.alerts == []
    assert found.macro_gap is None
    assert [row.fired & {"low_agreement", "drift"} for row in found.labelers] == [
        frozenset() for _ in found.labelers
    ]
    hidden = [one for one in estimates(found) if one.value is None]
    assert all(one.reason and one.status == "not_enough_data" for one in hidden)


def test_progress_counts_prompts_and_not_labels():
    labels = columns([*shared(12), label(20, 1), label(21, 2)])

    found = dashboard(labels)

    assert (found.ranked, found.doubly_ranked, found.headline_labelers) == (14, 12, 2)


def test_a_third_label_is_not_in_the_overlap_that_flags_are_compared_on():
    third = [label(p, 3, flags=(0, 0, 0, 0), purpose="escalation") for p in range(1, 41)]
    labels = columns(shared(40, flags=(1, 0, 0, 0)) + third)

    (rude,) = dashboard(labels, flags=[("rude", "Rude", "response")]).flags

    assert (rude.raw.value, rude.positive.value, rude.ac1.value) == (1, 1, 1)
    assert (rude.ac1.units, rude.ac1.prompts) == (160, 40)


def test_each_flag_has_the_bit_of_its_place():
    first, second = shared(40, flags=(2, 0, 0, 0)), shared(40, labelers=1, flags=(0, 2, 0, 0))
    labels = columns([one for one in first if one.labeler == 2] + second)

    rude, false = dashboard(
        labels, flags=[("rude", "Rude", "response"), ("false", "False", "response")]
    ).flags

    assert [rude.raw.value, rude.positive.value, rude.ac1.value] == [None] * 3
    assert rude.positive.reason == "not defined: nobody set this flag"
    assert (false.raw.value, false.positive.value) == (0.5, 0)


def test_a_flag_of_whole_tasks_is_compared_slate_by_slate():
    # Of 100 tasks 20 both yes, 30 one yes, 50 both no; the same bit on a response says nothing.
    labels = columns(
        [
            label(p, u, flags=(2, 0, 0, 0), task_flags=2 if p <= 20 or (p <= 50 and u == 1) else 0)
            for p in range(1, 101)
            for u in (1, 2)
        ]
    )

    unset, found = dashboard(labels, flags=[("dull", "Dull", "task"), ("odd", "Odd", "task")]).flags

    assert (found.scope, found.ac1.units, found.ac1.prompts) == ("task", 100, 100)
    assert (found.raw.value, found.positive.value) == (0.7, 40 / 70)
    # By hand pi = 70 / 200, pe = 2 * 0.35 * 0.65.
    assert found.ac1.value == pytest.approx((0.7 - 0.455) / 0.545)
    assert unset.positive.reason == "not defined: nobody set this flag"


def test_the_intraclass_correlation_is_of_what_all_labelers_rated():
    everyone = shared(40, labelers=3, orders=3)
    labels = columns([*everyone, *(label(p, 1 + p % 3) for p in range(50, 60))])

    block = overview(labels).block

    assert (block.icc2.units, block.icc2.prompts, block.labelers) == (160, 40, 3)
    # By hand: leave one prompt out at a time, as a jackknife does.
    values = [
        overview(columns([one for one in everyone if one.prompt != p])).block.icc2.value
        for p in range(1, 41)
    ]
    assert block.icc2.se == pytest.approx(math.sqrt(39 * np.var(values)))
    assert dashboard(labels).icc2.value == block.icc2.value


def test_without_a_complete_block_the_card_says_so():
    chain = [label(p, u) for p in range(1, 41) for u in (1 + p % 3, 1 + (p + 1) % 3)]

    found = dashboard(columns(chain))

    assert (found.icc2.value, found.icc2k) == (None, None)
    assert found.icc2.reason == "not defined: no response was rated by all labelers"


def test_researchers_are_compared_with_labelers_and_with_each_other():
    labels = columns(
        [label(p, u, ORDERS[0] if u < 4 else ORDERS[3]) for p in range(1, 41) for u in (1, 2, 4)]
    )

    found = dashboard(labels, researchers={1, 2})

    # Only labeler 4 is none, and orders everything the other way round.
    assert (found.researchers.value, found.researchers.units) == (0, 480)
    assert (found.among_researchers.value, found.among_researchers.prompts) == (1, 40)
    none = dashboard(labels)
    assert none.researchers.reason == "not enough data: 0 of 10 prompts ranked by researchers"


def test_nobody_is_a_researcher_beside_themselves():
    labels = columns(
        [label(p, 1, purpose=purpose) for p in range(1, 41) for purpose in ("overlap", "anchor")]
        + [label(p, 2, ORDERS[3], purpose="anchor") for p in range(1, 41)]
    )

    found = dashboard(labels, researchers={1})

    assert found.among_researchers.prompts == 0
    # Six pairs a slate with the one researcher, and not twelve.
    assert (found.researchers.value, found.researchers.units) == (0, 240)
    assert overview(labels, researchers={1}).evidence[2].researchers.units == (240)


def test_gold_is_of_tasks_that_asked_for_it_and_of_the_pairs_that_it_orders():
    asked = [label(p, 1, (1, 2, 4, 3), purpose="gold") for p in range(1, 41)]
    labels = columns([*asked, *(label(p, 2, (4, 3, 2, 1)) for p in range(1, 41))])
    # Of each slate the first is better than the two last, of which nothing else is known.
    gold = {p: {1: 1, 3: 2, 4: 2} for p in range(1, 50)}

    found = dashboard(labels, gold=gold)

    assert (found.gold.value, found.gold.units, found.gold.prompts) == (1, 80, 40)
    assert [row.gold.value for row in found.labelers] == [1, None]
    assert dashboard(labels).gold.reason == ("not enough data: 0 of 10 prompts with a known answer")


def test_only_a_wide_gap_between_averages_of_enough_data_is_a_finding():
    # 12 slates of one pair agree throughout; 28 of another with two responses never do.
    apart = [label(p, u) for p in range(1, 31) for u in (1, 2)] + [
        Label(p, p, u, (1, 2), (1, 2) if u == 3 else (2, 1)) for p in range(31, 91) for u in (3, 4)
    ]

    assert dashboard(columns(apart)).macro_gap == pytest.approx(0.75 - 1 / 3)
    assert dashboard(columns(shared(40))).macro_gap is None
    few = [one for one in apart if one.prompt < 15 or 31 <= one.prompt < 40]
    assert dashboard(columns(few)).macro_gap is None


def test_ties_are_by_round_and_the_first_is_best_by_chance():
    labels = columns(
        [label(p, 1, (1, 1, 2, 3), round=1) for p in range(1, 41)]
        + [label(p, 1, (1, 2, 3, 4), round=2) for p in range(41, 81)]
    )

    watch = dashboard(labels, tasks=Tasks(80, 80, 20)).watch

    assert {number: ties.value for number, ties in watch.ties.items()} == {1: 1 / 6, 2: 0}
    assert (watch.first_is_best.share, watch.first_is_best.chance) == (0.75, 0.25)
    assert watch.first_is_best.z > 3
    assert watch.longer_wins.reason == "not enough data: 0 of 10 ranked prompts"
    assert watch.skipped.value == 0.2


@pytest.mark.parametrize(
    ("tasks", "status", "reason"),
    [
        (9, "not_enough_data", "not enough data: 9 of 10 tasks"),
        (10, "provisional", "provisional: 10 of 30 tasks"),
        (30, "ok", None),
    ],
)
def test_numbers_without_an_interval_are_hidden_and_provisional_by_their_tasks(
    tasks, status, reason
):
    found = counted(0.5, tasks)

    assert (found.status, found.reason) == (status, reason)
    assert (found.value is None) == (status == "not_enough_data")


def labelers(count):
    return [
        LabelerAgreement(f"L-{i:02}", 10, estimate(0.7, prompts=100 - i), estimate(0.7))
        for i in range(1, count + 1)
    ]


def test_few_labelers_are_all_in_the_heat_map_and_of_many_those_with_a_number():
    pairs = [
        PairAgreement(("L-01", "L-02"), estimate(None)),
        PairAgreement(("L-03", "L-04"), estimate(0.7)),
    ]

    few, many = heat_map(labelers(4), pairs), heat_map(labelers(FEW_IN_HEAT_MAP + 1), pairs)

    assert few.shown == ["L-01", "L-02", "L-03", "L-04"]
    assert few.cells["L-04", "L-03"].value == 0.7
    assert many.shown == ["L-03", "L-04"]
    assert len(many.folded) == FEW_IN_HEAT_MAP - 1
    assert heat_map(labelers(3), []).shown == []


def test_a_crowd_is_cut_to_those_who_share_the_most():
    everyone = labelers(70)
    pairs = [PairAgreement(("L-01", f"L-{i:02}"), estimate(0.7)) for i in range(2, 71)]

    found = heat_map(everyone, pairs)

    assert found.shown == [f"L-{i:02}" for i in range(1, 61)]
    assert found.folded == [f"L-{i:02}" for i in range(61, 71)]


def test_rows_without_a_number_come_last_whichever_way_they_are_sorted():
    labels = columns(
        [one for one in shared(40, labelers=3, orders=3) if one.labeler < 3 or one.prompt < 4]
    )
    rows = dashboard(labels).labelers

    def order(column, *, down):
        return [row.labeler for row in sorted_rows(rows, column, down=down)]

    assert order("labeler", down=True) == ["3", "2", "1"]
    assert order("rankings", down=False)[0] == "3"
    assert order("agreement", down=True)[-1] == order("agreement", down=False)[-1] == "3"
