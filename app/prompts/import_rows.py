"""From an import file's lines to rows or rejections. Pure: no database, no HTTP.

A line that breaks a rule is rejected alone, with its number and the reason, never with its content.
"""

import hashlib
import json
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Literal, Self, TypeVar

from pydantic import BaseModel, BeforeValidator, Field, ValidationError, model_validator

from app.errors import DomainError, InvalidError
from app.prompts.import_file import TAKEN, lines_of
from app.prompts.split import Split, stable_split
from app.web.json_body import parse_json
from app.web.schemas import Body, Line, LongText

MAX_REJECTED = 1_000
MAX_TURNS = 999
MAX_CONVERSATION = 128_000
MAX_TAGS = 20
FRIENDLY = {
    "extra_forbidden": "an unknown field; take it out",
    "missing": "is missing",
    "string_unicode": "must be valid Unicode (it has a lone surrogate)",
    "string_too_short": "must not be empty",
    "string_too_long": "must not be longer than {max_length} characters",
    "string_type": "must be a text",
}


@dataclass(frozen=True)
class Rejection:
    """A line that was not taken, and why."""

    line: int
    error: str


@dataclass(frozen=True)
class PromptRow:
    """A prompt that can be stored; `split` is None when its group decides."""

    line: int
    external_id: str | None
    messages: list[dict[str, str]]
    content_hash: str
    group: str
    split: Split | None
    tags: list[str]


@dataclass(frozen=True)
class DemonstrationRow:
    """A demonstration that can be stored."""

    line: int
    messages: list[dict[str, str]]
    response: str
    content_hash: str
    group: str
    split: Split | None


@dataclass(frozen=True)
class PretrainingRow:
    """A pretraining text that can be stored."""

    line: int
    text: str
    content_hash: str


def _id_text(value: object) -> object:
    return str(value) if type(value) is int else value


Key = Annotated[Line, BeforeValidator(_id_text)]


class MessageIn(Body):
    """One turn of a conversation."""

    role: Literal["system", "user", "assistant"]
    content: LongText


class ConversationIn(Body):
    """Either `prompt`, a single turn of the user, or `messages`."""

    prompt: LongText | None = None
    messages: Annotated[list[MessageIn], Field(min_length=1, max_length=MAX_TURNS)] | None = None

    @model_validator(mode="after")
    def _check_turns(self) -> Self:
        if (self.prompt is None) == (self.messages is None):
            raise ValueError("send either prompt or messages")
        if self.messages is not None:
            _check_order([message.role for message in self.messages])
            if sum(len(message.content) for message in self.messages) > MAX_CONVERSATION:
                raise ValueError(f"messages: more than {MAX_CONVERSATION} characters together")
        return self

    def conversation(self) -> list[dict[str, str]]:
        """The turns in the form that is stored."""
        if self.messages is None:
            return [{"role": "user", "content": str(self.prompt)}]
        return [{"role": turn.role, "content": turn.content} for turn in self.messages]


class PromptIn(ConversationIn):
    """A line of a prompts file."""

    id: Key | None = None
    group: Key | None = None
    split: Split | None = None
    tags: Annotated[list[Line], Field(max_length=MAX_TAGS)] = Field(default_factory=list)


class DemonstrationIn(ConversationIn):
    """A line of a demonstrations file."""

    response: LongText
    id: Key | None = None
    group: Key | None = None
    split: Split | None = None


class PretrainingIn(Body):
    """A line of a pretraining file."""

    text: LongText


def _check_order(roles: list[str]) -> None:
    """After an optional system turn, user and assistant take turns, the user first and last.

    Raises:
        ValueError: they do not; the message names the turn.
    """
    start = 1 if roles[0] == "system" else 0
    for index, role in enumerate(roles[start:], start):
        expected = "user" if (index - start) % 2 == 0 else "assistant"
        if role != expected:
            raise ValueError(f"messages.{index}: the role must be {expected} here, not {role}")
    if roles[-1] != "user":
        raise ValueError(f"messages.{len(roles) - 1}: the last turn must be the user's")


