"""PPO: alignment, advantages, start-up checks, the pretraining mix, and that it learns."""

from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from transformers import AutoModelForCausalLM

from tests.trainer.conftest import make_run, make_tokenizer, save_base, user
from trainer import (
    advantages,
    data,
    forward,
    models,
    optimization,
    ppo_update,
    rollouts,
    rundir,
    train_ppo,
)
from trainer.ppo_update import Trainee
from trainer.rollouts import PPOModels
from trainer.spec import PPOSettings, PPOSpec

EOS = 2
SETTINGS = PPOSettings(
    steps=2, batch_size=8, minibatch_size=4, max_new_tokens=8, max_tokens=64, learning_rate=1e-3
)
PROMPTS = [{"prompt_id": f"p{n}", "messages": user("Tell me " + "x" * n)} for n in range(6)]
TEXTS = [{"text": "the quick brown fox"}, {"text": "jumps over"}, {"text": "lazy dogs, always"}]


@pytest.fixture
def reward(tmp_path, base) -> str:
    """A reward model with a random head, saved as a reward run saves one."""
    model = models.load_reward_model(Path(base), seed=3)
    models.set_bias(model, 0.125)
    models.save_model(model, make_tokenizer(), tmp_path / "reward")
    return str(tmp_path / "reward")


@pytest.fixture
def loaded(base, reward) -> PPOModels:
    return train_ppo.load_models(Path(base), Path(reward), make_tokenizer(), SETTINGS)


def prompts_of(tokenizer):
    texts = [f"<|user|>{row['messages'][0]['content']}<|end|><|assistant|>" for row in PROMPTS]
    return [
        data.Example(tuple(ids), len(ids)) for ids in data.tokenize(tokenizer, texts, special=True)
    ]


def roll_out(loaded, tokenizer, settings=SETTINGS):
    examples = rollouts.sample_episodes(
        loaded.policy, prompts_of(tokenizer), settings, eos_id=EOS, iteration=0
    )
    return rollouts.assess(loaded, examples, settings, eos_id=EOS)


def trainee_of(loaded, settings=SETTINGS, texts=None):
    return Trainee.of(loaded, settings, texts=texts)


# --- maths ---------------------------------------------------------------------------------------


def ragged_mask():
    """Responses of different place and length, two of them followed by padding."""
    mask = torch.zeros(3, 10, dtype=torch.bool)
    mask[0, 2:7] = True
    mask[1, 4:10] = True
    mask[2, 1:2] = True
    return mask


def quadratic_gae(rewards, values, *, gamma, lam):
    """The definition, one row without padding: a sum over all later one-step errors."""
    following = [*values[1:], 0.0]
    errors = [r + gamma * n - v for r, n, v in zip(rewards, following, values, strict=True)]
    count = len(errors)
    return [
        sum((gamma * lam) ** (later - at) * errors[later] for later in range(at, count))
        for at in range(count)
    ]


@pytest.mark.parametrize(("gamma", "lam"), [(1.0, 0.95), (0.9, 0.5), (1.0, 1.0), (1.0, 0.0)])
def test_gae_equals_the_sum_over_later_errors(gamma, lam):
    """P5."""
    torch.manual_seed(0)
    rewards, values, mask = torch.randn(3, 10), torch.randn(3, 10), ragged_mask()

    estimates = advantages.estimate_advantages(rewards, values, mask, gamma=gamma, lam=lam)

    for row in range(3):
        expected = quadratic_gae(
            rewards[row][mask[row]].tolist(), values[row][mask[row]].tolist(), gamma=gamma, lam=lam
        )
        assert estimates.advantages[row][mask[row]].tolist() == pytest.approx(expected, abs=1e-5)


def test_gae_with_lambda_1_is_return_minus_value_and_with_0_the_one_step_error():
    """P5."""
    rewards, values = torch.tensor([[1.0, 2.0, 4.0]]), torch.tensor([[0.5, 0.25, 1.0]])
    mask = torch.ones(1, 3, dtype=torch.bool)

    whole = advantages.estimate_advantages(rewards, values, mask, gamma=1.0, lam=1.0)
    steps = advantages.estimate_advantages(rewards, values, mask, gamma=1.0, lam=0.0)

    assert whole.advantages.tolist() == [[7 - 0.5, 6 - 0.25, 4 - 1.0]]
    assert whole.returns.tolist() == [[7.0, 6.0, 4.0]]
    assert steps.advantages.tolist() == [[1 + 0.25 - 0.5, 2 + 1.0 - 0.25, 4 - 1.0]]


