"""The form that a browser without scripts posts, turned into the same ranking as over REST."""

import re
from collections.abc import Mapping, Sequence
from typing import Annotated, Any
from uuid import UUID

from pydantic import Field, ValidationError
from starlette.datastructures import FormData

from app.errors import Fault, InvalidError
from app.labeling.schemas import RankingIn, ReportIn, ShownTask, SkipIn
from app.web.forms import checked
from app.web.schemas import Body
from app.web.translation import gettext

Value = int | str | bool | list[str] | None


FIELDS = ("rank-", "rating-", "same_as-")
# What a response lacks, by the field that was refused.
LACKS = {
    "rank": "Response %(letter)s needs a rank, 1 is best, unless it cannot be judged.",
    "rating": "Response %(letter)s needs a rating from 1 to 7.",
    "flags": "Response %(letter)s has a flag that is not known here.",
    "not_flagged": "Response %(letter)s needs a yes or a no for each flag.",
    "note": "Response %(letter)s needs a note, because of one of its flags.",
    "same_as": "Response %(letter)s needs the rank of the response with the same text.",
}
NO_TIES = "This project takes no ties: give each response its own rank."


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
    ids = _ids_in(form)
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


def skip_from_form(form: FormData) -> SkipIn:
    """Why the task is given back: `lease_token`, `reason` and `skip-note`.

    Raises:
        InvalidError: there is no reason, or it is another one that the note does not say.
    """
    note = _text(form, "skip-note")
    typed = {"lease_token": _text(form, "lease_token"), "reason": form.get("reason"), "note": note}
    skip, errors = checked(SkipIn, typed)
    if skip is None:
        if typed["reason"] == "other" and "note" in errors:
            raise InvalidError("Say in the note what the reason is.", code="invalid")
        raise InvalidError("Choose a reason.", code="invalid")
    return skip


def report_from_form(form: FormData) -> ReportIn:
    """What is wrong with the task: `kind`, `report-response` and `report-note`.

    Raises:
        InvalidError: it is not said what.
    """
    typed = {
        "kind": form.get("kind"),
        "response": _number(_text(form, "report-response")),
        "note": _text(form, "report-note"),
    }
    report, _ = checked(ReportIn, typed)
    if report is None:
        raise InvalidError("Choose what is wrong.", code="invalid")
    return report


def typed_values(form: FormData) -> dict[str, list[str]]:
    """Everything that was typed, by name of the field, to be shown again."""
    return {
        name: [value for value in form.getlist(name) if isinstance(value, str)] for name in form
    }


def submitted_values(judgments: Mapping[str, Any]) -> dict[str, list[str]]:
    """A submitted ranking as it would have been typed, to be corrected."""
    values: dict[str, list[str]] = {
        "note": [judgments["note"] or ""],
        "flags": judgments["flags"],
        "cannot_rank": [judgments["cannot_rank"] or ""],
    }
    for response_id, item in judgments["items"].items():
        for name in ("rank", "rating", "note", "cannot_judge"):
            values[f"{name}-{response_id}"] = [] if item[name] is None else [str(item[name])]
        values[f"flags-{response_id}"] = item["flags"]
        values |= {f"answer-{response_id}-{flag}": ["yes"] for flag in item["flags"]}
    return values


def complaints(error: InvalidError, form: FormData, task: ShownTask) -> Sequence[str]:
    """What has to be changed about a refused form, in words, by the letters of the responses."""
    letters = {str(response.id): response.letter for response in task.responses}
    ids = _ids_in(form)
    found: dict[str, None] = {}
    for fault in error.faults:
        match [part for part in fault.loc if part != "ranking"]:
            case ["responses", int(position), str(field), *_] if field in LACKS:
                found[gettext(LACKS[field], letter=letters.get(ids[position], "?"))] = None
            case ["responses"]:
                found[gettext(NO_TIES)] = None
            case _:
                found[fault.msg.capitalize() + "."] = None
    return list(found) or [gettext(error.detail)]


def _ids_in(form: FormData) -> list[str]:
    return sorted({name.partition("-")[2] for name in form if name.startswith(FIELDS)})


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
