"""One run, from files: `python -m trainer {sample,sft,reward,dpo,ppo} RUN_DIR`.

Exit code 0 means that `result.json` is valid, 2 that the run was refused as specified, 1 that it
failed, 69 that another process works in the directory, 75 that the disk is full, 143 that SIGTERM
or Ctrl-C stopped it; the last line on stderr says why. Unless it was stopped or another process is
at work so does `error` in `result.json`, where the disk has room for it. A run that is started
again goes on from its last checkpoint. On Linux the run ends with the process that started it.

Several GPUs or nodes: `accelerate launch --multi_gpu -m trainer KIND RUN_DIR`, see
`running/parallel.py`; all nodes share the run directory.
"""

import argparse
import contextlib
import ctypes
import gc
import importlib
import logging
import os
import shutil
import signal
import sys
import threading
import time
import traceback
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from types import FrameType, ModuleType
from typing import get_args

from trainer import rundir
from trainer.errors import (
    PEER_LOST,
    DiskFullError,
    RunDivergedError,
    RunRefusedError,
    StoppedError,
    is_disk_full,
)
from trainer.running.alone import BusyError, alone_in
from trainer.spec import RunKind
from trainer.spec_file import read_spec

MODULES: dict[RunKind, str] = {
    "sample": "trainer.sample",
    "sft": "trainer.train_sft",
    "reward": "trainer.train_reward",
    "dpo": "trainer.train_dpo",
    "ppo": "trainer.train_ppo",
}
STOPPED_EXIT_CODE = 128 + signal.SIGTERM
HEARTBEAT_SECONDS = 2.0
# How long other ranks wait for the first one to say why the run failed.
RECORD_SECONDS = 5.0
PR_SET_PDEATHSIG = 1
# What is asked for when the write that failed does not say how much it needed.
SOME_BYTES = 10_000_000


def main(arguments: list[str]) -> int:
    """Do one run and return its exit code."""
    parser = argparse.ArgumentParser(prog="python -m trainer", description=__doc__)
    parser.add_argument("kind", choices=get_args(RunKind))
    parser.add_argument("run_dir", type=Path)
    parser.add_argument(
        "--detached", action="store_true", help="go on when the process that started this run ends"
    )
    options = parser.parse_args(arguments)
    if not options.detached:
        _end_with_parent()
    logging.basicConfig(format="%(levelname)s %(name)s: %(message)s")
    # What all ranks would say is said once.
    logging.getLogger("trainer").setLevel(logging.INFO if _is_main() else logging.WARNING)
    for number in rundir.STOP_SIGNALS:
        signal.signal(number, _stop)
    alone = alone_in(options.run_dir) if _is_main() else contextlib.nullcontext()
    try:
        with alone:
            return _run_or_fail(options.kind, options.run_dir)
    except BusyError as error:
        _say(f"error: {error}")  # the other process's result.json is not ours to write
        return error.exit_code
    except StoppedError:
        _say("stopped: SIGTERM or Ctrl-C was received before the run was complete")
        return STOPPED_EXIT_CODE


def _run_or_fail(kind: RunKind, run_dir: Path) -> int:
    try:
        _run(kind, run_dir)
    except Exception as error:  # noqa: BLE001 - the process edge: the last line of the log says why
        return _fail(kind, run_dir, error)
    return 0


def _fail(kind: RunKind, run_dir: Path, error: Exception) -> int:
    """Say why the run ended, in the log and in `result.json`, and return the exit code."""
    if is_disk_full(error) and not isinstance(error, DiskFullError):
        error = DiskFullError(run_dir, needed_bytes=SOME_BYTES)
    if isinstance(error, DiskFullError):
        _record(kind, run_dir, str(error), error)
        _say(str(error))
        return error.exit_code
    if isinstance(error, RunRefusedError | RunDivergedError):
        reason, code = str(error), error.exit_code
    elif _is_lost_peer(error):
        # The library cannot tell a rank that ended from a link or a GPU that failed here.
        _say(_first_line(error.__cause__ or error))
        reason, code = PEER_LOST, 1
    else:
        traceback.print_exception(error)
        reason, code = _first_line(error), 1
    steps = rundir.checkpoint_steps(run_dir)
    # Before the first step is done the only checkpoint is what the run started from.
    if steps and rundir.read_metrics_from(run_dir, 0).rows:
        reason += f" (the last good state is the checkpoint of step {steps[0]})"
    _record(kind, run_dir, reason, error)
    _say(f"error: {reason}")
    return code


