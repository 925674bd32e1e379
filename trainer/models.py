"""Loading and saving policies and reward models.

Only safetensors and JSON are read; code from a model folder is never run.
"""

import hashlib
import json
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
import transformers
from safetensors import SafetensorError
from transformers import (
    AutoConfig,
    AutoModelForCausalLM,
    AutoModelForSequenceClassification,
    AutoTokenizer,
    PreTrainedModel,
    PreTrainedTokenizerBase,
)
from transformers.models.auto.modeling_auto import MODEL_FOR_CAUSAL_LM_MAPPING_NAMES

from trainer.data import eos_id_of
from trainer.rundir import RunRefusedError
from trainer.shared_prompt import use_tree_attention

REFUSED_SUFFIXES = frozenset(
    (".py", ".pkl", ".bin", ".pt", ".pth", ".ckpt", ".gguf", ".npy", ".npz", ".h5")
)
ATTENTION_IMPLEMENTATIONS = ("eager", "sdpa", "flash_attention_2", None)
HUB_ID = re.compile(r"([A-Za-z0-9][\w.-]{0,95}/[\w.-]{1,96})@([0-9a-f]{40})")
# The reward model's bias lies in its config: the stock classifier ignores it, `scores` applies it.
BIAS_FIELD = "podium_reward_bias"
HEAD_WEIGHT = "score.weight"
TINY_PARAMETERS = 20_000_000
MIN_PROMPT_TOKENS = 8

transformers.logging.set_verbosity_error()  # type: ignore[no-untyped-call]
transformers.logging.disable_progress_bar()  # type: ignore[no-untyped-call]


# --- loading -------------------------------------------------------------------------------------


