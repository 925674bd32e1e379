"""Sampling from a policy: seeds, shared prompts, freed rows and truncated distributions."""

from collections import Counter
from pathlib import Path

import pytest
import torch
from torch.testing import assert_close
from transformers import (
    DynamicCache,
    Gemma2Config,
    Gemma2ForCausalLM,
    GPT2Config,
    GPT2LMHeadModel,
    GPTNeoConfig,
    GPTNeoForCausalLM,
    LlamaConfig,
    LlamaForCausalLM,
    MistralConfig,
    MistralForCausalLM,
    PhiConfig,
    PhiForCausalLM,
    Qwen3Config,
    Qwen3ForCausalLM,
)

from tests.trainer.conftest import Reads
from trainer import generate, models
from trainer.errors import RunDivergedError
from trainer.generate import Draw, draw_responses
from trainer.sampling.choosing import pick_tokens
from trainer.sampling.flight import Flight
from trainer.sampling.shared_cache import KeysAndValues, SharedCache, shared_attention
from trainer.spec import ComputeSettings

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


def small(config, **changes):
    return config(
        **{
            "vocab_size": 259,
            "hidden_size": 32,
            "num_hidden_layers": 2,
            "num_attention_heads": 4,
            "intermediate_size": 64,
            "max_position_embeddings": 256,
            "bos_token_id": None,
            "eos_token_id": 2,
            "pad_token_id": 0,
            **changes,
        }
    )


@pytest.mark.parametrize("sliding_window", [None, 8], ids=["shared", "padded"])
def test_a_watch_can_end_it_between_any_two_tokens(sliding_window):
    """E2."""
    config = small(MistralConfig, num_key_value_heads=1, sliding_window=sliding_window)
    torch.manual_seed(0)
    policy = MistralForCausalLM(config).eval()
    draws, seen = [Draw(prompt, seed) for prompt in PROMPTS for seed in (1, 2)], []

    def end_at_the_fourth(items):
        for item in items:
            seen.append(item)
            if len(seen) == 4:
                raise KeyboardInterrupt
            yield item

    with pytest.raises(KeyboardInterrupt):
        draw(policy, draws, watch=end_at_the_fourth)

    assert draw(policy, draws, watch=lambda items: (item for item in items)) == draw(policy, draws)


@pytest.mark.parametrize("sliding_window", [None, 8], ids=["shared", "padded"])
@pytest.mark.parametrize("top_p", [1.0, 0.9])
@pytest.mark.parametrize("number", [torch.nan, torch.inf])
def test_logits_that_are_not_numbers_end_the_run(sliding_window, top_p, number):
    """R-17: one response of six reads the damaged weights, when it comes to token 77."""
    config = small(MistralConfig, num_key_value_heads=1, sliding_window=sliding_window)
    torch.manual_seed(0)
    policy = MistralForCausalLM(config).eval()
    with torch.no_grad():
        policy.get_input_embeddings().weight[77] = number
    draws = [Draw((0, 100, 2, 1), seed) for seed in range(5)] + [Draw((0, 77, 2, 1), 5)]

    with pytest.raises(RunDivergedError, match="MistralForCausalLM gives no probabilities"):
        draw(policy, draws, top_p=top_p)


SHARED = {
    "gpt2": lambda: GPT2LMHeadModel(small(GPT2Config)),
    "llama": lambda: LlamaForCausalLM(small(LlamaConfig, num_key_value_heads=2)),
    "mistral": lambda: MistralForCausalLM(
        small(MistralConfig, num_key_value_heads=1, sliding_window=64)
    ),
    "phi": lambda: PhiForCausalLM(small(PhiConfig)),
    "qwen3": lambda: Qwen3ForCausalLM(small(Qwen3Config, num_key_value_heads=2, head_dim=8)),
}
SEPARATE = {
    # Knows positions as such: one that padding shifted is another position.
    "gpt neo": lambda: GPTNeoForCausalLM(
        small(GPTNeoConfig, attention_types=[[["global", "local"], 1]], window_size=8)
    ),
    "mistral with a narrow window": lambda: MistralForCausalLM(
        small(MistralConfig, num_key_value_heads=1, sliding_window=8)
    ),
    "gemma2": lambda: Gemma2ForCausalLM(
        small(Gemma2Config, num_key_value_heads=2, head_dim=8, sliding_window=8)
    ),
}


def greedy_one_by_one(policy, prompt):
    ids = torch.tensor([prompt])
    output = policy.generate(
        ids, attention_mask=torch.ones_like(ids), max_new_tokens=24, do_sample=False
    )
    return output[0, len(prompt) :].tolist()


