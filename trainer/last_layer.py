"""Of the last layer only what is read is computed.

After the attention of the last layer no token sees another. So its MLP, most of the layer, is
computed for the tokens whose hidden states are read: a reward model reads one per response. With
four layers that is a sixth of all the arithmetic, with thirty-two a fiftieth.
Shapes: b rows, t tokens, d width, u tokens that are read.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor
from transformers import PreTrainedModel
from transformers.modeling_layers import GradientCheckpointingLayer

# The argument of a model's forward pass: (u,) int64, places in its flattened rows, each once.
READ_PLACES = "read_places"


@dataclass
class _Reading:
    """Which tokens the last layer is read at in this pass; None: all of them."""

    places: Tensor | None = None


def compute_only_read(model: PreTrainedModel) -> None:
    """Let the last layer follow `READ_PLACES`, if it calls its parts as most architectures do.

    Hidden states of other tokens are then no results of the model.
    """
    layers = [
        module
        for module in model.base_model.modules()
        if isinstance(module, GradientCheckpointingLayer)
    ]
    children = dict(layers[-1].named_children()) if layers else {}
    attention, mlp = children.get("self_attn", children.get("attn")), children.get("mlp")
    if attention is None or mlp is None:
        return
    reading = _Reading()

    # The attention is told, and comes just before: also where the layer is recomputed.
    def note(_module: torch.nn.Module, _inputs: object, options: dict[str, Any]) -> None:
        reading.places = options.get(READ_PLACES)

    attention.register_forward_pre_hook(note, with_kwargs=True)
    mlp.forward = partial(_mlp_of_read, mlp.forward, reading)


def _mlp_of_read(forward: Callable[[Tensor], Tensor], reading: _Reading, hidden: Tensor) -> Tensor:
    """Return the MLP of the tokens that are read and 0 for the others: (b, t, d) -> (b, t, d)."""
    if reading.places is None:
        return forward(hidden)
    rows = hidden.flatten(0, 1)  # (b * t, d)
    read = forward(rows.index_select(0, reading.places)[None])[0]  # (u, d)
    output = read.new_zeros(rows.shape)
    return output.index_copy(0, reading.places, read).view_as(hidden)
