"""The update of PPO: minibatches, clipped losses and one step for each, the mix included.

Shapes: r response tokens of a micro-batch, one episode after the other.
"""

import math
import random
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Self

import torch
from torch import Tensor

from trainer import forward, losses
from trainer.architecture import compute
from trainer.architecture.adapters import trainable_parameters
from trainer.data import Example, share_prompts
from trainer.errors import RunDivergedError
from trainer.ppo.checks import check_first_ratio
from trainer.ppo.mix import add_mix_gradient, texts_due
from trainer.ppo.rollouts import PPOModels, Rollouts
from trainer.pretraining import PretrainingTexts
from trainer.rundir import Metrics
from trainer.running import optimization, parallel
from trainer.running.seeds import derive_seed
from trainer.running.trained import Trained
from trainer.running.watch import Watch
from trainer.shared_prompt import pack, sizes_of
from trainer.spec import PPOSettings

# As the original code of arXiv 1909.08593; a smaller one makes the first steps too large.
ADAM_EPSILON = 1e-5


@dataclass
class Trainee:
    """What the iterations change beside the models.

    Attributes:
        policy_optimizer: of the policy.
        value_optimizer: of the value model.
        average: exponential moving average of the policy's trained parameters by name; empty when
            it is not wanted. With LoRA these are the factors A and B; the product of their
            averages is not the average of their product, only near it while they change little.
        kl_coefficient: of the next rollouts.
        passes: episodes that went through an optimizer step so far, once per inner epoch; it says
            how far the stream of pretraining texts was read.
    """

    policy_optimizer: torch.optim.Optimizer
    value_optimizer: torch.optim.Optimizer
    average: dict[str, Tensor]
    kl_coefficient: float
    passes: int = 0

    @classmethod
    def of(cls, models: PPOModels, settings: PPOSettings) -> Self:
        """Make the optimizers and the average at the start of a run."""
        return cls(
            optimization.make_optimizer(
                models.policy, learning_rate=settings.learning_rate, epsilon=ADAM_EPSILON
            ),
            optimization.make_optimizer(
                models.value, learning_rate=settings.value_learning_rate, epsilon=ADAM_EPSILON
            ),
            {
                name: parameter.detach().clone()
                for name, parameter in trainable_parameters(models.policy).items()
                if settings.ema_decay is not None
            },
            settings.kl_coefficient,
        )

    def saved_with(self, models: PPOModels) -> Trained:
        """Name the tensors of a checkpoint."""
        return Trained(
            models={"policy": models.policy, "value": models.value},
            optimizers={"policy": self.policy_optimizer, "value": self.value_optimizer},
            tensors={f"average.{name}": tensor for name, tensor in self.average.items()},
        )


@dataclass
class Sums:
    """Sums over the response tokens of a minibatch, and the largest log-ratio among them."""

    tokens: int = 0
    policy_loss: float = 0.0
    value_loss: float = 0.0
    absolute_log_ratio: float = 0.0
    squared_log_ratio: float = 0.0
    clipped: float = 0.0
    clipped_values: float = 0.0
    max_log_ratio: float = 0.0


