"""Query parameters, read strictly: an unknown or repeated one is an error, never a guess."""

import re
from typing import Annotated

from fastapi import Depends, Request
from fastapi.routing import APIRoute
from pydantic import BaseModel, BeforeValidator, ConfigDict

from app.errors import Fault, InvalidError


class Parameters(BaseModel):
    """All query parameters of a route, as `Annotated[SomeParameters, Query()]`."""

    model_config = ConfigDict(extra="forbid", frozen=True)


async def _no_repeats(request: Request) -> None:
    names = [name for name, _ in request.query_params.multi_items()]
    repeated = sorted({name[:100] for name in names if names.count(name) > 1})
    if repeated:
        raise InvalidError(
            "A query parameter is given more than once; send each one once.",
            code="invalid",
            faults=tuple(Fault(("query", name), "is given more than once") for name in repeated),
        )


async def only_known(request: Request) -> None:
    """Refuse a query parameter that the route does not have: a typo would be a silent default.

    Raises:
        InvalidError: there is one, or one is given more than once.
    """
    await _no_repeats(request)
    unknown = sorted(set(request.query_params) - query_names(request.scope["route"]))
    if unknown:
        raise InvalidError(
            "A query parameter is not known here; the API's description lists them.",
            code="invalid",
            faults=tuple(Fault(("query", name[:100]), "is not known here") for name in unknown),
        )


def query_names(route: APIRoute) -> set[str]:
    """What a route takes in its query."""
    names = set()
    for field in route.dependant.query_params:
        kind = field.field_info.annotation
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            names |= {known.alias or name for name, known in kind.model_fields.items()}
        else:
            names.add(field.alias)
    return names


def _plain_digits(value: object) -> object:
    if isinstance(value, str) and not re.fullmatch(r"-?[0-9]{1,19}", value):
        raise ValueError("must be a whole number")
    return value


# ` 5`, `+5` and `5.0` would otherwise be taken, too.
WholeNumber = Annotated[int, BeforeValidator(_plain_digits)]
NoRepeats = Annotated[None, Depends(_no_repeats)]
