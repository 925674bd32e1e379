"""What is measured of each labeler: from which labels, and that nothing is ever NaN."""

import math
from dataclasses import astuple, fields, replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.agreement.behaviour.alerts import alert_of, signals_of
from app.agreement.behaviour.evidence import Work, evidence_of
from tests.simulated_labelers import LABELERS, simulate

WIDTH = 9


def work_of(ranks, slate, labeler, labelers, **columns):
    """Labels of shared slates, with what is not given left out or unsuspicious."""
    n, width = np.shape(ranks)
    ranks = np.asarray(ranks, np.int8)
    places = np.tile(np.arange(1, width + 1, dtype=np.int8), (n, 1))
    given_ = {
        "ratings": np.zeros((n, width), np.int8),
        "positions": np.where(ranks > 0, places, 0).astype(np.int8),
        "active_ms": np.full(n, math.nan),
        "words": np.full(n, 900),
        "long_shown": np.zeros(n, np.int64),
        "long_opened": np.zeros(n, np.int64),
        "is_shared": np.ones(n, np.bool_),
        "is_researcher": np.zeros(n, np.bool_),
        "gold": np.zeros((n, width), np.int8),
        "repeat_of": np.full(n, -1),
    } | columns
    slate = np.asarray(slate, np.int64)
    labeler = np.asarray(labeler, np.int64)
    return Work(labelers, labeler, slate, given_.pop("prompt", slate), ranks, **given_)


def numbers(tree):
    """Every number in nested tuples and lists."""
    if isinstance(tree, list | tuple):
        return [number for one in tree for number in numbers(one)]
    return [tree]


def check(work):
    """Nothing is NaN or infinite, nothing fires, and what has no value has a reason."""
    evidence = evidence_of(work)
    signals = signals_of(evidence)

    assert len(evidence) == len(signals) == work.labelers
    for own, found in zip(evidence, signals, strict=True):
        known = [x for x in numbers(astuple(own)) if isinstance(x, float)]
        assert all(math.isfinite(x) for x in known)
        assert all((one.value is None) == (one.lack is not None) for one in found)
        assert alert_of(found) is None
    assert all(map(str, {one.lack for own in signals for one in own if one.lack is not None}))
    return evidence, signals


def all_ranked(rng, n, k=4, width=4):
    order = np.argsort(rng.random((n, k)), axis=1) + 1
    return np.pad(order, ((0, 0), (0, width - k))).astype(np.int8)


def test_nobody_and_labelers_without_a_label():
    check(work_of(np.empty((0, 4)), [], [], 0))
    check(work_of(np.empty((0, 4)), [], [], 3))
    check(work_of(np.empty((0, 0)), [], [], 1))


def test_one_labeler():
    rng = np.random.default_rng(0)
    work = work_of(all_ranked(rng, 60), np.arange(60), np.zeros(60), 1)

    ((own,), _) = check(replace(work, positions=all_ranked(rng, 60)))

    assert (own.consensus.value, own.drift.prompts, own.position.rankings) == (None, 0, 60)


def test_one_prompt():
    rng = np.random.default_rng(0)

    evidence, _ = check(work_of(all_ranked(rng, 5), np.zeros(5), np.arange(5), 5))

    assert {(own.consensus.prompts, own.consensus.se) for own in evidence} == {(1, None)}


def test_all_ties_are_no_agreement_but_are_seen():
    slate, labeler = np.repeat(np.arange(40), 2), np.tile(np.arange(2), 40)

    evidence, signals = check(work_of(np.ones((80, 4)), slate, labeler, 2))

    assert [own.consensus.value for own in evidence] == [None, None]
    assert [own.ties.value for own in evidence] == [1, 1]
    assert {one.key for own in signals for one in own if one.is_fired} == {"ties_most"}


def test_no_active_time_and_no_rating():
    rng = np.random.default_rng(0)
    work = work_of(all_ranked(rng, 80), np.repeat(np.arange(40), 2), np.tile(np.arange(2), 40), 2)

    evidence, _ = check(replace(work, positions=all_ranked(rng, 80)))

    assert [(own.pace.tasks, own.pace.median_wpm) for own in evidence] == [(0, None)] * 2
    assert [(own.ratings.count, own.ratings.modal_share) for own in evidence] == [(0, None)] * 2


