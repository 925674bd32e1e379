"""The update: the first ratio, minibatches, the pretraining mix, the average, what stays frozen."""

import contextlib
import dataclasses
import math

import pytest
import torch

from tests.trainer.conftest import checksum
from tests.trainer.ppo.conftest import (
    SETTINGS,
    TEXTS,
    accumulate,
    assess,
    roll_out,
    settings_with,
    update,
)
from trainer import data, forward
from trainer.errors import RunDivergedError, RunRefusedError
from trainer.ppo import checks as ppo_checks
from trainer.ppo import update as ppo_update
from trainer.ppo.mix import add_mix_gradient, texts_due
from trainer.ppo.update import Trainee
from trainer.pretraining import open_texts
from trainer.running import optimization
from trainer.shared_prompt import pack


def gradients_of(model):
    found = [parameter.grad.clone() for parameter in model.parameters()]
    model.zero_grad()
    return found


def test_at_the_first_minibatch_the_ratio_is_1(loaded, tokenizer):
    """P1."""
    sums = accumulate(loaded, roll_out(loaded, tokenizer), [0, 3, 5])

    assert sums.max_log_ratio < 1e-5
    assert sums.clipped == 0


@pytest.mark.parametrize("lora_rank", [None, 4])
def test_in_bfloat16_the_first_ratio_is_within_its_bounds(load, tokenizer, lora_rank):
    """P1, P2 with half precision and adapters."""
    settings = settings_with(precision="bfloat16", lora_rank=lora_rank, tokens_per_forward=32)
    loaded = load(settings)
    rolled = roll_out(loaded, tokenizer, settings)

    ppo_checks.check_first_kl(rolled)
    sums = accumulate(loaded, rolled, [5, 0, 3], settings)

    assert sums.max_log_ratio < 0.05
    assert sums.absolute_log_ratio / sums.tokens < 0.005


@pytest.mark.parametrize(("precision", "is_stopped"), [("bfloat16", False), ("float32", True)])
def test_a_single_token_moved_by_rounding_stops_a_run_in_float32_only(
    load, tokenizer, precision, is_stopped
):
    """P1: in half precision the mean tells, and the largest is reported."""
    settings = settings_with(precision=precision, minibatch_size=8)
    loaded = load(settings)
    rolled = roll_out(loaded, tokenizer, settings)
    moved = rolled.logprobs.clone()
    moved[2, 0] += 0.25
    rolled = dataclasses.replace(rolled, logprobs=moved)

    with (
        pytest.raises(RunDivergedError, match=r"largest log-ratio is 0\.25")
        if is_stopped
        else contextlib.nullcontext()
    ):
        [step] = update(loaded, rolled, settings)
        assert step["policy/log_ratio_max"] == pytest.approx(0.25, abs=0.01)


def test_log_probabilities_that_do_not_fit_the_rollout_stop_the_run(loaded, tokenizer):
    """P1."""
    rolled = roll_out(loaded, tokenizer)
    with torch.no_grad():
        next(loaded.policy.parameters()).mul_(1.5)

    with pytest.raises(RunDivergedError, match="largest log-ratio is"):
        update(loaded, rolled)


@pytest.mark.parametrize(
    ("largest", "mean", "device", "is_half", "passes"),
    [
        (9e-6, 1e-6, "cpu", False, True),
        (2e-5, 1e-6, "cpu", False, False),
        (9e-4, 1e-6, "cuda", False, True),
        (2e-3, 1e-6, "cuda", False, False),
        (0.5, 0.09, "cuda", True, True),
        (0.2, 0.11, "cuda", True, False),
        (math.nan, math.nan, "cpu", False, False),
        (math.nan, math.nan, "cuda", True, False),
    ],
)
def test_how_far_the_first_ratio_may_be_from_1(largest, mean, device, is_half, passes):
    """P1."""

    def check():
        ppo_checks.check_first_ratio(largest, mean, device_type=device, is_half=is_half)

    if passes:
        check()
    else:
        with pytest.raises(RunDivergedError):
            check()


def test_the_update_divides_the_logits_by_the_sampling_temperature(loaded, tokenizer):
    """P3."""
    settings = settings_with(temperature=0.7)
    rolled = roll_out(loaded, tokenizer, settings)

    assert accumulate(loaded, rolled, [0, 1], settings).max_log_ratio < 1e-5
    assert accumulate(loaded, rolled, [0, 1], SETTINGS).max_log_ratio > 1e-2


