"""Whether there is something to train on, decided from counts before any GPU is used. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from app.errors import Fault, InvalidError
from app.training.settings import TrainingKind, TrainingSettings, refused_setting
from app.web.translation import gettext, ngettext
from trainer.spec import PPOSettings, RewardSettings, SFTSettings


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


NO_DEMONSTRATION = "A run of the kind %(kind)s needs at least 1 demonstration; import some first."
NO_COMPARISON = (
    "A run of the kind %(kind)s needs at least 1 comparison; rank more slates: ties and responses "
    "that cannot be judged give none."
)
NO_PROMPT = "A run of the kind %(kind)s needs at least 1 prompt; import some first."
DEMONSTRATIONS_HELD_OUT = (
    "All demonstrations are held out; a run of the kind %(kind)s needs at least 1 of the split "
    "train."
)
COMPARISONS_HELD_OUT = (
    "All comparisons are held out; a run of the kind %(kind)s needs at least 1 of the split train."
)
# What each kind of run cannot do without, and what is said when there is none.
NEEDED: dict[TrainingKind, tuple[str, str]] = {
    "sft": ("demonstrations", NO_DEMONSTRATION),
    "reward": ("comparisons", NO_COMPARISON),
    "dpo": ("comparisons", NO_COMPARISON),
    "ppo": ("prompts", NO_PROMPT),
}
# PPO samples held-out prompts where there are no others.
NEEDED_TO_TRAIN: dict[TrainingKind, tuple[str, str]] = {
    "sft": ("training_demonstrations", DEMONSTRATIONS_HELD_OUT),
    "reward": ("training_comparisons", COMPARISONS_HELD_OUT),
    "dpo": ("training_comparisons", COMPARISONS_HELD_OUT),
}
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
    name, sentence = NEEDED[kind]
    if getattr(rows, name) < 1:
        raise _not_enough(gettext(sentence, kind=kind), rows)
    name, sentence = NEEDED_TO_TRAIN.get(kind, NEEDED[kind])
    if getattr(rows, name) < 1:
        raise InvalidError(gettext(sentence, kind=kind), code="not_enough_data")
    mix = mix_of(settings)
    if mix is not None and rows.pretraining < 1:
        sentence = gettext(
            "The pretraining mix is on (%(setting)s above 0) but there are no pretraining texts; "
            "import some or set it to 0.",
            setting=mix,
        )
        raise _not_enough(sentence, rows, field=mix)


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
            gettext(
                "must be at most %(labelers)s: so many labelers ranked prompts of the split train",
                labelers=labelers,
            ),
            code="not_enough_data",
        )


def _not_enough(what: str, rows: Rows, *, field: str | None = None) -> InvalidError:
    counts = (
        ngettext("%(count)s demonstration", "%(count)s demonstrations", rows.demonstrations),
        ngettext("%(count)s ranking", "%(count)s rankings", rows.rankings),
        ngettext("%(count)s comparison", "%(count)s comparisons", rows.comparisons),
        ngettext("%(count)s prompt", "%(count)s prompts", rows.prompts),
        ngettext("%(count)s pretraining text", "%(count)s pretraining texts", rows.pretraining),
    )
    detail = gettext("%(what)s There are %(counts)s.", what=what, counts=", ".join(counts))
    faults = () if field is None else (Fault(("body", "settings", field), what),)
    return InvalidError(detail, code="not_enough_data", faults=faults)