@pytest.mark.parametrize("name", [*SHARED, *SEPARATE])
def test_greedy_output_of_a_ragged_batch_equals_that_of_transformers_one_by_one(name):
    """P27."""
    torch.manual_seed(0)
    policy = {**SHARED, **SEPARATE}[name]().eval()
    draws = [Draw(prompt, seed) for prompt in PROMPTS for seed in (0, 1)]

    batch = draw(policy, draws, temperature=1e-6)

    for one, (tokens, _) in zip(draws, batch, strict=True):
        assert tokens == greedy_one_by_one(policy, one.prompt)


@pytest.mark.parametrize(("names", "is_shared"), [(SHARED, True), (SEPARATE, False)])
def test_prompts_are_shared_where_every_layer_attends_to_all_of_them(names, is_shared):
    for make in names.values():
        assert generate.is_exact_for(make(), 50) == is_shared


def test_sampling_leaves_the_attention_of_the_model_as_it_was(policy):
    before = policy.config._attn_implementation

    draw(policy, [Draw(PROMPTS[0], 1)])

    assert policy.config._attn_implementation == before


class Passes:
    """Counts the tokens that each forward pass of a model is given."""

    def __init__(self, policy) -> None:
        self.shapes = []
        policy.register_forward_pre_hook(
            lambda _, arguments: self.shapes.append(tuple(arguments[0].shape))
        )


def with_frequent_eos(policy):
    """Make about every tenth token the EOS."""
    head = torch.nn.Linear(32, 259)
    torch.nn.init.zeros_(head.bias)
    head.weight.data.copy_(policy.lm_head.weight)
    head.weight.data[2] = 0
    head.bias.data[2] = 3.3
    policy.lm_head = head
    return policy


def test_every_row_of_every_pass_is_a_response_under_way(policy):
    policy = with_frequent_eos(policy)
    passes = Passes(policy)

    drawn = draw(policy, [Draw(prompt, seed) for prompt in PROMPTS for seed in range(30)])

    steps = [rows for rows, width in passes.shapes if width == 1]
    assert sum(steps) == sum(len(tokens) for tokens, _ in drawn)
    # A prompt is computed once for its thirty responses, its last token with each of them.
    prefills = [rows * width for rows, width in passes.shapes if width > 1]
    assert sum(prefills) == sum(len(prompt) - 1 for prompt in PROMPTS)


def test_freed_rows_go_to_responses_that_wait_and_change_none_of_them(policy, monkeypatch):
    draws = [Draw(prompt, seed) for prompt in [*PROMPTS, (7,), (9,)] for seed in range(8)]
    policy = with_frequent_eos(policy)
    together = draw(policy, draws)
    monkeypatch.setattr(generate, "MAX_ROWS", 5)
    passes = Passes(policy)

    few = draw(policy, draws)

    assert few == together
    steps = [rows for rows, width in passes.shapes if width == 1]
    assert max(steps) == 5
    # Rows are idle only while the last few responses end.
    assert sum(rows == 5 for rows in steps) > 0.8 * len(steps)


def test_memory_for_keys_and_values_bounds_the_rows(policy, monkeypatch):
    draws = [Draw(PROMPTS[0], seed) for seed in range(40)]
    together = draw(policy, draws)
    # 2 layers of one key head of 16 float32 keys and values: 256 bytes a token, 24.1 a row.
    monkeypatch.setattr(generate, "CACHE_BYTES", 256 * 24.2 * 3)
    passes = Passes(policy)

    few = draw(policy, draws)

    assert few == together
    assert max(rows for rows, width in passes.shapes if width == 1) == 3


def test_keys_and_values_are_counted_in_the_type_that_they_are_kept_in(base, monkeypatch):
    """The weights that are trained are float32 in any precision."""
    settings = ComputeSettings(precision="bfloat16")
    policy = models.load_policy(Path(base), seed=0, compute=settings)
    monkeypatch.setattr(generate, "CACHE_BYTES", 128 * 24.2 * 3)
    passes, kept = Passes(policy), set()
    room = KeysAndValues.room

    def watched(self, layer, like, rows, columns):
        kept.add(like.dtype)
        return room(self, layer, like, rows, columns)

    monkeypatch.setattr(KeysAndValues, "room", watched)

    draw(policy, [Draw(PROMPTS[0], seed) for seed in range(40)])

    assert kept == {torch.bfloat16}
    assert max(rows for rows, width in passes.shapes if width == 1) == 3


def test_where_prompts_are_not_shared_each_row_has_its_own_in_float32(base, monkeypatch):
    """Rotated keys are float32 under autocast, and transformers keeps values in their type."""
    settings = ComputeSettings(precision="bfloat16")
    policy = models.load_policy(Path(base), seed=0, compute=settings)
    monkeypatch.setattr(generate, "is_exact_for", lambda *_: False)
    # 2 layers of one key head of 16 float32 keys and values, 5 tokens of the prompt and 24 more.
    monkeypatch.setattr(generate, "CACHE_BYTES", 256 * 29 * 3)
    passes, kept = Passes(policy), set()
    select = DynamicCache.batch_select_indices

    def watched(self, indices):
        kept.update(held.dtype for layer in self.layers for held in (layer.keys, layer.values))
        select(self, indices)

    monkeypatch.setattr(DynamicCache, "batch_select_indices", watched)

    draw(policy, [Draw(PROMPTS[0], seed) for seed in range(8)])

    assert kept == {torch.float32}
    assert max(rows for rows, width in passes.shapes if width == 1) == 3


