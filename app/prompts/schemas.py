"""Answers of the prompt calls; what an import takes is in `import_rows.py`."""

from datetime import datetime

from app.prompts.split import Split
from app.web.schemas import Answer


class RejectionOut(Answer):
    """A line that was not taken."""

    line: int
    error: str


class ImportOut(Answer):
    """What became of an import."""

    imported: int
    duplicates: int
    rejected: list[RejectionOut]


class MessageOut(Answer):
    """One turn of a conversation."""

    role: str
    content: str


class PromptOut(Answer):
    """A prompt."""

    prompt_id: int
    id: str
    messages: list[MessageOut]
    group: str
    split: Split
    tags: list[str]
    created_at: datetime


class PromptPageOut(Answer):
    """Some prompts; pass `next` as `after` to get those behind them, null is the end."""

    prompts: list[PromptOut]
    next: int | None
