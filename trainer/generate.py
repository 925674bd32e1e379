"""Sampling responses from a policy: the sample run and PPO rollouts use this code.

Each response has its own seed and is drawn by inverting the cumulative distribution at numbers
from that seed alone, so it does not depend on what else is in the batch. A prompt is computed once
for its responses, and no forward pass has a row for a response that has ended.
Shapes: u prompts, b rows, t tokens, v vocabulary entries.
"""

import logging
import math
from collections import Counter, deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor
from transformers import DynamicCache, PreTrainedModel

from trainer.architecture import sharding
from trainer.architecture.compute import product_dtype
from trainer.running import parallel
from trainer.running.watch import Watch
from trainer.sampling.choosing import pick_tokens, read_picked
from trainer.sampling.flight import Flight, Layout, uniform_numbers
from trainer.sampling.shared_cache import bytes_per_token, is_exact_for, shared_attention
from trainer.shared_prompt import PAD_ID
from trainer.spec import Finish

log = logging.getLogger(__name__)

MAX_ROWS = 512
# Keys and values may take this much, or at most this share of what is free on a GPU.
CACHE_BYTES = 2**31
CACHE_SHARE = 0.5
# A freed row waits until this share of the rows is free: prompts are computed better together.
REFILL_SHARE = 1 / 8


@dataclass(frozen=True)
class Draw:
    """One response that is wanted."""

    prompt: tuple[int, ...]
    seed: int


@dataclass
class Drawn:
    """One response, the EOS included when it was sampled.

    Attributes:
        tokens: of the response.
        logprobs: of each of them, as `Picked` has them; empty where another rank has sampled it.
        finish: why it ended.
    """

    tokens: list[int] = field(default_factory=list)
    logprobs: list[float] = field(default_factory=list)
    finish: Finish = "length"


@dataclass(frozen=True)
class Choice:
    """How tokens are drawn, and where a response ends."""

    eos_id: int
    temperature: float
    top_p: float
    max_new_tokens: int


