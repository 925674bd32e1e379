"""Rollouts of PPO: sampled episodes with everything about them that stays fixed while training.

Shapes: b episodes, t tokens.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from transformers import PreTrainedModel

from trainer import advantages, data, forward, optimization
from trainer.data import Batch, Example
from trainer.generate import Draw, draw_responses
from trainer.logprobs import masked_mean, masked_sum
from trainer.seeds import derive_seed
from trainer.spec import PPOSettings


@dataclass(frozen=True)
class PPOModels:
    """The four models of PPO; `reference` and `reward` are frozen."""

    policy: PreTrainedModel
    reference: PreTrainedModel
    reward: PreTrainedModel
    value: PreTrainedModel


@dataclass(frozen=True)
class Rollouts:
    """Episodes and what was computed before the update; all (b, t) float32 but where said.

    Attributes:
        examples: prompt and response of each episode; responses keep a sampled EOS.
        batch: the same, padded.
        has_eos: (b,) bool, True when the response ended by itself.
        scores: (b,) reward minus bias.
        logprobs: of each response token under the policy that sampled.
        reference_logprobs: the same under the reference model.
        entropy: of each next-token distribution.
        values: of the state before each response token.
        advantages: whitened over the batch.
        returns: what the value model learns.
        rewards: per token, KL penalty included.
    """

    examples: tuple[Example, ...]
    batch: Batch
    has_eos: Tensor
    scores: Tensor
    logprobs: Tensor
    reference_logprobs: Tensor
    entropy: Tensor
    values: Tensor
    advantages: Tensor
    returns: Tensor
    rewards: Tensor


def sample_episodes(
    policy: PreTrainedModel,
    prompts: Sequence[Example],
    settings: PPOSettings,
    *,
    eos_id: int,
    iteration: int,
) -> list[Example]:
    """Sample one response for each prompt from the full distribution."""
    drawn = draw_responses(
        policy,
        [
            Draw(prompt.tokens, derive_seed(settings.seed, iteration, episode))
            for episode, prompt in enumerate(prompts)
        ],
        eos_id=eos_id,
        temperature=settings.temperature,
        top_p=1.0,
        max_new_tokens=settings.max_new_tokens,
    )
    return [
        Example((*prompt.tokens, *one.tokens), prompt.prompt_length)
        for prompt, one in zip(prompts, drawn, strict=True)
    ]


@torch.no_grad()
def assess(
    models: PPOModels, examples: Sequence[Example], settings: PPOSettings, *, eos_id: int
) -> Rollouts:
    """Compute scores, log-probabilities, values and advantages of sampled episodes."""
    batch = data.collate(examples, device=models.policy.device)
    is_response = batch.is_response_token
    scores = torch.zeros(len(examples), device=is_response.device)
    logprobs, reference_logprobs, entropy, values = (
        torch.zeros_like(batch.tokens, dtype=torch.float32) for _ in range(4)
    )
    for rows in micro_batches(examples):
        part = select(batch, rows)
        width = part.tokens.shape[1]
        logprobs[rows, :width], entropy[rows, :width] = forward.response_logprobs_and_entropy(
            models.policy, part, temperature=settings.temperature
        )
        reference_logprobs[rows, :width] = forward.response_logprobs(
            models.reference, part, temperature=settings.temperature
        )
        values[rows, :width] = forward.state_values(models.value, part)
        scores[rows] = forward.scores(models.reward, part)
    last = batch.tokens[torch.arange(len(examples), device=scores.device), batch.lengths - 1]
    has_eos = last == eos_id
    rewards = advantages.token_rewards(
        penalize_missing_eos(scores, has_eos, penalty=settings.missing_eos_penalty),
        logprobs,
        reference_logprobs,
        is_response,
        kl_coefficient=settings.kl_coefficient,
    )
    estimates = advantages.estimate_advantages(
        rewards, values, is_response, gamma=settings.gamma, lam=settings.gae_lambda
    )
    return Rollouts(
        examples=tuple(examples),
        batch=batch,
        has_eos=has_eos,
        scores=scores,
        logprobs=logprobs,
        reference_logprobs=reference_logprobs,
        entropy=entropy,
        values=values,
        advantages=advantages.whiten(estimates.advantages, is_response),
        returns=estimates.returns,
        rewards=rewards,
    )


def penalize_missing_eos(scores: Tensor, has_eos: Tensor, *, penalty: float) -> Tensor:
    """Subtract the penalty once from each response that was cut at the limit: (b,)."""
    return scores - penalty * (~has_eos).to(scores.dtype)


def select(batch: Batch, rows: Sequence[int]) -> Batch:
    """Return some rows of a batch without the columns that are padding in all of them."""
    width = int(batch.lengths[rows].max())
    return Batch(
        batch.tokens[rows, :width],
        batch.lengths[rows],
        batch.prompt_lengths[rows],
        batch.is_response_token[rows, :width],
    )


def micro_batches(
    examples: Sequence[Example], among: Sequence[int] | None = None
) -> Iterator[list[int]]:
    """Cut rows (all, or those named) into parts that one forward pass can hold."""
    rows = list(range(len(examples))) if among is None else list(among)
    lengths = [len(examples[row].tokens) for row in rows]
    for part in data.micro_batches(lengths, max_padded_tokens=optimization.MAX_PADDED_TOKENS):
        yield [rows[place] for place in part]


def sequence_kl(rollouts: Rollouts) -> Tensor:
    """Return the sampled KL to the reference of each episode in nats: (b,)."""
    return torch.where(
        rollouts.batch.is_response_token, rollouts.logprobs - rollouts.reference_logprobs, 0.0
    ).sum(1)


def describe(rollouts: Rollouts) -> dict[str, float | int | None]:
    """Return the metrics of a batch of episodes, by name."""
    is_response = rollouts.batch.is_response_token
    return {
        "objective/scores": float(rollouts.scores.mean()),
        "objective/kl": float(sequence_kl(rollouts).mean()),
        "objective/entropy": float(masked_mean(rollouts.entropy, is_response)),
        "objective/rlhf_reward": float(masked_sum(rollouts.rewards, is_response))
        / len(rollouts.examples),
        "response/length": float(is_response.sum(1).float().mean()),
        "response/no_eos": float((~rollouts.has_eos).float().mean()),
        "value/explained_variance": advantages.explained_variance(
            rollouts.values, rollouts.returns, is_response
        ),
    }
