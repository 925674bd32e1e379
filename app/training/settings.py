"""What people choose for a training run: settings read strictly, presets, words for each field."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, get_args

from pydantic import ValidationError

from app.errors import Fault, InvalidError
from trainer.spec import PPOSettings, RewardSettings, SFTSettings

TrainingKind = Literal["sft", "reward", "ppo"]
TRAINING_KINDS: tuple[TrainingKind, ...] = get_args(TrainingKind)
TrainingSettings = SFTSettings | RewardSettings | PPOSettings
SETTINGS: dict[TrainingKind, type[TrainingSettings]] = {
    "sft": SFTSettings,
    "reward": RewardSettings,
    "ppo": PPOSettings,
}
MAX_FAULTS = 50
MAX_NAME = 100  # of a key that is not ours, shown in the fault

# Rates and lengths of arXiv 2203.02155, appendix C; the pretraining mix needs texts, so it is off.
INSTRUCTGPT: dict[TrainingKind, dict[str, Any]] = {
    "sft": {"epochs": 16, "learning_rate": 9.65e-6, "batch_size": 32, "max_tokens": 2048},
    "reward": {"epochs": 1, "learning_rate": 9e-6, "batch_size": 64, "max_tokens": 2048},
    "ppo": {
        "steps": 500,
        "batch_size": 512,
        "minibatch_size": 64,
        "learning_rate": 5e-6,
        "value_learning_rate": 9e-6,
        "kl_coefficient": 0.02,
        "ptx_texts_per_episode": 8,
        "max_new_tokens": 1024,
        "max_tokens": 2048,
        "ema_decay": 0.992,
    },
}
# A model of a few million parameters needs rates that are a hundred times higher.
SMALL: dict[TrainingKind, dict[str, Any]] = {
    "sft": {
        "epochs": 5,
        "learning_rate": 2e-3,
        "batch_size": 16,
        "max_tokens": 256,
        "warmup_steps": 50,
    },
    "reward": {"epochs": 3, "learning_rate": 1e-3, "batch_size": 16, "max_tokens": 256},
    "ppo": {
        "steps": 40,
        "batch_size": 32,
        "minibatch_size": 32,
        "inner_epochs": 2,
        "learning_rate": 2e-4,
        "value_learning_rate": 3e-4,
        "warmup_steps": 5,
        "kl_coefficient": 0.15,
        "max_new_tokens": 64,
        "max_tokens": 256,
    },
}
Preset = Literal["default", "small", "instructgpt"]
PRESETS: dict[Preset, tuple[str, Mapping[TrainingKind, dict[str, Any]]]] = {
    "default": ("Defaults", {kind: {} for kind in TRAINING_KINDS}),
    "small": ("Small model (demo)", SMALL),
    "instructgpt": ("InstructGPT paper", INSTRUCTGPT),
}

# label, unit or explanation; the first fields of a kind are those that people change most.
WORDS: dict[str, tuple[str, str]] = {
    "steps": ("Iterations", "one batch of sampled responses each"),
    "epochs": ("Epochs", "passes over the data"),
    "learning_rate": ("Learning rate", "peak, of AdamW; falls along a cosine"),
    "batch_size": ("Batch size", "rows per optimizer step"),
    "minibatch_size": ("Minibatch size", "episodes per optimizer step"),
    "inner_epochs": ("Inner epochs", "passes over each batch of responses"),
    "value_learning_rate": ("Learning rate of the value model", "peak, of AdamW"),
    "warmup_steps": ("Warm-up", "steps until the peak learning rate"),
    "kl_coefficient": ("KL coefficient", "penalty per nat away from the reference model"),
    "max_new_tokens": ("Longest response", "tokens"),
    "max_tokens": ("Longest prompt plus response", "tokens; longer rows are left out"),
    "temperature": ("Temperature", "of sampling; 1 draws from the policy itself"),
    "clip": ("Clip range", "of the policy's probability ratio"),
    "value_clip": ("Value clip range", "in units of reward"),
    "gamma": ("Discount", "1 is none"),
    "gae_lambda": ("GAE lambda", "0 trusts the value model, 1 the sampled reward"),
    "ptx_coefficient": (
        "Pretraining mix",
        "times the mean token loss of the pretraining texts; 0 is off",
    ),
    "ptx_texts_per_episode": ("Pretraining texts per episode", "used when the mix is on"),
    "missing_eos_penalty": ("Penalty for not ending", "reward taken off a cut response"),
    "ema_decay": ("EMA decay", "of the weights; empty is off"),
    "ties": ("Ties", "left out, or pulled together with a half-half target"),
    "seed": ("Seed", "same seed, data and machine: same numbers"),
}
# Where a name means something else, or more, for one kind.
OTHER_WORDS: dict[tuple[TrainingKind, str], str] = {
    ("sft", "batch_size"): "demonstrations per optimizer step",
    ("reward", "batch_size"): "prompts per optimizer step, each with all its comparisons",
    ("ppo", "batch_size"): "episodes per iteration: one prompt and one response each",
    ("ppo", "learning_rate"): "of AdamW, constant after the warm-up",
    ("ppo", "warmup_steps"): "iterations until the full learning rate",
}
MAIN_FIELDS: dict[TrainingKind, tuple[str, ...]] = {
    "sft": ("epochs", "learning_rate", "batch_size", "max_tokens", "seed"),
    "reward": ("epochs", "learning_rate", "batch_size", "max_tokens", "ties", "seed"),
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


@dataclass(frozen=True)
class SettingField:
    """One field of the form: what stands in it, and what to choose from when it is a list."""

    name: str
    label: str
    help: str
    value: str
    choices: tuple[str, ...]
    is_main: bool
    is_required: bool


def parse_settings(kind: TrainingKind, values: Mapping[str, object]) -> TrainingSettings:
    """Read settings as JSON gave them: no coercion, no unknown keys, bounds checked.

    Raises:
        InvalidError: one fault per field, with its bound and unit.
    """
    try:
        settings = SETTINGS[kind].model_validate(dict(values), strict=True)
    except ValidationError as error:
        raise _invalid(error) from None
    return _coherent(settings)


def parse_settings_form(kind: TrainingKind, texts: Mapping[str, str]) -> TrainingSettings:
    """Read settings as a form sends them; an empty field takes its default.

    Raises:
        InvalidError: as for `parse_settings`.
    """
    filled = {name: text.strip() for name, text in texts.items() if text.strip()}
    try:
        settings = SETTINGS[kind].model_validate_strings(filled)
    except ValidationError as error:
        raise _invalid(error) from None
    return _coherent(settings)


def fields_of(kind: TrainingKind, typed: Mapping[str, str]) -> list[SettingField]:
    """The form's fields, the important ones first, with what was typed or else the defaults."""
    model = SETTINGS[kind]
    rest = tuple(name for name in model.model_fields if name not in MAIN_FIELDS[kind])
    fields = []
    for name in (*MAIN_FIELDS[kind], *rest):
        label, words = WORDS[name]
        words = OTHER_WORDS.get((kind, name), words)
        info = model.model_fields[name]
        choices = get_args(info.annotation) if name == "ties" else ()
        default = "" if info.default is None else f"{info.default:g}" if not choices else "drop"
        fields.append(
            SettingField(
                name=name,
                label=label,
                help=words,
                value=typed.get(name, default),
                choices=choices,
                is_main=name in MAIN_FIELDS[kind],
                is_required=info.default is not None,
            )
        )
    return fields


