"""The gradient of a batch of ranked prompts, and what a model says of any number of them.

The reward model and DPO learn by the same loss and differ in what they score a response by: the
output of a head, or an implicit reward. Shapes: n responses of some prompts.
"""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor
from transformers import PreTrainedModel

from trainer.losses import kwise_loss
from trainer.preference import comparisons
from trainer.preference.comparisons import PreferenceSettings
from trainer.preference.rankings import RankedPrompt
from trainer.running import parallel
from trainer.running.watch import Watch

# Scores every response of some prompts in one forward pass, in order: (n,) float32.
Score = Callable[[Sequence[RankedPrompt]], Tensor]


def accumulate_loss(
    model: PreTrainedModel,
    score: Score,
    batch: Sequence[RankedPrompt],
    settings: PreferenceSettings,
    *,
    until_stopped: Watch = iter,
) -> tuple[float, Tensor]:
    """Add the gradient of the mean loss over prompts; return it and the scores, (n,).

    Args:
        model: that the scores come from.
        score: of a part of the batch, with gradients.
        batch: prompts; each counts the same.
        settings: of the run.
        until_stopped: goes through the forward passes and may end the run between two of them.
    """
    losses, scored = [], []
    micro_batches = comparisons.micro_batches(model, batch, tokens=settings.tokens_per_forward)
    for part, prompts in until_stopped(micro_batches):
        scores = score(prompts)
        compared = comparisons.collate(prompts, settings.ties, scores.device)
        loss = part.weight * kwise_loss(scores, *compared) / len(batch)
        loss.backward()  # type: ignore[no-untyped-call]
        losses.append(loss.detach())
        scored.append((part, scores.detach()))
    parallel.sum_gradients(model.parameters())
    # Read once: every reading waits for the GPU.
    loss_sum = parallel.total_of(float(torch.stack(losses).sum()))
    return loss_sum, comparisons.collect(scored, batch)


@torch.no_grad()
def score_all(
    model: PreTrainedModel,
    score: Score,
    prompts: Sequence[RankedPrompt],
    settings: PreferenceSettings,
    *,
    watch: Watch = iter,
) -> Tensor:
    """Score every response of any number of prompts, in order: (n,) float32.

    The arguments are those of `accumulate_loss`; `watch` goes through the forward passes.
    """
    micro_batches = comparisons.micro_batches(model, prompts, tokens=settings.tokens_per_forward)
    scored = [(part, score(own)) for part, own in watch(micro_batches)]
    return comparisons.collect(scored, prompts)
