"""What PPO reports of a batch of episodes and of an optimizer step, against numbers by hand."""

import dataclasses

import pytest
import torch
from torch.distributions import Categorical

from tests.trainer.ppo.conftest import EOS, assess, roll_out, settings_with, update
from trainer.data import Example
from trainer.ppo import rollouts
from trainer.ppo.rollouts import Rollouts

# Stands behind the end of a response where a mask has to leave it out.
PAD = 99.0
PROMPT = (0, 40, EOS, 1)


def ragged(*rows, beyond=0.0):
    """Rows of up to three numbers, and what stands behind their ends."""
    return torch.tensor([[*row, *[beyond] * (3 - len(row))] for row in rows])


BATCH = Rollouts(
    examples=tuple(Example((*PROMPT, *[50] * length), len(PROMPT)) for length in (3, 1, 2, 2)),
    is_response_token=ragged([1, 1, 1], [1], [1, 1], [1, 1]) > 0,
    has_eos=torch.tensor([True, False, True, True]),
    scores=torch.tensor([2.0, -1.0, 0.5, 1.5]),
    # The log-ratios of the episodes are 2, 1, -0.5 and 1.5.
    logprobs=ragged([-1.0, -2.0, -0.5], [-0.25], [-3.0, -1.0], [-1.0, -1.0]),
    reference_logprobs=ragged([-1.5, -2.5, -1.5], [-1.25], [-2.0, -1.5], [-2.0, -1.5]),
    entropy=ragged([1.0, 2.0, 3.0], [6.0], [1.0, 1.0], [4.0, 2.0], beyond=PAD),
    rewards=ragged([-0.1, -0.1, 1.8], [-1.2], [0.2, 0.4], [-0.2, 1.2], beyond=PAD),
    # Half of the returns are 1 and half 3; half of the errors are 0.5 and half 1.5.
    returns=ragged([3.0, 1.0, 1.0], [3.0], [1.0, 3.0], [1.0, 3.0], beyond=PAD),
    values=ragged([1.5, 0.5, -0.5], [2.5], [-0.5, 2.5], [-0.5, 2.5], beyond=PAD),
    advantages=torch.zeros(4, 3),
)


def test_the_metrics_of_a_batch_are_those_by_hand():
    assert rollouts.describe(BATCH) == pytest.approx(
        {
            "objective/scores": 3 / 4,
            "objective/kl": 4 / 4,
            # Minus the log-probabilities of an episode, as TRL's PPO has it, and per token.
            "objective/entropy": 9.75 / 4,
            "policy/entropy": 20 / 8,
            "objective/rlhf_reward": 2 / 4,
            "response/length": 8 / 4,
            "response/no_eos": 1 / 4,
            "value/explained_variance": 1 - 0.25 / 1,
        }
    )


def test_the_entropy_is_that_of_what_was_sampled_from(loaded, tokenizer):
    """P3: the temperature is part of the distribution."""
    with torch.no_grad():
        loaded.policy.get_input_embeddings().weight.mul_(20)
    rolled = roll_out(loaded, tokenizer, settings_with(temperature=0.7))

    for row, example in enumerate(rolled.examples):
        with torch.no_grad():
            logits = loaded.policy(torch.tensor([example.tokens])).logits[0]
        before = logits[example.prompt_length - 1 : -1]
        found = rolled.entropy[row, : len(before)]
        assert torch.allclose(found, Categorical(logits=before / 0.7).entropy(), atol=1e-5)
        assert not torch.allclose(found, Categorical(logits=before).entropy(), atol=0.1)


@pytest.mark.parametrize("tokens_per_forward", [256, 8])
def test_the_metrics_of_a_step_are_those_of_its_ratios(loaded, tokens_per_forward):
    """In one forward pass and in two."""
    settings = settings_with(clip=0.2, value_clip=0.2, tokens_per_forward=tokens_per_forward)
    examples = [Example((*PROMPT, 50, 51, EOS), 4), Example((*PROMPT, 52, EOS), 4)]
    ratios = torch.tensor([[1.0, 1.1, 1.3], [0.85, 0.75, 1.0]])
    rolled = assess(loaded, examples, settings)
    rolled = dataclasses.replace(rolled, logprobs=rolled.logprobs - ratios.log())

    # So far a value has moved since the rollout, and so far it still is from its return.
    moved = torch.tensor([[0.05, -0.05, 0.3], [0.3, -0.3, 0.0]])
    left = torch.tensor([[1.0, 1.0, -1.0], [1.0, -1.0, 0.0]])
    rolled = dataclasses.replace(rolled, values=rolled.values - moved, returns=rolled.values + left)

    [step] = update(loaded, rolled, settings, checks_ratio=False)

    # Half the mean of 0, 0.0953, 0.2624, 0.1625 and 0.2877 squared; 1.3 and 0.75 are outside.
    assert step["policy/approxkl"] == pytest.approx(0.018709, rel=1e-3)
    assert step["policy/clipfrac"] == pytest.approx(2 / 5)
    # Those of the second response were clipped on the way to their returns.
    assert step["value/clipfrac"] == pytest.approx(2 / 5)
