"""A plain K-wise loop: one padded row per response, all comparisons of a prompt in one loss.

python -m benchmarks.peers.kwise_reward BASE TASKS REPORT LEARNING_RATE
"""

import math
import random
import sys
from pathlib import Path

import torch
from torch.nn import functional
from transformers import AutoModelForSequenceClassification, PreTrainedModel

from benchmarks.peers.held_out import Task, read_tasks, reward_accuracy, score_rows
from benchmarks.peers.meter import Stopwatch, peak_mib, write_report


def kwise_loss(model: PreTrainedModel, task: Task) -> torch.Tensor:
    """Return the mean over the comparisons of one prompt."""
    scores = score_rows(model, [task["prompt"] + response for response in task["responses"]])
    ranks = torch.tensor(task["ranks"])
    is_better = ranks[:, None] < ranks[None, :]
    return -functional.logsigmoid(scores[:, None] - scores[None, :])[is_better].mean()


def main(base: str, tasks: str, report: str, learning_rate: str) -> None:
    """Train one epoch, one prompt per step."""
    torch.set_num_threads(1)
    torch.manual_seed(0)
    model = AutoModelForSequenceClassification.from_pretrained(base, num_labels=1)
    torch.nn.init.normal_(model.score.weight, std=(model.config.hidden_size + 1) ** -0.5)
    train = read_tasks(Path(tasks), "train")
    optimizer = torch.optim.AdamW(
        model.parameters(), lr=float(learning_rate), betas=(0.9, 0.95), weight_decay=0.0, fused=True
    )
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimizer, lambda step: 0.55 + 0.45 * math.cos(math.pi * min(1, step / len(train)))
    )
    kwise_loss(model, train[0]).backward()  # warm up
    optimizer.zero_grad()

    watch = Stopwatch()
    watch.start()
    for task in random.Random(0).sample(train, len(train)):
        kwise_loss(model, task).backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        optimizer.zero_grad()
    watch.lap()
    peak = peak_mib()

    accuracy = reward_accuracy(model, read_tasks(Path(tasks), "held_out"))
    write_report(Path(report), watch, peak_mib=peak, steps=len(train), held_out_accuracy=accuracy)


if __name__ == "__main__":
    main(*sys.argv[1:])
