"""What was typed into the plain form, as the draft that the scripts of the screen keep, and back.

So work goes on with scripts where it was left without, and the other way round. Pure.
"""

from collections.abc import Mapping, Sequence
from typing import Any

Values = Mapping[str, Sequence[str]]


def work_from_values(values: Values, ids: Sequence[int]) -> dict[str, Any]:
    """The typed values as work on these responses; a rank that no row has is left out."""
    rows: list[list[int]] = [[] for _ in ids]
    for response_id in ids:
        rank = _first(values, f"rank-{response_id}")
        if rank in _numbers(len(ids)):
            rows[int(rank) - 1].append(response_id)
    return {
        "board": {"rows": rows, "last": None},
        "items": {str(response_id): _item(values, response_id) for response_id in ids},
        "note": _first(values, "note"),
        "flags": list(values.get("flags", ())),
        "cannotRank": _first(values, "cannot_rank") or None,
        "origin": "manual",
    }


def values_from_work(work: Any) -> dict[str, list[str]]:  # noqa: ANN401 - a browser sent it
    """Kept work as values of the plain form; what is not as the screen keeps it is left out."""
    try:
        return _values(work)
    except (AttributeError, KeyError, TypeError):
        return {}


def _values(work: Mapping[str, Any]) -> dict[str, list[str]]:
    values = {
        "note": [str(work["note"] or "")],
        "flags": [str(flag) for flag in work["flags"]],
        "cannot_rank": [str(work["cannotRank"] or "")],
    }
    for rank, row in enumerate(work["board"]["rows"], start=1):
        values |= {f"rank-{response_id}": [str(rank)] for response_id in row}
    for response_id, item in work["items"].items():
        for field, name in (
            ("rating", "rating"),
            ("note", "note"),
            ("cannotJudge", "cannot_judge"),
        ):
            values[f"{name}-{response_id}"] = [str(item[field])] if item[field] else []
        values[f"flags-{response_id}"] = [str(flag) for flag in item["flags"]]
        for answer, flags in (("yes", item["flags"]), ("no", item["notFlagged"])):
            values |= {f"answer-{response_id}-{flag}": [answer] for flag in flags}
    return values


def _item(values: Values, response_id: int) -> dict[str, Any]:
    rating = _first(values, f"rating-{response_id}")
    return {
        "rating": int(rating) if rating in _numbers(7) else None,
        "flags": [*values.get(f"flags-{response_id}", ()), *_answered(values, response_id, "yes")],
        "notFlagged": _answered(values, response_id, "no"),
        "note": _first(values, f"note-{response_id}"),
        "cannotJudge": _first(values, f"cannot_judge-{response_id}") or None,
    }


def _answered(values: Values, response_id: int, answer: str) -> list[str]:
    prefix = f"answer-{response_id}-"
    return [
        name.removeprefix(prefix)
        for name, given in values.items()
        if name.startswith(prefix) and list(given) == [answer]
    ]


def _first(values: Values, name: str) -> str:
    return next(iter(values.get(name, ())), "")


def _numbers(count: int) -> set[str]:
    return {str(number) for number in range(1, count + 1)}
