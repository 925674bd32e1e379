"""Whole SFT runs that are killed, stopped, out of disk or diverge, and go on (R-06, E2)."""

import errno
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from tests.trainer.conftest import (
    checksum,
    make_run,
    make_tokenizer,
    save_base,
    user,
    wait_for_steps,
    write_lines,
)
from trainer import forward, generate, models, rundir, train_sft
from trainer.__main__ import main
from trainer.errors import DISK_FULL_EXIT_CODE
from trainer.running import checkpoints, tensor_file
from trainer.running.checkpoints import Checkpointer
from trainer.spec import SFTSettings, SFTSpec
from trainer.spec_file import read_spec

STEPS = 6
ROWS = [
    {
        "prompt_id": str(n),
        "messages": user(f"Say {n}"),
        "response": f"{n} it is! " * 14,
        "split": split,
    }
    for n, split in enumerate(["train"] * 9 + ["validation"] * 2)
]
TIMES = {"tokens_per_second", "seconds_left"}


class Crash(BaseException):
    """What a SIGKILL is to a process: nothing is tidied up."""


@pytest.fixture(scope="module")
def shared(tmp_path_factory):
    folder = tmp_path_factory.mktemp("resume")
    save_base(folder / "base")
    return folder


def make_sft(run_dir, shared, **changes):
    settings = SFTSettings(
        **{
            "epochs": 2,
            "batch_size": 3,
            "learning_rate": 1e-2,
            "checkpoint_minutes": 0,
            "tokens_per_forward": 256,  # one row in a forward pass, three in a step
            **changes,
        }
    )
    spec = SFTSpec(base_model=str(shared / "base"), settings=settings)
    return make_run(run_dir, spec, demonstrations=ROWS)


@pytest.fixture(scope="module")
def uninterrupted(shared):
    run_dir = make_sft(shared / "uninterrupted", shared)
    train_sft.run(read_spec(run_dir, "sft"), run_dir)
    return outcome(run_dir)


def outcome(run_dir):
    """What must be equal bit for bit: the weights and every number that is not a time."""
    result = rundir.read_result(run_dir)
    assert result is not None
    policy = models.load_policy(run_dir / "model", seed=0)
    return (
        checksum(policy),
        [without_times(row) for row in rundir.read_metrics_from(run_dir, 0).rows],
        without_times(result.metrics),
        result.texts,
        result.lineage,
    )


def without_times(row):
    return {key: value for key, value in row.items() if key not in TIMES}


