"""What is computed of sampled episodes: alignment, temperature, penalties, what does not matter."""

import dataclasses
from pathlib import Path

import pytest
import torch

from tests.trainer.conftest import make_tokenizer, save_base
from tests.trainer.ppo.conftest import (
    BIAS,
    EOS,
    SETTINGS,
    accumulate,
    assess,
    roll_out,
    rows_by_length,
    settings_with,
)
from trainer import models
from trainer.data import Example
from trainer.errors import RunDivergedError
from trainer.ppo import checks as ppo_checks
from trainer.ppo import rollouts
from trainer.ppo.inputs import load_models
from trainer.ppo.rollouts import Readings


def logprobs_by_hand(model, example, temperature):
    logits = model(torch.tensor([example.tokens])).logits[0] / temperature
    expected = torch.log_softmax(logits, -1)
    return [
        expected[place - 1, example.tokens[place]].item()
        for place in range(example.prompt_length, len(example.tokens))
    ]


def head_by_hand(model, example):
    """The head's output at every token, minus the bias."""
    hidden = model.base_model(torch.tensor([example.tokens])).last_hidden_state[0]
    return (model.score(hidden).squeeze(-1) - BIAS).tolist()


def test_logits_at_a_place_divided_by_the_temperature_score_the_next_token(loaded, tokenizer):
    """P3, P6."""
    with torch.no_grad():
        next(loaded.reference.parameters()).mul_(1.5)
    rolled = roll_out(loaded, tokenizer, settings_with(temperature=0.7))

    of_policy = rows_by_length(rolled)
    of_reference = rows_by_length(dataclasses.replace(rolled, logprobs=rolled.reference_logprobs))
    for row, example in enumerate(rolled.examples):
        assert of_policy[row] == pytest.approx(
            logprobs_by_hand(loaded.policy, example, 0.7), abs=1e-5
        )
        assert of_reference[row] == pytest.approx(
            logprobs_by_hand(loaded.reference, example, 0.7), abs=1e-5
        )
    assert not rolled.logprobs[~rolled.is_response_token].any()


def test_a_value_is_that_of_the_state_before_its_token(loaded, tokenizer):
    """P6, P7."""
    rolled = roll_out(loaded, tokenizer)

    for row, example in enumerate(rolled.examples):
        expected = head_by_hand(loaded.value, example)[example.prompt_length - 1 : -1]
        assert rolled.values[row, : len(expected)].tolist() == pytest.approx(expected, abs=1e-6)
        assert not rolled.values[row, len(expected) :].any()


def test_at_first_the_value_at_the_last_token_is_the_score_minus_bias(loaded, tokenizer):
    """P11, P17."""
    rolled = roll_out(loaded, tokenizer)

    for row, example in enumerate(rolled.examples):
        of_reward = head_by_hand(loaded.reward, example)[-1]
        assert rolled.scores[row].item() == pytest.approx(of_reward, abs=1e-6)
        assert head_by_hand(loaded.value, example)[-1] == pytest.approx(of_reward, abs=1e-6)


def test_the_score_that_is_logged_is_the_one_that_enters_the_rewards(loaded, tokenizer):
    """P11."""
    settings = settings_with(kl_coefficient=0.0, missing_eos_penalty=0.0)
    rolled = roll_out(loaded, tokenizer, settings)

    logged = rollouts.describe(rolled)

    assert logged["objective/scores"] == pytest.approx(rolled.rewards.sum(1).mean().item())
    assert logged["objective/rlhf_reward"] == pytest.approx(logged["objective/scores"])


def test_the_penalty_has_the_coefficient_of_the_iteration_and_not_that_of_the_settings(
    loaded, tokenizer
):
    """P12, P13: that of an adaptive penalty is another in every iteration."""
    examples = roll_out(loaded, tokenizer).examples
    with torch.no_grad():
        next(loaded.reference.parameters()).mul_(1.5)

    without, rolled = (
        rollouts.assess(loaded, examples, SETTINGS, eos_id=EOS, kl_coefficient=beta, watch=iter)
        for beta in (0.0, 0.3)
    )

    taken_off = (without.rewards - rolled.rewards).sum(1)
    assert rollouts.sequence_kl(rolled).abs().min() > 0.01
    assert torch.allclose(taken_off, 0.3 * rollouts.sequence_kl(rolled), atol=1e-5)


