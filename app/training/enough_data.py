"""Whether there is something to train on, decided from counts before any GPU is used. Pure."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

from app.errors import Fault, InvalidError
from app.training.settings import TrainingKind, TrainingSettings, refused_setting
from trainer.spec import PPOSettings, RewardSettings, SFTSettings

RANK_MORE = "rank more slates: ties and responses that cannot be judged give none"


@dataclass(frozen=True)
class Rows:
    """How many rows of each sort there are; comparisons are strict.

    Those named `training_...` are of the split `train`; the others are measured, not learned from.
    """

    demonstrations: int
    rankings: int
    comparisons: int
    prompts: int
    pretraining: int
    training_demonstrations: int
    training_comparisons: int


NEEDED: dict[TrainingKind, tuple[str, str]] = {
    "sft": ("demonstrations", "import demonstrations first"),
    "reward": ("comparisons", RANK_MORE),
    "dpo": ("comparisons", RANK_MORE),
    "ppo": ("prompts", "import prompts first"),
}
# PPO samples held-out prompts where there are no others.
NEEDED_TO_TRAIN: dict[TrainingKind, str] = {
    "sft": "training_demonstrations",
    "reward": "training_comparisons",
    "dpo": "training_comparisons",
}
SPOKEN = {"pretraining": "pretraining texts"}
# Datasets that were made before these were counted are taken to hold nothing out.
COUNTED_LATER = {
    "training_demonstrations": "demonstrations",
    "training_comparisons": "comparisons",
}


def rows_of(manifest: Mapping[str, Any]) -> Rows:
    """The counts of a dataset."""
    given = manifest["counts"]
    counts = {name: given[total] for name, total in COUNTED_LATER.items()} | given
    return Rows(**{field.name: counts[field.name] for field in fields(Rows)})


def require_enough_data(kind: TrainingKind, settings: TrainingSettings, rows: Rows) -> None:
    """Check that the run has at least one row to learn from.

    Raises:
        InvalidError: it has none; the message gives the counts.
    """
    name, advice = NEEDED[kind]
    if getattr(rows, name) < 1:
        raise _not_enough(f"A {kind} run needs at least 1 of the {name}; {advice}.", rows)
    if kind in NEEDED_TO_TRAIN and getattr(rows, NEEDED_TO_TRAIN[kind]) < 1:
        raise InvalidError(
            f"All {name} are held out; a {kind} run needs at least 1 of the split train.",
            code="not_enough_data",
        )
    mix = mix_of(settings)
    if mix is not None and rows.pretraining < 1:
        raise _not_enough(
            f"The pretraining mix is on ({mix} above 0) but there are no pretraining texts; "
            "import some or set it to 0.",
            rows,
            field=mix,
        )


def mix_of(settings: TrainingSettings) -> str | None:
    """The setting that mixes pretraining texts in, when it does."""
    if isinstance(settings, SFTSettings) and settings.pretraining_share > 0:
        return "pretraining_share"
    if isinstance(settings, PPOSettings) and settings.ptx_coefficient > 0:
        return "ptx_coefficient"
    return None


def labelers_needed(settings: TrainingSettings) -> int:
    """How many labelers there must be for the folds that hold each out once; 0 for no folds."""
    return settings.labeler_folds if isinstance(settings, RewardSettings) else 0


def require_enough_labelers(settings: TrainingSettings, labelers: int) -> None:
    """Check that no fold of labelers would be empty.

    Raises:
        InvalidError: there are more folds than labelers.
    """
    if labelers_needed(settings) > labelers:
        raise refused_setting(
            "labeler_folds",
            f"must be at most {labelers}: so many labelers ranked prompts of the split train",
            code="not_enough_data",
        )


def _not_enough(what: str, rows: Rows, *, field: str | None = None) -> InvalidError:
    counts = ", ".join(
        f"{count} {SPOKEN.get(name, name)}"
        for name, count in asdict(rows).items()
        if name not in COUNTED_LATER
    )
    faults = () if field is None else (Fault(("body", "settings", field), what),)
    return InvalidError(f"{what} There are {counts}.", code="not_enough_data", faults=faults)
