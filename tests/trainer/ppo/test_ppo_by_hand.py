"""One iteration of PPO against the formulas of the papers, one unpadded sequence at a time.

Nothing here is shared with the trainer but the models, the sampled episodes and their order.
"""

import copy

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoModelForSequenceClassification

from tests.trainer.ppo.conftest import BIAS, EOS, assess, roll_out, settings_with, update
from trainer.data import Example
from trainer.ppo.update import Trainee, minibatches


def copied(model, kind):
    """The same weights with the attention that transformers has for everything."""
    plain = kind.from_config(copy.deepcopy(model.config), attn_implementation="eager").eval()
    plain.load_state_dict(model.state_dict())
    return plain


def shift(model, scale, seed):
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(scale * torch.randn(parameter.shape, generator=generator))


def logprobs_of(model, tokens, start, temperature=1.0):
    logprobs = torch.log_softmax(model(torch.tensor([tokens])).logits[0] / temperature, -1)
    return torch.stack([logprobs[at - 1, tokens[at]] for at in range(start, len(tokens))])


def head_of(model, example):
    """The reward head at every token but those before the last of the prompt, minus the bias."""
    hidden = model.base_model(torch.tensor([example.tokens])).last_hidden_state[0]
    return model.score(hidden)[example.prompt_length - 1 :, 0] - BIAS


def gae(rewards, values, gamma, lam):
    after = [*values[1:], 0.0]
    errors = [r + gamma * n - v for r, n, v in zip(rewards, after, values, strict=True)]
    count = len(errors)
    return torch.tensor(
        [
            sum((gamma * lam) ** (later - at) * errors[later] for later in range(at, count))
            for at in range(count)
        ]
    )


def standardized(parts, *, keeps_mean=False):
    flat = torch.cat(parts)
    mean, deviation = flat.mean(), flat.var(unbiased=False).sqrt()
    return [(part - mean) / deviation + (mean if keeps_mean else 0) for part in parts]


def clip_gradient(parameters, norm):
    """Scale a gradient down to this norm and return the one that it had."""
    gradients = [one.grad for one in parameters if one.grad is not None]
    found = sum(gradient.square().sum() for gradient in gradients).sqrt()
    for gradient in gradients:
        gradient.mul_(min(1.0, norm / found))
    return float(found)


@torch.no_grad()
def read(models, examples, settings):
    """Old log-probabilities, old values, advantages and returns of each episode."""
    policy, reference, value, reward = models
    old, values, rewards = [], [], []
    for one in examples:
        ours, theirs = (
            logprobs_of(model, one.tokens, one.prompt_length, settings.temperature)
            for model in (policy, reference)
        )
        earned = settings.kl_coefficient * (theirs - ours)
        earned[-1] += head_of(reward, one)[-1]
        earned[-1] -= settings.missing_eos_penalty * (one.tokens[-1] != EOS)
        old.append(ours)
        values.append(head_of(value, one)[:-1])
        rewards.append(earned)
    if settings.whiten_rewards:
        rewards = standardized(rewards, keeps_mean=True)
    advantages = [
        gae(r.tolist(), v.tolist(), settings.gamma, settings.gae_lambda)
        for r, v in zip(rewards, values, strict=True)
    ]
    returns = [a + v for a, v in zip(advantages, values, strict=True)]
    return old, values, standardized(advantages), returns


def step_by_hand(models, examples, numbers, rows, texts, settings):
    """Add the gradients of both losses and of the mix, means over their tokens."""
    policy, _, value, _ = models
    old, values, advantages, returns = numbers
    tokens = sum(len(old[row]) for row in rows)
    for row in rows:
        one = examples[row]
        ours = logprobs_of(policy, one.tokens, one.prompt_length, settings.temperature)
        ratio = (ours - old[row]).exp()
        kept = ratio.clip(1 - settings.clip, 1 + settings.clip)
        gain = torch.minimum(ratio * advantages[row], kept * advantages[row])
        (-gain.sum() / tokens).backward()
        now = head_of(value, one)[:-1]
        near = now.clip(values[row] - settings.value_clip, values[row] + settings.value_clip)
        errors = torch.maximum((now - returns[row]) ** 2, (near - returns[row]) ** 2)
        (errors.sum() / 2 / tokens).backward()
    targets = sum(len(text.tokens) - 1 for text in texts)
    for text in texts:
        loss = -logprobs_of(policy, text.tokens, 1).sum() / targets
        (settings.ptx_coefficient * loss).backward()


