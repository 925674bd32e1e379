"""The forward passes that training is made of.

Sequences are padded on the right, so causal attention needs no mask: no token sees the padding.
Shapes: b sequences, t tokens, d model width, v vocabulary entries.
"""

import torch
from torch import Tensor
from torch.nn import functional
from transformers import PreTrainedModel

from trainer.data import Batch
from trainer.logprobs import masked_sum, token_entropy, token_logprobs
from trainer.models import bias_of, head_of


def response_logits(model: PreTrainedModel, batch: Batch) -> tuple[Tensor, int]:
    """Return the logits that predict the tokens from the first response token on.

    Prompts cost no vocabulary-sized logits.

    Returns:
        (b, t - first, v) and `first`: entry i predicts the token at place `first + i`.
    """
    first = int(batch.prompt_lengths.min())
    keep = batch.tokens.shape[1] - first + 1
    logits = model(batch.tokens, use_cache=False, logits_to_keep=keep).logits
    return logits[:, :-1], first


def response_logprobs(model: PreTrainedModel, batch: Batch, *, temperature: float = 1.0) -> Tensor:
    """Return the log-probability of every response token.

    Args:
        model: a causal language model.
        batch: sequences.
        temperature: that the responses were sampled with.

    Returns:
        (b, t) float32 with gradients, 0 where `is_response_token` is False.
    """
    logits, first = response_logits(model, batch)
    logprobs = token_logprobs(logits, batch.tokens[:, first:], temperature=temperature)
    return _at_response(logprobs, batch, first)


def response_logprobs_and_entropy(
    model: PreTrainedModel, batch: Batch, *, temperature: float = 1.0
) -> tuple[Tensor, Tensor]:
    """Return `response_logprobs` and the entropy of each distribution: twice (b, t) float32."""
    logits, first = response_logits(model, batch)
    logprobs = token_logprobs(logits, batch.tokens[:, first:], temperature=temperature)
    entropy = token_entropy(logits, temperature=temperature)
    return _at_response(logprobs, batch, first), _at_response(entropy, batch, first)


def _at_response(values: Tensor, batch: Batch, first: int) -> Tensor:
    return torch.where(batch.is_response_token, functional.pad(values, (first, 0)), 0.0)


def text_loss(model: PreTrainedModel, batch: Batch) -> Tensor:
    """Return the summed negative log-probability of the response tokens: () float32."""
    logits, first = response_logits(model, batch)
    logprobs = token_logprobs(logits, batch.tokens[:, first:])
    return -masked_sum(logprobs, batch.is_response_token[:, first:])


def scores(model: PreTrainedModel, batch: Batch) -> Tensor:
    """Return the reward of each sequence, read at its last token, minus the bias: (b,) float32."""
    hidden = _hidden(model, batch)  # (b, t, d)
    last = hidden[torch.arange(len(hidden), device=hidden.device), batch.lengths - 1]  # (b, d)
    return _project(model, last)


def token_values(model: PreTrainedModel, batch: Batch) -> Tensor:
    """Return the reward head's output after every token, minus the bias: (b, t) float32.

    Entry i is the value of the state *after* token i, which is the state *before* token i + 1.
    """
    return _project(model, _hidden(model, batch))


def state_values(model: PreTrainedModel, batch: Batch) -> Tensor:
    """Return the value of the state before each response token: (b, t) float32, else 0."""
    shifted = functional.pad(token_values(model, batch)[:, :-1], (1, 0))  # (b, t)
    return torch.where(batch.is_response_token, shifted, 0.0)


def _hidden(model: PreTrainedModel, batch: Batch) -> Tensor:
    hidden: Tensor = model.base_model(batch.tokens, use_cache=False).last_hidden_state
    return hidden


def _project(model: PreTrainedModel, hidden: Tensor) -> Tensor:
    head = head_of(model)
    # In float32 whatever the model's dtype: in bf16 rewards between 4 and 8 would be 0.03 apart.
    weight = head.weight.float()
    output: Tensor = (hidden.float() @ weight.T).squeeze(-1)
    return output - bias_of(model)
