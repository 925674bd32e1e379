"""Log-probabilities, entropy and masked means: pure maths on tensors.

Shapes: b sequences, t tokens, v vocabulary entries. All results are float32.
"""

import torch
from torch import Tensor
from torch.nn import functional


def token_logprobs(logits: Tensor, tokens: Tensor, *, temperature: float = 1.0) -> Tensor:
    """Return the log-probability of each token under the logits at its place.

    Args:
        logits: (b, t, v), already shifted: `logits[:, i]` predicts `tokens[:, i]`.
        tokens: (b, t) int64.
        temperature: the sampling temperature; rollout, update and reference must use the same.

    Returns:
        (b, t) float32.
    """
    scaled = logits.float() / temperature
    chosen = scaled.gather(-1, tokens.unsqueeze(-1)).squeeze(-1)  # (b, t)
    return chosen - scaled.logsumexp(-1)


def token_entropy(logits: Tensor, *, temperature: float = 1.0) -> Tensor:
    """Return the entropy in nats of each next-token distribution: (b, t, v) -> (b, t) float32."""
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
