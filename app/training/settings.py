"""What people choose for a training run: settings read strictly, and refused where they clash."""

import math
from collections.abc import Callable, Mapping
from functools import partial
from types import NoneType
from typing import Any, Literal, get_args

from pydantic import ValidationError
from pydantic.fields import FieldInfo

from app.errors import Fault, InvalidError
from app.training.setting_words import OTHER_WORDS, WORDS
from app.web.formats import as_python_reads, number, plain
from app.web.translation import gettext
from trainer.model_shape import MIN_PROMPT_TOKENS, longest_response
from trainer.spec import DPOSettings, PPOSettings, RewardSettings, SFTSettings

TrainingKind = Literal["sft", "reward", "dpo", "ppo"]
TRAINING_KINDS: tuple[TrainingKind, ...] = get_args(TrainingKind)
TrainingSettings = SFTSettings | RewardSettings | DPOSettings | PPOSettings
SETTINGS: dict[TrainingKind, type[TrainingSettings]] = {
    "sft": SFTSettings,
    "reward": RewardSettings,
    "dpo": DPOSettings,
    "ppo": PPOSettings,
}
# Pydantic's name of a broken bound, where it keeps the number, and what people are told.
BOUNDS = {
    "greater_than": ("gt", "must be above %(bound)s"),
    "greater_than_equal": ("ge", "must be at least %(bound)s"),
    "less_than": ("lt", "must be below %(bound)s"),
    "less_than_equal": ("le", "must be at most %(bound)s"),
}
MAX_FAULTS = 50
MAX_NAME = 100  # of a key that is not ours, shown in the fault


def parse_settings(kind: TrainingKind, values: Mapping[str, object]) -> TrainingSettings:
    """Read settings as JSON gave them: no coercion, no unknown keys, bounds checked.

    Raises:
        InvalidError: one fault per field, with its bound and unit.
    """
    try:
        settings = SETTINGS[kind].model_validate(dict(values), strict=True)
    except ValidationError as error:
        raise _invalid(error, partial(_with_unit, kind)) from None
    return _coherent(settings)


def parse_settings_form(kind: TrainingKind, texts: Mapping[str, str]) -> TrainingSettings:
    """Read settings as a form sends them: no checkbox is off, numbers as the page writes them.

    Empty is none where a setting may be none, and the default elsewhere.

    Raises:
        InvalidError: as for `parse_settings`, but without units, which stand beside the fields.
    """
    fields = SETTINGS[kind].model_fields
    filled = {name: "false" for name, field in fields.items() if field.annotation is bool}
    filled |= {name: as_python_reads(text.strip()) for name, text in texts.items() if text.strip()}
    try:
        settings = SETTINGS[kind].model_validate_strings(filled)
    except ValidationError as error:
        raise _invalid(error, _in_words) from None
    # Texts cannot say none.
    none = {
        name: None
        for name, text in texts.items()
        if name in fields and may_be_none(fields[name]) and not text.strip()
    }
    return _coherent(settings.model_copy(update=none))


def may_be_none(field: FieldInfo) -> bool:
    """Whether a setting can be switched off by having no value."""
    return NoneType in get_args(field.annotation)


def refused_setting(name: str, message: str, *, code: str = "invalid") -> InvalidError:
    """A setting that is well-formed but cannot work, with its place."""
    return InvalidError(
        f"settings.{name}: {message}",
        code=code,
        faults=(Fault(("body", "settings", name), message),),
    )


def _coherent(settings: TrainingSettings) -> TrainingSettings:
    """Check what no single setting shows.

    Raises:
        InvalidError: two of them cannot work together.
    """
    if isinstance(settings, RewardSettings) and settings.labeler_folds == 1:
        raise refused_setting(
            "labeler_folds",
            gettext("must be 0 or at least 2: with 1 nobody's labels are left to train on"),
        )
    if not isinstance(settings, PPOSettings):
        return settings
    if settings.max_new_tokens > longest_response(settings.max_tokens):
        raise refused_setting(
            "max_new_tokens",
            gettext(
                "must be at least %(prompt)s below max_tokens (%(most)s tokens), which counts the "
                "prompt and the response together",
                prompt=MIN_PROMPT_TOKENS,
                most=settings.max_tokens,
            ),
        )
    _require_batches_that_work(settings)
    if settings.kl_target_nats is not None and settings.kl_coefficient == 0:
        raise refused_setting(
            "kl_target_nats",
            gettext("needs a kl_coefficient above 0 to begin with: it is changed by a factor"),
        )
    if (settings.kl_limit_nats or math.inf) <= (settings.kl_target_nats or 0):
        raise refused_setting(
            "kl_limit_nats",
            gettext(
                "must be above kl_target_nats (%(target)s nats), which the KL is steered to",
                target=plain(settings.kl_target_nats or 0),
            ),
        )
    return settings


def _require_batches_that_work(settings: PPOSettings) -> None:
    if settings.minibatch_size > settings.batch_size:
        raise refused_setting(
            "minibatch_size",
            gettext(
                "must be at most batch_size (%(episodes)s episodes), which is what an iteration "
                "samples",
                episodes=settings.batch_size,
            ),
        )
    for name in ("batch_size", "minibatch_size"):
        if getattr(settings, name) % settings.responses_per_prompt:
            raise refused_setting(
                name,
                gettext(
                    "must be a multiple of responses_per_prompt (%(responses)s), as the episodes "
                    "of a prompt stay together",
                    responses=settings.responses_per_prompt,
                ),
            )


def _invalid(error: ValidationError, say: Callable[[Mapping[str, Any]], str]) -> InvalidError:
    faults = tuple(
        Fault(("body", "settings", str(item["loc"][0])[:MAX_NAME]), say(item))
        for item in error.errors(include_url=False, include_input=False)[:MAX_FAULTS]
    )
    return InvalidError(
        f"settings.{faults[0].loc[-1]}: {faults[0].msg}", code="invalid", faults=faults
    )


def _with_unit(kind: TrainingKind, item: Mapping[str, Any]) -> str:
    """What is wrong, with the unit of a bound, which is what a field's words begin with."""
    name, message = str(item["loc"][0]), _in_words(item)
    if item["type"] not in BOUNDS:
        return message
    unit = gettext(OTHER_WORDS.get((kind, name), WORDS[name][1])).partition(";")[0]
    return f"{message} ({unit})"


def _in_words(item: Mapping[str, Any]) -> str:
    """What is wrong, with the bound, and never with the input."""
    match item["type"].removesuffix("_parsing").removesuffix("_type"):
        case "extra_forbidden":
            return gettext("there is no such setting for this kind of run")
        case "int" | "int_from_float":
            return gettext("must be a whole number")
        case "float":
            return gettext("must be a number")
        case "finite_number":
            return gettext("must be a finite number")
        case bound if bound in BOUNDS:
            key, words = BOUNDS[bound]
            return gettext(words, bound=bound_text(item["ctx"][key]))
        case _:
            return str(item["msg"])


def bound_text(value: float) -> str:
    """The bound of a setting, as exact as it was written."""
    return number(value) if isinstance(value, int) else plain(value)
