"""The base model of the planted experiment: pretrained on stories until it has learnt them."""

import random
from collections.abc import Sequence
from pathlib import Path

import torch

from benchmarks.planted_language import Language, save_base, write_story
from trainer import data, forward, models
from trainer.data import Example
from trainer.language_loss import mean_loss, response_tokens_of
from trainer.running import optimization
from trainer.shared_prompt import pack

MAX_TOKENS = 64
STEPS, STORIES_PER_STEP, PEAK_RATE, WARMUP_STEPS = 1000, 64, 3e-3, 50
TOKENS_PER_FORWARD = 2048


def pretrain(language: Language, folder: Path, *, seed: int) -> None:
    """Save a model of a few hundred thousand weights that was trained on stories, none seen twice.

    Rate and schedule are those of any small language model: Adam, a peak of 3e-3 and a cosine.
    """
    save_base(language, folder)
    numbers = random.Random(f"pretraining {seed}")
    tokenizer = models.load_tokenizer(folder)
    policy = models.load_policy(folder, seed=seed)
    optimizer = optimization.make_optimizer(policy, learning_rate=PEAK_RATE)
    for step in range(STEPS):
        share = optimization.cosine_share(step, steps=STEPS, warmup_steps=WARMUP_STEPS)
        optimization.set_rate(optimizer, PEAK_RATE * share)
        stories = [write_story(language, numbers) for _ in range(STORIES_PER_STEP)]
        examples = data.encode_texts(tokenizer, stories, max_tokens=MAX_TOKENS)
        packed = pack(policy, [example.tree() for example in examples])
        loss = forward.text_loss(policy, packed) / response_tokens_of(examples)
        loss.backward()  # type: ignore[no-untyped-call]
        optimization.guarded_step(
            optimizer, policy.parameters(), loss=loss.item(), step=step, max_norm=1.0
        )
    models.save_model(policy, tokenizer, folder)


def story_loss(folder: Path, stories: Sequence[str]) -> float:
    """Return a model's mean loss on stories, nats per token that follows another."""
    examples: list[Example] = data.encode_texts(
        models.load_tokenizer(folder), stories, max_tokens=MAX_TOKENS
    )
    with torch.no_grad():
        policy = models.load_policy(folder, seed=0)
        return mean_loss(policy, examples, tokens_per_forward=TOKENS_PER_FORWARD)
