"""Where the boxes and lines of a lineage picture stand: layers from above to below. Pure.

A box stands in the layer after the last of those that it was made from (longest path), or in the
next one that has room. A line that passes layers has a place of its own in each, which all lines
from the same box share: one trunk with branches. The order within a layer follows the mean place of
the neighbors above and below, in turns (the barycenter heuristic of Sugiyama, Tagawa and Toda,
1981); the places are the closest to those means that keep order and distance (isotonic regression).
"""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from graphlib import TopologicalSorter
from itertools import pairwise

BOX_WIDTH, BOX_HEIGHT = 240.0, 68.0
TRUNK_WIDTH = 12.0
GAP, LAYER_GAP = 20.0, 40.0
MARGIN = 8.0
MAX_BOXES = 4  # in a layer; more would not be seen side by side
SWEEPS = 8
BOX_WEIGHT = 1e6  # a trunk makes way for a box


@dataclass(frozen=True)
class Line:
    """A line between two boxes: the points (x, y) that it goes through, from above to below."""

    source: str
    target: str
    points: tuple[tuple[float, float], ...]


@dataclass(frozen=True)
class Layout:
    """A picture: its size, the upper left corner of each box, and the lines; in pixels."""

    width: float
    height: float
    corners: dict[str, tuple[float, float]]
    lines: list[Line]


@dataclass(frozen=True)
class Trunk:
    """What stands in a layer for the lines from `source` that pass it."""

    source: str
    layer: int


Item = str | Trunk
Links = Mapping[Item, Sequence[Item]]


def layout_of(nodes: Sequence[str], edges: Sequence[tuple[str, str]]) -> Layout:
    """Place the nodes in layers.

    Args:
        nodes: names of the boxes; their order decides where neighbors do not.
        edges: (source, target) of the lines; both are among the nodes.

    Raises:
        graphlib.CycleError: a node is, by way of others, made from itself.
    """
    if not nodes:
        return Layout(0.0, 0.0, {}, [])
    layer_of = layers_of(nodes, edges)
    links = _links(edges, layer_of)
    layers = _ordered(_first_order(nodes, links, layer_of), links)
    centers = _centers(layers, links)
    left = min(center - _width(item) / 2 for item, center in centers.items()) - MARGIN
    right = max(center + _width(item) / 2 for item, center in centers.items()) + MARGIN
    x = {item: round(center - left, 1) for item, center in centers.items()}
    tops = [MARGIN + number * (BOX_HEIGHT + LAYER_GAP) for number in range(len(layers))]
    return Layout(
        width=round(right - left, 1),
        height=tops[-1] + BOX_HEIGHT + MARGIN,
        corners={node: (x[node] - BOX_WIDTH / 2, tops[layer_of[node]]) for node in nodes},
        lines=[
            Line(
                source, target, _points(_path(source, target, layer_of), x, tops, layer_of[source])
            )
            for source, target in edges
        ],
    )


def layers_of(nodes: Sequence[str], edges: Sequence[tuple[str, str]]) -> dict[str, int]:
    """The layer of each node, from 0; what was made from nothing stands just above its first use.

    Raises:
        graphlib.CycleError: a node is, by way of others, made from itself.
    """
    made_from: dict[str, list[str]] = {node: [] for node in nodes}
    made: dict[str, list[str]] = {node: [] for node in nodes}
    for source, target in edges:
        made_from[target].append(source)
        made[source].append(target)
    wanted: dict[str, int] = {}
    for node in TopologicalSorter(made_from).static_order():
        wanted[node] = max((wanted[source] + 1 for source in made_from[node]), default=0)
    for node in nodes:
        if made[node] and not made_from[node]:
            wanted[node] = min(wanted[target] for target in made[node]) - 1
    layer: dict[str, int] = {}
    boxes: Counter[int] = Counter()
    for node in sorted(nodes, key=wanted.__getitem__):
        first = max((layer[source] + 1 for source in made_from[node]), default=0)
        layer[node] = max(first, wanted[node])
        while boxes[layer[node]] >= MAX_BOXES:
            layer[node] += 1
        boxes[layer[node]] += 1
    return layer


def crossings(layers: Sequence[Sequence[Item]], links: Links) -> int:
    """How many pairs of lines cross between neighboring layers."""
    count = 0
    for above, below in pairwise(layers):
        place = {item: number for number, item in enumerate(below)}
        ends = [end for item in above for end in sorted(place[one] for one in links.get(item, ()))]
        count += sum(one > other for i, one in enumerate(ends) for other in ends[i + 1 :])
    return count


def _width(item: Item) -> float:
    return TRUNK_WIDTH if isinstance(item, Trunk) else BOX_WIDTH


def _path(source: str, target: str, layer_of: Mapping[str, int]) -> list[Item]:
    """The items that a line goes through, ends included."""
    passed = range(layer_of[source] + 1, layer_of[target])
    return [source, *(Trunk(source, layer) for layer in passed), target]


