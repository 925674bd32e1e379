"""Loading models: what is refused, and what an untrained base gives."""

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from tests.trainer.conftest import save_base
from trainer import models, rundir


@pytest.mark.parametrize("name", ["pytorch_model.bin", "evil.py", "sub/rng_state.pth", "a.PKL"])
def test_a_folder_with_pickles_or_code_is_refused_by_file_name(tmp_path, name):
    folder = Path(save_base(tmp_path / "base"))
    (folder / name).parent.mkdir(exist_ok=True)
    (folder / name).write_bytes(b"cos\nsystem\n")

    with pytest.raises(rundir.RunRefusedError, match=Path(name).name):
        models.resolve_folder(str(folder))


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("auto_map", {"AutoModel": "evil.Model"}),
        ("trust_remote_code", True),
        ("_attn_implementation_internal", "someone/kernel"),
        ("_experts_implementation", "someone/kernel"),
    ],
)
@pytest.mark.parametrize("depth", [0, 1, 3])
def test_a_config_key_that_could_run_code_is_refused_at_any_depth(tmp_path, key, value, depth):
    folder = Path(save_base(tmp_path / "base"))
    config = json.loads((folder / "config.json").read_text())
    node: dict = {key: value}
    for _ in range(depth):
        node = {"nested": [node]}
    (folder / "config.json").write_text(json.dumps(config | node))

    with pytest.raises(rundir.RunRefusedError, match=key):
        models.resolve_folder(str(folder))


@pytest.mark.parametrize("config", ["[]", "{", '{"model_type": "evil"}'])
def test_a_config_without_a_known_architecture_is_refused(tmp_path, config):
    (tmp_path / "config.json").write_text(config)

    with pytest.raises(rundir.RunRefusedError):
        models.resolve_folder(str(tmp_path))


def test_an_untrained_base_is_the_same_for_the_same_seed_and_another_for_another(tmp_path):
    folder = Path(save_base(tmp_path / "base", seed=None))

    first, again, other = (
        models.checksum(models.load_policy(folder, seed=seed)) for seed in (1, 1, 2)
    )

    assert first == again != other


def test_weights_that_do_not_fit_the_config_are_refused(tmp_path):
    folder = Path(save_base(tmp_path / "base"))
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"hidden_size": 64}))

    with pytest.raises(rundir.RunRefusedError, match="cannot be loaded"):
        models.load_policy(folder, seed=0)


def test_a_folder_that_lacks_weights_is_refused_instead_of_filled_with_random_ones(tmp_path):
    folder = Path(save_base(tmp_path / "base"))
    weights = load_file(folder / "model.safetensors")
    del weights["model.layers.1.mlp.up_proj.weight"]
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})

    with pytest.raises(rundir.RunRefusedError, match=r"model\.layers\.1\.mlp\.up_proj\.weight"):
        models.load_policy(folder, seed=0)
    with pytest.raises(rundir.RunRefusedError, match="lacks 1 weights"):
        models.load_reward_model(folder, seed=0)


def test_a_damaged_weight_file_is_refused(tmp_path):
    folder = Path(save_base(tmp_path / "base"))
    (folder / "model.safetensors").write_bytes(b"\xff" * 64)

    with pytest.raises(rundir.RunRefusedError, match="cannot be loaded"):
        models.load_policy(folder, seed=0)


def test_a_loaded_model_has_dropout_off(tmp_path):
    """P16."""
    folder = Path(save_base(tmp_path / "base", attention_dropout=0.5))
    policy = models.load_policy(folder, seed=0)
    tokens = torch.tensor([[0, 50, 60, 2, 1]])

    assert torch.equal(policy(tokens).logits, policy(tokens).logits)
