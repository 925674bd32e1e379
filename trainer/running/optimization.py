"""Optimizers, learning-rate schedules and the guarded step.

[IG] is InstructGPT, arXiv 2203.02155.
"""

import math
from collections.abc import Iterable
from itertools import groupby

import torch
from torch import Tensor
from torch.distributed.tensor import DTensor
from transformers import PreTrainedModel

from trainer.errors import RunDivergedError

BETAS = (0.9, 0.95)  # [IG] appendix C
FINAL_SHARE = 0.1


def make_optimizer(
    model: PreTrainedModel, *, learning_rate: float, epsilon: float = 1e-8
) -> torch.optim.AdamW:
    """Return AdamW without weight decay over what is trainable."""
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    return torch.optim.AdamW(
        # One step cannot mix sharded and whole parameters; their order is that of checkpoints.
        [{"params": list(group)} for _, group in groupby(trained, _is_sharded)],
        lr=learning_rate,
        betas=BETAS,
        eps=epsilon,
        weight_decay=0.0,
        fused=True,
    )


def cosine_share(step: int, *, steps: int, warmup_steps: int = 0) -> float:
    """Return the share of the peak rate at a step: cosine from 1 down to 0.1 ([IG] C.1, C.2).

    Args:
        step: 0 .. steps - 1.
        steps: of the whole run.
        warmup_steps: that rise linearly to the peak first; [IG] has none.
    """
    if step < warmup_steps:
        return (step + 1) / (warmup_steps + 1)
    done = (step - warmup_steps) / max(1, steps - 1 - warmup_steps)
    return FINAL_SHARE + (1 - FINAL_SHARE) * 0.5 * (1 + math.cos(math.pi * done))


def warmup_share(iteration: int, *, warmup_steps: int) -> float:
    """Return the share of the peak rate in PPO: from 0.1 up to 1, then constant ([IG] C.4)."""
    if iteration >= warmup_steps:
        return 1.0
    return FINAL_SHARE + (1 - FINAL_SHARE) * iteration / warmup_steps


def set_rate(optimizer: torch.optim.Optimizer, rate: float) -> None:
    """Set the learning rate of the next step."""
    for group in optimizer.param_groups:
        group["lr"] = rate


def guarded_step(
    optimizer: torch.optim.Optimizer,
    parameters: Iterable[Tensor],
    *,
    loss: float,
    step: int,
    max_norm: float | None,
    norm: float | None = None,
) -> float:
    """Clip the gradient, step, clear the gradient and return its norm before clipping.

    Args:
        optimizer: makes the step.
        parameters: with gradients; several ranks have the same.
        loss: of the step.
        step: its number, for the message.
        max_norm: to which a gradient of a larger 2-norm is scaled down; None: never.
        norm: of the gradient, where it is known; to compute it reads every gradient.

    Raises:
        RunDivergedError: when the loss or the gradient is not finite.
    """
    trained = list(parameters)
    norm = gradient_norm(trained) if norm is None else norm
    if not (math.isfinite(loss) and math.isfinite(norm)):
        advice = (
            "the step was not applied; lower the learning rate and look at the data"
            if step
            else "this is before any training: the starting model or the data is the cause"
        )
        raise RunDivergedError(
            f"non-finite loss at step {step}: the loss is {loss}, the gradient norm {norm}; "
            f"{advice}"
        )
    # Otherwise every gradient would be read and written once more, to be multiplied with 1.
    if max_norm is not None and norm > max_norm:
        for is_sharded in (False, True):
            torch.nn.utils.clip_grads_with_norm_(
                [parameter for parameter in trained if _is_sharded(parameter) == is_sharded],
                max_norm,
                torch.tensor(norm),
            )
    optimizer.step()
    optimizer.zero_grad(set_to_none=True)
    return norm


def gradient_norm(parameters: Iterable[Tensor]) -> float:
    """Return the 2-norm over the gradients of all parameters, sharded ones as a whole."""
    gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
    norms = []
    for is_sharded in (False, True):
        group = [gradient for gradient in gradients if _is_sharded(gradient) == is_sharded]
        norm = torch.nn.utils.get_total_norm(group)
        norms.append(float(norm.full_tensor() if isinstance(norm, DTensor) else norm))
    return math.hypot(*norms)


def _is_sharded(tensor: Tensor) -> bool:
    return isinstance(tensor, DTensor)
