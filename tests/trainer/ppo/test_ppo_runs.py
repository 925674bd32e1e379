"""Whole PPO runs: what they leave, resuming, stopping, and what is refused."""

import dataclasses
import json
import math
import shutil
import signal
from pathlib import Path

import pytest
import torch
from transformers import AutoModelForCausalLM

from tests.trainer.conftest import checksum, make_run, make_tokenizer, save_base, user
from tests.trainer.ppo.conftest import (
    PROMPTS,
    SETTINGS,
    TEXTS,
    inputs_of,
    prompts_of,
    settings_with,
    spec_of,
    train_policy,
)
from tests.trainer.test_preference_runs import KilledError, kill_at
from tests.trainer.test_resume import Crash, crash
from trainer import generate, models, rundir, train_ppo
from trainer.errors import DISK_FULL_EXIT_CODE, RunDivergedError, RunRefusedError
from trainer.ppo import checks as ppo_checks
from trainer.ppo import rollouts, scored_texts
from trainer.ppo import update as ppo_update
from trainer.spec import PPOSpec, PromptRow

EVERYTHING = settings_with(
    steps=4,
    ptx_coefficient=0.5,
    ptx_texts_per_episode=0.3,
    ema_decay=0.5,
    kl_target_nats=2.0,
    kl_horizon_episodes=16,
    whiten_rewards=True,
    evaluate_every=2,
    checkpoint_minutes=0.0,
)
HELD_OUT = {"prompt_id": "held", "split": "validation", "messages": user("And you?")}
NOT_REPEATED = ("seconds", "tokens_per_second")


@pytest.fixture
def make(tmp_path, base, reward):
    """Make a run directory with prompts and texts."""

    def make(name, settings, *, prompts=PROMPTS, **changes) -> Path:
        spec = spec_of(settings, base_model=base, reward_model=reward, **changes)
        return make_run(tmp_path / name, spec, prompts=prompts, pretraining=TEXTS)

    return make


