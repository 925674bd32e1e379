"""Loading and saving policies and reward models; a reward model ends with its `reward_head`.

Only safetensors and JSON are read; code from a model folder is never run.
"""

import json
import logging
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
import transformers
from torch import Tensor
from transformers import (
    AutoModelForCausalLM,
    AutoModelForSequenceClassification,
    AutoTokenizer,
    PreTrainedModel,
    PreTrainedTokenizerBase,
    PreTrainedTokenizerFast,
)

from trainer.architecture import adapters, sharding
from trainer.architecture.compute import make_frozen, make_trainable
from trainer.architecture.pretrained import (
    check_folder,
    from_config,
    from_pretrained,
    load_config,
)
from trainer.architecture.reward_head import HEAD_WEIGHT, head_of
from trainer.data import eos_id_of
from trainer.errors import DiskFullError, RunRefusedError, first_line, is_disk_full
from trainer.exactness import keep_tree_attention, use_tree_attention
from trainer.model_folders import has_weights
from trainer.running.tensor_file import size_of
from trainer.spec import ComputeSettings

log = logging.getLogger(__name__)

HUB_ID = re.compile(r"([A-Za-z0-9][\w.-]{0,95}/[\w.-]{1,96})@([0-9a-f]{40})")
TOKENIZER_FILE = "tokenizer.json"
# What `save_pretrained` calls a tokenizer that is all in its tokenizer.json.
PLAIN_TOKENIZERS = ("PreTrainedTokenizerFast", "TokenizersBackend")
TINY_PARAMETERS = 20_000_000

transformers.logging.set_verbosity_error()  # type: ignore[no-untyped-call]
transformers.logging.disable_progress_bar()  # type: ignore[no-untyped-call]


# --- loading -------------------------------------------------------------------------------------


