"""What training reads off a forward pass: log-probabilities, scores and values of packed trees.

All results are float32. Shapes: n responses, r response tokens of all of them, v vocabulary
entries; the order is that of `Packed`.
"""

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor
from torch.utils.checkpoint import checkpoint
from transformers import PreTrainedModel

from trainer.architecture.reward_head import bias_of, head_of
from trainer.logprobs import token_entropy, token_logprobs
from trainer.running import parallel
from trainer.running.watch import Watch
from trainer.shared_prompt import Packed, Tree, hidden_states, logits_of, pack, sizes_of

# Logits in float32 that exist at one time; more are computed again in the backward pass.
MAX_LOGITS = 2**26


def response_logprobs(
    model: PreTrainedModel, packed: Packed, *, temperature: float = 1.0
) -> Tensor:
    """Return the log-probability of every response token: (r,) with gradients.

    The logits are made and reduced in chunks of tokens, so that their memory does not grow with
    the batch.

    Args:
        model: a causal language model.
        packed: trees.
        temperature: that the responses were sampled with.
    """
    hidden = hidden_states(model, packed, read=packed.before_once)[packed.before]  # (r, d)

    def reduce(hidden: Tensor, targets: Tensor) -> Tensor:
        return token_logprobs(logits_of(model, hidden), targets, temperature=temperature)

    return torch.cat(
        [
            checkpoint(reduce, *part, use_reentrant=False)
            if torch.is_grad_enabled() and len(part[0]) < len(hidden)
            else reduce(*part)
            for part in _chunks(model, hidden, packed.targets)
        ]
    )


@torch.no_grad()
def response_logprobs_and_entropy(
    model: PreTrainedModel, packed: Packed, *, temperature: float = 1.0
) -> tuple[Tensor, Tensor]:
    """Return `response_logprobs` and the entropy of each distribution, no gradients: twice (r,)."""
    hidden = hidden_states(model, packed, read=packed.before_once)[packed.before]  # (r, d)
    logprobs, entropy = [], []
    for part, targets in _chunks(model, hidden, packed.targets):
        logits = logits_of(model, part)
        logprobs.append(token_logprobs(logits, targets, temperature=temperature))
        entropy.append(token_entropy(logits, temperature=temperature))
    return torch.cat(logprobs), torch.cat(entropy)


def _chunks(
    model: PreTrainedModel, hidden: Tensor, targets: Tensor
) -> Iterator[tuple[Tensor, Tensor]]:
    rows = max(1, MAX_LOGITS // int(model.config.get_text_config().vocab_size))
    yield from zip(torch.split(hidden, rows), torch.split(targets, rows), strict=True)


def text_loss(model: PreTrainedModel, packed: Packed) -> Tensor:
    """Return the summed negative log-probability of the response tokens: ()."""
    return -response_logprobs(model, packed).sum()


def scores(model: PreTrainedModel, packed: Packed) -> Tensor:
    """Return the reward of each response, read at its last token, minus the bias: (n,)."""
    return _project(model, hidden_states(model, packed, read=packed.ends)[packed.ends])


@torch.no_grad()
def scores_of(
    model: PreTrainedModel, trees: Sequence[Tree], *, tokens: int, watch: Watch = iter
) -> Tensor:
    """Return `scores` of any number of trees, in order, from the forward passes of all ranks: (n,).

    Args:
        model: a reward model.
        trees: the same on all ranks.
        tokens: that a forward pass may hold.
        watch: goes through the passes and may end the run between two of them.
    """
    done = [
        (part, scores(model, pack(model, [trees[item] for item in part.items])))
        for part in watch(parallel.deal(sizes_of(trees, model), tokens=tokens))
    ]
    return parallel.collect(done, [len(tree.responses) for tree in trees])


def state_values(model: PreTrainedModel, packed: Packed) -> Tensor:
    """Return the reward head's output before each response token, minus the bias: (r,)."""
    hidden = hidden_states(model, packed, read=packed.before_once)
    return _project(model, hidden[packed.before])


def _project(model: PreTrainedModel, hidden: Tensor) -> Tensor:
    head = head_of(model)
    # In float32 whatever the model's dtype: in bf16 rewards between 4 and 8 would be 0.03 apart.
    with torch.autocast(hidden.device.type, enabled=False):
        output: Tensor = (hidden.float() @ head.weight.float().T).squeeze(-1)
    return output - bias_of(model)