@pytest.mark.parametrize("tokens_per_forward", [16, 40])
def test_micro_batches_add_up_to_the_gradient_of_the_minibatch(
    loaded, tokenizer, tokens_per_forward
):
    rolled, rows = roll_out(loaded, tokenizer), [4, 1, 0, 2]
    small = settings_with(tokens_per_forward=tokens_per_forward)

    whole = accumulate(loaded, rolled, rows)
    of_whole = gradients_of(loaded.policy), gradients_of(loaded.value)
    parts = accumulate(loaded, rolled, rows, small)
    of_parts = gradients_of(loaded.policy), gradients_of(loaded.value)

    assert parts.policy_loss == pytest.approx(whole.policy_loss, abs=1e-4)
    for ours, theirs in zip(of_parts, of_whole, strict=True):
        for one, other in zip(ours, theirs, strict=True):
            assert torch.allclose(one, other, atol=1e-6)


def test_each_episode_is_used_once_per_inner_epoch_with_one_step_a_minibatch(loaded, tokenizer):
    """P19, P22."""
    settings = settings_with(inner_epochs=2)
    trainee = Trainee.of(loaded, settings)

    dealt = list(ppo_update.minibatches(6, settings, 0))
    steps = update(loaded, roll_out(loaded, tokenizer), settings, trainee=trainee)

    assert [len(minibatch) for minibatch in dealt] == [4, 2, 4, 2]
    assert sorted(dealt[0] + dealt[1]) == sorted(dealt[2] + dealt[3]) == list(range(6))
    assert len(steps) == 4
    for optimizer in (trainee.policy_optimizer, trainee.value_optimizer):
        assert {int(state["step"]) for state in optimizer.state.values()} == {4}


def test_minibatches_keep_the_episodes_of_a_prompt_together():
    """P22."""
    settings = settings_with(minibatch_size=4, responses_per_prompt=2, inner_epochs=2)

    dealt = list(ppo_update.minibatches(10, settings, 0))

    assert [len(minibatch) for minibatch in dealt] == [4, 4, 2, 4, 4, 2]
    first, second = (
        [row for minibatch in part for row in minibatch] for part in (dealt[:3], dealt[3:])
    )
    assert sorted(first) == sorted(second) == list(range(10))
    assert first != second
    for minibatch in dealt:
        assert [row + 1 for row in minibatch[::2]] == minibatch[1::2]
        assert all(row % 2 == 0 for row in minibatch[::2])


def test_a_shared_prompt_is_computed_once_and_leaves_the_gradient_of_separate_ones(
    loaded, tokenizer
):
    """Three prompts with two responses each; apart, no two neighbors have the same prompt."""
    settings = settings_with(responses_per_prompt=2, tokens_per_forward=64)
    rolled = roll_out(loaded, tokenizer, settings, shared=2)
    tokens = []
    loaded.value.base_model.register_forward_hook(
        lambda _module, args, _output: tokens.append(args[0].numel())
    )

    together = accumulate(loaded, rolled, [2, 3, 0, 1, 4, 5], settings)
    of_together = gradients_of(loaded.policy), gradients_of(loaded.value)
    read_together = sum(tokens)
    apart = accumulate(loaded, rolled, [2, 0, 4, 1, 3, 5], settings)
    of_apart = gradients_of(loaded.policy), gradients_of(loaded.value)

    assert read_together == sum(
        len(example.tokens) if row % 2 == 0 else len(example.response)
        for row, example in enumerate(rolled.examples)
    )
    assert sum(tokens) - read_together == sum(len(one.tokens) for one in rolled.examples)
    assert together.max_log_ratio < 1e-5
    assert together.policy_loss == pytest.approx(apart.policy_loss, abs=1e-5)
    assert together.value_loss == pytest.approx(apart.value_loss, rel=1e-5)
    for ours, theirs in zip(of_together, of_apart, strict=True):
        for one, other in zip(ours, theirs, strict=True):
            assert torch.allclose(one, other, atol=1e-6)


def test_adam_has_the_epsilon_of_the_original_and_no_weight_decay(loaded):
    """P25."""
    trainee = Trainee.of(loaded, SETTINGS)

    for optimizer in (trainee.policy_optimizer, trainee.value_optimizer):
        assert [group["eps"] for group in optimizer.param_groups] == [1e-5]
        assert [group["betas"] for group in optimizer.param_groups] == [(0.9, 0.95)]
        assert [group["weight_decay"] for group in optimizer.param_groups] == [0.0]


@pytest.mark.parametrize("name", ["policy", "value"])
def test_both_gradients_are_clipped_at_the_norm_of_the_settings(load, tokenizer, name):
    # Adam's epsilon is far above a gradient of this size: next to nothing moves.
    distances = []
    for settings in (SETTINGS, settings_with(max_gradient_norm=1e-9)):
        loaded = load(settings)
        model = getattr(loaded, name)
        before = torch.nn.utils.parameters_to_vector(model.parameters()).detach().clone()
        update(loaded, roll_out(loaded, tokenizer, settings), settings)
        after = torch.nn.utils.parameters_to_vector(model.parameters()).detach()
        distances.append(float((after - before).abs().max()))

    usual, clipped = distances
    assert usual > 1e-6
    assert clipped < usual / 1000


