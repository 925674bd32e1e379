"""The update of PPO: minibatches, clipped losses, the pretraining mix and the start-up checks.

Shapes: b episodes, t tokens.
"""

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor
from transformers import PreTrainedModel

from trainer import forward, losses, optimization
from trainer.data import Batch, Example
from trainer.language_loss import accumulate_loss, mean_loss
from trainer.logprobs import masked_sum
from trainer.rollouts import PPOModels, Rollouts, micro_batches, select, sequence_kl
from trainer.rundir import RunDivergedError
from trainer.seeds import derive_seed
from trainer.spec import PPOSettings

# As the original code of arXiv 1909.08593; a smaller one makes the first steps too large.
ADAM_EPSILON = 1e-5
# In float32 the ratio of the first minibatch differs from 1 by rounding only; kernels of a GPU
# round differently for other batch sizes.
MAX_FIRST_LOG_RATIO = {"cpu": 1e-5, "cuda": 1e-3}
MAX_FIRST_KL_NATS = 1e-6


@dataclass(frozen=True)
class Trainee:
    """What the updates change beside the models.

    Attributes:
        policy_optimizer: of the policy.
        value_optimizer: of the value model.
        average: exponential moving average of the policy's parameters by name, if wanted.
        texts: endless stream of the pretraining mix, if there is one.
    """

    policy_optimizer: torch.optim.Optimizer
    value_optimizer: torch.optim.Optimizer
    average: dict[str, Tensor] | None
    texts: Iterator[Example] | None

    @classmethod
    def of(
        cls, models: PPOModels, settings: PPOSettings, *, texts: Iterator[Example] | None
    ) -> Self:
        """Make the optimizers and the average at the start of a run."""
        average = None
        if settings.ema_decay is not None:
            average = {
                name: parameter.detach().clone()
                for name, parameter in models.policy.named_parameters()
            }
        return cls(
            optimization.make_optimizer(
                models.policy, learning_rate=settings.learning_rate, epsilon=ADAM_EPSILON
            ),
            optimization.make_optimizer(
                models.value, learning_rate=settings.value_learning_rate, epsilon=ADAM_EPSILON
            ),
            average,
            texts,
        )


@dataclass
class Sums:
    """Sums over the response tokens of a minibatch, to be divided by their number."""

    policy_loss: float = 0.0
    value_loss: float = 0.0
    squared_log_ratio: float = 0.0
    clipped: float = 0.0
    max_log_ratio: float = 0.0


@dataclass(frozen=True)
class Mix:
    """The pretraining mix of one minibatch: its mean token loss and the norm of its gradient."""

    loss: float | None
    gradient_norm: float | None


def update(
    models: PPOModels,
    rollouts: Rollouts,
    trainee: Trainee,
    settings: PPOSettings,
    *,
    iteration: int,
) -> dict[str, float | int | None]:
    """Train policy and value model on a batch of episodes; return the mean metrics.

    Raises:
        RunDivergedError: when the first ratio is not 1 or a number stops being finite.
    """
    order = random.Random(derive_seed(settings.seed, "order", iteration))  # noqa: S311
    steps: list[dict[str, float | None]] = []
    for _ in range(settings.inner_epochs):
        rows = order.sample(range(len(rollouts.examples)), len(rollouts.examples))
        for start in range(0, len(rows), settings.minibatch_size):
            minibatch = rows[start : start + settings.minibatch_size]
            tokens = int(rollouts.batch.is_response_token[minibatch].sum())
            sums = accumulate_gradients(models, rollouts, minibatch, settings)
            if iteration == 0 and not steps:
                check_first_ratio(sums.max_log_ratio, models.policy.device.type)
            norm = gradient_norm(models.policy)
            mix = add_mix_gradient(models.policy, trainee.texts, settings, len(minibatch))
            _step(models, trainee, settings, sums=sums, iteration=iteration)
            steps.append(
                {
                    "loss/policy": sums.policy_loss / tokens,
                    "loss/value": sums.value_loss / tokens,
                    "loss/ptx": mix.loss,
                    "policy/approxkl": 0.5 * sums.squared_log_ratio / tokens,
                    "policy/clipfrac": sums.clipped / tokens,
                    "gradient/policy": norm,
                    "gradient/ptx": mix.gradient_norm,
                }
            )
    return _means(steps)