def test_what_stands_after_the_last_token_does_not_enter():
    """P7, P8."""
    torch.manual_seed(0)
    rewards, values, mask = torch.randn(3, 10), torch.randn(3, 10), ragged_mask()
    pad = torch.nn.functional.pad

    clean = advantages.estimate_advantages(rewards, values, mask, gamma=1.0, lam=0.95)
    dirty = advantages.estimate_advantages(
        pad(torch.where(mask, rewards, 99.0), (0, 7), value=99.0),
        pad(torch.where(mask, values, 99.0), (0, 7), value=99.0),
        pad(mask, (0, 7)),
        gamma=1.0,
        lam=0.95,
    )

    assert torch.equal(dirty.advantages[:, :10], clean.advantages)
    assert torch.equal(dirty.returns[:, :10], clean.returns)
    assert not clean.advantages[~mask].any()
    assert not clean.returns[~mask].any()
    assert not dirty.advantages[:, 10:].any()


def test_whitening_counts_only_the_masked_and_uses_the_population_variance():
    """P9."""
    values = torch.tensor([[1.0, 3.0, 50.0], [5.0, 50.0, 50.0]])
    mask = torch.tensor([[True, True, False], [True, False, False]])

    white = advantages.whiten(values, mask)

    scale = (8 / 3) ** 0.5
    assert white[mask].tolist() == pytest.approx([-2 / scale, 0, 2 / scale], abs=1e-5)
    assert white[~mask].tolist() == [0, 0, 0]


def test_token_penalties_add_up_to_beta_times_the_log_ratio_and_lower_the_reward():
    """P12."""
    mask = ragged_mask()
    logprobs = torch.where(mask, torch.tensor(-1.0), 7.0)
    reference = torch.where(mask, torch.tensor(-3.0), 5.0)

    rewards = advantages.token_rewards(
        torch.tensor([10.0, 20.0, 30.0]), logprobs, reference, mask, kl_coefficient=0.1
    )

    lengths = torch.tensor([5, 6, 1])
    expected = torch.tensor([10.0, 20.0, 30.0]) - 0.1 * 2.0 * lengths
    assert torch.allclose(rewards.sum(1), expected)


def test_the_score_lands_on_the_last_response_token():
    """P6."""
    mask = ragged_mask()
    zeros = torch.zeros(3, 10)

    rewards = advantages.token_rewards(
        torch.tensor([1.0, 2.0, 3.0]), zeros, zeros, mask, kl_coefficient=0.5
    )

    assert rewards.nonzero().tolist() == [[0, 6], [1, 9], [2, 1]]
    assert rewards[[0, 1, 2], [6, 9, 1]].tolist() == [1, 2, 3]


def test_a_missing_eos_is_penalized_exactly_once():
    """P10."""
    scores = rollouts.penalize_missing_eos(
        torch.tensor([1.0, 1.0]), torch.tensor([True, False]), penalty=0.75
    )

    assert scores.tolist() == [1.0, 0.25]


def test_the_rate_warms_up_over_ten_iterations_from_a_tenth():
    """P21."""
    shares = [optimization.warmup_share(step, warmup_steps=10) for step in range(13)]

    assert shares == pytest.approx([0.1 + 0.09 * n for n in range(10)] + [1, 1, 1])


# --- models --------------------------------------------------------------------------------------


def test_logits_at_a_place_score_the_next_token(loaded, tokenizer):
    """P6, P3."""
    rolled = roll_out(loaded, tokenizer, SETTINGS.model_copy(update={"temperature": 0.7}))

    for row, example in enumerate(rolled.examples):
        ids = torch.tensor([example.tokens])
        expected = torch.log_softmax(loaded.policy(ids).logits[0] / 0.7, -1)
        for place in range(example.prompt_length, len(example.tokens)):
            assert rolled.logprobs[row, place].item() == pytest.approx(
                expected[place - 1, example.tokens[place]].item(), abs=1e-5
            )
        assert not rolled.logprobs[row, : example.prompt_length].any()
        assert not rolled.logprobs[row, len(example.tokens) :].any()


