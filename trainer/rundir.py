"""A run directory: what lies where, how it is written so that a reader never sees half of it.

The app imports this module, so only pydantic and the standard library are used here. The worker
sends stdout and stderr of the run to `log.txt`; the trainer itself only writes to stderr.
"""

import contextlib
import json
import math
import os
import platform
import shutil
import signal
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import IO, Any, Generic, TypeVar

from pydantic import ValidationError

from trainer.errors import DiskFullError, RunRefusedError, is_disk_full
from trainer.result import RunResult
from trainer.spec import RunKind, SampledSlate

SPEC_FILE = "spec.json"
METRICS_FILE = "metrics.jsonl"
# Sampled texts with their scores, one line for each evaluation of PPO.
TEXTS_FILE = "texts.jsonl"
# One line for each optimizer step of PPO, whose metrics are one line for several of them.
OPTIMIZER_STEPS_FILE = "optimizer_steps.jsonl"
# Each line of these belongs to a step.
STEP_FILES = (METRICS_FILE, TEXTS_FILE, OPTIMIZER_STEPS_FILE)
RESPONSES_FILE = "responses.jsonl"
HEARTBEAT_FILE = "heartbeat"
RESULT_FILE = "result.json"
LOG_FILE = "log.txt"
MODEL_FOLDER = "model"
UNFINISHED_MODEL_FOLDER = "model.tmp"
CHECKPOINTS_FOLDER = "checkpoints"
CHECKPOINT_PREFIX = "step-"
# What a run reads and writes in its directory, beside the files that its spec names.
FILES = (SPEC_FILE, *STEP_FILES, RESPONSES_FILE, HEARTBEAT_FILE, RESULT_FILE, LOG_FILE)
FOLDERS = (MODEL_FOLDER, UNFINISHED_MODEL_FOLDER, CHECKPOINTS_FOLDER)

# Each asks for a checkpoint and a clean stop.
STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT)
Metrics = dict[str, float | int | None]
Row = TypeVar("Row")


@dataclass(frozen=True)
class Tail(Generic[Row]):
    """Complete lines read from a file that is still being written.

    Attributes:
        rows: the lines after the offset that was asked for.
        offset: where to read on, in bytes.
    """

    rows: list[Row]
    offset: int


def require_places(run_dir: Path) -> None:
    """Refuse a run directory in which something else lies where a run keeps its files and folders.

    To open a named pipe would wait for ever, and a result that cannot be written is known last.

    Raises:
        RunRefusedError: with the path of what is in the way.
    """
    for name in (*FILES, *FOLDERS):
        path = run_dir / name
        wanted = "file" if name in FILES else "folder"
        # Checkpoints may lie on another disk; a model that is a link could not be replaced.
        is_link = name in (MODEL_FOLDER, UNFINISHED_MODEL_FOLDER) and path.is_symlink()
        found = "link" if is_link else _kind_of(path)
        if found not in (wanted, "nothing"):
            raise RunRefusedError(
                f"{path} is a {found}, but a run keeps a {wanted} of its own there; move it away "
                "and start the run again"
            )


def _kind_of(path: Path) -> str:
    if path.is_file():
        return "file"
    if path.is_dir():
        return "folder"
    if path.is_symlink():
        return "link to nowhere"
    return "pipe or device" if path.exists() else "nothing"


def require_writable(run_dir: Path) -> None:
    """Refuse a run directory that cannot be written; what a full disk says is left to later.

    Raises:
        RunRefusedError: with the system's reason.
    """
    try:
        touch_heartbeat(run_dir)
    except OSError as error:
        if is_disk_full(error):
            return
        raise RunRefusedError(
            f"{run_dir} cannot be written: {error.strerror}; make it writable or move it"
        ) from None


# --- written by the trainer ----------------------------------------------------------------------


@contextlib.contextmanager
def appending(path: Path) -> Iterator[IO[str]]:
    """Open a `.jsonl` file to append to, after cutting a last line that a kill left incomplete."""
    with path.open("a+b") as raw:
        raw.seek(0)
        raw.truncate(raw.read().rfind(b"\n") + 1)
    with path.open("a", encoding="utf-8") as file:
        yield file


def append_line(file: IO[str], row: Mapping[str, Any]) -> None:
    """Append one JSON object and hand it to the operating system."""
    file.write(json.dumps(row, allow_nan=False, separators=(",", ":")) + "\n")
    file.flush()


def append_metrics(file: IO[str], *, step: int, progress: float, metrics: Metrics) -> None:
    """Append one step to `metrics.jsonl`; what is not finite is written as null.

    Args:
        file: `metrics.jsonl`, opened by `appending`.
        step: counts up within a run.
        progress: share of the run that is done, 0..1.
        metrics: values by name, like `loss/reward`.
    """
    share = round(min(1.0, max(0.0, progress)), 6)
    append_line(file, {"step": step, "progress": share, **finite(metrics)})


def finite(metrics: Metrics) -> Metrics:
    """Return the metrics as JSON can hold them: what is not finite becomes None."""
    return {
        name: value if value is None or math.isfinite(value) else None
        for name, value in metrics.items()
    }


def cut_steps(run_dir: Path, *, step: int) -> None:
    """Drop the lines from a step on, which is about to be done again.

    A file is replaced, never shortened in place: who follows it sees that it is another one.
    """
    for name in STEP_FILES:
        lines, _ = _complete_lines(run_dir / name, 0)
        kept = [line for line in lines if (row := _step_in(line)) and row["step"] < step]
        if len(kept) < len(lines):
            replace_file(run_dir / name, b"".join(line + b"\n" for line in kept))


def touch_heartbeat(run_dir: Path) -> None:
    """Show that the run is alive; the file's modification time counts."""
    (run_dir / HEARTBEAT_FILE).touch()


