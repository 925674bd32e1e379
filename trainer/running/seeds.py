"""Seeds that are derived from what they are for, so that a run repeats itself."""

import hashlib


def derive_seed(*parts: object) -> int:
    """Return a 48-bit seed that depends on every part and on nothing else."""
    digest = hashlib.sha256("\x1f".join(map(str, parts)).encode("utf-8", "surrogatepass")).digest()
    return int.from_bytes(digest[:6], "big")
