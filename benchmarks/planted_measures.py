"""What is measured in the planted experiment: hidden score, KL, and what the reward model picks."""

import math
from collections.abc import Sequence
from pathlib import Path
from statistics import fmean

import torch
from transformers import PreTrainedModel

from benchmarks.planted_language import Language
from benchmarks.planted_picture import Point
from benchmarks.planted_runs import MAX_TOKENS, Answers, messages_of, sample
from trainer import data, forward, models
from trainer.shared_prompt import Tree, pack

BEST_OF = (1, 2, 4, 8, 16, 32)


def best_of_n(language: Language, pool: Answers, reward_model: Path) -> list[Point]:
    """Take the reward model's favourite of the first n; the KL is log n - (n - 1) / n."""
    scores = _reward_scores(pool, reward_model)
    points = []
    for n in BEST_OF:
        picked = [
            language.quality(topic, texts[max(range(n), key=lambda at, row=row: row[at])])
            for (topic, texts), row in zip(pool, scores, strict=True)
        ]
        points.append(Point("best of n", str(n), math.log(n) - (n - 1) / n, fmean(picked)))
    return points


def measure(
    folder: Path,
    language: Language,
    policy: Path,
    sft: Path,
    topics: Sequence[int],
    kind: str,
    label: str,
) -> Point:
    """Sample a policy: its mean hidden score, and its KL to the SFT model in nats per response."""
    answers = sample(folder, policy, topics, 4, seed=5)
    score = fmean(language.quality(topic, text) for topic, texts in answers for text in texts)
    logprobs = [_logprobs(_load(place), answers, place) for place in (policy, sft)]
    kl = fmean(ours - theirs for ours, theirs in zip(*logprobs, strict=True))
    return Point(kind, label, kl, score)


def _load(folder: Path) -> PreTrainedModel:
    return models.load_policy(folder, seed=0)


@torch.no_grad()
def _logprobs(policy: PreTrainedModel, answers: Answers, folder: Path) -> list[float]:
    found: list[float] = []
    for tree in _trees(answers, folder):
        packed = pack(policy, [tree])
        logprobs = forward.response_logprobs(policy, packed)
        found += [float(own.sum()) for own in torch.split(logprobs, list(packed.lengths))]
    return found


@torch.no_grad()
def _reward_scores(pool: Answers, folder: Path) -> list[list[float]]:
    model = models.load_reward_model(folder, seed=0)
    return [forward.scores(model, pack(model, [tree])).tolist() for tree in _trees(pool, folder)]


def _trees(answers: Answers, folder: Path) -> list[Tree]:
    tokenizer = models.load_tokenizer(folder)
    trees = []
    for topic, texts in answers:
        examples = data.encode_examples(
            tokenizer, [messages_of(topic)] * len(texts), texts, max_tokens=MAX_TOKENS
        )
        (prompt,) = {example.tokens[: example.prompt_length] for example in examples}
        responses = tuple(example.tokens[example.prompt_length :] for example in examples)
        trees.append(Tree(prompt, responses))
    return trees
