"""Logits, log-probabilities, entropy and masked means: pure maths on tensors.

Shapes: v vocabulary entries, d width, any number of tokens; for the means b sequences of t tokens.
Log-probabilities and entropies are computed in float32, whatever the logits are.
"""

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional


def float32_logits(hidden: Tensor, weight: Tensor) -> Tensor:
    """Return the logits of hidden states as the float32 sums of bfloat16 products.

    As bfloat16 they would be 0.06 apart between 8 and 16, so that the rounding of one other batch
    moves a log-probability by that (verl-project/verl#6280). The backward pass multiplies in
    bfloat16, as that of torch.autocast.

    Args:
        hidden: (..., d) bfloat16.
        weight: (v, d) bfloat16, of the unembedding.

    Returns:
        (..., v) float32.
    """
    logits: Tensor = _Float32Logits.apply(hidden.flatten(0, -2), weight)  # type: ignore[no-untyped-call]
    return logits.view(*hidden.shape[:-1], -1)


class _Float32Logits(torch.autograd.Function):
    """The product with a transposed matrix: (u, d), (v, d) -> (u, v) float32."""

    @staticmethod
    def forward(context: Any, hidden: Tensor, weight: Tensor) -> Tensor:  # noqa: ANN401 - of torch
        context.save_for_backward(hidden, weight)
        # Only CUDA has a kernel that keeps the sums; elsewhere the casts are exact, and slower.
        if hidden.is_cuda:
            return torch.mm(hidden, weight.T, out_dtype=torch.float32)
        with torch.autocast(hidden.device.type, enabled=False):
            return hidden.float() @ weight.float().T

    @staticmethod
    def backward(context: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:  # noqa: ANN401
        hidden, weight = context.saved_tensors
        rounded = gradient.to(hidden.dtype)
        return (
            rounded @ weight if context.needs_input_grad[0] else None,
            rounded.T @ hidden if context.needs_input_grad[1] else None,
        )


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
