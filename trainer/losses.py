"""The losses of the training runs: pure maths on tensors, no models and no files.

Shapes: n responses, m comparisons, r response tokens. [IG] is InstructGPT, arXiv 2203.02155.
"""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

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


def implicit_rewards(logprobs: Tensor, reference_logprobs: Tensor, *, beta: float) -> Tensor:
    """Return beta times the log-ratio of policy and reference (arXiv 2305.18290, equation 5).

    The partition function of the equation is left out: it is the same for all responses of a
    prompt. DPO's loss is `kwise_loss` of these (equation 7, over all comparisons of a ranking).

    Args:
        logprobs: (n,) of whole responses under the policy, summed over tokens, EOS included.
        reference_logprobs: (n,) under the reference model, without gradients.
        beta: strength of the tie to the reference model.

    Returns:
        (n,) in nats times beta.
    """
    return beta * (logprobs - reference_logprobs)


def policy_loss(
    logprobs: Tensor, old_logprobs: Tensor, advantages: Tensor, *, clip: float
) -> Tensor:
    """Return the clipped surrogate loss summed over tokens (arXiv 1707.06347, equation 7).

    Args:
        logprobs: (r,) of response tokens under the policy that is trained.
        old_logprobs: (r,) under the policy that sampled.
        advantages: (r,).
        clip: the ratio stays within 1 - clip .. 1 + clip.

    Returns:
        (), a sum: divide by the number of response tokens of the whole minibatch.
    """
    ratio = (logprobs - old_logprobs).exp()
    clipped = ratio.clamp(1 - clip, 1 + clip)
    return torch.maximum(-advantages * ratio, -advantages * clipped).sum()


def value_loss(values: Tensor, old_values: Tensor, returns: Tensor, *, clip: float) -> Tensor:
    """Return half the larger of both squared errors, summed over tokens.

    The clipped error is that of openai/baselines `ppo2/model.py`, as openai/lm-human-preferences
    `train_policy.py` uses it.

    Args:
        values: (r,) before each response token, under the value model that is trained.
        old_values: (r,) at the time of the rollout.
        returns: (r,).
        clip: a value may move this far from the old one.

    Returns:
        (), a sum: divide by the number of response tokens of the whole minibatch.
    """
    return 0.5 * torch.maximum(*_value_errors(values, old_values, returns, clip)).sum()


@torch.no_grad()
def clipped_values(values: Tensor, old_values: Tensor, returns: Tensor, *, clip: float) -> Tensor:
    """Return where the clipped error is the larger one, so that it has no gradient: (r,) bool.

    The share of these is `val/clipfrac` of openai/lm-human-preferences. The arguments are those of
    `value_loss`.
    """
    plain, clipped = _value_errors(values, old_values, returns, clip)
    return clipped > plain


def _value_errors(
    values: Tensor, old_values: Tensor, returns: Tensor, clip: float
) -> tuple[Tensor, Tensor]:
    clipped = old_values + (values - old_values).clamp(-clip, clip)
    return (values - returns).square(), (clipped - returns).square()
