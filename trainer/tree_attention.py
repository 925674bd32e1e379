"""Attention within packed trees: each response sees its prompt and itself, nothing else.

On a CPU the row is cut into dense blocks that a stock kernel takes; on a GPU one FlexAttention
call skips the blocks that the mask empties. Linear layers never see padding; the blocks here are
padded a little where their lengths differ.
Shapes: t tokens, h heads, d head width, s sequences of a block, l their padded length.
"""

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional
from torch.nn.attention.flex_attention import BlockMask, create_block_mask, flex_attention
from transformers import AttentionInterface, AttentionMaskInterface
from transformers.integrations.sdpa_attention import repeat_kv, sdpa_attention_forward
from transformers.masking_utils import sdpa_mask

ATTENTION = "podium_tree"
# Sequences share a block when the shortest has at least this share of the longest's length.
MIN_SHARE = 0.8


@dataclass(frozen=True)
class Span:
    """Where a tree lies in its row: from `start` the prompt, then the responses."""

    start: int
    prompt: int
    responses: tuple[int, ...]

    @property
    def end(self) -> int:
        """The place after its last token."""
        return self.start + self.prompt + sum(self.responses)


@dataclass(frozen=True)
class Block:
    """Sequences that attend causally to themselves and, if there is one, fully to a prompt.

    Attributes:
        places: (s, l) int64, the row's tokens; what is padding repeats a token.
        prompt: the places of the prompt that all of them see; empty for none.
    """

    places: Tensor
    prompt: slice


@dataclass(frozen=True)
class DenseLayout:
    """A row as blocks.

    Attributes:
        blocks: cover every token of the row.
        output: (t,) int64, where in the blocks' outputs, one after the other, each token is.
    """

    blocks: tuple[Block, ...]
    output: Tensor


Layout = DenseLayout | BlockMask


def make_layout(spans: Sequence[Span], *, device: torch.device) -> Layout:
    """Plan the attention of a row of trees once for all layers."""
    return _flex_layout(spans, device) if device.type == "cuda" else _dense_layout(spans, device)


def tree_attention(
    module: torch.nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    *,
    tree_layout: Layout | None = None,
    scaling: float | None = None,
    dropout: float = 0.0,
    **options: Any,  # noqa: ANN401 - transformers passes what its own implementations take
) -> tuple[Tensor, None]:
    """Attend within trees where there is a layout, else as transformers' own sdpa.

    Args:
        module: of transformers, an attention layer.
        query: (1, h, t, d).
        key: (1, h or a divisor of it, t, d).
        value: as `key`.
        attention_mask: used without a layout only.
        tree_layout: of the row.
        scaling: of the products; None is 1 / sqrt(d).
        dropout: of the weights, on a CPU only.
        options: what else transformers passes to its implementations.

    Returns:
        (1, t, h, d) and no weights.
    """
    if tree_layout is None:
        output, _ = sdpa_attention_forward(
            module, query, key, value, attention_mask, scaling=scaling, dropout=dropout, **options
        )
        return output, None
    # Under autocast rotated queries and keys are float32, values are not.
    query, key = query.to(value.dtype), key.to(value.dtype)
    if isinstance(tree_layout, BlockMask):
        attended = _flex_kernel()(
            query, key, value, block_mask=tree_layout, scale=scaling, enable_gqa=True
        )
        return attended.transpose(1, 2).contiguous(), None
    groups = query.shape[1] // key.shape[1]
    key, value = repeat_kv(key, groups), repeat_kv(value, groups)
    outputs = [
        _attend(query[0], key[0], value[0], block, scaling, dropout) for block in tree_layout.blocks
    ]  # each (s * l, h, d)
    return torch.cat(outputs).index_select(0, tree_layout.output)[None], None