def draw_responses(
    model: PreTrainedModel,
    draws: Sequence[Draw],
    *,
    eos_id: int,
    temperature: float,
    top_p: float,
    max_new_tokens: int,
    neighbors: int = 1,
    watch: Watch = iter,
) -> list[Drawn]:
    """Sample one response for each draw, in the order of the draws.

    With several ranks each samples a part, and all get all: what they go on with is the same on
    each of them, however their numbers round.

    Args:
        model: the policy, sharded or not.
        draws: what is wanted, the same on all ranks.
        eos_id: ends a response.
        temperature: of the distribution.
        top_p: how much of its probability is drawn from.
        max_new_tokens: that a response may have.
        neighbors: how many draws, one after the other, go to the same rank, which computes a
            prompt once for all of its responses.
        watch: may end the run between two tokens. Several ranks do not ask it, as each has steps
            of its own.

    Raises:
        RunDivergedError: when the model's logits are not finite.
    """
    choice = Choice(eos_id, temperature, top_p, max_new_tokens)
    here = parallel.ranks()
    if here.count == 1:
        return _draw_own(model, draws, choice, watch)
    places = [place for place in range(len(draws)) if place // neighbors % here.count == here.rank]
    with sharding.whole_weights(model):
        own = _draw_own(model, [draws[place] for place in places], choice, iter)
    sampled = dict(zip(places, own, strict=True))
    together = parallel.collect_sequences(
        {place: one.tokens for place, one in sampled.items()},
        count=len(draws),
        longest=max_new_tokens,
    )
    return [
        sampled.get(place)
        or Drawn(list(tokens), finish="stop" if tokens[-1] == eos_id else "length")
        for place, tokens in enumerate(together)
    ]


def _draw_own(
    model: PreTrainedModel, draws: Sequence[Draw], choice: Choice, watch: Watch
) -> list[Drawn]:
    if not draws:
        return []
    longest = max(len(draw.prompt) for draw in draws)
    if is_exact_for(model, longest + choice.max_new_tokens):
        prompts = len({draw.prompt for draw in draws})
        tokens = choice.max_new_tokens + longest * prompts / len(draws)
        rows = _rows_at_once(model, tokens, product_dtype(model))
        with shared_attention(model):
            return _draw_in_flight(model, draws, choice, rows, watch)
    log.info("%s samples without sharing prompts", type(model).__name__)
    # Under autocast rotated keys are float32, and transformers keeps values in their type.
    rows = _rows_at_once(model, choice.max_new_tokens + longest, model.dtype)
    drawn: list[Drawn] = []
    for start in range(0, len(draws), rows):
        drawn += _draw_chunk(model, draws[start : start + rows], choice, watch)
    return drawn


def _rows_at_once(model: PreTrainedModel, tokens_per_row: float, dtype: torch.dtype) -> int:
    """Return how many responses may be under way: what their keys and values may take decides."""
    allowed = cache_budget(model.device) / bytes_per_token(model, dtype)
    return max(1, min(MAX_ROWS, int(allowed / tokens_per_row)))


def cache_budget(device: torch.device) -> float:
    """Return how many bytes keys and values may take: a half, quarter, eighth ... of a GPU.

    Small differences in what else lies on it leave it as it is: with other rows under way logits
    are rounded otherwise, and a run that is resumed would not end as one that was not stopped.
    """
    if device.type != "cuda":
        return CACHE_BYTES
    free, total = torch.cuda.mem_get_info(device)
    # What torch holds without using it is not free for others, but here.
    free += torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
    halvings = math.ceil(math.log2(total / (CACHE_SHARE * max(1, free))))
    return float(total / 2**halvings)


# --- responses that share prompts -----------------------------------------------------------------


@torch.inference_mode()
def _draw_in_flight(
    model: PreTrainedModel, draws: Sequence[Draw], choice: Choice, rows: int, watch: Watch
) -> list[Drawn]:
    drawn = [Drawn() for _ in draws]
    # Prompts of similar length together: less of the pool is padding.
    waiting = deque(sorted(range(len(draws)), key=lambda who: _by_length(draws[who]), reverse=True))
    rows = min(rows, len(draws))
    numbers = torch.zeros(rows, choice.max_new_tokens, dtype=torch.float64, device=model.device)
    flight = Flight([draw.prompt for draw in draws], [draw.seed for draw in draws], numbers)
    still_wanted = Counter(draw.prompt for draw in draws)
    layout: Layout | None = None
    for _ in watch(_steps(waiting, flight)):
        free = rows - len(flight.who)
        if waiting and (free >= REFILL_SHARE * rows or not flight.who):
            flight.admit(model, [waiting.popleft() for _ in range(min(free, len(waiting)))])
            layout = None
        layout = layout or flight.layout(model.device)
        logits = flight.step(model, layout)
        every = torch.arange(len(flight.who), device=model.device)
        fed = torch.tensor(flight.fed, device=model.device)
        chosen = pick_tokens(
            logits,
            flight.numbers[every, fed],
            temperature=choice.temperature,
            top_p=choice.top_p,
        )
        ended = []
        for row, (token, logprob) in enumerate(read_picked(chosen, model)):
            one = drawn[flight.who[row]]
            one.tokens.append(token)
            one.logprobs.append(logprob)
            flight.last[row] = token
            flight.fed[row] += 1
            if token == choice.eos_id:
                one.finish = "stop"
            if token == choice.eos_id or len(one.tokens) == choice.max_new_tokens:
                ended.append(row)
        if ended:
            flight.leave(ended, still_wanted)
            layout = None
    return drawn


def _steps(waiting: Sequence[int], flight: Flight) -> Iterator[None]:
    while waiting or flight.who:
        yield


def _by_length(draw: Draw) -> tuple[int, tuple[int, ...]]:
    return len(draw.prompt), draw.prompt


# --- architectures whose layers do not all attend to everything ----------------------------------


@torch.inference_mode()
def _draw_chunk(
    model: PreTrainedModel, draws: Sequence[Draw], choice: Choice, watch: Watch
) -> list[Drawn]:
    """Sample with transformers' own cache and prompts padded on the left."""
    prompts = list(dict.fromkeys(draw.prompt for draw in draws))
    row_of = {prompt: row for row, prompt in enumerate(prompts)}
    tokens, is_token = _pad_left(prompts, model.device)  # (u, t) twice
    cache = DynamicCache(config=model.config)
    logits = _next_logits(model, tokens, is_token, cache)  # (u, v)
    repeat = torch.tensor([row_of[draw.prompt] for draw in draws], device=model.device)
    cache.batch_select_indices(repeat)
    logits, is_token = logits[repeat], is_token[repeat]  # (b, v), (b, t)
    numbers = torch.stack([uniform_numbers(draw.seed, choice.max_new_tokens) for draw in draws])
    numbers = numbers.to(model.device)
    drawn = [Drawn() for _ in draws]
    alive = list(range(len(draws)))
    for step in watch(range(choice.max_new_tokens)):
        chosen = pick_tokens(
            logits, numbers[alive, step], temperature=choice.temperature, top_p=choice.top_p
        )
        tokens = chosen.tokens
        going_on = _record(drawn, alive, read_picked(chosen, model), choice.eos_id)
        if not going_on or step == choice.max_new_tokens - 1:
            break
        if len(going_on) < len(alive):
            keep = torch.tensor(going_on, device=model.device)
            cache.batch_select_indices(keep)
            tokens, is_token = tokens[keep], is_token[keep]
            alive = [alive[row] for row in going_on]
        is_token = torch.nn.functional.pad(is_token, (0, 1), value=1)
        logits = _next_logits(model, tokens[:, None], is_token, cache)
    return drawn


def _record(
    drawn: list[Drawn], alive: list[int], chosen: list[tuple[int, float]], eos_id: int
) -> list[int]:
    """Append the chosen tokens and return the rows of the batch that go on."""
    going_on = []
    for row, (index, (token, logprob)) in enumerate(zip(alive, chosen, strict=True)):
        drawn[index].tokens.append(token)
        drawn[index].logprobs.append(logprob)
        if token == eos_id:
            drawn[index].finish = "stop"
        else:
            going_on.append(row)
    return going_on


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
