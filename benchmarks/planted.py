"""A planted preference through the whole trainer: `python -m benchmarks.planted [--quick]`.

A base model learns a made-up language of stories. Thirty simulated labelers, with noise calibrated
to the 72.6% agreement of InstructGPT's, rank six samples of an SFT model by a hidden rule. Asked is
whether the reward model reaches the accuracy that the noise allows, whether PPO beats the best of
four SFT samples near the reference, and whether the pretraining mix, in SFT and in PPO, keeps the
loss on stories where it was, while without it that loss rises. Best-of-n, DPO and PPO are drawn as
hidden score against KL. Writes results/planted.json and results/planted.svg.
"""

import argparse
import json
import math
import random
import sys
from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any, NamedTuple

import torch

from benchmarks.planted_base import pretrain, story_loss
from benchmarks.planted_language import (
    Language,
    calibrate_noise,
    expected_accuracy,
    expected_agreement,
    make_language,
    story_entropy,
    write_story,
)
from benchmarks.planted_measures import BEST_OF, best_of_n, measure
from benchmarks.planted_picture import Point, draw
from benchmarks.planted_runs import (
    LABELERS,
    PRETRAINING_SHARE,
    PTX_COEFFICIENT,
    PTX_TEXTS_PER_EPISODE,
    demonstrations,
    dpo_spec,
    gaps_of,
    label,
    ppo_spec,
    prompt_rows,
    reward_spec,
    sample,
    sft_spec,
    topic_of,
    topics_of,
    train,
)
from benchmarks.side_by_side import describe_versions, work_folder
from trainer import rundir
from trainer.spec import PretrainingRow, PromptRow, RankingRow

RESULTS = Path(__file__).parent / "results"
K, AGREEMENT = 6, 0.726
# With a third of them the reward model was 2 to 3 points below the ceiling: after two epochs even
# on what it had learnt from, after four on held-out prompts alone.
PROMPTS = 12_000
# As many as InstructGPT had (arXiv 2203.02155, table 6).
DEMONSTRATIONS = 12_725
KL_COEFFICIENTS, BETAS = (0.3, 0.1, 0.05), (0.3, 0.1, 0.03)
# The first of each KL coefficient; the others, of the smallest, say how far a number is chance.
SEEDS = (0, 1, 2)
MAX_ACCURACY_GAP, MAX_KL_NATS, MAX_STORY_CHANGE, MAX_ABOVE_ENTROPY = 0.02, 20.0, 0.02, 0.01


class Stories(NamedTuple):
    """What the base model was trained on: texts to mix in, texts that are only measured with."""

    mixed_in: list[PretrainingRow]
    held: list[str]


class PPORun(NamedTuple):
    """A policy and what its story loss is to the SFT model's: 0.01 is 1% more."""

    point: Point
    seed: int
    mixes_stories: bool
    story_change: float