def update(
    models: PPOModels,
    rollouts: Rollouts,
    trainee: Trainee,
    texts: PretrainingTexts | None,
    settings: PPOSettings,
    *,
    iteration: int,
    checks_ratio: bool,
    until_stopped: Watch,
    until_abandoned: Watch,
) -> Iterator[Metrics]:
    """Train policy and value model on a batch of episodes; yield the metrics of each step.

    Losses are means over the response tokens of the minibatch. `policy/approxkl` is half the mean
    squared log-ratio to the policy that sampled; `policy/clipfrac` the share of tokens whose ratio
    is outside of the clipping range, on either side, as in openai/baselines `ppo2/model.py`;
    `policy/log_ratio_max` the largest absolute log-ratio of a token; `value/clipfrac` the share
    whose value has no gradient, as it is clipped. `gradient/policy`, `gradient/value` and
    `gradient/ptx` are norms before clipping, each of its loss alone, that of the pretraining mix
    times its coefficient.

    Args:
        models: of which policy and value model change.
        rollouts: the batch.
        trainee: optimizers and average.
        texts: of the pretraining mix, if there is one.
        settings: of the run.
        iteration: seeds the order of the episodes.
        checks_ratio: whether the ratio of the first minibatch must be 1.
        until_stopped: goes through the forward passes before the first optimizer step and may end
            the run between two of them.
        until_abandoned: goes through those of the other steps.

    Raises:
        RunDivergedError: when the first ratio is not 1 or a number stops being finite.
    """
    for number, minibatch in enumerate(minibatches(len(rollouts.examples), settings, iteration)):
        watch = until_abandoned if number else until_stopped
        sums = accumulate_gradients(models, rollouts, minibatch, settings, watch=watch)
        if checks_ratio and number == 0:
            device_type = models.policy.device.type
            check_first_ratio(
                sums.max_log_ratio,
                sums.absolute_log_ratio / sums.tokens,
                device_type=device_type,
                is_half=compute.is_half(settings.precision, device_type),
            )
        policy_norm, value_norm = (
            optimization.gradient_norm(model.parameters())
            for model in (models.policy, models.value)
        )
        examples: list[Example] = []
        passes = trainee.passes + len(minibatch)
        if texts is not None:
            due = texts_due(trainee.passes, settings), texts_due(passes, settings)
            examples = texts.between(*due)
        mix = add_mix_gradient(models.policy, examples, settings, watch=watch)
        trainee.passes = passes
        _require_finite([sums.policy_loss, sums.value_loss, policy_norm, value_norm], iteration)
        norms = policy_norm if mix.gradient_norm is None else None, value_norm
        step(models, trainee, settings, sums=sums, norms=norms, iteration=iteration)
        yield {
            "loss/policy": sums.policy_loss / sums.tokens,
            "loss/value": sums.value_loss / sums.tokens,
            "loss/ptx": mix.loss,
            "policy/approxkl": 0.5 * sums.squared_log_ratio / sums.tokens,
            "policy/clipfrac": sums.clipped / sums.tokens,
            "policy/log_ratio_max": sums.max_log_ratio,
            "value/clipfrac": sums.clipped_values / sums.tokens,
            "gradient/policy": policy_norm,
            "gradient/value": value_norm,
            "gradient/ptx": mix.gradient_norm,
            "ptx/texts": mix.texts,
            "ptx/tokens": mix.tokens,
            "seconds/ptx": mix.seconds,
        }


