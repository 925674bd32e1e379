"""Named tensors in a safetensors file, written one at a time.

The library's own writer wants all tensors in memory at once and hides the disk's errors; this one
puts a sharded tensor together only when its turn comes, and hashes what it writes.
The format: https://github.com/huggingface/safetensors#format.
"""

import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import IO

import torch
from safetensors import safe_open
from safetensors.torch import load_file
from torch import Tensor
from torch.distributed.tensor import DTensor

DTYPES = {
    torch.float64: "F64",
    torch.float32: "F32",
    torch.float16: "F16",
    torch.bfloat16: "BF16",
    torch.int64: "I64",
    torch.int32: "I32",
    torch.uint8: "U8",
    torch.bool: "BOOL",
}
ALIGNMENT = 8


def size_of(tensors: Mapping[str, Tensor]) -> int:
    """Return how many bytes the tensors take."""
    return sum(tensor.numel() * tensor.element_size() for tensor in tensors.values())


def write(path: Path, tensors: Mapping[str, Tensor]) -> str:
    """Write tensors, wait until they are on the disk and return the file's sha256.

    Raises:
        OSError: when they cannot be written.
    """
    entries, at = {}, 0
    for name, tensor in tensors.items():
        end = at + tensor.numel() * tensor.element_size()
        shape = list(tensor.shape)
        entries[name] = {"dtype": DTYPES[tensor.dtype], "shape": shape, "data_offsets": [at, end]}
        at = end
    header = json.dumps(entries).encode()
    header += b" " * (-len(header) % ALIGNMENT)
    digest = hashlib.sha256()
    with path.open("wb") as file:
        _write(file, digest, len(header).to_bytes(8, "little") + header)
        for tensor in tensors.values():
            _write(file, digest, as_bytes(tensor).numpy().data)
        file.flush()
        os.fsync(file.fileno())
    return digest.hexdigest()


def gather(tensors: Mapping[str, Tensor]) -> None:
    """Take part in putting sharded tensors together while another rank writes them."""
    for tensor in tensors.values():
        as_bytes(tensor)


def as_bytes(tensor: Tensor) -> Tensor:
    """Return a whole tensor's memory on the CPU: (bytes,) uint8."""
    whole: Tensor = tensor.detach()
    if isinstance(whole, DTensor):
        whole = whole.full_tensor()
    return whole.cpu().contiguous().reshape(-1).view(torch.uint8)


def read(path: Path) -> dict[str, Tensor]:
    """Read all tensors of a file."""
    return load_file(path)


def shapes_of(path: Path) -> dict[str, tuple[int, ...]]:
    """Return the name and shape of each tensor without reading it."""
    with safe_open(path, framework="pt") as file:
        return {name: tuple(file.get_slice(name).get_shape()) for name in file.keys()}  # noqa: SIM118


def _write(file: IO[bytes], digest: "hashlib._Hash", data: bytes | memoryview) -> None:
    file.write(data)
    digest.update(data)
