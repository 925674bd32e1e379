"""The mean loss per response token over any number of examples, one forward pass at a time.

SFT trains on it, and PPO's pretraining mix is the same loss on plain texts.
"""

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor
from transformers import PreTrainedModel

from trainer import forward
from trainer.data import Example
from trainer.running import parallel
from trainer.running.watch import Watch
from trainer.shared_prompt import Packed, pack, sizes_of


@torch.no_grad()
def mean_loss(
    policy: PreTrainedModel,
    examples: Sequence[Example],
    *,
    tokens_per_forward: int,
    watch: Watch = iter,
) -> float:
    """Return the mean loss over the response tokens of held-out examples."""
    losses = [
        weight * forward.text_loss(policy, packed)
        for weight, packed in watch(packed_batches(policy, examples, tokens_per_forward))
    ]
    return sum_of(losses) / response_tokens_of(examples)


def sum_of(losses: Sequence[Tensor]) -> float:
    """Return the sum over ranks of what the forward passes gave, () each.

    They are read once: every reading waits for the GPU.
    """
    return parallel.total_of(sum(torch.stack(list(losses)).tolist()) if losses else 0.0)


def response_tokens_of(examples: Sequence[Example]) -> int:
    """Return how many tokens a loss is the mean of."""
    return sum(len(example.tokens) - example.prompt_length for example in examples)


def packed_batches(
    policy: PreTrainedModel, examples: Sequence[Example], tokens_per_forward: int
) -> Iterator[tuple[float, Packed]]:
    """Cut examples, in order, into forward passes within the budget; yield weight and pass."""
    trees = [example.tree() for example in examples]
    for part in parallel.deal(sizes_of(trees, policy), tokens=tokens_per_forward):
        yield part.weight, pack(policy, [trees[index] for index in part.items])
