"""Podium's arm: `python -m trainer KIND RUN_DIR` in this process, with a stopwatch on its loop.

python -m benchmarks.peers.podium KIND WARM_UP_RUN RUN_DIR REPORT [TASKS BASE]

The time runs from the first forward pass to the last line of `metrics.jsonl`: reading the data and
saving the model are not counted, as in the other arms, nor are texts sampled for people to read.
"""

import importlib
import sys
from pathlib import Path
from typing import Any

import torch
from torch.nn.modules.module import register_module_forward_pre_hook
from transformers import AutoModelForCausalLM, AutoModelForSequenceClassification

from benchmarks.peers.held_out import dpo_accuracy, read_tasks, reward_accuracy
from benchmarks.peers.meter import Stopwatch, peak_mib, write_report
from trainer import rundir
from trainer.__main__ import main as train

# When a model is loaded it is tried on a handful of tokens; training starts with more.
TRIED_TOKENS = 32
SAMPLED_FOR_PEOPLE = {"dpo": "sample_shown", "ppo": "sample_scored"}


def run(kind: str, run_dir: Path) -> tuple[Stopwatch, float, list[dict[str, Any]]]:
    """Do one run; return its time, its peak memory in MiB and its metrics."""
    watch, peaks = Stopwatch(), [0.0]
    append_metrics = rundir.append_metrics

    def start(_module: torch.nn.Module, arguments: tuple[object, ...]) -> None:
        tokens = arguments[0] if arguments else None
        are_ids = isinstance(tokens, torch.Tensor) and tokens.dtype == torch.int64
        if are_ids and tokens.numel() > TRIED_TOKENS:
            watch.start()
            first_forward.remove()

    def append_and_lap(*arguments: Any, **named: Any) -> None:  # noqa: ANN401 - passed on
        append_metrics(*arguments, **named)
        watch.lap()
        peaks.append(peak_mib())

    first_forward = register_module_forward_pre_hook(start)
    rundir.append_metrics = append_and_lap
    if kind in SAMPLED_FOR_PEOPLE:
        module = importlib.import_module(f"trainer.train_{kind}")
        name = SAMPLED_FOR_PEOPLE[kind]
        setattr(module, name, watch.paused(getattr(module, name)))
    try:
        code = train([kind, str(run_dir), "--detached"])
    finally:
        rundir.append_metrics = append_metrics
    if code != 0:
        sys.exit(f"the {kind} run in {run_dir} ended with code {code}")
    return watch, peaks[-1], rundir.read_metrics_from(run_dir, 0).rows


def accuracy_of(kind: str, folder: Path, tasks: Path, base: str) -> float:
    """Measure the saved model on the held-out tasks as the other arms are."""
    held_out = read_tasks(tasks, "held_out")
    if kind == "reward":
        model = AutoModelForSequenceClassification.from_pretrained(folder)
        return reward_accuracy(model, held_out)
    policy = AutoModelForCausalLM.from_pretrained(folder)
    return dpo_accuracy(policy, AutoModelForCausalLM.from_pretrained(base), held_out)


def main(
    kind: str, warm_up: str, run_dir: str, report: str, tasks: str = "", base: str = ""
) -> None:
    """Warm up on a run of its own, then measure."""
    torch.set_num_threads(1)
    run(kind, Path(warm_up))
    watch, peak, metrics = run(kind, Path(run_dir))
    seconds = {
        name: sum(row.get(name) or 0.0 for row in metrics)
        for name in metrics[-1]
        if name.startswith("seconds/")
    }
    folder = Path(run_dir) / rundir.MODEL_FOLDER
    accuracy = accuracy_of(kind, folder, Path(tasks), base) if tasks else None
    write_report(
        Path(report),
        watch,
        peak_mib=peak,
        steps=len(metrics),
        held_out_accuracy=accuracy,
        seconds=seconds,
    )


if __name__ == "__main__":
    main(*sys.argv[1:])
