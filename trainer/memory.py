"""How much memory a training run needs, from `config.json`, weight headers and settings alone.

Only arithmetic and the standard library, so that the app can show the number before a run is
queued. It is an upper bound for rows as long as the settings allow; the trainer passes how long
they really are. A parameter that is trained takes 16 bytes (weight, gradient and two moments of
AdamW, all float32), a frozen one 4, or 2 where matrix products are done in bfloat16.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass, fields, replace
from typing import Final, Literal

from trainer.errors import RunRefusedError
from trainer.model_shape import ModelShape, without_unembedding
from trainer.spec import (
    MAX_RESPONSES,
    ComputeSettings,
    DPOSettings,
    DPOSpec,
    PPOSettings,
    PPOSpec,
    Precision,
    RewardSettings,
    RewardSpec,
    SFTSettings,
    SFTSpec,
    TrainingSpec,
)

DeviceType = Literal["cpu", "cuda"]
GIB: Final = 2**30
TRAINED_BYTES: Final = 16
# Python with torch and transformers; on a GPU its context and the libraries' workspaces.
RUNTIME_BYTES: Final = {"cpu": 0.6 * GIB, "cuda": 1.5 * GIB}
# As `forward.MAX_LOGITS`: float32 logits that exist at one time, with gradient and softmax.
LOGITS_AT_ONCE: Final = 2**26
LOGIT_COPIES: Final = 3
# As `generate.CACHE_BYTES`: keys and values of the responses under way.
SAMPLING_BYTES: Final = 2**31
SUGGESTED_RANK: Final = 16
SMALL_FORWARD: Final = 2048
# What `max_tokens` may be divided by to make a run fit.
SHORTER_ROWS: Final = (2, 4)
# Activations of more do not stay in a CPU's caches: 11,000 tokens at once took 1.7 times as long.
CPU_TOKENS_PER_FORWARD: Final = 2048


@dataclass(frozen=True)
class Need:
    """Bytes that a run takes at its peak, by what takes them."""

    trained: float = 0.0
    frozen: float = 0.0
    activations: float = 0.0
    logits: float = 0.0
    sampling: float = 0.0
    runtime: float = 0.0

    @property
    def total(self) -> float:
        """Everything together: while sampling there are no activations, and the reverse."""
        training = self.activations + self.logits
        return self.trained + self.frozen + max(training, self.sampling) + self.runtime

    def __str__(self) -> str:
        """Say the parts, the largest first."""
        parts = sorted((getattr(self, part.name), part.name) for part in fields(self))
        return ", ".join(f"{name} {gib(size)}" for size, name in reversed(parts) if size)


@dataclass(frozen=True)
class RowLengths:
    """How long the rows of a run are, once they are known.

    Attributes:
        longest_forward: tokens of the largest forward pass.
        largest_tree: tokens of the largest tree, a prompt with its responses, which is never split.
        responses: the most of one tree.
        longest_row: the most tokens of a prompt with one response.
    """

    longest_forward: int
    largest_tree: int
    responses: int
    longest_row: int


def gib(size: float) -> str:
    """Write bytes for people."""
    return f"{size / GIB:.1f} GiB" if size >= GIB / 10 else f"{size / 2**20:.1f} MiB"


# --- runs ----------------------------------------------------------------------------------------


def estimate(
    spec: TrainingSpec,
    *,
    base: ModelShape,
    reward: ModelShape | None = None,
    device: DeviceType,
    longest_forward: int | None = None,
    shards: int = 1,
) -> Need:
    """Return what a run takes at its peak on each device.

    Args:
        spec: what is to be done.
        base: of `spec.base_model`.
        reward: of `spec.reward_model`, where there is one.
        device: that it runs on.
        longest_forward: tokens of the largest forward pass, when the rows are known; None: as many
            as the settings allow.
        shards: devices that the weights, gradients and moments are spread over.
    """
    settings = spec.settings
    tokens = largest_forward(spec, device) if longest_forward is None else longest_forward
    half = is_half(settings.precision, device)
    trained, frozen = _models(spec, base, reward)
    need = Need(
        trained=sum(_trained(shape, settings, is_half=half) for shape in trained) / shards,
        frozen=sum(_frozen(shape, is_half=half) for shape in frozen) / shards,
        activations=max(_activations(shape, settings, tokens, is_half=half) for shape in trained),
        logits=0.0 if isinstance(spec, RewardSpec) else _logits(base, tokens),
        runtime=RUNTIME_BYTES[device],
    )
    extra = _extra_copies(spec) * _trainable(base, settings) * 4 / shards
    need = replace(need, trained=need.trained + extra)
    if isinstance(spec, PPOSpec):
        need = replace(need, sampling=_cache(base, spec.settings))
    return need


def is_half(precision: Precision, device_type: str) -> bool:
    """Tell whether matrix products are done in bfloat16."""
    return precision == "bfloat16" or (precision == "auto" and device_type == "cuda")


def forward_budget(tokens: int, device_type: str) -> int:
    """Return how many of the tokens that settings allow are forwarded at once on a device."""
    return min(tokens, CPU_TOKENS_PER_FORWARD) if device_type == "cpu" else tokens


def largest_forward(spec: TrainingSpec, device_type: str, rows: RowLengths | None = None) -> int:
    """Return the most tokens in one forward pass: the budget, or a single tree beyond it.

    Args:
        spec: what is to be done.
        device_type: that it runs on.
        rows: None: as many responses and as long as the settings allow.
    """
    settings = spec.settings
    budget = forward_budget(settings.tokens_per_forward, device_type)
    tree = settings.max_tokens * (_most_responses(spec) if rows is None else rows.responses)
    if rows is not None:
        tree, budget = min(tree, rows.largest_tree), min(budget, rows.longest_forward)
    return max(tree, min(budget, _rows_at_once(spec) * tree))


def _rows_at_once(spec: TrainingSpec) -> int:
    """Return how many rows of a step may be in one pass: a batch, or the texts beside it."""
    batch = spec.settings.batch_size
    if isinstance(spec, SFTSpec) and spec.settings.pretraining_share > 0:
        share = spec.settings.pretraining_share
        return max(batch, math.ceil(batch * share / (1 - share)) + 1)
    return batch


def _most_responses(spec: TrainingSpec) -> int:
    if isinstance(spec, PPOSpec):
        return spec.settings.responses_per_prompt
    return MAX_RESPONSES if isinstance(spec, RewardSpec | DPOSpec) else 1


def _models(
    spec: TrainingSpec, base: ModelShape, reward: ModelShape | None
) -> tuple[list[ModelShape], list[ModelShape]]:
    """Return the models that are trained and those that are only read."""
    has_adapter = spec.settings.lora_rank is not None
    judge = [] if reward is None else [reward]
    if isinstance(spec, SFTSpec):
        return [base], judge
    if isinstance(spec, RewardSpec):
        model = without_unembedding(base)
        # While the model of a fold is trained, the run's own waits without moments.
        return [model], [model] if spec.settings.labeler_folds else []
    if isinstance(spec, DPOSpec):
        # What the reference says is read from the policy before its first step.
        return [base], []
    return [base, *judge], [] if has_adapter else [base, *judge]


def _trainable(shape: ModelShape, settings: ComputeSettings) -> int:
    if settings.lora_rank is None:
        return shape.parameters
    return shape.adapted * settings.lora_rank


def _trained(shape: ModelShape, settings: ComputeSettings, *, is_half: bool) -> float:
    count = _trainable(shape, settings) * TRAINED_BYTES
    if settings.lora_rank is not None:
        return count + _frozen(shape, is_half=is_half)
    # The backward pass needs the rounded weights of the forward pass.
    return count + (2 * shape.linear if is_half else 0)


def _frozen(shape: ModelShape, *, is_half: bool) -> float:
    return 4 * shape.parameters - (2 * shape.linear if is_half else 0)


def _activations(
    shape: ModelShape, settings: ComputeSettings, tokens: int, *, is_half: bool
) -> float:
    # What a layer keeps for its backward pass: both norms (input, normalized, output), queries,
    # keys, values and their output, and the numbers inside the feed-forward block.
    inner = (4 if shape.is_gated else 8) * shape.feed_forward
    # The residual stream and the norms are float32 in any precision.
    layer = tokens * (4 * 6 * shape.hidden + (2 if is_half else 4) * (4 * shape.attention + inner))
    kept = tokens * shape.hidden * 4
    layers = shape.layers * (kept if settings.gradient_checkpointing else layer)
    # The gradients of one layer, and with recomputation the layer itself.
    return layers + layer + kept


def _logits(shape: ModelShape, tokens: int) -> float:
    return min(tokens * shape.vocabulary, LOGITS_AT_ONCE) * 4 * LOGIT_COPIES


def _cache(shape: ModelShape, settings: PPOSettings) -> float:
    if settings.rollouts == "server":
        return 0.0
    tokens = settings.batch_size * settings.max_tokens
    # A model whose prompts are not shared keeps float32 in any precision; sampling takes fewer
    # responses at a time where they do not fit.
    return min(tokens * shape.layers * shape.cached * 4, SAMPLING_BYTES)


def _extra_copies(spec: TrainingSpec) -> int:
    """Return how many more numbers are held for each one that is trained of the policy."""
    if isinstance(spec, PPOSpec):
        # The average of the weights; the gradient of PPO while that of the mix is computed.
        return (spec.settings.ema_decay is not None) + (spec.settings.ptx_coefficient > 0)
    # The weights that the reward model has found best so far.
    return int(isinstance(spec, SFTSpec) and spec.reward_model is not None)


# --- what fits -----------------------------------------------------------------------------------


def require(
    spec: TrainingSpec,
    *,
    base: ModelShape,
    reward: ModelShape | None = None,
    device: DeviceType,
    free: float,
    rows: RowLengths | None = None,
    shards: int = 1,
) -> Need:
    """Return what a run needs, and refuse it when that is more than is free.

    Args:
        spec: what is to be done.
        base: as in `estimate`, like what is not named here.
        reward: of `spec.reward_model`.
        device: that it runs on.
        free: bytes that are free on it.
        rows: how long they are; None: as long as the settings allow.
        shards: devices that weights are spread over.

    Raises:
        RunRefusedError: with the settings with which it would fit, if there are any.
    """

    def needed(spec: TrainingSpec) -> Need:
        longest = largest_forward(spec, device, rows)
        return estimate(
            spec, base=base, reward=reward, device=device, longest_forward=longest, shards=shards
        )

    need = needed(spec)
    if need.total <= free:
        return need
    start = f"the run needs about {gib(need.total)} but {gib(free)} are free ({need})"
    for change in _smaller(spec.settings):
        settings = spec.settings.model_copy(update=change)
        total = needed(spec.model_copy(update={"settings": settings})).total
        if total <= free:
            said = " and ".join(f"{name} {_shown(value)}" for name, value in change.items())
            raise RunRefusedError(f"{start}; with {said} it needs {gib(total)}")
    raise RunRefusedError(f"{start}; take a smaller model or a larger machine")


def _smaller(settings: ComputeSettings) -> Iterator[dict[str, int | bool]]:
    """Yield changes that save memory: first those that leave every number as it is.

    Next come fewer trained weights, and last shorter rows, which cut what people wrote.
    """
    changes: list[dict[str, int | bool]] = []
    if not settings.gradient_checkpointing:
        changes.append({"gradient_checkpointing": True})
    if settings.tokens_per_forward > SMALL_FORWARD:
        changes.append({"tokens_per_forward": SMALL_FORWARD})
    if len(changes) > 1:
        changes.append(changes[0] | changes[1])
    if isinstance(settings, PPOSettings) and settings.responses_per_prompt > 1:
        changes.append({"responses_per_prompt": 1})
    if settings.lora_rank is None:
        adapter: dict[str, int | bool] = {"lora_rank": SUGGESTED_RANK}
        changes += [adapter, *(adapter | change for change in changes)]
    yield from changes
    # PPO's rows have to hold `max_new_tokens`.
    if isinstance(settings, SFTSettings | RewardSettings | DPOSettings):
        for share in SHORTER_ROWS:
            shorter: dict[str, int | bool] = {"max_tokens": settings.max_tokens // share}
            yield shorter
            yield from (shorter | change for change in changes)


def _shown(value: int | bool) -> str:  # noqa: FBT001 - a setting's value
    return "on" if value is True else str(value)
