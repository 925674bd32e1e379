"""How a model computes: its precision, what it recomputes, what of it is trained.

These are properties of the loaded model and not of the loops: whoever calls the model, in training,
scoring or sampling, gets the same arithmetic.

In bfloat16 the weights that are trained stay float32 and every matrix product is done in bfloat16
(torch.autocast); the residual stream, norms, the reward head, logits and the log-softmax are
float32. The products would round frozen weights, so these are kept rounded: half the memory and the
same bits, so that policy and reference agree exactly before the first update.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import Tensor
from torch.utils.checkpoint import checkpoint
from transformers import PreTrainedModel
from transformers.modeling_layers import GradientCheckpointingLayer
from transformers.pytorch_utils import Conv1D

from trainer.architecture import adapters
from trainer.exactness import require_known_logits
from trainer.logprobs import float32_logits
from trainer.memory import is_half as is_half  # noqa: PLC0414 - the loops ask for it here
from trainer.spec import ComputeSettings

Forward = Callable[..., Any]
# Where a model says that its matrix products are not done in the type of its weights.
PRODUCTS = "podium_products"


def make_trainable(
    model: PreTrainedModel, settings: ComputeSettings, device_type: str, *, seed: int
) -> None:
    """Prepare a loaded model for training: all of it, or an adapter on it.

    Args:
        model: that need not be on its device yet.
        settings: how it is trained.
        device_type: where it will be.
        seed: of an adapter.

    Raises:
        RunRefusedError: when its logits are not those that the trainer computes.
    """
    if model.get_output_embeddings() is not None:  # type: ignore[no-untyped-call]
        require_known_logits(model)
    if settings.lora_rank is not None:
        adapters.add(model, rank=settings.lora_rank, alpha=settings.lora_alpha, seed=seed)
    if settings.gradient_checkpointing:
        _recompute_layers(model)
    _use_precision(model, settings, device_type)


def make_frozen(model: PreTrainedModel, settings: ComputeSettings, device_type: str) -> None:
    """Prepare a loaded model that is only read: no gradients, the precision of the trained one."""
    model.requires_grad_(False)
    _use_precision(model, settings, device_type)


def product_dtype(model: PreTrainedModel) -> torch.dtype:
    """Return what a loaded model's matrix products, keys and values are in."""
    dtype: torch.dtype = getattr(model, PRODUCTS, model.dtype)
    return dtype


def _use_precision(model: PreTrainedModel, settings: ComputeSettings, device_type: str) -> None:
    if not is_half(settings.precision, device_type):
        return
    setattr(model, PRODUCTS, torch.bfloat16)
    inside = model.base_model
    unembedding = model.get_output_embeddings()  # type: ignore[no-untyped-call]
    for module in inside.modules():
        if isinstance(module, torch.nn.Linear | Conv1D):
            _round_frozen(module)
    inside.forward = partial(_in_bfloat16, inside.forward)
    if isinstance(unembedding, torch.nn.Module):
        embeddings = model.get_input_embeddings()
        assert isinstance(embeddings, torch.nn.Module)
        if unembedding.weight is not embeddings.weight:
            _round_frozen(unembedding)
        # Only of this class is it known that it multiplies and adds, and nothing else.
        unembedding.forward = (
            partial(_float32_logits, unembedding)
            if type(unembedding) is torch.nn.Linear
            else partial(_in_bfloat16, unembedding.forward)
        )


def _round_frozen(module: torch.nn.Module) -> None:
    for parameter in module.parameters(recurse=False):
        if not parameter.requires_grad:
            parameter.data = parameter.data.bfloat16()


def _in_bfloat16(forward: Forward, *args: Any, **options: Any) -> Any:  # noqa: ANN401 - any forward
    # The casts of weights that are trained live for one forward pass, so they are never stale.
    device = next(value.device.type for value in (*args, *options.values()) if _is_tensor(value))
    with torch.autocast(device, dtype=torch.bfloat16):
        return forward(*args, **options)


def _float32_logits(unembedding: torch.nn.Linear, hidden: Tensor) -> Tensor:
    logits = float32_logits(hidden.bfloat16(), unembedding.weight.bfloat16())
    if unembedding.bias is None:
        return logits
    return logits + unembedding.bias.bfloat16()


def _is_tensor(value: object) -> bool:
    return isinstance(value, Tensor)


def _recompute_layers(model: PreTrainedModel) -> None:
    # Not transformers' own switch: it works in training mode only, in which dropout would be on,
    # and it takes the cache away from sampling.
    for module in model.modules():
        if isinstance(module, GradientCheckpointingLayer):
            module.forward = partial(_recomputed, module.forward)


def _recomputed(forward: Forward, *args: Any, **options: Any) -> Any:  # noqa: ANN401 - any forward
    if not torch.is_grad_enabled():
        return forward(*args, **options)
    return checkpoint(forward, *args, use_reentrant=False, preserve_rng_state=False, **options)
