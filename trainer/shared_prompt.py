"""All responses of a prompt in one forward pass, the prompt computed once, nothing padded.

A tree is one prompt with its K responses. Trees are packed one after the other into a single row;
a response token attends to its prompt and to what stands before it in its own response, and its
position goes on from the prompt. Scores, log-probabilities and gradients are those of K separate
sequences. Plain sequences are trees with one response, so that everything is packed.

The attention is given to transformers under the name `ATTENTION`; without a layout it is the stock
one, so that sampling with a cache works as ever.
Shapes: b rows, t tokens, h heads, d head width, n responses, r response tokens of all of them.
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional
from transformers import AttentionInterface, AttentionMaskInterface, PreTrainedModel
from transformers.integrations.sdpa_attention import repeat_kv, sdpa_attention_forward
from transformers.masking_utils import sdpa_mask

log = logging.getLogger(__name__)

ATTENTION = "podium_tree"
PAD_ID = 0


@dataclass(frozen=True)
class Tree:
    """A prompt (at least one token) and its responses (each at least one token)."""

    prompt: tuple[int, ...]
    responses: tuple[tuple[int, ...], ...]

    @property
    def tokens(self) -> int:
        """How many tokens a packed row needs for it."""
        return len(self.prompt) + sum(map(len, self.responses))


@dataclass(frozen=True)
class Span:
    """Where a tree lies in its row: from `start` the prompt, then the responses."""

    start: int
    prompt: int
    responses: tuple[int, ...]


@dataclass(frozen=True)
class Packed:
    """Trees as the forward pass takes them.

    Attributes:
        tokens: (b, t) int64.
        positions: (b, t) int64.
        layout: the trees of the only row; None when each response has a row of its own, padded on
            the right, where causal attention is all that is needed.
        before: (r,) int64, place in the flattened rows of the token before each response token.
        targets: (r,) int64, the response tokens themselves.
        owner: (r,) int64, which of the n responses each belongs to.
        ends: (n,) int64, place in the flattened rows of the last token of each response.
    """

    tokens: Tensor
    positions: Tensor
    layout: tuple[Span, ...] | None
    before: Tensor
    targets: Tensor
    owner: Tensor
    ends: Tensor


def pack(model: PreTrainedModel, trees: Sequence[Tree]) -> Packed:
    """Pack trees into one row, or pad one row per response where the architecture needs that."""
    if is_exact_for(model, trees):
        return pack_shared(trees, device=model.device)
    return pack_separately(trees, device=model.device)


def pack_shared(trees: Sequence[Tree], *, device: torch.device | str = "cpu") -> Packed:
    """Lay trees one after the other into one row without padding."""
    tokens: list[int] = []
    positions: list[int] = []
    before: list[int] = []
    targets: list[int] = []
    owner: list[int] = []
    ends: list[int] = []
    spans: list[Span] = []
    for tree in trees:
        start, prompt = len(tokens), len(tree.prompt)
        spans.append(Span(start, prompt, tuple(map(len, tree.responses))))
        tokens += tree.prompt
        positions += range(prompt)
        for response in tree.responses:
            at = len(tokens)
            before += [start + prompt - 1, *range(at, at + len(response) - 1)]
            owner += [len(ends)] * len(response)
            targets += response
            tokens += response
            positions += range(prompt, prompt + len(response))
            ends.append(len(tokens) - 1)
    return Packed(
        tokens=torch.tensor([tokens], device=device),
        positions=torch.tensor([positions], device=device),
        layout=tuple(spans),
        before=torch.tensor(before, device=device),
        targets=torch.tensor(targets, device=device),
        owner=torch.tensor(owner, device=device),
        ends=torch.tensor(ends, device=device),
    )


def pack_separately(trees: Sequence[Tree], *, device: torch.device | str = "cpu") -> Packed:
    """Give each response a row of its own with its prompt, padded on the right."""
    rows = [
        (len(tree.prompt), (*tree.prompt, *response))
        for tree in trees
        for response in tree.responses
    ]
    width = max(len(row) for _, row in rows)
    tokens = torch.full((len(rows), width), PAD_ID)
    before: list[int] = []
    targets: list[int] = []
    owner: list[int] = []
    ends: list[int] = []
    for at, (prompt, row) in enumerate(rows):
        tokens[at, : len(row)] = torch.tensor(row)
        before += range(at * width + prompt - 1, at * width + len(row) - 1)
        owner += [at] * (len(row) - prompt)
        targets += row[prompt:]
        ends.append(at * width + len(row) - 1)
    return Packed(
        tokens=tokens.to(device),
        positions=torch.arange(width, device=device).expand(len(rows), width),
        layout=None,
        before=torch.tensor(before, device=device),
        targets=torch.tensor(targets, device=device),
        owner=torch.tensor(owner, device=device),
        ends=torch.tensor(ends, device=device),
    )


def use_tree_attention(model: PreTrainedModel) -> None:
    """Let the model's attention follow a layout when one is given."""
    model.set_attn_implementation(ATTENTION)


