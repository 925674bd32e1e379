"""Hidden score against KL as an SVG: one line for each way of optimizing."""

import math
from collections.abc import Sequence
from typing import NamedTuple

WIDTH, HEIGHT, MARGIN = 640, 400, 56
# Labels stand below their points, and above where lines run close to each other.
LABELED_ABOVE = "ppo"
STYLES = {
    "best of n": ("#6b7280", "4 3"),
    "dpo": ("#b45309", ""),
    "ppo": ("#1d4ed8", ""),
    "ppo-ptx": ("#047857", "6 3"),
}
NAMES = {
    "best of n": "best of n",
    "dpo": "DPO, by beta",
    "ppo": "PPO, by KL coefficient",
    "ppo-ptx": "PPO with the pretraining mix",
}


class Point(NamedTuple):
    """A policy: how it was made, with which strength, and where it stands."""

    kind: str
    label: str
    kl_nats: float
    score: float


def draw(points: Sequence[Point]) -> str:
    """Return the picture; its title says in words what is drawn."""
    across = _ticks(0.0, max(point.kl_nats for point in points))
    up = _ticks(min(0.0, *(point.score for point in points)), max(point.score for point in points))

    def place(kl_nats: float, score: float) -> tuple[float, float]:
        x = MARGIN + max(0.0, kl_nats) / across[-1] * (WIDTH - 2 * MARGIN)
        share = (score - up[0]) / (up[-1] - up[0])
        return round(x, 1), round(HEIGHT - MARGIN - share * (HEIGHT - 2 * MARGIN), 1)

    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" '
        'font-family="system-ui, sans-serif" font-size="12">',
        "<title>Hidden score against KL to the SFT model for best-of-n, DPO and PPO</title>",
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#ffffff"/>',
        f'<path d="M{MARGIN} {MARGIN}V{HEIGHT - MARGIN}H{WIDTH - MARGIN}" fill="none" '
        'stroke="#9ca3af"/>',
        f'<text x="{WIDTH / 2}" y="{HEIGHT - 16}" text-anchor="middle" fill="#374151">'
        "KL to the SFT model, nats per response</text>",
        f'<text x="{MARGIN}" y="{MARGIN - 16}" fill="#374151">mean hidden score</text>',
    ]
    for tick in across:
        x, y = place(tick, up[0])
        parts.append(
            f'<text x="{x}" y="{y + 18}" text-anchor="middle" fill="#6b7280">{tick:g}</text>'
        )
    for tick in up:
        x, y = place(0.0, tick)
        parts.append(
            f'<text x="{x - 8}" y="{y + 4}" text-anchor="end" fill="#6b7280">{tick:g}</text>'
        )
    for row, (kind, (color, dashes)) in enumerate(STYLES.items()):
        line = sorted(
            (point for point in points if point.kind == kind), key=lambda one: one.kl_nats
        )
        places = [place(point.kl_nats, point.score) for point in line]
        path = " ".join(f"{x},{y}" for x, y in places)
        parts.append(
            f'<polyline points="{path}" fill="none" stroke="{color}" stroke-width="2" '
            f'stroke-dasharray="{dashes}"/>'
        )
        for point, (x, y) in zip(line, places, strict=True):
            at = y - 10 if kind == LABELED_ABOVE else y + 16
            parts.append(f'<circle cx="{x}" cy="{y}" r="4" fill="{color}"/>')
            parts.append(f'<text x="{x + 2}" y="{at}" fill="{color}">{point.label}</text>')
        at = HEIGHT - MARGIN - 74 + 18 * row
        parts.append(
            f'<text x="{WIDTH - MARGIN}" y="{at}" text-anchor="end" fill="{color}" '
            f'font-weight="600">{NAMES[kind]}</text>'
        )
    return "\n".join([*parts, "</svg>", ""])


def _ticks(low: float, high: float) -> list[float]:
    """Return four to eight round numbers, evenly spaced, from at most `low` to at least `high`."""
    least = (high - low or 1.0) / 6
    power = 10.0 ** math.floor(math.log10(least))
    step = next(power * factor for factor in (1, 2, 5, 10) if power * factor >= least)
    return [step * at for at in range(math.floor(low / step), math.ceil(high / step) + 1)]
