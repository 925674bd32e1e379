"""Checkpoints that are complete or absent, and runs that go on from them as if never stopped.

    trained = Trained(models={"policy": policy}, optimizers={"policy": optimizer})
    with Checkpointer(run_dir, spec, trained, lineage=lineage, minutes=...) as checkpoints:
        done = checkpoints.resume()                # puts everything back; step 0 when there is none
        for step in range(done.step, steps):
            checkpoints.at_border(step, {...})     # saves when it is time, or a signal came
            for micro in checkpoints.until_stopped(micro_batches):
                ...                                # gradients only: nothing is changed here
            guarded_step(...)
        checkpoints.at_border(steps, {...})

Inside the block SIGTERM and Ctrl-C set a flag. At the next border, or between two items of
`until_stopped`, the state of the last border is saved and `StoppedError` ends the run. What is done
after the weights were changed goes through `until_abandoned`. With several ranks every rank calls
all of this, with equally many items; rank 0 writes, and they stop together.

A checkpoint is a folder of safetensors and JSON: no pickle is ever read. It belongs to one spec, to
the rows and to the models that the run read: with others the run starts again.
"""

import hashlib
import json
import logging
import os
import shutil
import signal
import sys
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import FrameType, TracebackType
from typing import Any, NoReturn, Self, TypeVar

from torch import Tensor

from trainer import rundir
from trainer.errors import DiskFullError, StoppedError, is_disk_full
from trainer.result import Lineage
from trainer.running import parallel, tensor_file
from trainer.running.lineage import file_sha256
from trainer.running.trained import (
    JSON,
    Trained,
    collect,
    fits,
    random_state,
    restore,
    restore_random,
)
from trainer.spec import TrainingSpec

log = logging.getLogger(__name__)

FORMAT = 2
KEPT = 2
TENSORS_FILE, STATE_FILE, MANIFEST_FILE = "tensors.safetensors", "state.json", "manifest.json"
UNFINISHED_FOLDER = "unfinished"
# What it means that an entry of the manifest is not that of the run.
CHANGED = {
    "format": "another version of the trainer wrote it",
    "spec_sha256": "spec.json has changed since it was written",
    "inputs": "a .jsonl file that spec.json names has changed since it was written",
    "parents": "a model that spec.json names has changed since it was written",
}
# A launcher passes the group's signal on to its ranks, which then see it twice.
SAME_SIGNAL_SECONDS = 1.0

Item = TypeVar("Item")


@dataclass(frozen=True)
class Resumed:
    """Where a run goes on.

    Attributes:
        step: the first that is still to be done.
        state: what the loop gave to `at_border`; empty at the beginning.
    """

    step: int
    state: Mapping[str, JSON]


@dataclass(frozen=True)
class Border:
    """What the state was between two steps, apart from the tensors, which are still the same."""

    step: int
    state: Mapping[str, JSON]
    random: Mapping[str, JSON]


class UnusableError(Exception):
    """A checkpoint cannot be resumed from; the message says why."""


