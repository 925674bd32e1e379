"""Log-probabilities, entropy and masked means: pure maths on tensors.

Shapes: v vocabulary entries, any number of tokens; for the means b sequences of t tokens.
Log-probabilities and entropies are computed in float32, whatever the logits are.
"""

import torch
from torch import Tensor
from torch.nn import functional


def token_logprobs(logits: Tensor, tokens: Tensor, *, temperature: float = 1.0) -> Tensor:
    """Return the log-probability of each token under the logits at its place.

    Args:
        logits: (..., v), already shifted: those at a place predict the token at that place.
        tokens: (...) int64.
        temperature: the sampling temperature; rollout, update and reference must use the same.

    Returns:
        (...) float32.
    """
    scaled = logits.float() / temperature
    chosen = scaled.gather(-1, tokens.unsqueeze(-1)).squeeze(-1)  # (b, t)
    return chosen - scaled.logsumexp(-1)


def token_entropy(logits: Tensor, *, temperature: float = 1.0) -> Tensor:
    """Return the entropy in nats of each next-token distribution: (..., v) -> (...) float32."""
    logprobs = functional.log_softmax(logits.float() / temperature, -1)
    return -(logprobs.exp() * logprobs).sum(-1)


def masked_sum(values: Tensor, is_counted: Tensor) -> Tensor:
    """Return the sum of the values where the mask is True: (b, t), (b, t) bool -> ()."""
    return torch.where(is_counted, values, 0.0).sum()


def masked_mean(values: Tensor, is_counted: Tensor) -> Tensor:
    """Return the mean of the values where the mask is True; 0 when it is True nowhere.

    Args:
        values: (b, t).
        is_counted: (b, t) bool, True for what enters the mean.

    Returns:
        () of the dtype of `values`.
    """
    return masked_sum(values, is_counted) / is_counted.sum().clamp(min=1)
