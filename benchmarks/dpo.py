"""One epoch of DPO on rankings of nine responses: Podium against TRL on the expanded pairs.

    python -m benchmarks.dpo [--quick]

Same random model, same rankings, as many optimizer steps of 36 comparisons each, same schedule and
Adam, float32 on one thread. TRL runs as it is by default, with the reference model beside the
policy at every step, and with the reference's log-probabilities computed once before; that time
counts, as it does for Podium. TRL mixes the pairs of all prompts in a step; with even lengths it
also runs with the pairs of one prompt in each, as Podium does, so that the held-out accuracies of
the same steps stand side by side. The figures are processor seconds.
Writes `benchmarks/results/dpo.json`.
"""

import argparse
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks import rankings_data as made_up
from benchmarks import side_by_side
from benchmarks.peers.environment import python_of
from benchmarks.rankings_data import Shape
from benchmarks.side_by_side import Arm
from benchmarks.stage import describe_machine, write_report

LEARNING_RATE = 5e-4
HELD_OUT_PROMPTS, WARM_UP_PROMPTS = 50, 2


@dataclass(frozen=True)
class Plan:
    """One cell: lengths, and how many prompts fit the time."""

    shape: Shape
    prompts: int


EVEN, RAGGED = Shape(128, 64, 9), Shape(128, 64, 9, is_ragged=True)
FULL = [Plan(EVEN, 24), Plan(RAGGED, 8)]
QUICK = [Plan(EVEN, 10), Plan(RAGGED, 4)]


def spec_of(base: Path) -> dict[str, object]:
    """Return the run's settings: a step is one prompt with all its comparisons."""
    settings = {
        "beta": 0.1,
        "epochs": 1,
        "learning_rate": LEARNING_RATE,
        "batch_size": 1,
        "max_tokens": 4096,
        "precision": "float32",
    }
    return {"kind": "dpo", "version": 1, "base_model": str(base), "settings": settings}


def measure(plan: Plan, base: Path, folder: Path) -> dict[str, Any]:
    """Run all arms of one cell."""
    folder.mkdir()
    train = made_up.make_tasks(plan.shape, prompts=plan.prompts, seed=1)
    held_out = made_up.make_tasks(plan.shape, prompts=HELD_OUT_PROMPTS, seed=2)
    tasks = folder / "tasks.json"
    made_up.save_tasks(tasks, train=train, held_out=held_out)

    def make_runs(warm_up: Path, run_dir: Path) -> None:
        rows = made_up.ranking_rows
        made_up.make_run(warm_up, spec_of(base), rankings=rows(train[:WARM_UP_PROMPTS]))
        made_up.make_run(run_dir, spec_of(base), rankings=rows(train))

    def make_ours(attempt: int) -> Arm:
        return side_by_side.podium_arm("dpo", folder, attempt, make_runs, tasks, base)

    def make_trl(reference: str, order: str) -> Arm:
        arguments = (str(base), str(tasks), "REPORT", str(LEARNING_RATE), reference, order)
        return Arm(python_of("trl"), "benchmarks.peers.trl_dpo", arguments)

    peers = {
        "trl_each_step": make_trl("each_step", "mixed"),
        "trl_precomputed": make_trl("precomputed", "mixed"),
    }
    if not plan.shape.is_ragged:
        peers["trl_by_prompt"] = make_trl("precomputed", "by_prompt")
    reports = side_by_side.bracketed(make_ours, peers, folder)
    cell: dict[str, Any] = {
        "prompt_tokens": plan.shape.prompt_tokens,
        "response_tokens": plan.shape.response_tokens,
        "k": plan.shape.k,
        "lengths": "ragged" if plan.shape.is_ragged else "even",
        "prompts": plan.prompts,
        "limit": round(made_up.pairwise_tokens(train) / made_up.shared_tokens(train), 2),
        "processor_seconds": side_by_side.seconds_of(reports),
        "optimizer_steps": {arm: runs[0]["steps"] for arm, runs in reports.items()},
        "held_out_accuracy_ours": reports["ours"][0]["held_out_accuracy"],
        "peak_mib_ours": max(report["peak_mib"] for report in reports["ours"]),
        "spread": {},
    }
    for peer in peers:
        cell[f"ratio_to_{peer}"] = side_by_side.ratio(reports, peer)
        cell[f"held_out_accuracy_{peer}"] = reports[peer][0]["held_out_accuracy"]
        cell[f"peak_mib_{peer}"] = reports[peer][0]["peak_mib"]
        cell["spread"][f"ratio_to_{peer}"] = side_by_side.ratio_spread(reports, peer)
    return cell


def main() -> None:
    """Read the arguments, measure, write the report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="at most ten minutes")
    quick = parser.parse_args().quick
    python_of("trl")
    machine, cells = describe_machine(), []
    with side_by_side.work_folder() as folder:
        made_up.save_base(folder / "base")
        for number, plan in enumerate(QUICK if quick else FULL):
            print(f"{plan.shape}, {plan.prompts} prompts", flush=True)
            cells.append(measure(plan, folder / "base", folder / f"cell-{number}"))
    report = {
        "machine": machine,
        "quick": quick,
        "versions": side_by_side.describe_versions("trl"),
        "spread": side_by_side.SPREAD,
        "held_out_prompts": HELD_OUT_PROMPTS,
        "cells": cells,
    }
    write_report("dpo", report)
    side_by_side.print_table(cells, TABLE)


TABLE = (
    "prompt_tokens",
    "response_tokens",
    "k",
    "lengths",
    "prompts",
    "ratio_to_trl_each_step",
    "ratio_to_trl_precomputed",
    "limit",
    "held_out_accuracy_ours",
    "held_out_accuracy_trl_each_step",
    "held_out_accuracy_trl_by_prompt",
    "peak_mib_ours",
    "peak_mib_trl_each_step",
    "peak_mib_trl_precomputed",
)


if __name__ == "__main__":
    main()
