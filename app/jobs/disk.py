"""How much disk is free, and how much a run that filled it says that it needs."""

import re
import shutil
from pathlib import Path

from trainer import rundir

NEED = re.compile(r"needs ([0-9][0-9,]*(?:\.[0-9]+)?) MB")
UNSAID_BYTES = 100_000_000


def free_disk_bytes(folder: Path) -> int:
    """What is free where the folder lies or will lie."""
    while not folder.exists():
        folder = folder.parent
    return shutil.disk_usage(folder).free


def needed_disk_bytes(run_dir: Path) -> int:
    """What the trainer asked for at the end of its log; a launcher may have added its own lines."""
    said = NEED.findall(rundir.read_log_end(run_dir))
    return int(float(said[-1].replace(",", "")) * 1_000_000) if said else UNSAID_BYTES