def _first_line(error: BaseException) -> str:
    return f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}"


def _record(kind: RunKind, run_dir: Path, reason: str, error: Exception) -> None:
    """Write why the run failed if the disk has room, unless another rank has.

    The first cause counts, unless it is that another rank was lost; the next attempt removes it.
    """
    if not _is_main():
        if _is_lost_peer(error):
            return
        # Most errors are those of all ranks, and the first one writes.
        deadline = time.monotonic() + RECORD_SECONDS
        while rundir.read_failure(run_dir) is None and time.monotonic() < deadline:
            time.sleep(0.1)
    with contextlib.suppress(OSError):
        known = rundir.read_failure(run_dir)
        if known is None or (known.error or "").startswith(PEER_LOST):
            rundir.write_failure(run_dir, kind, reason)


def _is_lost_peer(error: Exception) -> bool:
    if _ranks() == 1:
        return False
    lost: bool = importlib.import_module("trainer.running.parallel").is_lost_peer(error)
    return lost


def _run(kind: RunKind, run_dir: Path) -> None:
    # Before anything is refused: other nodes would wait for a rank that never joins.
    with _connected():
        if _is_main() and run_dir.is_dir():
            rundir.require_places(run_dir)
            rundir.require_writable(run_dir)
            (run_dir / rundir.RESULT_FILE).unlink(missing_ok=True)
        if _ranks() > 1:
            _load("trainer.running.parallel").require_shared(run_dir)
        spec = read_spec(run_dir, kind)
        if kind == "sample" and _ranks() > 1:
            raise RunRefusedError("a sample run uses one process; start it without a launcher")
        with _beating(run_dir):
            _load(MODULES[kind]).run(spec, run_dir)
    if not _is_main():
        return
    if rundir.read_result(run_dir) is None:
        raise RunDivergedError(f"{run_dir / rundir.RESULT_FILE} is not valid after the run")
    shutil.rmtree(run_dir / rundir.CHECKPOINTS_FOLDER, ignore_errors=True)


def _load(name: str) -> ModuleType:
    """Import a module that needs torch, which a sample run that only asks an endpoint does not."""
    if (loaded := sys.modules.get(name)) is not None:
        return loaded
    # A third of the time that it takes is the search for garbage among all that is there to stay.
    gc.disable()
    try:
        return importlib.import_module(name)
    finally:
        gc.freeze()
        gc.enable()


def _ranks() -> int:
    return int(os.environ.get("WORLD_SIZE", "1"))


def _is_main() -> bool:
    return _ranks() == 1 or os.environ.get("RANK") == "0"


def _connected() -> AbstractContextManager[None]:
    if _ranks() == 1:
        return contextlib.nullcontext()
    connected: AbstractContextManager[None] = _load("trainer.running.parallel").connected()
    return connected


@contextlib.contextmanager
def _beating(run_dir: Path) -> Iterator[None]:
    ended = threading.Event()
    if _is_main():
        threading.Thread(target=_beat, args=(run_dir, ended), daemon=True).start()
    try:
        yield
    finally:
        ended.set()


def _beat(run_dir: Path, ended: threading.Event) -> None:
    while True:
        with contextlib.suppress(OSError):  # a full disk ends the run where it matters
            rundir.touch_heartbeat(run_dir)
        if ended.wait(HEARTBEAT_SECONDS):
            return


def _stop(_number: int, _frame: FrameType | None) -> None:
    for number in rundir.STOP_SIGNALS:
        signal.signal(number, _stop_at_once)
    raise StoppedError


def _stop_at_once(_number: int, _frame: FrameType | None) -> None:
    os._exit(STOPPED_EXIT_CODE)


def _end_with_parent() -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)


def _say(line: str) -> None:
    with contextlib.suppress(OSError):  # the log's disk may be the full one
        sys.stderr.write(" ".join(line.split()) + "\n")
        sys.stderr.flush()


if __name__ == "__main__":
    code = main(sys.argv[1:])
    sys.stdout.flush()
    # Threads that still wait for an endpoint's answer must not hold the process up.
    os._exit(code)
