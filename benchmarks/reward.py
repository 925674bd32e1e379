"""One epoch of reward-model training on rankings: Podium, a plain K-wise loop, and TRL on pairs.

    python -m benchmarks.reward [--quick]

Same random model, same rankings, same optimizer steps (one prompt with all its comparisons each),
same schedule and Adam, float32 on one thread. `limit` is how many times fewer tokens Podium
forwards than TRL, padding not counted. The figures are processor seconds of the training alone.
Writes `benchmarks/results/reward.json`.
"""

import argparse
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks import rankings_data as made_up
from benchmarks import side_by_side
from benchmarks.peers.environment import python_of
from benchmarks.rankings_data import RankedTask, Shape
from benchmarks.side_by_side import Arm
from benchmarks.stage import describe_machine, write_report

LEARNING_RATE = 5e-4
HELD_OUT_PROMPTS, WARM_UP_PROMPTS = 50, 2


@dataclass(frozen=True)
class Plan:
    """One cell: lengths, how many prompts fit the time, and whether TRL's defaults run as well."""

    shape: Shape
    prompts: int
    with_shipped: bool = False


RAGGED = Plan(Shape(128, 64, 9, is_ragged=True), 12)
# A prompt costs TRL between half a second (K = 4) and 16 (K = 9, 512/128): the peer sets the sizes.
FULL = [
    Plan(Shape(128, 64, 9), 60, with_shipped=True),
    Plan(Shape(512, 128, 9), 5),
    Plan(Shape(64, 128, 9), 12),
    Plan(Shape(128, 64, 6), 24),
    Plan(Shape(512, 128, 6), 8),
    Plan(Shape(64, 128, 6), 24),
    Plan(Shape(128, 64, 4), 48),
    Plan(Shape(512, 128, 4), 12),
    Plan(Shape(64, 128, 4), 48),
    RAGGED,
]
QUICK = [Plan(Shape(128, 64, 9), 30), Plan(Shape(128, 64, 9, is_ragged=True), 8)]


def spec_of(base: Path) -> dict[str, object]:
    """Return the run's settings: a step is one prompt with all its comparisons."""
    settings = {
        "epochs": 1,
        "learning_rate": LEARNING_RATE,
        "batch_size": 1,
        "max_tokens": 4096,
        "precision": "float32",
    }
    return {"kind": "reward", "version": 1, "base_model": str(base), "settings": settings}


def measure(plan: Plan, base: Path, folder: Path) -> dict[str, Any]:
    """Run all arms of one cell."""
    shape = plan.shape
    folder.mkdir()
    train = made_up.make_tasks(shape, prompts=plan.prompts, seed=1)
    held_out = made_up.make_tasks(shape, prompts=HELD_OUT_PROMPTS, seed=2)
    tasks = folder / "tasks.json"
    made_up.save_tasks(tasks, train=train, held_out=held_out)

    def make_runs(warm_up: Path, run_dir: Path) -> None:
        rows = made_up.ranking_rows
        made_up.make_run(warm_up, spec_of(base), rankings=rows(train[:WARM_UP_PROMPTS]))
        made_up.make_run(run_dir, spec_of(base), rankings=rows(train))

    def make_ours(attempt: int) -> Arm:
        return side_by_side.podium_arm("reward", folder, attempt, make_runs, tasks, base)

    same = (str(base), str(tasks), "REPORT", str(LEARNING_RATE))
    trl = python_of("trl")
    peers = {
        "kwise": Arm(side_by_side.THIS_PYTHON, "benchmarks.peers.kwise_reward", same),
        "trl": Arm(trl, "benchmarks.peers.trl_reward", (*same, "float32")),
    }
    if plan.with_shipped:
        peers["trl_as_shipped"] = Arm(trl, "benchmarks.peers.trl_reward", (*same, "shipped"))
    return describe(plan, train, side_by_side.bracketed(make_ours, peers, folder))


def describe(
    plan: Plan, train: list[RankedTask], reports: dict[str, list[side_by_side.Report]]
) -> dict[str, Any]:
    """Return one cell of the report."""
    shape = plan.shape
    limit = made_up.pairwise_tokens(train) / made_up.shared_tokens(train)
    to_trl = side_by_side.ratio(reports, "trl")
    cell = {
        "prompt_tokens": shape.prompt_tokens,
        "response_tokens": shape.response_tokens,
        "k": shape.k,
        "lengths": "ragged" if shape.is_ragged else "even",
        "prompts": plan.prompts,
        "ratio_to_trl": to_trl,
        "ratio_to_kwise": side_by_side.ratio(reports, "kwise"),
        "limit": round(limit, 2),
        "share_of_limit": round(to_trl / limit, 3),
        "held_out_accuracy_ours": reports["ours"][0]["held_out_accuracy"],
        "held_out_accuracy_kwise": reports["kwise"][0]["held_out_accuracy"],
        "held_out_accuracy_trl": reports["trl"][0]["held_out_accuracy"],
        "peak_mib_ours": max(report["peak_mib"] for report in reports["ours"]),
        "peak_mib_kwise": reports["kwise"][0]["peak_mib"],
        "peak_mib_trl": reports["trl"][0]["peak_mib"],
        "processor_seconds": side_by_side.seconds_of(reports),
        "optimizer_steps": {arm: runs[0]["steps"] for arm, runs in reports.items()},
        "tokens": {
            "ours": made_up.shared_tokens(train),
            "kwise": made_up.kwise_tokens(train),
            "trl": made_up.pairwise_tokens(train),
        },
        "spread": {
            name: side_by_side.ratio_spread(reports, peer)
            for name, peer in (("ratio_to_trl", "trl"), ("ratio_to_kwise", "kwise"))
        },
    }
    if plan.with_shipped:
        shipped = reports["trl_as_shipped"][0]
        cell["ratio_to_trl_as_shipped"] = side_by_side.ratio(reports, "trl_as_shipped")
        cell["held_out_accuracy_trl_as_shipped"] = shipped["held_out_accuracy"]
        cell["peak_mib_trl_as_shipped"] = shipped["peak_mib"]
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
    write_report("reward", report)
    side_by_side.print_table(cells, TABLE)


TABLE = (
    "prompt_tokens",
    "response_tokens",
    "k",
    "lengths",
    "prompts",
    "ratio_to_trl",
    "ratio_to_kwise",
    "limit",
    "share_of_limit",
    "held_out_accuracy_ours",
    "held_out_accuracy_trl",
    "peak_mib_ours",
    "peak_mib_trl",
)


if __name__ == "__main__":
    main()
