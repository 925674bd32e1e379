"""What the worker's machine has, left in the data folder, so that the web process can tell."""

import contextlib
import os
import subprocess
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, ValidationError

FILE = "machine.json"
LIMITS = ("sys/fs/cgroup/memory.max", "sys/fs/cgroup/memory/memory.limit_in_bytes")
# Who counts processes that were killed for their memory: the container, else the whole machine.
COUNTERS = (
    "sys/fs/cgroup/memory.events",
    "sys/fs/cgroup/memory/memory.oom_control",
    "proc/vmstat",
)
ASK_GPU = ("nvidia-smi", "--query-gpu=memory.total", "--format=csv,noheader,nounits")


class Machine(BaseModel):
    """Memory of the first GPU, or of the machine or container when there is none."""

    model_config = ConfigDict(frozen=True)

    device: Literal["cpu", "cuda"]
    memory_bytes: int
    has_launcher: bool = False  # it trains on several GPUs, which may share the weights


def this_machine(root: Path = Path("/"), *, has_launcher: bool = False) -> Machine:
    """Look at this machine; asks the GPU's driver, so call it in a thread.

    Args:
        root: of the file system, for tests.
        has_launcher: whether training runs are started by one.
    """
    gpu_bytes = _gpu_bytes()
    if gpu_bytes is not None:
        return Machine(device="cuda", memory_bytes=gpu_bytes, has_launcher=has_launcher)
    sizes = [os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")]
    for name in LIMITS:
        with contextlib.suppress(OSError, ValueError):  # "max" is no limit
            sizes.append(int((root / name).read_text()))
    return Machine(device="cpu", memory_bytes=min(sizes), has_launcher=has_launcher)


def oom_kills(root: Path = Path("/")) -> int:
    """How many processes the kernel has killed here because memory ran out; 0 if nobody counts.

    Args:
        root: of the file system, for tests.
    """
    for name in COUNTERS:
        with contextlib.suppress(OSError, ValueError):
            counts = dict(line.split(maxsplit=1) for line in (root / name).read_text().splitlines())
            if "oom_kill" in counts:
                return int(counts["oom_kill"])
    return 0


def write_machine(data_dir: Path, machine: Machine) -> None:
    """Leave it for the web process."""
    data_dir.mkdir(parents=True, exist_ok=True)
    unfinished = data_dir / f"{FILE}.tmp"
    unfinished.write_text(machine.model_dump_json())
    unfinished.replace(data_dir / FILE)


def read_machine(data_dir: Path) -> Machine | None:
    """What a worker left; None when none ever ran."""
    try:
        return Machine.model_validate_json((data_dir / FILE).read_bytes())
    except (OSError, ValidationError):
        return None


def _gpu_bytes() -> int | None:
    try:
        asked = subprocess.run(ASK_GPU, capture_output=True, text=True, check=True, timeout=10)  # noqa: S603
        return int(asked.stdout.split()[0]) * 2**20
    except (OSError, subprocess.SubprocessError, ValueError, IndexError):
        return None
