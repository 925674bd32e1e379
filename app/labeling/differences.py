"""What differs between two texts, word by word, with sentences that moved marked as such. Pure.

Sentences that both texts have in the same order are set aside first, then those that both have
elsewhere; the words of the rest are compared. Spaces never count as a difference.
"""

from collections import defaultdict, deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Literal

from rapidfuzz.distance import LCSseq

from app.labeling.words import sentences_of, words_of

Kind = Literal["same", "deleted", "inserted", "moved"]
MIN_MOVED_WORDS = 3  # "Yes." elsewhere says nothing
MAX_BY_CHANCE = 2
# What a comparison takes grows with the product of the lengths, in time and in memory.
MAX_SENTENCES = 4_000
MAX_PAIRS_OF_WORDS = 36_000_000


@dataclass(frozen=True)
class Segment:
    """A piece of a text; the same `number` is on the two places of a moved one."""

    kind: Kind
    text: str
    number: int | None = None


@dataclass(frozen=True)
class Differences:
    """Both texts, cut into segments that together are the whole text."""

    left: list[Segment]
    right: list[Segment]


@dataclass
class _Sentence:
    """A sentence with its words, each with what became of it."""

    words: list[str]
    kinds: list[Kind]
    number: int | None = None

    def mark(self, kind: Kind, number: int | None = None) -> None:
        self.kinds = [kind] * len(self.words)
        self.number = number


@dataclass(frozen=True)
class _Part:
    """A place in two sequences where they are the same, or where they are not."""

    left: slice
    right: slice
    is_same: bool

    @property
    def length(self) -> int:
        length: int = max(side.stop - side.start for side in (self.left, self.right))
        return length


def differences(left: str, right: str) -> Differences | None:
    """Compare two texts.

    Returns:
        The segments of both, or None when the texts have too many sentences to be compared. A
        passage with too many words is compared by whole sentences.
    """
    ours, theirs = _sentences(left, "deleted"), _sentences(right, "inserted")
    if max(len(ours), len(theirs)) > MAX_SENTENCES:
        return None
    gaps = list(_gaps(ours, theirs))
    _mark_moved(ours, theirs)
    for here, there in gaps:
        _mark_same_words(_words(here), _words(there))
    return Differences(_segments(ours), _segments(theirs))


def _sentences(text: str, kind: Kind) -> list[_Sentence]:
    found = [_Sentence(words_of(sentence), []) for sentence in sentences_of(text)]
    for sentence in found:
        sentence.mark(kind)
    return found


def _key(words: Sequence[str]) -> int:
    return hash(tuple(word for word in words if not word.isspace()))


def _gaps(
    ours: list[_Sentence], theirs: list[_Sentence]
) -> Iterator[tuple[list[_Sentence], list[_Sentence]]]:
    """Mark the sentences that both have in order, and give what lies between them."""
    for part in _parts([_key(each.words) for each in ours], [_key(each.words) for each in theirs]):
        here, there = ours[part.left], theirs[part.right]
        if part.is_same:
            for sentence in (*here, *there):
                sentence.mark("same")
        else:
            yield here, there


def _parts(left: Sequence[int], right: Sequence[int]) -> list[_Part]:
    """What two sequences have in common, in order, and what is between, in turns."""
    parts: list[_Part] = []
    here = there = 0
    for block in LCSseq.editops(left, right).as_matching_blocks():
        if block.a > here or block.b > there:
            parts.append(_Part(slice(here, block.a), slice(there, block.b), is_same=False))
        here, there = block.a + block.size, block.b + block.size
        if block.size:  # the last one has none
            parts.append(_Part(slice(block.a, here), slice(block.b, there), is_same=True))
    return parts


def _mark_moved(ours: list[_Sentence], theirs: list[_Sentence]) -> None:
    """Give a number to each sentence that is elsewhere in the other text, neighbours the same."""
    places: dict[int, deque[int]] = defaultdict(deque)
    for there, sentence in enumerate(theirs):
        if "inserted" in sentence.kinds:
            places[_key(sentence.words)].append(there)
    number, last = 0, (-2, -2)
    for here, sentence in enumerate(ours):
        candidates = places[_key(sentence.words)] if "deleted" in sentence.kinds else ()
        if not candidates or _count(sentence.words) < MIN_MOVED_WORDS:
            continue
        there = candidates.popleft()
        if last != (here - 1, there - 1):
            number += 1
        last = (here, there)
        sentence.mark("moved", number)
        theirs[there].mark("moved", number)


def _count(words: Sequence[str]) -> int:
    return sum(word[0].isalnum() for word in words)


def _words(sentences: list[_Sentence]) -> list[tuple[_Sentence, int]]:
    """Where the words are that are still to be compared."""
    return [
        (sentence, position)
        for sentence in sentences
        if sentence.number is None
        for position, word in enumerate(sentence.words)
        if not word.isspace()
    ]


def _mark_same_words(
    ours: list[tuple[_Sentence, int]], theirs: list[tuple[_Sentence, int]]
) -> None:
    if len(ours) * len(theirs) > MAX_PAIRS_OF_WORDS:
        return
    parts = _parts(
        [hash(sentence.words[position]) for sentence, position in ours],
        [hash(sentence.words[position]) for sentence, position in theirs],
    )
    for index, part in enumerate(parts):
        if part.is_same and not _is_by_chance(parts, index):
            for sentence, position in (*ours[part.left], *theirs[part.right]):
                sentence.kinds[position] = "same"


def _is_by_chance(parts: Sequence[_Part], index: int) -> bool:
    """Whether a word or two that are equal only cut a longer change into pieces."""
    length = parts[index].length
    return (
        length <= MAX_BY_CHANCE
        and 0 < index < len(parts) - 1
        and parts[index - 1].length > length < parts[index + 1].length
    )


def _segments(sentences: list[_Sentence]) -> list[Segment]:
    words = [
        (word, (kind, sentence.number))
        for sentence in sentences
        for word, kind in zip(sentence.words, sentence.kinds, strict=True)
    ]
    labels = [label for _, label in words]
    for position, (word, _) in enumerate(words):
        if word.isspace():  # belongs to a change only in the middle of it
            before = labels[position - 1] if position else None
            after = words[position + 1][1] if position + 1 < len(words) else None
            labels[position] = before if before and before == after else ("same", None)
    joined = zip(labels, (word for word, _ in words), strict=True)
    return [
        Segment(kind, "".join(word for _, word in piece), number)
        for (kind, number), piece in groupby(joined, key=lambda pair: pair[0])
    ]