def crash(monkeypatch, point, *, step, error=Crash):
    """Make the checkpoint of a step end the run at a point of its writing."""
    armed = []
    save, rename = Checkpointer._save, Path.rename

    def saving(self, border):
        armed.extend([True] * (border.step == step))
        save(self, border)

    def die(*_):
        if armed:
            raise error

    def write_half(file, digest, data):
        file.write(data[: len(data) // 2] if armed else data)
        die()
        digest.update(data)

    def die_before_manifest(path, value):
        if path.name == "manifest.json":
            die()
        return write_json(path, value)

    def rename_and_die(self, target):
        rename(self, target)
        die()

    write_json = checkpoints._write_json
    monkeypatch.setattr(Checkpointer, "_save", saving)
    target, name, replacement = {
        "before the write": (tensor_file, "size_of", lambda _: die() or 0),
        "mid write": (tensor_file, "_write", write_half),
        "before fsync": (os, "fsync", die),
        "before the manifest": (checkpoints, "_write_json", die_before_manifest),
        "before the rename": (Path, "rename", lambda *names: die() or rename(*names)),
        "after the rename": (Path, "rename", rename_and_die),
    }[point]
    monkeypatch.setattr(target, name, replacement)


def kill_at(step, run_dir, train, monkeypatch):
    """Kill the run before it writes the checkpoint of a step."""
    with monkeypatch.context() as patched:
        crash(patched, "before the write", step=step)
        with pytest.raises(Crash):
            train("sft", run_dir)


@pytest.mark.parametrize("step", [1, 4, STEPS])
@pytest.mark.parametrize(
    "point",
    [
        "before the write",
        "mid write",
        "before fsync",
        "before the manifest",
        "before the rename",
        "after the rename",
    ],
)
def test_a_run_killed_while_a_checkpoint_is_written_ends_as_if_it_had_not_been(
    tmp_path, shared, uninterrupted, train, monkeypatch, caplog, point, step
):
    """R-06, E1."""
    run_dir = make_sft(tmp_path / "run", shared)
    with monkeypatch.context() as patched:
        crash(patched, point, step=step)
        with pytest.raises(Crash):
            train("sft", run_dir)
    survived = step if point == "after the rename" else step - 1

    done = train("sft", run_dir)

    assert done.returncode == 0, done.stderr
    assert f"resuming at step {survived}" in caplog.messages
    assert outcome(run_dir) == uninterrupted


def test_the_weights_that_a_reward_model_chose_before_a_kill_are_still_its_choice(
    tmp_path, shared, train, monkeypatch
):
    """E1, S7."""
    save_base(tmp_path / "judge", seed=4)
    judge = models.load_reward_model(tmp_path / "judge", seed=0)
    models.save_model(judge, make_tokenizer(), tmp_path / "judge")
    settings = SFTSettings(epochs=2, batch_size=3, learning_rate=1e-2, checkpoint_minutes=0)
    spec = SFTSpec(
        base_model=str(shared / "base"), settings=settings, reward_model=str(tmp_path / "judge")
    )
    whole = make_run(tmp_path / "whole", spec, demonstrations=ROWS)
    killed = make_run(tmp_path / "killed", spec, demonstrations=ROWS)
    assert train("sft", whole).returncode == 0
    chosen = rundir.read_result(whole).metrics["selection/step"]
    assert chosen < STEPS - 2

    kill_at(STEPS - 1, killed, train, monkeypatch)
    assert train("sft", killed).returncode == 0

    assert outcome(killed) == outcome(whole)


@pytest.mark.parametrize("file", ["tensors.safetensors", "state.json", "manifest.json"])
def test_a_flipped_bit_makes_the_run_go_on_from_the_checkpoint_before(
    tmp_path, shared, uninterrupted, train, monkeypatch, caplog, file
):
    run_dir = make_sft(tmp_path / "run", shared)
    kill_at(5, run_dir, train, monkeypatch)
    assert rundir.checkpoint_steps(run_dir) == [4, 3]
    flip_bit(run_dir / "checkpoints" / "step-00000004" / file)

    done = train("sft", run_dir)

    assert done.returncode == 0, done.stderr
    assert "the checkpoint of step 4 is not used: " in caplog.text
    assert "resuming at step 3" in caplog.messages
    assert outcome(run_dir) == uninterrupted


def flip_bit(path):
    content = bytearray(path.read_bytes())
    # In the manifest the place of a hash; there is no harmless place in the others.
    at = content.index(b'"sha256"') + 40 if path.name == "manifest.json" else len(content) // 2
    content[at] ^= 1
    path.write_bytes(content)


def test_without_a_usable_checkpoint_the_run_starts_at_the_beginning_and_says_so(
    tmp_path, shared, uninterrupted, train, monkeypatch, caplog
):
    run_dir = make_sft(tmp_path / "run", shared)
    kill_at(3, run_dir, train, monkeypatch)
    for folder in (run_dir / "checkpoints").iterdir():
        (folder / "manifest.json").unlink()

    done = train("sft", run_dir)

    assert done.returncode == 0, done.stderr
    beginning = "starting at the beginning: there is no usable checkpoint"
    assert caplog.messages.count(beginning) == 2
    assert outcome(run_dir) == uninterrupted


@pytest.mark.parametrize(
    "what", ["spec.json", "a .jsonl file that spec.json names", "a model that spec.json names"]
)
def test_a_checkpoint_of_another_spec_other_rows_or_another_base_is_not_resumed(
    tmp_path, train, monkeypatch, caplog, what
):
    save_base(tmp_path / "base")
    run_dir = make_sft(tmp_path / "run", tmp_path)
    kill_at(3, run_dir, train, monkeypatch)
    if what == "spec.json":
        make_sft(run_dir, tmp_path, learning_rate=1e-3)
    elif what.startswith("a .jsonl"):
        write_lines(run_dir / "demonstrations.jsonl", ROWS[:-1])
    else:
        save_base(tmp_path / "base", seed=9)

    done = train("sft", run_dir)

    assert done.returncode == 0, done.stderr
    assert f"the checkpoint of step 2 is not used: {what} has changed since it" in caplog.text
    assert rundir.read_metrics_from(run_dir, 0).rows[0]["step"] == 0


# --- SIGTERM -------------------------------------------------------------------------------------


@pytest.mark.parametrize("micro_batch", [1, 2, 8, 3 * STEPS])
def test_sigterm_between_micro_batches_leaves_a_checkpoint_and_nothing_is_done_twice(
    tmp_path, shared, uninterrupted, train, monkeypatch, micro_batch
):
    """E2."""
    run_dir = make_sft(tmp_path / "run", shared, checkpoint_minutes=10)
    seen = []
    with monkeypatch.context() as patched:
        patched.setattr(train_sft, "mean_loss", lambda *_, **__: 0.0)
        patched.setattr(forward, "text_loss", terminating_at(micro_batch, seen))
        stopped = train("sft", run_dir)

    assert stopped.returncode == 143
    assert stopped.stderr.splitlines()[-1].startswith("stopped: SIGTERM")
    assert len(seen) == micro_batch
    # What was asked for in the last micro-batch of a step is done after that step.
    assert rundir.checkpoint_steps(run_dir)[0] == micro_batch // 3
    assert not (run_dir / "result.json").exists()

    assert train("sft", run_dir).returncode == 0
    assert outcome(run_dir)[0] == uninterrupted[0]


def terminating_at(count, seen):
    text_loss = forward.text_loss

    def loss(policy, packed):
        seen.append(packed)
        if len(seen) == count:
            os.kill(os.getpid(), signal.SIGTERM)
        return text_loss(policy, packed)

    return loss


@pytest.mark.parametrize("phase", ["the loss on held-out rows", "an answer for the reward model"])
def test_sigterm_during_a_validation_ends_the_run_within_a_forward_pass(
    tmp_path, shared, train, monkeypatch, phase
):
    """E2: it goes on from its last checkpoint, here that of the beginning."""
    save_base(tmp_path / "judge", seed=3)
    judge = models.load_reward_model(tmp_path / "judge", seed=0)
    models.save_model(judge, make_tokenizer(), tmp_path / "judge")
    settings = SFTSettings(
        epochs=2, batch_size=3, learning_rate=1e-2, checkpoint_minutes=10, tokens_per_forward=256
    )
    spec = SFTSpec(
        base_model=str(shared / "base"), settings=settings, reward_model=str(tmp_path / "judge")
    )
    whole = make_run(tmp_path / "whole", spec, demonstrations=ROWS)
    run_dir = make_run(tmp_path / "run", spec, demonstrations=ROWS)
    assert train("sft", whole).returncode == 0
    forward_passes = []

    def terminate_in_the_second_validation(do):
        def done(*arguments, **options):
            if not torch.is_grad_enabled():
                forward_passes.append(phase)
            if len(forward_passes) == at:
                os.kill(os.getpid(), signal.SIGTERM)
            return do(*arguments, **options)

        return done

    # A validation reads two rows, and an answer has up to 128 tokens.
    module, name, at = {
        "the loss on held-out rows": (forward, "text_loss", 3),
        "an answer for the reward model": (generate, "pick_tokens", 130),
    }[phase]
    with monkeypatch.context() as patched:
        patched.setattr(module, name, terminate_in_the_second_validation(getattr(module, name)))
        stopped = train("sft", run_dir)

    assert stopped.returncode == 143
    assert len(forward_passes) == at
    assert rundir.checkpoint_steps(run_dir) == [0]
    assert train("sft", run_dir).returncode == 0
    assert outcome(run_dir) == outcome(whole)


@pytest.mark.parametrize("number", rundir.STOP_SIGNALS)
def test_a_signal_while_a_model_is_loaded_just_stops(tmp_path, shared, train, monkeypatch, number):
    run_dir = make_sft(tmp_path / "run", shared)
    monkeypatch.setattr(models, "load_policy", lambda *_, **__: os.kill(os.getpid(), number))

    stopped = train("sft", run_dir)

    assert stopped.returncode == 143
    assert not (run_dir / "checkpoints").exists()


@pytest.mark.parametrize("number", rundir.STOP_SIGNALS)
def test_a_signal_to_a_process_leaves_a_checkpoint_that_another_process_goes_on_from(
    tmp_path, shared, train, spawn, caplog, number
):
    """E2."""
    changes = {"epochs": 30, "checkpoint_minutes": 10}
    whole = make_sft(tmp_path / "whole", shared, **changes)
    assert train("sft", whole).returncode == 0
    run_dir = make_sft(tmp_path / "run", shared, **changes)
    process = spawn("sft", run_dir)
    wait_for_steps(run_dir, process)

    process.send_signal(number)
    _, stderr = process.communicate(timeout=120)

    assert process.returncode == 143
    assert "Traceback" not in stderr
    assert stderr.splitlines()[-1].startswith("stopped: SIGTERM or Ctrl-C")
    step = rundir.checkpoint_steps(run_dir)[0]
    assert step > 0
    assert not (run_dir / "model").exists()
    assert train("sft", run_dir).returncode == 0
    assert f"resuming at step {step}" in caplog.messages
    assert outcome(run_dir) == outcome(whole)


# --- a full disk ---------------------------------------------------------------------------------


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 0.9 MB; a checkpoint of the tiny model takes about 0.3 MB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=900k", "none", str(folder)]
    is_mounted = shutil.which("mount") is not None and (
        subprocess.run(mount, check=False, capture_output=True).returncode == 0
    )
    if not is_mounted:
        pytest.skip("a small file system cannot be mounted here")
    yield folder
    # Lazily: the weights that the test has read stay mapped until their tensors are collected.
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


@pytest.mark.parametrize("is_checked", [True, False])
def test_a_full_disk_leaves_the_checkpoint_before_and_a_run_that_waits(
    small_disk, shared, uninterrupted, train, monkeypatch, caplog, is_checked
):
    """R-07; without the check before, the write itself fails half-way."""
    run_dir = make_sft(small_disk / "run", shared)
    with monkeypatch.context() as patched:
        if not is_checked:
            usage = shutil._ntuple_diskusage(10**9, 0, 10**9)
            patched.setattr(shutil, "disk_usage", lambda _: usage)
        full = train("sft", run_dir)

    assert full.returncode == DISK_FULL_EXIT_CODE == 75
    assert full.stderr.splitlines()[-1].startswith("waiting for disk: needs 0.")
    steps = rundir.checkpoint_steps(run_dir)
    names = {path.name for path in (run_dir / "checkpoints").iterdir()}
    assert names == {f"step-{step:08d}" for step in steps}
    assert rundir.read_failure(run_dir).error == full.stderr.splitlines()[-1]

    subprocess.run(["mount", "-o", "remount,size=4m", str(small_disk)], check=True)
    done = train("sft", run_dir)

    assert done.returncode == 0, done.stderr
    assert f"resuming at step {steps[0]}" in caplog.messages
    assert outcome(run_dir) == uninterrupted


@pytest.mark.parametrize(
    "point", ["mid write", "before fsync", "before the manifest", "before the rename"]
)
def test_a_disk_that_is_full_at_any_point_of_a_checkpoint_loses_nothing(
    tmp_path, shared, uninterrupted, train, monkeypatch, caplog, point
):
    """R-07."""
    run_dir = make_sft(tmp_path / "run", shared)
    with monkeypatch.context() as patched:
        crash(patched, point, step=3, error=OSError(errno.ENOSPC, "No space left on device"))
        full = train("sft", run_dir)

    assert full.returncode == 75
    assert full.stderr.splitlines()[-1].startswith("waiting for disk: needs ")
    assert {path.name for path in (run_dir / "checkpoints").iterdir()} == {
        "step-00000001",
        "step-00000002",
    }
    assert train("sft", run_dir).returncode == 0
    assert "resuming at step 2" in caplog.messages
    assert outcome(run_dir) == uninterrupted


def test_a_disk_without_room_for_the_reason_is_waited_for_all_the_same(
    tmp_path, shared, train, monkeypatch
):
    """R-07: neither `result.json` nor the log can be written."""
    run_dir = make_sft(tmp_path / "run", shared)

    def fail(*_, **__):
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patched:
        for name in ("append_line", "write_failure"):
            patched.setattr(rundir, name, fail)
        patched.setattr(sys, "stderr", SimpleNamespace(write=fail, flush=fail))
        code = main(["sft", str(run_dir), "--detached"])

    assert code == 75
    assert not (run_dir / "result.json").exists()
    assert train("sft", run_dir).returncode == 0


@pytest.mark.parametrize("where", ["metrics", "model"])
def test_a_disk_that_is_full_elsewhere_is_waited_for_as_well(
    tmp_path, shared, uninterrupted, train, monkeypatch, where
):
    run_dir = make_sft(tmp_path / "run", shared)

    def fail(*_, **__):
        if where == "model":  # what the writer of safetensors raises
            raise RuntimeError("Error while serializing: I/O error: No space (os error 28)")
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patched:
        target = (models, "save_model") if where == "model" else (rundir, "append_line")
        patched.setattr(*target, fail)
        full = train("sft", run_dir)

    assert full.returncode == 75
    assert full.stderr.splitlines()[-1].startswith("waiting for disk: needs ")
    assert not (run_dir / "model.tmp").exists()
    assert train("sft", run_dir).returncode == 0
    assert outcome(run_dir) == uninterrupted


# --- numbers that go wrong -----------------------------------------------------------------------


def test_a_gradient_that_is_not_a_number_ends_the_run_before_the_step_is_applied(
    tmp_path, shared, uninterrupted, train, monkeypatch
):
    """R-17."""
    run_dir = make_sft(tmp_path / "run", shared)
    losses = []

    def poisoned(policy, *arguments):
        losses.append(accumulate_losses(policy, *arguments))
        if len(losses) == 4:
            next(policy.parameters()).grad[0, 0] = torch.nan
        return losses[-1]

    accumulate_losses = train_sft.accumulate_losses
    with monkeypatch.context() as patched:
        patched.setattr(train_sft, "accumulate_losses", poisoned)
        failed = train("sft", run_dir)

    assert failed.returncode == 1
    assert "Traceback" not in failed.stderr
    failure = rundir.read_failure(run_dir)
    assert failed.stderr.splitlines()[-1] == f"error: {failure.error}"
    assert failure.error.startswith("non-finite loss at step 3: ")
    assert failure.error.endswith("(the last good state is the checkpoint of step 3)")
    assert failure.model is None
    assert rundir.read_result(run_dir) is None
    assert len(rundir.read_metrics_from(run_dir, 0).rows) == 3

    assert train("sft", run_dir).returncode == 0
    assert outcome(run_dir) == uninterrupted


def test_weights_that_are_not_numbers_end_the_run_at_once(tmp_path, train):
    """R-17."""
    folder = tmp_path / "base"
    save_base(folder)
    policy = models.load_policy(folder, seed=0)
    with torch.no_grad():
        next(policy.parameters())[40] = torch.inf
    policy.save_pretrained(folder)
    run_dir = make_sft(tmp_path / "run", tmp_path)

    failed = train("sft", run_dir)

    assert failed.returncode == 1
    error = rundir.read_failure(run_dir).error
    assert error.startswith("non-finite loss at step 0: ")
    assert error.endswith("before any training: the starting model or the data is the cause")
    assert failed.stderr.splitlines()[-1] == f"error: {error}"
    assert not (run_dir / "model").exists()


def test_an_unexpected_error_is_one_line_in_the_result_too(tmp_path, shared, train, monkeypatch):
    run_dir = make_sft(tmp_path / "run", shared)

    def fail(*_, **__):
        raise ValueError("first line\nsecond line")

    monkeypatch.setattr(models, "load_policy", fail)

    failed = train("sft", run_dir)

    assert failed.returncode == 1
    assert failed.stderr.splitlines()[-1] == "error: ValueError: first line"
    assert rundir.read_failure(run_dir).error == "ValueError: first line"
