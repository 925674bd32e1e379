"""The numbers of a decoder, from `config.json` and the weight headers alone, without torch."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from trainer.model_folders import count_parameters, has_weights, read_config

# Two linear layers in the feed-forward block instead of three.
UNGATED: Final = frozenset(
    (
        "gpt2", "gpt_neo", "gpt_neox", "gptj", "gpt_bigcode", "opt", "bloom", "falcon", "phi",
        "codegen", "mpt", "starcoder2", "stablelm_epoch", "xglm", "biogpt", "nemotron",
    )
)  # fmt: skip
# Before the longest response at least so many tokens of a prompt are kept.
MIN_PROMPT_TOKENS: Final = 8


@dataclass(frozen=True)
class ModelShape:
    """The numbers of a decoder that its memory follows from.

    Attributes:
        parameters: all of them.
        linear: those of the decoder's linear layers.
        adapted: sum over these layers of inputs plus outputs; a LoRA has this times its rank.
        layers: decoder layers.
        hidden: width of the residual stream.
        attention: heads times head width.
        cached: key and value numbers that sampling keeps per token and layer.
        feed_forward: width of the feed-forward block.
        is_gated: the feed-forward block has three linear layers.
        vocabulary: entries of the embedding.
        is_tied: the unembedding is the embedding.
    """

    parameters: int
    linear: int
    adapted: int
    layers: int
    hidden: int
    attention: int
    cached: int
    feed_forward: int
    is_gated: bool
    vocabulary: int
    is_tied: bool

    @property
    def largest_rank(self) -> int:
        """The largest rank that an adapter's product can have on any linear layer; 0: not known.

        Narrower ones, such as the keys of grouped heads, reach theirs before.
        """
        return max(min(self.hidden, self.attention), min(self.hidden, self.feed_forward))


def shape_of(folder: Path) -> ModelShape:
    """Read the shape of a model folder; parameters are counted where there are weights.

    Raises:
        RunRefusedError: when the config or a weight file cannot be right.
    """
    shape = shape_from_config(read_config(folder))
    if has_weights(folder):
        return replace(shape, parameters=count_parameters(folder))
    return shape


def shape_from_config(config: dict[str, Any]) -> ModelShape:
    """Work out a decoder's shape from the names that its family uses; what is missing counts 0."""
    text = config.get("text_config")
    numbers = config | text if isinstance(text, dict) else config
    hidden = _number(numbers, "hidden_size", "n_embd", "d_model", "n_embed", "word_embed_proj_dim")
    layers = _number(numbers, "num_hidden_layers", "n_layer", "num_layers", "n_layers")
    heads = _number(numbers, "num_attention_heads", "n_head", "n_heads") or 1
    key_heads = _number(numbers, "num_key_value_heads") or heads
    width = _number(numbers, "head_dim") or hidden // heads
    inner = _number(numbers, "intermediate_size", "n_inner", "ffn_dim") or 4 * hidden
    experts = _number(numbers, "num_local_experts", "num_experts", "n_routed_experts") or 1
    vocabulary = _number(numbers, "vocab_size")
    is_gated = config.get("model_type") not in UNGATED
    is_tied = bool(numbers.get("tie_word_embeddings", not is_gated))
    projections = 3 if is_gated else 2
    attention, keys = heads * width, key_heads * width
    linear = layers * (
        2 * hidden * attention + 2 * hidden * keys + experts * projections * hidden * inner
    )
    adapted = layers * (
        2 * (hidden + attention) + 2 * (hidden + keys) + experts * projections * (hidden + inner)
    )
    embeddings = vocabulary * hidden * (1 if is_tied else 2)
    # Norms and biases are small; learnt positions are not, in small models.
    other = layers * 4 * hidden + _number(numbers, "n_positions") * hidden
    return ModelShape(
        parameters=linear + embeddings + other,
        linear=linear,
        adapted=adapted,
        layers=layers,
        hidden=hidden,
        attention=attention,
        cached=2 * keys,
        feed_forward=inner,
        is_gated=is_gated,
        vocabulary=vocabulary,
        is_tied=is_tied,
    )


def positions_of(folder: Path) -> int | None:
    """Return how many tokens a model can read at once; None when its config does not say.

    Raises:
        RunRefusedError: when the config cannot be right.
    """
    return _number(read_config(folder), "max_position_embeddings", "n_positions") or None


def longest_response(limit: int) -> int:
    """Return the longest response when it and its prompt may have `limit` tokens together."""
    return limit - MIN_PROMPT_TOKENS


def _number(config: dict[str, Any], *names: str) -> int:
    for name in names:
        value = config.get(name)
        if isinstance(value, list):
            value = max(value, default=0)
        if isinstance(value, int) and value > 0:
            return value
    return 0


def without_unembedding(shape: ModelShape) -> ModelShape:
    """Return the shape of the reward model made of a language model: one number per token."""
    lost = 0 if shape.is_tied else shape.vocabulary * shape.hidden
    return replace(shape, parameters=max(shape.linear, shape.parameters - lost))
