"""The form for a new run: what it offers, and how what was typed becomes a request."""

import asyncio
import re
import uuid
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from pydantic import TypeAdapter, ValidationError
from sqlalchemy.ext.asyncio import AsyncSession

from app.accounts.viewer import Viewer
from app.datasets.queries import DatasetView, datasets_of
from app.errors import DomainError, Fault, InvalidError
from app.jobs.machine import read_machine
from app.projects.queries import ProjectView
from app.prompts.queries import has_pretraining_texts
from app.registry.queries import ModelView, all_models
from app.registry.reach import reach_of
from app.training.commands import STARTS_FROM, NewRun
from app.training.display import EXPLANATIONS
from app.training.enough_data import rows_of
from app.training.filling import PREFIX, fill
from app.training.memory import memory_text
from app.training.model_folder import is_small
from app.training.presets import Preset, preset_label, presets_of
from app.training.setting_fields import Group, fields_of
from app.training.setting_words import WORDS
from app.training.settings import TrainingKind, parse_settings_form
from app.web.formats import number, when
from app.web.schemas import Id
from app.web.translation import gettext

MAX_DATASETS = 30
KINDS: tuple[tuple[TrainingKind, str], ...] = (
    ("sft", "Fine-tune (SFT)"),
    ("reward", "Reward model"),
    ("dpo", "Policy (DPO)"),
    ("ppo", "Policy (PPO)"),
)
BASE_WORDS: dict[TrainingKind, tuple[str, str]] = {
    "sft": ("Base model", "is fine-tuned; one without weights is trained from scratch"),
    "reward": ("Base model", "its last layer is replaced by one that gives a score"),
    "dpo": ("Policy to start from", "also the frozen reference model"),
    "ppo": ("Policy to start from", "also the frozen reference model of the KL penalty"),
}
# The kinds that read a reward model: what it does there, and what an empty choice means.
REWARD_WORDS: dict[TrainingKind, tuple[str, str]] = {
    "sft": (
        "keeps the checkpoint whose responses it scores best",
        "None: the last checkpoint is kept",
    ),
    "ppo": (
        "judges the sampled responses; the value model starts from it",
        "None yet: train a reward model first",
    ),
}
OTHER_LABELS = {"reward_model": "Reward model", "dataset": "Dataset"}
# What the form's own links carry over; a query may choose the same.
CHOSEN = ("base_model", "reward_model", "dataset")
GROUPS: tuple[tuple[Group, str], ...] = (
    ("more", "More settings"),
    ("machine", "Machine: precision, memory, gradients, checkpoints"),
)

SETTING_NAME = re.compile(r"\b[a-z]+(?:_[a-z]+)+\b")  # the others are words of their own

dataset_id = TypeAdapter(Id)


def new_run_from(kind: TrainingKind, typed: Mapping[str, str]) -> NewRun:
    """Read the form.

    Raises:
        InvalidError: a setting or the dataset is not valid.
    """
    texts = {
        name.removeprefix(PREFIX): text for name, text in typed.items() if name.startswith(PREFIX)
    }
    return NewRun(
        kind=kind,
        base_model=typed.get("base_model", ""),
        reward_model=typed.get("reward_model") or None,
        dataset_id=_dataset_id(typed.get("dataset", "")),
        settings=parse_settings_form(kind, texts),
        request_key=_key(typed.get("request_key", "")),
    )


async def form_context(
    tx: AsyncSession,
    data_dir: Path,
    viewer: Viewer,
    project: ProjectView,
    *,
    kind: TrainingKind,
    preset: Preset | None,
    typed: Mapping[str, str],
    error: DomainError | None = None,
) -> dict[str, Any]:
    """Everything that the form's template shows.

    Args:
        tx: the caller's transaction.
        data_dir: where a worker left what its machine has.
        viewer: the admin.
        project: whose data is trained on.
        kind: which form.
        preset: what fills the settings; None takes the one that fits the chosen model's size.
        typed: what was typed or linked; it comes before the preset, see `filling.py`.
        error: what was wrong with it.
    """
    models = await all_models(tx)
    by_name = {one.name: one for one in models}
    bases = _offered(models, STARTS_FROM[kind])
    chosen = next((one for one in bases if one.name == typed.get("base_model")), None)
    chosen = chosen or (bases[0] if bases else None)
    if preset is None:
        fits_small = chosen is not None and await asyncio.to_thread(is_small, chosen)
        preset = "small" if fits_small else "default"
    judges = _offered(models, ("reward",)) if kind in REWARD_WORDS else []
    judge = by_name.get(typed.get("reward_model", ""))
    if judge is None and kind == "ppo" and judges:
        judge = judges[0]
    # In PPO the reward model reads the same tokens; elsewhere it cuts what it reads by itself.
    readers = [chosen, judge] if kind == "ppo" else [chosen]
    reach = await asyncio.to_thread(reach_of, [one for one in readers if one is not None])
    datasets = await _datasets(tx, viewer, project)
    dataset = next((one for one in datasets if str(one.id) == typed.get("dataset")), None)
    filling = fill(
        kind,
        preset,
        typed,
        longest=None if reach is None else reach.tokens,
        has_pretraining=await _has_pretraining(tx, project, dataset),
    )
    errors = {} if error is None else _messages(error)
    fields = fields_of(kind, filling.texts)
    wrong = {field.group for field in fields if PREFIX + field.name in errors}
    return {
        "project": project,
        "kind": kind,
        "kinds": [(key, gettext(name)) for key, name in KINDS],
        "explanation": gettext(EXPLANATIONS[kind]),
        "preset": preset,
        "is_preset_shown": error is None,
        "is_fragment": False,
        "presets": [
            (key, preset_label(kind, key), _preset_link(project, kind, key, typed))
            for key in presets_of(kind)
        ],
        "lowered": reach if filling.is_lowered else None,
        "is_mix_left_off": filling.is_mix_left_off,
        "dataset": dataset,
        "filled": filling.filled,
        "changed": [field for field in fields if field.name in filling.changed],
        "main": [field for field in fields if field.group == "main"],
        "groups": [
            (gettext(label), group in wrong, [field for field in fields if field.group == group])
            for group, label in GROUPS
        ],
        "typed": typed,
        "errors": errors,
        "problem": None if error is None else _problem(kind, error),
        "base_label": gettext(BASE_WORDS[kind][0]),
        "base_help": gettext(BASE_WORDS[kind][1]),
        "base_models": _options(bases, _no_base(kind)),
        "reward_help": gettext(REWARD_WORDS[kind][0]) if kind in REWARD_WORDS else None,
        "reward_models": _reward_options(kind, judges),
        "datasets": [
            ("", gettext("The project as it stands now")),
            *map(_dataset_option, datasets),
        ],
        "memory": await _memory_text(data_dir, kind, filling.texts, [chosen, judge]),
        "request_key": str(uuid.uuid4()),
    }


