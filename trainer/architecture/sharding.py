"""Weights, gradients and moments spread over the ranks: FSDP2, where accelerate is told to use it.

`accelerate launch --use_fsdp --fsdp_version 2 -m trainer KIND RUN_DIR`. The decoder is sharded
layer by layer; the reward head and the unembedding (and embeddings tied to it) stay whole on every
rank, so that `forward.py` can use them as they are. Frozen models are sharded in the same way.
"""

import contextlib
import os
from collections.abc import Iterator

import torch
from torch import Tensor
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import FSDPModule, fully_shard
from torch.distributed.tensor import DTensor
from transformers import PreTrainedModel
from transformers.modeling_layers import GradientCheckpointingLayer as DecoderLayer

from trainer.errors import RunRefusedError
from trainer.running import parallel


def shards() -> int:
    """Return over how many ranks weights are spread; 1 where each has its own.

    Raises:
        RunRefusedError: when accelerate is configured for what is not offered.
    """
    count = parallel.ranks().count
    if count == 1 or not _is_set("ACCELERATE_USE_FSDP"):
        return 1
    if os.environ.get("FSDP_VERSION") != "2":
        raise RunRefusedError("only the second version of FSDP is offered; pass --fsdp_version 2")
    if _is_set("FSDP_OFFLOAD_PARAMS"):
        raise RunRefusedError(
            "weights cannot be kept off the GPUs; leave out --fsdp_offload_params and set lora_rank"
        )
    if not _is_set("FSDP_RESHARD_AFTER_FORWARD", default="true"):
        raise RunRefusedError(
            "weights cannot stay whole after a forward pass; leave out --fsdp_reshard_after_forward"
        )
    return count


def shard(model: PreTrainedModel) -> None:
    """Spread a loaded model, trained or frozen, over the ranks in place, if that is asked for."""
    count = shards()
    if count == 1:
        return
    mesh = init_device_mesh(model.device.type, (count,))
    inside = model.base_model
    within = set(inside.modules())
    whole = {
        parameter
        for module in model.modules()
        if module not in within
        for parameter in module.parameters(recurse=False)
    }
    layers = [module for module in inside.modules() if isinstance(module, DecoderLayer)]
    for module in (*layers, inside):
        # Of every part, also the outermost: what stays whole after it was only read would be used
        # again after the next step, with the weights of before.
        fully_shard(module, mesh=mesh, reshard_after_forward=True, ignored_params=whole)
    for unit in units_of(model):
        # Losses are divided by counts of the whole batch: gradients are sums, not means.
        unit.set_gradient_divide_factor(1.0)
        unit.set_force_sum_reduction_for_comms(True)


def units_of(model: torch.nn.Module) -> list[FSDPModule]:
    """Return what is sharded together, the outermost first; nothing where the model is whole."""
    return [module for module in model.modules() if isinstance(module, FSDPModule)]


@contextlib.contextmanager
def whole_weights(model: torch.nn.Module) -> Iterator[None]:
    """Let each rank have all weights within the block, to sample at its own pace."""
    units = units_of(model)
    for unit in units:
        unit.set_reshard_after_forward(False, recurse=False)
        unit.unshard()
    try:
        yield
    finally:
        for unit in units:
            unit.set_reshard_after_forward(True, recurse=False)
            unit.reshard()


def whole_state(model: torch.nn.Module) -> dict[str, Tensor] | None:
    """Put the weights of a sharded model together on rank 0's CPU; None where it is whole.

    Every rank has to call it; on others than rank 0 what was sharded is left out.
    """
    if not units_of(model):
        return None
    is_main = parallel.ranks().is_main
    state: dict[str, Tensor] = {}
    for name, value in model.state_dict().items():
        if not isinstance(value, DTensor):
            state[name] = value
            continue
        whole = value.full_tensor()
        if is_main:
            state[name] = whole.cpu()
    return state


def _is_set(variable: str, *, default: str = "false") -> bool:
    return os.environ.get(variable, default).lower() == "true"
