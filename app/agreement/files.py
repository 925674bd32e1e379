"""The tables behind pictures of agreement as CSV (RFC 4180): pure.

They hold numbers and times alone, none of which needs quotes or could be taken for a formula.
"""

from collections.abc import Iterable, Sequence

from app.agreement.behaviour.drift_chart import DriftChart


def histogram_csv(counts: Sequence[int]) -> bytes:
    """How many prompts are in each tenth of agreement."""
    n = len(counts)
    rows = ((i / n, (i + 1) / n, count) for i, count in enumerate(counts))
    return _csv("agreement_from,agreement_to,prompts", rows)


def drift_csv(drift: DriftChart) -> bytes:
    """A labeler's agreement prompt by prompt, the oldest first."""
    rows = (
        (one.number, one.slate_id, one.at.isoformat(), one.share, one.ewma, one.cusum)
        for one in drift.points
    )
    return _csv("number,slate,ranked_at,agreement,ewma,cusum", rows)


def own_drift_csv(drift: DriftChart) -> bytes:
    """The same for the labeler, who knows no slates."""
    rows = (
        (one.number, one.at.isoformat(), one.share, one.ewma, one.cusum) for one in drift.points
    )
    return _csv("number,ranked_at,agreement,ewma,cusum", rows)


def _csv(header: str, rows: Iterable[Iterable[float | str | None]]) -> bytes:
    lines = [",".join("" if cell is None else str(cell) for cell in row) for row in rows]
    return "".join(f"{line}\r\n" for line in (header, *lines)).encode()