@pytest.mark.parametrize(("coefficient", "expected"), [(0.0, 2), (1.0, 4)])
def test_the_norm_of_a_gradient_is_computed_again_only_where_the_mix_changed_it(
    loaded, tokenizer, texts, monkeypatch, coefficient, expected
):
    settings = settings_with(ptx_coefficient=coefficient, minibatch_size=8)
    rolled, computed, norm = roll_out(loaded, tokenizer), [], optimization.gradient_norm
    monkeypatch.setattr(
        optimization, "gradient_norm", lambda parameters: computed.append(1) or norm(parameters)
    )

    [step] = update(loaded, rolled, settings, texts=texts)

    # Of policy, value model and mix, and of policy and mix together.
    assert len(computed) == expected
    assert step["ptx/texts"] > 0


def test_gradients_of_ppo_and_pretraining_are_added_before_one_step(loaded, tokenizer, texts):
    """P19."""
    settings = settings_with(ptx_coefficient=3.0)
    rolled, rows = roll_out(loaded, tokenizer), [0, 1, 2]

    def mix():
        return add_mix_gradient(loaded.policy, texts.between(0, 3), settings, watch=iter)

    accumulate(loaded, rolled, rows, settings)
    of_ppo = gradients_of(loaded.policy)
    mixed = mix()
    of_ptx = gradients_of(loaded.policy)
    accumulate(loaded, rolled, rows, settings)
    mix()
    together = gradients_of(loaded.policy)

    plain = data.encode_texts(tokenizer, [row["text"] for row in TEXTS], max_tokens=64)
    packed = pack(loaded.policy, [example.tree() for example in plain])
    mean = forward.text_loss(loaded.policy, packed) / len(packed.targets)
    mean.backward()
    of_mean_loss = gradients_of(loaded.policy)
    assert mixed.loss == pytest.approx(mean.item(), abs=1e-6)
    assert mixed.tokens == sum(len(example.tokens) for example in plain)
    for ppo, ptx, once, both in zip(of_ppo, of_ptx, of_mean_loss, together, strict=True):
        assert torch.allclose(ptx, 3.0 * once, atol=1e-6)
        assert torch.allclose(both, ppo + ptx, atol=1e-6)
    norm = torch.cat([gradient.flatten() for gradient in of_ptx]).norm().item()
    assert mixed.gradient_norm == pytest.approx(norm, rel=1e-5)


def test_every_step_reports_the_norm_of_both_gradients(loaded, tokenizer, texts):
    settings = settings_with(ptx_coefficient=1.0)

    steps = update(loaded, roll_out(loaded, tokenizer), settings, texts=texts)

    assert len(steps) == 2
    for step in steps:
        assert step["gradient/policy"] > 0
        assert step["gradient/ptx"] > 0
        assert step["gradient/policy"] != step["gradient/ptx"]


def test_with_a_coefficient_of_0_the_pretraining_loss_is_measured_but_moves_nothing(
    loaded, tokenizer, texts
):
    rolled = roll_out(loaded, tokenizer)
    accumulate(loaded, rolled, [0, 1])
    before = [parameter.grad.clone() for parameter in loaded.policy.parameters()]

    mixed = add_mix_gradient(loaded.policy, texts.between(0, 2), SETTINGS, watch=iter)

    after = [parameter.grad for parameter in loaded.policy.parameters()]
    assert mixed.loss > 0
    assert mixed.gradient_norm is None
    assert all(torch.equal(one, other) for one, other in zip(before, after, strict=True))


@pytest.mark.parametrize(
    ("per_episode", "inner_epochs", "expected"),
    [(8, 1, [32, 64, 96]), (0.3, 1, [1, 2, 3]), (1.0, 2, [2, 4, 6])],
)
def test_as_many_texts_are_used_per_episode_as_the_setting_says(
    per_episode, inner_epochs, expected
):
    """P20."""
    settings = settings_with(ptx_texts_per_episode=per_episode, inner_epochs=inner_epochs)

    assert [texts_due(passes, settings) for passes in (4, 8, 12)] == expected


def test_an_update_uses_its_texts_in_the_order_of_the_stream(loaded, tokenizer, texts):
    """P20."""
    settings = settings_with(ptx_coefficient=1.0, ptx_texts_per_episode=0.5, inner_epochs=1)
    trainee = Trainee.of(loaded, settings)

    steps = [
        step
        for iteration in (0, 1)
        for step in update(
            loaded,
            roll_out(loaded, tokenizer, settings, iteration=iteration),
            settings,
            trainee=trainee,
            texts=texts,
        )
    ]

    assert [step["ptx/texts"] for step in steps] == [2, 1, 2, 1]
    expected = [len(text.tokens) for text in texts.between(0, 6)]
    assert [step["ptx/tokens"] for step in steps] == [
        sum(expected[:2]),
        expected[2],
        sum(expected[3:5]),
        expected[5],
    ]


