"""From uploaded NDJSON to answers made elsewhere, or rejected lines. Pure: no database, no HTTP."""

from dataclasses import dataclass
from typing import Annotated

from pydantic import Field

from app.errors import InvalidError
from app.prompts.import_file import TAKEN, lines_of
from app.prompts.import_rows import (
    MAX_REJECTED,
    ConversationIn,
    PromptRow,
    Rejection,
    content_hash,
    parse_line,
)
from app.rounds.answers import MIN_OFFERED_IMPORTED, is_offerable, problems_of
from app.web.schemas import Body, Line, ResponseText
from trainer.spec import MAX_RESPONSES, MIN_RESPONSES, Problem


class AnswerIn(Body):
    """One answer, and the name of what made it."""

    text: ResponseText
    model: Line | None = None


class AnswersIn(ConversationIn):
    """A line: a prompt with its answers."""

    responses: Annotated[list[AnswerIn], Field(min_length=MIN_RESPONSES, max_length=MAX_RESPONSES)]


@dataclass(frozen=True)
class ImportedAnswer:
    """One answer; with a problem it is stored for admins and not offered."""

    text: str
    model: str | None
    problem: Problem | None


@dataclass(frozen=True)
class ImportedSlate:
    """A prompt with its answers; the prompt is stored unless the project has it already."""

    line: int
    prompt: PromptRow
    answers: list[ImportedAnswer]


def parse_answers(data: bytes) -> tuple[list[ImportedSlate], list[Rejection]]:
    """Read NDJSON lines `{prompt | messages, responses: [{text, model?}]}`.

    Raises:
        DomainError: the file as a whole cannot be taken, or too many lines are wrong.
    """
    slates: dict[str, ImportedSlate] = {}
    rejected: list[Rejection] = []
    for line, raw in lines_of(data):
        try:
            slate = _slate(line, parse_line(raw, AnswersIn))
            _add(slates, slate)
        except InvalidError as error:
            rejected.append(Rejection(line, error.detail))
            if len(rejected) > MAX_REJECTED:
                raise InvalidError(
                    f"More than {MAX_REJECTED:,} lines are wrong, the last one being line {line} "
                    f"({error.detail}). Nothing was imported. {TAKEN}.",
                    code="too_many_rejected",
                ) from None
    return list(slates.values()), rejected


def _add(slates: dict[str, ImportedSlate], slate: ImportedSlate) -> None:
    first = slates.setdefault(slate.prompt.content_hash, slate)
    if first is not slate:
        raise InvalidError(
            f"Line {first.line} has the same prompt; put its answers into one line.",
            code="same_prompt",
        )


def _slate(line: int, given: AnswersIn) -> ImportedSlate:
    problems = problems_of([answer.text for answer in given.responses])
    if not is_offerable(problems, at_least=MIN_OFFERED_IMPORTED):
        raise InvalidError(
            "responses: fewer than 2 of them are neither empty nor the same as another",
            code="too_few_responses",
        )
    messages = given.conversation()
    content = content_hash(messages)
    return ImportedSlate(
        line=line,
        prompt=PromptRow(
            line=line,
            external_id=None,
            messages=messages,
            content_hash=content,
            group=content,
            split=None,
            tags=[],
        ),
        answers=[
            ImportedAnswer(text=answer.text, model=answer.model, problem=problem)
            for answer, problem in zip(given.responses, problems, strict=True)
        ],
    )
