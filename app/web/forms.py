"""Forms, checked by the same models as the API's bodies; what is wrong stands at its field."""

from collections.abc import Mapping
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from app.web.formats import number
from app.web.translation import gettext

# What people are told instead of pydantic's own words, by the kind of fault.
FRIENDLY = {
    "date_from_datetime_parsing": "must be a day, as 2026-05-31",
    "datetime_from_date_parsing": "must be a day, as 2026-05-31",
    "finite_number": "must be a number",
    "float_type": "must be a number",
    "greater_than": "must be more than %(gt)s",
    "greater_than_equal": "must be at least %(ge)s",
    "int_type": "must be a whole number",
    "less_than": "must be less than %(lt)s",
    "less_than_equal": "must be at most %(le)s",
    "literal_error": "choose one of those offered",
    "missing": "fill this in",
    "string_pattern_mismatch": "use lower-case letters, digits and hyphens",
    "string_too_long": "hold at most %(max_length)s characters",
    "string_too_short": "fill this in",
    "string_type": "fill this in",
    "too_long": "choose at most %(max_length)s",
    "too_short": "choose at least %(min_length)s",
}
Model = TypeVar("Model", bound=BaseModel)
Number = TypeVar("Number", int, float)


def checked(model: type[Model], given: Mapping[str, object]) -> tuple[Model | None, dict[str, str]]:
    """The model, or None and what is wrong with which field, in the language of the request."""
    try:
        return model.model_validate(given), {}
    except ValidationError as error:
        faults = error.errors(include_input=False, include_url=False)
        return None, {
            str(fault["loc"][0]): _said(fault["type"], fault["msg"], fault.get("ctx", {}))
            for fault in reversed(faults)
        }


def _said(kind: str, message: str, limits: Mapping[str, Any]) -> str:
    known = FRIENDLY.get(kind)
    if known is None:
        return gettext(message.removeprefix("Value error, "))
    if "%(" not in known:
        return gettext(known)
    numbers = {name: limit for name, limit in limits.items() if isinstance(limit, int | float)}
    return gettext(known, **{name: number(limit) for name, limit in numbers.items()})


def number_or_text(kind: type[Number], typed: str) -> Number | str:
    """What was typed as a number, or as it stands for the model to refuse."""
    try:
        return kind(typed)
    except ValueError:
        return typed


def unix_lines(text: str) -> str:
    """The text with the line breaks that everything else has; browsers send CRLF."""
    return text.replace("\r\n", "\n")
