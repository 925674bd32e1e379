"""From scores to advantages: token rewards, GAE and whitening, pure maths on tensors.

Shapes: b episodes, t places of the longest response. Entry i of a row belongs to the action of
sampling response token i, and the value of entry i is that of the state before it. [ZI] is arXiv
1909.08593 with its code openai/lm-human-preferences.
"""

from typing import NamedTuple

import torch
from torch import Tensor

from trainer.logprobs import masked_mean


class Estimates(NamedTuple):
    """Both (b, t), 0 outside of the response."""

    advantages: Tensor
    returns: Tensor


def token_rewards(
    scores: Tensor,
    logprobs: Tensor,
    reference_logprobs: Tensor,
    is_response_token: Tensor,
    *,
    kl_coefficient: float,
) -> Tensor:
    """Return -beta * (log policy - log reference) per token, plus the score at the last one.

    arXiv 2203.02155 equation 2, split over tokens as in [ZI] section 2.

    Args:
        scores: (b,) what the whole response earns.
        logprobs: (b, t) under the policy that sampled.
        reference_logprobs: (b, t).
        is_response_token: (b, t) bool, True for tokens that the policy sampled.
        kl_coefficient: beta.

    Returns:
        (b, t), 0 outside of the response.
    """
    penalty = kl_coefficient * (logprobs - reference_logprobs)
    rewards = torch.where(is_response_token, -penalty, 0.0)
    return rewards + torch.where(is_last_token(is_response_token), scores[:, None], 0.0)


def is_last_token(is_response_token: Tensor) -> Tensor:
    """Return a mask that is True at the last response token of each row: (b, t) bool."""
    follows = torch.nn.functional.pad(is_response_token[:, 1:], (0, 1), value=False)
    return is_response_token & ~follows


def estimate_advantages(
    rewards: Tensor, values: Tensor, is_response_token: Tensor, *, gamma: float, lam: float
) -> Estimates:
    """Return generalized advantage estimates and returns (arXiv 1506.02438, equation 16).

    The end of a response is terminal, also when it was cut at the limit: nothing is bootstrapped,
    and what stands after the last token does not enter.

    Args:
        rewards: (b, t).
        values: (b, t) of the state before each response token.
        is_response_token: (b, t) bool, True for tokens that the policy sampled; one run per row.
        gamma: discount.
        lam: lambda of GAE.
    """
    is_counted = is_response_token.to(values.dtype)
    values = torch.where(is_response_token, values, 0.0)
    advantages = torch.zeros_like(values)
    following = torch.zeros_like(values[:, 0])  # (b,)
    next_value = torch.zeros_like(values[:, 0])  # (b,)
    for place in reversed(range(values.shape[1])):
        delta = rewards[:, place] + gamma * next_value - values[:, place]
        following = (delta + gamma * lam * following) * is_counted[:, place]
        advantages[:, place] = following
        next_value = values[:, place]
    return Estimates(advantages, advantages + values)


def adapted_kl_coefficient(
    coefficient: float, kl_nats: float, *, target_nats: float, episodes: int, horizon_episodes: int
) -> float:
    """Return the KL coefficient of the next iteration ([ZI] section 2.2).

    Args:
        coefficient: of this iteration.
        kl_nats: mean KL of this iteration's episodes to the reference; may be negative.
        target_nats: that the KL should have.
        episodes: of this iteration.
        horizon_episodes: the coefficient changes by at most a fifth per so many episodes.
    """
    error = min(max(kl_nats / target_nats - 1, -0.2), 0.2)
    return coefficient * (1 + error * episodes / horizon_episodes)


def whiten(values: Tensor, is_counted: Tensor) -> Tensor:
    """Shift and scale to mean 0 and population variance 1 over what the mask counts.

    Args:
        values: (b, t).
        is_counted: (b, t) bool, True for what enters mean and variance.

    Returns:
        (b, t), 0 where the mask is False; all 0 when the values are equal.
    """
    mean, deviation = _moments(values, is_counted)
    return torch.where(is_counted, (values - mean) / deviation, 0.0).to(values.dtype)


def scale_to_unit_variance(values: Tensor, is_counted: Tensor) -> Tensor:
    """Scale to population variance 1 and keep the mean ([ZI] `train_policy.py`, rewards).

    Args:
        values: (b, t).
        is_counted: (b, t) bool, True for what enters mean and variance.

    Returns:
        (b, t), 0 where the mask is False.
    """
    mean, deviation = _moments(values, is_counted)
    scaled = (values - mean) / deviation + mean
    return torch.where(is_counted, scaled, 0.0).to(values.dtype)


def _moments(values: Tensor, is_counted: Tensor) -> tuple[Tensor, Tensor]:
    # In float64: rounding of the mean would be blown up where all values are equal.
    mean = masked_mean(values.double(), is_counted)
    variance = masked_mean((values.double() - mean).square(), is_counted)
    return mean, (variance + 1e-8).sqrt()


def explained_variance(values: Tensor, returns: Tensor, is_counted: Tensor) -> float | None:
    """Return 1 - Var(returns - values) / Var(returns); None when the returns do not vary."""
    if int(is_counted.sum()) == 0:
        return None
    spread = returns[is_counted].var(unbiased=False)
    if float(spread) == 0:
        return None
    errors = (returns - values)[is_counted].var(unbiased=False)
    return float(1 - errors / spread)
