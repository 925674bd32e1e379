"""PPO on two CPU ranks gives the numbers of one."""

import json
import socket

import pytest

from tests.trainer.conftest import make_run
from tests.trainer.ppo.conftest import PROMPTS, TEXTS, settings_with, spec_of

NOT_REPEATED = ("seconds", "tokens_per_second")


def free_port() -> int:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        return listening.getsockname()[1]


@pytest.mark.slow
def test_two_ranks_give_the_numbers_of_one(tmp_path, base, reward, spawn, train):
    """P9, P29, R12: episodes differ between ranks, whitening is over the batch of both."""
    settings = settings_with(
        steps=3,
        tokens_per_forward=256,
        ptx_coefficient=0.5,
        ptx_texts_per_episode=0.5,
        whiten_rewards=True,
        kl_target_nats=2.0,
        ema_decay=0.5,
    )
    spec = spec_of(settings, base_model=base, reward_model=reward, pretraining="pretraining.jsonl")
    one, two = (
        make_run(tmp_path / name, spec, prompts=PROMPTS, pretraining=TEXTS)
        for name in ("one", "two")
    )
    launched = {
        "WORLD_SIZE": "2",
        "LOCAL_WORLD_SIZE": "2",
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(free_port()),
    }

    ranks = [spawn("ppo", two, RANK=str(rank), LOCAL_RANK=str(rank), **launched) for rank in (0, 1)]
    assert train("ppo", one).returncode == 0
    for rank in ranks:
        _, stderr = rank.communicate(timeout=250)
        assert rank.returncode == 0, stderr

    rows = [
        [json.loads(line) for line in (run_dir / "metrics.jsonl").read_text().splitlines()]
        for run_dir in (one, two)
    ]
    assert len(rows[0]) == 3
    for of_one, of_two in zip(*rows, strict=True):
        for name, value in of_one.items():
            if not name.startswith(NOT_REPEATED):
                assert of_two[name] == pytest.approx(value, rel=1e-5, abs=1e-5), name
    texts = [(run_dir / "texts.jsonl").read_text() for run_dir in (one, two)]
    assert [row["step"] for row in map(json.loads, texts[0].splitlines())] == [0, 2]
    responses = [
        [sample["response"] for line in text.splitlines() for sample in json.loads(line)["samples"]]
        for text in texts
    ]
    assert responses[0] == responses[1]