def test_returns_are_of_scaled_rewards_when_that_is_asked_for(loaded, tokenizer):
    settings = settings_with(whiten_rewards=True, gamma=1.0, gae_lambda=1.0)
    rolled = roll_out(loaded, tokenizer, settings)
    is_response = rolled.is_response_token

    plain = assess(loaded, rolled.examples, settings_with(gamma=1.0, gae_lambda=1.0))

    assert torch.equal(rolled.rewards, plain.rewards)
    mean = rolled.rewards[is_response].mean()
    deviation = rolled.rewards[is_response].std(unbiased=False)
    scaled = torch.where(is_response, (rolled.rewards - mean) / deviation + mean, 0.0)
    # With both at 1 the return of the first token is the sum of all rewards.
    assert torch.allclose(rolled.returns[:, 0], scaled.sum(1), atol=1e-4)
    assert torch.allclose(plain.returns[:, 0], plain.rewards.sum(1), atol=1e-4)


def test_only_a_response_that_ends_with_the_stop_token_is_complete(loaded):
    """P10."""
    prompt = (0, 40, 2, 1)
    responses = [(50, EOS), (50, 51), (EOS,), (EOS, 50)]
    examples = [Example((*prompt, *response), len(prompt)) for response in responses]

    with_penalty = assess(loaded, examples, settings_with(missing_eos_penalty=3.0))
    without = assess(loaded, examples, settings_with(missing_eos_penalty=0.0))

    assert with_penalty.has_eos.tolist() == [True, False, True, False]
    lowered = (without.rewards - with_penalty.rewards).sum(1).tolist()
    assert lowered == pytest.approx([0, 3, 0, 3], abs=1e-5)


def test_a_longer_episode_beside_them_changes_nothing_of_the_others(loaded, tokenizer):
    """P8."""
    settings = settings_with(gae_lambda=0.9)
    examples = list(roll_out(loaded, tokenizer).examples)
    long = Example((*examples[0].tokens[:-1], *range(40, 60)), examples[0].prompt_length)

    alone = assess(loaded, examples, settings)
    beside = assess(loaded, [*examples, long], settings)

    width = alone.logprobs.shape[1]
    assert beside.logprobs.shape[1] > width
    for name in ("logprobs", "reference_logprobs", "entropy", "values", "rewards", "returns"):
        both = getattr(beside, name)[:-1]
        assert torch.allclose(both[:, :width], getattr(alone, name), atol=1e-5)
        assert not both[:, width:].any()


def test_padding_columns_enter_no_metric(loaded, tokenizer):
    """P8."""
    rolled = roll_out(loaded, tokenizer)
    padded = {
        field.name: torch.nn.functional.pad(value, (0, 7))
        for field in dataclasses.fields(rolled)
        if isinstance(value := getattr(rolled, field.name), torch.Tensor) and value.dim() == 2
    }

    wide = rollouts.describe(dataclasses.replace(rolled, **padded))

    assert wide == pytest.approx(rollouts.describe(rolled))


@pytest.mark.parametrize("tokens_per_forward", [256, 16])
def test_the_token_budget_of_a_forward_changes_nothing(loaded, tokenizer, tokens_per_forward):
    whole = roll_out(loaded, tokenizer)

    parts = assess(loaded, whole.examples, settings_with(tokens_per_forward=tokens_per_forward))

    for name in ("logprobs", "entropy", "reference_logprobs", "scores", "values", "advantages"):
        assert torch.allclose(getattr(parts, name), getattr(whole, name), atol=2e-5)


@pytest.mark.parametrize(("shared", "largest"), [(1, 24), (2, 32)])
def test_episodes_of_one_prompt_alone_stay_within_the_token_budget(loaded, shared, largest):
    """Neighbors may have one prompt by chance; what a run needs is stated for those that share."""
    settings = settings_with(tokens_per_forward=24, responses_per_prompt=shared)
    examples = [Example((*range(40, 56), *range(60, 68)), 16)] * 6
    tokens = []
    for model in (loaded.policy, loaded.value):
        model.base_model.register_forward_hook(
            lambda _module, args, _output: tokens.append(args[0].numel())
        )

    accumulate(loaded, assess(loaded, examples, settings), list(range(6)), settings)

    assert set(tokens) == {largest}


