"""How much memory this process may still take: the machine's, or less in a container.

Only the standard library; Linux. Elsewhere nothing is known and nothing is refused.
"""

import math
from collections.abc import Iterator
from pathlib import Path


def free_bytes(root: Path = Path("/")) -> float:
    """Return the bytes that are free, page cache counted as free; infinite where unknown.

    Args:
        root: of the file system, for tests.
    """
    limits = [_available(root / "proc/meminfo"), *_free_in_groups(root)]
    return max(0.0, min(limits))


def _available(path: Path) -> float:
    try:
        lines = path.read_text().splitlines()
    except OSError:
        return math.inf
    found = [int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable:")]
    return found[0] if found else math.inf


def _free_in_groups(root: Path) -> Iterator[float]:
    """Yield what each control group above this process has left (version 2, then version 1)."""
    try:
        lines = (root / "proc/self/cgroup").read_text().splitlines()
    except OSError:
        return
    for line in lines:
        _, controllers, path = line.split(":", 2)
        if not controllers:
            mount, limit, used = "sys/fs/cgroup", "memory.max", "memory.current"
        elif "memory" in controllers.split(","):
            mount, limit = "sys/fs/cgroup/memory", "memory.limit_in_bytes"
            used = "memory.usage_in_bytes"
        else:
            continue
        inner = Path(path.lstrip("/"))
        # A container sees its own group at the mount point, whatever its path outside.
        for group in (inner, *inner.parents):
            folder = root / mount / group
            yield _read_number(folder / limit) - max(
                0.0, _used(folder / used) - _file_cache(folder / "memory.stat")
            )


def _read_number(path: Path) -> float:
    try:
        text = path.read_text().strip()
    except OSError:
        return math.inf
    return int(text) if text.isdigit() else math.inf


def _used(path: Path) -> float:
    used = _read_number(path)
    return used if math.isfinite(used) else 0.0


def _file_cache(path: Path) -> float:
    try:
        lines = path.read_text().splitlines()
    except OSError:
        return 0.0
    names = ("inactive_file", "total_inactive_file")
    found = {line.split()[0]: int(line.split()[1]) for line in lines if line.startswith(names)}
    return max(found.values(), default=0)
