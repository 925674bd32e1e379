"""TRL's RewardTrainer on the expanded pairs; runs in the environment `trl`.

python -m benchmarks.peers.trl_reward BASE TASKS REPORT LEARNING_RATE {float32,shipped}

`shipped` leaves TRL's own defaults: bf16 autocast and gradient checkpointing.
"""

import sys
import tempfile
from pathlib import Path

import torch
from datasets import Dataset
from transformers import AutoModelForSequenceClassification, AutoTokenizer
from trl import RewardConfig, RewardTrainer

from benchmarks.peers.held_out import read_tasks, reward_accuracy, score_rows
from benchmarks.peers.meter import Stopwatch, peak_mib, write_report
from benchmarks.peers.trl_pairs import StopAtTrainEnd, pairs_of, same_training


def main(base: str, tasks: str, report: str, learning_rate: str, precision: str) -> None:
    """Train one epoch; a step holds as many pairs as one prompt gives."""
    torch.set_num_threads(1)
    torch.manual_seed(0)
    model = AutoModelForSequenceClassification.from_pretrained(base, num_labels=1)
    torch.nn.init.normal_(model.score.weight, std=(model.config.hidden_size + 1) ** -0.5)
    train = read_tasks(Path(tasks), "train")
    rows = [
        {
            "chosen_ids": task["prompt"] + task["responses"][chosen],
            "rejected_ids": task["prompt"] + task["responses"][rejected],
        }
        for task in train
        for chosen, rejected in pairs_of(task)
    ]
    in_float32 = {"bf16": False, "gradient_checkpointing": False}
    watch = Stopwatch()
    with tempfile.TemporaryDirectory() as folder:
        arguments = same_training(
            Path(folder),
            pairs_per_step=len(pairs_of(train[0])),
            learning_rate=float(learning_rate),
        )
        trainer = RewardTrainer(
            model=model,
            args=RewardConfig(**arguments, **(in_float32 if precision == "float32" else {})),
            train_dataset=Dataset.from_list(rows),
            processing_class=AutoTokenizer.from_pretrained(base),
            callbacks=[StopAtTrainEnd(watch)],
        )
        score_rows(model, [rows[0]["chosen_ids"]]).sum().backward()  # warm up
        model.zero_grad()
        trainer.train()
    peak = peak_mib()

    accuracy = reward_accuracy(model, read_tasks(Path(tasks), "held_out"))
    write_report(
        Path(report),
        watch,
        peak_mib=peak,
        steps=trainer.state.global_step,
        held_out_accuracy=accuracy,
    )


if __name__ == "__main__":
    main(*sys.argv[1:])