def test_a_value_is_that_of_the_state_before_its_token(loaded, tokenizer):
    """P6, P7."""
    rolled = roll_out(loaded, tokenizer)

    values = forward.token_values(loaded.value, rolled.batch)
    for row, example in enumerate(rolled.examples):
        for place in range(example.prompt_length, len(example.tokens)):
            assert rolled.values[row, place].item() == pytest.approx(
                values[row, place - 1].item(), abs=1e-6
            )
        assert not rolled.values[row, len(example.tokens) :].any()


def test_at_first_the_value_at_the_last_token_is_the_score_minus_bias(loaded, tokenizer):
    """P17, P11."""
    rolled = roll_out(loaded, tokenizer)

    values = forward.token_values(loaded.value, rolled.batch)
    rows = torch.arange(len(rolled.examples))
    assert torch.allclose(values[rows, rolled.batch.lengths - 1], rolled.scores, atol=1e-6)
    hidden = loaded.reward.base_model(torch.tensor([rolled.examples[0].tokens])).last_hidden_state
    raw = loaded.reward.score(hidden[0, -1]).item()
    assert rolled.scores[0].item() == pytest.approx(raw - 0.125, abs=1e-6)


def test_before_the_first_update_the_kl_is_0_and_the_ratio_1(loaded, tokenizer):
    """P1, P2."""
    rolled = roll_out(loaded, tokenizer)

    sums = ppo_update.accumulate_gradients(loaded, rolled, [0, 3, 5], SETTINGS)

    ppo_update.check_first_kl(rolled)
    assert rollouts.sequence_kl(rolled).abs().max().item() <= 1e-6
    assert sums.max_log_ratio < 1e-5
    assert sums.clipped == 0


def test_a_reference_that_is_another_model_stops_the_run(loaded, tokenizer):
    """P2."""
    with torch.no_grad():
        next(loaded.reference.parameters()).mul_(1.5)

    with pytest.raises(rundir.RunDivergedError, match="KL to the reference is"):
        ppo_update.check_first_kl(roll_out(loaded, tokenizer))


def test_log_probabilities_that_do_not_fit_the_rollout_stop_the_run(loaded, tokenizer):
    """P1."""
    rolled = roll_out(loaded, tokenizer)
    with torch.no_grad():
        next(loaded.policy.parameters()).mul_(1.5)

    with pytest.raises(rundir.RunDivergedError, match="largest log-ratio is"):
        ppo_update.update(loaded, rolled, trainee_of(loaded), SETTINGS, iteration=0)


def test_gradients_of_ppo_and_pretraining_are_added_before_one_step(loaded, tokenizer):
    """P19."""
    settings = SETTINGS.model_copy(update={"ptx_coefficient": 3.0, "ptx_texts_per_episode": 1.0})
    texts = data.encode_texts(tokenizer, [row["text"] for row in TEXTS], max_tokens=64)
    rolled, rows = roll_out(loaded, tokenizer), [0, 1, 2]

    def gradients():
        found = [parameter.grad.clone() for parameter in loaded.policy.parameters()]
        loaded.policy.zero_grad()
        return found

    ppo_update.accumulate_gradients(loaded, rolled, rows, settings)
    of_ppo = gradients()
    mix = ppo_update.add_mix_gradient(loaded.policy, iter(texts), settings, len(rows))
    of_ptx = gradients()
    ppo_update.accumulate_gradients(loaded, rolled, rows, settings)
    ppo_update.add_mix_gradient(loaded.policy, iter(texts), settings, len(rows))
    together = gradients()

    batch = data.collate(texts)
    mean = forward.text_loss(loaded.policy, batch) / batch.is_response_token.sum()
    mean.backward()
    of_mean_loss = gradients()
    assert mix.loss == pytest.approx(mean.item(), abs=1e-6)
    for ppo, ptx, plain, both in zip(of_ppo, of_ptx, of_mean_loss, together, strict=True):
        assert torch.allclose(ptx, 3.0 * plain, atol=1e-6)
        assert torch.allclose(both, ppo + ptx, atol=1e-6)
    norm = torch.cat([gradient.flatten() for gradient in of_ptx]).norm().item()
    assert mix.gradient_norm == pytest.approx(norm, rel=1e-5)


