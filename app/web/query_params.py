"""Query parameters, read strictly: an unknown or repeated one is an error, never a guess."""

from typing import Annotated

from fastapi import Depends, Request
from pydantic import BaseModel, ConfigDict

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


NoRepeats = Annotated[None, Depends(_no_repeats)]
