"""Where model folders meet transformers: every failure becomes a refusal in one line."""

from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from transformers import AutoConfig, PreTrainedConfig, PreTrainedModel
from transformers.models.auto.modeling_auto import MODEL_FOR_CAUSAL_LM_MAPPING_NAMES

from trainer import memory
from trainer.errors import RunRefusedError, first_line
from trainer.machine import free_bytes
from trainer.model_folders import (
    count_parameters,
    read_config,
    require_all_weights,
    require_data_only,
)
from trainer.model_shape import shape_of

# What building a model from wrong numbers or reading a damaged file raises.
UNBUILDABLE = (
    OSError, ValueError, RuntimeError, TypeError, ZeroDivisionError, AssertionError, KeyError,
    AttributeError, IndexError, SafetensorError,
)  # fmt: skip


def check_folder(folder: Path) -> None:
    """Refuse a model folder that could run code, is damaged, quantized or of no known architecture.

    Raises:
        RunRefusedError: with the name of the file or key.
    """
    config = read_config(folder)
    if config.get("quantization_config") is not None:
        raise RunRefusedError(
            f"{folder / 'config.json'}: the model is quantized (quantization_config); take the one "
            "that it was made from"
        )
    require_data_only(folder)
    require_all_weights(folder)
    model_type = config.get("model_type")
    if model_type not in MODEL_FOR_CAUSAL_LM_MAPPING_NAMES:
        raise RunRefusedError(
            f"{folder}: model_type {str(model_type)[:80]!r} is not a known language model"
        )
    count_parameters(folder)


def load_config(
    folder: Path,
    *,
    dtype: torch.dtype = torch.float32,
    **options: Any,  # noqa: ANN401 - of transformers
) -> PreTrainedConfig:
    """Load the config of a folder, after making sure that its model can be loaded here.

    Raises:
        RunRefusedError: when the folder is refused or its weights do not fit into memory.
    """
    check_folder(folder)
    parameters, free = shape_of(folder).parameters, free_bytes()
    # All weights are in the machine's memory once, also on the way to a GPU.
    size = parameters * dtype.itemsize
    if size > free:
        raise RunRefusedError(
            f"{folder} has {parameters:,} parameters, which need {memory.gib(size)} of memory, "
            f"but {memory.gib(free)} are free; take a smaller model or a larger machine"
        )
    try:
        config: PreTrainedConfig = AutoConfig.from_pretrained(
            folder, trust_remote_code=False, local_files_only=True, **options
        )
    # Each family checks its own numbers, with exceptions of its own.
    except Exception as error:
        raise RunRefusedError(
            f"{folder / 'config.json'} is refused: {first_line(error)}"
        ) from error
    return config


def from_config(
    auto: Any,  # noqa: ANN401 - an Auto class
    config: PreTrainedConfig,
    folder: Path,
    *,
    dtype: torch.dtype = torch.float32,
) -> PreTrainedModel:
    """Make the untrained model of a config.

    Raises:
        RunRefusedError: when its numbers do not fit together.
    """
    try:
        model: PreTrainedModel = auto.from_config(config, dtype=dtype)
    except UNBUILDABLE as error:
        raise RunRefusedError(
            f"no model can be made of {folder / 'config.json'}: {first_line(error)}"
        ) from error
    return model


def from_pretrained(
    auto: Any,  # noqa: ANN401 - an Auto class
    folder: Path,
    *,
    config: PreTrainedConfig,
    dtype: torch.dtype = torch.float32,
    may_be_missing: frozenset[str] = frozenset(),
) -> PreTrainedModel:
    """Load weights; none but those that may be missing is left at random.

    Raises:
        RunRefusedError: when the files are damaged or do not fit the config.
    """
    try:
        model, report = auto.from_pretrained(
            folder,
            trust_remote_code=False,
            use_safetensors=True,
            local_files_only=True,
            output_loading_info=True,
            # Refused below, where both sizes can be named.
            ignore_mismatched_sizes=True,
            config=config,
            dtype=dtype,
        )
    except UNBUILDABLE as error:
        raise RunRefusedError(f"{folder} cannot be loaded: {first_line(error)}") from error
    mismatched = sorted(report["mismatched_keys"], key=lambda key: str(key[0]))
    if mismatched:
        name, found, wanted = mismatched[0]
        raise RunRefusedError(
            f"{folder} cannot be loaded: {name} has the shape {list(found)}, but config.json says "
            f"{list(wanted)}; repair vocab_size or the size that it stands for"
        )
    missing = sorted(set(report["missing_keys"]) - may_be_missing)
    if missing:
        raise RunRefusedError(
            f"{folder} lacks {len(missing)} of the weights that its architecture has, the first is "
            f"{missing[0]}; save the model again"
        )
    loaded: PreTrainedModel = model
    return loaded
