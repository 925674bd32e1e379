"""Shapes of the calls on what is said about slates."""

from datetime import datetime
from typing import Annotated

from pydantic import Field

from app.agreement.remarks import ObjectionPage
from app.web.schemas import Answer, Body, LongText


class RemarkIn(Body):
    """What a labeler or an admin says about a slate."""

    text: Annotated[LongText, Field(max_length=2000)]


class RemarkOut(Answer):
    """A remark as a labeler reads it: their own, or an admin's."""

    text: str
    created_at: datetime
    is_own: bool


class RemarkStored(Answer):
    """An admin's remark on a slate, as it is stored."""

    id: int
    text: str


class ObjectionOut(Answer):
    """A labeler's remark on their own ranking, with what admins have said on the slate."""

    id: int
    labeler: Annotated[str, Field(description="pseudonym")]
    text: str
    created_at: datetime
    round: int
    slate: int
    messages: list[dict[str, str]]
    answers: list[str]


class ObjectionsOut(Answer):
    """Labelers' remarks, newest first; `next` is what `before` must be for the following page."""

    remarks: list[ObjectionOut]
    next: int | None


def objections_out(found: ObjectionPage) -> ObjectionsOut:
    """The answer of the call on labelers' remarks."""
    return ObjectionsOut(
        remarks=[
            ObjectionOut(
                id=one.id,
                labeler=one.labeler,
                text=one.text,
                created_at=one.created_at,
                round=one.round,
                slate=one.slate_id,
                messages=one.messages,
                answers=one.answers,
            )
            for one in found.objections
        ],
        next=found.next_before,
    )
