"""Sampling responses from a policy: the sample run and PPO rollouts use this code.

Each response has its own seed and is drawn by inverting the cumulative distribution at numbers
from that seed alone, so it does not depend on what else is in the batch.
Shapes: u prompts, r responses, t tokens, v vocabulary entries.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor
from transformers import DynamicCache, PreTrainedModel

from trainer.data import PAD_ID
from trainer.spec import Finish

ROWS_AT_ONCE = 256


@dataclass(frozen=True)
class Draw:
    """One response that is wanted."""

    prompt: tuple[int, ...]
    seed: int


@dataclass
class Drawn:
    """One response as tokens, the EOS included when it was sampled."""

    tokens: list[int] = field(default_factory=list)
    finish: Finish = "length"


def draw_responses(
    model: PreTrainedModel,
    draws: Sequence[Draw],
    *,
    eos_id: int,
    temperature: float,
    top_p: float,
    max_new_tokens: int,
) -> list[Drawn]:
    """Sample one response for each draw, in the order of the draws."""
    drawn: list[Drawn] = []
    for start in range(0, len(draws), ROWS_AT_ONCE):
        chunk = draws[start : start + ROWS_AT_ONCE]
        numbers = _uniform_numbers(chunk, max_new_tokens).to(model.device)
        drawn += _draw_chunk(model, chunk, numbers, eos_id, temperature, top_p)
    return drawn


@torch.inference_mode()
def _draw_chunk(
    model: PreTrainedModel,
    draws: Sequence[Draw],
    numbers: Tensor,
    eos_id: int,
    temperature: float,
    top_p: float,
) -> list[Drawn]:
    prompts = list(dict.fromkeys(draw.prompt for draw in draws))
    row_of = {prompt: row for row, prompt in enumerate(prompts)}
    tokens, is_token = _pad_left(prompts, model.device)  # (u, t) twice
    cache = DynamicCache(config=model.config)
    logits = _next_logits(model, tokens, is_token, cache)  # (u, v)
    # A prompt is computed once for all its responses.
    repeat = torch.tensor([row_of[draw.prompt] for draw in draws], device=model.device)
    cache.batch_select_indices(repeat)
    logits, is_token = logits[repeat], is_token[repeat]  # (r, v), (r, t)
    drawn = [Drawn() for _ in draws]
    alive = list(range(len(draws)))
    for step in range(numbers.shape[1]):
        chosen = pick_tokens(logits, numbers[alive, step], temperature=temperature, top_p=top_p)
        going_on = _record(drawn, alive, chosen.tolist(), eos_id)
        if not going_on or step == numbers.shape[1] - 1:
            break
        if len(going_on) < len(alive):
            keep = torch.tensor(going_on, device=model.device)
            cache.batch_select_indices(keep)
            chosen, is_token = chosen[keep], is_token[keep]
            alive = [alive[row] for row in going_on]
        is_token = torch.nn.functional.pad(is_token, (0, 1), value=1)
        logits = _next_logits(model, chosen[:, None], is_token, cache)
    return drawn


def _record(drawn: list[Drawn], alive: list[int], chosen: list[int], eos_id: int) -> list[int]:
    """Append the chosen tokens and return the rows of the batch that go on."""
    going_on = []
    for row, (index, token) in enumerate(zip(alive, chosen, strict=True)):
        drawn[index].tokens.append(token)
        if token == eos_id:
            drawn[index].finish = "stop"
        else:
            going_on.append(row)
    return going_on


def pick_tokens(logits: Tensor, numbers: Tensor, *, temperature: float, top_p: float) -> Tensor:
    """Invert the cumulative distribution at the given numbers.

    Args:
        logits: (r, v).
        numbers: (r,) float64 in [0, 1).
        temperature: divides the logits.
        top_p: only the most likely tokens that together reach this probability are drawn.

    Returns:
        (r,) int64 tokens.
    """
    probabilities = torch.softmax(logits.double() / temperature, -1)
    if top_p >= 1:
        return _invert(probabilities, numbers)
    ordered, tokens = probabilities.sort(-1, descending=True)
    before = ordered.cumsum(-1) - ordered  # (r, v), the probability of what is more likely
    place = _invert(torch.where(before < top_p, ordered, 0.0), numbers)
    return tokens.gather(-1, place[:, None]).squeeze(-1)


def _invert(weights: Tensor, numbers: Tensor) -> Tensor:
    cumulative = weights.cumsum(-1)
    wanted = (numbers * cumulative[:, -1])[:, None]
    place = torch.searchsorted(cumulative, wanted, right=True).squeeze(-1)
    return place.clamp(max=weights.shape[-1] - 1)


def _next_logits(
    model: PreTrainedModel, tokens: Tensor, is_token: Tensor, cache: DynamicCache
) -> Tensor:
    positions = (is_token.cumsum(-1) - 1).clamp(min=0)[:, -tokens.shape[1] :]
    output = model(
        tokens,
        attention_mask=is_token,
        position_ids=positions,
        past_key_values=cache,
        use_cache=True,
        logits_to_keep=1,
    )
    logits: Tensor = output.logits[:, -1]
    return logits


def _pad_left(prompts: Sequence[tuple[int, ...]], device: torch.device) -> tuple[Tensor, Tensor]:
    width = max(len(prompt) for prompt in prompts)
    tokens = torch.full((len(prompts), width), PAD_ID)
    is_token = torch.zeros_like(tokens)
    for row, prompt in enumerate(prompts):
        tokens[row, width - len(prompt) :] = torch.tensor(prompt)
        is_token[row, width - len(prompt) :] = 1
    return tokens.to(device), is_token.to(device)


def _uniform_numbers(draws: Sequence[Draw], count: int) -> Tensor:
    rows = [
        torch.rand(count, generator=torch.Generator().manual_seed(draw.seed), dtype=torch.float64)
        for draw in draws
    ]
    return torch.stack(rows)  # (r, count)
