"""How fast K responses to each prompt are sampled on one core, against transformers' `generate`.

    python -m benchmarks.sample [--quick]

Both sides get the same random Qwen2-style model and the same prompts and draw from the full
distribution at temperature 1. The peer is `generate(num_return_sequences=K)`, once with all
prompts padded to one batch and once a call per prompt; the faster of the two counts. Ours runs
before and after the peer in every round. The figure is sampled tokens (up to and with the EOS,
never padding) per processor second of this process, which has one thread. Where responses are
ragged the model gives the EOS a probability of about 1 / 64 at every step.
Writes `benchmarks/results/sample.json`.
"""

import argparse
import os
import platform
import random
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any

os.environ["OMP_NUM_THREADS"] = "1"

import torch
from transformers import PreTrainedModel, Qwen2Config, Qwen2ForCausalLM

from benchmarks.stage import describe_machine, write_report
from trainer.generate import Draw, draw_responses

VOCABULARY, EOS = 2048, 2
EOS_PROBABILITY = 1 / 64
PACKAGES = ("podium", "torch", "transformers")

Prompts = list[tuple[int, ...]]


@dataclass(frozen=True)
class Cell:
    """What is sampled: how many prompts of which lengths, and when responses end."""

    name: str
    lengths: tuple[int, ...]
    responses: int
    max_new_tokens: int
    ends: bool


@dataclass(frozen=True)
class Run:
    """What one arm did once."""

    tokens: int
    seconds: float

    @property
    def rate(self) -> float:
        """Sampled tokens per processor second."""
        return self.tokens / self.seconds


def ragged(count: int, *, around: int, most: int, seed: int = 0) -> tuple[int, ...]:
    """Draw log-normal lengths."""
    order = random.Random(seed)
    return tuple(
        min(most, max(8, round(around * order.lognormvariate(0, 0.7)))) for _ in range(count)
    )


CELLS = (
    Cell("even 64 x 64", (64,) * 8, 9, 64, ends=False),
    Cell("even 128 x 64", (128,) * 8, 9, 64, ends=False),
    Cell("even 256 x 64", (256,) * 8, 9, 64, ends=False),
    Cell("even 1024 x 64", (1024,) * 2, 9, 64, ends=False),
    Cell("ragged prompts, even responses", ragged(8, around=128, most=512), 9, 64, ends=False),
    Cell("even prompts, ragged responses", (128,) * 8, 9, 256, ends=True),
    Cell("ragged prompts and responses", ragged(8, around=128, most=512), 9, 256, ends=True),
)
QUICK = ("even 128 x 64", "ragged prompts and responses")


def make_model(*, ends: bool) -> PreTrainedModel:
    """Make the random model, 3.15M parameters outside the embedding."""
    torch.manual_seed(0)
    config = Qwen2Config(
        vocab_size=VOCABULARY,
        hidden_size=256,
        num_hidden_layers=4,
        num_attention_heads=4,
        num_key_value_heads=2,
        intermediate_size=768,
        max_position_embeddings=2048,
        bos_token_id=None,
        eos_token_id=EOS,
        tie_word_embeddings=False,
    )
    model = Qwen2ForCausalLM(config).eval()
    head = torch.nn.Linear(256, VOCABULARY)
    with torch.no_grad():
        head.weight.copy_(model.lm_head.weight)
        head.weight[EOS] = 0
        head.bias.zero_()
        odds = EOS_PROBABILITY / (1 - EOS_PROBABILITY)
        mean = typical_mass(model)
        head.bias[EOS] = mean + torch.tensor(odds).log() if ends else -1e4
    model.lm_head = head
    return model


@torch.inference_mode()
def typical_mass(model: PreTrainedModel) -> float:
    """Return the logarithm of the denominator of the next token's distribution, on average."""
    tokens = torch.randint(3, VOCABULARY, (4, 256))
    return float(model(tokens).logits.logsumexp(-1).mean())


def make_prompts(lengths: Sequence[int]) -> Prompts:
    """Make prompts of random tokens."""
    order = random.Random(1)
    return [tuple(order.randrange(3, VOCABULARY) for _ in range(length)) for length in lengths]


def sample_ours(model: PreTrainedModel, prompts: Prompts, cell: Cell, seed: int) -> int:
    """Sample with the trainer's own code; return the sampled tokens."""
    drawn = draw_responses(
        model,
        [
            Draw(prompt, seed * 1_000_000 + at * 100 + nth)
            for at, prompt in enumerate(prompts)
            for nth in range(cell.responses)
        ],
        eos_id=EOS,
        temperature=1.0,
        top_p=1.0,
        max_new_tokens=cell.max_new_tokens,
    )
    return sum(len(one.tokens) for one in drawn)


