"""What the texts of the pages are in the language of whoever reads them.

Texts stand in English where they are used; `locales` holds a catalogue for each other language. A
text that a catalogue lacks stays English. Nothing is compiled ahead: a catalogue is read once.
`language` of this folder says which language a request gets.
"""

from contextvars import ContextVar, Token
from functools import cache
from gettext import GNUTranslations, NullTranslations
from io import BytesIO
from pathlib import Path
from typing import Any, Final, cast

from babel import Locale
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from babel.numbers import format_decimal
from markupsafe import escape

LOCALES = Path(__file__).resolve().parent / "locales"
ENGLISH: Final = "en"
LANGUAGES: Final = (ENGLISH, "de")

_language: ContextVar[str] = ContextVar("language", default=ENGLISH)


def language() -> str:
    """The language of the request that is being answered, as in `<html lang>`."""
    return _language.get()


def direction() -> str:
    """The direction of its script, as in `<html dir>`."""
    return Locale.parse(language()).text_direction


def speak(chosen: str) -> Token[str]:
    """Use this language from now on in this context."""
    return _language.set(chosen)


def speak_as_before(token: Token[str]) -> None:
    """Undo what `speak` did."""
    _language.reset(token)


def gettext(text: str, /, **values: object) -> str:
    """The text in the request's language, with the values in it; HTML among them stays HTML."""
    # A catalogue keeps facts about itself under the empty text.
    return _filled(_catalogue(language()).gettext(text) if text else "", values)


def pgettext(context: str, text: str, /) -> str:
    """A text whose translation depends on where it stands."""
    return _catalogue(language()).pgettext(context, text)


def ngettext(singular: str, plural: str, count: int, /, **values: object) -> str:
    """The text for so many, which are its value `count`."""
    found = _catalogue(language()).ngettext(singular, plural, count)
    return _filled(found, {"count": format_decimal(count, locale=language()), **values})


def _filled(text: str, values: dict[str, Any]) -> str:
    if not values:
        return text
    if any(hasattr(value, "__html__") for value in values.values()):
        return cast("str", escape(text) % values)
    return text % values


@cache
def _catalogue(chosen: str) -> NullTranslations:
    if chosen == ENGLISH:
        return NullTranslations()
    with (LOCALES / chosen / "LC_MESSAGES" / "podium.po").open("rb") as file:
        catalogue = read_po(file, locale=chosen)
    compiled = BytesIO()
    write_mo(compiled, catalogue)
    compiled.seek(0)
    return GNUTranslations(compiled)
