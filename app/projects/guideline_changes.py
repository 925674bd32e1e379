"""What changed between two versions of a text, line by line. Pure."""

from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import Literal

CONTEXT_LINES = 2


@dataclass(frozen=True)
class ChangedLine:
    """A line of the newer text, one that it no longer has, or a place where lines are left out."""

    kind: Literal["same", "added", "removed", "left_out"]
    text: str


def changed_lines(old: str, new: str) -> list[ChangedLine]:
    """The changes with a few lines around each; empty when the texts are equal."""
    before, after = old.splitlines(), new.splitlines()
    lines: list[ChangedLine] = []
    last_end = 0
    for group in SequenceMatcher(None, before, after).get_grouped_opcodes(CONTEXT_LINES):
        if group[0][3] > last_end:
            lines.append(ChangedLine("left_out", ""))
        for tag, old_from, old_to, new_from, new_to in group:
            if tag == "equal":
                lines += [ChangedLine("same", line) for line in after[new_from:new_to]]
                continue
            lines += [ChangedLine("removed", line) for line in before[old_from:old_to]]
            lines += [ChangedLine("added", line) for line in after[new_from:new_to]]
        last_end = group[-1][4]
    if lines and last_end < len(after):
        lines.append(ChangedLine("left_out", ""))
    return lines
