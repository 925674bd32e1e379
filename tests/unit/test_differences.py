"""What differs between two texts: nothing is lost, and no text takes long."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.labeling.differences import differences
from app.labeling.words import sentences_of, words_of
from tests.cpu_time import cpu_time

TEA = "First I boil the water. Then I add the tea. Finally I drink it."


def marked(segments):
    return "".join(
        segment.text
        if segment.kind == "same"
        else f"[{segment.kind} {segment.number or ''}:{segment.text}]"
        for segment in segments
    )


def compared(left, right):
    found = differences(left, right)
    assert found is not None
    return marked(found.left), marked(found.right)


CASES = [
    (TEA, TEA, TEA, TEA),
    ("", "", "", ""),
    ("", "a b", "", "[inserted :a b]"),
    ("a b", "", "[deleted :a b]", ""),
    ("a cat sat.", "a dog sat.", "a [deleted :cat] sat.", "a [inserted :dog] sat."),
    ("It is.", "It really is.", "It is.", "It [inserted :really] is."),
    ("a  b\n\nc", "a b c", "a  b\n\nc", "a b c"),
    (
        TEA,
        "Finally I drink it. First I boil the water. Then I add some tea.",
        "First I boil the water. Then I add [deleted :the] tea. [moved 1:Finally I drink it.]",
        "[moved 1:Finally I drink it.] First I boil the water. Then I add [inserted :some] tea.",
    ),
    (
        "One two three. Four five six. Seven eight nine. Ten one two.",
        "Seven eight nine. Ten one two. One two three. Four five six.",
        "One two three. Four five six. [moved 1:Seven eight nine. Ten one two.]",
        "[moved 1:Seven eight nine. Ten one two.] One two three. Four five six.",
    ),
    ("No. We go home.", "We go home. No.", "No. [moved 1:We go home.]",
     "[moved 1:We go home.] No."),
    ("We go. Go! We walk.", "Go! We go. We walk.", "We go. [deleted :Go!] We walk.",
     "[inserted :Go!] We go. We walk."),
    ("我们去公园。今天天气很好。", "我们去公园。今天天气不好。",
     "我们去公园。今天天气[deleted :很]好。", "我们去公园。今天天气[inserted :不]好。"),
    (
        "the quick brown fox of a forest lived here",
        "some slow green turtle of the river was around",
        "[deleted :the quick brown fox of a forest lived here]",
        "[inserted :some slow green turtle of the river was around]",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("left", "right", "left_marked", "right_marked"), CASES)
def test_what_was_deleted_inserted_and_moved_is_marked(left, right, left_marked, right_marked):
    assert compared(left, right) == (left_marked, right_marked)


PIECES = st.sampled_from(
    ["a", "b", "c", "the", "fox", " ", " ", "  ", ".", ". ", "! ", "\n", "\n\n", "你", "好", "。",
     "เ", "ที่", "e\u0301", "\u0301", "\u200d", "👩", "हि", "- ", "3.5", "a b c d. ", "x y z. "]
)  # fmt: skip
TEXTS = st.lists(PIECES, max_size=40).map("".join) | st.text(max_size=40)


@given(TEXTS, TEXTS)
def test_the_segments_together_are_the_texts(left, right):
    found = differences(left, right)

    assert "".join(segment.text for segment in found.left) == left
    assert "".join(segment.text for segment in found.right) == right
    assert {segment.kind for segment in found.left} <= {"same", "deleted", "moved"}
    assert {segment.kind for segment in found.right} <= {"same", "inserted", "moved"}
    assert all(segment.text for segment in (*found.left, *found.right))


@given(TEXTS, TEXTS)
def test_both_sides_say_the_same_about_the_same(left, right):
    found = differences(left, right)

    def words(segments, kind):
        return [
            (segment.number, word)
            for segment in segments
            if segment.kind == kind
            for word in words_of(segment.text)
            if not word.isspace()
        ]

    assert words(found.left, "same") == words(found.right, "same")
    assert sorted(words(found.left, "moved")) == sorted(words(found.right, "moved"))


@given(TEXTS)
def test_a_text_does_not_differ_from_itself(text):
    found = differences(text, text)

    assert {segment.kind for segment in found.left + found.right} <= {"same"}


@given(TEXTS)
def test_words_and_sentences_together_are_the_text(text):
    assert "".join(words_of(text)) == text
    assert "".join(sentences_of(text)) == text


@pytest.mark.parametrize(
    ("left", "right"),
    [
        ("a" * 1_000_000, "a" * 999_999 + "b"),
        ("\n" * 200_000, "\n" * 199_999 + "a"),
        ("a " * 64_000, "a " * 63_000 + "b"),
        (" ".join(map(str, range(20_000))), " ".join(map(str, range(20_000, 0, -1)))),
        ("." * 128_000, "!" * 128_000),
        ("你" * 128_000, "好" * 128_000),
        ("a. " * 42_000, "b. " * 42_000),
        ("a b c. " * 3900, "c b a. " * 3900),
        (
            "".join(f"{number} b c. " for number in range(3900)),
            "".join(f"{number} b c. " for number in range(3900, 0, -1)),
        ),
        (".a" * 64_000, "a." * 64_000),
        ("e" + "\u0301" * 100_000, "\u0301" * 100_000),
    ],
)  # fmt: skip
def test_no_texts_take_long(left, right):
    with cpu_time() as taken:
        found = differences(left, right)

    assert taken.seconds < 3
    assert found is None or "".join(segment.text for segment in found.left) == left


def test_texts_of_too_many_sentences_are_not_compared():
    assert differences("a. " * 5000, "b.") is None


def test_a_passage_of_too_many_words_is_compared_by_sentences():
    start = "Here is how it begins. "
    found = differences(start + "a " * 7000, start + "b " * 7000)

    assert [segment.kind for segment in found.left] == ["same", "deleted", "same"]
