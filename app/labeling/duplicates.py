"""Which responses of a slate are the same, or nearly. Pure: texts in, positions out.

The same means: character for character once Unicode's composed forms and the white space are made
equal. It is NFC and not NFKC: the latter would make 10² and 102 the same.
"""

import math
import unicodedata
from collections.abc import Sequence
from itertools import combinations

from rapidfuzz.distance import LCSseq

from app.labeling.words import HAS_UNSPACED, words_of

MIN_SIMILARITY_PERCENT = 85
# Longer texts are compared as a whole only: the time grows with the square of the words.
MAX_CHARACTERS = 40_000


def same_as_earlier(texts: Sequence[str]) -> list[int | None]:
    """For each text the position of the first one that is the same, None for that one itself."""
    first: dict[str, int] = {}
    found = [first.setdefault(_plain(text), position) for position, text in enumerate(texts)]
    return [None if earlier == position else earlier for position, earlier in enumerate(found)]


def identical_groups(texts: Sequence[str]) -> list[list[int]]:
    """The positions of texts that are the same, for every text that there is more than once."""
    groups: dict[int, list[int]] = {}
    for position, earlier in enumerate(same_as_earlier(texts)):
        groups.setdefault(position if earlier is None else earlier, []).append(position)
    return [group for group in groups.values() if len(group) > 1]


def similar_to(texts: Sequence[str]) -> list[list[int]]:
    """For each text the positions of those that say nearly the same, word by word.

    Those that are the same are left out. The similarity is twice the number of words in common (in
    the same order) over the number of all words.
    """
    plain = [_plain(text) for text in texts]
    words = [_numbered(text) if len(text) <= MAX_CHARACTERS else [] for text in plain]
    similar: list[list[int]] = [[] for _ in texts]
    for one, other in combinations(range(len(texts)), 2):
        if plain[one] != plain[other] and _are_similar(words[one], words[other]):
            similar[one].append(other)
            similar[other].append(one)
    return similar


def _plain(text: str) -> str:
    return " ".join(unicodedata.normalize("NFC", text).split())


def _numbered(text: str) -> list[int]:
    """The words as numbers, which compare faster."""
    # Where words have spaces between them, this is three times as fast.
    words = words_of(text) if HAS_UNSPACED.search(text) else text.split(" ")
    return [hash(word) for word in words]


def _are_similar(one: list[int], other: list[int]) -> bool:
    needed = math.ceil(MIN_SIMILARITY_PERCENT * (len(one) + len(other)) / 200)
    if not needed or min(len(one), len(other)) < needed:
        return False
    return LCSseq.similarity(one, other, score_cutoff=needed) >= needed
