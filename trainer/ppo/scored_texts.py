"""A few sampled texts with their scores at each evaluation of PPO, for people to look at.

`texts.jsonl` gets one line for each evaluation; the prompts and seeds are the same each time, so
that only the policy makes the difference.
"""

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from trainer import forward
from trainer.architecture import adapters
from trainer.data import Example
from trainer.generate import Draw, draw_responses
from trainer.ppo.rollouts import PPOModels
from trainer.running.seeds import derive_seed
from trainer.running.watch import Watch
from trainer.spec import PPOSettings, PromptRow

SHOWN_TEXTS = 8


@dataclass(frozen=True)
class Shown:
    """What is sampled from: the prompts as people read them and as tokens."""

    prompts: Sequence[str]
    examples: Sequence[Example]


@dataclass(frozen=True)
class ScoredText:
    """One response with its reward, the bias subtracted."""

    prompt: str
    response: str
    score: float


def choose_shown(rows: Sequence[PromptRow]) -> list[PromptRow]:
    """Return the first held-out prompts; the first of all where too few are held out."""
    return sorted(rows, key=lambda row: row.split == "train")[:SHOWN_TEXTS]


def sample_scored(
    models: PPOModels,
    shown: Shown,
    tokenizer: PreTrainedTokenizerBase,
    settings: PPOSettings,
    *,
    eos_id: int,
    watch: Watch = iter,
) -> list[ScoredText]:
    """Sample one response for each shown prompt and let the reward model score it."""
    drawn = draw_responses(
        models.policy,
        [
            Draw(example.tokens, derive_seed(settings.seed, "shown", index))
            for index, example in enumerate(shown.examples)
        ],
        eos_id=eos_id,
        temperature=settings.temperature,
        top_p=1.0,
        max_new_tokens=settings.max_new_tokens,
        watch=watch,
    )
    trees = [
        Example((*example.tokens, *one.tokens), example.prompt_length).tree()
        for example, one in zip(shown.examples, drawn, strict=True)
    ]
    with adapters.off(models.reward):
        scores = forward.scores_of(
            models.reward, trees, tokens=settings.tokens_per_forward, watch=watch
        )
    return [
        ScoredText(prompt, str(tokenizer.decode(one.tokens, skip_special_tokens=True)), score)
        for prompt, one, score in zip(shown.prompts, drawn, scores.tolist(), strict=True)
    ]


def texts_row(step: int, texts: Sequence[ScoredText]) -> dict[str, Any]:
    """Return the line of `texts.jsonl`."""
    return {"step": step, "samples": [asdict(text) for text in texts]}


@contextlib.contextmanager
def averaged(policy: PreTrainedModel, average: Mapping[str, Tensor]) -> Iterator[None]:
    """Let the policy have its averaged weights within the block, if there are any.

    With LoRA they are averages of the factors A and B, not of their product.
    """
    parameters = dict(policy.named_parameters())
    trained = {name: parameters[name].detach().clone() for name in average}
    load_average(policy, average)
    try:
        yield
    finally:
        load_average(policy, trained)


@torch.no_grad()
def load_average(policy: PreTrainedModel, average: Mapping[str, Tensor]) -> None:
    """Replace weights of the policy, by name; with LoRA the factors A and B, each by its own."""
    parameters = dict(policy.named_parameters())
    for name, tensor in average.items():
        parameters[name].copy_(tensor)
