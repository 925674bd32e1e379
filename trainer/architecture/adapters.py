"""Low-rank adapters (LoRA, arXiv 2106.09685): train a large model without a second copy of it.

The adapter sits on every linear layer of the decoder and starts as a no-op, so that with it
switched off the model is the one that was loaded: a policy is its own reference, a value model its
own reward model. A reward head is trained in full; switching off brings back the loaded one.
"""

import contextlib
import copy
from collections.abc import Iterator, Mapping
from pathlib import Path

import torch
from peft import LoraConfig, inject_adapter_in_model
from peft.tuners.lora import LoraLayer
from safetensors.torch import save_file
from torch import Tensor
from transformers import PreTrainedModel
from transformers.pytorch_utils import Conv1D

from trainer.errors import RunRefusedError

ADAPTER = "default"
FOLDER = "adapter"
HEAD = "score"
# The weights of the loaded head: a buffer that goes where the model goes, and is not saved.
FROZEN_HEAD = "podium_frozen_head"


def add(model: PreTrainedModel, *, rank: int, alpha: float, seed: int) -> None:
    """Freeze the model and put a trainable adapter on every linear layer of its decoder.

    Args:
        model: changed in place; the adapter's weights are float32.
        rank: of the adapter's two factors.
        alpha: what the adapter adds is multiplied by alpha / rank.
        seed: of the random factor; the other one is 0.

    Raises:
        RunRefusedError: when the decoder has no linear layer, or none that such a rank is for.
    """
    model.requires_grad_(False)
    layers = linear_layers(model)
    if not layers:
        raise RunRefusedError(
            f"{type(model).__name__} has no linear layers for an adapter; set no lora_rank"
        )
    # The product of the factors has no larger rank than the layer that it is added to.
    largest = max(min(layer.weight.shape) for layer in layers.values())
    if rank > largest:
        raise RunRefusedError(
            f"lora_rank is {rank}, but no linear layer of {model.config.name_or_path} has a rank "
            f"above {largest}, and beyond it an adapter adds nothing; lower it to at most {largest}"
        )
    config = LoraConfig(
        r=rank,
        lora_alpha=alpha,  # type: ignore[arg-type] # a float does as well
        target_modules=list(layers),
        fan_in_fan_out=all(isinstance(layer, Conv1D) for layer in layers.values()),
        base_model_name_or_path=str(model.config.name_or_path),
    )
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        inject_adapter_in_model(config, model, ADAPTER)
    for parameter in trainable_parameters(model).values():
        parameter.data = parameter.data.float()
    head = _head_of(model)
    if head is not None:
        model.register_buffer(FROZEN_HEAD, head.weight.detach().clone(), persistent=False)
        head.requires_grad_(True)
    # For `save`; peft keeps it under a name of its own that transformers would act upon.
    model.podium_adapter = config  # type: ignore[assignment] # not a module


def linear_layers(model: PreTrainedModel) -> dict[str, torch.nn.Linear | Conv1D]:
    """Return the linear layers of the decoder by their name within the model.

    The unembedding and the reward head are not among them.
    """
    inside = model.base_model
    names = {module: name for name, module in model.named_modules()}
    return {
        names[module]: module
        for module in inside.modules()
        if isinstance(module, torch.nn.Linear | Conv1D)
    }


def has_adapter(model: PreTrainedModel) -> bool:
    """Tell whether `add` was called on the model."""
    return any(isinstance(module, LoraLayer) for module in model.modules())


@contextlib.contextmanager
def off(model: PreTrainedModel) -> Iterator[None]:
    """Make the model the one that was loaded: the adapter off, the loaded head back.

    A model without an adapter is left as it is, so that a separate frozen model can be used in the
    same way.
    """
    # Set directly: peft's own switch would also toggle requires_grad, which a sharded model keeps.
    layers = [module for module in model.modules() if isinstance(module, LoraLayer)]
    frozen = getattr(model, FROZEN_HEAD, None)
    trained = _head_of(model)
    for layer in layers:
        layer._disable_adapters = True  # noqa: SLF001
    if frozen is not None:
        setattr(model, HEAD, _head_with(frozen))
    try:
        yield
    finally:
        for layer in layers:
            layer._disable_adapters = False  # noqa: SLF001
        if frozen is not None:
            setattr(model, HEAD, trained)


def trainable_parameters(model: torch.nn.Module) -> dict[str, torch.nn.Parameter]:
    """Return what is trained by name: all, or the adapter and the reward head."""
    return {name: value for name, value in model.named_parameters() if value.requires_grad}


# --- saving --------------------------------------------------------------------------------------


def merged_state(model: PreTrainedModel, state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the state of a plain model with the adapter added to its weights, in float32.

    Args:
        model: with an adapter; it is not changed.
        state: of the model, complete (gathered, when the model is sharded).
    """
    layers = {
        name: module for name, module in model.named_modules() if isinstance(module, LoraLayer)
    }
    merged = {}
    for key, value in state.items():
        name, _, kind = key.rpartition(".base_layer.")
        if ".lora_" in key:
            continue
        # Off the GPU first: a float32 copy of all weights would not fit beside them.
        weight = value.cpu().float() if value.is_floating_point() else value
        if name and kind == "weight":
            weight = weight + _delta(layers[name], state, name).to(weight.device)
        merged[f"{name}.{kind}" if name else key] = weight
    return merged


def _delta(layer: LoraLayer, state: Mapping[str, Tensor], name: str) -> Tensor:
    down, up = (state[f"{name}.lora_{factor}.{ADAPTER}.weight"].float() for factor in "AB")
    delta: Tensor = (up @ down) * layer.scaling[ADAPTER]
    # GPT-2's layers keep their weights transposed.
    return delta.T if getattr(layer, "fan_in_fan_out", False) else delta


def save(model: PreTrainedModel, state: Mapping[str, Tensor], folder: Path) -> None:
    """Save the adapter and the reward head so that peft puts them on the loaded model again."""
    target = folder / FOLDER
    target.mkdir()
    config = copy.copy(model.podium_adapter)
    assert isinstance(config, LoraConfig)
    if _head_of(model) is not None:
        # Told to peft only here: while training it would wrap the head, and `off` swaps it anyway.
        config.modules_to_save = [HEAD]
    config.save_pretrained(str(target))
    trained = {
        f"base_model.model.{key}".replace(f".{ADAPTER}.", "."): value.cpu().contiguous()
        for key, value in state.items()
        if ".lora_" in key or key == f"{HEAD}.weight"
    }
    save_file(trained, target / "adapter_model.safetensors", metadata={"format": "pt"})


def _head_with(weight: Tensor) -> torch.nn.Linear:
    head = torch.nn.Linear(weight.shape[1], weight.shape[0], bias=False, device="meta")
    head.weight = torch.nn.Parameter(weight, requires_grad=False)
    return head


def _head_of(model: PreTrainedModel) -> torch.nn.Linear | None:
    head = getattr(model, HEAD, None)
    return head if isinstance(head, torch.nn.Linear) else None
