"""PPO's maths against closed forms: losses, token rewards, advantages, whitening, adaptive KL."""

import pytest
import torch

from trainer import advantages
from trainer.losses import policy_loss, value_loss
from trainer.ppo import rollouts
from trainer.running import optimization
from trainer.spec import PPOSettings


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


def test_the_coefficient_follows_the_kl_by_at_most_a_fifth_per_horizon():
    """P13."""

    def adapted(kl):
        return advantages.adapted_kl_coefficient(
            0.5, kl, target_nats=4.0, episodes=50, horizon_episodes=100
        )

    assert adapted(4.0) == 0.5
    assert adapted(4.4) == pytest.approx(0.5 * (1 + 0.1 / 2))
    assert adapted(400.0) == pytest.approx(0.5 * (1 + 0.2 / 2))
    assert adapted(0.0) == adapted(-7.0) == pytest.approx(0.5 * (1 - 0.2 / 2))


def test_the_coefficient_stays_fixed_unless_a_target_is_set():
    """P13."""
    assert PPOSettings().kl_target_nats is None


def test_scaled_rewards_have_variance_1_and_the_mean_they_had():
    values = torch.tensor([[1.0, 3.0, 50.0], [5.0, 50.0, 50.0]])
    mask = torch.tensor([[True, True, False], [True, False, False]])

    scaled = advantages.scale_to_unit_variance(values, mask)

    scale = (8 / 3) ** 0.5
    assert scaled[mask].tolist() == pytest.approx([3 - 2 / scale, 3, 3 + 2 / scale], abs=1e-5)
    assert scaled[~mask].tolist() == [0, 0, 0]


@pytest.mark.parametrize("value", [0.0, 0.1, 1234.567])
def test_equal_rewards_are_whitened_to_0_and_scaled_to_themselves(value):
    """R-17: so many that their mean is rounded in float32."""
    values = torch.full((7, 3001), value)
    mask = torch.ones_like(values, dtype=torch.bool)

    assert advantages.whiten(values, mask).abs().max().item() < 1e-6
    assert torch.allclose(advantages.scale_to_unit_variance(values, mask), values)


def test_a_cut_response_is_terminal():
    """P26."""
    rewards, values = torch.tensor([[0.0, 1.0]]), torch.tensor([[0.25, 0.5]])

    estimates = advantages.estimate_advantages(
        rewards, values, torch.ones(1, 2, dtype=torch.bool), gamma=1.0, lam=0.0
    )

    # The last error is reward minus value, without a value of what might have followed.
    assert estimates.advantages.tolist() == [[0.25, 0.5]]


def test_the_policy_gradient_is_zero_exactly_where_clipping_stops_an_improvement():
    """P14."""
    logprobs = torch.tensor([0.5, 0.5, 1.0, 1.0, 1.5, 1.5]).log().requires_grad_()
    gains = torch.tensor([1.0, -1.0, 1.0, -1.0, 1.0, -1.0])

    policy_loss(logprobs, torch.zeros(6), gains, clip=0.2).backward()

    assert (logprobs.grad == 0).tolist() == [False, True, False, False, True, False]


def test_the_policy_loss_is_the_larger_of_both_surrogates():
    """P14."""
    logprobs, gains = torch.tensor([0.5, 1.5]).log(), torch.tensor([2.0, 2.0])

    loss = policy_loss(logprobs, torch.zeros(2), gains, clip=0.2)

    assert loss.item() == pytest.approx(-2 * 0.5 - 2 * 1.2)


@pytest.mark.parametrize(
    ("value", "expected", "slope"),
    [
        (1.0, (1.0 - 0.5) ** 2, 0.5),  # clipped at 0.2: 0.09
        (0.1, (0.1 - 0.5) ** 2, -0.4),  # not clipped
        (0.4, (0.2 - 0.5) ** 2, 0.0),  # clipped, though that is farther from the return: 0.01
        (-0.3, (-0.3 - 0.5) ** 2, -0.8),  # clipped at -0.2: 0.49
    ],
)
def test_the_value_loss_is_half_the_larger_squared_error(value, expected, slope):
    """P15: of the value and of the value clipped around the old one, 0; the return is 0.5."""
    values = torch.tensor([value], requires_grad=True)

    loss = value_loss(values, torch.zeros(1), torch.tensor([0.5]), clip=0.2)
    loss.backward()

    assert loss.item() == pytest.approx(0.5 * expected)
    assert values.grad.item() == pytest.approx(slope)
