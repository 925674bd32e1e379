"""Reading the `.jsonl` files of a run; needs no torch."""

from collections.abc import Iterator
from pathlib import Path
from typing import IO, TypeVar

from pydantic import BaseModel, ValidationError

from trainer.errors import RunRefusedError
from trainer.spec_file import first_error

Row = TypeVar("Row", bound=BaseModel)
# Nine responses of 131072 tokens have a quarter of it; the tokens of a text take a hundred times
# its memory before they are cut.
MAX_LINE_BYTES = 2**24


def read_rows(path: Path, row_type: type[Row]) -> list[Row]:
    """Read a `.jsonl` file.

    Raises:
        RunRefusedError: when it is missing or a line is not such a row.
    """
    return list(read_numbered_rows(path, row_type).values())


def read_numbered_rows(path: Path, row_type: type[Row]) -> dict[int, Row]:
    """Read a `.jsonl` file; return its rows by the number of their line, in order.

    Raises:
        RunRefusedError: when it is missing or a line is not such a row.
    """
    rows: dict[int, Row] = {}
    number = 0
    try:
        for line in read_lines(path):
            number += 1
            if line.strip():
                rows[number] = row_type.model_validate_json(line)
    except ValidationError as error:
        raise refused_line(path, number, error) from None
    return rows


def refused_line(path: Path, number: int, error: ValidationError) -> RunRefusedError:
    """Return the refusal of a line that is no such row."""
    said = first_error(error)
    if not error.errors()[0]["loc"]:
        said += "; each line of a .jsonl file is one JSON object, in UTF-8"
    return RunRefusedError(f"{path} line {number}: {said}")


def read_lines(path: Path) -> Iterator[bytes]:
    """Yield the lines of a `.jsonl` file.

    Raises:
        RunRefusedError: when it is missing, no file that can be read, or a line is too long.
    """
    with _open_rows(path) as file:
        number = 0
        while line := file.readline(MAX_LINE_BYTES + 1):
            number += 1
            if len(line) > MAX_LINE_BYTES:
                raise RunRefusedError(
                    f"{path} line {number} has more than {MAX_LINE_BYTES >> 20} MiB; shorten its "
                    "texts, of which a run reads no more than max_tokens, or split the line"
                )
            yield line


def _open_rows(path: Path) -> IO[bytes]:
    try:
        return _open_file(path)
    except FileNotFoundError:
        raise RunRefusedError(f"{path} does not exist, but spec.json names it") from None
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise RunRefusedError(
            f"{str(path)[:300]!r} cannot be read: {reason}; spec.json has to name a .jsonl file"
        ) from None


def _open_file(path: Path) -> IO[bytes]:
    # To open a named pipe would wait for ever.
    if path.exists() and not path.is_file():
        raise ValueError("it is no file")
    return path.open("rb")
