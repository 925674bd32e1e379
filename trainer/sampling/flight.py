"""Responses under way: which row samples what, and where keys and values of its prompt lie.

A row whose response ends goes to one that waits; when none does, the last row moves there, so that
every row of every forward pass is a response under way.
Shapes: u prompts in the pool, b rows, t tokens, v vocabulary entries.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor
from transformers import PreTrainedModel

from trainer.sampling.shared_cache import SharedCache, Step

PREFILL_TOKENS = 8192
PREFILL_PADDING = 1.25
UNSEEN = -1e30


@dataclass
class Flight:
    """The responses under way; row r of the lists and tensors is the same response.

    Attributes:
        prompts: of every draw that is wanted.
        seeds: likewise.
        numbers: (rows, t) float64, what each row's tokens are drawn with.
        cache: keys and values; the last prompt token is the first that a row adds to it.
        who: the draw of each row.
        place: where in the pool each row's prompt lies.
        pool: the prompt at each place.
        fed: how many tokens each row added to the cache.
        last: the token that each row adds next.
    """

    prompts: Sequence[tuple[int, ...]]
    seeds: Sequence[int]
    numbers: Tensor
    cache: SharedCache = field(default_factory=SharedCache)
    who: list[int] = field(default_factory=list)
    place: list[int] = field(default_factory=list)
    pool: list[tuple[int, ...]] = field(default_factory=list)
    fed: list[int] = field(default_factory=list)
    last: list[int] = field(default_factory=list)

    def admit(self, model: PreTrainedModel, arriving: Sequence[int]) -> None:
        """Give rows to draws, computing the prompts that are new."""
        place_of = {prompt: at for at, prompt in enumerate(self.pool)}
        for who in arriving:
            prompt = self.prompts[who]
            self.numbers[len(self.who)] = uniform_numbers(self.seeds[who], self.numbers.shape[1])
            self.who.append(who)
            self.place.append(place_of.setdefault(prompt, len(place_of)))
            self.fed.append(0)
            self.last.append(prompt[-1])
        new = [(prompt[:-1], at) for prompt, at in place_of.items() if at >= len(self.pool)]
        for part in _prefills([entry for entry in new if entry[0]]):
            prompts, places = zip(*part, strict=True)
            self.cache.fill(model, prompts, places)
        self.pool = list(place_of)

    def leave(self, rows: Sequence[int], still_wanted: Counter[tuple[int, ...]]) -> None:
        """Take rows out, and prompts that no draw needs any more; the last take their places."""
        for row in sorted(rows, reverse=True):
            still_wanted[self.prompts[self.who[row]]] -= 1
            end = len(self.who) - 1
            if row < end:
                self.cache.own.move(end, row, self.fed[end])
                self.numbers[row] = self.numbers[end]
            for values in (self.who, self.place, self.fed, self.last):
                values[row] = values[end]
                values.pop()
        for place in range(len(self.pool) - 1, -1, -1):
            if not still_wanted[self.pool[place]]:
                end = len(self.pool) - 1
                self.cache.pool.move(end, place, max(0, len(self.pool[end]) - 1))
                self.pool[place] = self.pool[end]
                self.pool.pop()
                self.place = [place if at == end else at for at in self.place]

    def layout(self, device: torch.device) -> "Layout":
        """Describe which rows follow which prompts; it holds until rows come or go."""
        rows: list[list[int]] = [[] for _ in self.pool]
        nth = []
        for row, at in enumerate(self.place):
            nth.append(len(rows[at]))
            rows[at].append(row)
        most = max(map(len, rows))
        stored = torch.tensor([len(prompt) - 1 for prompt in self.pool], device=device)  # (u,)
        place = torch.tensor(self.place, device=device)
        return Layout(
            prompt_bias=_bias(torch.arange(int(stored.max()), device=device), stored - 1),
            rows=torch.tensor(
                [of_place + [0] * (most - len(of_place)) for of_place in rows], device=device
            ),
            place=place,
            nth=torch.tensor(nth, device=device),
            before=stored[place],
        )

    def step(self, model: PreTrainedModel, layout: "Layout") -> Tensor:
        """Feed every row its last token and return the logits after it: (b, v)."""
        last, columns = torch.tensor([self.last, self.fed]).to(model.device)  # (b,) each
        own = torch.arange(max(self.fed) + 1, device=model.device)
        step = Step(
            columns=columns,
            own_bias=_bias(own, columns),
            prompt_bias=layout.prompt_bias,
            rows=layout.rows,
            place=layout.place,
            nth=layout.nth,
        )
        return self.cache.step(model, last, layout.before + columns, step)


@dataclass(frozen=True)
class Layout:
    """What a `Step` says of prompts, and how many tokens of each row's prompt are stored: (b,)."""

    prompt_bias: Tensor
    rows: Tensor
    place: Tensor
    nth: Tensor
    before: Tensor


def _bias(places: Tensor, last: Tensor) -> Tensor:
    """Return 0 up to each row's last place and very small after it: (b, 1, 1, t)."""
    return torch.where(places <= last[:, None], 0.0, UNSEEN)[:, None, None]


def _prefills(
    prompts: Sequence[tuple[tuple[int, ...], int]],
) -> list[list[tuple[tuple[int, ...], int]]]:
    """Cut prompts with their places into forward passes of similar lengths."""
    parts: list[list[tuple[tuple[int, ...], int]]] = []
    for entry in sorted(prompts, key=lambda entry: len(entry[0])):
        width = len(entry[0])
        part = parts[-1] if parts else []
        if (
            part
            and (len(part) + 1) * width <= PREFILL_TOKENS
            and width <= PREFILL_PADDING * len(part[0][0])
        ):
            part.append(entry)
        else:
            parts.append([entry])
    return parts


def uniform_numbers(seed: int, count: int) -> Tensor:
    """Return the numbers that a response's tokens are drawn with: (count,) float64 in [0, 1)."""
    return torch.rand(count, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
