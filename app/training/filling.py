"""What a preset fills into the form, and how that follows the chosen models and data. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass

from app.training.presets import MIXES, PRESETS, Preset
from app.training.setting_fields import as_text, preset_texts
from app.training.settings import SETTINGS, TrainingKind

PREFIX = "settings."
# The form sends along what it had filled in itself, so that what a person typed stays.
FILLED_PREFIX = "filled."
LENGTHS = ("max_tokens", "max_new_tokens")
FOLLOWING = (*LENGTHS, *MIXES)


@dataclass(frozen=True)
class Filling:
    """The form's settings as texts.

    Attributes:
        texts: by setting; those that are not there stand at their defaults.
        filled: of the settings that follow what is chosen: what the form filled in.
        changed: settings that do not show any more what was sent.
        is_lowered: a length is less than the preset's, for what the models read.
        is_mix_left_off: the preset has a pretraining mix, but there are no texts for it.
    """

    texts: dict[str, str]
    filled: dict[str, str]
    changed: tuple[str, ...]
    is_lowered: bool
    is_mix_left_off: bool


def fill(
    kind: TrainingKind,
    preset: Preset,
    sent: Mapping[str, str],
    *,
    longest: int | None,
    has_pretraining: bool,
) -> Filling:
    """Fill the form with a preset, except where a person typed something else.

    Args:
        kind: of run.
        preset: which.
        sent: the form as it was sent; without settings when it is opened.
        longest: the most tokens that the chosen models read at once, if that is known.
        has_pretraining: there are texts for the pretraining mix.
    """
    fields = SETTINGS[kind].model_fields
    defaults = {name: as_text(field.default) for name, field in fields.items()}
    wanted = defaults | preset_texts(kind, preset)
    given = preset_texts(kind, preset, longest=longest, has_pretraining=has_pretraining)
    fitted = defaults | given
    typed = _without(PREFIX, sent)
    before = _without(FILLED_PREFIX, sent)
    names = [name for name in FOLLOWING if name in fields]
    untouched = [name for name in names if not typed or typed.get(name, "") == before.get(name)]
    texts = given | typed | {name: fitted[name] for name in untouched}
    filled = {name: fitted[name] if name in untouched else before.get(name, "") for name in names}
    return Filling(
        texts=texts,
        filled=filled,
        changed=tuple(name for name in untouched if texts[name] != typed.get(name, texts[name])),
        is_lowered=any(fitted[name] != wanted[name] for name in untouched if name in LENGTHS),
        is_mix_left_off=not has_pretraining
        and any(name in untouched for name in MIXES if name in PRESETS[preset].get(kind, {})),
    )


def _without(prefix: str, sent: Mapping[str, str]) -> dict[str, str]:
    return {
        name.removeprefix(prefix): text for name, text in sent.items() if name.startswith(prefix)
    }