def device() -> torch.device:
    """Return where models live: the GPU when there is one."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def resolve_folder(location: str) -> Path:
    """Return the folder of a model, fetching `owner/name@revision` from the hub when it is one.

    Raises:
        RunRefusedError: when there is no such folder, it holds what must not be loaded, or it
            cannot be downloaded.
    """
    folder = Path(location)
    hub = HUB_ID.fullmatch(location)
    if hub is None and not _is_folder(folder):
        raise RunRefusedError(
            f"there is no folder {location[:300]!r}; a model is the path of its folder, or "
            "owner/name@REVISION of the hub with the 40 hexadecimal digits of a commit"
        )
    if hub is not None and not folder.is_dir():
        # Imported here: it is needed for hub models only.
        from huggingface_hub import snapshot_download  # noqa: PLC0415

        patterns = ["*.safetensors", "*.json", "*.model", "*.txt", "*.jinja"]
        try:
            folder = Path(snapshot_download(hub[1], revision=hub[2], allow_patterns=patterns))
        # The hub has errors of its own, of its HTTP client and of the file system.
        except Exception as error:
            if is_disk_full(error):
                raise
            raise RunRefusedError(
                f"{location} cannot be downloaded: {type(error).__name__}: {first_line(error)}; "
                "look at its name, its revision and the network, or give a folder"
            ) from error
    check_folder(folder)
    return folder


def _is_folder(path: Path) -> bool:
    try:
        return path.is_dir()
    except OSError:  # its name is too long
        return False


def load_tokenizer(folder: Path) -> PreTrainedTokenizerBase:
    """Load the tokenizer and make sure that it can end a response.

    Raises:
        RunRefusedError: when there is none, it is damaged, or it has no EOS token.
    """
    try:
        tokenizer: PreTrainedTokenizerBase = _tokenizer_class(folder).from_pretrained(
            folder, trust_remote_code=False, local_files_only=True
        )
    # The tokenizers library raises plain `Exception` for a file that it cannot parse.
    except Exception as error:
        if not (folder / TOKENIZER_FILE).is_file():
            raise RunRefusedError(
                f"{folder} has no {TOKENIZER_FILE}; save the tokenizer beside the model"
            ) from error
        raise RunRefusedError(
            f"the tokenizer of {folder} cannot be loaded: {first_line(error)}"
        ) from error
    eos_id_of(tokenizer)
    return tokenizer


def _tokenizer_class(folder: Path) -> Any:  # noqa: ANN401 - a class of transformers
    # AutoTokenizer goes by the model's type first: it reads a tokenizer of another kind that lies
    # beside, say, a Qwen2 config as Qwen2's own, and every word becomes an unknown token.
    path = folder / "tokenizer_config.json"
    config = json.loads(path.read_bytes()) if path.is_file() else {}
    is_plain = isinstance(config, dict) and config.get("tokenizer_class") in PLAIN_TOKENIZERS
    return PreTrainedTokenizerFast if is_plain else AutoTokenizer


def load_policy(
    folder: Path,
    *,
    seed: int,
    dtype: torch.dtype = torch.float32,
    compute: ComputeSettings | None = None,
) -> PreTrainedModel:
    """Load a causal language model in eval mode on the device.

    It is prepared before it goes there, so that a GPU never holds frozen weights in float32. A
    folder without weights gives the untrained model of its config, initialised from the seed.

    Args:
        folder: of the model.
        seed: of what is random.
        dtype: of the weights.
        compute: how it is trained; None: all weights, in float32.

    Raises:
        RunRefusedError: when the folder holds a reward model, or weights that do not fit its
            config or its tokenizer.
    """
    return _to_train(_read_policy(folder, seed=seed, dtype=dtype), compute, seed)


def _read_policy(folder: Path, *, seed: int, dtype: torch.dtype = torch.float32) -> PreTrainedModel:
    torch.manual_seed(seed)
    config = load_config(folder, dtype=dtype)
    if is_reward_model(folder):
        raise RunRefusedError(
            f"{folder} is a reward model, which writes no text; choose the model that it was "
            "trained from"
        )
    if has_weights(folder):
        model = from_pretrained(AutoModelForCausalLM, folder, config=config, dtype=dtype)
    else:
        log.warning("%s has no weights: an untrained model is made of its config", folder)
        model = from_config(AutoModelForCausalLM, config, folder, dtype=dtype)
    return _ready(model)


def load_reference(folder: Path, *, seed: int, compute: ComputeSettings) -> PreTrainedModel:
    """Load a frozen policy whose forward pass has the precision of the trained one's."""
    return _to_read(_read_policy(folder, seed=seed), compute)


def load_policy_and_reference(
    folder: Path, *, seed: int, compute: ComputeSettings
) -> tuple[PreTrainedModel, PreTrainedModel]:
    """Load a policy to train and the frozen model that it starts from.

    With LoRA both are one and the same object. Read the reference as
    `with adapters.off(reference): ...`, which does nothing to a separate model.
    """
    policy = load_policy(folder, seed=seed, compute=compute)
    if compute.lora_rank is not None:
        return policy, policy
    return policy, load_reference(folder, seed=seed, compute=compute)


def load_reward_model(
    folder: Path, *, seed: int, compute: ComputeSettings | None = None
) -> PreTrainedModel:
    """Load a reward model, or make one from a language model with a fresh head.

    The head's weights have standard deviation 1 / sqrt(d + 1) (openai/lm-human-preferences
    `lm_human_preferences/language/model.py`); there is no bias but the one in the config. The
    arguments are those of `load_policy`.
    """
    return _to_train(_read_reward_model(folder, seed=seed), compute, seed)


def _read_reward_model(folder: Path, *, seed: int) -> PreTrainedModel:
    torch.manual_seed(seed)
    config = load_config(folder, num_labels=1)
    if has_weights(folder):
        fresh = frozenset() if is_reward_model(folder) else frozenset((HEAD_WEIGHT,))
        model = from_pretrained(
            AutoModelForSequenceClassification, folder, config=config, may_be_missing=fresh
        )
    else:
        model = from_config(AutoModelForSequenceClassification, config, folder)
    head = head_of(model)
    if not is_reward_model(folder):
        torch.nn.init.normal_(head.weight, std=(head.in_features + 1) ** -0.5)
    return _ready(model)


