"""How near a GPU's limits training and sampling come.

    python -m benchmarks.gpu [--quick | --tiny]

Random models in the shapes of Qwen2.5 0.5B and 1.5B and of Llama 3.1 8B (LoRA), bfloat16. Training
is the reward model's step on rankings of nine; its useful arithmetic, counted as 6 operations per
linear weight and token (4 where the weights are frozen) plus attention, is set against the card's
dense bfloat16 peak. Sampling is set against reading all weights once and every key and value once
per step. `--tiny` runs a small model, on a CPU too, to try the code: it has no shares.
Writes `benchmarks/results/gpu.json`.
"""

import argparse
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch
from transformers import LlamaConfig, PretrainedConfig, Qwen2Config

from benchmarks import rankings_data as made_up
from benchmarks import side_by_side
from benchmarks.rankings_data import EOS, Shape
from benchmarks.stage import describe_machine, write_report
from trainer import models
from trainer.generate import Draw, draw_responses
from trainer.model_shape import ModelShape, shape_of
from trainer.preference.kwise_step import accumulate_loss
from trainer.preference.preferences import read_preferences
from trainer.preference.reward_step import load_trainable, score_prompts
from trainer.running import optimization
from trainer.spec import RewardSettings, RewardSpec

RANKED = Shape(512, 128, 9)
PROMPTS_PER_STEP, WARM_UP_STEPS, STEPS = 16, 2, 8
SAMPLED_PROMPTS, SAMPLED_TOKENS = 64, 128


@dataclass(frozen=True)
class Card:
    """What a data sheet promises: dense bfloat16 operations and bytes of memory a second."""

    flops: float
    bytes: float


CARDS = {
    "H200": Card(989e12, 4.8e12),
    "H100": Card(989e12, 3.35e12),
    "A100": Card(312e12, 2.0e12),
}


@dataclass(frozen=True)
class Plan:
    """One model: its config, and the rank of the adapter that is trained instead of it."""

    name: str
    config: PretrainedConfig
    lora_rank: int | None = None
    tokens_per_forward: int = 16_384


def qwen(hidden: int, layers: int, heads: int, feed_forward: int) -> Qwen2Config:
    """Return the config of a Qwen2.5 of that size."""
    return Qwen2Config(
        vocab_size=151_936,
        hidden_size=hidden,
        num_hidden_layers=layers,
        num_attention_heads=heads,
        num_key_value_heads=2,
        intermediate_size=feed_forward,
        max_position_embeddings=4096,
        tie_word_embeddings=True,
        eos_token_id=EOS,
    )


FULL = [
    Plan("0.5B", qwen(896, 24, 14, 4864)),
    Plan("1.5B", qwen(1536, 28, 12, 8960)),
    Plan(
        "8B, LoRA",
        LlamaConfig(
            vocab_size=128_256,
            hidden_size=4096,
            num_hidden_layers=32,
            num_attention_heads=32,
            num_key_value_heads=8,
            intermediate_size=14_336,
            max_position_embeddings=4096,
            eos_token_id=EOS,
        ),
        lora_rank=16,
        tokens_per_forward=8192,
    ),
]
TINY = [Plan("tiny", made_up.make_config()), Plan("tiny, LoRA", made_up.make_config(), lora_rank=4)]


def seconds_of(work: Callable[[], object]) -> float:
    """Return the seconds of some work, what the GPU does for it included."""
    wait = torch.cuda.synchronize if torch.cuda.is_available() else lambda: None
    wait()
    started = time.perf_counter()
    work()
    wait()
    return time.perf_counter() - started


def operations_per_token(shape: ModelShape, *, is_frozen: bool) -> float:
    """Return the useful operations of one training step per token: linear layers and attention."""
    passes = 2 if is_frozen else 3  # forward, gradient of the inputs, gradient of the weights
    seen = RANKED.prompt_tokens + RANKED.response_tokens / 2  # by a response token, on average
    own = (RANKED.prompt_tokens / 2 * RANKED.prompt_tokens + seen * RANKED.response_tokens * 9) / (
        RANKED.prompt_tokens + RANKED.response_tokens * 9
    )
    return 2 * passes * shape.linear + 3 * 4 * shape.layers * shape.attention * own


