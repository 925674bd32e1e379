"""Two tiny random models as policy and reward model, prompts, texts, and rollouts of them."""

import itertools
from pathlib import Path

import pytest

from tests.trainer.conftest import lineage_of, make_tokenizer, user, write_lines
from trainer import data, models, train_ppo
from trainer.architecture import reward_head
from trainer.ppo import episodes as ppo_episodes
from trainer.ppo import inputs as ppo_inputs
from trainer.ppo import rollouts
from trainer.ppo import update as ppo_update
from trainer.ppo.inputs import Inputs
from trainer.ppo.rollouts import PPOModels
from trainer.ppo.scored_texts import Shown
from trainer.ppo.update import Trainee
from trainer.pretraining import open_texts
from trainer.running.lineage import RowUse
from trainer.spec import PPOSettings, PPOSpec

EOS = 2
BIAS = 0.125
SETTINGS = PPOSettings(
    steps=2,
    batch_size=8,
    minibatch_size=4,
    max_new_tokens=8,
    max_tokens=64,
    learning_rate=1e-3,
    precision="float32",
)
PROMPTS = [{"prompt_id": f"p{n}", "messages": user("Tell me " + "x" * n)} for n in range(6)]
TEXTS = [{"text": "the quick brown fox"}, {"text": "jumps over"}, {"text": "lazy dogs, always"}]


def settings_with(**changes) -> PPOSettings:
    return SETTINGS.model_copy(update=changes)


@pytest.fixture
def reward(tmp_path, base) -> str:
    """A reward model with a random head, saved as a reward run saves one."""
    model = models.load_reward_model(Path(base), seed=3)
    reward_head.set_bias(model, BIAS)
    models.save_model(model, make_tokenizer(), tmp_path / "reward")
    return str(tmp_path / "reward")


@pytest.fixture
def load(base, reward):
    """Load the four models as a run with these settings does."""

    def load(settings=SETTINGS) -> PPOModels:
        return ppo_inputs.load_models(Path(base), Path(reward), make_tokenizer(), settings)

    return load


@pytest.fixture
def loaded(load) -> PPOModels:
    return load()


@pytest.fixture
def texts(tmp_path, tokenizer):
    write_lines(tmp_path / "pretraining.jsonl", TEXTS)
    return open_texts(tmp_path / "pretraining.jsonl", tokenizer, max_tokens=64, seed=0)


def spec_of(settings, **changes) -> PPOSpec:
    return PPOSpec(**{"base_model": "b", "reward_model": "r", "settings": settings, **changes})


def prompts_of(tokenizer) -> list[data.Example]:
    texts = [f"<|user|>{row['messages'][0]['content']}<|end|><|assistant|>" for row in PROMPTS]
    return [
        data.Example(tuple(ids), len(ids)) for ids in data.tokenize(tokenizer, texts, special=True)
    ]


def inputs_of(tokenizer, prompts, texts=None) -> Inputs:
    return Inputs(prompts, texts, Shown([], []), tokenizer, EOS, RowUse())


def roll_out(loaded, tokenizer, settings=SETTINGS, *, iteration=0, shared=1):
    """Sample six episodes, or as many of which so many share a prompt, and read the models."""
    prompts = prompts_of(tokenizer)
    episodes = ppo_episodes.sample_episodes(
        loaded.policy,
        [prompt for prompt in prompts[: len(prompts) // shared] for _ in range(shared)],
        settings,
        tokenizer=tokenizer,
        eos_id=EOS,
        iteration=iteration,
    )
    return assess(loaded, episodes.examples, settings)


def assess(loaded, examples, settings=SETTINGS):
    return rollouts.assess(
        loaded,
        examples,
        settings,
        eos_id=EOS,
        kl_coefficient=settings.kl_coefficient,
        watch=iter,
    )


def accumulate(loaded, rolled, rows, settings=SETTINGS):
    return ppo_update.accumulate_gradients(loaded, rolled, rows, settings, watch=iter)


def update(
    loaded,
    rolled,
    settings=SETTINGS,
    *,
    trainee=None,
    texts=None,
    iteration=0,
    checks_ratio=True,
):
    steps = ppo_update.update(
        loaded,
        rolled,
        trainee or Trainee.of(loaded, settings),
        texts,
        settings,
        iteration=iteration,
        checks_ratio=checks_ratio,
        until_stopped=iter,
        until_abandoned=iter,
    )
    return list(steps)


def train_policy(loaded, inputs, settings, run_dir):
    spec = spec_of(settings)
    train_ppo.train_policy(loaded, inputs, spec, run_dir, lineage=lineage_of(spec, run_dir))


def rows_by_length(rolled) -> list[list[float]]:
    """The log-probabilities of each response without what is beside it in the tensor."""
    lengths = rolled.is_response_token.sum(1).tolist()
    return [row[:length].tolist() for row, length in zip(rolled.logprobs, lengths, strict=True)]


def pairs(values):
    return list(itertools.pairwise(values))
