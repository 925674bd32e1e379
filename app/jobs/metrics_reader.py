"""Follows `metrics.jsonl` while a trainer appends to it, cuts it at a checkpoint or starts over."""

import contextlib
import json
from dataclasses import dataclass
from pathlib import Path

from app.jobs.commands import Step


@dataclass(frozen=True)
class NewSteps:
    """What changed in the file since it was last read.

    Attributes:
        steps: what was appended, in order.
        first_void_step: steps from this one on were taken back before; None when none were.
    """

    steps: list[Step]
    first_void_step: int | None


class MetricsReader:
    """Reads what is new; the first time that is all the file holds, whichever attempt wrote it.

    A resumed trainer cuts the file after its checkpoint's step and appends, possibly beyond the
    old length before it is read again. So each reading first looks whether the last line it knows
    still stands where it stood; if not, the file is compared line by line.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lines: list[tuple[int, int]] = []  # step and hash of each line that was read
        self._last_line = b""
        self._offset = 0  # after the last line, in bytes

    def new_steps(self) -> NewSteps:
        """The changes since the last call."""
        appended = self._appended()
        if appended is not None:
            return NewSteps(self._take(appended), None)
        lines = _complete_lines(self._path, 0)
        kept = 0
        for (_, known), line in zip(self._lines, lines, strict=False):
            if known != hash(line):
                break
            kept += 1
        first_void_step = self._lines[kept][0] if kept < len(self._lines) else None
        del self._lines[kept:]
        self._offset = sum(map(len, lines[:kept]))
        self._last_line = lines[kept - 1] if kept else b""
        return NewSteps(self._take(lines[kept:]), first_void_step)

    def _appended(self) -> list[bytes] | None:
        """The lines after those that are known; None when these are not what they were."""
        start = self._offset - len(self._last_line)
        lines = _complete_lines(self._path, start)
        if not self._last_line:
            return lines
        return lines[1:] if lines[:1] == [self._last_line] else None

    def _take(self, lines: list[bytes]) -> list[Step]:
        steps = []
        for line in lines:
            row = json.loads(line)
            steps.append(Step(number=row.pop("step"), progress=row.pop("progress"), values=row))
            self._lines.append((steps[-1].number, hash(line)))
            self._last_line = line
        self._offset += sum(map(len, lines))
        return steps


def _complete_lines(path: Path, offset: int) -> list[bytes]:
    """The lines that begin at `offset`, each with its newline; none when there is no such file."""
    with contextlib.suppress(FileNotFoundError), path.open("rb") as file:
        file.seek(offset)
        return [line for line in file if line.endswith(b"\n")]
    return []
