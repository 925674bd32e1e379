"""Which slates labelers are divided over, against counting by hand."""

from dataclasses import replace
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.agreement.metrics.consensus import pair_splits, preferences
from app.agreement.metrics.labels import no_labels
from app.agreement.metrics.slices import Slice
from app.agreement.slates.divided import (
    Position,
    Sought,
    by_tag,
    divided,
    following,
    histogram,
    most_divided,
    overall,
    strict_counts,
)
from tests.label_columns import Label, columns

RESPONSES = 4


@st.composite
def projects(draw):
    """Up to 12 slates with up to 4 labels each, with ties, gaps, tags and flags."""
    labels = []
    for slate in range(1, draw(st.integers(1, 12)) + 1):
        tags = draw(st.sampled_from([(), ("x",), ("x", "y")]))
        for labeler in draw(st.sets(st.integers(1, 4))):
            places = st.lists(st.integers(0, 3), min_size=RESPONSES, max_size=RESPONSES)
            labels.append(
                Label(
                    prompt=slate // 2,
                    slate=slate,
                    labeler=labeler,
                    responses=tuple(10 * slate + i for i in range(RESPONSES)),
                    ranks=tuple(rank or None for rank in draw(places)),
                    tags=tags,
                    round=1 + slate % 2,
                    flags=tuple(draw(places)),
                    task_flags=draw(st.integers(0, 3)),
                )
            )
    return labels


def counted(labels, *, of=frozenset()):
    """By hand: per slate with two labels the units that are alike, and all."""
    found = {}
    for slate in sorted({label.slate for label in labels}):
        here = [label for label in labels if label.slate == slate]
        pairs = [two for two in combinations(here, 2) if of <= {label.labeler for label in two}]
        if not pairs:
            continue
        signs = [
            [np.sign(a.ranks[j] - a.ranks[i]) * np.sign(b.ranks[j] - b.ranks[i])]
            for a, b in pairs
            for i, j in combinations(range(RESPONSES), 2)
            if all(label.ranks[k] for label in (a, b) for k in (i, j))
        ]
        found[slate] = (signs.count([1]), signs.count([1]) + signs.count([-1]))
    return found


def as_counts(found):
    return {
        int(slate): (int(alike), int(units))
        for slate, alike, units in zip(found.ids, found.alike, found.units, strict=True)
    }


def pages(found, *, size):
    """Every page, each from where the last slate of the one before stands."""
    after, seen = None, []
    while len(rows := following(found, after, limit=size)):
        seen.extend(found.ids[rows].tolist())
        last = rows[-1]
        after = Position.of(int(found.alike[last]), int(found.units[last]), int(found.ids[last]))
    return seen


@settings(max_examples=150, deadline=None)
@given(projects())
def test_slates_have_the_counts_made_by_hand_and_come_in_their_order_on_pages(labels):
    found = divided(columns(labels), Sought()) if labels else divided(no_labels(), Sought())
    expected = counted(labels)

    def place(slate):
        alike, units = expected[slate]
        return (alike / units if units else 2, -units, slate)

    assert as_counts(found) == expected
    assert pages(found, size=3) == sorted(expected, key=place)
    assert sum(histogram(found)) == sum(units > 0 for _, units in expected.values())
    assert overall(found).units == sum(units for _, units in expected.values())
    for slate, here in expected.items():
        ranks = [[rank or 0 for rank in label.ranks] for label in labels if label.slate == slate]
        assert strict_counts(pair_splits(preferences(np.array(ranks)))) == here


@settings(max_examples=60, deadline=None)
@given(projects(), st.sets(st.integers(1, 4), min_size=1, max_size=2))
def test_of_one_or_two_labelers_only_their_units_count(labels, who):
    if not labels:
        return

    found = divided(columns(labels), Sought(labelers=tuple(who)))

    assert as_counts(found) == counted(labels, of=who)


