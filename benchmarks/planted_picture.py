"""Hidden score against KL as an SVG: one line for each way of optimizing."""

from collections.abc import Sequence
from typing import NamedTuple

WIDTH, HEIGHT, MARGIN = 640, 400, 56
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
    right = max(1.0, *(point.kl_nats for point in points)) * 1.05
    low, high = (side(point.score for point in points) for side in (min, max))
    pad = 0.08 * (high - low or 1.0)

    def place(point: Point) -> tuple[float, float]:
        x = MARGIN + max(0.0, point.kl_nats) / right * (WIDTH - 2 * MARGIN)
        share = (point.score - low + pad) / (high - low + 2 * pad)
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
        *_ticks(right, low - pad, high + pad),
    ]
    for row, (kind, (color, dashes)) in enumerate(STYLES.items()):
        line = sorted(
            (point for point in points if point.kind == kind), key=lambda one: one.kl_nats
        )
        path = " ".join(f"{x},{y}" for x, y in map(place, line))
        parts.append(
            f'<polyline points="{path}" fill="none" stroke="{color}" stroke-width="2" '
            f'stroke-dasharray="{dashes}"/>'
        )
        for point in line:
            x, y = place(point)
            parts.append(f'<circle cx="{x}" cy="{y}" r="4" fill="{color}"/>')
            parts.append(f'<text x="{x + 6}" y="{y + 14}" fill="{color}">{point.label}</text>')
        at = HEIGHT - MARGIN - 74 + 18 * row
        parts.append(
            f'<text x="{WIDTH - MARGIN}" y="{at}" text-anchor="end" fill="{color}" '
            f'font-weight="600">{NAMES[kind]}</text>'
        )
    return "\n".join([*parts, "</svg>", ""])


def _ticks(right: float, low: float, high: float) -> list[str]:
    parts = []
    for step in range(5):
        x = MARGIN + step / 4 * (WIDTH - 2 * MARGIN)
        y = HEIGHT - MARGIN - step / 4 * (HEIGHT - 2 * MARGIN)
        parts += [
            f'<text x="{x}" y="{HEIGHT - MARGIN + 18}" text-anchor="middle" fill="#6b7280">'
            f"{right * step / 4:.1f}</text>",
            f'<text x="{MARGIN - 8}" y="{y + 4}" text-anchor="end" fill="#6b7280">'
            f"{low + (high - low) * step / 4:.2f}</text>",
        ]
    return parts
