"""Accuracy on held-out rankings, computed alike for every arm by a plain padded forward."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypedDict

import torch
from torch import Tensor

PAD = 1


class Task(TypedDict):
    """A prompt and its responses as tokens; 1 is the best rank."""

    prompt: list[int]
    responses: list[list[int]]
    ranks: list[int]


def read_tasks(path: Path, side: str) -> list[Task]:
    """Read one side, `train` or `held_out`, of the tasks."""
    tasks: list[Task] = json.loads(path.read_text())[side]
    return tasks


def pad_right(rows: Sequence[Sequence[int]]) -> tuple[Tensor, Tensor]:
    """Return token ids (b, t) padded on the right and their attention mask (b, t)."""
    width = max(map(len, rows))
    ids = torch.tensor([[*row, *[PAD] * (width - len(row))] for row in rows])
    lengths = torch.tensor([len(row) for row in rows])
    return ids, (torch.arange(width) < lengths[:, None]).long()


def score_rows(model: Any, rows: Sequence[Sequence[int]]) -> Tensor:  # noqa: ANN401 - any classifier
    """Return the reward of each row at its last token: (b,)."""
    ids, mask = pad_right(rows)
    hidden = model.base_model(input_ids=ids, attention_mask=mask, use_cache=False).last_hidden_state
    last = hidden[torch.arange(len(ids)), mask.sum(1) - 1]  # (b, d)
    scores: Tensor = model.score(last).squeeze(-1).float()
    return scores


def response_logprobs(model: Any, task: Task) -> Tensor:  # noqa: ANN401 - any language model
    """Return the summed log-probability of each response of a task: (k,)."""
    ids, mask = pad_right([task["prompt"] + response for response in task["responses"]])
    logits = model(input_ids=ids, attention_mask=mask, use_cache=False).logits[:, :-1]
    logprobs = logits.float().log_softmax(-1).gather(-1, ids[:, 1:, None]).squeeze(-1)
    is_response = mask[:, 1:].bool() & (torch.arange(ids.shape[1] - 1) >= len(task["prompt"]) - 1)
    return torch.where(is_response, logprobs, 0.0).sum(1)


@torch.no_grad()
def reward_accuracy(model: Any, tasks: Sequence[Task]) -> float:  # noqa: ANN401
    """Return the share of held-out comparisons that a reward model gets right."""
    model.eval()
    scores = [
        score_rows(model, [task["prompt"] + response for response in task["responses"]])
        for task in tasks
    ]
    return _accuracy(scores, tasks)


@torch.no_grad()
def dpo_accuracy(policy: Any, reference: Any, tasks: Sequence[Task]) -> float:  # noqa: ANN401
    """Return the share of held-out comparisons that DPO's implicit reward gets right."""
    policy.eval()
    reference.eval()
    rewards = [
        response_logprobs(policy, task) - response_logprobs(reference, task) for task in tasks
    ]
    return _accuracy(rewards, tasks)


def _accuracy(scores: Sequence[Tensor], tasks: Sequence[Task]) -> float:
    right = total = 0
    for found, task in zip(scores, tasks, strict=True):
        ranks = torch.tensor(task["ranks"])
        is_better = ranks[:, None] < ranks[None, :]
        right += int(((found[:, None] > found[None, :]) & is_better).sum())
        total += int(is_better.sum())
    return round(right / total, 4)
