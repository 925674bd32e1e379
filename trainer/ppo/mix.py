"""The pretraining mix of PPO: how many texts a step has, and their gradient beside PPO's own."""

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from transformers import PreTrainedModel

from trainer import forward
from trainer.architecture.adapters import trainable_parameters
from trainer.data import Example
from trainer.language_loss import packed_batches, response_tokens_of, sum_of
from trainer.running import optimization, parallel
from trainer.running.watch import Watch
from trainer.spec import PPOSettings


@dataclass(frozen=True)
class Mix:
    """The pretraining mix of one step: mean token loss, norm of its gradient, how much of it."""

    loss: float | None = None
    gradient_norm: float | None = None
    texts: int = 0
    tokens: int = 0
    seconds: float = 0.0


def texts_due(passes: int, settings: PPOSettings) -> int:
    """Return how many pretraining texts so many passes use: the setting's number per episode."""
    return math.floor(settings.ptx_texts_per_episode * passes / settings.inner_epochs)


def add_mix_gradient(
    policy: PreTrainedModel,
    examples: Sequence[Example],
    settings: PPOSettings,
    *,
    watch: Watch,
) -> Mix:
    """Add the gradient of the mean token loss of pretraining texts, times a coefficient (C.4).

    The coefficient, gamma in the paper, multiplies the mean over the tokens of all texts of the
    step. Both gradients are computed one after the other and added in the gradient buffers; the
    caller makes one optimizer step. With a coefficient of 0 the loss is only measured.

    Args:
        policy: with the gradient of PPO in its buffers.
        examples: the texts of this step.
        settings: of the run.
        watch: may end the run between two micro-batches.
    """
    if not examples:
        return Mix()
    started = time.monotonic()
    coefficient = settings.ptx_coefficient
    parameters = list(trainable_parameters(policy).values())
    of_ppo = [parameter.grad for parameter in parameters]
    policy.zero_grad(set_to_none=True)
    targets = response_tokens_of(examples)
    losses = []
    with torch.set_grad_enabled(coefficient > 0):
        for weight, packed in watch(packed_batches(policy, examples, settings.tokens_per_forward)):
            part = weight * forward.text_loss(policy, packed) / targets
            if coefficient > 0:
                (coefficient * part).backward()  # type: ignore[no-untyped-call]
            losses.append(part.detach())
    parallel.sum_gradients(parameters)
    norm = optimization.gradient_norm(parameters) if coefficient > 0 else None
    for parameter, gradient in zip(parameters, of_ppo, strict=True):
        _add_gradient(parameter, gradient)
    return Mix(
        sum_of(losses),
        norm,
        texts=len(examples),
        tokens=sum(len(example.tokens) for example in examples),
        seconds=time.monotonic() - started,
    )


def _add_gradient(parameter: torch.nn.Parameter, gradient: Tensor | None) -> None:
    if gradient is not None:
        parameter.grad = gradient if parameter.grad is None else parameter.grad.add_(gradient)
