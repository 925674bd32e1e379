"""The losses of the three training runs: pure maths on tensors, no models and no files.

Shapes: b sequences, t tokens, n responses, m comparisons. [IG] is InstructGPT, arXiv 2203.02155.
"""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

from trainer.logprobs import masked_sum
from trainer.spec import Ties


class Comparison(NamedTuple):
    """`chosen` is preferred to `rejected` (places in the ranking) with this weight."""

    chosen: int
    rejected: int
    weight: float


def comparisons_of(ranks: Sequence[int | None], *, ties: Ties) -> list[Comparison]:
    """Expand a ranking into comparisons whose weights add up to 1 ([IG] equation 1).

    The weight is 1 / (number of comparisons), so that a prompt counts the same whatever its K and
    its ties. A tied pair gives nothing, or with "half" both directions at half the weight. A
    response without a rank is in no comparison; an all-tie ranking gives an empty list.

    Args:
        ranks: one per response, 1 is best; None was not judged.
        ties: what a tied pair gives.
    """
    judged = [(place, rank) for place, rank in enumerate(ranks) if rank is not None]
    pairs = [
        (first, second) for at, first in enumerate(judged) for second in judged[at + 1 :]
    ]  # C(K, 2)
    strict = [
        Comparison(i, j, 1.0) if rank_i < rank_j else Comparison(j, i, 1.0)
        for (i, rank_i), (j, rank_j) in pairs
        if rank_i != rank_j
    ]
    halves = [
        Comparison(*places, 0.5)
        for (i, rank_i), (j, rank_j) in pairs
        if rank_i == rank_j and ties == "half"
        for places in ((i, j), (j, i))
    ]
    total = sum(comparison.weight for comparison in strict + halves)
    return [row._replace(weight=row.weight / total) for row in strict + halves]


def kwise_loss(scores: Tensor, chosen: Tensor, rejected: Tensor, weights: Tensor) -> Tensor:
    """Return the weighted sum of -log sigmoid(chosen - rejected), [IG] equation 1.

    Args:
        scores: (n,) rewards, one per response.
        chosen: (m,) int64 indices into `scores`.
        rejected: (m,) int64 indices into `scores`.
        weights: (m,), from `comparisons_of`; a ranking's add up to 1.

    Returns:
        (); 0 with zero gradient when there is no comparison.
    """
    margins = scores[chosen] - scores[rejected]  # (m,)
    return -(weights * functional.logsigmoid(margins)).sum()


def policy_loss(
    logprobs: Tensor,
    old_logprobs: Tensor,
    advantages: Tensor,
    is_response_token: Tensor,
    *,
    clip: float,
) -> Tensor:
    """Return the clipped surrogate loss summed over response tokens (arXiv 1707.06347, equation 7).

    Args:
        logprobs: (b, t) under the policy that is trained.
        old_logprobs: (b, t) under the policy that sampled.
        advantages: (b, t).
        is_response_token: (b, t) bool, True for tokens that the policy sampled.
        clip: the ratio stays within 1 - clip .. 1 + clip.

    Returns:
        (), a sum: divide by the number of response tokens of the whole minibatch.
    """
    ratio = torch.where(is_response_token, logprobs - old_logprobs, 0.0).exp()
    clipped = ratio.clamp(1 - clip, 1 + clip)
    return masked_sum(torch.maximum(-advantages * ratio, -advantages * clipped), is_response_token)


def value_loss(
    values: Tensor, old_values: Tensor, returns: Tensor, is_response_token: Tensor, *, clip: float
) -> Tensor:
    """Return half the larger of both squared errors, summed over response tokens.

    The clipped error is that of openai/baselines `ppo2/model.py`, as openai/lm-human-preferences
    `train_policy.py` uses it.

    Args:
        values: (b, t) under the value model that is trained.
        old_values: (b, t) at the time of the rollout.
        returns: (b, t).
        is_response_token: (b, t) bool, True for tokens that the policy sampled.
        clip: a value may move this far from the old one.

    Returns:
        (), a sum: divide by the number of response tokens of the whole minibatch.
    """
    clipped = old_values + (values - old_values).clamp(-clip, clip)
    errors = torch.maximum((values - returns).square(), (clipped - returns).square())
    return 0.5 * masked_sum(errors, is_response_token)
