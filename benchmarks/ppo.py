"""Seconds per episode of PPO: Podium against TRL 1.12.0, the last TRL that had PPO.

    python -m benchmarks.ppo [--quick]

Same four random models (policy, reference, reward, value), same prompts, same batch, minibatches
and inner epochs, float32 on one thread; the figures are processor seconds of the loop alone. `even`
has prompts of one length and responses of full length, where both sides forward as many tokens; in
`ragged` both vary, the responses because the policy has learnt to stop; another cell has prompts
as long as InstructGPT's. Cells with eight responses per prompt give both sides each prompt eight
times, which TRL computes each time. TRL has no pretraining mix: that cell shows what it adds.
Writes `benchmarks/results/ppo.json`.
"""

import argparse
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks import rankings_data as made_up
from benchmarks import side_by_side
from benchmarks.peers.environment import python_of
from benchmarks.rankings_data import Shape
from benchmarks.side_by_side import Arm
from benchmarks.stage import describe_machine, write_report

BATCH, MINIBATCH, INNER_EPOCHS = 32, 8, 4
LIKE_TRL = {
    "batch_size": BATCH,
    "minibatch_size": MINIBATCH,
    "inner_epochs": INNER_EPOCHS,
    "learning_rate": 3e-6,
    "kl_coefficient": 0.05,
    "clip": 0.2,
    "value_clip": 0.2,
    "gamma": 1.0,
    "gae_lambda": 0.95,
    "temperature": 1.0,
    "missing_eos_penalty": 1.0,
}
PRETRAINING_TOKENS, PRETRAINING_TEXTS = 192, 64


@dataclass(frozen=True)
class Plan:
    """One cell.

    Attributes:
        shape: lengths of prompts and responses.
        steps: iterations.
        responses_per_prompt: episodes of an iteration with the same prompt.
        has_paper_prompts: True when the prompts are as long as InstructGPT's instead.
        with_pretraining: True when the pretraining mix is on, then without TRL.
    """

    shape: Shape
    steps: int
    responses_per_prompt: int = 1
    has_paper_prompts: bool = False
    with_pretraining: bool = False

    @property
    def longest_response(self) -> int:
        """The limit of `max_new_tokens`."""
        return self.shape.response_tokens * (4 if self.shape.is_ragged else 1)

    @property
    def prompts(self) -> int:
        """How many prompts there are episodes for."""
        return BATCH * self.steps // self.responses_per_prompt


EVEN, RAGGED = Shape(128, 64, 1), Shape(128, 64, 1, is_ragged=True)
PAPER = Plan(RAGGED, 2, has_paper_prompts=True)
SHARED = [Plan(EVEN, 3, responses_per_prompt=8), Plan(RAGGED, 3, responses_per_prompt=8)]
FULL = [Plan(EVEN, 3), Plan(RAGGED, 3), PAPER, *SHARED, Plan(EVEN, 3, with_pretraining=True)]
QUICK = [Plan(EVEN, 1), Plan(RAGGED, 1, has_paper_prompts=True)]


def settings_of(plan: Plan, *, steps: int) -> dict[str, object]:
    """Return the run's settings; nothing but the loop is to be in the time."""
    return {
        **LIKE_TRL,
        "steps": steps,
        "responses_per_prompt": plan.responses_per_prompt,
        "max_new_tokens": plan.longest_response,
        "max_tokens": 4096,
        "evaluate_every": 1000,
        "precision": "float32",
        "ptx_coefficient": 1.0 if plan.with_pretraining else 0.0,
    }