def test_the_stream_of_texts_can_be_entered_anywhere_and_deals_each_once_a_round(texts):
    """P20."""
    whole = texts.between(0, 9)

    assert texts.between(4, 7) == whole[4:7]
    for start in (0, 3, 6):
        assert len({text.tokens for text in whole[start : start + 3]}) == 3


def test_only_the_places_of_the_texts_are_held(tmp_path, tokenizer):
    """Texts are read when they are needed: the file may be larger than the memory."""
    path = tmp_path / "pretraining.jsonl"
    path.write_text('{"text": "one"}\n\n{"text": ""}\n{"text": "five"}\n')

    texts = open_texts(path, tokenizer, max_tokens=64, seed=0)

    assert texts.offsets.tolist() == [0, 30]
    path.write_text('{"text": "two"}\n\n{"text": ""}\n{"text": "nine"}\n')
    read = {tokenizer.decode(text.tokens) for text in texts.between(0, 2)}
    assert read == {"two<|end|>", "nine<|end|>"}


def test_a_line_that_is_no_text_is_refused_with_its_number(tmp_path, tokenizer):
    path = tmp_path / "pretraining.jsonl"
    path.write_text('{"text": "one"}\n{"txt": "two"}\n')

    with pytest.raises(RunRefusedError, match=r"pretraining.jsonl line 2: text"):
        open_texts(path, tokenizer, max_tokens=64, seed=0)


def test_the_average_of_the_weights_follows_the_recursion(loaded, tokenizer):
    """P18."""
    settings = settings_with(ema_decay=0.992, minibatch_size=8)
    trainee = Trainee.of(loaded, settings)
    name, parameter = next(iter(loaded.policy.named_parameters()))
    expected = parameter.detach().clone()

    for iteration in range(3):
        rolled = roll_out(loaded, tokenizer, settings)
        update(loaded, rolled, settings, trainee=trainee, iteration=iteration)
        expected = 0.992 * expected + 0.008 * parameter.detach()

    assert torch.allclose(trainee.average[name], expected, atol=1e-6)
    assert not torch.allclose(parameter, expected, atol=1e-6)


@pytest.mark.parametrize("lora_rank", [None, 4])
def test_reference_and_reward_model_stay_as_they_were(load, tokenizer, lora_rank):
    """P23."""
    settings = settings_with(lora_rank=lora_rank)
    loaded = load(settings)
    examples = roll_out(loaded, tokenizer, settings).examples

    before = assess(loaded, examples, settings)
    update(loaded, before, settings)
    after = assess(loaded, examples, settings)

    assert torch.equal(after.reference_logprobs, before.reference_logprobs)
    assert torch.equal(after.scores, before.scores)
    assert not torch.equal(after.logprobs, before.logprobs)
    assert not torch.equal(after.values, before.values)


def test_the_checksums_of_reference_and_reward_model_stay(loaded, tokenizer):
    """P23."""
    names = ("reference", "reward", "policy", "value")
    before = {name: checksum(getattr(loaded, name)) for name in names}

    update(loaded, roll_out(loaded, tokenizer))

    changed = [name for name in names if checksum(getattr(loaded, name)) != before[name]]
    assert changed == ["policy", "value"]


@pytest.mark.parametrize("broken", ["advantages", "returns", "logprobs"])
def test_numbers_that_are_not_finite_move_neither_model(loaded, tokenizer, broken):
    """R-17."""
    rolled = roll_out(loaded, tokenizer)
    getattr(rolled, broken)[0, 0] = math.nan
    before = checksum(loaded.policy), checksum(loaded.value)

    with pytest.raises(RunDivergedError):
        update(loaded, rolled, settings_with(minibatch_size=8))

    assert (checksum(loaded.policy), checksum(loaded.value)) == before


def test_a_weight_that_is_not_finite_is_found_before_the_update(loaded, tokenizer):
    """R-17."""
    examples = roll_out(loaded, tokenizer).examples
    with torch.no_grad():
        next(loaded.value.parameters())[40:] = math.nan

    with pytest.raises(RunDivergedError, match="values of the sampled responses are not"):
        assess(loaded, examples)


def test_equal_rewards_move_the_policy_by_nothing_that_is_not_finite(loaded, tokenizer):
    """R-17."""
    settings = settings_with(whiten_rewards=True, kl_coefficient=0.0)
    with torch.no_grad():
        loaded.reward.score.weight.zero_()
        loaded.value.score.weight.zero_()

    steps = update(loaded, roll_out(loaded, tokenizer, settings), settings)

    assert all(math.isfinite(step["loss/policy"]) for step in steps)
    assert all(math.isfinite(step["gradient/policy"]) for step in steps)
