"""P16 in whole runs: the dropout of a config changes nothing, as models stay in eval mode."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM, GPT2Config

from tests.trainer.conftest import make_run, make_tokenizer, user
from tests.trainer.test_reward import rankings_by_share_of_a
from trainer import models, rundir
from trainer.spec import (
    DPOSettings,
    DPOSpec,
    PPOSettings,
    PPOSpec,
    RewardSettings,
    RewardSpec,
    SFTSettings,
    SFTSpec,
)

TIMES = ("tokens_per_second", "seconds")
PROMPTS = [{"prompt_id": f"p{n}", "messages": user("x" * n)} for n in range(4)]
DEMONSTRATIONS = [{**row, "response": f"answer {n}"} for n, row in enumerate(PROMPTS)]
SMALL = {"epochs": 1, "batch_size": 2, "learning_rate": 1e-3, "max_tokens": 48}
PPO = PPOSettings(
    steps=2,
    batch_size=4,
    minibatch_size=2,
    learning_rate=1e-3,
    value_learning_rate=1e-3,
    max_new_tokens=6,
    max_tokens=48,
    ptx_coefficient=1.0,
    ptx_texts_per_episode=0.5,
)


def save_parents(folder: Path, *, dropout: float) -> tuple[str, str]:
    """Save a policy and a reward model; the seed gives both the same weights at any dropout."""
    config = GPT2Config(
        vocab_size=259,
        n_embd=32,
        n_layer=2,
        n_head=2,
        n_positions=128,
        resid_pdrop=dropout,
        embd_pdrop=dropout,
        attn_pdrop=dropout,
        bos_token_id=None,
        eos_token_id=2,
    )
    torch.manual_seed(0)
    AutoModelForCausalLM.from_config(config).save_pretrained(folder / "base")
    make_tokenizer().save_pretrained(folder / "base")
    reward = models.load_reward_model(folder / "base", seed=3)
    models.save_model(reward, make_tokenizer(), folder / "reward")
    return str(folder / "base"), str(folder / "reward")


def make(folder: Path, kind: str, *, dropout: float) -> Path:
    base, reward = save_parents(folder, dropout=dropout)
    spec = {
        "sft": lambda: SFTSpec(base_model=base, settings=SFTSettings(**SMALL)),
        "reward": lambda: RewardSpec(base_model=base, settings=RewardSettings(**SMALL)),
        "dpo": lambda: DPOSpec(base_model=base, settings=DPOSettings(**SMALL)),
        "ppo": lambda: PPOSpec(
            base_model=base, reward_model=reward, settings=PPO, pretraining="pretraining.jsonl"
        ),
    }[kind]()
    return make_run(
        folder / "run",
        spec,
        prompts=PROMPTS,
        demonstrations=DEMONSTRATIONS,
        rankings=rankings_by_share_of_a(8),
        pretraining=[{"text": "the quick brown fox"}, {"text": "jumps over"}],
    )


def numbers_of(run_dir):
    return [
        {name: value for name, value in row.items() if not name.startswith(TIMES)}
        for row in rundir.read_metrics_from(run_dir, 0).rows
    ]


@pytest.mark.parametrize("kind", ["sft", "reward", "dpo", "ppo"])
def test_a_run_of_a_model_with_dropout_is_that_of_the_same_weights_without(tmp_path, train, kind):
    """P16; PPO's own check of the first ratio ends a run whose policy has it on (P1)."""
    with_dropout = make(tmp_path / "with", kind, dropout=0.1)
    without = make(tmp_path / "without", kind, dropout=0.0)

    done, expected = train(kind, with_dropout), train(kind, without)

    assert done.returncode == expected.returncode == 0, done.stderr
    assert numbers_of(with_dropout) == numbers_of(without)
    weights = load_file(without / "model" / "model.safetensors")
    for name, value in load_file(with_dropout / "model" / "model.safetensors").items():
        assert torch.equal(value, weights[name]), name
