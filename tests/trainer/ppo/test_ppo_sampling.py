"""The episodes of PPO, sampled here and by a stand-in of the rollout server."""

import dataclasses
import math
import threading

import pytest
import torch

from tests.trainer.conftest import checksum, make_run
from tests.trainer.ppo.conftest import (
    EOS,
    PROMPTS,
    SETTINGS,
    assess,
    prompts_of,
    settings_with,
    spec_of,
)
from tests.trainer.test_rollout_server import StandIn
from trainer import generate, rundir
from trainer.errors import RunDivergedError, RunRefusedError
from trainer.ppo import episodes as ppo_episodes
from trainer.ppo.episodes import check_sampler, open_server, sample_episodes


@pytest.fixture
def stand_in(base, monkeypatch):
    server = StandIn(base)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    monkeypatch.setenv("PODIUM_ROLLOUT_URL", f"http://127.0.0.1:{server.server_port}")
    yield server
    server.may_answer.set()
    server.shutdown()
    thread.join()
    server.server_close()


SERVED = settings_with(rollouts="server")


def sample(loaded, tokenizer, prompts=None, settings=SETTINGS, **changes):
    options = {"tokenizer": tokenizer, "eos_id": EOS, "iteration": 0, **changes}
    return sample_episodes(loaded.policy, prompts or prompts_of(tokenizer), settings, **options)


def test_sampling_is_from_the_full_distribution_at_the_temperature(loaded, tokenizer, monkeypatch):
    """P4."""
    asked = {}
    draw = ppo_episodes.draw_responses

    def record(policy, draws, **options):
        asked.update(options)
        return draw(policy, draws, **options)

    monkeypatch.setattr(ppo_episodes, "draw_responses", record)

    sample(loaded, tokenizer, settings=settings_with(temperature=0.7))

    assert asked["top_p"] == 1.0
    assert asked["temperature"] == 0.7


def test_the_same_seed_repeats_the_episodes_and_another_iteration_does_not(loaded, tokenizer):
    """P29."""
    first, again, later = (
        sample(loaded, tokenizer, iteration=iteration).examples for iteration in (0, 0, 1)
    )

    assert first == again
    assert first != later


def test_equal_prompts_of_a_batch_get_different_responses(loaded, tokenizer):
    """P29."""
    episodes = sample(loaded, tokenizer, [prompts_of(tokenizer)[0]] * 4)

    assert len({example.tokens for example in episodes.examples}) == 4


def test_a_server_samples_what_this_process_would_with_the_weights_it_was_sent(
    loaded, tokenizer, stand_in, tmp_path
):
    """P30, P31."""
    next(loaded.policy.parameters()).data.mul_(1.5)

    with open_server(SERVED, tmp_path) as server:
        served = sample(loaded, tokenizer, settings=SERVED, server=server, compares_greedy=True)

    assert served.examples == sample(loaded, tokenizer).examples
    gap = check_sampler(served, assess(loaded, served.examples), SERVED)
    assert 0 < gap["sampler/logprob_gap_mean"] <= gap["sampler/logprob_gap_max"] < 1e-5
    assert stand_in.calls[:2] == ["/collective_rpc", "/reset_prefix_cache"]
    assert not (tmp_path / "rollout-weights").exists()


def test_a_policy_in_bfloat16_may_differ_from_its_server_by_rounding(
    load, tokenizer, stand_in, tmp_path
):
    """P31: the stand-in computes in float32."""
    settings = SERVED.model_copy(update={"precision": "bfloat16"})
    loaded = load(settings)

    with open_server(SERVED, tmp_path) as server:
        served = sample(loaded, tokenizer, settings=SERVED, server=server, compares_greedy=True)

    gap = check_sampler(served, assess(loaded, served.examples, settings), settings)
    assert 1e-4 < gap["sampler/logprob_gap_mean"] < 0.1


