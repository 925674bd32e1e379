"""A dataset's folder: written once beside its place, renamed into it, read-only ever after."""

import filecmp
import hashlib
import json
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any, BinaryIO

import orjson

from app.errors import UnavailableError

RANKINGS = "rankings.jsonl"
MANIFEST = "manifest.json"
READ_ONLY = 0o444
LINES_PER_BLOCK = 150


@dataclass
class FrozenFile:
    """A file being written, with what the manifest says of it."""

    file: BinaryIO
    rows: int = 0
    size: int = 0
    digest: Any = field(default_factory=hashlib.sha256)

    def add(self, lines: Iterable[bytes]) -> None:
        """Append lines, each with its newline."""
        block = list(lines)
        joined = b"".join(block)
        self.file.write(joined)
        self.digest.update(joined)
        self.rows += len(block)
        self.size += len(joined)

    def close(self) -> dict[str, str | int]:
        """Bring it to disk, forbid writing, and describe it."""
        self.file.flush()
        os.fsync(self.file.fileno())
        os.fchmod(self.file.fileno(), READ_ONLY)
        self.file.close()
        return {"sha256": self.digest.hexdigest(), "rows": self.rows, "bytes": self.size}


def dataset_folder(data_dir: Path, dataset_id: int) -> Path:
    """Where a dataset lies."""
    return data_dir / "datasets" / str(dataset_id)


def canonical_json(value: Mapping[str, Any]) -> bytes:
    """The one way to write this value: sorted keys, no spaces, UTF-8."""
    return json.dumps(
        value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
    ).encode()


def write_manifest(folder: Path, manifest: Mapping[str, Any]) -> str:
    """Write `manifest.json` canonically and return its sha256, which is the dataset's."""
    content = canonical_json(manifest)
    written = FrozenFile((folder / MANIFEST).open("xb"))
    written.add([content])
    written.close()
    return hashlib.sha256(content).hexdigest()


def settle(folder: Path, place: Path) -> None:
    """Move a finished folder to its place, durably."""
    place.parent.mkdir(parents=True, exist_ok=True)
    folder.rename(place)
    descriptor = os.open(place.parent, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def have_same_files(folder: Path, other: Path, names: Iterable[str]) -> bool:
    """Whether both folders have these files, with the same bytes in them."""
    matching, _, _ = filecmp.cmpfiles(folder, other, names, shallow=False)
    return set(matching) == set(names)


def read_rankings(file: BinaryIO, *, split: str | None = None) -> Iterator[dict[str, Any]]:
    """The frozen rankings, of one split or of all; closes the file at the end."""
    with file:
        for line in file:
            ranking = orjson.loads(line)
            if split is None or ranking["split"] == split:
                yield ranking


def frozen_ranking_chunks(file: BinaryIO, *, split: str | None = None) -> Iterator[bytes]:
    """The file's bytes, or those of its lines that are of one split; closes it at the end."""
    if split is None:
        yield from blocks(file)
        return
    rankings = read_rankings(file, split=split)
    while group := list(islice(rankings, LINES_PER_BLOCK)):
        yield b"".join(orjson.dumps(row, option=orjson.OPT_APPEND_NEWLINE) for row in group)


def open_frozen(folder: Path, name: str) -> BinaryIO:
    """Open one of the dataset's files.

    Raises:
        UnavailableError: it is gone.
    """
    try:
        return (folder / name).open("rb")
    except FileNotFoundError:
        raise UnavailableError(
            f"The dataset's file {name} is missing from the data folder; restore it from a backup.",
            code="dataset_files_missing",
        ) from None


def blocks(file: BinaryIO, size: int = 1 << 20) -> Iterator[bytes]:
    """The file's content, block by block; closes it at the end."""
    with file:
        while block := file.read(size):
            yield block
