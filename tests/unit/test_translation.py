"""Catalogues are complete, hold nothing else, and keep the values of each text."""

import json
import re
from datetime import UTC, datetime, timedelta

import pytest

from app.web import formats
from app.web.language import accepted
from app.web.static import STATIC
from app.web.translation import (
    ENGLISH,
    LANGUAGES,
    direction,
    gettext,
    ngettext,
    speak,
    speak_as_before,
)
from tests.catalogue import Text, script_texts, texts_of, used_texts

OTHERS = [language for language in LANGUAGES if language != ENGLISH]
VALUE = re.compile(r"%\((\w+)\)s|\{(\w+)\}")


@pytest.fixture
def german():
    before = speak("de")
    yield
    speak_as_before(before)


def _script_catalogue(language: str) -> dict[str, str | dict[str, str]]:
    """The catalogue of the scripts, which is an object with quoted keys but for one, other."""
    source = (STATIC / f"js/locales/{language}.js").read_text()
    body = source[source.index("{") :].rstrip().removesuffix(";")
    quoted = re.sub(r"^(\s+)(one|few|many|other):", r'\1"\2":', body, flags=re.MULTILINE)
    return json.loads(re.sub(r",(\s*})", r"\1", quoted))


def _values(text: str) -> set[str]:
    return {one or other for one, other in VALUE.findall(text)}


@pytest.mark.parametrize("language", OTHERS)
def test_the_catalogue_of_the_pages_has_every_text_and_no_other(language):
    known = {
        Text(message.id, message.context)
        for message in texts_of(language)
        if message.id and all(message.string if message.pluralizable else [message.string])
    }
    used = used_texts()

    assert sorted(map(str, used - known)) == []
    assert sorted(map(str, known - used)) == []


@pytest.mark.parametrize("language", OTHERS)
def test_the_catalogue_of_the_scripts_has_every_text_and_no_other(language):
    assert sorted(_script_catalogue(language)) == sorted(script_texts())


@pytest.mark.parametrize("language", OTHERS)
def test_translations_name_the_values_of_their_texts(language):
    wrong = []
    for message in texts_of(language):
        ids = [message.id] if isinstance(message.id, str) else message.id
        given = [message.string] if isinstance(message.string, str) else message.string
        wrong += [text for text in given if message.id and _values(text) != _values(ids[-1])]
    for text, translated in _script_catalogue(language).items():
        forms = [translated] if isinstance(translated, str) else list(translated.values())
        wrong += [form for form in forms if not _values(form) <= _values(text)]

    assert wrong == []


@pytest.mark.parametrize("language", OTHERS)
def test_a_percent_sign_stands_double_where_values_are_filled_in(language):
    catalogue = texts_of(language)
    texts = [str(one) for message in catalogue for one in (message.id, message.string) if one]
    filled = [text for text in texts if "%(" in text]

    assert [text for text in filled if re.search(r"%(?![%(])", text.replace("%%", ""))] == []


@pytest.mark.parametrize(
    ("header", "language"),
    [
        ("", "en"),
        ("de", "de"),
        ("de-AT,en;q=0.5", "de"),
        ("en-GB,de;q=0.9", "en"),
        ("fr,de;q=0.8,en;q=0.3", "de"),
        ("fr, es", "en"),
        ("de;q=0, en", "en"),
        ("DE", "de"),
        ("*", "en"),
        ("deutsch", "en"),
        (", ;q=x,,de;q=9" + "x" * 10_000, "en"),
    ],
)
def test_the_language_that_the_browser_likes_best(header, language):
    assert accepted(header) == language


@pytest.mark.usefixtures("german")
def test_texts_are_german_with_their_values():
    assert gettext("Sign in") == "Anmelden"
    assert gettext("Task %(number)s", number=3) == "Aufgabe 3"
    assert ngettext("%(count)s task done", "%(count)s tasks done", 1) == "1 Aufgabe erledigt"
    assert (
        ngettext("%(count)s task done", "%(count)s tasks done", 1200) == "1.200 Aufgaben erledigt"
    )
    assert gettext("of no catalogue") == "of no catalogue"
    assert gettext("") == ""
    assert direction() == "ltr"


@pytest.mark.usefixtures("german")
def test_numbers_are_german():
    assert formats.percent(0.7261) == "72,6\u00a0%"
    assert formats.number(12_345.678) == "12.345,7"
    assert formats.number(0.25) == "0,250"
    assert formats.fixed(-0.5, 2) == "-0,50"
    assert [formats.plain(one) for one in (0.0015, 1e-06, 2048.0)] == ["0,0015", "1e-6", "2048"]
    assert (formats.fixed(-0.4, 0), formats.percent(-0.0001)) == ("0", "0,0\u00a0%")
    soon = datetime.now(UTC) + timedelta(days=2)
    assert formats.day(soon) == ["Mo.", "Di.", "Mi.", "Do.", "Fr.", "Sa.", "So."][soon.weekday()]
    assert formats.day(datetime(2999, 3, 1, tzinfo=UTC)) == "01.03.2999"


def test_without_a_language_it_is_english():
    assert gettext("Sign in") == "Sign in"
    assert formats.percent(0.7261) == "72.6%"
    assert formats.number(12_345.678) == "12,345.7"
