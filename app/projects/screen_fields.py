"""The form of the screen settings: its groups, words, ranges and choices, and how it is read."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal

from app.projects.screen import ScreenSettings
from app.projects.screen_words import CHOICES, EMPTY, GROUPS, WORDS
from app.web.formats import plain
from app.web.forms import number_or_text
from app.web.translation import gettext

Kind = Literal["choice", "check", "whole", "share", "text"]


@dataclass(frozen=True)
class ScreenField:
    """One field of the form.

    Attributes:
        name: of the setting.
        label: for people.
        help: what it does, in a sentence.
        kind: of control.
        value: what stands in it, as text; "on" is a tick.
        default: what stands there when nobody changed it, in words.
        choices: value and text of each, when it is a list.
        limits: attributes of a number's control.
        is_required: empty is not allowed.
    """

    name: str
    label: str
    help: str
    kind: Kind
    value: str
    default: str
    choices: tuple[tuple[str, str], ...]
    limits: dict[str, float | str]
    is_required: bool


@dataclass(frozen=True)
class ScreenGroup:
    """Fields that belong together, with a sentence about all of them or None."""

    title: str
    text: str | None
    fields: list[ScreenField]


def groups_of(typed: Mapping[str, str]) -> list[ScreenGroup]:
    """The form with what was typed."""
    return [
        ScreenGroup(
            gettext(title), words and gettext(words), [_field(name, typed[name]) for name in names]
        )
        for title, words, names in GROUPS
    ]


def as_typed(settings: ScreenSettings) -> dict[str, str]:
    """Settings as the form would send them."""
    return {name: _as_text(value) for name, value in settings.model_dump().items()}


def read_typed(form: Mapping[str, str]) -> dict[str, str]:
    """What a browser sent, by setting: what it left out was not ticked or is empty."""
    return {name: form.get(name, "").replace("\r\n", "\n") for name in ScreenSettings.model_fields}


def parsed(typed: Mapping[str, str]) -> dict[str, object]:
    """What was typed with the types of the settings, or as it stands for the model to refuse."""
    return {name: _parsed(name, text.strip()) for name, text in typed.items()}


@cache
def _kind(name: str) -> Kind:
    schema = _schema(name)
    if "enum" in schema:
        return "choice"
    kinds: dict[str, Kind] = {"boolean": "check", "integer": "whole", "number": "share"}
    return kinds.get(schema["type"], "text")


@cache
def _schema(name: str) -> dict[str, Any]:
    schema: dict[str, Any] = ScreenSettings.model_json_schema()["properties"][name]
    return next((part for part in schema.get("anyOf", ()) if part["type"] != "null"), schema)


def _parsed(name: str, text: str) -> object:
    kind = _kind(name)
    if kind == "check":
        return text == "on"
    if not text and name in EMPTY:
        return None
    if kind == "whole":
        return number_or_text(int, text)
    return number_or_text(float, text) if kind == "share" else text


def _as_text(value: object) -> str:
    if value is None or value is False:
        return ""
    return "on" if value is True else str(value)


def _field(name: str, value: str) -> ScreenField:
    label, words = WORDS[name]
    schema, kind = _schema(name), _kind(name)
    limits: dict[str, float | str] = {}
    if kind in ("whole", "share"):
        limits = {"min": schema["minimum"], "max": schema["maximum"]}
        limits["step"] = "any" if kind == "share" else 1
    return ScreenField(
        name=name,
        label=gettext(label),
        help=gettext(words),
        kind=kind,
        value=value,
        default=_default(name),
        choices=tuple((value, gettext(text)) for value, text in CHOICES[name].items())
        if kind == "choice"
        else (),
        limits=limits,
        is_required=name not in EMPTY and kind != "text",
    )


def _default(name: str) -> str:
    default = ScreenSettings.model_fields[name].default
    if isinstance(default, bool):
        return gettext("yes") if default else gettext("no")
    if default is None or default == "":
        return gettext(EMPTY[name]) if name in EMPTY else gettext("empty")
    return gettext(CHOICES[name][default]) if name in CHOICES else plain(default)
