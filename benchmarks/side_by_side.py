"""Arms of a comparison: each a one-thread process of its own, run one after the other.

Ours runs before and after the peers, since single runs drift with the speed of the machine.
"""

import json
import os
import platform
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from benchmarks.peers.environment import COMPANIONS, PEERS, ROOT

LIMIT_SECONDS = 1800
PACKAGES = ("torch", "transformers", "tokenizers")
SPREAD = (
    "ours runs before and after the peers; a ratio is taken to the mean of the two, and its "
    "spread is the ratio to the slower and to the faster one"
)
THIS_PYTHON = Path(sys.executable)
Report = dict[str, Any]


@dataclass(frozen=True)
class Arm:
    """One side: a module run by an interpreter; its arguments hold `REPORT` where the path goes."""

    python: Path
    module: str
    arguments: Sequence[str]


@contextmanager
def work_folder() -> Iterator[Path]:
    """Yield a folder for models, data and runs that is removed at the end."""
    with tempfile.TemporaryDirectory(prefix="podium-benchmark-") as folder:
        yield Path(folder)


def podium_arm(
    kind: str,
    folder: Path,
    attempt: int,
    make_runs: Callable[[Path, Path], None],
    *judged_by: Path,
) -> Arm:
    """Return our arm with run directories of its own.

    Args:
        kind: of the run.
        folder: of the cell.
        attempt: 0 before the peers, 1 after them.
        make_runs: writes two run directories: a short one to warm up, and the measured one.
        judged_by: held-out tasks and the base model, when the trained model is to be judged.
    """
    warm_up, run_dir = folder / f"warm-up-{attempt}", folder / f"run-{attempt}"
    make_runs(warm_up, run_dir)
    arguments = [kind, *map(str, (warm_up, run_dir)), "REPORT", *map(str, judged_by)]
    return Arm(THIS_PYTHON, "benchmarks.peers.podium", arguments)


def run_arm(arm: Arm, folder: Path) -> Report:
    """Run one arm and return what it reports of itself."""
    path = folder / "report.json"
    path.unlink(missing_ok=True)
    arguments = [str(path) if word == "REPORT" else word for word in arm.arguments]
    ended = subprocess.run(
        [str(arm.python), "-m", arm.module, *arguments],
        cwd=ROOT,
        env={
            **os.environ,
            "OMP_NUM_THREADS": "1",
            "MKL_NUM_THREADS": "1",
            "HF_HUB_OFFLINE": "1",
            "TOKENIZERS_PARALLELISM": "false",
            "CUDA_VISIBLE_DEVICES": "",
        },
        capture_output=True,
        text=True,
        timeout=LIMIT_SECONDS,
        check=False,
    )
    if ended.returncode != 0 or not path.exists():
        sys.exit(f"{arm.module} ended with code {ended.returncode}:\n{ended.stderr[-3000:]}")
    report: Report = json.loads(path.read_text())
    print(f"    {arm.module.rpartition('.')[2]}: {report['processor_seconds']} s", flush=True)
    return report


def bracketed(
    make_ours: Callable[[int], Arm], peers: dict[str, Arm], folder: Path
) -> dict[str, list[Report]]:
    """Run ours, each peer, and ours again; `make_ours` is told which of the two it is."""
    first = run_arm(make_ours(0), folder)
    reports = {name: [run_arm(arm, folder)] for name, arm in peers.items()}
    return {"ours": [first, run_arm(make_ours(1), folder)], **reports}


def ratio(reports: dict[str, list[Report]], peer: str) -> float:
    """Return how many times the processor seconds of ours a peer took."""
    return round(_seconds(reports, peer)[0] / _mean(_seconds(reports, "ours")), 2)


def ratio_spread(reports: dict[str, list[Report]], peer: str) -> list[float]:
    """Return the ratio to the slower and to the faster run of ours."""
    ours_seconds, peer_seconds = _seconds(reports, "ours"), _seconds(reports, peer)[0]
    return [round(peer_seconds / seconds, 2) for seconds in (max(ours_seconds), min(ours_seconds))]


def seconds_of(reports: dict[str, list[Report]]) -> dict[str, list[float]]:
    """Return the processor seconds of each arm, ours twice."""
    return {arm: _seconds(reports, arm) for arm in reports}


def _seconds(reports: dict[str, list[Report]], arm: str) -> list[float]:
    return [report["processor_seconds"] for report in reports[arm]]


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)


def describe_versions(*peers: str) -> dict[str, str]:
    """Return the versions that the figures belong to, the peers' included."""
    found = {"python": platform.python_version(), **{name: version(name) for name in PACKAGES}}
    pinned = [pin.split("==") for peer in peers for pin in (PEERS[peer][0], *COMPANIONS)]
    return found | {f"peer {name}": number for name, number in pinned}


def print_table(cells: Sequence[dict[str, Any]], columns: Sequence[str]) -> None:
    """Show some columns of the cells."""
    rows = [list(columns), *([str(cell.get(name, "")) for name in columns] for cell in cells)]
    widths = [max(len(row[at]) for row in rows) for at in range(len(columns))]
    for row in rows:
        print("  ".join(text.rjust(width) for text, width in zip(row, widths, strict=True)))
