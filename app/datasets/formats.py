"""Comparisons as bytes: JSON lines and CSV, in the shapes `explicit`, `implicit` and `hh`. Pure."""

from collections.abc import Callable, Iterable, Iterator
from enum import StrEnum

import orjson

from app.datasets.rows import Compared, Comparison, RankedSlate

META = (
    "comparison_id",
    "prompt_id",
    "group",
    "split",
    "round",
    "labeler",
    "rank_gap",
    "rating_chosen",
    "rating_rejected",
    "margin",
    "weight",
    "conflict",
    "model_chosen",
    "model_rejected",
    "labeled_at",
    "cohort",
)
# What spreadsheets take for a formula, also in full width.
RISKY_STARTS = ("=", "+", "-", "@", "\t", "\r", "＝", "＋", "－", "＠")
SPEAKERS = {"system": "System", "user": "Human", "assistant": "Assistant"}

Meta = dict[str, str | int | float | bool | None]


class ExportFormat(StrEnum):
    """How an export is written."""

    JSONL = "jsonl"
    CSV = "csv"
    PARQUET = "parquet"


class Shape(StrEnum):
    """How the texts of a comparison are laid out."""

    EXPLICIT = "explicit"  # prompt, chosen, rejected: three message lists
    IMPLICIT = "implicit"  # chosen, rejected: message lists that begin with the prompt
    HH = "hh"  # chosen, rejected: transcripts


MEDIA_TYPES = {
    ExportFormat.JSONL: "application/x-ndjson",
    ExportFormat.CSV: "text/csv; charset=utf-8",
    ExportFormat.PARQUET: "application/vnd.apache.parquet",
}


def text_columns(shape: Shape) -> tuple[str, ...]:
    """The columns before the others."""
    if shape is Shape.EXPLICIT:
        return ("prompt", "chosen", "rejected")
    return ("chosen", "rejected")


def meta_of(slate: RankedSlate, comparison: Comparison) -> Meta:
    """Everything about a comparison but its texts, in the order of `META`."""
    return {
        "comparison_id": f"{slate.ranking}-{comparison.chosen}-{comparison.rejected}",
        "prompt_id": slate.prompt_id,
        "group": slate.group,
        "split": slate.split,
        "round": slate.round,
        "labeler": slate.labeler,
        "rank_gap": comparison.rank_gap,
        "rating_chosen": comparison.rating_chosen,
        "rating_rejected": comparison.rating_rejected,
        "margin": comparison.margin,
        "weight": comparison.weight,
        "conflict": comparison.conflict,
        "model_chosen": slate.models[comparison.chosen],
        "model_rejected": slate.models[comparison.rejected],
        "labeled_at": slate.labeled_at,
        "cohort": slate.cohort,
    }


def json_lines(group: Iterable[Compared], shape: Shape) -> bytes:
    """One JSON object per comparison; each text is encoded once per ranking."""
    lines: list[bytes] = []
    for compared in group:
        slate = compared.slate
        texts = _encoded_texts(slate, shape)
        start = b"{"
        if shape is Shape.EXPLICIT:
            start = b'{"prompt":' + slate.messages + b","
        for comparison in compared.comparisons:
            lines += (
                start,
                b'"chosen":',
                texts[comparison.chosen],
                b',"rejected":',
                texts[comparison.rejected],
                b",",
                orjson.dumps(meta_of(slate, comparison))[1:],
                b"\n",
            )
    return b"".join(lines)


def csv_header(shape: Shape) -> bytes:
    """The first line of a CSV file."""
    return (",".join((*text_columns(shape), *META)) + "\r\n").encode()


def csv_lines(group: Iterable[Compared], shape: Shape) -> bytes:
    """One CSV record per comparison; message lists are JSON, and each text is quoted once."""
    lines: list[str] = []
    for compared in group:
        slate = compared.slate
        texts = {key: csv_cell(text) for key, text in _cells(slate, shape).items()}
        start = csv_cell(slate.messages.decode()) + "," if shape is Shape.EXPLICIT else ""
        for comparison in compared.comparisons:
            meta = ",".join(map(csv_cell, meta_of(slate, comparison).values()))
            chosen, rejected = texts[comparison.chosen], texts[comparison.rejected]
            lines.append(f"{start}{chosen},{rejected},{meta}\r\n")
    return "".join(lines).encode()


def csv_cell(value: str | float | bool | None) -> str:  # noqa: FBT001
    """A cell (RFC 4180); strings are quoted, and prefixed where they look like a formula."""
    if isinstance(value, str):
        prefix = "'" if value.startswith(RISKY_STARTS) else ""
        escaped = value.replace('"', '""')
        return f'"{prefix}{escaped}"'
    if isinstance(value, bool):
        return "true" if value else "false"
    return "" if value is None else repr(value)


def _encoded_texts(slate: RankedSlate, shape: Shape) -> dict[str, bytes]:
    """JSON of each response in this shape."""
    if shape is Shape.HH:
        return {key: orjson.dumps(text) for key, text in _transcripts(slate)}
    start = b"[" if shape is Shape.EXPLICIT else slate.messages[:-1] + b","
    return {
        key: start + orjson.dumps({"role": "assistant", "content": text}) + b"]"
        for key, text in slate.texts.items()
    }


def _cells(slate: RankedSlate, shape: Shape) -> dict[str, str]:
    if shape is Shape.HH:
        return dict(_transcripts(slate))
    return {key: text.decode() for key, text in _encoded_texts(slate, shape).items()}


def _transcripts(slate: RankedSlate) -> Iterator[tuple[str, str]]:
    """The conversation with each response, as in the HH data: blank line, speaker, colon, text."""
    prompt = "".join(
        f"\n\n{SPEAKERS[message['role']]}: {message['content']}"
        for message in orjson.loads(slate.messages)
    )
    for key, text in slate.texts.items():
        yield key, f"{prompt}\n\nAssistant: {text}"


Encoder = Callable[[Iterable[Compared], Shape], bytes]
ENCODERS: dict[ExportFormat, Encoder] = {
    ExportFormat.JSONL: json_lines,
    ExportFormat.CSV: csv_lines,
}