@pytest.mark.parametrize(
    ("free", "reserved", "allocated", "expected"),
    [(138, 0, 0, 35), (100, 40, 30, 35), (10, 120, 25, 35), (20, 110, 50, 35), (8, 60, 40, 8.75)],
)
def test_a_gpu_gives_the_same_room_whatever_small_things_lie_on_it(
    monkeypatch, free, reserved, allocated, expected
):
    """E1: of 140, and at most half of what is free or held by torch without use."""
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda _: (free, 140))
    monkeypatch.setattr(torch.cuda, "memory_reserved", lambda _: reserved)
    monkeypatch.setattr(torch.cuda, "memory_allocated", lambda _: allocated)

    assert generate.cache_budget(torch.device("cuda")) == expected
    assert generate.cache_budget(torch.device("cpu")) == generate.CACHE_BYTES


@torch.no_grad()
def test_no_layer_of_a_prefill_asks_the_gpu_where_prompts_go(policy):
    with shared_attention(policy), Reads() as reads:
        SharedCache().fill(policy, [PROMPTS[0], PROMPTS[1]], [3, 1])

    assert reads.count == 0


@torch.inference_mode()
def test_a_prompt_leaves_the_pool_with_its_last_response(policy):
    prompts = [PROMPTS[0], PROMPTS[0], PROMPTS[1], PROMPTS[2]]
    flight = Flight(prompts, [1, 2, 3, 4], torch.zeros(4, 8, dtype=torch.float64))
    wanted = Counter(prompts)
    with shared_attention(policy):
        flight.admit(policy, [0, 1, 2, 3])

    flight.leave([0], wanted)
    flight.leave([flight.who.index(1)], wanted)

    assert sorted(flight.who) == [2, 3]
    assert [flight.pool[at] for at in flight.place] == [prompts[who] for who in flight.who]
    assert sorted(flight.pool) == sorted([PROMPTS[1], PROMPTS[2]])


def test_a_seed_gives_the_same_text_again_and_other_seeds_other_texts(policy):
    """P29."""
    first = draw(policy, [Draw(PROMPTS[0], seed) for seed in range(20)])
    again = draw(policy, [Draw(PROMPTS[0], seed) for seed in range(20)])

    assert first == again
    assert len({tuple(tokens) for tokens, _ in first}) == 20


def test_responses_are_drawn_from_the_full_distribution(policy):
    """P4."""
    prompt = PROMPTS[0]
    logits = policy(torch.tensor([prompt])).logits[0, -1].detach()
    expected = torch.softmax(logits.double(), -1)

    drawn = draw(policy, [Draw(prompt, seed) for seed in range(4000)], max_new_tokens=1)

    counts = torch.bincount(torch.tensor([tokens[0] for tokens, _ in drawn]), minlength=259)
    assert (counts > 0).sum() > 250
    # Chi-squared over 259 tokens: mean 258, standard deviation 23.
    assert float(((counts - 4000 * expected) ** 2 / (4000 * expected)).sum()) < 258 + 4 * 23


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

    tokens, logprobs = pick_tokens(logits, numbers, temperature=1.0, top_p=1.0)

    assert torch.bincount(tokens).tolist() == [5000, 3000, 2000]
    assert_close(logprobs, logits[0].double()[tokens])


def test_top_p_draws_only_the_most_likely_tokens_that_reach_it():
    logits = torch.tensor([0.2, 0.5, 0.3]).log().expand(10_000, 3)
    numbers = (torch.arange(10_000, dtype=torch.float64) + 0.5) / 10_000

    tokens, logprobs = pick_tokens(logits, numbers, temperature=1.0, top_p=0.6)

    assert torch.bincount(tokens, minlength=3).tolist() == [0, 6250, 3750]
    assert_close(logprobs, logits[0].double()[tokens])


def test_temperature_sharpens_the_distribution():
    logits = torch.tensor([0.6, 0.4]).log().expand(10_000, 2)
    numbers = (torch.arange(10_000, dtype=torch.float64) + 0.5) / 10_000

    tokens, logprobs = pick_tokens(logits, numbers, temperature=0.5, top_p=1.0)

    assert torch.bincount(tokens).tolist() == [6923, 3077]  # 0.36 / (0.36 + 0.16)
    assert sorted(set(logprobs.exp().tolist())) == pytest.approx([0.16 / 0.52, 0.36 / 0.52])