def lines(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def repeated(rows):
    return [
        {name: value for name, value in row.items() if not name.startswith(NOT_REPEATED)}
        for row in rows
    ]


def everything_of(run_dir):
    """What a run leaves, without what time makes different."""
    result = rundir.read_result(run_dir)
    [metrics] = repeated([result.metrics])
    return {
        "weights": (run_dir / "model" / "model.safetensors").read_bytes(),
        "metrics": repeated(lines(run_dir / "metrics.jsonl")),
        "optimizer steps": repeated(lines(run_dir / "optimizer_steps.jsonl")),
        "texts": lines(run_dir / "texts.jsonl"),
        "result": (metrics, result.texts, result.rows),
    }


def test_a_ppo_run_saves_a_policy_that_the_plain_class_loads(make, spawn):
    settings = settings_with(ptx_coefficient=0.5, ema_decay=0.5)
    run_dir = make("run", settings, pretraining="pretraining.jsonl")

    process = spawn("ppo", run_dir)
    _, stderr = process.communicate(timeout=120)

    assert process.returncode == 0, stderr
    AutoModelForCausalLM.from_pretrained(run_dir / "model")
    result = rundir.read_result(run_dir)
    assert len(result.texts) == 6
    assert result.rows["episodes"] == 16
    first, second = rundir.read_metrics_from(run_dir, 0).rows
    assert first["objective/kl"] == 0
    assert second["progress"] == 1
    assert second["tokens"] > first["tokens"] > 0
    assert set(first) >= {
        "objective/scores",
        "objective/kl_coefficient",
        "objective/entropy",
        "policy/entropy",
        "objective/rlhf_reward",
        "policy/clipfrac",
        "policy/approxkl",
        "policy/log_ratio_max",
        "sampler/logprob_gap_mean",
        "sampler/logprob_gap_max",
        "loss/policy",
        "loss/value",
        "loss/ptx",
        "response/length",
        "response/no_eos",
        "value/clipfrac",
        "value/explained_variance",
        "gradient/policy",
        "gradient/ptx",
        "seconds/rollout",
        "seconds/scoring",
        "seconds/update",
        "seconds/ptx",
        "tokens_per_second",
        "seconds_left",
    }


def test_a_result_names_the_rows_the_parents_and_the_settings(make, train):
    settings = settings_with(steps=1, batch_size=4)
    run_dir = make("run", settings, prompts=[*PROMPTS, HELD_OUT])

    assert train("ppo", run_dir).returncode == 0

    lineage = rundir.read_result(run_dir).lineage
    assert set(lineage.parents) == {"base_model", "reward_model"}
    assert lineage.settings["kl_coefficient"] == SETTINGS.kl_coefficient
    assert len(lineage.rows_used) == 4
    assert lineage.rows_dropped["held"] == "held out"
    assert list(lineage.rows_dropped.values()).count("the run ended before its turn") == 2


def test_every_evaluation_shows_the_same_prompts_with_responses_and_scores(make, train):
    prompts = [
        *PROMPTS,
        HELD_OUT,
        *({**row, "prompt_id": row["prompt_id"] + "x"} for row in PROMPTS),
    ]
    run_dir = make("run", settings_with(steps=6, evaluate_every=2), prompts=prompts)

    assert train("ppo", run_dir).returncode == 0

    rows = lines(run_dir / "texts.jsonl")
    assert [row["step"] for row in rows] == [0, 2, 4, 5]
    for row in rows:
        assert len(row["samples"]) == 8
        assert row["samples"][0]["prompt"] == "And you?"
        assert {type(sample["score"]) for sample in row["samples"]} == {float}
        assert {type(sample["response"]) for sample in row["samples"]} == {str}
    shown = [[sample["prompt"] for sample in row["samples"]] for row in rows]
    assert shown.count(shown[0]) == 4


def test_two_runs_of_one_spec_leave_the_same(make, train):
    """P29."""
    first, second = (
        make(name, EVERYTHING, pretraining="pretraining.jsonl") for name in ("first", "second")
    )

    assert train("ppo", first).returncode == train("ppo", second).returncode == 0

    assert everything_of(first) == everything_of(second)


@pytest.mark.parametrize("lora_rank", [None, 4])
@pytest.mark.parametrize("where", ["rollout", "scoring", "update", "mix"])
def test_a_stopped_run_resumes_to_the_same_bits(make, train, monkeypatch, where, lora_rank):
    """E1, E2, P20: stopped in the third iteration before its optimizer step."""
    settings = EVERYTHING.model_copy(
        update={"lora_rank": lora_rank, "minibatch_size": 8, "checkpoint_minutes": 1440.0}
    )
    whole, stopped = (
        make(name, settings, pretraining="pretraining.jsonl") for name in ("whole", "stopped")
    )
    assert train("ppo", whole).returncode == 0
    names = {
        "rollout": (train_ppo, "sample_episodes"),
        "scoring": (rollouts, "read_models"),
        "update": (ppo_update, "accumulate_gradients"),
        "mix": (ppo_update, "add_mix_gradient"),
    }
    module, name = names[where]
    original, calls = getattr(module, name), []

    def stop_in_the_third_iteration(*args, **options):
        calls.append(name)
        if len(calls) == 3:
            signal.raise_signal(signal.SIGTERM)
        return original(*args, **options)

    monkeypatch.setattr(module, name, stop_in_the_third_iteration)
    assert train("ppo", stopped).returncode == 143
    monkeypatch.setattr(module, name, original)
    assert rundir.read_result(stopped) is None
    assert rundir.checkpoint_steps(stopped) == [2, 0]

    assert train("ppo", stopped).returncode == 0

    assert everything_of(stopped) == everything_of(whole)


def test_a_stop_between_two_steps_goes_back_to_the_last_checkpoint(make, train, monkeypatch):
    """E2."""
    whole, stopped = (
        make(name, EVERYTHING, pretraining="pretraining.jsonl") for name in ("whole", "stopped")
    )
    assert train("ppo", whole).returncode == 0
    accumulate, calls = ppo_update.accumulate_gradients, []

    def stop_at_the_fourth_minibatch(*args, **options):
        calls.append(1)
        if len(calls) == 4:
            signal.raise_signal(signal.SIGTERM)
        return accumulate(*args, **options)

    monkeypatch.setattr(ppo_update, "accumulate_gradients", stop_at_the_fourth_minibatch)
    assert train("ppo", stopped).returncode == 143
    assert len(calls) == 4
    assert rundir.checkpoint_steps(stopped) == [1, 0]
    monkeypatch.setattr(ppo_update, "accumulate_gradients", accumulate)

    assert train("ppo", stopped).returncode == 0

    assert everything_of(stopped) == everything_of(whole)


def test_a_stop_between_the_first_two_steps_goes_back_to_the_beginning(make, train, monkeypatch):
    """E2: a stopped run always leaves a checkpoint, though none was due."""
    settings = settings_with(checkpoint_minutes=1440.0)
    whole, stopped = make("whole", settings), make("stopped", settings)
    assert train("ppo", whole).returncode == 0
    accumulate, calls = ppo_update.accumulate_gradients, []

    def stop_at_the_second_minibatch(*args, **options):
        calls.append(1)
        if len(calls) == 2:
            signal.raise_signal(signal.SIGTERM)
        return accumulate(*args, **options)

    with monkeypatch.context() as patched:
        patched.setattr(ppo_update, "accumulate_gradients", stop_at_the_second_minibatch)
        assert train("ppo", stopped).returncode == 143
    assert len(calls) == 2
    assert rundir.checkpoint_steps(stopped) == [0]

    assert train("ppo", stopped).returncode == 0

    assert everything_of(stopped) == everything_of(whole)


@pytest.mark.parametrize(
    ("phase", "left"), [("sample_episodes", [1, 0]), ("sample_scored", [0])], ids=["roll", "show"]
)
def test_a_stop_while_responses_are_sampled_ends_the_run_before_the_next_token(
    make, train, monkeypatch, phase, left
):
    """E2: before a step the state of the border is saved; after it the last checkpoint counts."""
    settings = settings_with(evaluate_every=1, checkpoint_minutes=1440.0, max_new_tokens=32)
    whole, stopped = make("whole", settings), make("stopped", settings)
    assert train("ppo", whole).returncode == 0
    sample, pick, begun, picked = getattr(train_ppo, phase), generate.pick_tokens, [], []

    def begin(*args, **options):
        begun.append(phase)
        return sample(*args, **options)

    def stop_at_the_third_token_of_the_second_time(*args, **options):
        if len(begun) == 2:
            picked.append(phase)
        if len(picked) == 3:
            signal.raise_signal(signal.SIGTERM)
        return pick(*args, **options)

    with monkeypatch.context() as patched:
        patched.setattr(train_ppo, phase, begin)
        patched.setattr(generate, "pick_tokens", stop_at_the_third_token_of_the_second_time)
        assert train("ppo", stopped).returncode == 143
    assert len(picked) == 3
    assert rundir.checkpoint_steps(stopped) == left

    assert train("ppo", stopped).returncode == 0

    assert everything_of(stopped) == everything_of(whole)


def test_a_run_whose_reward_model_was_replaced_is_not_resumed(
    make, train, monkeypatch, caplog, reward
):
    run_dir = make("run", settings_with(checkpoint_minutes=0.0))

    def fail(*_, **__):
        raise RuntimeError

    with monkeypatch.context() as patched:
        patched.setattr(rundir, "write_result", fail)
        with pytest.raises(RuntimeError):
            train("ppo", run_dir)
    assert rundir.checkpoint_steps(run_dir) == [2, 1]
    judge = models.load_reward_model(Path(reward), seed=0)
    with torch.no_grad():
        judge.score.weight.mul_(2)
    judge.save_pretrained(reward)

    done = train("ppo", run_dir)

    assert done.returncode == 0, done.stderr
    assert "the checkpoint of step 2 is not used: a model that spec.json names has" in caplog.text
    assert [row["step"] for row in lines(run_dir / "metrics.jsonl")] == [0, 1]


@pytest.mark.parametrize(
    ("point", "survived"),
    [
        ("mid write", 2),
        ("before the manifest", 2),
        ("before the rename", 2),
        ("after the rename", 3),
    ],
)
def test_a_run_killed_while_a_checkpoint_is_written_ends_as_if_it_had_not_been(
    make, train, monkeypatch, caplog, point, survived
):
    """R-06, E1."""
    caplog.set_level("INFO")
    whole, killed = (
        make(name, EVERYTHING, pretraining="pretraining.jsonl") for name in ("whole", "killed")
    )
    assert train("ppo", whole).returncode == 0
    with monkeypatch.context() as patched:
        crash(patched, point, step=3)
        with pytest.raises(Crash):
            train("ppo", killed)

    assert train("ppo", killed).returncode == 0

    assert f"resuming at step {survived}" in caplog.messages
    assert everything_of(killed) == everything_of(whole)


@pytest.mark.parametrize(
    ("module", "name", "when", "survived"),
    [
        # Its texts and optimizer steps are written, its metrics are not; then they are as well.
        (rundir, "append_metrics", {"call": 3}, 2),
        (rundir, "append_metrics", {"call": 3, "after": True}, 2),
        (ppo_update, "step", {"call": 5, "after": True}, 2),
        (rundir, "write_result", {"call": 1}, 4),
    ],
    ids=["before the metrics", "after the metrics", "between two steps", "after the last step"],
)
def test_a_run_killed_between_two_checkpoints_ends_as_if_it_had_not_been(
    make, train, monkeypatch, caplog, module, name, when, survived
):
    """R-06, E1."""
    caplog.set_level("INFO")
    whole, killed = (
        make(name, EVERYTHING, pretraining="pretraining.jsonl") for name in ("whole", "killed")
    )
    assert train("ppo", whole).returncode == 0
    with monkeypatch.context() as patched:
        kill_at(patched, module, name, **when)
        with pytest.raises(KilledError):
            train("ppo", killed)
    assert rundir.read_result(killed) is None

    assert train("ppo", killed).returncode == 0

    assert f"resuming at step {survived}" in caplog.messages
    assert everything_of(killed) == everything_of(whole)


def test_a_disk_without_room_is_known_before_anything_is_sampled(make, train, monkeypatch):
    """R-07."""
    run_dir = make("run", settings_with(checkpoint_minutes=1440.0))
    usage = shutil._ntuple_diskusage(10**9, 10**9, 0)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage)
    monkeypatch.setattr(train_ppo, "sample_episodes", None)

    done = train("ppo", run_dir)

    assert done.returncode == DISK_FULL_EXIT_CODE
    assert done.stderr.splitlines()[-1].startswith("waiting for disk: needs ")