def minibatches(episodes: int, settings: PPOSettings, iteration: int) -> Iterator[list[int]]:
    """Deal the episodes into minibatches, each once per inner epoch, in random order.

    Those that share a prompt stay neighbors, so that it is computed once for them.
    """
    shared = settings.responses_per_prompt
    order = random.Random(derive_seed(settings.seed, "order", iteration))  # noqa: S311
    for _ in range(settings.inner_epochs):
        firsts = order.sample(range(0, episodes, shared), -(-episodes // shared))
        rows = [row for first in firsts for row in range(first, min(first + shared, episodes))]
        for start in range(0, episodes, settings.minibatch_size):
            yield rows[start : start + settings.minibatch_size]


def accumulate_gradients(
    models: PPOModels,
    rollouts: Rollouts,
    minibatch: Sequence[int],
    settings: PPOSettings,
    *,
    watch: Watch,
) -> Sums:
    """Add the gradients of the policy and value loss, means over the minibatch's tokens."""
    sums = Sums(tokens=int(rollouts.is_response_token[minibatch].sum()))
    prompts = share_prompts(
        (rollouts.examples[row] for row in minibatch), at_most=settings.responses_per_prompt
    )
    left = iter(minibatch)
    rows_of = [list(islice(left, len(tree.responses))) for tree in prompts]
    sizes = sizes_of(prompts, models.policy, models.value)
    for part in watch(parallel.deal(sizes, tokens=settings.tokens_per_forward)):
        rows = [row for item in part.items for row in rows_of[item]]
        trees = [prompts[item] for item in part.items]
        is_response = rollouts.is_response_token[rows]
        packed = pack(models.policy, trees, models.value)
        logprobs = forward.response_logprobs(
            models.policy, packed, temperature=settings.temperature
        )
        old_logprobs = rollouts.logprobs[rows][is_response]  # (r,)
        policy_loss = part.weight * losses.policy_loss(
            logprobs, old_logprobs, rollouts.advantages[rows][is_response], clip=settings.clip
        )
        (policy_loss / sums.tokens).backward()  # type: ignore[no-untyped-call]
        values = forward.state_values(models.value, packed)
        learnt = values, rollouts.values[rows][is_response], rollouts.returns[rows][is_response]
        value_loss = part.weight * losses.value_loss(*learnt, clip=settings.value_clip)
        clipped = part.weight * losses.clipped_values(*learnt, clip=settings.value_clip).sum()
        (value_loss / sums.tokens).backward()  # type: ignore[no-untyped-call]
        log_ratio = part.weight * (logprobs - old_logprobs).detach()
        _add(sums, policy_loss, value_loss, log_ratio, clipped, clip=settings.clip)
    parallel.sum_gradients(models.policy.parameters())
    parallel.sum_gradients(models.value.parameters())
    return _over_ranks(sums)


def step(
    models: PPOModels,
    trainee: Trainee,
    settings: PPOSettings,
    *,
    sums: Sums,
    norms: tuple[float | None, float | None],
    iteration: int,
) -> None:
    """Make one optimizer step of both models and let the average follow.

    Args:
        models: with gradients.
        trainee: optimizers and average.
        settings: of the run.
        sums: of the minibatch.
        norms: of both gradients; None where the mix has added to it.
        iteration: for the message.
    """
    for optimizer, model, loss, norm in (
        (trainee.policy_optimizer, models.policy, sums.policy_loss, norms[0]),
        (trainee.value_optimizer, models.value, sums.value_loss, norms[1]),
    ):
        optimization.guarded_step(
            optimizer,
            model.parameters(),
            loss=loss,
            step=iteration,
            max_norm=settings.max_gradient_norm,
            norm=norm,
        )
    if settings.ema_decay is not None:
        for name, parameter in trainable_parameters(models.policy).items():
            trainee.average[name].lerp_(parameter.detach(), 1 - settings.ema_decay)


def _require_finite(numbers: Iterable[float], iteration: int) -> None:
    # Looked at before either model makes its step: both, or none.
    if not all(map(math.isfinite, numbers)):
        raise RunDivergedError(
            f"non-finite loss or gradient at iteration {iteration}; no step was made: lower the "
            "learning rates and look at the data"
        )


def _add(
    sums: Sums,
    policy_loss: Tensor,
    value_loss: Tensor,
    log_ratio: Tensor,
    clipped_values: Tensor,
    *,
    clip: float,
) -> None:
    is_clipped = (log_ratio.exp() - 1).abs() > clip
    largest = log_ratio.abs().max()
    policy, value, absolute, squared, clipped, of_values, most = torch.stack(
        [
            policy_loss.detach(),
            value_loss.detach(),
            log_ratio.abs().sum(),
            log_ratio.square().sum(),
            is_clipped.sum(),
            clipped_values,
            largest,
        ]
    ).tolist()
    sums.policy_loss += policy
    sums.value_loss += value
    sums.absolute_log_ratio += absolute
    sums.squared_log_ratio += squared
    sums.clipped += clipped
    sums.clipped_values += of_values
    sums.max_log_ratio = max(sums.max_log_ratio, most)


def _over_ranks(sums: Sums) -> Sums:
    return Sums(
        tokens=sums.tokens,
        policy_loss=parallel.total_of(sums.policy_loss),
        value_loss=parallel.total_of(sums.value_loss),
        absolute_log_ratio=parallel.total_of(sums.absolute_log_ratio),
        squared_log_ratio=parallel.total_of(sums.squared_log_ratio),
        clipped=parallel.total_of(sums.clipped),
        clipped_values=parallel.total_of(sums.clipped_values),
        max_log_ratio=parallel.largest_of(sums.max_log_ratio),
    )
