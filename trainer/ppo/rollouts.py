"""Rollouts of PPO: sampled episodes with everything about them that stays fixed while training.

Shapes: b episodes, t places of the longest response, r response tokens of several episodes, one
episode after the other.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor
from transformers import PreTrainedModel

from trainer import advantages, forward
from trainer.architecture import adapters
from trainer.data import Example, share_prompts
from trainer.errors import RunDivergedError
from trainer.logprobs import masked_mean, masked_sum
from trainer.rundir import Metrics
from trainer.running import parallel
from trainer.running.parallel import Part
from trainer.running.watch import Watch
from trainer.shared_prompt import Tree, pack, sizes_of
from trainer.spec import PPOSettings


@dataclass(frozen=True)
class PPOModels:
    """The four models of PPO; `reference` and `reward` are frozen, and read with adapters off.

    With LoRA the reference is the policy and the reward model the value model.
    """

    policy: PreTrainedModel
    reference: PreTrainedModel
    reward: PreTrainedModel
    value: PreTrainedModel


@dataclass(frozen=True)
class Rollouts:
    """Episodes and what was computed before the update; all (b, t) float32 but where said.

    Attributes:
        examples: prompt and response of each episode; responses keep a sampled EOS.
        is_response_token: (b, t) bool, True up to the last token of each response.
        has_eos: (b,) bool, True when the response ended by itself.
        scores: (b,) reward minus bias, before any penalty.
        logprobs: of each response token under the policy that sampled.
        reference_logprobs: the same under the reference model.
        entropy: of each next-token distribution.
        values: of the state before each response token.
        rewards: per token, KL penalty included, before any scaling.
        advantages: whitened over the batch.
        returns: what the value model learns.
    """

    examples: tuple[Example, ...]
    is_response_token: Tensor
    has_eos: Tensor
    scores: Tensor
    logprobs: Tensor
    reference_logprobs: Tensor
    entropy: Tensor
    values: Tensor
    rewards: Tensor
    advantages: Tensor
    returns: Tensor


class Readings(NamedTuple):
    """What the four models say about some episodes: all (r,) but the scores, which are (n,)."""

    logprobs: Tensor
    entropy: Tensor
    reference_logprobs: Tensor
    values: Tensor
    scores: Tensor


def assess(
    models: PPOModels,
    examples: Sequence[Example],
    settings: PPOSettings,
    *,
    eos_id: int,
    kl_coefficient: float,
    watch: Watch,
) -> Rollouts:
    """Compute scores, log-probabilities, values and advantages of sampled episodes.

    Args:
        models: each is run once over each episode.
        examples: the episodes.
        settings: of the run.
        eos_id: ends a response.
        kl_coefficient: beta of this iteration.
        watch: may end the run between two micro-batches.

    Raises:
        RunDivergedError: when a model says something that is not finite.
    """
    trees = share_prompts(examples, at_most=settings.responses_per_prompt)
    sizes = sizes_of(trees, models.policy, models.reward)
    done = [
        (part, read_models(models, [trees[item] for item in part.items], settings.temperature))
        for part in watch(parallel.deal(sizes, tokens=settings.tokens_per_forward))
    ]
    flat = collect_readings(done, trees)
    require_finite(flat)
    is_response = response_mask(examples, device=flat.logprobs.device)
    logprobs, entropy, reference_logprobs, values = (
        spread(column, is_response) for column in flat[:4]
    )
    has_eos = torch.tensor(
        [example.tokens[-1] == eos_id for example in examples], device=is_response.device
    )
    rewards = advantages.token_rewards(
        penalize_missing_eos(flat.scores, has_eos, penalty=settings.missing_eos_penalty),
        logprobs,
        reference_logprobs,
        is_response,
        kl_coefficient=kl_coefficient,
    )
    scaled = (
        advantages.scale_to_unit_variance(rewards, is_response)
        if settings.whiten_rewards
        else rewards
    )
    estimates = advantages.estimate_advantages(
        scaled, values, is_response, gamma=settings.gamma, lam=settings.gae_lambda
    )
    return Rollouts(
        examples=tuple(examples),
        is_response_token=is_response,
        has_eos=has_eos,
        scores=flat.scores,
        logprobs=logprobs,
        reference_logprobs=reference_logprobs,
        entropy=entropy,
        values=values,
        rewards=rewards,
        advantages=advantages.whiten(estimates.advantages, is_response),
        returns=estimates.returns,
    )


@torch.no_grad()
def read_models(models: PPOModels, trees: Sequence[Tree], temperature: float) -> Readings:
    """Run each of the four models once over some episodes."""
    packed = pack(models.policy, trees, models.reward)
    logprobs, entropy = forward.response_logprobs_and_entropy(
        models.policy, packed, temperature=temperature
    )
    values = forward.state_values(models.value, packed)
    with adapters.off(models.reference):
        reference_logprobs = forward.response_logprobs(
            models.reference, packed, temperature=temperature
        )
    with adapters.off(models.reward):
        scores = forward.scores(models.reward, packed)
    return Readings(logprobs, entropy, reference_logprobs, values, scores)


def collect_readings(done: Sequence[tuple[Part, Readings]], trees: Sequence[Tree]) -> Readings:
    """Put together what all ranks have read, in the order of the episodes."""
    lengths = [sum(map(len, tree.responses)) for tree in trees]

    def collect(name: str, lengths: Sequence[int]) -> Tensor:
        return parallel.collect([(part, getattr(one, name)) for part, one in done], lengths)

    return Readings(
        logprobs=collect("logprobs", lengths),
        entropy=collect("entropy", lengths),
        reference_logprobs=collect("reference_logprobs", lengths),
        values=collect("values", lengths),
        scores=collect("scores", [len(tree.responses) for tree in trees]),
    )


def require_finite(readings: Readings) -> None:
    """Stop before numbers that are not finite enter an update.

    Raises:
        RunDivergedError: which says whose numbers they are.
    """
    for name, numbers in readings._asdict().items():
        wrong = int((~torch.isfinite(numbers)).sum())
        if wrong:
            raise RunDivergedError(
                f"{wrong} of {numbers.numel()} {name.replace('_', ' ')} of the sampled responses "
                "are not finite; lower the learning rates, or train the model that gave them again"
            )


def penalize_missing_eos(scores: Tensor, has_eos: Tensor, *, penalty: float) -> Tensor:
    """Subtract the penalty once from each response that was cut at the limit: (b,)."""
    return scores - penalty * (~has_eos).to(scores.dtype)


def response_mask(examples: Sequence[Example], *, device: torch.device) -> Tensor:
    """Return (b, t) bool, True up to the last response token of each episode."""
    lengths = torch.tensor(
        [len(example.tokens) - example.prompt_length for example in examples], device=device
    )
    return torch.arange(int(lengths.max()), device=device) < lengths[:, None]


def spread(flat: Tensor, is_response_token: Tensor) -> Tensor:
    """Put (r,) numbers, one episode after the other, to their places: (b, t), else 0."""
    grid = torch.zeros(is_response_token.shape, dtype=flat.dtype, device=flat.device)
    return grid.masked_scatter(is_response_token, flat)


def sequence_kl(rollouts: Rollouts) -> Tensor:
    """Return the sampled KL to the reference of each episode in nats: (b,)."""
    return (rollouts.logprobs - rollouts.reference_logprobs).sum(1)


def describe(rollouts: Rollouts) -> Metrics:
    """Return the metrics of a batch of episodes, by the names of TRL's PPO where it has them.

    Returns:
        Means over the episodes: `objective/scores` is the reward minus bias, before any penalty
        (TRL has taken off the one for a missing EOS); `objective/kl` the sampled KL to the
        reference, nats per response; `objective/entropy` minus the log-probability of the response,
        nats; `objective/rlhf_reward` the sum of all token rewards, both penalties included;
        `response/length` tokens; `response/no_eos` a share.
        Means over the response tokens: `policy/entropy` is that of the whole distribution, nats per
        token; `value/explained_variance` compares the values of the rollout with the returns.
    """
    is_response = rollouts.is_response_token
    episodes = len(rollouts.examples)
    return {
        "objective/scores": float(rollouts.scores.mean()),
        "objective/kl": float(sequence_kl(rollouts).mean()),
        "objective/entropy": -float(masked_sum(rollouts.logprobs, is_response)) / episodes,
        "objective/rlhf_reward": float(masked_sum(rollouts.rewards, is_response)) / episodes,
        "response/length": float(is_response.sum(1).float().mean()),
        "response/no_eos": float((~rollouts.has_eos).float().mean()),
        "policy/entropy": float(masked_mean(rollouts.entropy, is_response)),
        "value/explained_variance": advantages.explained_variance(
            rollouts.values, rollouts.returns, is_response
        ),
    }
