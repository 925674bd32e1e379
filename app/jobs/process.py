"""The trainer's process: a group of its own, a clean environment, stopped with all its children."""

import asyncio
import contextlib
import os
import signal
import sys
from asyncio.subprocess import Process
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from app.embedded_postgres import die_with_parent
from app.settings import Settings
from trainer import rundir
from trainer.spec import RunKind

# -P: files of the run directory are never imported.
TRAINER = (sys.executable, "-P", "-m", "trainer")
# The trainer gets these and nothing else: above all not the database URL and not the secret key.
INHERITED = ("PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "LD_LIBRARY_PATH", "OMP_NUM_THREADS")
INHERITED_PREFIXES = ("CUDA_", "NVIDIA_", "HF_", "NCCL_", "PYTORCH_")
TERM_GRACE_SECONDS = 6.0
LOG_BYTES, KEPT_LOG_BYTES = 10_000_000, 1_000_000
REFUSED_EXIT_CODE = 2
OUT_OF_MEMORY_CODES = (-signal.SIGKILL, 128 + signal.SIGKILL)
ATTEMPT_LINE = "--- attempt"


@dataclass(frozen=True)
class Failure:
    """Why a trainer ended without a result, and whether another attempt may fare better."""

    reason: str
    is_retryable: bool


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


async def stop_trainer(process: Process, *, grace_seconds: float = TERM_GRACE_SECONDS) -> None:
    """Ask the whole group to stop, then kill what is left of it."""
    if process.returncode is None:
        _signal_group(process.pid, signal.SIGTERM)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(process.wait(), grace_seconds)
    _signal_group(process.pid, signal.SIGKILL)
    await process.wait()


def trainer_environment(kind: RunKind, settings: Settings) -> dict[str, str]:
    """What the trainer may know: only sampling is told the key of the sampler."""
    environment = {
        name: value
        for name, value in os.environ.items()
        if name in INHERITED or name.startswith(INHERITED_PREFIXES)
    }
    environment["PYTHONPATH"] = str(Path(rundir.__file__).parents[1])
    if kind == "sample" and settings.sampler_url:
        environment["PODIUM_SAMPLER_URL"] = settings.sampler_url
        if settings.sampler_key:
            environment["PODIUM_SAMPLER_KEY"] = settings.sampler_key.get_secret_value()
    return environment


def failure_of(exit_code: int, run_dir: Path) -> Failure:
    """Explain an end without a valid result by the exit code, else by the last line of the log."""
    if exit_code == 0:
        return Failure("exited without a result", is_retryable=False)
    if exit_code in OUT_OF_MEMORY_CODES:
        return Failure("killed (out of memory?)", is_retryable=True)
    if exit_code < 0:
        return Failure(f"killed by {signal.Signals(-exit_code).name}", is_retryable=True)
    if exit_code == 128 + signal.SIGTERM:
        return Failure("stopped by SIGTERM", is_retryable=True)
    last = rundir.read_last_log_line(run_dir)
    if last is None or last.startswith(ATTEMPT_LINE):
        last = f"exited with code {exit_code} and said nothing"
    return Failure(last.removeprefix("error: "), is_retryable=False)


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


def _signal_group(group: int, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(group, number)
