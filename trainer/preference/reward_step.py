"""What the reward model's loops are made of: loading, scoring, the bias."""

import math
from collections.abc import Sequence
from pathlib import Path

from torch import Tensor
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from trainer import forward, models
from trainer.architecture import reward_head
from trainer.data import Example
from trainer.errors import RunDivergedError
from trainer.preference import comparisons
from trainer.preference.rankings import RankedPrompt
from trainer.rundir import Metrics
from trainer.running.watch import Watch
from trainer.shared_prompt import pack
from trainer.spec import RewardSettings, Ties


def load_trainable(
    folder: Path, tokenizer: PreTrainedTokenizerBase, settings: RewardSettings
) -> PreTrainedModel:
    """Load the model that training starts from, its bias 0.

    Raises:
        RunRefusedError: when it cannot be loaded or does not fit its tokenizer.
    """
    model = models.load_reward_model(folder, seed=settings.seed, compute=settings)
    models.require_same_vocabulary(model, tokenizer, name=str(folder))
    reward_head.use_padding_of(model, tokenizer)
    reward_head.set_bias(model, 0.0)
    return model


def score_prompts(model: PreTrainedModel, prompts: Sequence[RankedPrompt]) -> Tensor:
    """Score every response of the prompts once, in order: (n,) float32 with gradients."""
    return forward.scores(model, pack(model, [prompt.tree for prompt in prompts]))


def describe(scores: Tensor, prompts: Sequence[RankedPrompt], ties: Ties) -> Metrics:
    """Return what is reported of the scores of a batch, before the bias.

    `reward/mean` and `reward/std` are over its responses; PPO's KL coefficient is chosen for a
    scale of scores. `reward/margin` is chosen minus rejected, weighed as in the loss.

    Args:
        scores: (n,) of all responses, in order.
        prompts: each with a comparison.
        ties: what a tied pair gives.
    """
    scores = scores.float().cpu()
    chosen, rejected = comparisons.means_of(scores, prompts, ties)
    return {
        "reward/mean": float(scores.mean()),
        "reward/std": float(scores.std(correction=0)),
        "reward/margin": chosen - rejected,
    }


def center(
    model: PreTrainedModel,
    demonstrations: Sequence[Example],
    settings: RewardSettings,
    *,
    watch: Watch = iter,
) -> float:
    """Set the bias so that demonstrations score 0 on average (arXiv 2203.02155, C.2).

    Args:
        model: a reward model.
        demonstrations: at least one.
        settings: of the run.
        watch: goes through the forward passes and may end the run between two of them.

    Raises:
        RunDivergedError: when their mean is not finite; the bias is 0 then.
    """
    reward_head.set_bias(model, 0.0)
    trees = [example.tree() for example in demonstrations]
    scores = forward.scores_of(model, trees, tokens=settings.tokens_per_forward, watch=watch)
    bias = float(scores.double().mean())
    if not math.isfinite(bias):
        raise RunDivergedError(
            f"the demonstrations score {bias} on average, so that no bias makes it 0; train again "
            "with a lower learning rate, or in float32"
        )
    reward_head.set_bias(model, bias)
    return bias
