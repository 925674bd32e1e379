"""What a run's model was made of, as its page shows it. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from pydantic import ValidationError

from app.training.queries import RunView
from app.web.translation import gettext
from trainer.result import RunResult

SHOWN_IDS = 20
# What a model was to the run that read it.
ROLES: Final[dict[str, str]] = {"base_model": "base model", "reward_model": "reward model"}


@dataclass(frozen=True)
class Reason:
    """Rows that were left out or shortened for one reason; the first of their ids."""

    text: str
    count: int
    ids: list[str]


@dataclass(frozen=True)
class Parent:
    """A model that was read: its part in the run, its name, and the hash of its files."""

    role: str
    model: str | None
    sha256: str


@dataclass(frozen=True)
class LineageView:
    """Hashes, rows and the seed."""

    dataset_sha256: str | None
    files: dict[str, str]
    parents: list[Parent]
    used: int
    dropped: int
    cut: int
    dropped_for: list[Reason]
    cut_for: list[Reason]
    seed: int


def lineage_view(run: RunView) -> LineageView | None:
    """The lineage of a finished run; None when it has none that this version can read."""
    try:
        lineage = RunResult.model_validate(run.result or {}).lineage
    except ValidationError:
        return None
    if lineage is None:
        return None
    names = {"base_model": run.base_model, "reward_model": run.reward_model}
    return LineageView(
        dataset_sha256=lineage.dataset_sha256,
        files=lineage.files,
        parents=[
            Parent(gettext(ROLES[role]) if role in ROLES else role, names.get(role), sha256)
            for role, sha256 in lineage.parents.items()
        ],
        used=len(lineage.rows_used),
        dropped=len(lineage.rows_dropped),
        cut=len(lineage.rows_cut),
        dropped_for=_reasons(lineage.rows_dropped),
        cut_for=_reasons(lineage.rows_cut),
        seed=lineage.seed,
    )


def _reasons(reason_by_id: Mapping[str, str]) -> list[Reason]:
    """The reasons, the most frequent first."""
    ids: dict[str, list[str]] = {}
    for row_id, reason in reason_by_id.items():
        ids.setdefault(reason, []).append(row_id)
    reasons = [Reason(text, len(rows), rows[:SHOWN_IDS]) for text, rows in ids.items()]
    return sorted(reasons, key=lambda reason: -reason.count)
