"""Checkpoints: complete or absent, resumed as if the run had never stopped (R-06, R-07, E1, E2)."""

import random

import pytest
import torch

from tests.trainer.conftest import make_run, user
from trainer import rundir
from trainer.checkpoints import Checkpointer
from trainer.spec import SFTSettings, SFTSpec
from trainer.trained import Trained

SPEC = SFTSpec(base_model="b", settings=SFTSettings())
ROWS = [{"prompt_id": "1", "messages": user("Hi"), "response": "Yes"}]


@pytest.fixture
def run_dir(tmp_path):
    return make_run(tmp_path / "run", SPEC, demonstrations=ROWS)


def make_trained(seed=0):
    torch.manual_seed(seed)
    model = torch.nn.Linear(3, 2)
    torch.nn.init.zeros_(model.bias).requires_grad_(False)
    optimizer = torch.optim.AdamW([model.weight], fused=True)
    return Trained(
        models={"policy": model},
        optimizers={"policy": optimizer},
        tensors={"average": torch.zeros(2, dtype=torch.bfloat16)},
        orders={"prompts": random.Random(seed)},
    )


def take_step(trained):
    trained.models["policy"](torch.randn(4, 3)).square().sum().backward()
    trained.optimizers["policy"].step()
    trained.optimizers["policy"].zero_grad()
    trained.tensors["average"].add_(trained.orders["prompts"].random())


def train(run_dir, trained, *, steps, spec=SPEC):
    with Checkpointer(run_dir, spec, trained, minutes=0) as saving:
        done = saving.resume()
        for step in range(done.step, steps):
            saving.at_border(step, {"seen": [step, 0.1]})
            take_step(trained)
        saving.at_border(steps, {"seen": [steps, 0.1]})
    return done


def everything(trained):
    optimizer = trained.optimizers["policy"]
    [moments] = optimizer.state.values()
    return [
        trained.models["policy"].weight.tolist(),
        {key: value.tolist() for key, value in moments.items()},
        trained.tensors["average"].tolist(),
        trained.orders["prompts"].getstate(),
        torch.get_rng_state().tolist(),
    ]


def test_a_resumed_run_ends_bit_equal_to_one_that_never_stopped(run_dir, tmp_path):
    """E1."""
    whole = make_trained()
    train(make_run(tmp_path / "whole", SPEC, demonstrations=ROWS), whole, steps=5)
    expected = everything(whole)
    train(run_dir, make_trained(), steps=3)

    resumed = make_trained(seed=99)
    done = train(run_dir, resumed, steps=5)

    assert done.step == 3
    assert done.state == {"seen": [3, 0.1]}
    assert everything(resumed) == expected


def test_the_last_two_checkpoints_are_kept(run_dir):
    train(run_dir, make_trained(), steps=5)

    assert rundir.checkpoint_steps(run_dir) == [5, 4]
    names = {path.name for path in (run_dir / "checkpoints" / "step-00000005").iterdir()}
    assert names == {"tensors.safetensors", "state.json", "manifest.json"}