def is_exact_for(model: PreTrainedModel, trees: Sequence[Tree]) -> bool:
    """Tell whether the packed forward of these trees equals the separate one."""
    config: Any = model.config.get_text_config()
    if config._attn_implementation != ATTENTION:  # noqa: SLF001 - the only place it is kept
        return False
    longest = max(len(tree.prompt) + max(map(len, tree.responses)) for tree in trees)
    window = getattr(config, "sliding_window", None)
    return window is None or longest <= window


def hidden_states(model: PreTrainedModel, packed: Packed) -> Tensor:
    """Return the last hidden states of all rows, flattened: (b * t, width)."""
    if packed.layout is None:
        output = model.base_model(packed.tokens, use_cache=False)
    else:
        output = model.base_model(
            packed.tokens,
            position_ids=packed.positions,
            # A mask of four dimensions is passed on as it is; the attention below needs none.
            attention_mask=torch.ones(1, 1, 1, 1, dtype=torch.bool, device=packed.tokens.device),
            use_cache=False,
            tree_layout=packed.layout,
        )
    hidden: Tensor = output.last_hidden_state
    return hidden.flatten(0, 1)


def tree_attention(
    module: torch.nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    *,
    tree_layout: tuple[Span, ...] | None = None,
    scaling: float | None = None,
    **options: Any,  # noqa: ANN401 - transformers passes what its own implementations take
) -> tuple[Tensor, None]:
    """Attend within trees where there is a layout, else as transformers' own sdpa.

    Args:
        module: of transformers, an attention layer.
        query: (1, h, t, d).
        key: (1, h or fewer, t, d).
        value: as `key`.
        attention_mask: used without a layout only.
        tree_layout: the trees of the row.
        scaling: of the products; None is 1 / sqrt(d).
        options: what else transformers passes to its implementations.

    Returns:
        (1, t, h, d) and no weights.
    """
    if tree_layout is None:
        output, _ = sdpa_attention_forward(
            module, query, key, value, attention_mask, scaling=scaling, **options
        )
        return output, None
    groups = query.shape[1] // key.shape[1]
    key, value = repeat_kv(key, groups), repeat_kv(value, groups)
    parts = []
    for span in tree_layout:
        own = slice(span.start, span.start + span.prompt + sum(span.responses))
        parts += _attend_in_tree(query[:, :, own], key[:, :, own], value[:, :, own], span, scaling)
    return torch.cat(parts, dim=2).transpose(1, 2), None


def _attend_in_tree(
    query: Tensor, key: Tensor, value: Tensor, span: Span, scaling: float | None
) -> list[Tensor]:
    prompt = span.prompt
    if len(span.responses) == 1:
        return [
            functional.scaled_dot_product_attention(
                query, key, value, is_causal=True, scale=scaling
            )
        ]
    parts = [
        functional.scaled_dot_product_attention(
            query[:, :, :prompt],
            key[:, :, :prompt],
            value[:, :, :prompt],
            is_causal=True,
            scale=scaling,
        )
    ]
    at = prompt
    for length in span.responses:
        own = slice(at, at + length)
        is_seen = torch.ones(length, prompt + length, dtype=torch.bool, device=query.device)
        parts.append(
            functional.scaled_dot_product_attention(
                query[:, :, own],
                torch.cat([key[:, :, :prompt], key[:, :, own]], dim=2),
                torch.cat([value[:, :, :prompt], value[:, :, own]], dim=2),
                attn_mask=is_seen.tril(prompt),
                scale=scaling,
            )
        )
        at += length
    return parts


AttentionInterface.register(ATTENTION, tree_attention)
AttentionMaskInterface.register(ATTENTION, sdpa_mask)
