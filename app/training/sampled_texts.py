"""The texts that a run samples at each evaluation, read from the end of its `texts.jsonl`."""

import asyncio
import os
from dataclasses import dataclass
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from app.settings import Settings
from trainer.rundir import TEXTS_FILE

MAX_BYTES = 2 * 2**20
MAX_EVALUATIONS = 50
MAX_SAMPLES = 8
MAX_CHARACTERS = 4000


class Sample(BaseModel):
    """A response with its score."""

    model_config = ConfigDict(frozen=True)

    prompt: str
    response: str
    score: float | None = None


class Evaluation(BaseModel):
    """What was sampled at one step."""

    model_config = ConfigDict(frozen=True)

    step: int
    samples: list[Sample]


@dataclass(frozen=True)
class SampledTexts:
    """The texts of one evaluation, and the steps of all that can be chosen, the newest first."""

    step: int
    steps: list[int]
    samples: list[Sample]


async def texts_of(settings: Settings, run_id: int, *, step: int | None) -> SampledTexts | None:
    """The texts sampled at `step`, or the newest; None when the run has sampled none."""
    run_dir = settings.root / "runs" / str(run_id)
    return await asyncio.to_thread(read_texts, run_dir, step=step)


def read_texts(run_dir: Path, *, step: int | None) -> SampledTexts | None:
    """The texts sampled at `step`, or the newest when there are none for it.

    A resumed run samples some steps again: the last line of a step counts.
    """
    by_step = {one.step: one for one in _last_evaluations(run_dir / TEXTS_FILE)}
    if not by_step:
        return None
    steps = sorted(by_step, reverse=True)[:MAX_EVALUATIONS]
    shown = by_step[step if step in steps else steps[0]]
    return SampledTexts(shown.step, steps, [_cut(one) for one in shown.samples[:MAX_SAMPLES]])


def _last_evaluations(path: Path) -> list[Evaluation]:
    try:
        with path.open("rb") as file:
            start = max(0, file.seek(0, os.SEEK_END) - MAX_BYTES)
            file.seek(start)
            lines = file.read(MAX_BYTES).split(b"\n")[1 if start else 0 : -1]
    except FileNotFoundError:
        return []
    read = []
    for line in lines:
        try:
            read.append(Evaluation.model_validate_json(line))
        except ValidationError:
            continue  # one bad line hides no other
    return read


def _cut(sample: Sample) -> Sample:
    return sample.model_copy(
        update={"prompt": _first(sample.prompt), "response": _first(sample.response)}
    )


def _first(text: str) -> str:
    return text if len(text) <= MAX_CHARACTERS else f"{text[:MAX_CHARACTERS]} …"
