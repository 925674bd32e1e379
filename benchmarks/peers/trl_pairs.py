"""Rankings expanded into the pairs that pairwise trainers take, and what TRL's arms share."""

from pathlib import Path
from typing import Any

from transformers import TrainerCallback

from benchmarks.peers.held_out import Task
from benchmarks.peers.meter import Stopwatch


def pairs_of(task: Task) -> list[tuple[int, int]]:
    """Return the places (chosen, rejected) of every strict comparison."""
    places = range(len(task["ranks"]))
    return [
        (chosen, rejected)
        for chosen in places
        for rejected in places
        if task["ranks"][chosen] < task["ranks"][rejected]
    ]


class StopAtTrainEnd(TrainerCallback):
    """Takes the time from the first step's beginning to the last one's end."""

    def __init__(self, watch: Stopwatch) -> None:
        self.watch = watch

    def on_train_begin(self, *_: Any, **__: Any) -> None:  # noqa: ANN401 - the trainer's state
        """Start."""
        self.watch.start()

    def on_step_end(self, *_: Any, **__: Any) -> None:  # noqa: ANN401 - the trainer's state
        """Note the time so far."""
        self.watch.lap()


def same_training(folder: Path, *, pairs_per_step: int, learning_rate: float) -> dict[str, Any]:
    """Return the arguments that make TRL's steps, schedule and Adam those of the other arms."""
    return {
        "output_dir": str(folder),
        "per_device_train_batch_size": pairs_per_step,
        "num_train_epochs": 1,
        "learning_rate": learning_rate,
        "lr_scheduler_type": "cosine_with_min_lr",
        "lr_scheduler_kwargs": {"min_lr_rate": 0.1},
        "adam_beta2": 0.95,
        "weight_decay": 0.0,
        "max_grad_norm": 1.0,
        "max_length": None,
        "use_cpu": True,
        "report_to": "none",
        "save_strategy": "no",
        "logging_strategy": "no",
        "disable_tqdm": True,
        "dataloader_pin_memory": False,
        "seed": 0,
    }