@pytest.mark.parametrize(
    "changes",
    [
        {"temperature": 0.7, "whiten_rewards": True, "gamma": 0.97, "gae_lambda": 0.9},
        {"temperature": 1.3, "whiten_rewards": False, "gamma": 1.0, "gae_lambda": 0.95},
    ],
    ids=["scaled rewards", "as in the paper"],
)
def test_an_iteration_is_that_of_the_papers_formulas(load, tokenizer, texts, changes):
    """P3, P5 to P15, P18 and P19 together: the weights after two optimizer steps."""
    settings = settings_with(
        kl_coefficient=0.3,
        missing_eos_penalty=0.5,
        value_learning_rate=3e-3,
        learning_rate=3e-3,
        max_gradient_norm=0.5,
        ptx_coefficient=1.7,
        ptx_texts_per_episode=0.5,
        ema_decay=0.9,
        clip=0.05,
        value_clip=0.01,
        **changes,
    )
    loaded = load(settings)
    shift(loaded.policy, 0.1, seed=1)
    shift(loaded.value, 0.05, seed=2)
    sampled = roll_out(loaded, tokenizer, settings).examples
    examples = [
        Example((*one.tokens[: one.prompt_length + 2 + row], EOS), one.prompt_length)
        if row % 2
        else one
        for row, one in enumerate(sampled)
    ]
    names, kinds = (
        ("policy", "reference", "value", "reward"),
        (
            AutoModelForCausalLM,
            AutoModelForSequenceClassification,
        ),
    )
    plain = [copied(getattr(loaded, name), kinds[at // 2]) for at, name in enumerate(names)]
    average = {name: one.detach().clone() for name, one in plain[0].named_parameters()}
    trainee = Trainee.of(loaded, settings)

    rolled = assess(loaded, examples, settings)
    steps = update(loaded, rolled, settings, trainee=trainee, texts=texts)

    numbers = read(plain, examples, settings)
    optimizers = [
        torch.optim.Adam(plain[at].parameters(), lr=3e-3, betas=(0.9, 0.95), eps=1e-5)
        for at in (0, 2)
    ]
    used, norms = 0, []
    for rows in minibatches(len(examples), settings, 0):
        due = len(rows) // 2
        step_by_hand(plain, examples, numbers, rows, texts.between(used, used + due), settings)
        used += due
        for model, optimizer in ((plain[0], optimizers[0]), (plain[2], optimizers[1])):
            norms.append(clip_gradient(list(model.parameters()), 0.5))
            optimizer.step()
            optimizer.zero_grad()
        for name, one in plain[0].named_parameters():
            average[name] = 0.9 * average[name] + 0.1 * one.detach()

    assert steps[-1]["policy/clipfrac"] > 0.1
    assert [step["gradient/value"] for step in steps] == pytest.approx(norms[1::2], rel=1e-4)
    is_response = rolled.is_response_token
    for found, wanted in zip(
        (rolled.logprobs, rolled.values, rolled.advantages, rolled.returns), numbers, strict=True
    ):
        assert torch.allclose(found[is_response], torch.cat(wanted), atol=1e-5)
    for ours, theirs in ((loaded.policy, plain[0]), (loaded.value, plain[2])):
        for one, other in zip(ours.parameters(), theirs.parameters(), strict=True):
            assert torch.allclose(one, other, atol=2e-5)
    for name, wanted in average.items():
        assert torch.allclose(trainee.average[name], wanted, atol=2e-5)
