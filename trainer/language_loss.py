"""The mean loss per response token over any number of examples, one forward pass at a time.

SFT trains on it, and PPO's pretraining mix is the same loss on plain texts.
"""

from collections.abc import Iterator, Sequence

import torch
from transformers import PreTrainedModel

from trainer import data, forward
from trainer.data import Example
from trainer.shared_prompt import Packed, pack


def accumulate_loss(
    policy: PreTrainedModel,
    batch: Sequence[Example],
    *,
    tokens_per_forward: int,
    coefficient: float = 1.0,
) -> float:
    """Add the gradient of coefficient * mean loss over the response tokens; return the loss."""
    response_tokens = sum(len(example.tokens) - example.prompt_length for example in batch)
    total = 0.0
    for packed in packed_batches(policy, batch, tokens_per_forward):
        loss = forward.text_loss(policy, packed) / response_tokens
        (coefficient * loss).backward()  # type: ignore[no-untyped-call]
        total += float(loss.detach())
    return total


@torch.no_grad()
def mean_loss(
    policy: PreTrainedModel, examples: Sequence[Example], *, tokens_per_forward: int
) -> float:
    """Return the mean loss over the response tokens of held-out examples, dropout off."""
    was_training = policy.training
    policy.eval()  # type: ignore[no-untyped-call]
    total, tokens = 0.0, 0
    for packed in packed_batches(policy, examples, tokens_per_forward):
        total += float(forward.text_loss(policy, packed))
        tokens += len(packed.targets)
    policy.train(was_training)
    return total / tokens


def packed_batches(
    policy: PreTrainedModel, examples: Sequence[Example], tokens_per_forward: int
) -> Iterator[Packed]:
    """Cut examples, in order, into forward passes within the budget of tokens."""
    trees = [example.tree() for example in examples]
    for part in data.within_budget([tree.tokens for tree in trees], tokens=tokens_per_forward):
        yield pack(policy, [trees[index] for index in part])