def test_a_number_that_is_not_finite_ends_the_run_and_keeps_the_last_good_state(
    make, train, monkeypatch
):
    """R-17."""
    run_dir = make("run", settings_with(steps=4, checkpoint_minutes=0.0))
    scores, calls = rollouts.forward.scores, []

    def break_the_third(*args):
        found = scores(*args)
        calls.append(1)
        if len(calls) == 4:  # one call shows texts after the first iteration
            found[0] = math.nan
        return found

    monkeypatch.setattr(rollouts.forward, "scores", break_the_third)

    done = train("ppo", run_dir)

    assert done.returncode == 1
    assert "1 of 8 scores of the sampled responses are not finite" in done.stderr
    assert "the last good state is the checkpoint of step" in done.stderr.splitlines()[-1]
    assert "NaN" not in (run_dir / "metrics.jsonl").read_text()
    assert not (run_dir / "model").exists()


@pytest.mark.parametrize(
    ("model", "complaint"),
    [
        ("reference", "before the first update the KL to the reference is"),
        ("policy", "at the first minibatch the largest log-ratio is"),
    ],
)
def test_a_real_run_stops_when_a_start_up_check_fails(make, train, monkeypatch, model, complaint):
    """P1, P2."""
    assess = train_ppo.assess

    def shift(loaded, *args, **options):
        if model == "policy":
            rolled = assess(loaded, *args, **options)
        with torch.no_grad():
            next(getattr(loaded, model).parameters()).mul_(1.5)
        return rolled if model == "policy" else assess(loaded, *args, **options)

    monkeypatch.setattr(train_ppo, "assess", shift)

    done = train("ppo", make("run", SETTINGS))

    assert done.returncode == 1
    assert complaint in done.stderr.splitlines()[-1]