def _preset_link(
    project: ProjectView, kind: TrainingKind, preset: Preset, typed: Mapping[str, str]
) -> str:
    """The form filled in with a preset; what was chosen beside the settings stays."""
    chosen = {name: typed[name] for name in CHOSEN if typed.get(name)}
    query = urlencode({"kind": kind, "preset": preset, **chosen})
    return f"/projects/{project.slug}/runs/new?{query}"


def _offered(models: list[ModelView], kinds: tuple[str, ...]) -> list[ModelView]:
    """Models with files of these kinds: the first kind first, the newest of a kind first."""
    with_files = [one for one in models if one.kind in kinds and one.endpoint_model is None]
    return sorted(with_files, key=lambda one: kinds.index(one.kind))


def _options(models: list[ModelView], if_none: str) -> list[tuple[str, str]]:
    if not models:
        return [("", if_none)]
    untrained = gettext(", untrained")
    return [
        (one.name, f"{one.name} ({one.kind}{untrained if one.is_untrained else ''})")
        for one in models
    ]


def _no_base(kind: TrainingKind) -> str:
    return gettext("None yet: make a %(kind)s model first", kind=STARTS_FROM[kind][0])


async def _memory_text(
    data_dir: Path,
    kind: TrainingKind,
    texts: Mapping[str, str],
    models: Sequence[ModelView | None],
) -> str | None:
    """What the run as it stands in the form would need; None when that cannot be told."""
    try:
        settings = parse_settings_form(kind, texts)
    except InvalidError:
        return None
    folders = [one.path for one in models if one is not None]
    if models[0] is None or (kind == "ppo" and models[1] is None):
        return None
    machine = await asyncio.to_thread(read_machine, data_dir)
    return await asyncio.to_thread(memory_text, settings, folders, machine)


def _reward_options(kind: TrainingKind, models: list[ModelView]) -> list[tuple[str, str]]:
    """Empty for a kind that reads none; where one is optional, none is the first choice."""
    if kind not in REWARD_WORDS:
        return []
    if_none = gettext(REWARD_WORDS[kind][1])
    options = _options(models, if_none)
    return [("", if_none), *options] if models and kind == "sft" else options


async def _has_pretraining(
    tx: AsyncSession, project: ProjectView, dataset: DatasetView | None
) -> bool:
    """Whether the chosen dataset, or the project as it stands, has pretraining texts."""
    if dataset is not None:
        return rows_of(dataset.manifest).pretraining > 0
    return await has_pretraining_texts(tx, project)


async def _datasets(tx: AsyncSession, viewer: Viewer, project: ProjectView) -> list[DatasetView]:
    return (await datasets_of(tx, viewer, project.id))[:MAX_DATASETS]


def _dataset_option(dataset: DatasetView) -> tuple[str, str]:
    return (
        str(dataset.id),
        gettext(
            "Dataset %(id)s of %(when)s: %(rankings)s rankings, %(comparisons)s comparisons",
            id=dataset.id,
            when=when(dataset.created_at),
            rankings=number(dataset.rankings),
            comparisons=number(dataset.comparisons),
        ),
    )


def _dataset_id(text: str) -> int | None:
    if not text:
        return None
    try:
        return dataset_id.validate_python(text, strict=False)
    except ValidationError:
        message = gettext("must be a dataset of this project")
        fault = Fault(("body", "dataset"), message)
        raise InvalidError(f"dataset: {message}", code="invalid", faults=(fault,)) from None


def _key(text: str) -> uuid.UUID | None:
    """The form's own key; a form without one starts a run each time it is sent."""
    try:
        return uuid.UUID(text)
    except ValueError:
        return None


def _problem(kind: TrainingKind, error: DomainError) -> str:
    """What went wrong, with its field called what the form calls it."""
    labels = {name: label for name, (label, _) in WORDS.items()}
    labels |= {"base_model": BASE_WORDS[kind][0]} | OTHER_LABELS
    for fault in error.faults:
        if (label := labels.get(str(fault.loc[-1]))) is not None:
            return f"{gettext(label)}: {_in_labels(fault.msg)}"
    return error.detail


def _messages(error: DomainError) -> dict[str, str]:
    """The faults by the name of their field."""
    return {".".join(map(str, fault.loc[1:])): _in_labels(fault.msg) for fault in error.faults}


def _in_labels(message: str) -> str:
    """A message with the settings that it names called what the form calls them."""
    return SETTING_NAME.sub(
        lambda found: _quoted(gettext(WORDS[found[0]][0])) if found[0] in WORDS else found[0],
        message,
    )


def _quoted(label: str) -> str:
    return gettext('"%(label)s"', label=label)
