"""Whether the worker's machine can hold a run, told before it is queued. No database."""

import json

import pytest

from app.errors import InvalidError
from app.jobs import machine
from app.jobs.machine import Machine, read_machine, this_machine, write_machine
from app.training.memory import memory_text, require_memory
from trainer.spec import PPOSettings, RewardSettings, SFTSettings

GIB = 2**30
# About 110 million parameters: 16 bytes each are 1.6 GiB.
CONFIG = {
    "model_type": "llama", "hidden_size": 768, "num_hidden_layers": 12, "num_attention_heads": 12,
    "intermediate_size": 2048, "vocab_size": 32000, "tie_word_embeddings": True,
}  # fmt: skip
SMALL = Machine(device="cpu", memory_bytes=2 * GIB)


@pytest.fixture
def folder(tmp_path) -> str:
    (tmp_path / "config.json").write_text(json.dumps(CONFIG))
    return str(tmp_path)


@pytest.fixture(autouse=True)
def without_gpu(monkeypatch):
    monkeypatch.setattr(machine, "ASK_GPU", ("there-is-no-such-program",))


def test_what_cannot_fit_is_refused_with_the_setting_that_would(folder):
    with pytest.raises(InvalidError) as refused:
        require_memory(SFTSettings(), [folder], SMALL)

    assert refused.value.code == "not_enough_memory"
    assert refused.value.faults[0].loc == ("body", "base_model")
    assert "needs about 2." in refused.value.detail
    assert "with lora_rank 16 it needs" in refused.value.detail
    require_memory(SFTSettings(lora_rank=16), [folder], SMALL)


def test_what_fits_with_short_rows_is_left_to_the_trainer(folder):
    large = Machine(device="cpu", memory_bytes=3 * GIB)

    require_memory(SFTSettings(tokens_per_forward=1_000_000, batch_size=4096), [folder], large)


@pytest.mark.parametrize("folders", [[None], ["/nowhere"]])
def test_nothing_is_refused_or_said_of_a_model_that_is_not_here(folders):
    require_memory(SFTSettings(), folders, SMALL)

    assert memory_text(SFTSettings(), folders, SMALL) is None


def test_under_a_launcher_nothing_is_refused_as_ranks_may_share_the_weights(folder):
    several = SMALL.model_copy(update={"has_launcher": True})

    require_memory(SFTSettings(), [folder], several)

    assert "each process has at most" in memory_text(SFTSettings(), [folder], several)
    assert this_machine(has_launcher=True).has_launcher


def test_nothing_is_refused_before_a_worker_has_run(folder):
    require_memory(SFTSettings(), [folder], None)

    assert memory_text(RewardSettings(), [folder], None).endswith("GiB of memory.")


def test_the_form_says_what_is_needed_and_what_there_is(folder):
    said = memory_text(PPOSettings(), [folder, folder], SMALL)

    assert said.startswith("With these settings the run needs up to about ")
    assert said.endswith("; the worker's machine has 2.0 GiB.")


def test_a_container_has_what_it_is_allowed(tmp_path):
    limit = tmp_path / "sys/fs/cgroup/memory.max"
    limit.parent.mkdir(parents=True)
    limit.write_text("max\n")
    everything = this_machine(tmp_path)
    limit.write_text(f"{GIB}\n")

    assert this_machine(tmp_path) == Machine(device="cpu", memory_bytes=GIB)
    assert everything.memory_bytes > GIB


def test_a_gpus_memory_counts_where_there_is_one(monkeypatch):
    monkeypatch.setattr(machine, "ASK_GPU", ("echo", "81559"))

    assert this_machine() == Machine(device="cuda", memory_bytes=81559 * 2**20)


def test_the_web_process_reads_what_a_worker_left(tmp_path):
    assert read_machine(tmp_path) is None
    write_machine(tmp_path / "data", SMALL)
    assert read_machine(tmp_path / "data") == SMALL
    (tmp_path / "data" / "machine.json").write_text("{}")
    assert read_machine(tmp_path / "data") is None
