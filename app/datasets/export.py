"""Exports of a project as it stands now, and of datasets: streamed in any format and shape."""

from collections.abc import AsyncIterator, Iterator
from itertools import islice
from typing import BinaryIO

from sqlalchemy.ext.asyncio import AsyncEngine

from app.datasets.formats import ENCODERS, ExportFormat, Shape, csv_header
from app.datasets.frozen import read_rankings
from app.datasets.queries import COMPARISONS, RANKINGS, RANKINGS_PER_BATCH, batches, compared
from app.datasets.rows import compared_rankings, ranking_line
from app.db import snapshot
from app.errors import InvalidError, NotBuiltError


def check_format(file_format: ExportFormat, *, of: str) -> None:
    """Refuse what cannot be written, before the first byte.

    Raises:
        InvalidError: rankings as CSV, which their nested rows do not fit.
        NotBuiltError: Parquet.
    """
    if file_format is ExportFormat.PARQUET:
        raise NotBuiltError(
            "Parquet exports are not built yet; use format=jsonl.", code="format_not_built"
        )
    if of == "rankings" and file_format is not ExportFormat.JSONL:
        raise InvalidError("Rankings are exported as jsonl or parquet.", code="invalid")


async def comparison_chunks(
    engine: AsyncEngine,
    project_id: int,
    *,
    file_format: ExportFormat = ExportFormat.JSONL,
    shape: Shape = Shape.EXPLICIT,
    split: str | None = None,
) -> AsyncIterator[bytes]:
    """The project's comparisons, of one split or of all."""
    check_format(file_format, of="comparisons")
    encode = ENCODERS[file_format]
    if file_format is ExportFormat.CSV:
        yield csv_header(shape)
    async with snapshot(engine) as connection:
        here = {"project_id": project_id, "split": split}
        async for batch in batches(connection, COMPARISONS, here):
            yield encode(map(compared, batch), shape)


async def ranking_chunks(
    engine: AsyncEngine,
    project_id: int,
    *,
    file_format: ExportFormat = ExportFormat.JSONL,
    split: str | None = None,
) -> AsyncIterator[bytes]:
    """The project's current rankings, as the trainer reads them."""
    check_format(file_format, of="rankings")
    async with snapshot(engine) as connection:
        here = {"project_id": project_id, "split": split, "is_dataset": False}
        async for batch in batches(connection, RANKINGS, here):
            yield b"".join(ranking_line(row) for row in batch)


def frozen_comparison_chunks(
    rankings: BinaryIO, *, file_format: ExportFormat, shape: Shape, split: str | None = None
) -> Iterator[bytes]:
    """A dataset's comparisons, expanded from its rankings' file, which is closed at the end."""
    encode = ENCODERS[file_format]
    if file_format is ExportFormat.CSV:
        yield csv_header(shape)
    expanded = compared_rankings(read_rankings(rankings, split=split))
    while group := list(islice(expanded, RANKINGS_PER_BATCH)):
        yield encode(group, shape)


async def write_comparisons(
    engine: AsyncEngine,
    project_id: int,
    file: BinaryIO,
    *,
    file_format: ExportFormat = ExportFormat.JSONL,
    shape: Shape = Shape.EXPLICIT,
) -> None:
    """Write the project's comparisons to a file."""
    chunks = comparison_chunks(engine, project_id, file_format=file_format, shape=shape)
    async for chunk in chunks:
        file.write(chunk)


async def write_rankings(
    engine: AsyncEngine,
    project_id: int,
    file: BinaryIO,
    *,
    file_format: ExportFormat = ExportFormat.JSONL,
) -> None:
    """Write the project's rankings to a file."""
    async for chunk in ranking_chunks(engine, project_id, file_format=file_format):
        file.write(chunk)
