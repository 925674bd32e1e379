"""Whether what is computed in the shared way is what a model computes by itself.

Both are compared on a few tokens when a model is loaded, and again on its device.
"""

import logging

import torch
from torch import Tensor
from transformers import PreTrainedModel

from trainer.errors import RunRefusedError, first_line
from trainer.last_layer import compute_only_read
from trainer.shared_prompt import (
    Packed,
    Tree,
    hidden_states,
    is_capped,
    logits_of,
    pack_separately,
    pack_shared,
    reach_of,
)
from trainer.tree_attention import ATTENTION

log = logging.getLogger(__name__)

# What attention raises that cannot follow a layout, or cannot be compiled.
UNSUITABLE = (ValueError, TypeError, RuntimeError, KeyError)
# Rounding that two ways of computing the same may differ by: in half precision, in float32.
HALF_ERROR, FLOAT_ERROR = 5e-2, 1e-4
# What both ways are compared on.
TRIED = Tree((1, 2, 3, 4), ((3, 1), (2, 4, 1)))


def use_tree_attention(model: PreTrainedModel) -> None:
    """Let the model's attention follow layouts, unless that would change its numbers.

    Recurrent layers, biases by distance and other attention of the model's own are found by
    comparing both ways on a few tokens; such a model keeps one padded row per response.
    """
    name = model.config.get_text_config()._attn_implementation  # noqa: SLF001 - kept nowhere else
    stock = _states_of(model, pack_separately([TRIED], device=model.device))
    try:
        model.set_attn_implementation(ATTENTION)
        compute_only_read(model)
    except UNSUITABLE as error:
        fault = _said(error)
    else:
        exact = model.dtype == torch.float32
        fault = _fault(model, stock, tolerance=FLOAT_ERROR if exact else HALF_ERROR)
    if is_capped(model.config.get_text_config()):
        fault = "it caps the weights of its attention"
    if fault:
        _pad(model, name, fault)


def keep_tree_attention(model: PreTrainedModel) -> None:
    """Let a model share prompts only if it also does so on its device, with what compute it has.

    A GPU's attention is another one: what it cannot take, such as heads that are too narrow, or
    what cannot be compiled, is computed with one padded row per response.
    """
    if reach_of(model) > 0:
        stock = _states_of(model, pack_separately([TRIED], device=model.device))
        fault = _fault(model, stock, tolerance=HALF_ERROR)
        if fault:
            _pad(model, "sdpa", fault)


def _fault(model: PreTrainedModel, stock: Tensor, *, tolerance: float) -> str:
    """Say why a packed forward is not what separate rows give; empty when it is."""
    try:
        ours = _states_of(model, pack_shared([TRIED], device=model.device))
    except UNSUITABLE as error:
        return _said(error)
    apart, largest = float((ours - stock).abs().max()), float(stock.abs().max())
    return f"{apart:.1g} apart in {largest:.1g}" if apart > tolerance * largest else ""


def _said(error: Exception) -> str:
    return f"{type(error).__name__}: {first_line(error)}"


def _pad(model: PreTrainedModel, attention: str, fault: str) -> None:
    model.set_attn_implementation(attention)
    log.warning(
        "%s cannot share a prompt exactly (%s): each response is computed with its own prompt",
        type(model).__name__,
        fault,
    )


@torch.no_grad()
def _states_of(model: PreTrainedModel, packed: Packed) -> Tensor:
    return hidden_states(model, packed, read=packed.before_once)[packed.before].float()


@torch.no_grad()
def require_known_logits(model: PreTrainedModel) -> None:
    """Make sure that what is trained are the logits that the model samples from.

    Raises:
        RunRefusedError: when its own forward does something else to them than `logits_of`.
    """
    packed = pack_separately([Tree((1, 2, 3, 4), ((3, 1),))], device=model.device)
    ours = logits_of(model, hidden_states(model, packed, read=packed.before_once)).float()
    own = model(packed.tokens, use_cache=False).logits.flatten(0, 1).float()
    tolerance = FLOAT_ERROR if model.dtype == torch.float32 else HALF_ERROR
    if float((ours - own).abs().max()) > tolerance * float(own.abs().max()):
        raise RunRefusedError(
            f"{type(model).__name__} changes its logits in a way of its own, which the trainer "
            "does not know; take another architecture"
        )
