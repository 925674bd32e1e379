"""Ranked prompts as batches: who is compared with whom, and in which forward pass.

The reward model and DPO share these. Shapes: n responses of a forward pass, m comparisons. [IG] is
InstructGPT, arXiv 2203.02155.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple, TypeVar

import torch
from torch import Tensor
from transformers import PreTrainedModel

from trainer.evaluate import Accuracy, Judged, pairwise_accuracy
from trainer.losses import Comparison, comparisons_of, kwise_loss
from trainer.preference.rankings import RankedPrompt, reweighted
from trainer.result import Share
from trainer.rundir import Metrics
from trainer.running import parallel
from trainer.running.parallel import Part
from trainer.shared_prompt import sizes_of
from trainer.spec import DPOSettings, RewardSettings, Ties

# While training; held-out prompts beyond these are measured at the end only.
VALIDATION_PROMPTS = 128

PreferenceSettings = RewardSettings | DPOSettings
Row = TypeVar("Row")


class Micro(NamedTuple):
    """One forward pass of this rank: its place in the plan, and the prompts in it."""

    part: Part
    prompts: list[RankedPrompt]


class Comparisons(NamedTuple):
    """Comparisons between the responses of a forward pass.

    Attributes:
        chosen: (m,) int64, which of the n responses is preferred.
        rejected: (m,) int64, to which.
        weights: (m,); those of one prompt add up to 1.
    """

    chosen: Tensor
    rejected: Tensor
    weights: Tensor


def comparisons_in(prompt: RankedPrompt, ties: Ties) -> list[Comparison]:
    """Expand all rankings of a prompt into comparisons between places of its responses.

    Their weights add up to 1, so that a prompt counts the same whatever its K and however often it
    was sampled ([IG] equation 1). Its slates share that 1 as their rankings' weights say. A ranking
    without a comparison, such as one of ties alone, leaves its weight to the others of the same
    slate; a slate without any leaves it to the other slates.
    """
    expanded = [(ranking, comparisons_of(ranking.ranks, ties=ties)) for ranking in prompt.rankings]
    compared = [(ranking, rows) for ranking, rows in expanded if rows]
    weighted = reweighted([ranking for ranking, _ in compared], like=prompt.rankings)
    total = sum(ranking.weight for ranking in weighted)
    return [
        Comparison(
            ranking.places[row.chosen],
            ranking.places[row.rejected],
            row.weight * (ranking.weight / total),
        )
        for ranking, (_, rows) in zip(weighted, compared, strict=True)
        if ranking.weight > 0
        for row in rows
    ]


def collate(prompts: Sequence[RankedPrompt], ties: Ties, device: torch.device) -> Comparisons:
    """Put the comparisons of several prompts into tensors, places counted through."""
    chosen, rejected, weights, offset = [], [], [], 0
    for prompt in prompts:
        for row in comparisons_in(prompt, ties):
            chosen.append(offset + row.chosen)
            rejected.append(offset + row.rejected)
            weights.append(row.weight)
        offset += len(prompt.tree.responses)
    return Comparisons(
        torch.tensor(chosen, dtype=torch.int64, device=device),
        torch.tensor(rejected, dtype=torch.int64, device=device),
        torch.tensor(weights, dtype=torch.float32, device=device),
    )


def means_of(numbers: Tensor, prompts: Sequence[RankedPrompt], ties: Ties) -> tuple[float, float]:
    """Return the mean over comparisons, weighed as in the loss, of the chosen and of the rejected.

    Args:
        numbers: (n,) on the CPU, one for each response, in order.
        prompts: each with a comparison.
        ties: what a tied pair gives.
    """
    compared = collate(prompts, ties, numbers.device)
    shares = compared.weights / compared.weights.sum()
    chosen, rejected = (
        float((shares * numbers[places]).sum()) for places in (compared.chosen, compared.rejected)
    )
    return chosen, rejected


def tokens_of(prompts: Sequence[RankedPrompt]) -> int:
    """Return how many tokens it takes to forward each prompt with its responses once."""
    return sum(prompt.tree.tokens for prompt in prompts)


def micro_batches(
    model: PreTrainedModel, prompts: Sequence[RankedPrompt], *, tokens: int
) -> Iterator[Micro]:
    """Cut prompts, in order, into forward passes of at most so many tokens; yield this rank's."""
    sizes = sizes_of([prompt.tree for prompt in prompts], model)
    for part in parallel.deal(sizes, tokens=tokens):
        yield Micro(part, [prompts[index] for index in part.items])


def collect(done: Sequence[tuple[Part, Tensor]], prompts: Sequence[RankedPrompt]) -> Tensor:
    """Put together what the ranks have said of each response, in the order of the prompts: (n,)."""
    return parallel.collect(done, [len(prompt.tree.responses) for prompt in prompts])


def spread(rows: Sequence[Row], count: int) -> list[Row]:
    """Return at most so many rows, evenly spread over all of them."""
    return list(rows[:: -(-len(rows) // count) or 1])


def judge(prompts: Sequence[RankedPrompt], scores: Sequence[float]) -> list[Judged]:
    """Put the scores of all responses, in order, beside the rankings of their prompts."""
    judged, offset = [], 0
    for prompt in prompts:
        judged += [
            Judged(
                prompt.prompt_id,
                ranking.ranks,
                [scores[offset + place] for place in ranking.places],
                labeler=ranking.labeler,
                ratings=ranking.ratings,
                token_counts=[len(prompt.tree.responses[place]) for place in ranking.places],
                responses=ranking.places,
                models=ranking.models,
                round=ranking.round,
            )
            for ranking in prompt.rankings
        ]
        offset += len(prompt.tree.responses)
    return judged


def mean_loss(prompts: Sequence[RankedPrompt], scores: Sequence[float], ties: Ties) -> float | None:
    """Return the loss that a step on these prompts would have: the mean over prompts, K-wise.

    As in training, prompts without a comparison do not count.

    Args:
        prompts: any number of them.
        scores: of all their responses, in order.
        ties: what a tied pair gives.

    Returns:
        None when no prompt has a comparison.
    """
    compared = sum(bool(comparisons_in(prompt, ties)) for prompt in prompts)
    if not compared:
        return None
    collated = collate(prompts, ties, torch.device("cpu"))
    return float(kwise_loss(torch.tensor(scores), *collated)) / compared


def validation_numbers(
    prompts: Sequence[RankedPrompt], scores: Sequence[float], ties: Ties
) -> Metrics:
    """Return what a run that is still going says of held-out prompts.

    Raises:
        RunDivergedError: when a score is not finite.
    """
    return {
        "accuracy/validation": pairwise_accuracy(judge(prompts, scores)).value,
        "loss/validation": mean_loss(prompts, scores, ties),
    }


def closing_numbers(share: Share, accuracy: Accuracy, *, loss: float | None) -> Metrics:
    """Return what a run ends with: two views of the accuracy on all held-out prompts, the loss."""
    return {
        "accuracy/validation": share.value,
        "accuracy/validation_low": share.low,
        "accuracy/validation_high": share.high,
        "loss/validation": loss,
        "comparisons/validation": accuracy.comparisons,
        "ties/validation": accuracy.tied_pairs,
    }
