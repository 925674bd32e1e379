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
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import IO, Any, Generic, TypeVar

from pydantic import ValidationError

from trainer.spec import RunKind, RunResult, RunSpec, SampledSlate, run_spec_adapter

SPEC_FILE = "spec.json"
METRICS_FILE = "metrics.jsonl"
RESPONSES_FILE = "responses.jsonl"
HEARTBEAT_FILE = "heartbeat"
RESULT_FILE = "result.json"
LOG_FILE = "log.txt"
MODEL_FOLDER = "model"
UNFINISHED_MODEL_FOLDER = "model.tmp"

Metrics = dict[str, float | int | None]
Row = TypeVar("Row")


class RunRefusedError(Exception):
    """The run cannot be done as it was specified; the message says what to change."""

    exit_code = 2


class RunDivergedError(Exception):
    """The run was started but its numbers went wrong; the message says which and what to try."""

    exit_code = 1


@dataclass(frozen=True)
class Tail(Generic[Row]):
    """Complete lines read from a file that is still being written.

    Attributes:
        rows: the lines after the offset that was asked for.
        offset: where to read on, in bytes.
    """

    rows: list[Row]
    offset: int


def read_spec(run_dir: Path, kind: RunKind) -> RunSpec:
    """Read and check `spec.json`.

    Raises:
        RunRefusedError: when it is missing, malformed or for another kind of run.
    """
    path = run_dir / SPEC_FILE
    try:
        spec = run_spec_adapter.validate_json(path.read_bytes(), strict=True)
    except FileNotFoundError:
        raise RunRefusedError(f"{path} does not exist; a run directory needs a spec.json") from None
    except ValidationError as error:
        raise RunRefusedError(f"{path}: {first_error(error)}") from None
    if spec.kind != kind:
        raise RunRefusedError(f"{path} is for a {spec.kind} run, but {kind} was asked for")
    return spec


def first_error(error: ValidationError) -> str:
    """Say the first of pydantic's complaints in one line, without the input."""
    details = error.errors(include_url=False, include_input=False)
    where = ".".join(str(part) for part in details[0]["loc"])
    more = f" (and {len(details) - 1} more)" if len(details) > 1 else ""
    return f"{where or 'the document'}: {details[0]['msg']}{more}"


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
    finite = {
        name: value if value is None or math.isfinite(value) else None
        for name, value in metrics.items()
    }
    append_line(file, {"step": step, "progress": round(min(1.0, max(0.0, progress)), 6), **finite})


def touch_heartbeat(run_dir: Path) -> None:
    """Show that the run is alive; the file's modification time counts."""
    (run_dir / HEARTBEAT_FILE).touch()


def start_over(run_dir: Path) -> None:
    """Remove what an earlier attempt left, so that this attempt begins at the first step."""
    for name in (METRICS_FILE, RESULT_FILE):
        (run_dir / name).unlink(missing_ok=True)
    for name in (MODEL_FOLDER, UNFINISHED_MODEL_FOLDER):
        shutil.rmtree(run_dir / name, ignore_errors=True)


@contextlib.contextmanager
def saving_model(run_dir: Path) -> Iterator[Path]:
    """Yield an empty folder that becomes `model/` when the block ends without an error."""
    unfinished, final = run_dir / UNFINISHED_MODEL_FOLDER, run_dir / MODEL_FOLDER
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir()
    yield unfinished
    for path in unfinished.rglob("*"):
        if path.is_file():
            _sync(path)
    shutil.rmtree(final, ignore_errors=True)
    unfinished.rename(final)
    _sync(run_dir)


def write_result(run_dir: Path, result: RunResult) -> None:
    """Write `result.json` atomically; call it last."""
    temporary = run_dir / (RESULT_FILE + ".tmp")
    temporary.write_text(result.model_dump_json(indent=1), encoding="utf-8")
    _sync(temporary)
    temporary.replace(run_dir / RESULT_FILE)
    _sync(run_dir)


def versions() -> dict[str, str]:
    """Return the versions of what a run's numbers depend on."""
    found = {"python": platform.python_version()}
    for package in ("podium", "torch", "transformers", "tokenizers"):
        with contextlib.suppress(PackageNotFoundError):
            found[package] = version(package)
    return found


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


# --- read by the app -----------------------------------------------------------------------------


def read_result(run_dir: Path) -> RunResult | None:
    """Read `result.json`; None when the run has not finished or the file is not valid."""
    try:
        return RunResult.model_validate_json((run_dir / RESULT_FILE).read_bytes())
    except (FileNotFoundError, ValidationError):
        return None


def read_metrics_from(run_dir: Path, offset: int) -> Tail[dict[str, Any]]:
    """Read the steps after `offset`; a file that became shorter (a new attempt) is read afresh."""
    lines, offset = _complete_lines(run_dir / METRICS_FILE, offset)
    return Tail([json.loads(line) for line in lines], offset)


def read_sampled_from(run_dir: Path, offset: int) -> Tail[SampledSlate]:
    """Read the slates sampled after `offset`."""
    lines, offset = _complete_lines(run_dir / RESPONSES_FILE, offset)
    return Tail([SampledSlate.model_validate_json(line) for line in lines], offset)


def read_last_log_line(run_dir: Path) -> str | None:
    """Read the last line of `log.txt` that holds text: why a run failed."""
    try:
        with (run_dir / LOG_FILE).open("rb") as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(max(0, size - 8192))
            lines = file.read().decode("utf-8", "replace").splitlines()
    except FileNotFoundError:
        return None
    return next((line.strip() for line in reversed(lines) if line.strip()), None)


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