def content_hash(messages: list[dict[str, str]], *more: str) -> str:
    """SHA-256 in hexadecimal of the conversation (and what belongs to it), in Unicode form NFC."""
    canonical = [[turn["role"], _nfc(turn["content"])] for turn in messages]
    text = json.dumps([canonical, *map(_nfc, more)], ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def _nfc(text: str) -> str:
    return unicodedata.normalize("NFC", text)


def split_of(row: PromptRow | DemonstrationRow) -> Split:
    """The row's own split, or its group's stable one."""
    return row.split or stable_split(row.group)


In = TypeVar("In", bound=BaseModel)
Row = TypeVar("Row", PromptRow, DemonstrationRow, PretrainingRow)
Parsed = tuple[list[Row], list[Rejection]]


def parse_prompts(data: bytes) -> "Parsed[PromptRow]":
    """Read a prompts file: `{prompt | messages, id?, group?, split?, tags?}` per line.

    Raises:
        DomainError: the file as a whole cannot be taken; see `lines_of`.
    """

    def row(line: int, given: PromptIn) -> PromptRow:
        messages = given.conversation()
        content = content_hash(messages)
        return PromptRow(
            line=line,
            external_id=given.id,
            messages=messages,
            content_hash=content,
            group=given.group or given.id or content,
            split=given.split,
            tags=list(dict.fromkeys(given.tags)),
        )

    return _parse(data, PromptIn, row)


def parse_demonstrations(data: bytes) -> "Parsed[DemonstrationRow]":
    """Read a demonstrations file: `{prompt | messages, response, id?, group?, split?}` per line.

    Raises:
        DomainError: the file as a whole cannot be taken; see `lines_of`.
    """

    def row(line: int, given: DemonstrationIn) -> DemonstrationRow:
        messages = given.conversation()
        return DemonstrationRow(
            line=line,
            messages=messages,
            response=given.response,
            content_hash=content_hash(messages, given.response),
            group=given.group or given.id or content_hash(messages),
            split=given.split,
        )

    return _parse(data, DemonstrationIn, row)


def parse_pretraining(data: bytes) -> "Parsed[PretrainingRow]":
    """Read a file of pretraining texts: `{text}` per line.

    Raises:
        DomainError: the file as a whole cannot be taken; see `lines_of`.
    """

    def row(line: int, given: PretrainingIn) -> PretrainingRow:
        return PretrainingRow(line, given.text, content_hash([], given.text))

    return _parse(data, PretrainingIn, row)


def _parse(data: bytes, model: type[In], row: Callable[[int, In], Row]) -> "Parsed[Row]":
    rows: list[Row] = []
    rejected: list[Rejection] = []
    for line, raw in lines_of(data):
        try:
            rows.append(row(line, parse_line(raw, model)))
        except InvalidError as error:
            rejected.append(Rejection(line, error.detail))
            if len(rejected) > MAX_REJECTED:
                raise InvalidError(
                    f"More than {MAX_REJECTED:,} lines are wrong, the last one being line {line} "
                    f"({error.detail}). Nothing was imported. {TAKEN}.",
                    code="too_many_rejected",
                ) from None
    return rows, rejected


def parse_line(raw: bytes, model: type[In]) -> In:
    """Read one line into a model.

    Raises:
        InvalidError: the line is not one JSON object, or breaks a rule of the model.
    """
    try:
        value = parse_json(raw, what="The line")
    except DomainError as error:
        raise InvalidError(error.detail, code=error.code) from None
    if not isinstance(value, dict):
        raise InvalidError("A line must be one JSON object.", code="not_an_object")
    try:
        return model.model_validate(value)
    except ValidationError as error:
        raise InvalidError(_reason(error), code="invalid") from None


def _reason(error: ValidationError) -> str:
    """The first thing that is wrong, with the field's name but without its value."""
    first = error.errors(include_input=False, include_url=False)[0]
    friendly = FRIENDLY.get(first["type"])
    if friendly is None:
        message = first["msg"].removeprefix("Value error, ")
    else:
        message = friendly.format_map(first.get("ctx", {}))
    # A key that is not a plain word stays unnamed: it can be anything, a lone surrogate too.
    where = ".".join(
        str(part)[:40] for part in first["loc"] if str(part).replace("_", "").isalnum()
    )
    return f"{where}: {message}" if where else message
