"""Tiny random Llama models, tokenizers and run directories for the trainer's tests."""

import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch
from pydantic import BaseModel
from tokenizers import Tokenizer, decoders, pre_tokenizers
from tokenizers import models as tokenizer_models
from torch.utils._python_dispatch import TorchDispatchMode
from transformers import (
    AutoModelForCausalLM,
    LlamaConfig,
    PreTrainedModel,
    PreTrainedTokenizerFast,
)

from trainer import rundir, train_dpo, train_sft
from trainer.__main__ import main
from trainer.result import Lineage
from trainer.running.lineage import RowUse, describe_lineage
from trainer.spec import TrainingSpec

torch.set_num_threads(1)

SPECIAL = ["<|user|>", "<|assistant|>", "<|end|>"]
TEMPLATE = (
    "{% for m in messages %}<|{{ m.role }}|>{{ m.content }}<|end|>{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>{% endif %}"
)


def make_tokenizer(*, pad: str | None = None) -> PreTrainedTokenizerFast:
    """A byte-level tokenizer without merges: 256 bytes and three special tokens."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocabulary = {token: index for index, token in enumerate([*SPECIAL, *alphabet])}
    backend = Tokenizer(tokenizer_models.BPE(vocab=vocabulary, merges=[]))
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    backend.decoder = decoders.ByteLevel()
    backend.add_special_tokens(SPECIAL)
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=backend, eos_token="<|end|>")
    if pad is not None:
        tokenizer.pad_token = pad
    tokenizer.chat_template = TEMPLATE
    return tokenizer


def make_config(**changes: object) -> LlamaConfig:
    return LlamaConfig(
        **{
            "vocab_size": 259,
            "hidden_size": 32,
            "num_hidden_layers": 2,
            "num_attention_heads": 2,
            "num_key_value_heads": 1,
            "intermediate_size": 64,
            "max_position_embeddings": 256,
            "tie_word_embeddings": True,
            "bos_token_id": None,
            "eos_token_id": 2,
            **changes,
        }
    )


def save_base(folder: Path, *, seed: int | None = 0, pad: str | None = None, **changes) -> str:
    """Save a tiny language model; without a seed only its config (an untrained base)."""
    config = make_config(**changes)
    if seed is None:
        config.save_pretrained(folder)
    else:
        torch.manual_seed(seed)
        AutoModelForCausalLM.from_config(config).save_pretrained(folder)
    make_tokenizer(pad=pad).save_pretrained(folder)
    return str(folder)


def checksum(model: PreTrainedModel) -> str:
    """A sha256 over all parameters, to show that a frozen model stayed as it was."""
    digest = hashlib.sha256()
    for parameter in model.parameters():
        digest.update(parameter.detach().cpu().contiguous().view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()


class Reads(TorchDispatchMode):
    """Counts how often a tensor is asked for its number, which waits for a GPU."""

    count = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None) -> object:
        self.count += func is torch.ops.aten._local_scalar_dense.default
        return func(*args, **(kwargs or {}))


def shorten_texts(patched: pytest.MonkeyPatch) -> None:
    """Sample less for people to look at when a run ends: it takes a third of a short run."""
    for module in (train_sft, train_dpo):
        patched.setattr(module, "SHOWN_TOKENS", 8)


@pytest.fixture(scope="session", autouse=True)
def short_texts() -> Iterator[None]:
    """All runs in this process sample less."""
    with pytest.MonkeyPatch.context() as patched:
        shorten_texts(patched)
        yield


@pytest.fixture
def tokenizer() -> PreTrainedTokenizerFast:
    return make_tokenizer()


@pytest.fixture
def base(tmp_path: Path) -> str:
    return save_base(tmp_path / "base")


def user(text: str) -> list[dict[str, str]]:
    return [{"role": "user", "content": text}]


def write_lines(path: Path, rows: Iterable[dict]) -> None:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")


def make_run(run_dir: Path, spec: BaseModel, **files: Iterable[dict]) -> Path:
    run_dir.mkdir(parents=True, exist_ok=True)
    (run_dir / "spec.json").write_text(spec.model_dump_json(), encoding="utf-8")
    for name, rows in files.items():
        write_lines(run_dir / f"{name}.jsonl", rows)
    return run_dir


def lineage_of(spec: TrainingSpec, run_dir: Path) -> Lineage:
    """The lineage of a run whose models are not looked at."""
    return describe_lineage(spec, run_dir, parents={}, rows=RowUse())


def environment(**extra: str) -> dict[str, str]:
    return {**os.environ, "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1", **extra}


@dataclass(frozen=True)
class Ended:
    """How a run ended."""

    returncode: int
    stderr: str


@pytest.fixture
def train(capfd, monkeypatch) -> Iterator[Callable[..., Ended]]:
    """Do a run in this process: importing torch again takes seconds."""
    handlers = {number: signal.getsignal(number) for number in rundir.STOP_SIGNALS}

    def run(kind: str, run_dir: Path, **variables: str) -> Ended:
        for name, value in variables.items():
            monkeypatch.setenv(name, value)
        capfd.readouterr()
        code = main([kind, str(run_dir), "--detached"])
        return Ended(code, capfd.readouterr().err)

    yield run
    for number, handler in handlers.items():
        signal.signal(number, handler)


@pytest.fixture
def spawn() -> Iterator[Callable[..., "subprocess.Popen[str]"]]:
    """Start `python -m trainer KIND RUN_DIR` as the worker does."""
    started = []

    def start(kind: str, run_dir: Path, **variables: str) -> "subprocess.Popen[str]":
        process = subprocess.Popen(
            [sys.executable, "-m", "trainer", kind, str(run_dir)],
            env=environment(**variables),
            stderr=subprocess.PIPE,
            text=True,
        )
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.wait()
        process.stderr.close()


def wait_for_steps(run_dir: Path, process: "subprocess.Popen[str]") -> None:
    """Wait until the run has made a step.

    Raises:
        AssertionError: when it ends before, or makes none within two minutes.
    """
    deadline = time.monotonic() + 120
    while not rundir.read_metrics_from(run_dir, 0).rows:
        assert process.poll() is None, "the run ended before it made a step"
        assert time.monotonic() < deadline, "no step was made within two minutes"
        time.sleep(0.02)