class Checkpointer:
    """Saves and resumes one run; see the module's text for how a loop uses it."""

    def __init__(
        self,
        run_dir: Path,
        spec: TrainingSpec,
        trained: Trained,
        *,
        lineage: Lineage,
        minutes: float,
    ) -> None:
        self.stop_requested = False
        self._run_dir = run_dir
        self._folder = run_dir / rundir.CHECKPOINTS_FOLDER
        self._trained = trained
        self._seconds = 60 * minutes
        self._identity = {
            "format": FORMAT,
            "spec_sha256": hashlib.sha256(spec.model_dump_json().encode()).hexdigest(),
            "inputs": lineage.files,
            "parents": lineage.parents,
        }
        self._parents = lineage.parents
        self._saved_at = self._stop_requested_at = time.monotonic()
        self._saved_step = 0
        self._border: Border | None = None
        self._previous_handlers: dict[signal.Signals, Any] = {}

    def __enter__(self) -> Self:
        for number in rundir.STOP_SIGNALS:
            self._previous_handlers[number] = signal.signal(number, self._on_signal)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> None:
        for number, handler in self._previous_handlers.items():
            signal.signal(number, handler)
        if error is None and self._is_stop_agreed():
            raise StoppedError

    # --- in a loop ---------------------------------------------------------------------------

    def resume(self) -> Resumed:
        """Put the newest usable checkpoint back, or remove what earlier attempts left.

        `metrics.jsonl` and the like then end just before the step that is returned.

        Raises:
            RunRefusedError: when not all ranks have read the same models.
        """
        parallel.require_same_models(self._parents)
        step = parallel.from_main(self._choose() if parallel.ranks().is_main else 0)
        if step < 0:
            return Resumed(0, {})
        folder = self._path(step)
        saved = json.loads((folder / STATE_FILE).read_bytes())
        restore(self._trained, tensor_file.read(folder / TENSORS_FILE))
        restore_random(saved["random"])
        self._saved_step = step
        return Resumed(step, saved["state"])

    def at_border(
        self, step: int, state: Mapping[str, JSON], *, is_one_needed: bool = False
    ) -> None:
        """Save if it is time to; after a signal save and end the run.

        Args:
            step: the next one to be done.
            state: whatever else the loop needs to go on; JSON.
            is_one_needed: whether there has to be a checkpoint, as `until_abandoned` comes before
                the next border.

        Raises:
            StoppedError: SIGTERM or Ctrl-C came.
            DiskFullError: there is no room; earlier checkpoints are as they were.
        """
        self._border = Border(step, state, random_state())
        is_due = time.monotonic() - self._saved_at >= self._seconds and step != self._saved_step
        if self._is_stop_agreed():
            self._stop_here()
        if parallel.any_rank(is_due) or (is_one_needed and not self._is_any_there()):
            self._save(self._border)

    def until_stopped(self, items: Iterable[Item]) -> Iterator[Item]:
        """Yield items; after a signal save the last border and end the run instead.

        Only for work that changes nothing of what is saved: the weights still have to be those
        of the border.

        Raises:
            StoppedError: SIGTERM or Ctrl-C came.
        """
        for item in items:
            if self._is_stop_agreed():
                self._stop_here()
            yield item

    def until_abandoned(self, items: Iterable[Item]) -> Iterator[Item]:
        """Yield items; after a signal end the run, which then goes on from its last checkpoint.

        For work after the weights were changed. Without a checkpoint it goes on to the next border.

        Raises:
            StoppedError: SIGTERM or Ctrl-C came.
        """
        for item in items:
            if self._is_stop_agreed() and self._is_any_there():
                raise StoppedError
            yield item

    def _is_stop_agreed(self) -> bool:
        # A signal to any rank; all ranks have to ask at the same place.
        return parallel.any_rank(self.stop_requested)

    def _is_any_there(self) -> bool:
        # Those that cannot be used were removed when the run began.
        return bool(parallel.from_main(len(rundir.checkpoint_steps(self._run_dir))))

    def _stop_here(self) -> NoReturn:
        assert self._border is not None
        is_saved = self._border.step in rundir.checkpoint_steps(self._run_dir)
        if not parallel.from_main(int(is_saved)):
            self._save(self._border)
        raise StoppedError

    def _on_signal(self, _number: int, _frame: FrameType | None) -> None:
        now = time.monotonic()
        if not self.stop_requested:
            self.stop_requested, self._stop_requested_at = True, now
        elif now - self._stop_requested_at > SAME_SIGNAL_SECONDS:
            sys.stderr.write(
                "stopped: a second SIGTERM or Ctrl-C came before the checkpoint was complete\n"
            )
            sys.stderr.flush()
            os._exit(128 + signal.SIGTERM)

    # --- writing -----------------------------------------------------------------------------

    def _save(self, border: Border) -> None:
        tensors = collect(self._trained)
        if parallel.ranks().is_main:
            self._publish(tensors, border)
        else:
            # A sharded tensor is put together by all ranks at once.
            tensor_file.gather(tensors)
        # A rank that ended now would take the one that still writes with it.
        parallel.any_rank(False)
        self._saved_at, self._saved_step = time.monotonic(), border.step

    def _publish(self, tensors: Mapping[str, Tensor], border: Border) -> None:
        size = tensor_file.size_of(tensors)
        if shutil.disk_usage(self._run_dir).free < 2 * size:
            raise DiskFullError(self._run_dir, needed_bytes=2 * size)
        unfinished = self._folder / UNFINISHED_FOLDER
        try:
            self._write(unfinished, tensors, border)
            shutil.rmtree(self._path(border.step), ignore_errors=True)
            unfinished.rename(self._path(border.step))
            rundir.sync(self._folder)
        except OSError as error:
            shutil.rmtree(unfinished, ignore_errors=True)
            if is_disk_full(error):
                raise DiskFullError(self._run_dir, needed_bytes=2 * size) from error
            raise
        for old in rundir.checkpoint_steps(self._run_dir)[KEPT:]:
            shutil.rmtree(self._path(old))
        log.info("checkpoint of step %d is complete", border.step)

    def _write(self, folder: Path, tensors: Mapping[str, Tensor], border: Border) -> None:
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        for name in rundir.STEP_FILES:
            if (self._run_dir / name).exists():  # a checkpoint must never be ahead of its numbers
                rundir.sync(self._run_dir / name)
        saved = {"step": border.step, "state": border.state, "random": border.random}
        hashes = {
            TENSORS_FILE: tensor_file.write(folder / TENSORS_FILE, tensors),
            STATE_FILE: _write_json(folder / STATE_FILE, saved),
        }
        manifest = {**self._identity, "versions": rundir.versions(), "sha256": hashes}
        _write_json(folder / MANIFEST_FILE, manifest)
        rundir.sync(folder)

    # --- resuming ----------------------------------------------------------------------------

    def _choose(self) -> int:
        """Return the step of the newest usable checkpoint, -1 for none, and remove the others."""
        shutil.rmtree(self._folder / UNFINISHED_FOLDER, ignore_errors=True)
        for step in rundir.checkpoint_steps(self._run_dir):
            try:
                self._verify(self._path(step), step)
            except UnusableError as error:
                log.warning("the checkpoint of step %d is not used: %s", step, error)
                shutil.rmtree(self._path(step))
                continue
            log.info("resuming at step %d", step)
            rundir.cut_steps(self._run_dir, step=step)
            return step
        log.info("starting at the beginning: there is no usable checkpoint")
        rundir.start_over(self._run_dir)
        return -1

    def _verify(self, folder: Path, step: int) -> None:
        try:
            manifest = json.loads((folder / MANIFEST_FILE).read_bytes())
            for name, expected in manifest["sha256"].items():
                if file_sha256(folder / name) != expected:
                    raise UnusableError(f"{name} does not have the sha256 of its manifest")
            for key, expected in self._identity.items():
                if manifest[key] != expected:
                    raise UnusableError(CHANGED[key])
            if json.loads((folder / STATE_FILE).read_bytes())["step"] != step:
                raise UnusableError("it is of another step than its name says")
            if not fits(self._trained, tensor_file.shapes_of(folder / TENSORS_FILE)):
                raise UnusableError("its tensors are not those that this run trains")
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise UnusableError(f"its manifest cannot be read ({type(error).__name__})") from None

    def _path(self, step: int) -> Path:
        return self._folder / f"{rundir.CHECKPOINT_PREFIX}{step:08d}"


def _write_json(path: Path, value: Mapping[str, JSON]) -> str:
    """Write JSON, wait until it is on the disk and return the file's sha256."""
    content = json.dumps(value, allow_nan=False).encode()
    with path.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    return hashlib.sha256(content).hexdigest()
