"""The form that a browser without scripts posts, turned into the same ranking as over REST."""

import re
from collections.abc import Mapping
from typing import Annotated
from uuid import UUID

from pydantic import Field, ValidationError
from starlette.datastructures import FormData

from app.errors import Fault, InvalidError
from app.labeling.schemas import RankingIn
from app.web.schemas import Body

Value = int | str | bool | list[str] | None


FIELDS = ("rank-", "rating-", "same_as-")


class PlainForm(Body):
    """A posted ranking under its idempotency key."""

    request_key: Annotated[UUID, Field(strict=False)]
    ranking: RankingIn


def ranking_from_form(form: FormData) -> PlainForm:
    """What was filled in.

    Read are `request_key`, `lease_token`, `revises`, `note`, `flags`, `cannot_rank`, and for each
    response `rank-ID`, `rating-ID`, `flags-ID`, `answer-ID-KEY`, `note-ID`, `cannot_judge-ID`.

    Raises:
        InvalidError: a field is missing or out of range.
    """
    ids = sorted({name.partition("-")[2] for name in form if name.startswith(FIELDS)})
    lease_token = _text(form, "lease_token")
    ranking = {
        "lease_token": lease_token,
        "note": _text(form, "note"),
        "flags": [str(flag) for flag in form.getlist("flags")],
        "cannot_rank": _text(form, "cannot_rank"),
        "revises": _number(_text(form, "revises")),
        "rank_origin": "form",
        "responses": [_judged(form, response_id) for response_id in ids],
    }
    request_key = _text(form, "request_key") or lease_token
    try:
        return PlainForm.model_validate({"request_key": request_key, "ranking": ranking})
    except ValidationError as error:
        faults = tuple(Fault(tuple(item["loc"]), item["msg"]) for item in error.errors())
        raise InvalidError(
            "Give each response a rank and a rating from 1 to 7, or mark that it cannot be judged.",
            code="invalid",
            faults=faults,
        ) from None


def _judged(form: FormData, response_id: str) -> Mapping[str, Value]:
    same_as = _text(form, f"same_as-{response_id}")
    if same_as is not None:  # one card stands for both
        return {**_judged(form, same_as), "id": _number(response_id), "same_as": _number(same_as)}
    cannot_judge = _text(form, f"cannot_judge-{response_id}")
    return {
        "id": _number(response_id),
        "rank": None if cannot_judge else _number(_text(form, f"rank-{response_id}")),
        "rating": _number(_text(form, f"rating-{response_id}")),
        "flags": [
            *(str(flag) for flag in form.getlist(f"flags-{response_id}")),
            *_answered(form, response_id, "yes"),
        ],
        "not_flagged": _answered(form, response_id, "no"),
        "note": _text(form, f"note-{response_id}"),
        "cannot_judge": True if cannot_judge == "on" else cannot_judge or False,
    }


def _answered(form: FormData, response_id: str, answer: str) -> list[str]:
    """The flags with this answer, where each needs yes or no."""
    prefix = f"answer-{response_id}-"
    return [
        name.removeprefix(prefix)
        for name in form
        if name.startswith(prefix) and form[name] == answer
    ]


def _text(form: FormData, name: str) -> str | None:
    return str(form.get(name, "")).strip() or None


def _number(text: str | None) -> int | str | None:
    """What is no plain number of a possible length stays text, for the schema to refuse."""
    if text is not None and re.fullmatch(r"[0-9]{1,19}", text):
        return int(text)
    return text
