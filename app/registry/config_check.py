"""What the JSON files of a model folder may say: known architectures, no code, bounded sizes."""

import json
from collections.abc import Iterator
from typing import Any

from app.errors import InvalidError

MODEL_TYPES = {
    "llama",
    "qwen2",
    "qwen3",
    "mistral",
    "gemma",
    "gemma2",
    "gemma3_text",
    "phi",
    "phi3",
    "gpt2",
    "gpt_neox",
    "opt",
}
IMPLEMENTATIONS = {"eager", "sdpa", "flash_attention_2", None}
MAX_CONFIG_BYTES = 2**20
# Highest value of each size; about four times what the largest public models have.
MAX_SIZES = {
    "vocab_size": 2_000_000,
    "hidden_size": 65_536,
    "n_embd": 65_536,
    "intermediate_size": 262_144,
    "n_inner": 262_144,
    "ffn_dim": 262_144,
    "head_dim": 4_096,
    "num_hidden_layers": 1_000,
    "n_layer": 1_000,
    "num_attention_heads": 1_024,
    "num_key_value_heads": 1_024,
    "n_head": 1_024,
    "max_position_embeddings": 16_777_216,
    "n_positions": 16_777_216,
    "word_embed_proj_dim": 65_536,
}


def check_config(content: bytes) -> None:
    """Check `config.json`.

    Raises:
        InvalidError: its architecture is not known, or it breaks a rule.
    """
    if len(content) > MAX_CONFIG_BYTES:
        raise InvalidError("'config.json' is larger than 1 MiB.", code="file_too_large")
    config = _parsed("config.json", content)
    model_type = config.get("model_type")
    if not isinstance(model_type, str) or model_type not in MODEL_TYPES:
        raise InvalidError(
            f"The model_type of config.json must be one of {', '.join(sorted(MODEL_TYPES))}.",
            code="unknown_architecture",
        )
    if config.get("quantization_config") is not None:
        raise InvalidError(
            "config.json has a quantization_config; only the model that the quantized one was made "
            "from can be trained and sampled here.",
            code="quantized",
        )
    _check_keys("config.json", config)


def ends_with_reward_head(content: bytes) -> bool | None:
    """Tell from a checked `config.json` what its weights end with; None when it does not say."""
    names = json.loads(content).get("architectures")
    if not isinstance(names, list) or not names:
        return None
    return any("SequenceClassification" in str(name) for name in names)


def check_settings_file(name: str, content: bytes) -> None:
    """Check another JSON file, such as `tokenizer_config.json`, which can name code as well.

    Raises:
        InvalidError: it breaks a rule.
    """
    _check_keys(name, _parsed(name, content))


def check_index(name: str, content: bytes, names: set[str]) -> None:
    """Check the index of sharded weights: it may only name files of its own folder.

    Raises:
        InvalidError: it names something else.
    """
    shards = _parsed(name, content).get("weight_map")
    if not isinstance(shards, dict) or not all(
        isinstance(shard, str) and shard in names for shard in shards.values()
    ):
        raise InvalidError(
            f"{name!r} names weights that are not in the folder.", code="missing_shard"
        )


def _parsed(name: str, content: bytes) -> dict[str, Any]:
    try:
        value = json.loads(content)
    except (ValueError, RecursionError):
        raise InvalidError(f"{name!r} is not valid JSON.", code="bad_json") from None
    if not isinstance(value, dict):
        raise InvalidError(f"{name!r} is not a JSON object.", code="bad_json")
    return value


def _check_keys(name: str, config: dict[str, Any]) -> None:
    for key, value in _walk(config):
        if key in ("auto_map", "trust_remote_code", "custom_pipelines"):
            raise InvalidError(
                f"{name!r} has the key {key!r}, which loads code from the folder.",
                code="remote_code",
            )
        names_implementation = key.startswith(("_attn", "_experts")) or key in (
            "attn_implementation",
            "experts_implementation",
        )
        if names_implementation and (
            isinstance(value, dict | list) or value not in IMPLEMENTATIONS
        ):
            raise InvalidError(
                f"{name!r} sets {key!r} to something other than eager, sdpa or flash_attention_2.",
                code="unknown_implementation",
            )
        if key in MAX_SIZES and not _is_size(value, MAX_SIZES[key]):
            raise InvalidError(
                f"{name!r} has a {key} that is not a whole number from 1 to {MAX_SIZES[key]}.",
                code="bad_size",
            )


def _is_size(value: object, largest: int) -> bool:
    # Null is how gpt2 says "four times n_embd".
    return value is None or (
        isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= largest
    )


def _walk(config: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    """Every key at every depth; json.loads has bounded the depth already."""
    waiting: list[Any] = [config]
    while waiting:
        value = waiting.pop()
        if isinstance(value, dict):
            yield from value.items()
            waiting.extend(value.values())
        elif isinstance(value, list):
            waiting.extend(value)
