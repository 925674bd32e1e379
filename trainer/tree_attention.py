"""Attention within packed trees: each response sees its prompt and itself, nothing else.

On a CPU the row is cut into dense blocks that a stock kernel takes; on a GPU one FlexAttention
call skips the blocks that the mask empties. Linear layers never see padding; the blocks here are
padded a little where their lengths differ.
Shapes: t tokens, h heads, d head width, s sequences of a block, l their padded length.
"""

import functools
import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.nn import functional
from torch.nn.attention.flex_attention import BlockMask, flex_attention
from transformers import AttentionInterface, AttentionMaskInterface
from transformers.integrations.sdpa_attention import repeat_kv, sdpa_attention_forward
from transformers.masking_utils import sdpa_mask

ATTENTION = "podium_tree"
# Sequences share a block when the shortest has at least this share of the longest's length.
MIN_SHARE = 0.8
# Queries, and keys, of a block that FlexAttention skips or computes as a whole.
FLEX_BLOCK = 128


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


class PromptPlace(NamedTuple):
    """Where among the blocks a prompt lies, and how many tokens it has."""

    block: int
    sequence: int
    length: int


@dataclass(frozen=True)
class Block:
    """Sequences that attend causally to themselves and, if there is one, fully to a prompt.

    Attributes:
        sequences: how many.
        length: of each, padded to the longest.
        prompt: that all of them see; None for none.
    """

    sequences: int
    length: int
    prompt: PromptPlace | None


@dataclass(frozen=True)
class DenseLayout:
    """A row as blocks, which lie one after the other once it is arranged.

    Attributes:
        blocks: cover every token of the row; prompts come before what sees them.
        arranged: (sum of sequences times lengths,) int64, the token of the row at each place;
            padding repeats a token. None: the row is arranged already.
        output: (t,) int64, at which of these places each token of the row is; None as above.
    """

    blocks: tuple[Block, ...]
    arranged: Tensor | None
    output: Tensor | None


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
    return _attend_in_blocks(query, key, value, tree_layout, scaling, dropout), None


def _attend_in_blocks(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    layout: DenseLayout,
    scale: float | None,
    dropout: float,
) -> Tensor:
    groups = query.shape[1] // key.shape[1]
    queries = _split(query[0], layout)  # each (s, h, l, d)
    keys = _split(repeat_kv(key, groups)[0], layout)
    values = _split(repeat_kv(value, groups)[0], layout)
    outputs = []
    for number, block in enumerate(layout.blocks):
        prompt = block.prompt
        output = functional.scaled_dot_product_attention(
            queries[number],
            keys[number] if prompt is None else _after_prompt(keys, number, prompt),
            values[number] if prompt is None else _after_prompt(values, number, prompt),
            attn_mask=None if prompt is None else _is_seen(block.length, prompt, query.device),
            is_causal=prompt is None,
            scale=scale,
            dropout_p=dropout,
        )
        outputs.append(output.transpose(1, 2).flatten(0, 1))  # (s * l, h, d)
    merged = torch.cat(outputs)
    return (merged if layout.output is None else merged.index_select(0, layout.output))[None]


def _split(states: Tensor, layout: DenseLayout) -> list[Tensor]:
    """Cut a row into its blocks: (h, t, d) -> (s, h, l, d) for each."""
    # One gather for the whole row: the gradient of each would fill a row of its own with zeros.
    arranged = states if layout.arranged is None else states.index_select(1, layout.arranged)
    sizes = [block.sequences * block.length for block in layout.blocks]
    return [
        part.view(len(part), block.sequences, block.length, -1).transpose(0, 1)
        for part, block in zip(torch.split(arranged, sizes, dim=1), layout.blocks, strict=True)
    ]


def _after_prompt(blocks: Sequence[Tensor], number: int, prompt: PromptPlace) -> Tensor:
    """Put the prompt before each sequence of a block: (s, h, prompt + l, d)."""
    shared = blocks[prompt.block][prompt.sequence, :, : prompt.length]  # (h, prompt, d)
    own = blocks[number]
    return torch.cat([shared.expand(len(own), -1, -1, -1), own], dim=2)


def _is_seen(length: int, prompt: PromptPlace, device: torch.device) -> Tensor:
    # Padding comes last, so that one mask fits all sequences.
    whole = torch.ones(length, prompt.length + length, dtype=torch.bool, device=device)
    return whole.tril(prompt.length)


# --- planning ------------------------------------------------------------------------------------


def _dense_layout(spans: Sequence[Span], device: torch.device) -> DenseLayout:
    causal: list[tuple[int, int]] = []
    branching: list[tuple[Span, list[tuple[int, int]]]] = []
    for span in spans:
        if len(span.responses) == 1:
            causal.append((span.start, span.end - span.start))
            continue
        causal.append((span.start, span.prompt))
        starts = itertools.accumulate(span.responses, initial=span.start + span.prompt)
        branching.append((span, list(zip(starts, span.responses, strict=False))))
    groups = _similar(causal)
    blocks = [Block(len(group), group[-1][1], None) for group in groups]
    place_of = {
        start: (block, sequence)
        for block, group in enumerate(groups)
        for sequence, (start, _) in enumerate(group)
    }
    for span, responses in branching:
        for group in _similar(responses):
            groups.append(group)
            prompt = PromptPlace(*place_of[span.start], span.prompt)
            blocks.append(Block(len(group), group[-1][1], prompt))
    arranged, output = _arrangement(groups, tokens=spans[-1].end)
    if torch.equal(arranged, torch.arange(spans[-1].end)):
        return DenseLayout(tuple(blocks), None, None)
    return DenseLayout(tuple(blocks), arranged.to(device), output.to(device))


