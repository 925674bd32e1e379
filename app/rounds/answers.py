"""Which responses of a slate may be offered. Pure: texts in, problems out."""

import unicodedata
from collections.abc import Sequence

from trainer.spec import Problem

MIN_OFFERED_SAMPLED, MIN_OFFERED_IMPORTED = 4, 2
REPLACEMENT = "\ufffd"


def storable(text: str) -> str:
    """The text with U+FFFD for NUL, which Postgres cannot hold."""
    return text.replace("\x00", REPLACEMENT)


def problems_of(texts: Sequence[str]) -> list[Problem | None]:
    """Say for each text whether it is empty or looks the same as an earlier one."""
    seen: set[str] = set()
    problems: list[Problem | None] = []
    for text in texts:
        looks = unicodedata.normalize("NFC", text).strip()
        problems.append("empty" if not looks else "duplicate" if looks in seen else None)
        seen.add(looks)
    return problems


def is_offerable(problems: Sequence[Problem | None], *, at_least: int) -> bool:
    """Whether enough responses are without a problem for the slate to be ranked."""
    return problems.count(None) >= at_least
