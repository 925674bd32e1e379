"""Keys and values while responses are sampled: those of a prompt once for all its responses.

A place of the pool holds a prompt, a row what one response has added, each token in the column of
its position there. Any row can be given to another response at any step, nothing is concatenated,
and attention reads a prompt once for all rows that follow it.
The attention is given to transformers under the name `ATTENTION` while it is in use.
Shapes: u places in use, m rows of one of them at most, b rows, p and t tokens, h heads, k heads of
keys, g = h / k, d head width.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional
from transformers import AttentionInterface, PreTrainedModel
from transformers.integrations.sdpa_attention import repeat_kv

from trainer.shared_prompt import PAD_ID

ATTENTION = "podium_shared_cache"
PLAIN_LAYERS = frozenset(("full_attention", "sliding_attention"))
FIRST_COLUMNS = 32


@dataclass(frozen=True)
class Step:
    """Where the tokens of a forward pass belong, one of each row.

    Attributes:
        columns: (b,) int64, where each row's own token is put.
        own_bias: (b, 1, 1, t), 0 at the row's own tokens and very small after them.
        prompt_bias: (u, 1, 1, p), 0 at the tokens of the prompts and very small after them.
        rows: (u, m) int64, the rows of each place, filled up with row 0.
        place: (b,) int64, the place that each row follows.
        nth: (b,) int64, which of the rows of its place each row is.
    """

    columns: Tensor
    own_bias: Tensor
    prompt_bias: Tensor
    rows: Tensor
    place: Tensor
    nth: Tensor


@dataclass(frozen=True)
class Fill:
    """Where the prompts of a forward pass go.

    Attributes:
        places: (n,) int64, of the pool.
        used: how many places the pool has to have for them.
    """

    places: Tensor
    used: int


@dataclass
class KeysAndValues:
    """Two tensors of (rows, k, columns, d) for each layer; both grow when they must."""

    layers: dict[int, tuple[Tensor, Tensor]] = field(default_factory=dict)

    def room(self, layer: int, like: Tensor, rows: int, columns: int) -> tuple[Tensor, Tensor]:
        """Return the keys and values of a layer with at least so many rows and columns."""
        held = self.layers.get(layer)
        if held is None or held[0].shape[0] < rows or held[0].shape[2] < columns:
            keys, values = (
                _grown(None if held is None else held[at], like, rows, columns) for at in (0, 1)
            )
            held = self.layers[layer] = (keys, values)
        return held

    def move(self, source: int, target: int, columns: int) -> None:
        """Copy the first columns of one row over those of another."""
        for held in self.layers.values():
            for tensor in held:
                tensor[target, :, :columns] = tensor[source, :, :columns]


def _grown(held: Tensor | None, like: Tensor, rows: int, columns: int) -> Tensor:
    have = (0, 0) if held is None else (held.shape[0], held.shape[2])
    wide = have[1] if columns <= have[1] else max(columns, 2 * have[1], FIRST_COLUMNS)
    # Zeros: what was never written has weight 0, but 0 times NaN would be NaN.
    grown = like.new_zeros(max(rows, have[0]), like.shape[1], wide, like.shape[3])
    if held is not None:
        grown[: have[0], :, : have[1]] = held
    return grown


@dataclass
class SharedCache:
    """The pool and the rows, and what the forward pass under way is about.

    Attributes:
        pool: of prompts.
        own: of what the rows added.
        now: where prompts go, or the step of the rows.
    """

    pool: KeysAndValues = field(default_factory=KeysAndValues)
    own: KeysAndValues = field(default_factory=KeysAndValues)
    now: Fill | Step | None = None

    def fill(
        self, model: PreTrainedModel, prompts: Sequence[Sequence[int]], places: Sequence[int]
    ) -> None:
        """Compute prompts, padded on the right, into places of the pool."""
        width = max(map(len, prompts))
        tokens = torch.tensor([[*prompt, *[PAD_ID] * (width - len(prompt))] for prompt in prompts])
        positions = torch.arange(width).expand(len(prompts), width)
        # The number as the host knows it: asked of the tensor, each layer would wait for a GPU.
        self.now = Fill(torch.tensor(places, device=model.device), max(places) + 1)
        self._forward(model, tokens.to(model.device), positions.to(model.device))

    def step(self, model: PreTrainedModel, tokens: Tensor, positions: Tensor, step: Step) -> Tensor:
        """Compute one token of each row, (b,) each, and return the logits after it: (b, v)."""
        self.now = step
        return self._forward(model, tokens[:, None], positions[:, None])

    def _forward(self, model: PreTrainedModel, tokens: Tensor, positions: Tensor) -> Tensor:
        output = model(
            tokens,
            position_ids=positions,
            # A mask of four dimensions is passed on as it is; the attention below needs none.
            attention_mask=torch.ones(1, 1, 1, 1, dtype=torch.bool, device=tokens.device),
            use_cache=False,
            logits_to_keep=1,
            shared_cache=self,
        )
        logits: Tensor = output.logits[:, -1]
        return logits

    def attend(
        self, layer: int, query: Tensor, key: Tensor, value: Tensor, scaling: float
    ) -> Tensor:
        """Store keys and values and attend as the pass under way does: (b, t, h, d)."""
        if isinstance(self.now, Step):
            return self._attend_rows(layer, query, key, value, scaling, self.now)
        assert self.now is not None
        width, places = key.shape[2], self.now.places
        keys, values = self.pool.room(layer, key, self.now.used, width)
        keys[places, :, :width], values[places, :, :width] = key, value
        groups = query.shape[1] // key.shape[1]
        output = functional.scaled_dot_product_attention(
            query, repeat_kv(key, groups), repeat_kv(value, groups), is_causal=True, scale=scaling
        )
        return output.transpose(1, 2)

    def _attend_rows(
        self, layer: int, query: Tensor, key: Tensor, value: Tensor, scaling: float, step: Step
    ) -> Tensor:
        (b, h, _, d), k = query.shape, key.shape[1]
        u, m = step.rows.shape
        wide, p = step.own_bias.shape[-1], step.prompt_bias.shape[-1]
        keys, values = self.own.room(layer, key, b, wide)
        every = torch.arange(b, device=key.device)
        keys[every, :, step.columns], values[every, :, step.columns] = key[:, :, 0], value[:, :, 0]
        query = (query * scaling).reshape(b, k, h // k, d)
        own, own_mass = _attend(query, keys[:b, :, :wide], values[:b, :, :wide], step.own_bias)
        if p == 0:
            return own.reshape(b, 1, h, d)
        keys, values = self.pool.room(layer, key, u, p)
        together = query[step.rows].transpose(1, 2).flatten(2, 3)  # (u, k, m * g, d)
        theirs, mass = _attend(together, keys[:u, :, :p], values[:u, :, :p], step.prompt_bias)
        theirs = theirs.view(u, k, m, h // k, d).transpose(1, 2)[step.place, step.nth]
        mass = mass.view(u, k, m, h // k, 1).transpose(1, 2)[step.place, step.nth]
        share = torch.sigmoid(own_mass - mass).to(own.dtype)  # of the row's own tokens
        return torch.lerp(theirs, own, share).reshape(b, 1, h, d)


def _attend(query: Tensor, keys: Tensor, values: Tensor, bias: Tensor) -> tuple[Tensor, Tensor]:
    """Return the attention's output and the logarithm of its denominator.

    Two parts of one softmax are put together by their denominators (arXiv 2205.14135, section 3.1).

    Args:
        query: (n, k, q, d), scaled.
        keys: (n, k, t, d).
        values: as `keys`.
        bias: (n, 1, 1, t).

    Returns:
        (n, k, q, d) in the type of the query, and (n, k, q, 1) float32.
    """
    weights = (query @ keys.transpose(-1, -2)).float() + bias
    shares = weights.softmax(-1)
    # The same as logsumexp, but the exponentials are there already.
    mass = weights.amax(-1, keepdim=True) - shares.amax(-1, keepdim=True).log()
    return shares.to(values.dtype) @ values, mass


def attention(
    module: torch.nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    _attention_mask: Tensor | None,
    *,
    shared_cache: SharedCache,
    scaling: float | None = None,
    **_options: Any,  # noqa: ANN401 - transformers passes what its own implementations take
) -> tuple[Tensor, None]:
    """Attend with a shared cache, as transformers calls it: (b, t, h, d) and no weights."""
    scale = query.shape[-1] ** -0.5 if scaling is None else scaling
    # Under autocast rotated queries and keys are float32, values are not.
    query, key = query.to(value.dtype), key.to(value.dtype)
    layer: Any = module.layer_idx
    return shared_cache.attend(layer, query, key, value, scale), None


AttentionInterface.register(ATTENTION, attention)


def is_exact_for(model: PreTrainedModel, longest: int) -> bool:
    """Tell whether each token attends to all before it, in sequences up to `longest`."""
    config: Any = model.config.get_text_config()
    window = getattr(config, "sliding_window", None)
    return (
        bool(getattr(model, "_supports_attention_backend", False))
        and PLAIN_LAYERS.issuperset(getattr(config, "layer_types", None) or ())
        and (window is None or longest <= window)
        and getattr(config, "attn_logit_softcapping", None) is None
        and not getattr(config, "num_kv_shared_layers", 0)
        and not any(hasattr(module, "sinks") for module in model.modules())
    )


def bytes_per_token(model: PreTrainedModel, dtype: torch.dtype) -> int:
    """Return what keys and values of one token take in all layers when they are kept so."""
    config: Any = model.config.get_text_config()
    heads = config.num_attention_heads
    width = getattr(config, "head_dim", None) or config.hidden_size // heads
    key_heads = getattr(config, "num_key_value_heads", None) or heads
    numbers = 2 * int(config.num_hidden_layers) * int(key_heads) * int(width)
    return numbers * dtype.itemsize


@contextmanager
def shared_attention(model: PreTrainedModel) -> Iterator[None]:
    """Let the model's attention use shared caches, and put back the one it had."""
    config: Any = model.config
    before = config._attn_implementation  # noqa: SLF001 - the only place it is kept
    model.set_attn_implementation(ATTENTION)
    try:
        yield
    finally:
        model.set_attn_implementation(before)
