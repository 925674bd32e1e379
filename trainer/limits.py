"""What a run may ask of its models and its machine: how long a sequence may be, how much memory."""

import logging
from pathlib import Path

import torch
from transformers import PreTrainedConfig, PreTrainedModel

from trainer import memory, models
from trainer.architecture import sharding
from trainer.architecture.pretrained import load_config
from trainer.architecture.rope import constant_length
from trainer.errors import RunRefusedError
from trainer.machine import free_bytes
from trainer.model_shape import longest_response, shape_of
from trainer.shared_prompt import expected_reach
from trainer.spec import PPOSpec, SFTSpec, TrainingSpec

log = logging.getLogger(__name__)


def longest_sequence(config: PreTrainedConfig, max_tokens: int) -> int:
    """Return how many tokens one may have: the setting, or less if the model has fewer positions.

    Positions count as far as what is computed of a sequence does not depend on its batch.
    """
    positions: int | None = getattr(config, "max_position_embeddings", None)
    return min(filter(None, (max_tokens, positions, constant_length(config))))


def say_longest_sequence(config: PreTrainedConfig, max_tokens: int) -> int:
    """Return `longest_sequence`, and log why it is less than the setting where rope is why.

    Args:
        config: of a model, which need not be loaded.
        max_tokens: the setting.
    """
    limit = longest_sequence(config, max_tokens)
    if limit < max_tokens and limit == constant_length(config):
        log.warning(
            "sequences have at most %d tokens instead of %d: in longer ones the rotary embeddings "
            "of this %s would depend on what shares their batch",
            limit,
            max_tokens,
            config.model_type,
        )
    return limit


def prompt_room(policy: PreTrainedModel, max_new_tokens: int, max_tokens: int) -> int:
    """Return how many prompt tokens fit before a response of the greatest length.

    Raises:
        RunRefusedError: when next to none do.
    """
    limit = longest_sequence(policy.config, max_tokens)
    longest = longest_response(limit)
    if max_new_tokens > longest:
        what = f"lower it to at most {longest}" if longest > 0 else "raise max_tokens"
        raise RunRefusedError(
            f"max_new_tokens is {max_new_tokens}, but prompt and response together may have "
            f"{limit} tokens, some of them of the prompt; {what}"
        )
    return limit - max_new_tokens


def require_memory(spec: TrainingSpec, *, rows: memory.RowLengths | None = None) -> None:
    """Log how much memory a run will need, before anything is loaded, and refuse what cannot fit.

    The log also says where a window of the model makes rows be padded.

    Args:
        spec: what is to be done.
        rows: how long they are; None: as long as the settings allow.

    Raises:
        RunRefusedError: with the settings with which it would fit.
    """
    reward = spec.reward_model if isinstance(spec, SFTSpec | PPOSpec) else None
    for location in filter(None, (spec.base_model, reward)):
        longest = spec.settings.max_tokens if rows is None else rows.longest_row
        _say_what_is_padded(models.resolve_folder(location), longest)
    is_gpu = models.device().type == "cuda"
    free = torch.cuda.mem_get_info()[0] if is_gpu else free_bytes()
    need = memory.require(
        spec,
        base=shape_of(models.resolve_folder(spec.base_model)),
        reward=None if reward is None else shape_of(models.resolve_folder(reward)),
        device="cuda" if is_gpu else "cpu",
        free=free,
        rows=rows,
        shards=sharding.shards(),
    )
    log.info("needs about %s of %s (%s)", memory.gib(need.total), memory.gib(free), need)


def _say_what_is_padded(folder: Path, longest: int) -> None:
    """Log once that rows of up to so many tokens are longer than what the model can share."""
    config = load_config(folder)
    reach = expected_reach(config)
    if 0 < reach < longest_sequence(config, longest):
        log.warning(
            "%s sees %d tokens back: a response that is longer with its prompt is computed in a "
            "padded row of its own, as is all else in the same forward pass",
            folder,
            reach,
        )
