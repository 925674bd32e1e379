"""Rotary embeddings that follow the longest sequence of a batch are used where they do not."""

from pathlib import Path

import pytest
import torch
from transformers import AutoModelForCausalLM, LlamaConfig, Phi3Config

from tests.trainer.conftest import make_run, make_tokenizer, user, write_lines
from tests.trainer.ppo.conftest import settings_with, spec_of
from tests.trainer.test_reward import ranking
from trainer import limits, models, rundir
from trainer.ppo import inputs as ppo_inputs
from trainer.preference.rankings import fit
from trainer.shared_prompt import Tree, hidden_states, pack_separately, pack_shared
from trainer.spec import RewardSettings, RewardSpec, SFTSettings, SFTSpec

ORIGINAL = 32
SMALL = {
    "vocab_size": 259,
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "num_key_value_heads": 1,
    "intermediate_size": 64,
    "bos_token_id": None,
    "eos_token_id": 2,
    "pad_token_id": None,
    "initializer_range": 0.2,
}
LONGROPE = {"rope_type": "longrope", "short_factor": [1.0] * 8, "long_factor": [4.0] * 8}
DYNAMIC = {"rope_type": "dynamic", "factor": 4.0}
CONFIGS = {
    "phi3 longrope": lambda: Phi3Config(
        **SMALL,
        max_position_embeddings=128,
        original_max_position_embeddings=ORIGINAL,
        rope_parameters={**LONGROPE, "rope_theta": 10_000.0},
    ),
    "llama longrope": lambda: LlamaConfig(
        **SMALL,
        max_position_embeddings=128,
        rope_parameters={
            **LONGROPE,
            "rope_theta": 10_000.0,
            "factor": 4.0,
            "original_max_position_embeddings": ORIGINAL,
        },
    ),
    "llama dynamic": lambda: LlamaConfig(
        **SMALL,
        max_position_embeddings=ORIGINAL,
        rope_parameters={**DYNAMIC, "rope_theta": 10_000.0},
    ),
}
LONG_ROWS = [
    Tree(tuple(range(3, 60)), (tuple(range(60, 66)), (70, 2))),
    Tree((5, 6, 7), ((8, 9, 2), (10, 2))),
]


@pytest.fixture(params=CONFIGS)
def folder(request, tmp_path) -> Path:
    torch.manual_seed(0)
    model = AutoModelForCausalLM.from_config(CONFIGS[request.param]())
    model.save_pretrained(tmp_path / "rotary")
    make_tokenizer().save_pretrained(tmp_path / "rotary")
    return tmp_path / "rotary"


@torch.no_grad()
def states(policy, packed):
    return hidden_states(policy, packed, read=packed.before_once)[packed.before]


def largest_difference(policy, trees):
    """Of a short tree's states, alone and beside others in one row and in rows of their own."""
    short = len(pack_shared(trees[1:]).before)
    alone = states(policy, pack_shared(trees[1:]))
    return max(
        float((states(policy, way(trees))[-short:] - alone).abs().max())
        for way in (pack_shared, pack_separately)
    )


def test_within_the_limit_it_does_not_matter_what_shares_a_batch(folder):
    policy = models.load_policy(folder, seed=0)
    limit = limits.longest_sequence(policy.config, 100)

    fitting = [fit(tree, limit)[0] for tree in LONG_ROWS]

    assert limit == ORIGINAL
    assert largest_difference(policy, fitting) < 1e-5
    assert largest_difference(policy, LONG_ROWS) > 1e-3


def test_a_setting_that_asks_for_more_is_answered_in_the_log(folder, caplog):
    caplog.set_level("INFO")
    config = models.load_policy(folder, seed=0).config

    assert limits.say_longest_sequence(config, ORIGINAL) == ORIGINAL
    assert caplog.messages == []
    assert limits.say_longest_sequence(config, 100) == ORIGINAL

    [message] = caplog.messages
    assert "at most 32 tokens instead of 100" in message


@pytest.mark.parametrize("kind", ["sft", "reward"])
def test_a_run_cuts_rows_to_the_original_length_and_says_so_once(
    folder, tmp_path, train, caplog, kind
):
    if kind == "sft":
        row = {"prompt_id": "p", "messages": user("x" * 90), "response": "yes"}
        spec = SFTSpec(base_model=str(folder), settings=SFTSettings(epochs=1))
        run_dir = make_run(tmp_path / "run", spec, demonstrations=[row])
    else:
        row = ranking("p", ["a", "b"], [1, 2], messages=user("x" * 90))
        spec = RewardSpec(base_model=str(folder), settings=RewardSettings())
        run_dir = make_run(tmp_path / "run", spec, rankings=[row])

    done = train(kind, run_dir)

    assert done.returncode == 0, done.stderr
    assert len(rundir.read_result(run_dir).lineage.rows_cut) == 1
    said = [message for message in caplog.messages if "at most 32 tokens instead of" in message]
    assert len(said) == 1


def test_ppo_keeps_within_the_policy_as_well_as_the_reward_model(folder, base, tmp_path, tokenizer):
    reward = models.load_reward_model(Path(base), seed=0)
    models.save_model(reward, tokenizer, tmp_path / "reward")
    write_lines(tmp_path / "prompts.jsonl", [{"prompt_id": "p", "messages": user("x" * 90)}])
    write_lines(tmp_path / "pretraining.jsonl", [{"text": "lazy dogs " * 20}])
    settings = settings_with(max_tokens=200)
    spec = spec_of(settings, pretraining="pretraining.jsonl")
    loaded = ppo_inputs.load_models(folder, tmp_path / "reward", tokenizer, settings)

    inputs = ppo_inputs.read_inputs(spec, tmp_path, tokenizer, loaded)

    assert len(inputs.prompts[0].tokens) == ORIGINAL - settings.max_new_tokens
    assert len(inputs.texts.between(0, 1)[0].tokens) == ORIGINAL
