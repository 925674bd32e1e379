"""The guarded step: gradients are scaled down to the largest norm, or left as they are."""

import pytest
import torch
from safetensors.torch import load_file

from tests.trainer.conftest import make_run, user
from tests.trainer.test_reward import rankings_by_share_of_a
from trainer import rundir
from trainer.running import optimization
from trainer.spec import DPOSettings, DPOSpec, RewardSettings, RewardSpec, SFTSettings, SFTSpec

SMALL = {"epochs": 1, "batch_size": 4, "learning_rate": 1e-2}
DEMONSTRATIONS = [
    {"prompt_id": str(n), "messages": user(f"Say {n}"), "response": f"{n} it is!"} for n in range(8)
]


@pytest.mark.parametrize(
    ("max_norm", "moved_by", "passes"),
    [(1.0, [0.6, 0.8], 1), (5.0, [3.0, 4.0], 0), (6.0, [3.0, 4.0], 0), (None, [3.0, 4.0], 0)],
)
def test_only_gradients_above_the_largest_norm_are_touched(monkeypatch, max_norm, moved_by, passes):
    weights = torch.nn.Parameter(torch.zeros(2))
    weights.grad = torch.tensor([3.0, 4.0])
    clip, calls = torch.nn.utils.clip_grads_with_norm_, []

    def counted(parameters, *arguments):
        calls.extend([1] * bool(parameters))
        return clip(parameters, *arguments)

    monkeypatch.setattr(torch.nn.utils, "clip_grads_with_norm_", counted)
    optimizer = torch.optim.SGD([weights], lr=1.0)

    norm = optimization.guarded_step(optimizer, [weights], loss=0.0, step=0, max_norm=max_norm)

    assert norm == 5.0
    assert (-weights).tolist() == pytest.approx(moved_by, abs=1e-6)
    assert len(calls) == passes


@pytest.mark.parametrize("kind", ["sft", "reward", "dpo"])
def test_a_run_clips_at_the_norm_of_its_settings_and_says_which(tmp_path, base, train, kind):
    # Adam's epsilon is far above a gradient of this size: next to nothing moves.
    chosen = {**SMALL, "max_gradient_norm": 1e-13}
    spec, files = {
        "sft": (
            SFTSpec(base_model=base, settings=SFTSettings(**chosen)),
            {"demonstrations": DEMONSTRATIONS},
        ),
        "reward": (
            RewardSpec(base_model=base, settings=RewardSettings(**chosen)),
            {"rankings": rankings_by_share_of_a(8)},
        ),
        "dpo": (
            DPOSpec(base_model=base, settings=DPOSettings(**chosen)),
            {"rankings": rankings_by_share_of_a(8)},
        ),
    }[kind]
    run_dir = make_run(tmp_path / "run", spec, **files)

    done = train(kind, run_dir)

    assert done.returncode == 0, done.stderr
    assert all(row["gradient/norm"] > 1e-3 for row in rundir.read_metrics_from(run_dir, 0).rows)
    assert rundir.read_result(run_dir).lineage.settings["max_gradient_norm"] == 1e-13
    before = load_file(f"{base}/model.safetensors")
    after = load_file(run_dir / "model" / "model.safetensors")
    for name in before.keys() & after.keys():
        assert torch.allclose(after[name], before[name], rtol=0, atol=1e-5), name