@pytest.mark.parametrize("ema_decay", [None, 0.9])
def test_the_average_is_what_is_shown_and_exported_when_one_is_kept(
    tmp_path, loaded, tokenizer, monkeypatch, ema_decay
):
    """P18."""
    settings = settings_with(ema_decay=ema_decay, minibatch_size=8)
    name, parameter = next(iter(loaded.policy.named_parameters()))
    trained, shown = [parameter.detach().clone()], []
    step = ppo_update.step

    def record(*args, **options):
        step(*args, **options)
        trained.append(parameter.detach().clone())

    def show(*_args, **_options):
        shown.append(parameter.detach().clone())
        return []

    monkeypatch.setattr(ppo_update, "step", record)
    monkeypatch.setattr(train_ppo, "sample_scored", show)
    inputs = inputs_of(tokenizer, prompts_of(tokenizer))
    train_policy(loaded, inputs, settings, tmp_path)

    expected = trained[1:]
    if ema_decay is not None:
        first = 0.9 * trained[0] + 0.1 * trained[1]
        expected = [first, 0.9 * first + 0.1 * trained[2]]
    assert len(shown) == 2
    for found, wanted in zip([*shown, parameter], [*expected, expected[-1]], strict=True):
        assert torch.allclose(found, wanted, atol=1e-7)
    assert name in dict(loaded.policy.named_parameters())


