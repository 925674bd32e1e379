"""Ranked prompts as batches: who is compared with whom, in which step, in which forward pass.

The reward model and DPO share these. Shapes: n responses of a forward pass, m comparisons.
"""

import random
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import NamedTuple, TypeVar

import torch
from torch import Tensor

from trainer import data
from trainer.evaluate import Accuracy, Judged
from trainer.lineage import RowUse
from trainer.losses import Comparison, comparisons_of
from trainer.rankings import RankedPrompt
from trainer.rundir import Metrics, RunRefusedError
from trainer.seeds import derive_seed
from trainer.spec import DPOSettings, RewardSettings, Share, Ties

# While training; held-out prompts beyond these are measured at the end only.
VALIDATIONS, VALIDATION_PROMPTS = 10, 128

PreferenceSettings = RewardSettings | DPOSettings
Row = TypeVar("Row")


class Comparisons(NamedTuple):
    """Comparisons between the responses of a forward pass.

    Attributes:
        chosen: (m,) int64, which of the n responses is preferred.
        rejected: (m,) int64, to which.
        weights: (m,); those of one prompt add up to the weights of its rankings.
    """

    chosen: Tensor
    rejected: Tensor
    weights: Tensor


def comparisons_in(prompt: RankedPrompt, ties: Ties) -> list[Comparison]:
    """Expand all rankings of a prompt into comparisons between places of its responses."""
    return [
        Comparison(
            ranking.places[row.chosen],
            ranking.places[row.rejected],
            row.weight * ranking.weight,
        )
        for ranking in prompt.rankings
        if ranking.weight > 0
        for row in comparisons_of(ranking.ranks, ties=ties)
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


def steps_of(prompts: int, settings: PreferenceSettings) -> int:
    """Return how many optimizer steps a run has; the last batch of an epoch may be smaller."""
    return max(1, round(settings.epochs * -(-prompts // settings.batch_size)))


def batch_of_step(
    step: int, prompts: Sequence[RankedPrompt], settings: PreferenceSettings
) -> list[RankedPrompt]:
    """Return what a step trains on: each prompt once an epoch, a new order every epoch.

    The order depends on the seed and the epoch only, so that a resumed run needs no state for it.
    """
    epoch, batch = divmod(step, -(-len(prompts) // settings.batch_size))
    order = _order(len(prompts), settings.seed, epoch)
    start = batch * settings.batch_size
    return [prompts[index] for index in order[start : start + settings.batch_size]]


@lru_cache(maxsize=2)
def _order(count: int, seed: int, epoch: int) -> list[int]:
    shuffle = random.Random(derive_seed(seed, "order", epoch))  # noqa: S311 - no secret
    return shuffle.sample(range(count), count)


def tokens_of(prompts: Sequence[RankedPrompt], settings: PreferenceSettings) -> int:
    """Return how many tokens a whole run trains on."""
    return sum(
        prompt.tree.tokens
        for step in range(steps_of(len(prompts), settings))
        for prompt in batch_of_step(step, prompts, settings)
    )


def is_validation_due(step: int, *, steps: int) -> bool:
    """Tell whether held-out prompts are measured after a step: ten times a run and at its end."""
    return (step + 1) % -(-steps // VALIDATIONS) == 0 or step == steps - 1


def micro_batches(prompts: Sequence[RankedPrompt], *, tokens: int) -> Iterator[list[RankedPrompt]]:
    """Cut prompts, in order, into forward passes of at most so many tokens."""
    sizes = [prompt.tree.tokens for prompt in prompts]
    for part in data.within_budget(sizes, tokens=tokens):
        yield [prompts[index] for index in part]


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
            )
            for ranking in prompt.rankings
        ]
        offset += len(prompt.tree.responses)
    return judged


def usable_of(
    prompts: Sequence[RankedPrompt], settings: PreferenceSettings, *, name: str
) -> list[RankedPrompt]:
    """Return the prompts with at least one comparison.

    Raises:
        RunRefusedError: when there is none; `name` says of what.
    """
    usable = [prompt for prompt in prompts if comparisons_in(prompt, settings.ties)]
    if not usable:
        rankings = sum(len(prompt.rankings) for prompt in prompts)
        raise RunRefusedError(
            f"{name} has no strict comparison to train on: {rankings} rankings of "
            f"{len(prompts)} prompts that are not held out; rank more slates without ties"
        )
    return usable


def row_use(
    prompts: Sequence[RankedPrompt], *, train: Sequence[RankedPrompt], ties: Ties
) -> RowUse:
    """Say of each ranking whether it was trained on, and why not.

    Args:
        prompts: all that were read.
        train: those that are not held out.
        ties: what becomes of tied pairs.
    """
    trained = {prompt.prompt_id for prompt in train}
    use = RowUse()
    for prompt in prompts:
        for ranking in prompt.rankings:
            if prompt.prompt_id not in trained:
                use.dropped[ranking.row_id] = "held out: measured, not trained on"
            elif ranking.weight == 0:
                use.dropped[ranking.row_id] = "its weight is 0"
            elif not comparisons_of(ranking.ranks, ties=ties):
                use.dropped[ranking.row_id] = "no comparison: fewer than two ranks differ"
            else:
                use.used.append(ranking.row_id)
            if prompt.cut:
                use.cut[ranking.row_id] = prompt.cut
    return use


def count_rows(
    prompts: Sequence[RankedPrompt],
    *,
    train: Sequence[RankedPrompt],
    usable: Sequence[RankedPrompt],
) -> dict[str, int]:
    """Return what `result.json` counts.

    Args:
        prompts: all that were read.
        train: those that are not held out.
        usable: those of them with a comparison.
    """
    return {
        "rankings": sum(len(prompt.rankings) for prompt in prompts),
        "prompts_train": len(usable),
        "prompts_validation": len(prompts) - len(train),
        "prompts_without_comparison": len(train) - len(usable),
        "responses": sum(len(prompt.tree.responses) for prompt in prompts),
        "cut": sum(bool(prompt.cut) for prompt in prompts),
    }


def closing_numbers(share: Share, accuracy: Accuracy) -> Metrics:
    """Return what a run ends with: two views of the accuracy on all held-out prompts."""
    return {
        "accuracy/validation": share.value,
        "accuracy/validation_low": share.low,
        "accuracy/validation_high": share.high,
        "loss/validation": accuracy.log_loss,
        "comparisons/validation": accuracy.comparisons,
        "ties/validation": accuracy.tied_pairs,
    }
