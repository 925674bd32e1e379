"""What a `sample` run does: tell the trainer which slates are pending, store what it has sampled.

An attempt that follows a killed one first stores what that one left. The trainer then goes on
behind its last complete line, so that nothing is sampled twice.
"""

import asyncio
from collections.abc import Iterable
from pathlib import Path

from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession

from app.db import transaction
from app.errors import InvalidError
from app.jobs.handlers import StartedRun
from app.registry.loading import folder_to_load
from app.registry.queries import ModelView, model_by_name
from app.rounds.commands import BATCH_SLATES, record_samples
from app.rounds.queries import PendingSlate, pending_slates
from app.settings import Settings
from trainer.result import RunResult
from trainer.rundir import SPEC_FILE, read_sampled_from
from trainer.spec import Message, PromptRow, SampledModel, SampleSpec, Sampling


class SampleHandler:
    """Samples rounds. Remembers how far each attempt's responses have been read."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self._offsets: dict[tuple[int, int], int] = {}

    async def prepare(self, engine: AsyncEngine, run: StartedRun, run_dir: Path) -> None:
        """Write `spec.json` and, unless an earlier attempt has, the prompts of the pending slates.

        A list that is there stays: the trainer passes over what it has sampled already, and shares
        the models out by a prompt's position in the list.
        """
        await self.ingest(engine, run, run_dir)
        async with transaction(engine) as tx:
            models = [await model_by_name(tx, name) for name in run.settings["models"]]
            slates = await pending_slates(tx, _round_id(run))
        spec = SampleSpec(
            models=[await self._sampled_model(engine, model) for model in models],
            responses_per_prompt=run.settings["responses_per_prompt"],
            sampling=Sampling(**run.settings["sampling"]),
        )
        await asyncio.to_thread(_write, run_dir, spec, slates)

    async def ingest(self, engine: AsyncEngine, run: StartedRun, run_dir: Path) -> None:
        """Store the slates that were sampled since the last call; each batch commits alone."""
        key = (run.id, run.attempt)
        tail = await asyncio.to_thread(read_sampled_from, run_dir, self._offsets.get(key, 0))
        for start in range(0, len(tail.rows), BATCH_SLATES):
            async with transaction(engine) as tx:
                await record_samples(tx, run, tail.rows[start : start + BATCH_SLATES])
        self._offsets[key] = tail.offset

    async def complete(
        self, tx: AsyncSession, run: StartedRun, run_dir: Path, result: RunResult
    ) -> None:
        """Check that every slate has its responses.

        Raises:
            InvalidError: the trainer left some out.
        """
        del run_dir, result
        self._offsets.pop((run.id, run.attempt), None)
        left = len(await pending_slates(tx, _round_id(run)))
        if left:
            raise InvalidError(
                f"The sampling ended without responses for {left} slates.", code="left_out"
            )

    async def _sampled_model(self, engine: AsyncEngine, model: ModelView) -> SampledModel:
        if model.endpoint_model is not None:
            return SampledModel(name=model.name, endpoint_model=model.endpoint_model)
        path = await folder_to_load(engine, self.settings, model)
        return SampledModel(name=model.name, path=path)


def _round_id(run: StartedRun) -> int:
    assert run.round_id is not None
    return run.round_id


def _write(run_dir: Path, spec: SampleSpec, slates: Iterable[PendingSlate]) -> None:
    prompts = run_dir / spec.prompts
    if not prompts.exists():
        unfinished = prompts.with_suffix(".tmp")
        with unfinished.open("w", encoding="utf-8") as file:
            file.writelines(_prompt_row(slate).model_dump_json() + "\n" for slate in slates)
        unfinished.replace(prompts)
    (run_dir / SPEC_FILE).write_text(spec.model_dump_json(indent=1), encoding="utf-8")


def _prompt_row(slate: PendingSlate) -> PromptRow:
    return PromptRow(
        prompt_id=str(slate.id),
        group=slate.group,
        split=slate.split,
        messages=[Message.model_validate(message) for message in slate.messages],
    )
