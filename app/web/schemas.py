"""What every request body is built from: strict, closed models and one text type.

Text refuses NUL, which Postgres cannot store, and lone surrogates, which are not Unicode.
"""

import re
from typing import Annotated

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

MAX_ID = 2**63 - 1


def _storable(value: str) -> str:
    if "\x00" in value:
        raise ValueError("must not contain NUL characters")
    try:
        value.encode()
    except UnicodeEncodeError:
        raise ValueError("must be valid Unicode (it has a lone surrogate)") from None
    return value


def _not_blank(value: str) -> str:
    if not value.strip():
        raise ValueError("must not be blank")
    return value


Text = Annotated[str, AfterValidator(_storable)]
Line = Annotated[
    str, Field(min_length=1, max_length=200), AfterValidator(_storable), AfterValidator(_not_blank)
]
Note = Annotated[str, Field(max_length=10_000), AfterValidator(_storable)]
LongText = Annotated[
    str,
    Field(min_length=1, max_length=32_000),
    AfterValidator(_storable),
    AfterValidator(_not_blank),
]
# A response may be empty: it is stored for admins and not offered.
ResponseText = Annotated[str, Field(max_length=128_000), AfterValidator(_storable)]
Slug = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,62}$")]
Id = Annotated[int, Field(ge=1, le=MAX_ID)]


class Body(BaseModel):
    """A request body: no coercion, no unknown keys, no NaN."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True, allow_inf_nan=False)


class Answer(BaseModel):
    """An answer's body."""

    model_config = ConfigDict(frozen=True)


def _plain_digits(value: object) -> object:
    if isinstance(value, str) and not re.fullmatch(r"[1-9][0-9]{0,18}", value):
        raise ValueError("must be a positive whole number")
    return value


# Ids in paths: `1_000`, `+1` and ` 1` would otherwise be taken for numbers.
PathId = Annotated[int, Field(ge=1, le=MAX_ID), BeforeValidator(_plain_digits)]
