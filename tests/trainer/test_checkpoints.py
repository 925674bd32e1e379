"""Checkpoints: complete or absent, resumed as if the run had never stopped (R-06, R-07, E1, E2)."""

import os
import shutil
import signal

import pytest
import torch
from safetensors.torch import load_file

from tests.trainer.conftest import lineage_of, make_run, user
from trainer import rundir
from trainer.errors import DiskFullError, StoppedError
from trainer.running import checkpoints, tensor_file
from trainer.running.checkpoints import Checkpointer
from trainer.running.lineage import file_sha256
from trainer.running.trained import Trained
from trainer.spec import SFTSettings, SFTSpec

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
    )


def take_step(trained):
    trained.models["policy"](torch.randn(4, 3)).square().sum().backward()
    trained.optimizers["policy"].step()
    trained.optimizers["policy"].zero_grad()
    trained.tensors["average"].add_(torch.rand(2))


def checkpointing(run_dir, trained, *, minutes):
    return Checkpointer(run_dir, SPEC, trained, lineage=lineage_of(SPEC, run_dir), minutes=minutes)


def train(run_dir, trained, *, steps):
    with checkpointing(run_dir, trained, minutes=0) as saving:
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


def test_tensors_of_every_kind_come_back_bit_equal_and_the_library_reads_them(tmp_path):
    tensors = {
        "half": torch.tensor([[1.5, -2.0]], dtype=torch.bfloat16),
        "step": torch.tensor(3.0),
        "empty": torch.zeros(0, 4),
        "is_used": torch.tensor([True, False, True]),
        "ids": torch.tensor([[1], [2**40]]),
        "transposed": torch.arange(6.0).reshape(2, 3).T,
    }

    digest = tensor_file.write(tmp_path / "t.safetensors", tensors)

    assert digest == file_sha256(tmp_path / "t.safetensors")
    found = load_file(tmp_path / "t.safetensors")
    assert {name: (value.dtype, value.tolist()) for name, value in found.items()} == {
        name: (value.dtype, value.tolist()) for name, value in tensors.items()
    }
    assert tensor_file.shapes_of(tmp_path / "t.safetensors")["transposed"] == (3, 2)


def test_a_checkpoint_is_due_after_its_minutes_and_never_twice_for_one_step(run_dir, monkeypatch):
    clock = [0.0]
    monkeypatch.setattr(checkpoints.time, "monotonic", lambda: clock[0])
    saved = []
    with checkpointing(run_dir, make_trained(), minutes=2) as saving:
        monkeypatch.setattr(saving, "_write", lambda folder, *_: folder.mkdir(parents=True))
        saving.resume()
        for step, seconds in enumerate([0, 119, 120, 121, 239, 240]):
            clock[0] = seconds
            saving.at_border(step, {})
            saved.append(rundir.checkpoint_steps(run_dir)[:1])

    assert saved == [[], [], [2], [2], [2], [5]]


def test_a_stop_abandons_work_at_once_where_there_is_a_checkpoint_and_else_at_the_border(run_dir):
    """E2."""

    def work(*, is_one_needed):
        done.clear()
        with checkpointing(run_dir, make_trained(), minutes=9) as saving:
            saving.resume()
            saving.at_border(0, {}, is_one_needed=is_one_needed)
            for item in saving.until_abandoned(range(4)):
                done.append(item)
                saving.stop_requested = True
            saving.at_border(1, {})

    done: list[int] = []
    with pytest.raises(StoppedError):
        work(is_one_needed=True)
    assert (done, rundir.checkpoint_steps(run_dir)) == ([0], [0])

    shutil.rmtree(run_dir / "checkpoints")
    with pytest.raises(StoppedError):
        work(is_one_needed=False)
    assert (done, rundir.checkpoint_steps(run_dir)) == ([0, 1, 2, 3], [1])


def test_a_checkpoint_of_other_tensors_is_not_used(run_dir, caplog):
    train(run_dir, make_trained(), steps=2)
    other = make_trained()
    other.models["policy"].bias.requires_grad_(True)

    done = train(run_dir, other, steps=0)

    assert done.step == 0
    assert "its tensors are not those that this run trains" in caplog.text


@pytest.mark.parametrize("number", rundir.STOP_SIGNALS)
def test_a_second_signal_ends_the_run_at_once_unless_it_is_the_first_one_passed_on(
    run_dir, monkeypatch, capfd, number
):
    clock, codes = [0.0], []
    monkeypatch.setattr(checkpoints.time, "monotonic", lambda: clock[0])
    monkeypatch.setattr(checkpoints.os, "_exit", codes.append)

    def be_terminated_three_times():
        with checkpointing(run_dir, make_trained(), minutes=2):
            for seconds in (0.0, 0.5, 1.5):
                clock[0] = seconds
                os.kill(os.getpid(), number)

    with pytest.raises(StoppedError):
        be_terminated_three_times()

    assert codes == [143]
    assert capfd.readouterr().err.startswith("stopped: a second SIGTERM or Ctrl-C")


def test_after_the_loop_signals_mean_what_they_meant_before(run_dir):
    before = [signal.getsignal(number) for number in rundir.STOP_SIGNALS]

    train(run_dir, make_trained(), steps=1)

    assert [signal.getsignal(number) for number in rundir.STOP_SIGNALS] == before


def test_no_checkpoint_is_written_into_less_than_twice_its_size(run_dir, monkeypatch):
    """R-07."""
    trained = make_trained()
    train(run_dir, trained, steps=1)
    # 6 weights and their two moments as float32, a step count, 2 averages of 2 bytes.
    size = 3 * 6 * 4 + 4 + 2 * 2
    usage = shutil._ntuple_diskusage(10**9, 0, 2 * size - 1)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage)

    with pytest.raises(
        DiskFullError, match=r"^waiting for disk: needs 0\.000160 MB, has 0\.000159"
    ):
        train(run_dir, trained, steps=2)

    assert rundir.checkpoint_steps(run_dir) == [1]