def start_over(run_dir: Path) -> None:
    """Remove what an earlier attempt left: training then starts at the beginning."""
    for name in (*STEP_FILES, RESULT_FILE):
        (run_dir / name).unlink(missing_ok=True)
    for name in (MODEL_FOLDER, UNFINISHED_MODEL_FOLDER, CHECKPOINTS_FOLDER):
        shutil.rmtree(run_dir / name, ignore_errors=True)


@contextlib.contextmanager
def saving_model(run_dir: Path) -> Iterator[Path]:
    """Yield an empty folder that becomes `model/` when the block ends without an error.

    Raises:
        DiskFullError: when it does not fit; nothing of it is left then.
    """
    unfinished, final = run_dir / UNFINISHED_MODEL_FOLDER, run_dir / MODEL_FOLDER
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir()
    try:
        yield unfinished
        for path in unfinished.rglob("*"):
            if path.is_file():
                sync(path)
        shutil.rmtree(final, ignore_errors=True)
        unfinished.rename(final)
        sync(run_dir)
    except Exception as error:
        written = sum(path.stat().st_size for path in unfinished.rglob("*"))
        shutil.rmtree(unfinished, ignore_errors=True)
        if is_disk_full(error):
            raise DiskFullError(run_dir, needed_bytes=2 * written) from error
        raise


def write_result(run_dir: Path, result: RunResult) -> None:
    """Write `result.json` atomically; call it last."""
    replace_file(run_dir / RESULT_FILE, result.model_dump_json(indent=1).encode())


def write_failure(run_dir: Path, kind: RunKind, error: str) -> None:
    """Write a `result.json` that says in one line why the run failed; there is no model then."""
    line = " ".join(error.split())
    write_result(
        run_dir, RunResult(kind=kind, metrics={}, rows={}, versions=versions(), error=line)
    )


def replace_file(path: Path, content: bytes) -> None:
    """Write a file so that it is there whole, or as it was before."""
    temporary = path.with_name(path.name + ".tmp")
    try:
        temporary.write_bytes(content)
        sync(temporary)
        temporary.replace(path)
    except OSError:
        temporary.unlink(missing_ok=True)
        raise
    sync(path.parent)


def versions() -> dict[str, str]:
    """Return the versions of what a run's numbers depend on."""
    found = {"python": platform.python_version()}
    for package in ("podium", "torch", "transformers", "tokenizers"):
        with contextlib.suppress(PackageNotFoundError):
            found[package] = version(package)
    return found


def sync(path: Path) -> None:
    """Wait until a file, or the names in a folder, are on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


# --- read by the app -----------------------------------------------------------------------------


def read_result(run_dir: Path) -> RunResult | None:
    """Read `result.json`; None when the run has not finished, has failed or the file is bad."""
    result = _read_any_result(run_dir)
    return result if result is not None and result.error is None else None


def read_failure(run_dir: Path) -> RunResult | None:
    """Read why a run failed, in `error`; None when it has not, or could not say."""
    result = _read_any_result(run_dir)
    return result if result is not None and result.error is not None else None


def _read_any_result(run_dir: Path) -> RunResult | None:
    path = run_dir / RESULT_FILE
    try:
        # To open a named pipe would wait for ever.
        return RunResult.model_validate_json(path.read_bytes()) if path.is_file() else None
    except (FileNotFoundError, ValidationError):
        return None


def checkpoint_steps(run_dir: Path) -> list[int]:
    """Return the steps that have a checkpoint, the newest first, verified or not."""
    folders = (run_dir / CHECKPOINTS_FOLDER).glob(CHECKPOINT_PREFIX + "*")
    numbers = (path.name.removeprefix(CHECKPOINT_PREFIX) for path in folders)
    return sorted((int(number) for number in numbers if number.isdecimal()), reverse=True)


def read_metrics_from(run_dir: Path, offset: int) -> Tail[dict[str, Any]]:
    """Read the steps after `offset`; a file that became shorter (a new attempt) is read afresh."""
    lines, offset = _complete_lines(run_dir / METRICS_FILE, offset)
    return Tail([row for line in lines if (row := _step_in(line))], offset)


def _step_in(line: bytes) -> dict[str, Any] | None:
    """Read a line that belongs to a step; None for what a lost disk or a person left instead."""
    try:
        row = json.loads(line)
    except ValueError:
        return None
    return row if isinstance(row, dict) and isinstance(row.get("step"), int) else None


def read_sampled_from(run_dir: Path, offset: int) -> Tail[SampledSlate]:
    """Read the slates sampled after `offset`."""
    lines, offset = _complete_lines(run_dir / RESPONSES_FILE, offset)
    return Tail([SampledSlate.model_validate_json(line) for line in lines], offset)


def read_last_log_line(run_dir: Path) -> str | None:
    """Read the last line of `log.txt` that holds text: why a run failed."""
    lines = read_log_end(run_dir).splitlines()
    return next((line.strip() for line in reversed(lines) if line.strip()), None)


def read_log_end(run_dir: Path) -> str:
    """Read the last 8 KB of `log.txt`; empty when there is none yet."""
    try:
        with (run_dir / LOG_FILE).open("rb") as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(max(0, size - 8192))
            return file.read().decode("utf-8", "replace")
    except FileNotFoundError:
        return ""


def _complete_lines(path: Path, offset: int) -> tuple[list[bytes], int]:
    try:
        with path.open("rb") as file:
            if file.seek(0, os.SEEK_END) < offset:
                offset = 0
            file.seek(offset)
            data = file.read()
    except FileNotFoundError:
        return [], 0
    complete = data[: data.rfind(b"\n") + 1]
    return complete.splitlines(), offset + len(complete)
