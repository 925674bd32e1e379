"""TRL's DPOTrainer on the expanded pairs; runs in the environment `trl`.

python -m benchmarks.peers.trl_dpo BASE TASKS REPORT LEARNING_RATE {each_step,precomputed} \
    {mixed,by_prompt}

`each_step` computes the reference's log-probabilities beside the policy's, TRL's default;
`precomputed` computes them once for all pairs before the first step. Both times count. `mixed` is
TRL's own order of pairs; `by_prompt` takes one prompt after the other, all its pairs in one step.
"""

import sys
import tempfile
from pathlib import Path
from typing import Any

import torch
from datasets import Dataset
from transformers import AutoModelForCausalLM, AutoTokenizer
from trl import DPOConfig, DPOTrainer

from benchmarks.peers.held_out import Task, dpo_accuracy, read_tasks, response_logprobs
from benchmarks.peers.meter import Stopwatch, peak_mib, write_report
from benchmarks.peers.trl_pairs import StopAtTrainEnd, pairs_of, same_training

BETA = 0.1


class TimedDPOTrainer(DPOTrainer):
    """Counts the log-probabilities of the reference that the constructor computes, not its rest."""

    reference_watch = Stopwatch()

    def _precompute_ref_logps(self, *arguments: Any, **named: Any) -> Any:  # noqa: ANN401
        self.reference_watch.start()
        found = super()._precompute_ref_logps(*arguments, **named)
        self.reference_watch.lap()
        return found


def rows_of(tasks: list[Task], tokenizer: Any) -> Dataset:  # noqa: ANN401 - any tokenizer
    """Return the pairs as text, which the trainer tokenizes before the time is taken."""
    rows = []
    for task in tasks:
        prompt = tokenizer.decode(task["prompt"])
        texts = [" " + tokenizer.decode(response[:-1]) + " " for response in task["responses"]]
        rows += [
            {"prompt": prompt, "chosen": texts[chosen], "rejected": texts[rejected]}
            for chosen, rejected in pairs_of(task)
        ]
    return Dataset.from_list(rows)


def main(
    base: str, tasks: str, report: str, learning_rate: str, reference: str, order: str
) -> None:
    """Train one epoch; a step holds as many pairs as one prompt gives."""
    torch.set_num_threads(1)
    torch.manual_seed(0)
    policy = AutoModelForCausalLM.from_pretrained(base)
    tokenizer = AutoTokenizer.from_pretrained(base)
    train = read_tasks(Path(tasks), "train")
    watch = Stopwatch()
    response_logprobs(policy, train[0]).sum().backward()  # warm up
    policy.zero_grad()
    with tempfile.TemporaryDirectory() as folder:
        arguments = same_training(
            Path(folder),
            pairs_per_step=len(pairs_of(train[0])),
            learning_rate=float(learning_rate),
        )
        trainer = TimedDPOTrainer(
            model=policy,
            ref_model=AutoModelForCausalLM.from_pretrained(base),
            args=DPOConfig(
                **arguments,
                beta=BETA,
                bf16=False,
                gradient_checkpointing=False,
                precompute_ref_log_probs=reference == "precomputed",
                train_sampling_strategy="random" if order == "mixed" else "sequential",
            ),
            train_dataset=rows_of(train, tokenizer),
            processing_class=tokenizer,
            callbacks=[StopAtTrainEnd(watch)],
        )
        trainer.train()
    peak = peak_mib()
    watch.seconds += TimedDPOTrainer.reference_watch.seconds

    original = AutoModelForCausalLM.from_pretrained(base)
    accuracy = dpo_accuracy(policy, original, read_tasks(Path(tasks), "held_out"))
    write_report(
        Path(report),
        watch,
        peak_mib=peak,
        steps=trainer.state.global_step,
        held_out_accuracy=accuracy,
    )


if __name__ == "__main__":
    main(*sys.argv[1:])