def test_after_a_look_at_the_average_training_goes_on_from_its_own_weights(loaded):
    """P18: also when the look ends in an error."""
    before = checksum(loaded.policy)
    average = {name: one.detach() / 2 for name, one in loaded.policy.named_parameters()}

    def look():
        with scored_texts.averaged(loaded.policy, average):
            within = dict(loaded.policy.named_parameters())
            assert all(torch.equal(within[name], one) for name, one in average.items())
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        look()

    assert checksum(loaded.policy) == before


def test_the_coefficient_of_the_kl_is_fixed_or_follows_its_target(tmp_path, load, tokenizer):
    """P13."""

    def coefficients(**changes):
        settings = settings_with(steps=3, **changes)
        run_dir = tmp_path / str(len(changes))
        run_dir.mkdir()
        inputs = inputs_of(tokenizer, prompts_of(tokenizer))
        train_policy(load(), inputs, settings, run_dir)
        rows = lines(run_dir / "metrics.jsonl")
        return [(row["objective/kl_coefficient"], row["objective/kl"]) for row in rows]

    fixed = coefficients()
    followed = coefficients(kl_target_nats=1000.0, kl_horizon_episodes=16)

    assert [beta for beta, _ in fixed] == [0.02] * 3
    # 8 episodes of 16 at a KL far below the target: a tenth less each time.
    assert [beta for beta, _ in followed] == pytest.approx([0.02, 0.018, 0.0162])


def test_a_run_ends_before_the_update_of_an_iteration_whose_kl_is_above_the_limit(make, train):
    """R-17: over the limit; the last good state is kept."""
    fast = {"learning_rate": 0.03, "warmup_steps": 0, "kl_coefficient": 0.0}
    settings = settings_with(steps=9, kl_limit_nats=0.5, checkpoint_minutes=0.0, **fast)
    run_dir = make("run", settings)

    ended = train("ppo", run_dir)

    kls = [row["objective/kl"] for row in lines(run_dir / "metrics.jsonl")]
    error = rundir.read_failure(run_dir).error
    assert ended.returncode == RunDivergedError.exit_code
    assert error.startswith(f"iteration {len(kls)}: the mean KL to the reference is ")
    assert "above the limit of 0.5" in error
    assert "raise kl_coefficient" in error
    assert error.endswith(f"(the last good state is the checkpoint of step {len(kls)})")
    assert max(kls) <= 0.5
    assert not (run_dir / "model").exists()
    assert rundir.checkpoint_steps(run_dir)[0] == len(kls)