def _arrangement(
    groups: Sequence[Sequence[tuple[int, int]]], *, tokens: int
) -> tuple[Tensor, Tensor]:
    """Return `arranged` and `output` of a layout whose blocks hold these (start, length)."""
    output = torch.empty(tokens, dtype=torch.int64)
    arranged = []
    offset = 0
    for group in groups:
        width = group[-1][1]
        starts = torch.tensor([start for start, _ in group])
        lengths = torch.tensor([length for _, length in group])
        places = starts[:, None] + torch.arange(width).clamp(max=(lengths - 1)[:, None])  # (s, l)
        is_token = torch.arange(width) < lengths[:, None]  # (s, l)
        output[places[is_token]] = offset + is_token.flatten().nonzero().squeeze(1)
        arranged.append(places.flatten())
        offset += places.numel()
    return torch.cat(arranged), output


def _similar(sequences: Sequence[tuple[int, int]]) -> list[list[tuple[int, int]]]:
    """Group (start, length) so that little is padded; in a group the longest comes last."""
    groups: list[list[tuple[int, int]]] = []
    for sequence in sorted(sequences, key=lambda item: item[1]):
        if not groups or groups[-1][0][1] < MIN_SHARE * sequence[1]:
            groups.append([])
        groups[-1].append(sequence)
    return groups


class Segments(NamedTuple):
    """The prompts and responses of a row, one after the other.

    Attributes:
        starts: (m,) int64, the place of the first token of each.
        lengths: (m,) int64.
        prompts: (m,) int64, which segment is the prompt of each; a prompt is its own.
    """

    starts: Tensor
    lengths: Tensor
    prompts: Tensor


def _segments_of(spans: Sequence[Span]) -> Segments:
    lengths = [length for span in spans for length in (span.prompt, *span.responses)]
    sizes = torch.tensor([1 + len(span.responses) for span in spans])
    return Segments(
        torch.tensor(list(itertools.accumulate(lengths[:-1], initial=spans[0].start))),
        torch.tensor(lengths),
        (sizes.cumsum(0) - sizes).repeat_interleave(sizes),
    )


def _flex_layout(spans: Sequence[Span], device: torch.device) -> BlockMask:
    segments = _segments_of(spans)
    numbers = torch.arange(len(segments.lengths))
    own = numbers.repeat_interleave(segments.lengths).to(device)  # (t,)
    prompt = segments.prompts.repeat_interleave(segments.lengths).to(device)  # (t,)

    def is_seen(_batch: Tensor, _head: Tensor, query: Tensor, key: Tensor) -> Tensor:
        is_on_path: Tensor = (own[key] == own[query]) | (own[key] == prompt[query])
        return (query >= key) & is_on_path

    seen = _seen_in_blocks(segments)
    is_full = seen == FLEX_BLOCK**2
    partial, full = (
        _in_order(which[None, None].to(device)) for which in ((seen > 0) & ~is_full, is_full)
    )
    return BlockMask.from_kv_blocks(
        *partial, *full, FLEX_BLOCK, is_seen, seq_lengths=(len(own), len(own))
    )


def _seen_in_blocks(segments: Segments) -> Tensor:
    """Count how many of a block's queries see how many of a block's keys.

    `create_block_mask` would make a matrix of all tokens for that.

    Returns:
        (q, k) float32, which holds these numbers exactly; q and k count blocks of a row.
    """
    ends = segments.starts + segments.lengths
    edges = torch.arange(-(-int(ends[-1]) // FLEX_BLOCK)) * FLEX_BLOCK  # (q,)
    inside = torch.minimum(ends[:, None], edges + FLEX_BLOCK) - torch.maximum(
        segments.starts[:, None], edges
    )
    tokens = inside.clamp(min=0).float()  # (m, q) of each segment in each block
    is_response = segments.prompts != torch.arange(len(ends))
    of_prompts = tokens[is_response].T @ tokens[segments.prompts[is_response]]
    of_own = (tokens.T @ tokens).tril(-1) + (tokens * (tokens + 1) / 2).sum(0).diag()
    return of_prompts + of_own


def _in_order(is_there: Tensor) -> tuple[Tensor, Tensor]:
    """Return what a `BlockMask` holds: how many blocks are there, and their numbers first."""
    numbers = is_there.int().argsort(dim=-1, descending=True, stable=True)
    return is_there.sum(-1, dtype=torch.int32), numbers.int()


@functools.cache
def _flex_kernel(backend: str | Callable[..., Any] = "inductor") -> Callable[..., Tensor]:
    # Without compilation FlexAttention makes the whole matrix of weights: with `fullgraph` it is an
    # error to need that. Head counts and widths, gradients and rows of one block are compiled for
    # anew, lengths are not.
    return torch.compile(  # type: ignore[call-overload,no-any-return]
        flex_attention, dynamic=True, fullgraph=True, recompile_limit=64, backend=backend
    )


AttentionInterface.register(ATTENTION, tree_attention)
AttentionMaskInterface.register(ATTENTION, sdpa_mask)
