"""A lineage as it is drawn: boxes with short texts, lines as SVG paths. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from unicodedata import east_asian_width

from app.training.lineage import Lineage
from app.training.lineage_layout import BOX_HEIGHT, BOX_WIDTH, layout_of
from app.training.lineage_words import address_of, captions_of, details_of, kind_of, name_of

TITLE_WIDTH, DETAIL_WIDTH = 28, 39  # in Latin letters, of the sizes that the template writes
ARROW_WIDTH, ARROW_HEIGHT = 4, 7


@dataclass(frozen=True)
class Box:
    """A node; `full` is what its texts say uncut."""

    key: str
    kind: str
    address: str
    x: float
    y: float
    name: str
    captions: list[str]
    full: str


@dataclass(frozen=True)
class Curve:
    """A line with its arrow, as values of the attribute `d`."""

    source: str
    target: str
    path: str
    arrow: str


@dataclass(frozen=True)
class Picture:
    """All that the template draws, in pixels."""

    width: float
    height: float
    box_width: float
    box_height: float
    boxes: list[Box]
    curves: list[Curve]


def picture_of(lineage: Lineage, base: str) -> Picture:
    """Draw the lineage.

    Args:
        lineage: what to draw.
        base: the path of the project.
    """
    layout = layout_of([node.key for node in lineage.nodes], lineage.drawn_edges)
    boxes = []
    for node in lineage.nodes:
        x, y = layout.corners[node.key]
        name = name_of(node)
        boxes.append(
            Box(
                key=node.key,
                kind=node.kind,
                address=address_of(node, base),
                x=x,
                y=y,
                name=clipped(name, TITLE_WIDTH),
                captions=[clipped(one, DETAIL_WIDTH) for one in captions_of(node)],
                full="\n".join((f"{name} ({kind_of(node)})", *details_of(node))),
            )
        )
    return Picture(
        width=layout.width,
        height=layout.height,
        box_width=BOX_WIDTH,
        box_height=BOX_HEIGHT,
        boxes=boxes,
        curves=[
            Curve(line.source, line.target, path_of(line.points), _arrow(*line.points[-1]))
            for line in layout.lines
        ],
    )


def path_of(points: Sequence[tuple[float, float]]) -> str:
    """A curve through the points that goes straight down at each of them.

    The last part ends where the arrow begins.
    """
    last_x, last_y = points[-1]
    points = [*points[:-1], (last_x, last_y - ARROW_HEIGHT)]
    parts = [f"M{points[0][0]:g} {points[0][1]:g}"]
    for (x, y), (next_x, next_y) in pairwise(points):
        if x == next_x:
            parts.append(f"V{next_y:g}")
        else:
            middle = (y + next_y) / 2
            parts.append(f"C{x:g} {middle:g} {next_x:g} {middle:g} {next_x:g} {next_y:g}")
    return "".join(parts)


def clipped(text: str, width: int) -> str:
    """The text, or its beginning with an ellipsis when it is wider than `width` Latin letters."""
    used = 0
    for at, letter in enumerate(text):
        used += 2 if east_asian_width(letter) in "WF" else 1
        if used > width:
            return text[: at - 1].rstrip() + "…"
    return text


def _arrow(x: float, y: float) -> str:
    left, right, top = x - ARROW_WIDTH, x + ARROW_WIDTH, y - ARROW_HEIGHT
    return f"M{left:g} {top:g}H{right:g}L{x:g} {y:g}Z"
