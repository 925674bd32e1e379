"""The trainer's process: a group of its own, a clean environment, stopped with all its children."""

import asyncio
import contextlib
import logging
import os
import re
import shlex
import shutil
import signal
import sys
import time
from asyncio.subprocess import Process
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from pydantic import SecretStr

from app.embedded_postgres.processes import die_with_parent
from app.errors import UnavailableError
from app.jobs.disk import free_disk_bytes, needed_disk_bytes
from app.settings import Settings
from trainer import rundir
from trainer.errors import BUSY_EXIT_CODE, DISK_FULL_EXIT_CODE, say_disk_full
from trainer.spec import RunKind

logger = logging.getLogger(__name__)

TRAINER = (sys.executable, "-m", "trainer")
# The trainer gets these and nothing else: above all not the database URL and not the secret key.
INHERITED = ("PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "LD_LIBRARY_PATH", "OMP_NUM_THREADS", "CC")
INHERITED_PREFIXES = (
    "CUDA_", "NVIDIA_", "HF_", "NCCL_", "PYTORCH_", "ACCELERATE_", "GLOO_", "TRITON_",
    "TORCHINDUCTOR_",
)  # fmt: skip
TERM_GRACE_SECONDS = 20.0  # long enough to write a checkpoint
KILL_SECONDS = 5.0
POLL_SECONDS = 0.1
LOG_BYTES, KEPT_LOG_BYTES = 10_000_000, 1_000_000
KILLED_CODES = (-signal.SIGKILL, 128 + signal.SIGKILL)
ATTEMPT_LINE = "--- attempt"
# What a launcher writes about the rank that failed first; it exits with 1 whatever that one did.
RANK_EXIT = re.compile(r"^ *exitcode +: (-?\d+) ", re.MULTILINE)


@dataclass(frozen=True)
class Failure:
    """Why a trainer ended without a result, and whether another attempt may fare better.

    Attributes:
        reason: one line.
        is_retryable: at once.
        is_waiting: for another process to leave the run directory; it is no fault of the run.
        needs_disk_bytes: another attempt may fare better when so much is free.
    """

    reason: str
    is_retryable: bool
    is_waiting: bool = False
    needs_disk_bytes: int | None = None


def trainer_command(kind: RunKind, settings: Settings) -> tuple[str, ...]:
    """How a run of this kind is started, up to its kind and directory.

    Sampling has one process: it would sample everything as often as there are ranks.

    Raises:
        UnavailableError: the launcher that an operator has set is not installed here.
    """
    words = shlex.split(settings.trainer_launcher)
    if kind == "sample" or not words:
        return TRAINER
    # Beside the interpreter lies what was installed with it, whether or not PATH has that folder.
    places = f"{os.environ.get('PATH', os.defpath)}{os.pathsep}{Path(sys.executable).parent}"
    launcher = shutil.which(words[0], path=places)
    if launcher is None:
        raise UnavailableError(
            f"The worker cannot find {words[0]}, which PODIUM_TRAINER_LAUNCHER names; install it "
            "or correct the setting.",
            code="no_launcher",
        )
    return (launcher, *words[1:], "trainer")


async def start_trainer(
    command: Sequence[str],
    kind: RunKind,
    run_dir: Path,
    *,
    environment: Mapping[str, str],
    attempt: int,
) -> Process:
    """Start the trainer; its output goes to `log.txt`, and on Linux it dies with this process."""
    with (run_dir / rundir.LOG_FILE).open("ab") as log:
        log.write(f"{ATTEMPT_LINE} {attempt} ---\n".encode())
        log.flush()
        return await asyncio.create_subprocess_exec(
            *command,
            kind,
            str(run_dir),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            cwd=run_dir,
            env=environment,
            start_new_session=True,
            preexec_fn=die_with_parent(signal.SIGKILL),
        )


async def stop_trainer(process: Process) -> None:
    """Ask the whole group to stop, then kill what is left of it."""
    if process.returncode is None:
        _signal_group(process.pid, signal.SIGTERM)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(process.wait(), TERM_GRACE_SECONDS)
    _signal_group(process.pid, signal.SIGKILL)
    await process.wait()


async def stop_other_trainers(kind: RunKind, run_dir: Path) -> None:
    """Stop what an earlier attempt left at work in the directory, as when its worker hangs.

    It is known by its command line, so only trainers of this machine are found.
    """
    others = await asyncio.to_thread(_trainers_in, kind, run_dir)
    if not others:
        return
    logger.warning("jobs.run.left_trainer run_dir=%s processes=%s", run_dir, others)
    for number, seconds in ((signal.SIGTERM, TERM_GRACE_SECONDS), (signal.SIGKILL, KILL_SECONDS)):
        for process_id in others:
            _signal_all(process_id, number)
        deadline = time.monotonic() + seconds
        while others and time.monotonic() < deadline:
            await asyncio.sleep(POLL_SECONDS)
            others = await asyncio.to_thread(_trainers_in, kind, run_dir)


def _trainers_in(kind: RunKind, run_dir: Path) -> list[int]:
    # Each argument is followed by a zero byte.
    ending = [kind.encode(), os.fsencode(run_dir), b""]
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):  # it has ended
            if path.read_bytes().split(b"\0")[-3:] == ending:
                found.append(int(path.parent.name))
    return found


