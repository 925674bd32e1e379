"""Cuts texts into words and sentences; nothing is lost, so that the pieces together are the text.

Scripts that are written without spaces (Chinese, Japanese, Thai, Lao, Khmer, Burmese) are cut into
characters, each with the marks on it.
"""

import re

# Vowels and accents that a character carries: they never begin a piece.
MARKS = (
    "\u0300-\u036f\u0e31\u0e33-\u0e3a\u0e47-\u0e4e\u0eb1\u0eb3-\u0ebc\u0ec8-\u0ecd\u102b-\u103e"
    "\u1056-\u1059\u17b4-\u17d3\u200d\u20d0-\u20ff\u3099\u309a\ufe00-\ufe0f"
)
UNSPACED = (
    "\u0e01-\u0eff\u1000-\u109f\u1780-\u17ff\u3041-\u30ff\u3400-\u9fff\uf900-\ufaff"
    "\U00020000-\U0003ffff"
)
PUNCTUATION = ".,;:!?()\"'、。！？，；：（）「」…"
WORD = re.compile(
    rf"\s+|[{UNSPACED}{re.escape(PUNCTUATION)}][{MARKS}]*|[^\s{UNSPACED}{re.escape(PUNCTUATION)}]+"
)
HAS_UNSPACED = re.compile(f"[{UNSPACED}]")
# A sentence ends with its mark before a space, or with its line. What follows it belongs to it.
SENTENCE = re.compile(r"[^.!?。！？\n]*(?:[.!?]+(?!\s)[^.!?。！？\n]*)*(?:[.!?。！？]+|\n|$)\s*")


def words_of(text: str) -> list[str]:
    """The words, the punctuation and the spaces of a text, in order."""
    return WORD.findall(text)


def sentences_of(text: str) -> list[str]:
    """The sentences of a text, in order, each with the spaces behind it."""
    return [sentence for sentence in SENTENCE.findall(text) if sentence]
