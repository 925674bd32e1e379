"""The fields of the settings form: words, ranges and choices, read off the trainer's own types."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, get_args, get_origin

from annotated_types import Ge, Gt, Le, Lt
from pydantic.fields import FieldInfo

from app.training.presets import MIXES, PRESETS, Preset
from app.training.setting_words import CHOICES, OTHER_WORDS, WORDS
from app.training.settings import SETTINGS, TrainingKind, bound_text, may_be_none
from app.web.formats import plain
from app.web.translation import gettext
from trainer.spec import ComputeSettings

Group = Literal["main", "more", "machine"]

# What people change most; the rest folds away.
MAIN_FIELDS: dict[TrainingKind, tuple[str, ...]] = {
    "sft": (
        "epochs",
        "learning_rate",
        "batch_size",
        "max_tokens",
        "pretraining_share",
        "seed",
    ),
    "reward": ("epochs", "learning_rate", "batch_size", "max_tokens", "ties", "seed"),
    "dpo": ("beta", "epochs", "learning_rate", "batch_size", "max_tokens", "ties", "seed"),
    "ppo": (
        "steps",
        "batch_size",
        "learning_rate",
        "kl_coefficient",
        "max_new_tokens",
        "ptx_coefficient",
        "seed",
    ),
}
LONGEST_RANGE = 10**12  # a bound beyond tells nobody anything


@dataclass(frozen=True)
class SettingField:
    """One field of the form.

    Attributes:
        name: of the setting.
        label: for people.
        help: unit and range, or what it does.
        value: what stands in it, as text.
        choices: value and text of each, when it is a list.
        is_flag: it is a checkbox.
        group: where it stands.
        is_required: empty is not allowed; otherwise empty means off.
    """

    name: str
    label: str
    help: str
    value: str
    choices: tuple[tuple[str, str], ...]
    is_flag: bool
    group: Group
    is_required: bool

    @property
    def is_on(self) -> bool:
        """Whether a checkbox is ticked."""
        return self.value == "on"


def fields_of(kind: TrainingKind, typed: Mapping[str, str]) -> list[SettingField]:
    """The form's fields, the important ones first, with what was typed or else the defaults."""
    model = SETTINGS[kind].model_fields
    ordered = (*MAIN_FIELDS[kind], *(name for name in model if name not in MAIN_FIELDS[kind]))
    return [_field(kind, name, model[name], typed.get(name)) for name in ordered]


def preset_texts(
    kind: TrainingKind,
    preset: Preset,
    *,
    longest: int | None = None,
    has_pretraining: bool = True,
) -> dict[str, str]:
    """A preset as the form would send it.

    Args:
        kind: of run.
        preset: which.
        longest: the most tokens that the run's models read at once; the lengths are lowered to it.
        has_pretraining: there are texts for a pretraining mix; without them it stays off.
    """
    values = dict(PRESETS[preset].get(kind, {}))
    if not has_pretraining:
        for name in MIXES:
            values.pop(name, None)
    defaults = {name: field.default for name, field in SETTINGS[kind].model_fields.items()}
    if longest is not None and (defaults | values)["max_tokens"] > longest:
        values["max_tokens"] = longest
        if kind == "ppo":
            # A prompt gets as much room as its response, as in the paper.
            wanted = (defaults | values)["max_new_tokens"]
            values["max_new_tokens"] = min(wanted, longest // 2)
    return {name: as_text(value) for name, value in values.items()}


def as_text(value: float | str | bool | None) -> str:  # noqa: FBT001 - of any setting
    """A setting's value as the form holds it, with the decimal mark of the page."""
    if value is None or value is False:
        return ""
    if value is True:
        return "on"
    return plain(value) if isinstance(value, float) else str(value)


def range_text(kind: TrainingKind, name: str) -> str:
    """The range of a number in words, like "above 0, at most 1"; empty without one."""
    bounds: dict[type, Any] = {
        type(bound): getattr(bound, type(bound).__name__.lower())
        for bound in SETTINGS[kind].model_fields[name].metadata
        if isinstance(bound, Ge | Gt | Le | Lt)
    }
    words = {
        Ge: gettext("at least"),
        Gt: gettext("above"),
        Le: gettext("at most"),
        Lt: gettext("below"),
    }
    if bounds.keys() == {Ge, Le}:
        low, high = bound_text(bounds[Ge]), bound_text(bounds[Le])
        return gettext("%(low)s to %(high)s", low=low, high=high)
    return ", ".join(
        f"{word} {bound_text(bounds[bound])}"
        for bound, word in words.items()
        if bound in bounds and bounds[bound] < LONGEST_RANGE
    )


def _field(kind: TrainingKind, name: str, info: FieldInfo, typed: str | None) -> SettingField:
    label, words = WORDS[name]
    words = OTHER_WORDS.get((kind, name), words)
    is_literal = get_origin(info.annotation) is Literal
    group: Group = "machine" if name in ComputeSettings.model_fields else "more"
    return SettingField(
        name=name,
        label=gettext(label),
        help="; ".join(filter(None, [gettext(words), range_text(kind, name)])),
        value=as_text(info.default) if typed is None else typed,
        choices=tuple(
            (choice, gettext(CHOICES.get(choice, choice))) for choice in get_args(info.annotation)
        )
        if is_literal
        else (),
        is_flag=info.annotation is bool,
        group="main" if name in MAIN_FIELDS[kind] else group,
        is_required=not may_be_none(info),
    )