def test_a_server_that_keeps_old_weights_stops_the_run(loaded, tokenizer, stand_in, tmp_path):
    """P30, P31."""
    stand_in.loads = False
    with torch.no_grad():
        for parameter in loaded.policy.parameters():
            parameter.add_(0.3 * torch.randn_like(parameter))

    with open_server(SERVED, tmp_path) as server:
        with pytest.raises(RunDivergedError, match="greedy responses"):
            sample(loaded, tokenizer, settings=SERVED, server=server, compares_greedy=True)
        served = sample(loaded, tokenizer, settings=SERVED, server=server)

    rolled = assess(loaded, served.examples)
    with pytest.raises(RunDivergedError, match="log-probabilities of the rollout server"):
        check_sampler(served, rolled, SERVED)


def test_sigterm_ends_a_run_whose_server_does_not_answer_and_it_goes_on_afterwards(
    base, reward, stand_in, tmp_path, spawn, train
):
    """E2: the process waits for no request, and leaves the checkpoint of its last border."""
    settings = SERVED.model_copy(update={"checkpoint_minutes": 1440.0})
    spec = spec_of(settings, base_model=base, reward_model=reward)
    run_dir = make_run(tmp_path / "run", spec, prompts=PROMPTS)
    # Those of the first iteration, 6 of them greedy, and 3 of the second.
    stand_in.answered_at_most = 8 + 8 + 3
    process = spawn("ppo", run_dir)
    assert stand_in.is_holding.wait(120)

    process.terminate()
    _, stderr = process.communicate(timeout=120)

    assert process.returncode == 143, stderr
    assert stderr.splitlines()[-1].startswith("stopped: SIGTERM")
    assert rundir.checkpoint_steps(run_dir) == [1, 0]
    stand_in.answered_at_most = math.inf
    done = train("ppo", run_dir)
    assert done.returncode == 0, done.stderr
    assert [row["step"] for row in rundir.read_metrics_from(run_dir, 0).rows] == [0, 1]


@pytest.mark.parametrize("is_shared", [True, False])
@pytest.mark.parametrize(("precision", "largest"), [("float32", 1e-5), ("bfloat16", 0.05)])
def test_the_gap_of_this_process_is_that_of_its_other_way_to_attend(
    load, tokenizer, monkeypatch, is_shared, precision, largest
):
    """P30: with prompts in a shared cache, and with the cache of transformers."""
    monkeypatch.setattr(generate, "is_exact_for", lambda *_: is_shared)
    settings = settings_with(precision=precision, temperature=0.7)
    loaded = load(settings)
    episodes = sample(loaded, tokenizer, settings=settings)
    rolled = assess(loaded, episodes.examples, settings)

    gap = check_sampler(episodes, rolled, settings)

    lengths = rolled.is_response_token.sum(1).tolist()
    assert [len(episodes.logprobs[row]) for row in range(6)] == lengths
    assert 0 < gap["sampler/logprob_gap_mean"] <= gap["sampler/logprob_gap_max"] < largest


def test_a_run_that_names_a_server_without_one_is_refused(tmp_path, monkeypatch):
    monkeypatch.delenv("PODIUM_ROLLOUT_URL", raising=False)

    with (
        pytest.raises(RunRefusedError, match="PODIUM_ROLLOUT_URL is not set"),
        open_server(SERVED, tmp_path),
    ):
        pass


def test_the_models_that_are_served_are_those_of_the_run(loaded, tokenizer, stand_in, tmp_path):
    """Every iteration sends its own weights."""
    with open_server(SERVED, tmp_path) as server:
        for factor in (1.5, 1.2):
            next(loaded.policy.parameters()).data.mul_(factor)
            sample(loaded, tokenizer, settings=SERVED, server=server)
            assert checksum(stand_in.model) == checksum(loaded.policy)


def test_served_log_probabilities_are_compared_token_by_token(
    loaded, tokenizer, stand_in, tmp_path
):
    """P30."""
    with open_server(SERVED, tmp_path) as server:
        served = sample(loaded, tokenizer, settings=SERVED, server=server)
    rolled = assess(loaded, served.examples)
    first, *others = served.logprobs[0]
    wrong = dataclasses.replace(served, logprobs={**served.logprobs, 0: (first - 0.5, *others)})

    gap = check_sampler(wrong, rolled, SERVED)

    tokens = int(rolled.is_response_token.sum())
    assert gap["sampler/logprob_gap_max"] == pytest.approx(0.5, abs=1e-5)
    assert gap["sampler/logprob_gap_mean"] == pytest.approx(0.5 / tokens, abs=1e-5)