def measure(plan: Plan, models: Path, folder: Path) -> dict[str, Any]:
    """Run all arms of one cell."""
    folder.mkdir()
    base = models / ("stops" if plan.shape.is_ragged else "base")
    prompts = (
        made_up.make_prompts_like_the_paper(prompts=plan.prompts, seed=1)
        if plan.has_paper_prompts
        else made_up.make_prompts(plan.shape, prompts=plan.prompts, seed=1)
    )
    texts = made_up.make_prompts(
        Shape(PRETRAINING_TOKENS, 0, 0),
        prompts=PRETRAINING_TEXTS if plan.with_pretraining else 0,
        seed=2,
    )
    of_episodes = [prompt for prompt in prompts for _ in range(plan.responses_per_prompt)]
    (folder / "prompts.json").write_text(json.dumps(of_episodes))

    def make_run(run_dir: Path, steps: int) -> None:
        spec = {
            "kind": "ppo",
            "version": 1,
            "base_model": str(base),
            "reward_model": str(models / "reward"),
            "settings": settings_of(plan, steps=steps),
            **({"pretraining": "pretraining.jsonl"} if texts else {}),
        }
        made_up.make_run(
            run_dir,
            spec,
            prompts=made_up.prompt_rows(prompts),
            pretraining=({"text": made_up.text_of(text)} for text in texts),
        )

    def make_runs(warm_up: Path, run_dir: Path) -> None:
        make_run(warm_up, 1)
        make_run(run_dir, plan.steps)

    def make_ours(attempt: int) -> Arm:
        return side_by_side.podium_arm("ppo", folder, attempt, make_runs)

    places = [base, models / "reward", folder / "prompts.json"]
    settings = json.dumps(settings_of(plan, steps=plan.steps))
    trl = Arm(
        python_of("trl_ppo"),
        "benchmarks.peers.trl_ppo",
        [*map(str, places), "REPORT", settings],
    )
    peers = {} if plan.with_pretraining else {"trl": trl}
    return describe(plan, side_by_side.bracketed(make_ours, peers, folder))


def describe(plan: Plan, reports: dict[str, list[side_by_side.Report]]) -> dict[str, Any]:
    """Return one cell of the report."""
    episodes = BATCH * plan.steps
    parts = [_processor_seconds_of_parts(report) for report in reports["ours"]]
    per_episode = {
        arm: [round(report["processor_seconds"] / episodes, 4) for report in runs]
        for arm, runs in reports.items()
    }
    cell: dict[str, Any] = {
        "prompt_tokens": 166 if plan.has_paper_prompts else plan.shape.prompt_tokens,
        "response_tokens": plan.shape.response_tokens,
        "lengths": _name_of(plan),
        "responses_per_prompt": plan.responses_per_prompt,
        "pretraining": plan.with_pretraining,
        "episodes": episodes,
        "batch": BATCH,
        "minibatch": MINIBATCH,
        "inner_epochs": INNER_EPOCHS,
        "seconds_per_episode": per_episode,
        "breakdown_ours": {
            name.removeprefix("seconds/"): round(
                sum(part[name] for part in parts) / len(parts) / episodes, 4
            )
            for name in parts[0]
        },
        "peak_mib_ours": max(report["peak_mib"] for report in reports["ours"]),
    }
    if "trl" in reports:
        trl = reports["trl"][0]
        cell["ratio_to_trl"] = side_by_side.ratio(reports, "trl")
        cell["spread"] = {"ratio_to_trl": side_by_side.ratio_spread(reports, "trl")}
        cell["rollout_seconds_trl"] = round(trl["seconds"]["seconds/rollout"] / episodes, 4)
        cell["peak_mib_trl"] = trl["peak_mib"]
    return cell


def _processor_seconds_of_parts(report: side_by_side.Report) -> dict[str, float]:
    # The run tells the parts by the clock, which other work on the machine stretches.
    share = report["processor_seconds"] / report["wall_seconds"]
    return {name: share * seconds for name, seconds in report["seconds"].items()}


def _name_of(plan: Plan) -> str:
    if plan.has_paper_prompts:
        return "InstructGPT's prompts"
    return "ragged" if plan.shape.is_ragged else "even"


def main() -> None:
    """Read the arguments, measure, write the report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="at most ten minutes")
    quick = parser.parse_args().quick
    python_of("trl_ppo")
    machine, cells = describe_machine(), []
    with side_by_side.work_folder() as folder:
        made_up.save_base(folder / "base")
        made_up.save_base_that_stops(folder / "stops", response_tokens=RAGGED.response_tokens)
        made_up.save_reward_model(folder / "reward")
        for number, plan in enumerate(QUICK if quick else FULL):
            print(f"{plan.shape}, {plan.steps} iterations", flush=True)
            cells.append(measure(plan, folder, folder / f"cell-{number}"))
    report = {
        "machine": machine,
        "quick": quick,
        "versions": side_by_side.describe_versions("trl_ppo"),
        "spread": side_by_side.SPREAD,
        "cells": cells,
    }
    write_report("ppo", report)
    side_by_side.print_table(cells, TABLE)


TABLE = (
    "prompt_tokens",
    "response_tokens",
    "lengths",
    "responses_per_prompt",
    "pretraining",
    "episodes",
    "ratio_to_trl",
    "seconds_per_episode",
    "breakdown_ours",
    "peak_mib_ours",
    "peak_mib_trl",
)


if __name__ == "__main__":
    main()