def _attend(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    block: Block,
    scale: float | None,
    dropout: float,
) -> Tensor:
    sequences, length = block.places.shape
    prompt = block.prompt.stop - block.prompt.start

    def own(states: Tensor) -> Tensor:  # (h, t, d) -> (s, h, l, d)
        gathered = states.index_select(1, block.places.flatten())
        return gathered.view(len(states), sequences, length, -1).transpose(0, 1)

    def seen(states: Tensor) -> Tensor:  # (h, t, d) -> (s, h, prompt + l, d)
        shared = states[:, block.prompt].expand(sequences, -1, -1, -1)
        return torch.cat([shared, own(states)], dim=2)

    if prompt == 0:
        output = functional.scaled_dot_product_attention(
            own(query), own(key), own(value), is_causal=True, scale=scale, dropout_p=dropout
        )
    else:
        # Padding comes last, so that one mask fits all sequences.
        is_seen = torch.ones(length, prompt + length, dtype=torch.bool, device=query.device)
        output = functional.scaled_dot_product_attention(
            own(query),
            seen(key),
            seen(value),
            attn_mask=is_seen.tril(prompt),
            scale=scale,
            dropout_p=dropout,
        )
    return output.transpose(1, 2).flatten(0, 1)


# --- planning ------------------------------------------------------------------------------------


def _dense_layout(spans: Sequence[Span], device: torch.device) -> DenseLayout:
    causal: list[tuple[int, int]] = []
    blocks: list[tuple[list[tuple[int, int]], slice]] = []
    for span in spans:
        if len(span.responses) == 1:
            causal.append((span.start, span.end - span.start))
            continue
        causal.append((span.start, span.prompt))
        prompt = slice(span.start, span.start + span.prompt)
        at = prompt.stop
        responses = []
        for length in span.responses:
            responses.append((at, length))
            at += length
        blocks += [(group, prompt) for group in _similar(responses)]
    blocks += [(group, slice(0, 0)) for group in _similar(causal)]
    output = torch.empty(spans[-1].end, dtype=torch.int64)
    placed: list[Block] = []
    offset = 0
    for group, prompt in blocks:
        width = group[-1][1]
        starts = torch.tensor([start for start, _ in group])
        lengths = torch.tensor([length for _, length in group])
        places = starts[:, None] + torch.arange(width).clamp(max=(lengths - 1)[:, None])  # (s, l)
        is_token = torch.arange(width) < lengths[:, None]  # (s, l)
        output[places[is_token]] = offset + is_token.flatten().nonzero().squeeze(1)
        placed.append(Block(places.to(device), prompt))
        offset += places.numel()
    return DenseLayout(tuple(placed), output.to(device))


def _similar(sequences: Sequence[tuple[int, int]]) -> list[list[tuple[int, int]]]:
    """Group (start, length) so that little is padded; in a group the longest comes last."""
    groups: list[list[tuple[int, int]]] = []
    for sequence in sorted(sequences, key=lambda item: item[1]):
        if not groups or groups[-1][0][1] < MIN_SHARE * sequence[1]:
            groups.append([])
        groups[-1].append(sequence)
    return groups


def _flex_layout(spans: Sequence[Span], device: torch.device) -> BlockMask:
    trees: list[int] = []
    branches: list[int] = []
    for number, span in enumerate(spans):
        trees += [number] * (span.end - span.start)
        branches += [0] * span.prompt
        for place, length in enumerate(span.responses, start=1):
            branches += [place] * length
    tree = torch.tensor(trees, device=device)
    branch = torch.tensor(branches, device=device)

    def is_seen(_batch: Tensor, _head: Tensor, query: Tensor, key: Tensor) -> Tensor:
        is_on_path = (branch[key] == 0) | (branch[key] == branch[query])
        is_in_tree: Tensor = tree[query] == tree[key]
        return (query >= key) & is_in_tree & is_on_path

    count = len(trees)
    return create_block_mask(is_seen, None, None, count, count, device=device)


@functools.cache
def _flex_kernel() -> Callable[..., Tensor]:
    # Without compilation FlexAttention makes the whole matrix of weights.
    return torch.compile(flex_attention, dynamic=True)


AttentionInterface.register(ATTENTION, tree_attention)
AttentionMaskInterface.register(ATTENTION, sdpa_mask)
