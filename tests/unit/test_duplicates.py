"""Which responses are the same, and which are nearly."""

import difflib
import random
import time
import unicodedata
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.labeling.duplicates import (
    identical_groups,
    same_as_earlier,
    similar_to,
)

SENTENCE = (
    "The quick brown fox jumps over the lazy dog and then sleeps under a big old oak tree now."
)


def test_white_space_and_composed_characters_make_no_difference():
    texts = ["Café  au\tlait\n", "cafe", " Cafe\u0301 au lait", "Café au\u00a0lait"]

    assert same_as_earlier(texts) == [None, None, 0, 0]
    assert identical_groups(texts) == [[0, 2, 3]]


@pytest.mark.parametrize(
    ("one", "other"), [("10²", "102"), ("a b", "ab"), ("No", "no"), ("a", "а")]
)
def test_what_reads_differently_is_not_the_same(one, other):
    assert same_as_earlier([one, other]) == [None, None]
    assert identical_groups([one, other]) == []


def test_a_word_more_or_less_is_similar_and_another_text_is_not():
    texts = [SENTENCE, SENTENCE.replace("lazy ", ""), "Something else entirely.", f" {SENTENCE}"]

    assert similar_to(texts) == [[1], [0, 3], [], [1]]


def test_scripts_without_spaces_are_compared_by_character():
    text = "今天天气很好我们一起去公园散步然后回家吃晚饭吧"

    assert similar_to([text, text.replace("很", "不"), "我喜欢吃苹果和香蕉"]) == [[1], [0], []]


def test_the_limit_is_the_ratio_of_common_words():
    base = [f"w{number}" for number in range(100)]
    near = base[:85] + [f"x{number}" for number in range(15)]
    far = base[:84] + [f"x{number}" for number in range(16)]

    assert similar_to([" ".join(base), " ".join(near), " ".join(far)])[0] == [1]


def test_empty_texts_are_the_same_and_similar_to_none():
    assert similar_to(["", " ", "a"]) == [[], [], []]
    assert same_as_earlier(["", " ", "a"]) == [None, 0, None]


WORDS = st.lists(st.sampled_from("abcde"), max_size=12).map(" ".join)


@given(st.lists(WORDS, max_size=6))
def test_what_is_said_of_two_texts_is_said_of_both(texts):
    same, similar = same_as_earlier(texts), similar_to(texts)

    grouped = {position for group in identical_groups(texts) for position in group}
    assert grouped == {
        position for position, earlier in enumerate(same) if earlier is not None or position in same
    }
    for one, other in product(range(len(texts)), repeat=2):
        assert (one in similar[other]) == (other in similar[one])
        is_same = texts[one] == texts[other]
        assert not (is_same and one in similar[other])
        # difflib's ratio is never above the best one.
        ratio = difflib.SequenceMatcher(None, texts[one].split(), texts[other].split()).ratio()
        if ratio >= 0.85 and not is_same:
            assert one in similar[other]


@given(st.text(), st.sampled_from(["NFC", "NFD"]))
def test_a_text_is_the_same_as_itself_in_any_form(text, form):
    assert same_as_earlier([text, f" {unicodedata.normalize(form, text)}\n"]) == [None, 0]


def test_nine_long_texts_take_little_time():
    rng = random.Random(1)
    vocabulary = [f"word{number}" for number in range(2000)]
    base = rng.choices(vocabulary, k=400)
    texts = [" ".join(rng.choice(vocabulary) if rng.random() < 0.1 else word for word in base)
             for _ in range(9)]  # fmt: skip
    similar_to(texts)

    begin = time.process_time()
    for _ in range(10):
        same_as_earlier(texts)
        similar_to(texts)

    assert (time.process_time() - begin) / 10 < 0.02


@pytest.mark.parametrize("text", ["a" * 128_000, "a " * 64_000, ". " * 64_000, "\n" * 128_000])
def test_hostile_texts_take_little_time(text):
    begin = time.process_time()
    same_as_earlier([f"{text}{number}" for number in range(9)])
    similar_to([f"{text}{number}" for number in range(9)])
    similar_to([f"{text[:39_900]} {number}" for number in range(9)])

    assert time.process_time() - begin < 1