def accumulate_gradients(
    models: PPOModels, rollouts: Rollouts, minibatch: Sequence[int], settings: PPOSettings
) -> Sums:
    """Add the gradients of the policy and value loss, means over the minibatch's tokens."""
    tokens = int(rollouts.batch.is_response_token[minibatch].sum())
    sums = Sums()
    for rows in micro_batches(rollouts.examples, among=minibatch):
        batch = select(rollouts.batch, rows)
        is_response, width = batch.is_response_token, batch.tokens.shape[1]
        old_logprobs = rollouts.logprobs[rows, :width]
        logprobs = forward.response_logprobs(models.policy, batch, temperature=settings.temperature)
        policy_loss = losses.policy_loss(
            logprobs,
            old_logprobs,
            rollouts.advantages[rows, :width],
            is_response,
            clip=settings.clip,
        )
        (policy_loss / tokens).backward()  # type: ignore[no-untyped-call]
        value_loss = losses.value_loss(
            forward.state_values(models.value, batch),
            rollouts.values[rows, :width],
            rollouts.returns[rows, :width],
            is_response,
            clip=settings.value_clip,
        )
        (value_loss / tokens).backward()  # type: ignore[no-untyped-call]
        _add(sums, policy_loss, value_loss, (logprobs - old_logprobs).detach(), batch, settings)
    return sums


def add_mix_gradient(
    policy: PreTrainedModel,
    texts: Iterator[Example] | None,
    settings: PPOSettings,
    episodes: int,
) -> Mix:
    """Add gamma times the gradient of the mean token loss of pretraining texts (C.4).

    The gradients are computed one after the other and added in the gradient buffers; the caller
    makes one optimizer step. With a coefficient of 0 the loss is only measured.
    """
    if texts is None:
        return Mix(None, None)
    wanted = max(1, round(settings.ptx_texts_per_episode * episodes))
    examples = [next(texts) for _ in range(wanted)]
    if settings.ptx_coefficient == 0:
        return Mix(mean_loss(policy, examples), None)
    parameters = list(policy.parameters())
    before = [parameter.grad for parameter in parameters]
    policy.zero_grad(set_to_none=True)
    loss = accumulate_loss(policy, examples, coefficient=settings.ptx_coefficient)
    norm = gradient_norm(policy)
    for parameter, gradient in zip(parameters, before, strict=True):
        if gradient is not None:
            parameter.grad = gradient if parameter.grad is None else parameter.grad.add_(gradient)
    return Mix(loss, norm)


def gradient_norm(model: PreTrainedModel) -> float:
    """Return the 2-norm over the gradients of all parameters."""
    gradients = [parameter.grad for parameter in model.parameters() if parameter.grad is not None]
    return float(torch.nn.utils.get_total_norm(gradients))


def check_first_kl(rollouts: Rollouts) -> None:
    """Stop unless policy and reference agree before the first update.

    Raises:
        RunDivergedError: with the KL that was found.
    """
    kl = float(sequence_kl(rollouts).abs().max())
    if not kl <= MAX_FIRST_KL_NATS:
        raise RunDivergedError(
            f"before the first update the KL to the reference is {kl:g} nats instead of 0: policy "
            "and reference are not the same model, or dropout is on"
        )


def check_first_ratio(max_log_ratio: float, device_type: str) -> None:
    """Stop unless old and new log-probabilities agree at the first minibatch.

    Raises:
        RunDivergedError: with the log-ratio that was found.
    """
    if not max_log_ratio <= MAX_FIRST_LOG_RATIO.get(device_type, 1e-3):
        raise RunDivergedError(
            f"at the first minibatch the largest log-ratio is {max_log_ratio:g} instead of 0: the "
            "log-probabilities of rollout and update do not fit, or dropout is on"
        )


def _add(
    sums: Sums,
    policy_loss: Tensor,
    value_loss: Tensor,
    log_ratio: Tensor,
    batch: Batch,
    settings: PPOSettings,
) -> None:
    is_response = batch.is_response_token
    is_clipped = (log_ratio.exp() - 1).abs() > settings.clip
    sums.policy_loss += float(policy_loss.detach())
    sums.value_loss += float(value_loss.detach())
    sums.squared_log_ratio += float(masked_sum(log_ratio.square(), is_response))
    sums.clipped += float((is_clipped & is_response).sum())
    largest = torch.where(is_response, log_ratio.abs(), 0.0).max()
    sums.max_log_ratio = max(sums.max_log_ratio, float(largest))


def _step(
    models: PPOModels, trainee: Trainee, settings: PPOSettings, *, sums: Sums, iteration: int
) -> None:
    optimization.guarded_step(
        trainee.policy_optimizer, models.policy.parameters(), loss=sums.policy_loss, step=iteration
    )
    optimization.guarded_step(
        trainee.value_optimizer, models.value.parameters(), loss=sums.value_loss, step=iteration
    )
    if trainee.average is not None and settings.ema_decay is not None:
        for name, parameter in models.policy.named_parameters():
            trainee.average[name].lerp_(parameter.detach(), 1 - settings.ema_decay)


def _means(steps: Sequence[dict[str, float | None]]) -> dict[str, float | int | None]:
    means: dict[str, float | int | None] = {}
    for name in steps[0]:
        values = [step[name] for step in steps]
        numbers = [value for value in values if value is not None]
        if numbers:
            means[name] = sum(numbers) / len(numbers)
    return means
