"""Where boxes and lines of a lineage picture stand."""

from graphlib import CycleError
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.training.lineage_layout import (
    BOX_HEIGHT,
    BOX_WIDTH,
    MAX_BOXES,
    crossings,
    layers_of,
    layout_of,
)

# base -> sft -> round 1 -> dataset 1 -> rm 1 -> ppo 1 -> round 2, which sft is sampled for, too.
LOOP = ["base", "sft", "r1", "d1", "rm1", "ppo1", "r2"]
LOOP_EDGES = [
    ("base", "sft"), ("sft", "r1"), ("r1", "d1"), ("d1", "rm1"), ("sft", "rm1"),
    ("rm1", "ppo1"), ("sft", "ppo1"), ("ppo1", "r2"), ("sft", "r2"),
]  # fmt: skip


@st.composite
def graphs(draw):
    """Nodes in the order of time, each made from some of those before it."""
    size = draw(st.integers(1, 60))
    nodes = [f"n{number}" for number in range(size)]
    edges = {
        (f"n{draw(st.integers(0, target - 1))}", f"n{target}")
        for target in range(1, size)
        for _ in range(draw(st.integers(0, 3)))
    }
    return nodes, sorted(edges)


def overlaps(layout):
    boxes = sorted((y, x) for x, y in layout.corners.values())
    return [
        (one, other)
        for one, other in pairwise(boxes)
        if one[0] == other[0] and other[1] - one[1] < BOX_WIDTH
    ]


def test_a_loop_stands_in_the_layers_of_its_longest_path():
    layer = layers_of(LOOP, LOOP_EDGES)

    assert layer == {"base": 0, "sft": 1, "r1": 2, "d1": 3, "rm1": 4, "ppo1": 5, "r2": 6}


def test_what_was_made_from_nothing_stands_just_above_its_first_use():
    layer = layers_of([*LOOP, "judge"], [*LOOP_EDGES, ("judge", "ppo1")])

    assert layer["judge"] == layer["ppo1"] - 1


def test_a_single_node_is_a_picture_of_its_own():
    layout = layout_of(["one"], [])

    assert (layout.corners, layout.lines) == ({"one": (8, 8)}, [])
    assert (layout.width, layout.height) == (BOX_WIDTH + 16, BOX_HEIGHT + 16)


def test_nothing_is_an_empty_picture():
    assert layout_of([], []).corners == {}


def test_a_node_made_from_itself_by_way_of_others_is_refused():
    with pytest.raises(CycleError):
        layout_of(["a", "b"], [("a", "b"), ("b", "a")])


def test_many_models_of_one_dataset_stand_in_several_rows():
    models = [f"rm{number}" for number in range(10)]

    layer = layers_of(["d", *models], [("d", model) for model in models])

    assert sorted(layer[model] for model in models) == [1] * 4 + [2] * 4 + [3] * 2


def test_a_chain_is_a_straight_line_down():
    layout = layout_of(["a", "b", "c"], [("a", "b"), ("b", "c")])

    assert {x for x, _ in layout.corners.values()} == {8}
    assert layout.lines[0].points == ((128, 76), (128, 116))


def test_a_loop_stays_in_one_column_beside_the_trunks():
    layout = layout_of(LOOP, LOOP_EDGES)

    (x,) = {round(x) for x, _ in layout.corners.values()}
    by_ends = {(line.source, line.target): line.points for line in layout.lines}
    assert by_ends["sft", "r2"][1][0] > x + BOX_WIDTH or by_ends["sft", "r2"][1][0] < x


def test_two_pairs_are_ordered_so_that_their_lines_do_not_cross():
    layout = layout_of(["a", "b", "x", "y"], [("a", "y"), ("b", "x")])

    (first, second) = layout.lines
    assert (first.points[0][0] < second.points[0][0]) == (
        first.points[-1][0] < second.points[-1][0]
    )


def test_crossings_are_counted_by_hand():
    layers = [["a", "b", "c"], ["x", "y"]]

    assert crossings(layers, {"a": ["y"], "b": ["x"], "c": ["x", "y"]}) == 2


def test_lines_from_one_box_share_a_trunk():
    layout = layout_of(LOOP, LOOP_EDGES)
    by_ends = {(line.source, line.target): line.points for line in layout.lines}

    to_policy, to_round = by_ends["sft", "ppo1"], by_ends["sft", "r2"]

    assert to_policy[:-1] == to_round[: len(to_policy) - 1]


@settings(max_examples=60, deadline=None)
@given(graphs())
def test_any_picture_has_boxes_apart_and_lines_beside_them(graph):
    nodes, edges = graph

    layout = layout_of(nodes, edges)

    assert overlaps(layout) == []
    assert layout == layout_of(nodes, edges)
    rows: dict[float, int] = {}
    for x, y in layout.corners.values():
        assert 0 < x < layout.width - BOX_WIDTH
        assert 0 < y < layout.height - BOX_HEIGHT
        rows[y] = rows.get(y, 0) + 1
    assert max(rows.values()) <= MAX_BOXES
    for line in layout.lines:
        assert [y for _, y in line.points] == sorted(y for _, y in line.points)
        passed = zip(line.points[1:-1:2], line.points[2:-1:2], strict=True)
        for (x, top), (_, _) in passed:
            assert not any(
                left <= x <= left + BOX_WIDTH and y == top for left, y in layout.corners.values()
            )