@settings(max_examples=60, deadline=None)
@given(projects())
def test_flags_and_splits_over_them_are_found(labels):
    if not labels:
        return
    of_slate = {slate: [one for one in labels if one.slate == slate] for slate in counted(labels)}

    def judges(slate, i):
        return [bool(one.flags[i]) for one in of_slate[slate] if one.ranks[i] or one.flags[i]]

    flagged = divided(columns(labels), Sought(flag=1))
    split = divided(columns(labels), Sought(severe=0b11))

    assert set(flagged.ids.tolist()) == {
        slate
        for slate, here in of_slate.items()
        if any(flag & 2 for one in here for flag in (*one.flags, one.task_flags))
    }
    assert set(split.ids.tolist()) == {
        slate
        for slate in of_slate
        if any(len(set(judges(slate, i))) == 2 for i in range(RESPONSES))
        or len({bool(one.task_flags) for one in of_slate[slate]}) == 2
    }


def two(slate, first, second, **more):
    responses = tuple(10 * slate + i for i in range(len(first)))
    return [
        Label(slate, slate, labeler, responses, ranks, **more)
        for labeler, ranks in ((1, first), (2, second))
    ]


@pytest.fixture
def three():
    """A slate of one mind, one of two, and one that is all ties."""
    return columns(
        [
            *two(1, (1, 2, 3), (1, 2, 3), tags=("x",)),
            *two(2, (1, 2, 3), (3, 2, 1), tags=("x", "y"), round=2),
            *two(3, (1, 1, 1), (1, 2, 3)),
        ]
    )


def test_the_tables_beside_the_list_and_its_filters(three):
    found = divided(three, Sought())

    assert histogram(found) == [1, 0, 0, 0, 0, 0, 0, 0, 0, 1]
    assert [(tag, n, of.value, of.units) for tag, n, of in by_tag(found)] == [
        ("x", 2, 0.5, 6),
        ("y", 1, 0, 3),
    ]
    assert found.ids[following(found, None, limit=9)].tolist() == [2, 1, 3]
    assert divided(three, Sought(bin=9)).ids.tolist() == [1]
    assert divided(three, Sought(slice=Slice(round=2))).ids.tolist() == [2]
    assert divided(three, Sought(slice=Slice(tag="x"))).ids.tolist() == [1, 2]
    assert divided(three, Sought(is_headline=True)).ids.tolist() == [1, 2, 3]


def test_the_cases_behind_the_watch_list_are_found_with_one_label_too():
    one = (1, 2, 3)
    given = columns(
        [
            *two(1, (1, 2, 3), (1, 2, 3)),  # the first and the shortest is best
            *two(2, (3, 2, 1), (1, 2, 3)),  # as often the longer one as the shorter one
            Label(3, 3, 1, one, (2, 1, 1)),
            Label(4, 4, 1, one, (1, 1, 2)),
            *(Label(5, 5, u, one, (2, 3, 1), purpose=p) for u, p in ((1, "anchor"), (2, "fresh"))),
            Label(6, 6, 1, one, (1, 2, 3), purpose="gold"),
        ]
    )
    lengths = np.tile([10, 20, 30], (6, 1)).astype(np.int32)
    labels = replace(given, slates=replace(given.slates, lengths=lengths))

    def cases(case):
        return divided(labels, Sought(case=case, has_single=True)).ids.tolist()

    assert cases("longer_wins") == [3, 5]
    assert cases("first_is_best") == [1, 2, 4]
    assert cases("anchors") == [5]
    assert divided(labels, Sought(case="anchors", has_single=True)).labelers.tolist() == [2]


def test_the_pair_that_opens_first_is_the_one_that_most_are_opposed_over():
    splits = pair_splits(preferences(np.array([[1, 2, 3], [1, 3, 2], [2, 1, 3], [1, 2, 3]])))

    assert most_divided(splits) == (0, 1)
    assert most_divided(pair_splits(preferences(np.zeros((2, 3), dtype=np.int64)))) is None
