"""What a reward model ends with: a linear layer to one number, and the bias subtracted from it."""

import torch
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from trainer.errors import RunRefusedError

# The reward model's bias lies in its config: the stock classifier ignores it, `scores` applies it.
BIAS_FIELD = "podium_reward_bias"
HEAD_WEIGHT = "score.weight"


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


def set_bias(model: PreTrainedModel, bias: float) -> None:
    """Set what `scores` and `state_values` subtract from the head's output; it is saved as well."""
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
