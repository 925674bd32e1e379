"""What DPO's loop is made of: implicit rewards and what is reported of them.

The reference model is the policy before its first step. What it says about each response is one
number that never changes, so it is read once and no second model is kept.
Shapes: n responses of some prompts, r tokens of them.
"""

import math
from collections.abc import Mapping, Sequence
from functools import partial

import torch
from torch import Tensor
from transformers import PreTrainedModel

from trainer import forward
from trainer.architecture import compute
from trainer.errors import RunDivergedError
from trainer.evaluate import pairwise_accuracy
from trainer.losses import implicit_rewards
from trainer.preference import comparisons
from trainer.preference.kwise_step import score_all
from trainer.preference.rankings import RankedPrompt
from trainer.rundir import Metrics
from trainer.shared_prompt import pack
from trainer.spec import DPOSettings

# How far the first loss may be from ln 2; sums over a thousand tokens round, in bfloat16 much more.
START_TOLERANCE, HALF_START_TOLERANCE = 1e-3, 0.05

References = Mapping[str, Tensor]


def response_sums(policy: PreTrainedModel, prompts: Sequence[RankedPrompt]) -> Tensor:
    """Return the log-probability of every whole response, EOS included, in order: (n,)."""
    packed = pack(policy, [prompt.tree for prompt in prompts])
    logprobs = forward.response_logprobs(policy, packed)  # (r,)
    # On a GPU index_add adds to one place in any order: a resumed run would end otherwise.
    return torch.stack([part.sum() for part in torch.split(logprobs, list(packed.lengths))])


def read_references(
    policy: PreTrainedModel, prompts: Sequence[RankedPrompt], settings: DPOSettings
) -> References:
    """Return what the policy says before its first step: (K,) for each prompt, by its id."""
    sums = score_all(policy, partial(response_sums, policy), prompts, settings)
    of_prompts = torch.split(sums, [len(prompt.tree.responses) for prompt in prompts])
    return {prompt.prompt_id: own for prompt, own in zip(prompts, of_prompts, strict=True)}


def reward_prompts(
    policy: PreTrainedModel,
    references: References,
    settings: DPOSettings,
    prompts: Sequence[RankedPrompt],
) -> Tensor:
    """Return the implicit reward of every response, in order: (n,) with gradients."""
    expected = torch.cat([references[prompt.prompt_id] for prompt in prompts])
    return implicit_rewards(response_sums(policy, prompts), expected, beta=settings.beta)


def check_start(loss: float, settings: DPOSettings, device: torch.device) -> None:
    """Make sure that policy and reference agree before the first step: the loss is ln 2.

    Args:
        loss: of a batch of prompts that each have a comparison, before the first step.
        settings: of the run.
        device: that it was computed on.

    Raises:
        RunDivergedError: when they do not.
    """
    expected = math.log(2)
    is_half = compute.is_half(settings.precision, device.type)
    # Anything that is not finite is the guarded step's to report.
    if abs(loss - expected) > (HALF_START_TOLERANCE if is_half else START_TOLERANCE):
        raise RunDivergedError(
            f"step 0: the loss is {loss:.6f}, but before the first step policy and reference are "
            f"one model and it must be {expected:.6f}; something in the forward pass is random"
        )


def describe(
    rewards: Sequence[float],
    prompts: Sequence[RankedPrompt],
    references: References,
    settings: DPOSettings,
) -> Metrics:
    """Return what is reported of implicit rewards.

    `logps/chosen` and `logps/rejected` are log-probabilities of whole responses under the policy,
    in nats: while the margin grows that of the chosen ones may fall, which is how DPO fails.
    `objective/forward_kl` is the mean over responses of log reference - log policy, in nats: it
    estimates KL(reference || policy) as far as the reference wrote the responses. PPO's
    `objective/kl` is the other way round.
    """
    reward = torch.tensor(rewards)
    chosen, rejected = comparisons.means_of(reward, prompts, settings.ties)
    expected = torch.cat([references[prompt.prompt_id] for prompt in prompts]).cpu()
    logprobs = comparisons.means_of(expected + reward / settings.beta, prompts, settings.ties)
    return {
        "accuracy/train": pairwise_accuracy(comparisons.judge(prompts, rewards)).value,
        "rewards/chosen": chosen,
        "rewards/rejected": rejected,
        "rewards/margin": chosen - rejected,
        "logps/chosen": logprobs[0],
        "logps/rejected": logprobs[1],
        "objective/forward_kl": -float(reward.mean()) / settings.beta,
    }
