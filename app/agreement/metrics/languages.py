"""Which tags of prompts name a language: pure.

Prompts carry free tags. Those that begin with `lang:` say in which language a prompt is:
`lang:en`, `lang:pt-BR`. A code alone says nothing, since `it`, `ml`, and `cs` name topics as well.
"""

from collections.abc import Iterable

PREFIX = "lang:"


def is_language(tag: str) -> bool:
    """Whether a tag names a language."""
    return tag.startswith(PREFIX) and bool(tag.removeprefix(PREFIX).strip())


def languages_of(tags: Iterable[str]) -> list[str]:
    """The languages that are named, in the order of the tags."""
    return [tag.removeprefix(PREFIX) for tag in tags if is_language(tag)]


def tag_of(language: str) -> str:
    """The tag that names a language."""
    return f"{PREFIX}{language}"
