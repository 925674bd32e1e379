"""Which tags of prompts name a language."""

import pytest

from app.agreement.metrics.languages import is_language, languages_of
from app.agreement.metrics.slices import Slice, sliced
from tests.label_columns import Label, columns


@pytest.mark.parametrize("tag", ["en", "pt-BR", "zh-Hans", "zh-Hant-TW", "es-419", "lang:de"])
def test_codes_of_languages_do(tag):
    assert is_language(tag)


@pytest.mark.parametrize("tag", ["", "qa", "code", "EN", "en-", "english", "en-code", "e", "x en"])
def test_other_tags_do_not(tag):
    assert not is_language(tag)


def test_a_slice_has_both_the_tag_and_the_language():
    tags = [("chat", "en"), ("chat", "de"), ("code", "de"), ("chat",)]
    labels = columns([Label(i, i, 1, (1, 2), (1, 2), tags=own) for i, own in enumerate(tags, 1)])

    assert languages_of(labels.slates.tag_names) == ["de", "en"]
    assert len(sliced(labels, Slice(language="de"))) == 2
    assert sliced(labels, Slice(tag="chat", language="de")).slate.tolist() == [1]
    assert Slice.from_key(Slice(tag="chat", language="de").key).tags == ["chat", "de"]
