"""Whether a file really is a safetensors file: its header, its offsets, and finite weights.

Format: 8 bytes little-endian header length, a JSON header of name -> dtype, shape and
data_offsets, then the data.
"""

import json
import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

import numpy as np

from app.errors import InvalidError

MAX_HEADER_BYTES = 100_000_000
LENGTH_BYTES = 8
DTYPE_BYTES = {
    "BOOL": 1,
    "U8": 1,
    "I8": 1,
    "F8_E4M3": 1,
    "F8_E5M2": 1,
    "I16": 2,
    "U16": 2,
    "F16": 2,
    "BF16": 2,
    "I32": 4,
    "U32": 4,
    "F32": 4,
    "I64": 8,
    "U64": 8,
    "F64": 8,
}
# All exponent bits set: infinity or not a number.
EXPONENTS = {
    "F16": ("<u2", 0x7C00),
    "BF16": ("<u2", 0x7F80),
    "F32": ("<u4", 0x7F800000),
    "F64": ("<u8", 0x7FF0000000000000),
}
CHUNK_BYTES = 16 * 2**20


@dataclass(frozen=True)
class Tensor:
    """One entry of the header; offsets count from the end of the header."""

    name: str
    dtype: str
    start: int
    end: int


def check_safetensors(file: BinaryIO, *, size: int, name: str) -> None:
    """Check the header against the file's size, and that all weights are finite floats.

    Raises:
        InvalidError: the file is something else, damaged, quantized, or holds NaN or infinity.
    """
    length = int.from_bytes(file.read(LENGTH_BYTES), "little")
    if size <= LENGTH_BYTES or length > min(MAX_HEADER_BYTES, size - LENGTH_BYTES):
        raise _bad(name, f"its header claims {length} bytes")
    tensors = sorted(_tensors(file.read(length), name), key=lambda tensor: tensor.start)
    if not tensors:
        raise _bad(name, "it holds no tensors")
    data_start = LENGTH_BYTES + length
    position = 0
    for tensor in tensors:
        if tensor.start != position:
            raise _bad(name, f"{tensor.name!r} starts at {tensor.start} instead of {position}")
        position = tensor.end
    if data_start + position != size:
        raise _bad(name, f"its tensors end at {position} but its data at {size - data_start}")
    _check_precision(tensors, name)
    for tensor in tensors:
        _check_finite(file, tensor, data_start=data_start, name=name)


def _tensors(header: bytes, name: str) -> Iterator[Tensor]:
    try:
        pairs = json.loads(header, object_pairs_hook=list)
    except (ValueError, RecursionError):
        raise _bad(name, "its header is not JSON") from None
    if not isinstance(pairs, list) or not all(isinstance(pair, tuple) for pair in pairs):
        raise _bad(name, "its header is not a JSON object")
    if len({key for key, _ in pairs}) != len(pairs):
        raise _bad(name, "its header names a tensor twice")
    for key, fields in pairs:
        if key != "__metadata__":
            yield _tensor(key, fields, name)


def _tensor(key: str, fields: object, name: str) -> Tensor:
    try:
        entry = dict(fields)  # type: ignore[call-overload]  # anything else raises
        dtype, shape, (start, end) = entry["dtype"], entry["shape"], entry["data_offsets"]
        are_counts = all(type(value) is int and value >= 0 for value in [*shape, start, end])
        width = DTYPE_BYTES[dtype]
    except (TypeError, ValueError, KeyError):
        raise _bad(name, f"the entry of {key[:80]!r} is not readable") from None
    if not are_counts or end - start != width * math.prod(shape):
        raise _bad(name, f"{key[:80]!r} does not fill its data_offsets")
    return Tensor(name=key[:80], dtype=dtype, start=start, end=end)


def _check_precision(tensors: list[Tensor], name: str) -> None:
    for tensor in tensors:
        # Masks and positions, which older files hold beside the weights, are whole numbers.
        if "weight" in tensor.name.rpartition(".")[2] and tensor.dtype not in EXPONENTS:
            raise InvalidError(
                f"{tensor.name!r} in {name!r} is of {tensor.dtype}: the model is quantized, and "
                "only the one that it was made from can be trained and sampled here.",
                code="quantized",
            )


def _check_finite(file: BinaryIO, tensor: Tensor, *, data_start: int, name: str) -> None:
    if tensor.dtype not in EXPONENTS:
        return
    kind, exponent = EXPONENTS[tensor.dtype]
    file.seek(data_start + tensor.start)
    left = tensor.end - tensor.start
    while left:
        bits = np.frombuffer(file.read(min(left, CHUNK_BYTES)), dtype=kind)
        if not bits.size:
            raise _bad(name, "it was cut while it was read")
        left -= bits.nbytes
        if bool(np.any((bits & exponent) == exponent)):
            raise InvalidError(
                f"{tensor.name!r} in {name!r} holds NaN or infinity.", code="weights_not_finite"
            )


def _bad(name: str, why: str) -> InvalidError:
    return InvalidError(f"{name!r} is not a sound safetensors file: {why}.", code="bad_safetensors")
