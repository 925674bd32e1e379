"""Choosing tokens: the cumulative distribution is inverted at numbers that are given.

Shapes: b rows, v vocabulary entries.
"""

from typing import NamedTuple

import torch
from torch import Tensor
from transformers import PreTrainedModel

from trainer.errors import RunDivergedError

MAX_PROBABILITIES = 2**26
# Stands for the token of a row whose logits are not finite.
NO_TOKEN = -1


class Picked(NamedTuple):
    """Tokens as they are drawn, one of each row.

    Attributes:
        tokens: (b,) int64; `NO_TOKEN` where a logit is not a number or infinite.
        logprobs: (b,) float64, of these tokens at the temperature, before any truncation.
    """

    tokens: Tensor
    logprobs: Tensor


def pick_tokens(logits: Tensor, numbers: Tensor, *, temperature: float, top_p: float) -> Picked:
    """Invert the cumulative distribution at the given numbers.

    Args:
        logits: (b, v).
        numbers: (b,) float64 in [0, 1).
        temperature: divides the logits.
        top_p: only the most likely tokens that together reach this probability are drawn.
    """
    rows = max(1, MAX_PROBABILITIES // logits.shape[-1])
    parts = [
        _pick(part, own, temperature, top_p)
        for part, own in zip(torch.split(logits, rows), torch.split(numbers, rows), strict=True)
    ]
    return Picked(*map(torch.cat, zip(*parts, strict=True)))


def read_picked(chosen: Picked, model: PreTrainedModel) -> list[tuple[int, float]]:
    """Return each row's token and its log-probability; the only wait for a GPU in a decoding step.

    Raises:
        RunDivergedError: when there is no token, since the logits are not finite.
    """
    # As one tensor; float64 holds every token exactly.
    tokens, logprobs = torch.stack([chosen.tokens.double(), chosen.logprobs]).tolist()
    if NO_TOKEN in tokens:
        raise RunDivergedError(
            f"{type(model).__name__} gives no probabilities for the next token: its logits are not "
            "finite; choose another model, or train it again with a lower learning rate"
        )
    return list(zip(map(int, tokens), logprobs, strict=True))


def _pick(logits: Tensor, numbers: Tensor, temperature: float, top_p: float) -> Picked:
    probabilities = torch.softmax(logits.double() / temperature, -1)
    if top_p >= 1:
        tokens = _invert(probabilities, numbers)
    else:
        ordered, by_rank = probabilities.sort(-1, descending=True)
        before = ordered.cumsum(-1) - ordered  # (b, v), the probability of what is more likely
        place = _invert(torch.where(before < top_p, ordered, 0.0), numbers)
        tokens = by_rank.gather(-1, place[:, None]).squeeze(-1)  # (b,)
    logprobs = probabilities.gather(-1, tokens[:, None]).squeeze(-1).log()
    # One such logit makes all probabilities of its row so.
    return Picked(tokens.masked_fill(logprobs.isnan(), NO_TOKEN), logprobs)


def _invert(weights: Tensor, numbers: Tensor) -> Tensor:
    cumulative = weights.cumsum(-1)
    wanted = (numbers * cumulative[:, -1])[:, None]
    place = torch.searchsorted(cumulative, wanted, right=True).squeeze(-1)
    return place.clamp(max=weights.shape[-1] - 1)
