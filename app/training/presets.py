"""Settings to begin with: the papers', those of a small model on a small machine, the defaults."""

from collections.abc import Mapping
from typing import Any, Literal

from app.training.settings import TRAINING_KINDS, TrainingKind
from app.web.translation import gettext

Preset = Literal["default", "small", "paper", "before_ppo"]
Values = Mapping[str, Any]

# Rates and lengths of arXiv 2203.02155, appendix C. Its 27.8 for the pretraining mix multiplies a
# loss whose normalization is not printed; with our mean over tokens 1 keeps the pretraining loss in
# `benchmarks/planted.py`. DPO has a paper of its own, arXiv 2305.18290, appendix B.
PAPERS: dict[TrainingKind, Values] = {
    "sft": {"epochs": 16, "learning_rate": 9.65e-6, "batch_size": 32, "max_tokens": 2048},
    "reward": {"epochs": 1, "learning_rate": 9e-6, "batch_size": 64, "max_tokens": 2048},
    "dpo": {
        "beta": 0.1,
        "epochs": 1,
        "learning_rate": 1e-6,
        "batch_size": 64,
        "warmup_steps": 150,
        "max_tokens": 2048,
    },
    "ppo": {
        "steps": 500,
        "batch_size": 512,
        "minibatch_size": 64,
        "learning_rate": 5e-6,
        "value_learning_rate": 9e-6,
        "kl_coefficient": 0.02,
        "ptx_coefficient": 1.0,
        "ptx_texts_per_episode": 8,
        "max_new_tokens": 1024,
        "max_tokens": 2048,
        "ema_decay": 0.992,
    },
}
# The model that PPO starts from is a run of its own (C.3), this one that of 1.3B parameters.
BEFORE_PPO: dict[TrainingKind, Values] = {
    "sft": {
        "epochs": 2,
        "learning_rate": 5e-6,
        "batch_size": 32,
        "max_tokens": 2048,
        "pretraining_share": 0.1,
    }
}
# A model of a few million parameters needs rates that are a hundred times higher.
SMALL: dict[TrainingKind, Values] = {
    "sft": {
        "epochs": 5,
        "learning_rate": 2e-3,
        "batch_size": 16,
        "max_tokens": 256,
        "warmup_steps": 50,
        "tokens_per_forward": 4096,
    },
    "reward": {
        "epochs": 3,
        "learning_rate": 1e-3,
        "batch_size": 16,
        "max_tokens": 256,
        "tokens_per_forward": 4096,
    },
    "dpo": {
        "epochs": 3,
        "learning_rate": 2e-4,
        "batch_size": 16,
        "max_tokens": 256,
        "tokens_per_forward": 4096,
    },
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
        "tokens_per_forward": 4096,
    },
}
# Settings that mix pretraining texts in; no run has both.
MIXES = ("pretraining_share", "ptx_coefficient")
PRESETS: dict[Preset, Mapping[TrainingKind, Values]] = {
    "default": {kind: {} for kind in TRAINING_KINDS},
    "small": SMALL,
    "paper": PAPERS,
    "before_ppo": BEFORE_PPO,
}


def presets_of(kind: TrainingKind) -> list[Preset]:
    """Which presets the form offers."""
    return [preset for preset, of_kinds in PRESETS.items() if kind in of_kinds]


def preset_label(kind: TrainingKind, preset: Preset) -> str:
    """What the preset is called on the form."""
    if preset == "before_ppo":
        return gettext("InstructGPT, before PPO")
    if preset == "paper":
        return gettext("DPO paper") if kind == "dpo" else gettext("InstructGPT paper")
    return gettext("Defaults") if preset == "default" else gettext("Small machine")