def main() -> None:
    """Run the experiment, print what was found and fail when a promise does not hold."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--quick", action="store_true", help="a quarter of the ranked prompts and of PPO's steps"
    )
    parser.add_argument(
        "--folder", type=Path, help="keep all runs here; the same command then goes on with them"
    )
    options = parser.parse_args()
    torch.set_num_threads(1)
    with nullcontext(options.folder) if options.folder else work_folder() as folder:
        folder.mkdir(exist_ok=True)
        found = experiment(folder, 0.25 if options.quick else 1.0)
    RESULTS.mkdir(exist_ok=True)
    points = found.pop("points")
    (RESULTS / "planted.svg").write_text(draw(points))
    found["points"] = [point._asdict() for point in points]
    found["versions"] = describe_versions()
    (RESULTS / "planted.json").write_text(json.dumps(found, indent=1) + "\n")
    shown = ("reward", "ppo", "stories", "promises")
    print(json.dumps({name: found[name] for name in shown}, indent=1))
    if not all(found["promises"].values()):
        sys.exit("a promise does not hold")


def experiment(folder: Path, share: float) -> dict[str, Any]:
    """Do every run and return what was found."""
    numbers = random.Random(0)
    language = make_language(numbers)
    stories = _write_stories(language)
    sft, losses = _make_sft(folder, language, stories, numbers)
    print(f"SFT model trained; loss on stories: {losses}", flush=True)

    prompts = round(PROMPTS * share)
    answers = sample(folder / "sample", sft, topics_of(prompts, numbers), K, seed=1)
    gaps = [gap for topic, texts in answers for gap in gaps_of(language, topic, texts)]
    noise = calibrate_noise(gaps, agreement=AGREEMENT)
    rankings = label(language, answers, noise, numbers)
    reward_model, reward_found = _train_reward(folder, language, sft, rankings, noise)
    print(f"reward model: {reward_found}", flush=True)

    topics = topics_of(200, random.Random(7))
    pool = sample(folder / "pool", sft, topics, max(BEST_OF), seed=2)
    points = best_of_n(language, pool, reward_model)
    print(f"best of n: {points}", flush=True)
    ppo = _run_ppo(folder, language, sft, reward_model, topics, stories, losses["sft"], share)
    points += [run.point for run in ppo if run.seed == SEEDS[0]]
    for beta in BETAS:
        run_dir = folder / f"dpo-{beta}"
        train(run_dir, dpo_spec(sft, beta), {"rankings": rankings})
        policy = run_dir / rundir.MODEL_FOLDER
        measured = folder / f"measured-dpo-{beta}"
        points.append(measure(measured, language, policy, sft, topics, "dpo", f"{beta:g}"))
        print(points[-1], flush=True)
    return {
        "prompts": prompts,
        "labelers": LABELERS,
        "k": K,
        "reward": reward_found,
        **_compare(points, ppo, losses, reward_found),
        "points": points,
    }


def _compare(
    points: Sequence[Point],
    ppo: Sequence[PPORun],
    losses: dict[str, float],
    reward: dict[str, float],
) -> dict[str, Any]:
    best_of = {point.label: point.score for point in points if point.kind == "best of n"}
    near = {
        mixes: max(
            (
                run.point.score
                for run in ppo
                if run.mixes_stories == mixes and run.point.kl_nats < MAX_KL_NATS
            ),
            default=-math.inf,
        )
        for mixes in (False, True)
    }
    with_mix, without = (
        [run.story_change for run in ppo if run.mixes_stories == mixes] for mixes in (True, False)
    )
    return {
        "ppo": {
            "sft_score": best_of["1"],
            "best_of_4_score": best_of["4"],
            "best_score_below_20_nats": near[False],
            "best_score_below_20_nats_with_mix": near[True],
        },
        "stories": {
            "loss": losses,
            "pretraining_share_of_sft": PRETRAINING_SHARE,
            "ptx_coefficient_times_mean_token_loss": PTX_COEFFICIENT,
            "ptx_texts_per_episode": PTX_TEXTS_PER_EPISODE,
            "ppo": [
                {
                    "kl_coefficient": float(run.point.label),
                    "seed": run.seed,
                    "mixes_stories": run.mixes_stories,
                    "change_of_loss": run.story_change,
                    "kl_nats": run.point.kl_nats,
                    "score": run.point.score,
                }
                for run in ppo
            ],
        },
        "promises": {
            "the base model is within 1% of the entropy of stories": losses["base"]
            <= (1 + MAX_ABOVE_ENTROPY) * losses["entropy"],
            "the reward model is within 2 points of the ceiling": reward["ceiling"]
            - reward["accuracy"]
            <= MAX_ACCURACY_GAP,
            "PPO beats the best of four below 20 nats, with the mix and without": min(
                near[False], near[True]
            )
            > best_of["4"],
            "every PPO run with the mix ends within 2% below to 2% above the SFT model's loss on "
            "stories": max(map(abs, with_mix)) <= MAX_STORY_CHANGE,
            "every PPO run without the mix ends more than 2% above it": min(without)
            > MAX_STORY_CHANGE,
        },
    }


# --- runs ----------------------------------------------------------------------------------------


def _write_stories(language: Language) -> Stories:
    numbers = random.Random(3)
    held = [write_story(language, numbers) for _ in range(400)]
    return Stories(
        [PretrainingRow(text=write_story(language, numbers)) for _ in range(12_000)], held
    )


def _make_sft(
    folder: Path, language: Language, stories: Stories, numbers: random.Random
) -> tuple[Path, dict[str, float]]:
    """Pretrain and fine-tune, with stories mixed in and without, and note the loss on stories."""
    base = folder / "base"
    if not (base / "model.safetensors").exists():
        pretrain(language, base, seed=0)
    losses = {
        "entropy": story_entropy(stories.held),
        "base": story_loss(base, stories.held),
    }
    rows = demonstrations(language, DEMONSTRATIONS, numbers)
    for name, mixes_stories in (("sft_without_mix", False), ("sft", True)):
        files = {"demonstrations": rows}
        spec = sft_spec(base, mixes_stories=mixes_stories)
        train(
            folder / name,
            spec,
            {**files, "pretraining": stories.mixed_in} if mixes_stories else files,
        )
        losses[name] = story_loss(folder / name / rundir.MODEL_FOLDER, stories.held)
    return folder / "sft" / rundir.MODEL_FOLDER, losses


def _train_reward(
    folder: Path, language: Language, sft: Path, rankings: list[RankingRow], noise: float
) -> tuple[Path, dict[str, float]]:
    result = train(folder / "reward", reward_spec(sft), {"rankings": rankings})
    held = [row for row in rankings if row.split != "train"]
    gaps = [
        gap
        for row in held
        for gap in gaps_of(language, topic_of(row), [one.text for one in row.responses])
    ]
    evaluation = result["evaluation"]
    return folder / "reward" / rundir.MODEL_FOLDER, {
        "noise": noise,
        "agreement": expected_agreement(gaps, noise),
        "ceiling": expected_accuracy(gaps, noise),
        "accuracy": evaluation["accuracy"]["value"],
        "low": evaluation["accuracy"]["low"],
        "high": evaluation["accuracy"]["high"],
        "ece_after": evaluation["calibration"]["ece_after"],
    }


def _run_ppo(
    folder: Path,
    language: Language,
    sft: Path,
    reward: Path,
    topics: Sequence[int],
    stories: Stories,
    sft_loss: float,
    share: float,
) -> list[PPORun]:
    """Run PPO with the mix and without it, for each KL coefficient and for each seed."""
    prompts: list[PromptRow] = prompt_rows(400, random.Random(5))
    chosen = [(kl, SEEDS[0]) for kl in KL_COEFFICIENTS]
    chosen += [(KL_COEFFICIENTS[-1], seed) for seed in SEEDS[1:]]
    runs = []
    for kl, seed in chosen:
        for kind, mixes_stories in (("ppo-ptx", True), ("ppo", False)):
            name = f"{kind}-{kl}-{seed}"
            spec = ppo_spec(sft, reward, kl, share, mixes_stories=mixes_stories, seed=seed)
            files = {"prompts": prompts}
            train(
                folder / name,
                spec,
                {**files, "pretraining": stories.mixed_in} if mixes_stories else files,
            )
            policy = folder / name / rundir.MODEL_FOLDER
            point = measure(
                folder / f"measured-{name}", language, policy, sft, topics, kind, f"{kl:g}"
            )
            change = story_loss(policy, stories.held) / sft_loss - 1
            runs.append(PPORun(point, seed, mixes_stories, change))
            print(runs[-1], flush=True)
    return runs


if __name__ == "__main__":
    main()