def test_each_episode_is_used_once_per_inner_epoch_with_one_step_a_minibatch(
    loaded, tokenizer, monkeypatch
):
    """P22, P19."""
    used = []
    accumulate = ppo_update.accumulate_gradients

    def record(loaded, rolled, minibatch, settings):
        used.append(list(minibatch))
        return accumulate(loaded, rolled, minibatch, settings)

    monkeypatch.setattr(ppo_update, "accumulate_gradients", record)
    settings = SETTINGS.model_copy(update={"inner_epochs": 2})
    trainee = trainee_of(loaded, settings)

    ppo_update.update(loaded, roll_out(loaded, tokenizer), trainee, settings, iteration=0)

    assert [len(minibatch) for minibatch in used] == [4, 2, 4, 2]
    assert sorted(used[0] + used[1]) == sorted(used[2] + used[3]) == list(range(6))
    steps = {int(state["step"]) for state in trainee.policy_optimizer.state.values()}
    assert steps == {4}


def test_reference_and_reward_model_stay_as_they_were(tmp_path, loaded, tokenizer):
    """P23."""
    names = ("reference", "reward", "policy", "value")
    before = {name: models.checksum(getattr(loaded, name)) for name in names}

    train_ppo.train_policy(loaded, prompts_of(tokenizer), [], SETTINGS, tmp_path, eos_id=EOS)

    changed = [name for name in names if models.checksum(getattr(loaded, name)) != before[name]]
    assert changed == ["policy", "value"]


def test_the_average_of_the_weights_follows_the_recursion(loaded, tokenizer):
    """P18."""
    settings = SETTINGS.model_copy(update={"ema_decay": 0.9, "minibatch_size": 8})
    trainee = trainee_of(loaded, settings)
    name, parameter = next(iter(loaded.policy.named_parameters()))
    expected = parameter.detach().clone()

    for iteration in range(3):
        rolled = roll_out(loaded, tokenizer, settings)
        ppo_update.update(loaded, rolled, trainee, settings, iteration=iteration)
        expected = 0.9 * expected + 0.1 * parameter.detach()

    assert torch.allclose(trainee.average[name], expected, atol=1e-6)
    assert not torch.allclose(parameter, expected, atol=1e-6)


# --- whole runs ----------------------------------------------------------------------------------


def test_a_ppo_run_saves_a_policy_that_the_plain_class_loads(tmp_path, base, reward, spawn):
    settings = SETTINGS.model_copy(update={"ptx_coefficient": 0.5, "ema_decay": 0.5})
    spec = PPOSpec(
        base_model=base, reward_model=reward, settings=settings, pretraining="pretraining.jsonl"
    )
    run_dir = make_run(tmp_path / "run", spec, prompts=PROMPTS, pretraining=TEXTS)

    process = spawn("ppo", run_dir)
    _, stderr = process.communicate(timeout=120)

    assert process.returncode == 0, stderr
    AutoModelForCausalLM.from_pretrained(run_dir / "model")
    result = rundir.read_result(run_dir)
    assert len(result.texts) == 6
    assert result.rows["episodes"] == 16
    first, second = rundir.read_metrics_from(run_dir, 0).rows
    assert first["objective/kl"] == pytest.approx(0, abs=1e-6)
    assert second["progress"] == 1
    assert set(first) >= {
        "objective/scores",
        "objective/entropy",
        "objective/rlhf_reward",
        "policy/clipfrac",
        "policy/approxkl",
        "loss/policy",
        "loss/value",
        "loss/ptx",
        "response/length",
        "response/no_eos",
        "value/explained_variance",
        "gradient/policy",
        "gradient/ptx",
    }


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
    ("changes", "complaint"),
    [
        ({"ptx_coefficient": 1.0}, "there are no pretraining texts"),
        ({"max_new_tokens": 60}, "lower max_new_tokens"),
    ],
)
def test_settings_that_cannot_work_are_refused(tmp_path, base, reward, train, changes, complaint):
    settings = SETTINGS.model_copy(update=changes)
    spec = PPOSpec(base_model=base, reward_model=reward, settings=settings)
    run_dir = make_run(tmp_path / "run", spec, prompts=PROMPTS)

    done = train("ppo", run_dir)

    assert done.returncode == 2
    assert complaint in done.stderr.splitlines()[-1]