def preset_texts(kind: TrainingKind, preset: Preset) -> dict[str, str]:
    """A preset as the form would send it."""
    return {name: f"{value:g}" for name, value in PRESETS[preset][1][kind].items()}


def _coherent(settings: TrainingSettings) -> TrainingSettings:
    if isinstance(settings, PPOSettings) and settings.max_new_tokens >= settings.max_tokens:
        message = (
            f"must be below max_tokens ({settings.max_tokens} tokens), "
            "which counts the prompt and the response together"
        )
        raise InvalidError(
            f"settings.max_new_tokens: {message}",
            code="invalid",
            faults=(Fault(("body", "settings", "max_new_tokens"), message),),
        )
    return settings


def _invalid(error: ValidationError) -> InvalidError:
    faults = tuple(
        Fault(("body", "settings", str(item["loc"][0])[:MAX_NAME]), _message(item))
        for item in error.errors(include_url=False, include_input=False)[:MAX_FAULTS]
    )
    return InvalidError(
        f"settings.{faults[0].loc[-1]}: {faults[0].msg}", code="invalid", faults=faults
    )


def _message(item: Mapping[str, Any]) -> str:
    """Pydantic's message with the field's unit; it names the bound and never holds the input."""
    if item["type"] == "extra_forbidden":
        return "there is no such setting for this kind of run"
    name, message = item["loc"][0], str(item["msg"])
    return f"{message} ({WORDS[name][1]})" if name in WORDS else message
