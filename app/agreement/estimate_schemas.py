"""The shape of a number with its uncertainty, in all calls that answer with one."""

from typing import Annotated

from pydantic import Field

from app.agreement.metrics.estimates import Estimate, Method, Status
from app.web.schemas import Answer


class EstimateOut(Answer):
    """A number with its uncertainty, and how `ci95` was computed."""

    value: float | None
    se: float | None
    ci95: tuple[float, float] | None
    units: int
    prompts: int
    status: Status
    reason: str | None
    interval: Annotated[
        Method | None,
        Field(
            description="t: of the clustered error; bootstrap: percentiles; wilson: of independent "
            "cases, as where all prompts say the same and `se` is null"
        ),
    ]


def estimate_out(estimate: Estimate) -> EstimateOut:
    """A number as JSON."""
    return EstimateOut(**vars(estimate))
