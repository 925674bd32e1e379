"""The end of a run's `log.txt` for people: bounded, and with control characters made visible."""

import asyncio
import os
from pathlib import Path

from app.settings import Settings
from trainer.rundir import LOG_FILE

MAX_BYTES = 64 * 1024
MAX_LINES = 200
MAX_LINE_LENGTH = 2000
TAB = 0x09
# Written as escapes: a terminal would act on the first, and the others reorder what people read.
CONTROLS = (*range(0x20), *range(0x7F, 0xA0))
REORDERING = (*range(0x202A, 0x202F), *range(0x2066, 0x206A))
VISIBLE = {code: f"\\x{code:02x}" for code in CONTROLS if code != TAB} | {
    code: f"\\u{code:04x}" for code in REORDERING
}


async def log_tail_of(settings: Settings, run_id: int) -> str:
    """The last lines of a run's log; empty when there is none yet."""
    return await asyncio.to_thread(log_tail, settings.root / "runs" / str(run_id))


def log_tail(run_dir: Path) -> str:
    """The last lines of the log; empty when there is none yet."""
    try:
        with (run_dir / LOG_FILE).open("rb") as file:
            size = file.seek(0, os.SEEK_END)
            start = max(0, size - MAX_BYTES)
            file.seek(start)
            text = file.read(MAX_BYTES).decode("utf-8", "replace")
    except FileNotFoundError:
        return ""
    lines = text.split("\n")
    if start and len(lines) > 1:
        lines = lines[1:]  # the first one lacks its beginning
    return "\n".join(_shown(line) for line in lines[-MAX_LINES - 1 :]).strip("\n")


def _shown(line: str) -> str:
    # A progress bar rewrites its line after each carriage return; the last state is what counts.
    last = line.rstrip("\r").rpartition("\r")[2]
    cut = f"{last[:MAX_LINE_LENGTH]} …" if len(last) > MAX_LINE_LENGTH else last
    return cut.translate(VISIBLE)
