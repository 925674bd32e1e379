"""What an import file as a whole must be: UTF-8 text in lines, nothing else by its magic or name.

Pure: bytes in, numbered lines out. Anything else is refused before a line is read.
"""

from collections.abc import Iterator

from app.errors import InvalidError, TooLargeError, UnsupportedTypeError

MAX_LINES = 200_000
BOM = b"\xef\xbb\xbf"
MAGIC = {
    b"\x89PNG": "a PNG image",
    b"\xff\xd8\xff": "a JPEG image",
    b"GIF8": "a GIF image",
    b"%PDF": "a PDF",
    b"PK\x03\x04": "a ZIP archive (or a spreadsheet)",
    b"\x1f\x8b": "a gzip file",
    b"BZh": "a bzip2 file",
    b"\xfd7zXZ": "an xz file",
    b"\x28\xb5\x2f\xfd": "a Zstandard file",
    b"PAR1": "a Parquet file",
    b"ARROW1": "an Arrow file",
    b"\x7fELF": "a program",
}
# Files whose kind shows in their names only; spreadsheets and the like are told by their magic.
FOREIGN_SUFFIXES = {".csv": "CSV", ".tsv": "TSV", ".parquet": "Parquet", ".feather": "Feather"}
TAKEN = "Podium takes UTF-8 text with one JSON object per line (NDJSON, also called JSONL)"


def refuse_by_name(filename: str) -> None:
    """Refuse a file that its name gives away; the name is used for nothing else.

    Raises:
        UnsupportedTypeError: it is a table in a format that is not taken yet.
    """
    found = next(
        (kind for end, kind in FOREIGN_SUFFIXES.items() if filename.lower().endswith(end)), None
    )
    if found is not None:
        raise UnsupportedTypeError(
            f"{found} files are not taken yet. {TAKEN}.", code="wrong_file_type"
        )


def lines_of(data: bytes) -> Iterator[tuple[int, bytes]]:
    """The file's lines that are not blank, with their numbers from 1.

    Raises:
        UnsupportedTypeError: the file is of another kind, such as an image or an archive.
        InvalidError: it is empty or not UTF-8.
        TooLargeError: it has too many lines.
    """
    found = next((name for magic, name in MAGIC.items() if data.startswith(magic)), None)
    if found is not None:
        raise UnsupportedTypeError(f"This is {found}. {TAKEN}.", code="wrong_file_type")
    try:
        data.decode("utf-8")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise InvalidError(
            f"Byte {error.start} (line {line}) is not UTF-8. Nothing was imported; "
            "save the file as UTF-8 and send it again.",
            code="not_utf8",
        ) from None
    lines = data.removeprefix(BOM).split(b"\n")
    if len(lines) > MAX_LINES + 1:
        raise TooLargeError(
            f"The file has {len(lines):,} lines; send at most {MAX_LINES:,} at a time.",
            code="too_many_lines",
        )
    filled = [(number, raw) for number, raw in enumerate(lines, 1) if raw.strip()]
    if not filled:
        raise InvalidError("The file is empty; send at least one line.", code="empty_file")
    return iter(filled)
