"""The form that a browser without scripts posts, turned into the same ranking as over REST."""

import re
from collections.abc import Mapping

from pydantic import ValidationError
from starlette.datastructures import FormData

from app.errors import Fault, InvalidError
from app.labeling.schemas import RankingIn

Value = int | str | bool | list[str] | None


def ranking_from_form(form: FormData) -> RankingIn:
    """This function will read `rank-ID`, `rating-ID`, `flags-ID`, `note-ID` and `cannot_judge-ID`.

    Raises:
        InvalidError: a field is missing or out of range.
    """
    ids = sorted({name.partition("-")[2] for name in form if name.startswith(("rank-", "rating-"))})
    try:
        return RankingIn.model_validate(
            {
                "lease_token": form.get("lease_token", ""),
                "note": _text(form, "note"),
                "responses": [_judged(form, response_id) for response_id in ids],
            }
        )
    except ValidationError as error:
        faults = tuple(Fault(tuple(item["loc"]), item["msg"]) for item in error.errors())
        raise InvalidError(
            "Give each response a rank and a rating from 1 to 7, or mark that it cannot be judged.",
            code="invalid",
            faults=faults,
        ) from None


def _judged(form: FormData, response_id: str) -> Mapping[str, Value]:
    cannot_judge = f"cannot_judge-{response_id}" in form
    return {
        "id": _number(response_id),
        "rank": None if cannot_judge else _number(_text(form, f"rank-{response_id}")),
        "rating": _number(_text(form, f"rating-{response_id}")),
        "flags": [str(flag) for flag in form.getlist(f"flags-{response_id}")],
        "note": _text(form, f"note-{response_id}"),
        "cannot_judge": cannot_judge,
    }


def _text(form: FormData, name: str) -> str | None:
    return str(form.get(name, "")).strip() or None


def _number(text: str | None) -> int | str | None:
    """What is no plain number of a possible length stays text, for the schema to refuse."""
    if text is not None and re.fullmatch(r"[0-9]{1,19}", text):
        return int(text)
    return text
