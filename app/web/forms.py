"""Forms, checked by the same models as the API's bodies; what is wrong stands at its field."""

from collections.abc import Mapping
from typing import TypeVar

from pydantic import BaseModel, ValidationError

FRIENDLY = {
    "string_pattern_mismatch": "use lower-case letters, digits and hyphens",
    "string_too_short": "fill this in",
    "int_type": "must be a whole number",
    "float_type": "must be a number",
}
Model = TypeVar("Model", bound=BaseModel)
Number = TypeVar("Number", int, float)


def checked(model: type[Model], given: Mapping[str, object]) -> tuple[Model | None, dict[str, str]]:
    """The model, or None and what is wrong with which field."""
    try:
        return model.model_validate(given), {}
    except ValidationError as error:
        faults = error.errors(include_input=False, include_url=False)
        return None, {
            str(fault["loc"][0]): FRIENDLY.get(
                fault["type"], fault["msg"].removeprefix("Value error, ")
            )
            for fault in reversed(faults)
        }


def number_or_text(kind: type[Number], typed: str) -> Number | str:
    """What was typed as a number, or as it stands for the model to refuse."""
    try:
        return kind(typed)
    except ValueError:
        return typed


def unix_lines(text: str) -> str:
    """The text with the line breaks that everything else has; browsers send CRLF."""
    return text.replace("\r\n", "\n")