def device() -> torch.device:
    """Return where models live: the GPU when there is one."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def resolve_folder(location: str) -> Path:
    """Return the folder of a model, fetching `owner/name@revision` from the hub when it is one.

    Raises:
        RunRefusedError: when there is no such folder or it holds what must not be loaded.
    """
    folder = Path(location)
    hub = HUB_ID.fullmatch(location)
    if not folder.is_dir() and hub is not None:
        # Imported here: it is needed for hub models only.
        from huggingface_hub import snapshot_download  # noqa: PLC0415

        patterns = ["*.safetensors", "*.json", "*.model", "*.txt", "*.jinja"]
        folder = Path(snapshot_download(hub[1], revision=hub[2], allow_patterns=patterns))
    check_folder(folder)
    return folder


def check_folder(folder: Path) -> None:
    """Refuse a model folder that could run code or that has no known architecture.

    Raises:
        RunRefusedError: with the name of the file or key.
    """
    if not (folder / "config.json").is_file():
        raise RunRefusedError(f"{folder} is not a model folder: it has no config.json")
    for path in sorted(folder.rglob("*")):
        if path.suffix.lower() in REFUSED_SUFFIXES:
            raise RunRefusedError(
                f"{path} is refused: only safetensors and JSON are loaded, never pickles or code"
            )
    try:
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    except ValueError:
        raise RunRefusedError(f"{folder / 'config.json'} is not JSON") from None
    model_type = config.get("model_type") if isinstance(config, dict) else None
    if model_type not in MODEL_FOR_CAUSAL_LM_MAPPING_NAMES:
        raise RunRefusedError(f"{folder}: model_type {model_type!r} is not a known language model")
    for key, value in _items(config):
        if _is_refused(key, value):
            raise RunRefusedError(f"{folder / 'config.json'}: the key {key!r} is refused")


def _items(node: Any) -> Iterator[tuple[str, Any]]:  # noqa: ANN401 - any JSON
    children: list[Any] = []
    if isinstance(node, dict):
        yield from node.items()
        children = list(node.values())
    elif isinstance(node, list):
        children = node
    for child in children:
        yield from _items(child)


def _is_refused(key: str, value: object) -> bool:
    if key.startswith(("_attn", "_experts", "attn_implementation", "experts_implementation")):
        return value not in ATTENTION_IMPLEMENTATIONS
    return key in ("auto_map", "trust_remote_code")


def has_weights(folder: Path) -> bool:
    """Tell whether the folder holds weights; one without is an untrained base."""
    return any(folder.glob("*.safetensors"))


def load_tokenizer(folder: Path) -> PreTrainedTokenizerBase:
    """Load the tokenizer and make sure that it can end a response."""
    tokenizer: PreTrainedTokenizerBase = AutoTokenizer.from_pretrained(
        folder, trust_remote_code=False, local_files_only=True
    )
    eos_id_of(tokenizer)
    return tokenizer


def load_policy(folder: Path, *, seed: int, dtype: torch.dtype = torch.float32) -> PreTrainedModel:
    """Load a causal language model in eval mode on the device.

    A folder without weights gives the untrained model of its config, initialised from the seed.

    Raises:
        RunRefusedError: when the folder's weights do not fit its config or its tokenizer.
    """
    torch.manual_seed(seed)
    if has_weights(folder):
        model = _load(AutoModelForCausalLM, folder, dtype=dtype)
    else:
        config = AutoConfig.from_pretrained(folder, trust_remote_code=False, local_files_only=True)
        model = AutoModelForCausalLM.from_config(config, dtype=dtype)  # type: ignore[no-untyped-call]
    return _ready(model)


def load_reward_model(folder: Path, *, seed: int) -> PreTrainedModel:
    """Load a reward model, or make one from a language model with a fresh head.

    The head's weights have standard deviation 1 / sqrt(d + 1) (openai/lm-human-preferences
    `lm_human_preferences/language/model.py`); there is no bias but the one in the config.
    """
    torch.manual_seed(seed)
    config = AutoConfig.from_pretrained(
        folder, num_labels=1, trust_remote_code=False, local_files_only=True
    )
    if has_weights(folder):
        model = _load(AutoModelForSequenceClassification, folder, config=config)
    else:
        model = AutoModelForSequenceClassification.from_config(config, dtype=torch.float32)  # type: ignore[no-untyped-call]
    head = head_of(model)
    if not is_reward_model(folder):
        torch.nn.init.normal_(head.weight, std=(head.in_features + 1) ** -0.5)
    return _ready(model)


def is_reward_model(folder: Path) -> bool:
    """Tell from the config whether the folder holds a model with a reward head."""
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    architectures = config.get("architectures") or []
    return has_weights(folder) and any("SequenceClassification" in name for name in architectures)


def _load(auto: Any, folder: Path, **options: Any) -> PreTrainedModel:  # noqa: ANN401 - an Auto class
    try:
        model, report = auto.from_pretrained(
            folder,
            trust_remote_code=False,
            use_safetensors=True,
            local_files_only=True,
            output_loading_info=True,
            **{"dtype": torch.float32, **options},
        )
    except (OSError, ValueError, RuntimeError, SafetensorError) as error:
        raise RunRefusedError(f"{folder} cannot be loaded: {str(error).splitlines()[0]}") from error
    # What is missing would be random; only the head of a new reward model may be.
    missing = sorted(set(report["missing_keys"]) - {HEAD_WEIGHT})
    if missing or (HEAD_WEIGHT in report["missing_keys"] and is_reward_model(folder)):
        raise RunRefusedError(
            f"{folder} lacks {len(missing) or 1} weights of its architecture, the first is "
            f"{(missing or [HEAD_WEIGHT])[0]}; save the model again"
        )
    loaded: PreTrainedModel = model
    return loaded


def _ready(model: PreTrainedModel) -> PreTrainedModel:
    parameters = sum(parameter.numel() for parameter in model.parameters())
    if parameters < TINY_PARAMETERS and "OMP_NUM_THREADS" not in os.environ:
        # Waiting for a second thread on a busy machine makes tiny models fifty times slower.
        torch.set_num_threads(1)
    use_tree_attention(model)
    # Dropout stays off: the old and the new log-probabilities of PPO must agree.
    model.to(device())  # type: ignore[arg-type]
    model.eval()  # type: ignore[no-untyped-call]
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


def context_limit(model: PreTrainedModel, max_tokens: int) -> int:
    """Return the longest sequence: the setting, or less where the model has fewer positions."""
    positions = getattr(model.config, "max_position_embeddings", None)
    return min(max_tokens, positions) if positions else max_tokens


def prompt_room(policy: PreTrainedModel, max_new_tokens: int, max_tokens: int) -> int:
    """Return how many prompt tokens fit before a response of the greatest length.

    Raises:
        RunRefusedError: when next to none do.
    """
    limit = context_limit(policy, max_tokens)
    room = limit - max_new_tokens
    if room < MIN_PROMPT_TOKENS:
        raise RunRefusedError(
            f"max_new_tokens is {max_new_tokens}, but prompt and response together may have "
            f"{limit} tokens; lower max_new_tokens"
        )
    return room


# --- saving --------------------------------------------------------------------------------------


def save_model(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, folder: Path) -> None:
    """Save a model and its tokenizer so that the plain Auto classes load them."""
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)


def set_bias(model: PreTrainedModel, bias: float) -> None:
    """Set what `scores` and `token_values` subtract from the head's output; it is saved as well."""
    setattr(model.config, BIAS_FIELD, bias)


def bias_of(model: PreTrainedModel) -> float:
    """Return what is subtracted from the head's output; 0 for models made elsewhere."""
    return float(getattr(model.config, BIAS_FIELD, 0.0))


def use_padding_of(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> None:
    """Make the stock classifier read the reward at the EOS as well.

    It looks for the last token that is not the pad id, which would skip an EOS of the same id.
    """
    pad, eos = tokenizer.pad_token_id, tokenizer.eos_token_id
    model.config.pad_token_id = pad if pad != eos else None


def checksum(model: PreTrainedModel) -> str:
    """Return a sha256 over all parameters, to show that a frozen model stayed as it was."""
    digest = hashlib.sha256()
    for parameter in model.parameters():
        digest.update(parameter.detach().cpu().contiguous().view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()


def head_of(model: PreTrainedModel) -> torch.nn.Linear:
    """Return the reward head.

    Raises:
        RunRefusedError: when the architecture keeps it under another name.
    """
    head = getattr(model, "score", None)
    if not isinstance(head, torch.nn.Linear):
        raise RunRefusedError(
            f"{type(model).__name__} has no linear head named `score`; take another architecture"
        )
    return head
