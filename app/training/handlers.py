"""What the worker does around the trainer: hand it models and frozen data, take over its model."""

import asyncio
import hashlib
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession

from app.datasets.frozen import dataset_folder
from app.db import transaction
from app.errors import InvalidError
from app.jobs.handlers import StartedRun
from app.registry.commands import register_run_result
from app.registry.loading import folder_to_load
from app.registry.queries import model_by_name
from app.settings import Settings
from app.training.enough_data import rows_of
from app.training.queries import inputs_of
from app.training.settings import TrainingKind, TrainingSettings, parse_settings
from trainer.result import RunResult
from trainer.rundir import MODEL_FOLDER, SPEC_FILE
from trainer.spec import (
    DPOSettings,
    DPOSpec,
    PPOSettings,
    PPOSpec,
    RewardSettings,
    RewardSpec,
    SFTSettings,
    SFTSpec,
    TrainingSpec,
)

MADE_KIND: dict[TrainingKind, str] = {
    "sft": "sft",
    "reward": "reward",
    "dpo": "policy",
    "ppo": "policy",
}


@dataclass(frozen=True)
class TrainingHandler:
    """Handles `sft`, `reward`, `dpo` and `ppo` runs; see `app.jobs.handlers.Handler`."""

    settings: Settings

    async def prepare(self, engine: AsyncEngine, run: StartedRun, run_dir: Path) -> None:
        """Check the models' files, link the dataset's files and write `spec.json`.

        Raises:
            InvalidError: a file of a model or of the dataset changed since it was recorded.
        """
        async with transaction(engine) as tx:
            inputs = await inputs_of(tx, run.id)
            names = [inputs.base_model, *filter(None, [inputs.reward_model])]
            models = [await model_by_name(tx, name) for name in names]
        folders = [await folder_to_load(engine, self.settings, model) for model in models]
        spec = spec_of(
            parse_settings(_kind(run), run.settings),
            folders=folders,
            has_demonstrations=rows_of(inputs.manifest).demonstrations > 0,
            dataset_sha256=inputs.dataset_sha256,
        )
        frozen = dataset_folder(self.settings.root, inputs.dataset_id)
        await asyncio.to_thread(_link_files, files_of(spec), frozen, run_dir, inputs.manifest)
        await asyncio.to_thread(_write_spec, run_dir, spec)

    async def ingest(self, engine: AsyncEngine, run: StartedRun, run_dir: Path) -> None:
        """Do nothing: a training run has only numbers to follow, which is done for every kind."""

    async def complete(
        self, tx: AsyncSession, run: StartedRun, run_dir: Path, result: RunResult
    ) -> int | None:
        """Register the trained model, with the base model as its parent.

        Raises:
            InvalidError: the run left no model, or its folder breaks a rule.
        """
        if result.model is None:
            raise InvalidError("The trainer ended without a model.", code="no_model")
        inputs = await inputs_of(tx, run.id)
        kind = MADE_KIND[_kind(run)]
        return await register_run_result(
            tx,
            run_id=run.id,
            name=f"{inputs.project}-{kind}-{run.id}",
            kind=kind,
            path=str(run_dir / MODEL_FOLDER),
            parent_id=run.base_model_id,
        )


def spec_of(
    settings: TrainingSettings,
    *,
    folders: list[str],
    has_demonstrations: bool,
    dataset_sha256: str | None = None,
) -> TrainingSpec:
    """What the trainer is told.

    Args:
        settings: of the kind that decides the spec's kind.
        folders: the base model's, then the reward model's when there is one.
        has_demonstrations: the dataset has some, which the bias of a reward model is set by.
        dataset_sha256: of its manifest.
    """
    base_model, reward_model = (*folders, None)[:2]
    assert base_model is not None
    match settings:
        case SFTSettings():
            return SFTSpec(
                base_model=base_model,
                settings=settings,
                reward_model=reward_model,
                pretraining="pretraining.jsonl" if settings.pretraining_share > 0 else None,
                dataset_sha256=dataset_sha256,
            )
        case RewardSettings():
            return RewardSpec(
                base_model=base_model,
                settings=settings,
                demonstrations="demonstrations.jsonl" if has_demonstrations else None,
                dataset_sha256=dataset_sha256,
            )
        case DPOSettings():
            return DPOSpec(base_model=base_model, settings=settings, dataset_sha256=dataset_sha256)
        case PPOSettings():
            assert reward_model is not None
            return PPOSpec(
                base_model=base_model,
                reward_model=reward_model,
                settings=settings,
                pretraining="pretraining.jsonl" if settings.ptx_coefficient > 0 else None,
                dataset_sha256=dataset_sha256,
            )


def files_of(spec: TrainingSpec) -> list[str]:
    """The dataset's files that the spec names."""
    match spec:
        case SFTSpec():
            return [spec.demonstrations, *filter(None, [spec.pretraining])]
        case RewardSpec():
            return [spec.rankings, *filter(None, [spec.demonstrations])]
        case DPOSpec():
            return [spec.rankings]
        case PPOSpec():
            return [spec.prompts, *filter(None, [spec.pretraining])]


def _kind(run: StartedRun) -> TrainingKind:
    assert run.kind != "sample"
    return run.kind


def _link_files(names: list[str], frozen: Path, run_dir: Path, manifest: Mapping[str, Any]) -> None:
    """Link the dataset's files into the run directory and check that they are the frozen ones.

    Raises:
        InvalidError: a file is missing or has other content than the manifest says.
    """
    for name in names:
        place = run_dir / name
        place.unlink(missing_ok=True)
        try:
            _link_or_copy(frozen / name, place)
        except FileNotFoundError:
            raise InvalidError(
                f"The dataset's file {name} is missing from the data folder; restore it from a "
                "backup or start the run with a new dataset.",
                code="dataset_files_missing",
            ) from None
        with place.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        if digest != manifest["files"][name]["sha256"]:
            raise InvalidError(
                f"The dataset's file {name} is not the one that was frozen (its sha256 differs); "
                "restore it from a backup or start the run with a new dataset.",
                code="hash_mismatch",
            )


def _link_or_copy(source: Path, place: Path) -> None:
    try:
        place.hardlink_to(source)
    except FileNotFoundError:
        raise
    except OSError:  # another file system, or one without links
        shutil.copyfile(source, place)


def _write_spec(run_dir: Path, spec: TrainingSpec) -> None:
    unfinished = run_dir / f"{SPEC_FILE}.tmp"
    unfinished.write_text(spec.model_dump_json(indent=1), encoding="utf-8")
    unfinished.replace(run_dir / SPEC_FILE)
