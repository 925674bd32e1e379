"""Labels as columns: what comes in parts is what comes at once, and what a slice leaves of them."""

from dataclasses import fields, replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.agreement.metrics.labels import headline, joined, no_labels
from app.agreement.metrics.measures import measure
from app.agreement.metrics.slices import EVERYTHING, Slice, sliced
from tests.label_columns import Label, columns

MODELS = ("ppo", "sft", "sft", "ppo", None)


@st.composite
def histories(draw):
    """Rankings in the order of submission, some of them revisions with more or fewer responses."""
    history, first_ids = [], {}
    for number in range(1, draw(st.integers(1, 14)) + 1):
        slate, labeler = draw(st.integers(1, 4)), draw(st.integers(1, 3))
        responses = sorted(draw(st.sets(st.integers(0, 4), min_size=2)))
        count = len(responses)
        shuffled = draw(st.permutations(responses))
        first_id = first_ids.setdefault((slate, labeler), number)
        history.append(
            Label(
                prompt=10 + slate // 2,
                slate=slate,
                labeler=labeler,
                responses=tuple(100 * slate + i for i in shuffled),
                ranks=tuple(draw(st.lists(st.integers(1, 3), min_size=count, max_size=count))),
                ratings=tuple(draw(st.lists(st.integers(0, 7), min_size=count, max_size=count))),
                models=tuple(MODELS[i] for i in shuffled),
                round=1 + slate % 2,
                tags=(("x",), ("x", "y"), (), ("z",))[slate - 1],
                flags=tuple(draw(st.lists(st.integers(0, 3), min_size=count, max_size=count))),
                task_flags=draw(st.integers(0, 7)),
                id=number,
                first_id=first_id,
            )
        )
    return history


def current(history):
    """The last version of each label."""
    return list({(label.slate, label.labeler): label for label in history}.values())


def in_slates_of(part, everything):
    """The part as it is read: all responses and models of its slates are known from the start."""
    known = columns(everything).slates
    slates = columns(part).slates
    rows = np.searchsorted(known.ids, slates.ids)
    complete = replace(
        known,
        **{
            name: getattr(known, name)[rows]
            for name in ("ids", "prompt_ids", "rounds", "responses", "models", "lengths")
        },
        tags=np.array(
            [(np.flatnonzero(rows == s)[0], t) for s, t in known.tags if s in rows], dtype=np.int64
        ).reshape(-1, 2),
    )
    labels = columns(part)
    tables = {}
    for name in ("ranks", "ratings", "positions", "flags"):
        table = np.zeros((len(labels), known.width), dtype=getattr(labels, name).dtype)
        for row, label in enumerate(part):
            for response in label.responses:
                place = int(np.flatnonzero(slates.responses[labels.slate[row]] == response)[0])
                column = complete.columns(labels.slate[[row]], np.array([response]))[0]
                table[row, column] = getattr(labels, name)[row, place]
        tables[name] = table
    return replace(labels, slates=complete, **tables)


def assert_same(left, right):
    for field in fields(left):
        one, other = getattr(left, field.name), getattr(right, field.name)
        if field.name == "slates":
            assert_same(one, other)
        elif isinstance(one, np.ndarray):
            assert one.shape == other.shape, field.name
            assert np.array_equal(one, other, equal_nan=one.dtype.kind == "f"), field.name
        else:
            assert one == other, field.name


@settings(max_examples=60, deadline=None)
@given(histories(), st.data())
def test_labels_read_in_parts_are_those_read_at_once(history, data):
    cuts = sorted(data.draw(st.sets(st.integers(1, len(history)), max_size=3)) | {len(history)})
    parts = [current(history[low:high]) for low, high in zip([0, *cuts[:-1]], cuts, strict=True)]
    at_once = joined([no_labels(), in_slates_of(current(history), history)])

    in_parts = no_labels()
    for part in parts:
        in_parts = joined([in_parts, in_slates_of(part, history)])

    assert_same(in_parts, at_once)
    assert in_parts.version == at_once.version
    numbers = [measure(one, sft={"sft"}, baseline=None) for one in (in_parts, at_once)]
    assert numbers[0] == numbers[1]