def test_the_number_of_responses_changes_from_slate_to_slate():
    rng = np.random.default_rng(0)
    sizes = [2 + i % 8 for i in range(240)]
    ranks, places = (
        np.concatenate([all_ranked(rng, 1, k, WIDTH) for k in sizes for _ in range(2)])
        for _ in range(2)
    )
    slate, labeler = np.repeat(np.arange(240), 2), np.tile(np.arange(2), 240)

    evidence, _ = check(work_of(ranks, slate, labeler, 2, positions=places))

    assert [[table.responses for table in own.best] for own in evidence] == [[*range(2, 10)]] * 2
    assert sum(table.rankings for table in evidence[0].best) == 240


def test_ten_thousand_labelers_with_a_label_each():
    rng = np.random.default_rng(0)
    slate, labeler = np.arange(10_000) // 2, np.arange(10_000)

    evidence = evidence_of(work_of(all_ranked(rng, 10_000), slate, labeler, 10_000))
    signals = signals_of(evidence)

    assert {own.consensus.prompts for own in evidence} == {1}
    assert all(one.value is None and one.lack is not None for own in signals for one in own)


def test_gold_repeats_and_what_researchers_ranked_are_no_agreement_with_others():
    ranks = [[1, 2, 3]] * 8
    slate, labeler = [0, 0, 1, 1, 2, 2, 3, 0], [0, 1, 0, 1, 0, 2, 0, 0]
    gold = np.zeros((8, 3), np.int8)
    gold[2:4] = [3, 2, 1]  # slate 1 was asked for its known answer
    repeat_of = np.array([-1] * 7 + [0])

    first, second, researcher = evidence_of(
        work_of(
            ranks,
            slate,
            labeler,
            3,
            gold=gold,
            repeat_of=repeat_of,
            is_researcher=np.array([False] * 5 + [True] + [False] * 2),
        )
    )

    assert (first.consensus.value, first.consensus.units) == (1, 3)
    assert (first.researchers.value, first.researchers.prompts) == (1, 1)
    assert (first.gold.value, first.gold.prompts) == (0, 1)
    assert (first.repeats.value, first.repeats.units) == (1, 3)
    assert (second.consensus.prompts, second.researchers.prompts) == (1, 0)
    assert (researcher.consensus.prompts, researcher.researchers.prompts) == (0, 0)


def test_gold_is_split_into_the_latest_30_and_those_before():
    ranks = np.array([[1, 2]] * 10 + [[2, 1]] * 30, np.int8)
    gold = np.tile(np.array([1, 2], np.int8), (40, 1))

    (own,) = evidence_of(work_of(ranks, np.arange(40), np.zeros(40), 1, gold=gold))

    assert (own.gold.value, own.gold.prompts) == (0.25, 40)
    assert (own.gold_before.value, own.gold_before.prompts) == (1, 10)
    assert (own.gold_lately.value, own.gold_lately.prompts) == (0, 30)


def damaged(work, rng):
    """The same labels with ties, and with responses that were not judged or not rated."""
    ties = np.where(rng.random(work.ranks.shape) < 0.2, 2, work.ranks)
    ranks = np.where(rng.random(work.ranks.shape) < 0.1, 0, ties).astype(np.int8)
    ratings = np.where(rng.random(work.ranks.shape) < 0.1, 0, work.ratings).astype(np.int8)
    ms = np.where(rng.random(len(ranks)) < 0.2, math.nan, work.active_ms)
    return replace(work, ranks=ranks, ratings=ratings, active_ms=ms)


def same(one, other):
    assert numbers(astuple(other)) == pytest.approx(numbers(astuple(one)), abs=1e-9, nan_ok=False)


@settings(max_examples=12, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_names_of_labelers_slates_and_responses_change_nothing(seed):
    rng = np.random.default_rng(seed)
    work = damaged(simulate(rng, turns=35, drift_from=5), rng)
    names, slates = rng.permutation(LABELERS), rng.permutation(work.slate.max() + 1)
    columns = rng.permutation(work.ranks.shape[1])
    tables = {
        field.name: getattr(work, field.name)[:, columns]
        for field in fields(work)
        if np.ndim(getattr(work, field.name)) == 2
    }
    renamed = replace(
        work, labeler=names[work.labeler], slate=slates[work.slate], prompt=work.prompt, **tables
    )

    got, moved = evidence_of(work), evidence_of(renamed)

    for u, name in enumerate(names.tolist()):
        same(got[u], moved[name])
    assert any(own.drift.cusum for own in got)
