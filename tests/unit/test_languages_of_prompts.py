"""Which tags of prompts name a language: those that say so, and no other."""

import pytest

from app.agreement.metrics.languages import is_language, languages_of
from app.agreement.metrics.slices import Slice, sliced
from tests.label_columns import Label, columns


@pytest.mark.parametrize("tag", ["lang:de", "lang:pt-BR", "lang:zh-Hant-TW", "lang:haw"])
def test_a_tag_that_says_so_names_a_language(tag):
    assert is_language(tag)


# Machine learning, information technology, computer science, human resources: codes as well.
@pytest.mark.parametrize("tag", ["ml", "it", "cs", "hr", "no", "en", "pt-BR"])
def test_a_code_alone_is_a_tag_like_any_other(tag):
    assert not is_language(tag)


@pytest.mark.parametrize("tag", ["", "lang", "lang:", "lang: ", "Lang:de", "slang:de", "language"])
def test_what_names_nothing_is_no_language(tag):
    assert not is_language(tag)


def test_a_slice_has_both_the_tag_and_the_language():
    tags = [("chat", "lang:en"), ("chat", "lang:de"), ("it", "lang:de"), ("chat", "it")]
    labels = columns([Label(i, i, 1, (1, 2), (1, 2), tags=own) for i, own in enumerate(tags, 1)])

    assert languages_of(labels.slates.tag_names) == ["de", "en"]
    assert len(sliced(labels, Slice(language="de"))) == 2
    assert sliced(labels, Slice(language="it")).slate.tolist() == []
    assert sliced(labels, Slice(tag="it")).slate.tolist() == [2, 3]
    assert sliced(labels, Slice(tag="chat", language="de")).slate.tolist() == [1]
    assert Slice.from_key(Slice(tag="chat", language="de").key).tags == ["chat", "lang:de"]