def test_a_model_without_a_reward_head_is_refused_as_reward_model(tmp_path, base, train):
    spec = PPOSpec(base_model=base, reward_model=base, settings=SETTINGS)
    run_dir = make_run(tmp_path / "run", spec, prompts=PROMPTS)

    done = train("ppo", run_dir)

    assert done.returncode == 2
    assert "is not a reward model" in done.stderr.splitlines()[-1]


class ShareOfToken(torch.nn.Module):
    """A reward model by rule: the share of one token among the response so far, times a scale."""

    def __init__(self, token: int, *, prompt_length: int, scale: float) -> None:
        super().__init__()
        self.token, self.prompt_length, self.scale = token, prompt_length, scale
        self.config = SimpleNamespace()
        self.score = torch.nn.Linear(1, 1, bias=False)
        torch.nn.init.constant_(self.score.weight, 1.0)

    def base_model(self, tokens, **_: object):
        place = torch.arange(1, tokens.shape[1] + 1) - self.prompt_length
        share = (tokens == self.token).cumsum(1) / place.clamp(min=1)
        return SimpleNamespace(last_hidden_state=self.scale * share[..., None])


@pytest.mark.slow
def test_ppo_learns_and_the_pretraining_mix_keeps_the_pretraining_loss(tmp_path):
    """P24."""
    size = {"hidden_size": 32, "num_hidden_layers": 1, "max_position_embeddings": 64}
    folder = Path(save_base(tmp_path / "base", **size))
    tokenizer = make_tokenizer()
    wanted = tokenizer.convert_tokens_to_ids("e")
    texts = data.encode_texts(
        tokenizer, [f"{word} {word} {word}" for word in ("fox", "dog", "cat", "sun")], max_tokens=64
    )
    pretrain(folder, texts)
    [prompt] = data.tokenize(tokenizer, ["<|user|>Hi<|end|><|assistant|>"], special=True)

    def train(coefficient):
        settings = PPOSettings(
            steps=50,
            batch_size=64,
            minibatch_size=64,
            inner_epochs=2,
            learning_rate=3e-3,
            value_learning_rate=3e-3,
            warmup_steps=2,
            kl_coefficient=0.02,
            ptx_coefficient=coefficient,
            ptx_texts_per_episode=0.25,
            max_new_tokens=4,
            max_tokens=32,
            missing_eos_penalty=0.0,
        )
        run_dir = tmp_path / f"run-{coefficient}"
        run_dir.mkdir()
        loaded = PPOModels(
            policy=models.load_policy(folder, seed=0),
            reference=models.load_policy(folder, seed=0).requires_grad_(False),
            reward=ShareOfToken(wanted, prompt_length=len(prompt), scale=1.0),
            value=models.load_reward_model(folder, seed=0),
        )
        train_ppo.train_policy(
            loaded,
            [data.Example(tuple(prompt), len(prompt))],
            texts,
            settings,
            run_dir,
            eos_id=EOS,
        )
        return rundir.read_metrics_from(run_dir, 0).rows

    without, mixed = train(0.0), train(2.0)

    for steps in (without, mixed):
        assert steps[-1]["objective/scores"] > steps[0]["objective/scores"] + 0.5
        # Four tokens of 1 in 259 each would be 22.2 nats if nothing held the policy back.
        assert max(row["objective/kl"] for row in steps) < 22.5
    assert without[-1]["loss/ptx"] > without[0]["loss/ptx"] + 0.2
    assert mixed[-1]["loss/ptx"] < mixed[0]["loss/ptx"] + 0.05


def pretrain(folder, texts):
    """Teach the model the texts, so that their loss can rise again."""
    policy = models.load_policy(folder, seed=0)
    optimizer = torch.optim.AdamW(policy.parameters(), lr=3e-3)
    batch = data.collate(texts)
    for _ in range(30):
        (forward.text_loss(policy, batch) / batch.is_response_token.sum()).backward()
        optimizer.step()
        optimizer.zero_grad()
    policy.save_pretrained(folder)