def train(plan: Plan, folder: Path, *, prompts: int, steps: int) -> dict[str, Any]:
    """Measure the reward model's step."""
    settings = RewardSettings(
        learning_rate=1e-6,
        batch_size=prompts,
        max_tokens=4096,
        precision="bfloat16",
        lora_rank=plan.lora_rank,
        tokens_per_forward=plan.tokens_per_forward,
    )
    tokenizer = models.load_tokenizer(folder)
    model = load_trainable(folder, tokenizer, settings)
    tasks = made_up.make_tasks(RANKED, prompts=prompts, seed=1)
    run_dir = folder / f"run-{plan.lora_rank}"
    spec = RewardSpec(base_model=str(folder), settings=settings)
    made_up.make_run(run_dir, spec.model_dump(), rankings=made_up.ranking_rows(tasks))
    batch = read_preferences(spec, run_dir, tokenizer, max_tokens=4096).train
    optimizer = optimization.make_optimizer(model, learning_rate=settings.learning_rate)

    def step() -> None:
        loss, _ = accumulate_loss(model, partial(score_prompts, model), batch, settings)
        optimization.guarded_step(optimizer, model.parameters(), loss=loss, step=0, max_norm=1.0)

    for _ in range(WARM_UP_STEPS):
        step()
    seconds = seconds_of(lambda: [step() for _ in range(steps)])
    tokens = steps * sum(prompt.tree.tokens for prompt in batch)
    operations = operations_per_token(shape_of(folder), is_frozen=plan.lora_rank is not None)
    return {
        "useful_tokens_per_second": round(tokens / seconds, 1),
        "useful_tflops": round(operations * tokens / seconds / 1e12, 2),
        "peak_gib": round(_peak_bytes() / 2**30, 2),
    }


def sample(folder: Path, *, prompts: int, tokens: int) -> dict[str, Any]:
    """Measure drawing nine responses of full length for each prompt."""
    policy = models.load_policy(folder, seed=0, dtype=torch.bfloat16)
    texts = made_up.make_prompts(RANKED, prompts=prompts, seed=2)
    draws = [Draw(tuple(text), nth) for text in texts for nth in range(RANKED.k)]

    def draw(length: int) -> int:
        drawn = draw_responses(
            policy, draws, eos_id=EOS, max_new_tokens=length, temperature=1.0, top_p=1.0
        )
        return sum(len(one.tokens) for one in drawn)

    draw(4)
    made: list[int] = []
    seconds = seconds_of(lambda: made.append(draw(tokens)))
    shape = shape_of(folder)
    context = RANKED.prompt_tokens + tokens / 2
    in_flight = len(draws)
    read = 2 * (shape.linear + shape.vocabulary * shape.hidden)
    read += in_flight * context * shape.layers * shape.cached * 2
    return {
        "sampled_tokens_per_second": round(made[0] / seconds, 1),
        "responses_in_flight": in_flight,
        "bytes_per_token_at_least": round(read / in_flight),
    }


def _peak_bytes() -> float:
    return torch.cuda.max_memory_allocated() if torch.cuda.is_available() else 0.0


def with_shares(cell: dict[str, Any], card: Card | None) -> dict[str, Any]:
    """Add the shares of the card's limits, when they are known."""
    if card is not None:
        cell["share_of_peak"] = round(cell["useful_tflops"] * 1e12 / card.flops, 3)
        limit = card.bytes / cell["bytes_per_token_at_least"]
        cell["share_of_decode_limit"] = round(cell["sampled_tokens_per_second"] / limit, 3)
    return cell


def measure(plan: Plan, folder: Path, *, is_tiny: bool) -> dict[str, Any]:
    """Measure one model; its weights are made from the config."""
    folder.mkdir()
    plan.config.architectures = [f"{type(plan.config).__name__.removesuffix('Config')}ForCausalLM"]
    plan.config.save_pretrained(folder)
    made_up.make_tokenizer().save_pretrained(folder)
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()
    prompts, steps = (2, 1) if is_tiny else (PROMPTS_PER_STEP, STEPS)
    sampled = {"prompts": 2, "tokens": 8} if is_tiny else {}
    return {
        "model": plan.name,
        "prompt_tokens": RANKED.prompt_tokens,
        "response_tokens": RANKED.response_tokens,
        "k": RANKED.k,
        **train(plan, folder, prompts=prompts, steps=steps),
        **sample(folder, **({"prompts": SAMPLED_PROMPTS, "tokens": SAMPLED_TOKENS} | sampled)),
    }


def main() -> None:
    """Read the arguments, measure, write the report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="the smallest model only")
    parser.add_argument("--tiny", action="store_true", help="a small model, to try the code")
    arguments = parser.parse_args()
    if not (arguments.tiny or torch.cuda.is_available()):
        parser.error("there is no NVIDIA GPU here; --tiny tries the code without one")
    device = torch.cuda.get_device_name() if torch.cuda.is_available() else "CPU"
    card = next((card for name, card in CARDS.items() if name in device), None)
    plans = TINY if arguments.tiny else FULL[: 1 if arguments.quick else None]
    cells = []
    with side_by_side.work_folder() as folder:
        for number, plan in enumerate(plans):
            cell = measure(plan, folder / f"model-{number}", is_tiny=arguments.tiny)
            cells.append(with_shares(cell, None if arguments.tiny else card))
            print(cells[-1], flush=True)
    report = {
        "machine": describe_machine() | {"device": device},
        "versions": side_by_side.describe_versions(),
        "quick": arguments.quick,
        "cells": cells,
    }
    if not arguments.tiny:
        write_report("gpu", report)


if __name__ == "__main__":
    main()