def _signal_all(process_id: int, number: signal.Signals) -> None:
    """Signal the process, and all of the group that it leads."""
    with contextlib.suppress(ProcessLookupError):
        if os.getpgid(process_id) == process_id:
            os.killpg(process_id, number)
        else:
            os.kill(process_id, number)


def trainer_environment(kind: RunKind, settings: Settings) -> dict[str, str]:
    """What the trainer may know: a server and its key only when this kind of run samples there."""
    environment = {
        name: value
        for name, value in os.environ.items()
        if name in INHERITED or name.startswith(INHERITED_PREFIXES)
    }
    environment["PYTHONPATH"] = str(Path(rundir.__file__).parents[1])
    # Files of the run directory are never imported, by no rank.
    environment["PYTHONSAFEPATH"] = "1"
    if kind == "sample":
        environment |= _server("SAMPLER", settings.sampler_url, settings.sampler_key)
    if kind == "ppo":
        environment |= _server("ROLLOUT", settings.rollout_url, settings.rollout_key)
    return environment


def failure_of(exit_code: int, run_dir: Path, *, is_out_of_memory: bool = False) -> Failure:
    """Explain an end without a valid result: by the exit code, else in the trainer's own words.

    Args:
        exit_code: of a trainer that this worker did not stop.
        run_dir: its run directory.
        is_out_of_memory: whether the kernel killed a process for its memory while it ran.
    """
    if exit_code == 1:
        exit_code = _exit_code_of_rank(run_dir) or exit_code
    if exit_code == DISK_FULL_EXIT_CODE:
        needs = needed_disk_bytes(run_dir)
        reason = say_disk_full(needs, free_disk_bytes(run_dir))
        return Failure(reason, is_retryable=True, needs_disk_bytes=needs)
    if exit_code == BUSY_EXIT_CODE:
        return Failure(_last_words(exit_code, run_dir), is_retryable=True, is_waiting=True)
    if exit_code in KILLED_CODES:
        reason = "killed by signal 9; most often the machine ran out of memory"
        if is_out_of_memory:
            reason = "killed by the kernel: out of memory"
        return Failure(reason, is_retryable=True)
    if exit_code < 0:
        return Failure(f"killed by {signal.Signals(-exit_code).name}", is_retryable=True)
    if exit_code == 128 + signal.SIGTERM:
        return Failure("stopped by SIGTERM", is_retryable=True)
    return Failure(_last_words(exit_code, run_dir), is_retryable=False)


def _last_words(exit_code: int, run_dir: Path) -> str:
    """The error of `result.json`, else the last line of the log."""
    if exit_code == 0:
        return "exited without a result"
    failure = rundir.read_failure(run_dir)
    if failure is not None and failure.error is not None:
        return failure.error
    last = rundir.read_last_log_line(run_dir)
    if last is None or last.startswith(ATTEMPT_LINE):
        return f"exited with code {exit_code} and said nothing"
    return last.removeprefix("error: ")


def _exit_code_of_rank(run_dir: Path) -> int | None:
    """The code of the rank that failed first, as a launcher's last lines say; None without one."""
    codes = RANK_EXIT.findall(rundir.read_log_end(run_dir).rpartition(ATTEMPT_LINE)[2])
    return int(codes[-1]) if codes else None


def cap_log(run_dir: Path) -> None:
    """Keep only the end of a `log.txt` that has grown too large; the trainer appends to it."""
    path = run_dir / rundir.LOG_FILE
    if not path.exists() or path.stat().st_size <= LOG_BYTES:
        return
    with path.open("r+b") as log:
        log.seek(-KEPT_LOG_BYTES, os.SEEK_END)
        kept = log.read()
        log.truncate(0)
    with path.open("ab") as log:
        log.write(b"(the log was too long: its beginning was removed)\n" + kept)


def _server(name: str, url: str | None, key: SecretStr | None) -> dict[str, str]:
    if not url:
        return {}
    address = {f"PODIUM_{name}_URL": url}
    return address if key is None else {**address, f"PODIUM_{name}_KEY": key.get_secret_value()}


def _signal_group(group: int, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(group, number)