def test_a_kl_at_the_limit_ends_nothing():
    ppo_checks.check_kl_limit(2.0, limit_nats=2.0, iteration=3)
    ppo_checks.check_kl_limit(1e9, limit_nats=None, iteration=3)

    with pytest.raises(RunDivergedError, match=r"iteration 3: .* is 2\.01 nats"):
        ppo_checks.check_kl_limit(2.01, limit_nats=2.0, iteration=3)
    with pytest.raises(RunDivergedError, match="nan"):
        ppo_checks.check_kl_limit(math.nan, limit_nats=2.0, iteration=3)


def test_the_coefficient_rises_with_a_kl_above_its_target_and_falls_with_one_below(
    tmp_path, loaded, tokenizer, monkeypatch
):
    """P13: by as much as the KL is away from it, while that is less than a fifth."""
    kls = iter([0.0, 2.2, 1.8, 2.0])
    assess = train_ppo.assess

    def assess_with_the_next_kl(*args, **options):
        rolled = assess(*args, **options)
        is_response = rolled.is_response_token
        per_token = is_response * next(kls) / is_response.sum(1, keepdim=True)
        return dataclasses.replace(rolled, reference_logprobs=rolled.logprobs - per_token)

    monkeypatch.setattr(train_ppo, "assess", assess_with_the_next_kl)
    settings = settings_with(steps=4, kl_target_nats=2.0, kl_horizon_episodes=16)
    inputs = inputs_of(tokenizer, prompts_of(tokenizer))
    train_policy(loaded, inputs, settings, tmp_path)
    rows = lines(tmp_path / "metrics.jsonl")

    assert [row["objective/kl"] for row in rows] == pytest.approx([0.0, 2.2, 1.8, 2.0], abs=1e-5)
    # 8 episodes of 16: half of -0.2, where it is clipped, of 0.1 and of -0.1.
    expected = [0.02, 0.02 * 0.9, 0.02 * 0.9 * 1.05, 0.02 * 0.9 * 1.05 * 0.95]
    assert [row["objective/kl_coefficient"] for row in rows] == pytest.approx(expected)


def test_the_first_held_out_prompts_are_shown_and_others_only_to_fill_up():
    rows = [PromptRow.model_validate(row) for row in [*PROMPTS, HELD_OUT]]

    shown = scored_texts.choose_shown(rows)

    assert [row.prompt_id for row in shown] == ["held", "p0", "p1", "p2", "p3", "p4", "p5"]


def test_the_rate_of_the_policy_warms_up_and_that_of_the_value_model_is_fixed(
    tmp_path, loaded, tokenizer, monkeypatch
):
    """P21."""
    rates = []
    step = ppo_update.step

    def record(models, trainee, *args, **options):
        rates.append(
            tuple(
                optimizer.param_groups[0]["lr"]
                for optimizer in (trainee.policy_optimizer, trainee.value_optimizer)
            )
        )
        step(models, trainee, *args, **options)

    monkeypatch.setattr(ppo_update, "step", record)
    settings = settings_with(
        steps=12, batch_size=2, max_new_tokens=1, learning_rate=1e-4, value_learning_rate=3e-4
    )
    inputs = inputs_of(tokenizer, prompts_of(tokenizer))

    train_policy(loaded, inputs, settings, tmp_path)

    expected = [1e-4 * (0.1 + 0.09 * iteration) for iteration in range(10)]
    assert [policy for policy, _ in rates] == pytest.approx([*expected, 1e-4, 1e-4])
    assert {value for _, value in rates} == {3e-4}
    reported = [row["learning_rate"] for row in lines(tmp_path / "metrics.jsonl")]
    assert reported == [policy for policy, _ in rates]