def sample_together(model: PreTrainedModel, prompts: Prompts, cell: Cell, seed: int) -> int:
    """Sample with one call of `generate`, the prompts padded on the left."""
    torch.manual_seed(seed)
    width = max(map(len, prompts))
    tokens = torch.zeros(len(prompts), width, dtype=torch.long)
    mask = torch.zeros_like(tokens)
    for row, prompt in enumerate(prompts):
        tokens[row, width - len(prompt) :] = torch.tensor(prompt)
        mask[row, width - len(prompt) :] = 1
    output = model.generate(  # type: ignore[operator]
        tokens,
        attention_mask=mask,
        do_sample=True,
        temperature=1.0,
        top_k=0,
        top_p=1.0,
        num_return_sequences=cell.responses,
        max_new_tokens=cell.max_new_tokens,
        eos_token_id=EOS,
        pad_token_id=0,
    )[:, width:]
    is_end = output == EOS
    lengths = torch.where(is_end.any(1), is_end.int().argmax(1) + 1, output.shape[1])
    return int(lengths.sum())


def sample_each(model: PreTrainedModel, prompts: Prompts, cell: Cell, seed: int) -> int:
    """Sample with one call of `generate` for each prompt."""
    return sum(
        sample_together(model, [prompt], cell, seed * 1000 + at)
        for at, prompt in enumerate(prompts)
    )


def measure(sample: Callable[..., int], *arguments: object) -> Run:
    """Run one arm once."""
    started = time.process_time()
    tokens = sample(*arguments)
    return Run(tokens, time.process_time() - started)


def compare(cell: Cell, *, rounds: int) -> dict[str, Any]:
    """Run the arms of a cell, ours before and after the peer in each round."""
    model, prompts = make_model(ends=cell.ends), make_prompts(cell.lengths)
    ours: list[Run] = []
    together: list[Run] = []
    each: list[Run] = []
    for turn in range(rounds):
        ours.append(measure(sample_ours, model, prompts, cell, 2 * turn))
        together.append(measure(sample_together, model, prompts, cell, turn))
        each.append(measure(sample_each, model, prompts, cell, turn))
        ours.append(measure(sample_ours, model, prompts, cell, 2 * turn + 1))
    peer = max(together, each, key=rate_of)
    return {
        "cell": cell.name,
        "prompts": len(prompts),
        "prompt_tokens": sum(cell.lengths),
        "responses_per_prompt": cell.responses,
        "mean_response_tokens": round(
            statistics.mean(run.tokens for run in ours) / len(prompts) / cell.responses, 1
        ),
        "max_new_tokens": cell.max_new_tokens,
        "tokens_per_processor_s": round(rate_of(ours)),
        "peer": "one call" if peer is together else "a call per prompt",
        "peer_tokens_per_processor_s": round(rate_of(peer)),
        "ratio": round(rate_of(ours) / rate_of(peer), 2),
        "spread": {
            "ours": [round(run.rate) for run in ours],
            "peer_one_call": [round(run.rate) for run in together],
            "peer_call_per_prompt": [round(run.rate) for run in each],
        },
    }


def rate_of(runs: Sequence[Run]) -> float:
    """Return the median rate of an arm."""
    return statistics.median(run.rate for run in runs)


def main() -> None:
    """Measure all cells, or two of them."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="two cells, one round")
    quick = parser.parse_args().quick
    torch.set_num_threads(1)
    machine = describe_machine()
    print(f"{'cell':32} {'ours':>8} {'peer':>8} {'ratio':>6}   tokens per processor second")
    cells = []
    for cell in CELLS:
        if quick and cell.name not in QUICK:
            continue
        row = compare(cell, rounds=1 if quick else 2)
        cells.append(row)
        print(
            f"{row['cell']:32} {row['tokens_per_processor_s']:8} "
            f"{row['peer_tokens_per_processor_s']:8} {row['ratio']:6}   {row['peer']}",
            flush=True,
        )
    write_report(
        "sample",
        {
            "benchmark": "sample",
            "machine": machine,
            "versions": {
                "python": platform.python_version(),
                **{name: version(name) for name in PACKAGES},
            },
            "quick": quick,
            "cells": cells,
        },
    )


if __name__ == "__main__":
    main()
