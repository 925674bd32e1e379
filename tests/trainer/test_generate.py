"""Sampling from a policy: seeds, padding and truncated distributions."""

from pathlib import Path

import pytest
import torch

from trainer import models
from trainer.generate import Draw, draw_responses, pick_tokens

PROMPTS = [(0, 100, 101, 2, 1), (0, 50, 2, 1), (0, *range(60, 80), 2, 1)]


@pytest.fixture
def policy(base):
    return models.load_policy(Path(base), seed=0)


def draw(policy, draws, **changes):
    options = {"eos_id": 2, "temperature": 1.0, "top_p": 1.0, "max_new_tokens": 24, **changes}
    return [(one.tokens, one.finish) for one in draw_responses(policy, draws, **options)]


def test_a_response_depends_on_its_seed_and_not_on_what_else_is_in_the_batch(policy):
    draws = [Draw(prompt, seed) for prompt in PROMPTS for seed in (1, 2, 3)]

    together = draw(policy, draws)
    again = draw(policy, list(reversed(draws)))
    alone = [draw(policy, [one])[0] for one in draws]

    assert together == alone
    assert together == list(reversed(again))
    assert len({tuple(tokens) for tokens, _ in together}) == len(draws)


def test_greedy_output_of_a_padded_batch_equals_that_of_transformers_one_by_one(policy):
    """P27."""
    batch = draw(policy, [Draw(prompt, 0) for prompt in PROMPTS], temperature=1e-6)

    for prompt, (tokens, _) in zip(PROMPTS, batch, strict=True):
        ids = torch.tensor([prompt])
        output = policy.generate(
            ids, attention_mask=torch.ones_like(ids), max_new_tokens=24, do_sample=False
        )
        assert tokens == output[0, len(prompt) :].tolist()


def test_a_response_ends_at_the_eos_or_at_the_limit_and_says_which(policy):
    # A strong preference for EOS among equals: about every tenth token ends a response.
    bias = torch.zeros(259)
    bias[2] = 3.0
    forward = policy.forward

    def biased(*arguments: object, **options: object):
        output = forward(*arguments, **options)
        output.logits = output.logits * 0 + bias
        return output

    policy.forward = biased
    drawn = draw(policy, [Draw(PROMPTS[0], seed) for seed in range(64)])

    assert {finish for _, finish in drawn} == {"stop", "length"}
    for tokens, finish in drawn:
        assert (tokens[-1] == 2) == (finish == "stop")
        assert 2 not in tokens[:-1]
        assert len(tokens) <= 24
        assert finish == "stop" or len(tokens) == 24


def test_tokens_are_drawn_with_their_probability():
    logits = torch.tensor([0.5, 0.3, 0.2]).log().expand(10_000, 3)
    numbers = (torch.arange(10_000, dtype=torch.float64) + 0.5) / 10_000

    tokens = pick_tokens(logits, numbers, temperature=1.0, top_p=1.0)

    assert torch.bincount(tokens).tolist() == [5000, 3000, 2000]


def test_top_p_draws_only_the_most_likely_tokens_that_reach_it():
    logits = torch.tensor([0.2, 0.5, 0.3]).log().expand(10_000, 3)
    numbers = (torch.arange(10_000, dtype=torch.float64) + 0.5) / 10_000

    tokens = pick_tokens(logits, numbers, temperature=1.0, top_p=0.6)

    assert torch.bincount(tokens, minlength=3).tolist() == [0, 6250, 3750]


def test_temperature_sharpens_the_distribution():
    logits = torch.tensor([0.6, 0.4]).log().expand(10_000, 2)
    numbers = (torch.arange(10_000, dtype=torch.float64) + 0.5) / 10_000

    tokens = pick_tokens(logits, numbers, temperature=0.5, top_p=1.0)

    assert torch.bincount(tokens).tolist() == [6923, 3077]  # 0.36 / (0.36 + 0.16)