# --- refused -------------------------------------------------------------------------------------


def test_a_reward_model_with_other_tokens_is_refused(tmp_path, base, train):
    """P32."""
    model = models.load_reward_model(Path(save_base(tmp_path / "other")), seed=0)
    tokenizer = make_tokenizer()
    tokenizer.add_tokens(["extra"])
    models.save_model(model, tokenizer, tmp_path / "reward")
    spec = PPOSpec(base_model=base, reward_model=str(tmp_path / "reward"), settings=SETTINGS)
    run_dir = make_run(tmp_path / "run", spec, prompts=PROMPTS)

    done = train("ppo", run_dir)

    assert done.returncode == 2
    assert "differ in their vocabulary" in done.stderr.splitlines()[-1]


@pytest.mark.parametrize(
    ("field", "value", "complaint"),
    [
        ("eos_token", "<|assistant|>", "EOS token"),
        ("chat_template", "{{ messages[0].content }}", "chat template"),
    ],
)
def test_a_reward_model_that_reads_other_ends_or_turns_is_refused(
    load, reward, field, value, complaint
):
    """P32: with the same vocabulary it would score something else than was sampled."""
    tokenizer = make_tokenizer()
    setattr(tokenizer, field, value)
    tokenizer.save_pretrained(reward)

    with pytest.raises(RunRefusedError, match=f"differ in their {complaint};"):
        load()


def test_a_reward_model_that_cannot_read_every_token_of_the_policy_is_refused(
    tmp_path, reward, train
):
    """P32: embeddings beyond the tokenizer's tokens can be sampled as well."""
    base = save_base(tmp_path / "padded", vocab_size=512)
    spec = PPOSpec(base_model=base, reward_model=reward, settings=SETTINGS)
    run_dir = make_run(tmp_path / "run", spec, prompts=PROMPTS)

    done = train("ppo", run_dir)

    assert done.returncode == 2
    assert "the policy has 512 embeddings, the reward model" in done.stderr.splitlines()[-1]


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"ptx_coefficient": 1.0}, "there are no pretraining texts"),
        ({"responses_per_prompt": 3}, "batch_size 8 is no multiple of responses_per_prompt 3"),
        (
            {"batch_size": 6, "responses_per_prompt": 3},
            "minibatch_size 4 is no multiple of responses_per_prompt 3, and the episodes of a "
            "prompt stay together; take 3",
        ),
        ({"max_new_tokens": 60}, "some of them of the prompt; lower it to at most "),
        ({"max_tokens": 8}, "8 tokens, some of them of the prompt; raise max_tokens"),
    ],
)
def test_settings_that_cannot_work_are_refused(make, train, changes, complaint):
    done = train("ppo", make("run", settings_with(**changes)))

    assert done.returncode == 2
    assert complaint in done.stderr.splitlines()[-1]


def test_a_run_without_a_prompt_is_refused(make, train):
    done = train("ppo", make("run", SETTINGS, prompts=[]))

    assert done.returncode == 2
    assert "prompts.jsonl holds no prompt" in done.stderr.splitlines()[-1]


def test_a_run_whose_prompts_are_all_held_out_is_refused(make, train):
    """R17."""
    done = train("ppo", make("run", SETTINGS, prompts=[HELD_OUT]))

    assert done.returncode == 2
    assert "all 1 prompts of prompts.jsonl are held out" in done.stderr.splitlines()[-1]


def test_a_model_without_a_reward_head_is_refused_as_reward_model(tmp_path, base, train):
    spec = PPOSpec(base_model=base, reward_model=base, settings=SETTINGS)
    run_dir = make_run(tmp_path / "run", spec, prompts=PROMPTS)

    done = train("ppo", run_dir)

    assert done.returncode == 2
    assert "is not a reward model" in done.stderr.splitlines()[-1]


def test_one_prompt_is_enough(make, train):
    run_dir = make("run", SETTINGS, prompts=PROMPTS[:1])

    assert train("ppo", run_dir).returncode == 0

    assert rundir.read_result(run_dir).lineage.rows_used == ["p0"]
