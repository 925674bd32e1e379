"""What training changes, as tensors and JSON with flat names, and how it is put back in place."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, distributed
from torch.distributed.tensor import DTensor, distribute_tensor

JSON = Any


@dataclass(frozen=True)
class Trained:
    """What training changes, by name; all of it is saved and put back in place.

    Attributes:
        models: of which the weights that take gradients are saved.
        optimizers: their moments; rates are set anew at each step.
        tensors: others, such as a moving average of the weights.
    """

    models: Mapping[str, torch.nn.Module] = field(default_factory=dict)
    optimizers: Mapping[str, torch.optim.Optimizer] = field(default_factory=dict)
    tensors: Mapping[str, Tensor] = field(default_factory=dict)


def collect(trained: Trained) -> dict[str, Tensor]:
    """Name every tensor; moments are numbered as their parameters are in the optimizer."""
    named = _weights_and_others(trained)
    for name, optimizer in trained.optimizers.items():
        for index, parameter in enumerate(_parameters(optimizer)):
            for key, value in optimizer.state.get(parameter, {}).items():
                named[f"optimizer.{name}.{index}.{key}"] = value
    return named


def _weights_and_others(trained: Trained) -> dict[str, Tensor]:
    named = {
        f"model.{name}.{key}": parameter
        for name, model in trained.models.items()
        for key, parameter in model.named_parameters()
        if parameter.requires_grad
    }
    return {**named, **{f"tensor.{name}": value for name, value in trained.tensors.items()}}


def _parameters(optimizer: torch.optim.Optimizer) -> list[Tensor]:
    return [parameter for group in optimizer.param_groups for parameter in group["params"]]


def fits(trained: Trained, shapes: Mapping[str, tuple[int, ...]]) -> bool:
    """Tell whether saved tensors are those that are trained, moments aside."""
    expected = {name: tuple(value.shape) for name, value in _weights_and_others(trained).items()}
    found = {name: shape for name, shape in shapes.items() if not name.startswith("optimizer.")}
    return found == expected


@torch.no_grad()
def restore(trained: Trained, saved: Mapping[str, Tensor]) -> None:
    """Put back in place what `collect` named."""
    for name, target in _weights_and_others(trained).items():
        target.copy_(_placed_like(target, saved[name]))
    for name, optimizer in trained.optimizers.items():
        optimizer.state.clear()
        parameters = _parameters(optimizer)
        prefix = f"optimizer.{name}."
        for key, value in saved.items():
            if key.startswith(prefix):
                index, _, what = key.removeprefix(prefix).partition(".")
                parameter = parameters[int(index)]
                optimizer.state[parameter][what] = _placed_like(parameter, value.clone())


def _placed_like(target: Tensor, value: Tensor) -> Tensor:
    """Move a whole tensor to where another is; of a sharded one, each rank keeps its part."""
    if isinstance(target, DTensor) and value.shape == target.shape:
        return distribute_tensor(
            value.to(target.device), target.device_mesh, target.placements, src_data_rank=None
        )
    return value.to(target.device)


def random_state() -> dict[str, JSON]:
    """Return the state of torch's generators, as JSON.

    Orders of rows and what responses are drawn with follow from seeds and places alone.
    """
    return {
        "torch": _to_hex(torch.get_rng_state()),
        "cuda": [_to_hex(state) for state in torch.cuda.get_rng_state_all()]
        if torch.cuda.is_available()
        else [],
    }


def restore_random(saved: Mapping[str, JSON]) -> None:
    """Put back what `random_state` returned."""
    if distributed.is_initialized() and distributed.get_world_size() > 1:
        return  # what is saved is rank 0's: others must not draw the same
    torch.set_rng_state(_from_hex(saved["torch"]))
    if len(saved["cuda"]) == torch.cuda.device_count():
        torch.cuda.set_rng_state_all([_from_hex(state) for state in saved["cuda"]])


def _to_hex(state: Tensor) -> str:
    return state.numpy().tobytes().hex()


def _from_hex(text: str) -> Tensor:
    return torch.frombuffer(bytearray.fromhex(text), dtype=torch.uint8)
