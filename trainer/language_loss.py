"""The mean loss per response token over any number of examples, one forward pass at a time.

SFT trains on it, and PPO's pretraining mix is the same loss on plain texts.
"""

from collections.abc import Sequence

import torch
from transformers import PreTrainedModel

from trainer import data, forward
from trainer.data import Example
from trainer.optimization import MAX_PADDED_TOKENS


def accumulate_loss(
    policy: PreTrainedModel, batch: Sequence[Example], *, coefficient: float = 1.0
) -> float:
    """Add the gradient of coefficient * mean loss over the response tokens; return the loss."""
    response_tokens = sum(len(example.tokens) - example.prompt_length for example in batch)
    total = 0.0
    for micro in data.micro_batches(
        [len(example.tokens) for example in batch],
        max_padded_tokens=MAX_PADDED_TOKENS,
    ):
        collated = data.collate([batch[index] for index in micro], device=policy.device)
        loss = forward.text_loss(policy, collated) / response_tokens
        (coefficient * loss).backward()  # type: ignore[no-untyped-call]
        total += float(loss.detach())
    return total


@torch.no_grad()
def mean_loss(policy: PreTrainedModel, examples: Sequence[Example]) -> float:
    """Return the mean loss over the response tokens of held-out examples, dropout off."""
    was_training = policy.training
    policy.eval()  # type: ignore[no-untyped-call]
    total, tokens = 0.0, 0
    for micro in data.micro_batches(
        [len(example.tokens) for example in examples],
        max_padded_tokens=MAX_PADDED_TOKENS,
    ):
        batch = data.collate([examples[index] for index in micro], device=policy.device)
        total += float(forward.text_loss(policy, batch))
        tokens += int(batch.is_response_token.sum())
    policy.train(was_training)
    return total / tokens
