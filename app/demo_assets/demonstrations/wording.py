"""Small pieces of English grammar that the topics share."""

import random
from collections.abc import Sequence
from typing import TypeVar

T = TypeVar("T")

NUMBER_WORDS = ("zero", "one", "two", "three", "four", "five", "six")
NAMES = (
    "Mia", "Leo", "Nora", "Sam", "Omar", "Tom", "Ben", "Rosa", "Maya", "Lucy", "Anna", "Paul",
)  # fmt: skip


def capitalized(text: str) -> str:
    """Return the text with its first letter in upper case."""
    return text[0].upper() + text[1:]


def with_article(noun: str) -> str:
    """Return the noun after "a" or "an"."""
    return f"an {noun}" if noun[0] in "aeiou" else f"a {noun}"


def joined(items: Sequence[str]) -> str:
    """Return "a, b and c"."""
    return items[0] if len(items) == 1 else f"{', '.join(items[:-1])} and {items[-1]}"


def numbered(items: Sequence[str]) -> str:
    """Return the items as a numbered list of sentences."""
    return "\n".join(f"{place}. {capitalized(item)}" for place, item in enumerate(items, start=1))


def bulleted(items: Sequence[str]) -> str:
    """Return the items as a list with dashes."""
    return "\n".join(f"- {capitalized(item)}" for item in items)


def another(rng: random.Random, items: Sequence[T], item: T) -> T:
    """Return an item that differs from the given one."""
    return rng.choice([other for other in items if other != item])
