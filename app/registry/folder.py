"""What a model folder may hold, checked before anything loads it; no torch.

Weights only as safetensors, everything else as JSON or text; no code, no pickle, nothing that
leaves the allowed root. Every file is opened once and checked and hashed through that descriptor,
so that a swap in between changes nothing.
"""

import hashlib
import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from app.errors import InvalidError
from app.registry.config_check import (
    check_config,
    check_index,
    check_settings_file,
    ends_with_reward_head,
)
from app.registry.safetensors_check import check_safetensors
from app.registry.tokenizer_check import TOKENIZER_FILES, check_tokenizer

SAFE_SUFFIXES = {".safetensors", ".json", ".txt", ".model", ".jinja", ".md", ""}
# The only folder that may lie in a model folder: a LoRA run writes it.
ADAPTER_FOLDER = "adapter"
MAX_FILES = 2000
MAX_PATH_CHARACTERS = 1000
MAX_JSON_BYTES = 64 * 2**20
CHUNK_BYTES = 2**20


@dataclass(frozen=True)
class CheckedFolder:
    """A folder that may be loaded, and the SHA-256 of each of its files.

    Attributes:
        path: of the folder.
        has_weights: without them it is an untrained model.
        scores: whether its weights end with a reward head; None where config.json does not say.
        file_sha256: of each file, by its path in the folder.
    """

    path: str
    has_weights: bool
    scores: bool | None
    file_sha256: dict[str, str]


def resolve_below(text: str, roots: tuple[Path, ...]) -> tuple[Path, Path]:
    """The folder that `text` names and the root that it lies below, both without symlinks.

    Raises:
        InvalidError: it is not a plain absolute path of a folder below one of the roots.
    """
    outside = InvalidError(
        "The path must be the absolute path of a folder below one of PODIUM_MODEL_ROOTS, "
        "without '..', '~', symbolic links that lead out, or a trailing slash.",
        code="outside_model_roots",
    )
    is_plain = (
        0 < len(text) <= MAX_PATH_CHARACTERS
        and text.startswith("/")
        and not text.startswith("//")
        and "\x00" not in text
        and os.path.normpath(text) == text
    )
    if not is_plain:
        raise outside
    try:
        path = Path(text).resolve(strict=True)
    except (OSError, RuntimeError, ValueError):
        raise outside from None
    for root in roots:
        if path.is_relative_to(root) and path != root:
            if not path.is_dir():
                raise InvalidError("The path is not a folder.", code="not_a_folder")
            return path, root
    raise outside


def check_folder(text: str, roots: tuple[Path, ...]) -> CheckedFolder:
    """Check a model folder and hash its files; slow for large models, so call it in a thread.

    Raises:
        InvalidError: the folder or one of its files breaks a rule; the message names the file.
    """
    folder, root = resolve_below(text, roots)
    names = _names_in(folder)
    if "config.json" not in names:
        raise InvalidError("The folder has no config.json.", code="no_config")
    hashes: dict[str, str] = {}
    kept: dict[str, bytes] = {}
    for place, own_names in _folders_of(folder, names):
        for name in own_names:
            _check_name(name)
            path = place / name
            relative = str(path.relative_to(folder))
            hashes[relative], content = _check_file(path, root, set(own_names))
            if relative in ("config.json", *TOKENIZER_FILES):
                kept[relative] = content
    check_tokenizer(names, kept)
    return CheckedFolder(
        path=str(folder),
        has_weights=any(name.endswith(".safetensors") for name in names),
        scores=ends_with_reward_head(kept["config.json"]),
        file_sha256=hashes,
    )


def _names_in(folder: Path) -> list[str]:
    try:
        names = sorted(entry.name for entry in folder.iterdir())
    except OSError:
        raise InvalidError("The folder cannot be read.", code="unreadable_file") from None
    if len(names) > MAX_FILES:
        raise InvalidError(f"The folder has more than {MAX_FILES} files.", code="too_many_files")
    return names


def _folders_of(folder: Path, names: list[str]) -> Iterator[tuple[Path, list[str]]]:
    """The folder and, where training left one, that of its adapter, with the names in each."""
    adapter = folder / ADAPTER_FOLDER
    # A link is left among the names, where it is refused.
    has_adapter = adapter.is_dir() and not adapter.is_symlink()
    yield folder, [name for name in names if not (has_adapter and name == ADAPTER_FOLDER)]
    if has_adapter:
        yield adapter, _names_in(adapter)


def _check_name(name: str) -> None:
    suffix = Path(name).suffix.lower()
    if suffix not in SAFE_SUFFIXES or not name.isprintable():
        raise InvalidError(
            f"{name!r} is not a kind of file that is loaded here: weights must be .safetensors, "
            "and code or pickled files must not be in the folder.",
            code="forbidden_file",
        )


def _check_file(path: Path, root: Path, names: set[str]) -> tuple[str, bytes]:
    """Check one file by its kind; returns its SHA-256, and its content if it may be read whole."""
    content = b""
    descriptor = _open_regular(path, root)
    with os.fdopen(descriptor, "rb") as file:
        size = os.fstat(descriptor).st_size
        if size == 0:
            raise InvalidError(f"{path.name!r} is empty.", code="empty_file")
        if path.name.endswith(".safetensors"):
            check_safetensors(file, size=size, name=path.name)
        elif path.suffix.lower() in (".json", ".jinja"):
            if size > MAX_JSON_BYTES:
                raise InvalidError(
                    f"{path.name!r} is larger than {MAX_JSON_BYTES >> 20} MiB.",
                    code="file_too_large",
                )
            content = file.read()
            if path.suffix.lower() == ".json":
                _check_json(path.name, content, names)
        file.seek(0)
        digest = hashlib.sha256()
        for chunk in _chunks(descriptor):
            digest.update(chunk)
    return digest.hexdigest(), content


def _check_json(name: str, content: bytes, names: set[str]) -> None:
    if name == "config.json":
        check_config(content)
    elif name.endswith(".index.json"):
        check_index(name, content, names)
    elif name not in ("tokenizer.json", "vocab.json"):
        check_settings_file(name, content)


def _open_regular(path: Path, root: Path) -> int:
    """Open a regular file that lies below the root after symlinks; a FIFO never blocks."""
    refusal = InvalidError(
        f"{path.name!r} is not a regular file of its own below the model root.",
        code="not_a_regular_file",
    )
    try:
        resolved = path.resolve(strict=True)
        if not resolved.is_relative_to(root):
            raise refusal
        flags = os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC
        descriptor = os.open(resolved, flags)
    except (OSError, RuntimeError):
        raise refusal from None
    status = os.fstat(descriptor)
    # A hard link can be another name of a file outside of the root, which no path check would see.
    if not stat.S_ISREG(status.st_mode) or status.st_nlink != 1:
        os.close(descriptor)
        raise refusal
    return descriptor


def _chunks(descriptor: int) -> Iterator[bytes]:
    os.lseek(descriptor, 0, os.SEEK_SET)
    while chunk := os.read(descriptor, CHUNK_BYTES):
        yield chunk