def test_each_model_runs_once_over_each_episode(loaded, tokenizer):
    """Entropy, old log-probabilities, reference, value and reward need no second forward pass."""
    examples = roll_out(loaded, tokenizer).examples
    tokens = dict.fromkeys(("policy", "reference", "reward", "value"), 0)
    for name in tokens:

        def count(_module, args, _output, name=name):
            tokens[name] += args[0].numel()

        getattr(loaded, name).base_model.register_forward_hook(count)

    assess(loaded, examples)

    assert set(tokens.values()) == {sum(len(example.tokens) for example in examples)}


def test_a_shared_prompt_is_computed_once_and_changes_nothing(loaded, tokenizer):
    rolled = roll_out(loaded, tokenizer, shared=2)
    apart = [rolled.examples[row] for row in (0, 2, 4, 1, 3, 5)]
    tokens = []
    loaded.reward.base_model.register_forward_hook(
        lambda _module, args, _output: tokens.append(args[0].numel())
    )

    settings = settings_with(responses_per_prompt=2)

    again, separate = (assess(loaded, examples, settings) for examples in (rolled.examples, apart))

    assert tokens[0] < tokens[1] == sum(len(example.tokens) for example in apart)
    order = [0, 3, 1, 4, 2, 5]
    for name in ("logprobs", "entropy", "reference_logprobs", "scores", "values", "returns"):
        assert torch.allclose(getattr(again, name), getattr(separate, name)[order], atol=2e-5), name


def test_two_forwards_of_each_model_are_identical(tmp_path):
    """P16: dropout is off while training, whatever the config says."""
    base = Path(save_base(tmp_path / "base", attention_dropout=0.5))
    models.save_model(models.load_reward_model(base, seed=3), make_tokenizer(), tmp_path / "reward")
    loaded = load_models(base, tmp_path / "reward", make_tokenizer(), SETTINGS)

    for name in ("policy", "reference", "reward", "value"):
        model = getattr(loaded, name)
        ids = torch.arange(40, 60)[None]
        first, second = (model.base_model(ids).last_hidden_state for _ in range(2))
        assert torch.equal(first, second)


def test_a_response_that_is_nothing_but_eos_is_an_episode(loaded):
    """R-17: an empty generation."""
    examples = [Example((0, 40, 2, 1, EOS), 4)] * 2

    rolled = assess(loaded, examples)

    assert rolled.logprobs.shape == (2, 1)
    assert rolled.has_eos.all()
    assert torch.isfinite(rolled.advantages).all()


@pytest.mark.parametrize("name", Readings._fields)
@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_number_that_is_not_finite_is_refused_by_name(name, value):
    """R-17."""
    readings = Readings(*(torch.zeros(5) for _ in range(4)), torch.zeros(2))
    getattr(readings, name)[1] = value

    with pytest.raises(RunDivergedError, match=f"1 of . {name.replace('_', ' ')}"):
        rollouts.require_finite(readings)


def test_before_the_first_update_the_kl_is_exactly_0(loaded, tokenizer):
    """P2."""
    rolled = roll_out(loaded, tokenizer)

    ppo_checks.check_first_kl(rolled)
    assert rollouts.sequence_kl(rolled).abs().max().item() == 0


def test_a_reference_that_is_another_model_stops_the_run(loaded, tokenizer):
    """P2."""
    with torch.no_grad():
        next(loaded.reference.parameters()).mul_(1.5)

    with pytest.raises(RunDivergedError, match="KL to the reference is"):
        ppo_checks.check_first_kl(roll_out(loaded, tokenizer))


@pytest.mark.parametrize("by", [-1e-3, 1e-3])
def test_a_kl_on_either_side_of_0_stops_the_run(loaded, tokenizer, by):
    """P2: a sampled KL may be negative."""
    rolled = roll_out(loaded, tokenizer)
    apart = dataclasses.replace(rolled, reference_logprobs=rolled.logprobs + by)

    with pytest.raises(RunDivergedError, match="KL to the reference is"):
        ppo_checks.check_first_kl(apart)
