"""What is sent to the pages and calls on one slate."""

import re
from typing import Annotated

from pydantic import AfterValidator, Field

from app.labeling.slate_commands import Decision
from app.web.query_params import Parameters
from app.web.schemas import Body, Id, Line, LongText, Note


def _two_letters(value: str) -> str:
    if not re.fullmatch(r"([a-i])-(?!\1)[a-i]", value):
        raise ValueError("must be two letters, as a-c")
    return value


class SlateParameters(Parameters):
    """Which two responses are put beside each other."""

    pair: Annotated[str, AfterValidator(_two_letters)] | None = Field(
        None, description="two letters, as a-c; none: the two that divide most labelers"
    )

    @property
    def letters(self) -> tuple[str, str] | None:
        """The two, in the order of their letters."""
        if self.pair is None:
            return None
        first, second = sorted(self.pair.upper().split("-"))
        return first, second


class KnownAnswerIn(Body):
    """The known answer of a slate in letters, as `B > A=C`, and why it is that."""

    order: Line
    explanation: Annotated[LongText, Field(max_length=2000)]


class DecisionIn(Body):
    """What an admin decides about a slate, and why, if they say so."""

    decision: Decision
    why: Annotated[Note, Field(max_length=2000)]


class ExclusionIn(Body):
    """What to leave out of everything, and why."""

    ranking: Id | None = Field(None, description="one ranking; none: the whole slate")
    reason: Annotated[LongText, Field(max_length=2000)]