def test_a_revision_keeps_the_place_of_the_first_version():
    first = Label(1, 1, 1, (1, 2), (1, 2), id=1)
    second = Label(1, 1, 2, (1, 2), (1, 2), id=2)
    revised = replace(first, ranks=(2, 1), id=3, first_id=1)

    labels = joined([columns([first, second]), columns([revised])])

    assert labels.labeler.tolist() == [0, 1]
    assert labels.ranks.tolist() == [[2, 1], [1, 2]]
    assert labels.version != columns([first, second]).version


def test_only_the_first_two_of_the_random_overlap_are_in_the_headline():
    purposes = ("gold", "fresh", "escalation", "overlap", "fresh", "anchor", "repeat")
    given_ = [
        Label(1, 1, who, (1, 2), (1, 2), purpose=purpose) for who, purpose in enumerate(purposes, 1)
    ]
    alone = [Label(2, 2, 1, (3, 4), (1, 2)), Label(2, 2, 2, (3, 4), (1, 2), purpose="escalation")]

    labels = headline(columns(given_ + alone))

    assert labels.labeler_ids[labels.labeler].tolist() == [2, 4]


SLATES = [
    Label(
        prompt=slate,
        slate=slate,
        labeler=labeler,
        responses=(10 * slate, 10 * slate + 1, 10 * slate + 2),
        ranks=(1, 2, 3),
        ratings=(7, 6, 2 + (labeler - 1)),
        models=("ppo", "sft", "ppo"),
        round=slate,
        tags=("code",) if slate == 1 else ("chat", "code"),
    )
    for slate in (1, 2)
    for labeler in (1, 2)
]


@pytest.mark.parametrize(
    ("slice_", "rankings", "units"),
    [
        (EVERYTHING, 4, 6),
        (Slice(round=1), 2, 3),
        (Slice(tag="code"), 4, 6),
        (Slice(tag="chat"), 2, 3),
        (Slice(tag="other"), 0, 0),
        (Slice(models=("sft", "ppo")), 4, 4),
        (Slice(models=("ppo", "ppo")), 4, 2),
        (Slice(models=("sft", "other")), 0, 0),
        (Slice(margin="0"), 0, 0),
        (Slice(margin="1"), 4, 2),
        (Slice(margin="3+"), 4, 4),  # gaps 5 and 4, and 4 and 3: 4.5 and 3.5 in the mean
        (Slice(round=2, tag="chat", models=("ppo", "sft"), margin="1"), 2, 1),
    ],
)
def test_a_slice_counts_its_own_labels_and_pairs(slice_, rankings, units):
    found = measure(sliced(columns(SLATES), slice_), sft={"sft"}, baseline=None)

    assert (found.rankings, found.headline["strict"].micro.units) == (rankings, units)
    assert found.pairs.keys() == ({(1, 2)} if rankings else set())


@pytest.mark.parametrize("purpose", ["gold", "anchor", "repeat", "escalation"])
def test_who_was_asked_for_a_reason_moves_no_pair_to_another_margin(purpose):
    asked = replace(SLATES[0], labeler=3, ratings=(7, 1, 1), purpose=purpose)

    found = measure(sliced(columns([*SLATES, asked]), Slice(margin="1")), sft=(), baseline=None)

    assert found.headline["strict"].micro.units == 2


def test_slices_have_the_same_key_when_they_are_the_same():
    assert Slice(models=("a", "b")).key == Slice(models=("b", "a")).key
    assert Slice(round=1).key != Slice(round=2).key != EVERYTHING.key


def test_win_rates_of_a_slice_take_its_pairs_alone():
    labels = columns(SLATES)

    close = measure(sliced(labels, Slice(margin="1")), sft={"sft"}, baseline=None)
    apart = measure(sliced(labels, Slice(margin="3+")), sft={"sft"}, baseline=None)

    assert (close.win_rates["ppo"].value, close.win_rates["ppo"].units) == (1.0, 4)
    assert (apart.win_rates["ppo"].value, apart.win_rates["ppo"].units) == (0.0, 4)
