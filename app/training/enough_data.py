"""Whether there is something to train on, decided from counts before any GPU is used. Pure."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

from app.errors import InvalidError
from app.training.settings import TrainingKind, TrainingSettings
from trainer.spec import PPOSettings


@dataclass(frozen=True)
class Rows:
    """How many rows of each sort there are; comparisons are strict."""

    demonstrations: int
    rankings: int
    comparisons: int
    prompts: int
    pretraining: int


NEEDED: dict[TrainingKind, tuple[str, str]] = {
    "sft": ("demonstrations", "import demonstrations first"),
    "reward": (
        "comparisons",
        "rank more slates: ties and responses that cannot be judged give none",
    ),
    "ppo": ("prompts", "import prompts first"),
}


def rows_of(manifest: Mapping[str, Any]) -> Rows:
    """The counts of a dataset."""
    counts = manifest["counts"]
    return Rows(**{field.name: counts[field.name] for field in fields(Rows)})


def require_enough_data(kind: TrainingKind, settings: TrainingSettings, rows: Rows) -> None:
    """Check that the run has at least one row to learn from.

    Raises:
        InvalidError: it has none; the message gives the counts.
    """
    name, advice = NEEDED[kind]
    if getattr(rows, name) < 1:
        raise _not_enough(f"A {kind} run needs at least 1 of the {name}; {advice}.", rows)
    if isinstance(settings, PPOSettings) and settings.ptx_coefficient > 0 and rows.pretraining < 1:
        raise _not_enough(
            "The pretraining mix is on (ptx_coefficient above 0) but there are no pretraining "
            "texts; import some or set it to 0.",
            rows,
        )


def _not_enough(what: str, rows: Rows) -> InvalidError:
    counts = ", ".join(f"{count} {name}" for name, count in asdict(rows).items())
    return InvalidError(f"{what} There are {counts}.", code="not_enough_data")
