"""All responses of a prompt in one forward pass, the prompt computed once, nothing padded.

A tree is one prompt with its K responses. Trees are packed one after the other into a single row;
a response token attends to its prompt and to what stands before it in its own response, and its
position goes on from the prompt. Scores, log-probabilities and gradients are those of K separate
sequences. Plain sequences are trees with one response, so that everything is packed.

The attention is given to transformers under the name `ATTENTION`; without a layout it is the stock
one, so that sampling with a cache works as ever.
Shapes: b rows, t tokens, h heads, d head width, n responses, r response tokens of all of them.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import torch
from torch import Tensor
from transformers import PreTrainedConfig, PreTrainedModel

from trainer.last_layer import READ_PLACES
from trainer.tree_attention import ATTENTION, Layout, Span, make_layout

PAD_ID = 0
# Families that `use_tree_attention` of exactness.py finds to be different: recurrent, biased by
# distance, or with attention code of their own.
PADDED: Final = frozenset(
    (
        "bloom", "falcon", "falcon_h1", "falcon_mamba", "jamba", "mamba", "mamba2", "minimax",
        "mpt", "nemotron", "olmo_hybrid", "openai-gpt", "qwen3_5_text", "qwen3_next",
        "recurrent_gemma", "rwkv", "stablelm", "xglm", "xlstm",
    )
)  # fmt: skip


@dataclass(frozen=True)
class Size:
    """What trees take in one forward pass; with `+` what both together take.

    Attributes:
        packed: tokens of the row in which they share their prompts.
        rows: one per response, where they do not.
        width: of the longest of these rows.
        is_exact: True when all of them can share their prompts.
    """

    packed: int
    rows: int
    width: int
    is_exact: bool

    def __add__(self, other: "Size") -> "Size":
        return Size(
            self.packed + other.packed,
            self.rows + other.rows,
            max(self.width, other.width),
            self.is_exact and other.is_exact,
        )

    @property
    def tokens(self) -> int:
        """Tokens of the pass, padding included."""
        return self.packed if self.is_exact else self.rows * self.width


@dataclass(frozen=True)
class Tree:
    """A prompt (at least one token) and its responses (each at least one token)."""

    prompt: tuple[int, ...]
    responses: tuple[tuple[int, ...], ...]

    @property
    def tokens(self) -> int:
        """How many tokens a packed row needs for it."""
        return len(self.prompt) + sum(map(len, self.responses))

    @property
    def longest(self) -> int:
        """How many tokens its prompt has with the longest response."""
        return len(self.prompt) + max(map(len, self.responses))

    def size(self, reach: float) -> Size:
        """Return what it takes in a model with this `reach_of`."""
        return Size(self.tokens, len(self.responses), self.longest, self.longest <= reach)


@dataclass(frozen=True)
class Packed:
    """Trees as the forward pass takes them.

    Attributes:
        tokens: (b, t) int64.
        positions: (b, t) int64.
        layout: of the trees in the only row; None when each response has a row of its own, padded
            on the right, where causal attention is all that is needed.
        before: (r,) int64, place in the flattened rows of the token before each response token.
        before_once: (at most r,) int64, the same places, each once; a prompt's last token stands
            before the first one of each of its responses.
        targets: (r,) int64, the response tokens themselves.
        lengths: how many of them each of the n responses has.
        ends: (n,) int64, place in the flattened rows of the last token of each response.
    """

    tokens: Tensor
    positions: Tensor
    layout: Layout | None
    before: Tensor
    before_once: Tensor
    targets: Tensor
    lengths: tuple[int, ...]
    ends: Tensor


def pack(model: PreTrainedModel, trees: Sequence[Tree], *others: PreTrainedModel) -> Packed:
    """Pack trees into one row, or pad one row per response where the architecture needs that.

    Args:
        model: that reads them.
        trees: of one forward pass.
        others: that read the same; what one of them cannot share, none does.
    """
    if max(tree.longest for tree in trees) <= min(map(reach_of, (model, *others))):
        return pack_shared(trees, device=model.device)
    return pack_separately(trees, device=model.device)


def pack_shared(trees: Sequence[Tree], *, device: torch.device | str = "cpu") -> Packed:
    """Lay trees one after the other into one row without padding."""
    tokens: list[int] = []
    positions: list[int] = []
    before: list[int] = []
    targets: list[int] = []
    lengths: list[int] = []
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
            lengths.append(len(response))
            targets += response
            tokens += response
            positions += range(prompt, prompt + len(response))
            ends.append(len(tokens) - 1)
    return Packed(
        tokens=torch.tensor([tokens], device=device),
        positions=torch.tensor([positions], device=device),
        layout=make_layout(spans, device=torch.device(device)),
        before=torch.tensor(before, device=device),
        before_once=torch.tensor(list(dict.fromkeys(before)), device=device),
        targets=torch.tensor(targets, device=device),
        lengths=tuple(lengths),
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
    lengths: list[int] = []
    ends: list[int] = []
    for at, (prompt, row) in enumerate(rows):
        tokens[at, : len(row)] = torch.tensor(row)
        before += range(at * width + prompt - 1, at * width + len(row) - 1)
        lengths.append(len(row) - prompt)
        targets += row[prompt:]
        ends.append(at * width + len(row) - 1)
    return Packed(
        tokens=tokens.to(device),
        positions=torch.arange(width, device=device).expand(len(rows), width),
        layout=None,
        before=torch.tensor(before, device=device),
        before_once=torch.tensor(list(dict.fromkeys(before)), device=device),
        targets=torch.tensor(targets, device=device),
        lengths=tuple(lengths),
        ends=torch.tensor(ends, device=device),
    )


def sizes_of(trees: Sequence[Tree], *readers: PreTrainedModel) -> list[Size]:
    """Return what each tree takes in the forward passes of models that read the same trees."""
    reach = min(map(reach_of, readers))
    return [tree.size(reach) for tree in trees]


def reach_of(model: PreTrainedModel) -> float:
    """Return how long a prompt with its longest response may be to be packed exactly.

    0 for a model that keeps one padded row per response, infinite where every token sees all
    before it.
    """
    config: Any = model.config.get_text_config()
    is_shared = config._attn_implementation == ATTENTION  # noqa: SLF001 - kept nowhere else
    return _window_of(config) if is_shared else 0


def expected_reach(config: PreTrainedConfig) -> float:
    """Return `reach_of` before the model of a config is loaded, for the families known here."""
    text: Any = config.get_text_config()
    is_padded = text.model_type in PADDED or is_capped(text)
    return 0 if is_padded else _window_of(text)


def _window_of(config: Any) -> float:  # noqa: ANN401 - of any family
    # What a layer cannot see from the end of a row it must not see in a packed one either.
    windows = [getattr(config, name, None) for name in ("sliding_window", "attention_chunk_size")]
    return min((tokens for tokens in windows if tokens is not None), default=math.inf)


def is_capped(config: Any) -> bool:  # noqa: ANN401 - of any family
    """Tell whether the weights of its attention are capped, which no kernel here does."""
    return getattr(config, "attn_logit_softcapping", None) is not None


def hidden_states(model: PreTrainedModel, packed: Packed, *, read: Tensor) -> Tensor:
    """Return the last hidden states of all rows, flattened: (b * t, width).

    Args:
        model: with or without a head.
        packed: trees.
        read: (u,) int64, the places that are read, each once; what stands at others is no result.
    """
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
            **{READ_PLACES: read},
        )
    hidden: Tensor = output.last_hidden_state
    return hidden.flatten(0, 1)


def logits_of(model: PreTrainedModel, hidden: Tensor) -> Tensor:
    """Return what the model's own forward makes of hidden states: (..., d) -> (..., v)."""
    embeddings = model.get_output_embeddings()  # type: ignore[no-untyped-call]
    assert isinstance(embeddings, torch.nn.Module)
    logits: Tensor = embeddings(hidden)
    config = model.config.get_text_config()
    # Cohere multiplies, Granite divides, Gemma 2 caps.
    scale = getattr(config, "logit_scale", 1.0) / getattr(config, "logits_scaling", 1.0)
    if scale != 1:
        logits = logits * scale
    cap = getattr(config, "final_logit_softcapping", None)
    return logits if cap is None else cap * torch.tanh(logits / cap)