def load_frozen_reward_model(
    folder: Path, *, seed: int, compute: ComputeSettings
) -> PreTrainedModel:
    """Load a reward model that is only read, in the precision of the trained models."""
    return _to_read(_read_reward_model(folder, seed=seed), compute)


def load_value_and_reward(
    folder: Path, *, seed: int, compute: ComputeSettings
) -> tuple[PreTrainedModel, PreTrainedModel]:
    """Load a value model to train and the frozen reward model that it starts from.

    As with `load_policy_and_reference`: with LoRA one object, read within `adapters.off(reward)`.
    """
    value = load_reward_model(folder, seed=seed, compute=compute)
    if compute.lora_rank is not None:
        return value, value
    return value, load_frozen_reward_model(folder, seed=seed, compute=compute)


def is_reward_model(folder: Path) -> bool:
    """Tell from the config whether the folder holds a model with a reward head."""
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    architectures = config.get("architectures") or []
    return has_weights(folder) and any("SequenceClassification" in name for name in architectures)


def _ready(model: PreTrainedModel) -> PreTrainedModel:
    parameters = sum(parameter.numel() for parameter in model.parameters())
    if parameters < TINY_PARAMETERS and "OMP_NUM_THREADS" not in os.environ:
        # Waiting for a second thread on a busy machine makes tiny models fifty times slower.
        torch.set_num_threads(1)
    # Dropout stays off: the old and the new log-probabilities of PPO must agree.
    model.eval()  # type: ignore[no-untyped-call]
    use_tree_attention(model)
    return model


def _to_train(
    model: PreTrainedModel, compute: ComputeSettings | None, seed: int
) -> PreTrainedModel:
    if compute is None:
        return _placed(model)
    make_trainable(model, compute, device().type, seed=seed)
    sharding.shard(_placed(model))
    return model


def _to_read(model: PreTrainedModel, compute: ComputeSettings) -> PreTrainedModel:
    make_frozen(model, compute, device().type)
    sharding.shard(_placed(model))
    return model


def _placed(model: PreTrainedModel) -> PreTrainedModel:
    model.to(device())  # type: ignore[arg-type]
    if device().type == "cuda":
        keep_tree_attention(model)  # the attention of a GPU is another one
    return model


def require_same_vocabulary(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, *, name: str
) -> None:
    """Refuse a tokenizer that has more tokens than the model has embeddings.

    Raises:
        RunRefusedError: with both sizes.
    """
    embeddings = model.get_input_embeddings()
    assert isinstance(embeddings, torch.nn.Embedding)
    size = embeddings.num_embeddings
    if len(tokenizer) > size:
        raise RunRefusedError(
            f"{name}: the tokenizer has {len(tokenizer)} tokens but the model only {size}; "
            "use the tokenizer that the model was made with"
        )


# --- saving --------------------------------------------------------------------------------------


def save_model(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    folder: Path,
    *,
    state: Mapping[str, Tensor] | None = None,
) -> None:
    """Save a model and its tokenizer so that the plain Auto classes load them.

    An adapter is added to the weights; by itself it lies beside them in `adapter/`, with the head.

    Args:
        model: as it was loaded; it is not changed.
        tokenizer: of the model.
        folder: that is there and empty.
        state: of a sharded model, gathered; None: the model has all its weights.

    Raises:
        DiskFullError: when it does not fit.
    """
    complete = model.state_dict() if state is None else state
    try:
        if adapters.has_adapter(model):
            model.save_pretrained(folder, state_dict=adapters.merged_state(model, complete))
            adapters.save(model, complete, folder)
        else:
            model.save_pretrained(folder, state_dict=None if state is None else dict(state))
        tokenizer.save_pretrained(folder)
    except Exception as error:
        # The writer of safetensors leaves nothing that would show how much was to be written.
        if is_disk_full(error):
            raise DiskFullError(folder, needed_bytes=2 * size_of(complete)) from error
        raise
