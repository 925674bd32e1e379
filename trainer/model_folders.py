"""What a model folder may hold: safetensors and JSON of a sane size, never pickles or code.

Everything here is read without torch and before anything is allocated.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from trainer.errors import RunRefusedError

REFUSED_SUFFIXES: Final = frozenset(
    (".py", ".pkl", ".bin", ".pt", ".pth", ".ckpt", ".gguf", ".npy", ".npz", ".h5", ".msgpack")
)
# Names the file of each weight of a model that is saved in several files.
INDEX_FILE: Final = "model.safetensors.index.json"
ATTENTION_IMPLEMENTATIONS: Final = ("eager", "sdpa", "flash_attention_2", None)
MAX_CONFIG_BYTES: Final = 4 * 2**20
# The format's own limit.
MAX_HEADER_BYTES: Final = 100_000_000
# Far above every real model; a number beyond it would only exhaust the machine.
LARGEST: Final = {
    "vocab_size": 2**24,
    "hidden_size": 2**20,
    "n_embd": 2**20,
    "intermediate_size": 2**24,
    "num_hidden_layers": 4096,
    "n_layer": 4096,
    "num_attention_heads": 2**16,
    "n_head": 2**16,
    "num_key_value_heads": 2**16,
    "head_dim": 2**16,
    "original_max_position_embeddings": 2**31,
}


def read_config(folder: Path) -> dict[str, Any]:
    """Read `config.json` and refuse what could run code or exhaust the machine.

    Raises:
        RunRefusedError: with the name of the file, key or number.
    """
    path = folder / "config.json"
    if not path.is_file():
        raise RunRefusedError(f"{folder} is not a model folder: it has no config.json")
    if path.stat().st_size > MAX_CONFIG_BYTES:
        raise RunRefusedError(
            f"{path} has {path.stat().st_size} bytes, more than the {MAX_CONFIG_BYTES} that a "
            "model's config may have"
        )
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError):
        raise RunRefusedError(f"{path} is not JSON") from None
    if not isinstance(config, dict):
        raise RunRefusedError(f"{path} is not a JSON object")
    for key, value in _items(config):
        if _is_refused(key, value):
            raise RunRefusedError(f"{path}: the key {key!r} is refused")
        if key in LARGEST and value is not None:
            _require_sane(path, key, value)
    return config


def _items(root: object) -> Iterator[tuple[str, Any]]:
    nodes = [root]
    while nodes:
        node = nodes.pop()
        if isinstance(node, dict):
            yield from node.items()
            nodes += node.values()
        elif isinstance(node, list):
            nodes += node


def _is_refused(key: str, value: object) -> bool:
    if key.startswith(("_attn", "_experts", "attn_implementation", "experts_implementation")):
        return value not in ATTENTION_IMPLEMENTATIONS
    return key in ("auto_map", "trust_remote_code")


def _require_sane(path: Path, key: str, value: Any) -> None:  # noqa: ANN401 - any JSON
    # Some families give a list, one number per layer.
    numbers = value if isinstance(value, list) else [value]
    for number in numbers:
        is_whole = isinstance(number, int) and not isinstance(number, bool)
        if not (is_whole and 1 <= number <= LARGEST[key]):
            raise RunRefusedError(
                f"{path}: {key} is {str(number)[:40]}, which no model has "
                f"(whole numbers from 1 to {LARGEST[key]} are accepted)"
            )


def require_data_only(folder: Path) -> None:
    """Refuse a folder with files that could run code when they are loaded.

    Raises:
        RunRefusedError: with the name of the file.
    """
    for path in sorted(folder.rglob("*")):
        if path.suffix.lower() in REFUSED_SUFFIXES:
            raise RunRefusedError(
                f"{path} is refused: only safetensors and JSON are loaded, never pickles or code"
            )


def require_all_weights(folder: Path) -> None:
    """Refuse a folder whose index names a file that is not in it.

    With none of them it would pass for an untrained base, and a name may lead out of the folder.

    Raises:
        RunRefusedError: with the name of the file.
    """
    path = folder / INDEX_FILE
    if not path.is_file():
        return
    try:
        named = sorted(set(json.loads(path.read_bytes())["weight_map"].values()))
    except (ValueError, RecursionError, KeyError, TypeError, AttributeError):
        raise RunRefusedError(f"{path} is damaged; copy the file again") from None
    there = {one.name for one in folder.glob("*.safetensors")}
    for name in named:
        if name not in there:
            raise RunRefusedError(
                f"{path} names {str(name)[:100]!r}, which is not in the folder; copy the model "
                "again, with all of its files"
            )


def has_weights(folder: Path) -> bool:
    """Tell whether the folder holds weights; one without is an untrained base."""
    return any(folder.glob("*.safetensors"))


def count_parameters(folder: Path) -> int:
    """Count the numbers in the folder's weight files from their headers alone.

    Raises:
        RunRefusedError: when a file cannot be read, is cut off or has no readable header.
    """
    paths = sorted(folder.glob("*.safetensors"))
    try:
        return sum(_count_in(path) for path in paths)
    except OSError as error:
        raise RunRefusedError(
            f"{error.filename} cannot be read: {error.strerror}; copy the model again"
        ) from None


def _count_in(path: Path) -> int:
    size = path.stat().st_size
    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        if not 0 < length <= min(MAX_HEADER_BYTES, size - 8):
            raise RunRefusedError(
                f"{path} cannot be loaded: it has no readable header; copy the file again"
            )
        try:
            header = json.loads(file.read(length))
            tensors = [entry for name, entry in header.items() if name != "__metadata__"]
            end = max((int(entry["data_offsets"][1]) for entry in tensors), default=0)
            counts = [_product(entry["shape"]) for entry in tensors]
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
            raise RunRefusedError(
                f"{path} cannot be loaded: its header is damaged; copy the file again"
            ) from None
    if size != 8 + length + end:
        raise RunRefusedError(
            f"{path} cannot be loaded: it has {size} bytes instead of {8 + length + end}; "
            "copy the file again"
        )
    return sum(counts)


def _product(shape: list[int]) -> int:
    count = 1
    for width in shape:
        count *= int(width)
    return count