def _links(edges: Sequence[tuple[str, str]], layer_of: Mapping[str, int]) -> Links:
    """The items of the next layer that each item is joined with."""
    links: dict[Item, dict[Item, None]] = defaultdict(dict)
    for source, target in edges:
        for above, below in pairwise(_path(source, target, layer_of)):
            links[above][below] = None
    return {item: list(ends) for item, ends in links.items()}


def _first_order(
    nodes: Sequence[str], links: Links, layer_of: Mapping[str, int]
) -> list[list[Item]]:
    """The layers in the order of the nodes, trunks behind them."""
    layers: list[list[Item]] = [[] for _ in range(max(layer_of.values()) + 1)]
    for node in nodes:
        layers[layer_of[node]].append(node)
    for item in links:
        if isinstance(item, Trunk):
            layers[item.layer].append(item)
    return layers


def _ordered(layers: list[list[Item]], links: Links) -> list[list[Item]]:
    """The layers in the order with the fewest crossings that the sweeps came by."""
    best, fewest = layers, crossings(layers, links)
    back = _reversed(links)
    for sweep in range(SWEEPS):
        is_down = sweep % 2 == 0
        layers = [list(layer) for layer in layers]
        turn = range(1, len(layers)) if is_down else range(len(layers) - 2, -1, -1)
        for number in turn:
            neighbors = layers[number - 1 if is_down else number + 1]
            place = {item: float(at) for at, item in enumerate(neighbors)}
            own = {item: float(at) for at, item in enumerate(layers[number])}
            joined = back if is_down else links
            means = {item: _mean(joined.get(item, ()), place, own[item]) for item in own}
            layers[number].sort(key=means.__getitem__)
        if (count := crossings(layers, links)) < fewest:
            best, fewest = layers, count
    return best


def _reversed(links: Links) -> Links:
    back: dict[Item, list[Item]] = defaultdict(list)
    for item, ends in links.items():
        for end in ends:
            back[end].append(item)
    return back


def _mean(neighbors: Sequence[Item], place: Mapping[Item, float], default: float) -> float:
    known = [place[one] for one in neighbors]
    return sum(known) / len(known) if known else default


def _centers(layers: Sequence[Sequence[Item]], links: Links) -> dict[Item, float]:
    """The middle of each item, as close to its neighbors' as the distances let it."""
    back = _reversed(links)
    center: dict[Item, float] = {}
    for layer in layers:
        offsets = _offsets(layer)
        center |= {item: at - offsets[-1] / 2 for item, at in zip(layer, offsets, strict=True)}
    for sweep in range(SWEEPS):
        joined = back if sweep % 2 == 0 else links
        for layer in layers if sweep % 2 == 0 else reversed(layers):
            offsets = _offsets(layer)
            wanted = [
                _mean(_leading(item, joined), center, center[item]) - at
                for item, at in zip(layer, offsets, strict=True)
            ]
            weights = [1.0 if isinstance(item, Trunk) else BOX_WEIGHT for item in layer]
            places = _isotonic(wanted, weights)
            for item, at, moved in zip(layer, offsets, places, strict=True):
                center[item] = moved + at
    return center


def _leading(item: Item, joined: Links) -> Sequence[Item]:
    """The neighbors that the item follows: its own kind, so that chains and trunks are straight."""
    neighbors = joined.get(item, ())
    own_kind = [one for one in neighbors if isinstance(one, Trunk) == isinstance(item, Trunk)]
    return own_kind or neighbors


def _offsets(layer: Sequence[Item]) -> list[float]:
    """How far the middle of each item is from that of the first, side by side."""
    offsets = [0.0]
    for one, other in pairwise(layer):
        offsets.append(offsets[-1] + (_width(one) + _width(other)) / 2 + GAP)
    return offsets


def _isotonic(values: Sequence[float], weights: Sequence[float]) -> list[float]:
    """The non-decreasing sequence with the least squared distance (pool adjacent violators)."""
    pools: list[tuple[float, float, int]] = []  # weighted sum, weight, how many
    for value, weight in zip(values, weights, strict=True):
        total, heavy, size = value * weight, weight, 1
        while pools and pools[-1][0] / pools[-1][1] > total / heavy:
            before = pools.pop()
            total, heavy, size = total + before[0], heavy + before[1], size + before[2]
        pools.append((total, heavy, size))
    return [total / heavy for total, heavy, size in pools for _ in range(size)]


def _points(
    path: Sequence[Item],
    x: Mapping[Item, float],
    tops: Sequence[float],
    first: int,
) -> tuple[tuple[float, float], ...]:
    """From below the first item, which is in the layer `first`, straight through each layer."""
    ends = [
        (x[item], tops[layer] + offset)
        for layer, item in enumerate(path, start=first)
        for offset in (0.0, BOX_HEIGHT)
    ]
    return tuple(ends[1:-1])
