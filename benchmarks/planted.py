"""A planted preference through the whole trainer: `python -m benchmarks.planted [--quick]`.

Thirty simulated labelers, with noise calibrated to the 72.6% agreement of InstructGPT's, rank six
samples of an SFT model by a hidden rule. Asked is whether the reward model reaches the accuracy
that the noise allows, whether PPO beats the best of four SFT samples near the reference, and
whether the pretraining mix keeps the pretraining loss. Best-of-n, DPO and PPO are drawn as hidden
score against KL. Writes results/planted.json and results/planted.svg.
"""

import argparse
import json
import math
import random
import subprocess
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from statistics import fmean
from typing import Any

import torch
from pydantic import BaseModel
from transformers import PreTrainedModel

from benchmarks.planted_language import (
    TOPICS,
    Language,
    calibrate_noise,
    expected_accuracy,
    expected_agreement,
    make_language,
    rank,
    save_base,
    write_response,
    write_story,
)
from benchmarks.planted_picture import Point, draw
from benchmarks.side_by_side import describe_versions, work_folder
from trainer import data, forward, models, rundir
from trainer.shared_prompt import Tree, pack
from trainer.spec import (
    DemonstrationRow,
    DPOSettings,
    DPOSpec,
    Message,
    PPOSettings,
    PPOSpec,
    PretrainingRow,
    PromptRow,
    RankedResponse,
    RankingRow,
    RewardSettings,
    RewardSpec,
    RunSpec,
    SampledModel,
    SampleSpec,
    Sampling,
    SFTSettings,
    SFTSpec,
)

RESULTS = Path(__file__).parent / "results"
LABELERS, K, AGREEMENT = 30, 6, 0.726
MAX_NEW_TOKENS, MAX_TOKENS = 24, 64
BEST_OF = (1, 2, 4, 8, 16, 32)
KL_COEFFICIENTS, BETAS = (0.3, 0.1, 0.05), (0.3, 0.1, 0.03)
PTX_COEFFICIENT = 1.0
MAX_ACCURACY_GAP, MAX_KL_NATS, MAX_PTX_RISE = 0.02, 20.0, 0.02
Answers = list[tuple[int, list[str]]]  # topic, its responses


def main() -> None:
    """Run the experiment, print what was found and fail when a promise does not hold."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a quarter of the prompts and steps")
    share = 0.25 if parser.parse_args().quick else 1.0
    torch.set_num_threads(1)
    with work_folder() as folder:
        found = experiment(folder, share)
    RESULTS.mkdir(exist_ok=True)
    points = found.pop("points")
    (RESULTS / "planted.svg").write_text(draw(points))
    found["points"] = [point._asdict() for point in points]
    found["versions"] = describe_versions()
    (RESULTS / "planted.json").write_text(json.dumps(found, indent=1) + "\n")
    print(
        json.dumps({name: found[name] for name in ("reward", "ppo", "ptx", "promises")}, indent=1)
    )
    if not all(found["promises"].values()):
        sys.exit("a promise does not hold")


def experiment(folder: Path, share: float) -> dict[str, Any]:
    """Do every run and return what was found."""
    numbers = random.Random(0)
    language = make_language(numbers)
    base = folder / "base"
    save_base(language, base)
    sft = _train_sft(folder, language, base, numbers, share)
    print("SFT model trained", flush=True)

    prompts = round(4000 * share)
    answers = sample(folder / "sample", sft, _topics(prompts, numbers), K, seed=1)
    gaps = [gap for topic, texts in answers for gap in _gaps(language, topic, texts)]
    noise = calibrate_noise(gaps, agreement=AGREEMENT)
    rankings = label(language, answers, noise, numbers)
    reward_dir, reward_found = _train_reward(folder, language, sft, rankings, noise)
    print(f"reward model: {reward_found}", flush=True)

    topics = _topics(200, random.Random(7))
    pool = sample(folder / "pool", sft, topics, max(BEST_OF), seed=2)
    reward_model = reward_dir / rundir.MODEL_FOLDER
    points = best_of_n(language, pool, reward_model)
    print(f"best of n: {points}", flush=True)
    runs = [("dpo", beta) for beta in BETAS] + [("ppo", kl) for kl in KL_COEFFICIENTS]
    for kind, strength in runs:
        run_dir = folder / f"{kind}-{strength}"
        spec = (
            _dpo_spec(sft, strength)
            if kind == "dpo"
            else _ppo_spec(sft, reward_model, strength, share, ptx=False)
        )
        rows: Sequence[BaseModel] = rankings if kind == "dpo" else _prompt_rows(400, numbers)
        train(run_dir, spec, {"rankings" if kind == "dpo" else "prompts": rows})
        points.append(
            measure(folder, language, run_dir / rundir.MODEL_FOLDER, sft, topics, kind, strength)
        )
        print(points[-1], flush=True)
    ptx = _compare_ptx(folder, language, sft, reward_model, share)
    best_of_4 = next(point.score for point in points if point.label == "4")
    ppo = [point for point in points if point.kind == "ppo" and point.kl_nats < MAX_KL_NATS]
    return {
        "prompts": prompts,
        "labelers": LABELERS,
        "k": K,
        "reward": reward_found,
        "ppo": {
            "best_of_4_score": best_of_4,
            "best_score_below_20_nats": max(point.score for point in ppo),
            "sft_score": next(point.score for point in points if point.label == "1"),
        },
        "ptx": ptx,
        "points": points,
        "promises": {
            "the reward model is within 2 points of the ceiling": reward_found["ceiling"]
            - reward_found["accuracy"]
            <= MAX_ACCURACY_GAP,
            "PPO beats the best of four below 20 nats": max(point.score for point in ppo)
            > best_of_4,
            "the pretraining mix keeps its loss within 2%": ptx["rise_with_mix"] <= MAX_PTX_RISE,
            "without the mix it does not": ptx["rise_without_mix"] > MAX_PTX_RISE,
        },
    }


# --- runs ----------------------------------------------------------------------------------------


def train(run_dir: Path, spec: RunSpec, rows: dict[str, Sequence[BaseModel]]) -> dict[str, Any]:
    """Do one run as a user would and return its `result.json`."""
    run_dir.mkdir()
    (run_dir / rundir.SPEC_FILE).write_text(spec.model_dump_json())
    for name, some in rows.items():
        lines = "".join(row.model_dump_json() + "\n" for row in some)
        (run_dir / f"{name}.jsonl").write_text(lines)
    ended = subprocess.run(
        [sys.executable, "-m", "trainer", spec.kind, str(run_dir)],
        capture_output=True,
        text=True,
        check=False,
    )
    if ended.returncode != 0:
        sys.exit(f"{spec.kind} ended with code {ended.returncode}:\n{ended.stderr[-3000:]}")
    result: dict[str, Any] = json.loads((run_dir / rundir.RESULT_FILE).read_text())
    return result


def sample(run_dir: Path, model: Path, topics: Sequence[int], count: int, *, seed: int) -> Answers:
    """Sample responses for a prompt of each topic."""
    answers: list[list[str]] = [[] for _ in topics]
    most = 8  # a sample run gives 4 to 9 responses per prompt
    for part in range(-(-count // most)):
        wanted = min(most, count - part * most)
        spec = SampleSpec(
            models=[SampledModel(name="sampled", path=str(model))],
            responses_per_prompt=wanted,
            sampling=Sampling(max_new_tokens=MAX_NEW_TOKENS, seed=seed + 1000 * part),
            max_resamples=0,
        )
        place = run_dir.with_name(f"{run_dir.name}-{part}")
        train(place, spec, {"prompts": [_prompt_row(at, topic) for at, topic in enumerate(topics)]})
        for line in (place / rundir.RESPONSES_FILE).read_text().splitlines():
            slate = json.loads(line)
            answers[int(slate["prompt_id"])] += [one["text"] for one in slate["responses"]]
    return list(zip(topics, answers, strict=True))


def _train_sft(
    folder: Path, language: Language, base: Path, numbers: random.Random, share: float
) -> Path:
    rows = []
    for number in range(round(4000 * share)):
        topic = numbers.randrange(TOPICS)
        response = write_response(language, topic, numbers)
        rows.append(_demonstration(number, language.prompt(topic), response))
        first, _, rest = write_story(language, numbers).partition(" ")
        rows.append(_demonstration(-1 - number, first, rest))
    settings = SFTSettings(
        epochs=3, learning_rate=3e-3, batch_size=64, max_tokens=MAX_TOKENS, warmup_steps=20
    )
    spec = SFTSpec(base_model=str(base), settings=settings)
    train(folder / "sft", spec, {"demonstrations": rows})
    return folder / "sft" / rundir.MODEL_FOLDER


def _train_reward(
    folder: Path, language: Language, sft: Path, rankings: list[RankingRow], noise: float
) -> tuple[Path, dict[str, float]]:
    settings = RewardSettings(learning_rate=1e-3, batch_size=16, max_tokens=MAX_TOKENS, epochs=2)
    spec = RewardSpec(base_model=str(sft), settings=settings)
    result = train(folder / "reward", spec, {"rankings": rankings})
    held = [row for row in rankings if row.split != "train"]
    gaps = [
        gap
        for row in held
        for gap in _gaps(language, _topic_of(row), [one.text for one in row.responses])
    ]
    evaluation = result["evaluation"]
    return folder / "reward", {
        "noise": noise,
        "agreement": expected_agreement(gaps, noise),
        "ceiling": expected_accuracy(gaps, noise),
        "accuracy": evaluation["accuracy"]["value"],
        "low": evaluation["accuracy"]["low"],
        "high": evaluation["accuracy"]["high"],
        "ece_after": evaluation["calibration"]["ece_after"],
    }


def _dpo_spec(sft: Path, beta: float) -> DPOSpec:
    settings = DPOSettings(
        beta=beta, learning_rate=1e-4, batch_size=16, epochs=1, max_tokens=MAX_TOKENS
    )
    return DPOSpec(base_model=str(sft), settings=settings)


def _ppo_spec(sft: Path, reward: Path, kl: float, share: float, *, ptx: bool) -> PPOSpec:
    settings = PPOSettings(
        steps=max(10, round(80 * share)),
        batch_size=128,
        minibatch_size=64,
        inner_epochs=2,
        learning_rate=5e-4,
        value_learning_rate=1e-3,
        warmup_steps=5,
        kl_coefficient=kl,
        ptx_coefficient=PTX_COEFFICIENT if ptx else 0.0,
        max_new_tokens=MAX_NEW_TOKENS,
        max_tokens=MAX_TOKENS,
        evaluate_every=1000,
    )
    return PPOSpec(
        base_model=str(sft),
        reward_model=str(reward),
        settings=settings,
        pretraining="pretraining.jsonl" if ptx else None,
    )


def _compare_ptx(
    folder: Path, language: Language, sft: Path, reward: Path, share: float
) -> dict[str, float]:
    numbers = random.Random(3)
    stories = [write_story(language, numbers) for _ in range(2400)]
    held, streamed = stories[:400], [PretrainingRow(text=text) for text in stories[400:]]
    before = pretraining_loss(sft, held)
    rises = {}
    for name, ptx in (("rise_with_mix", True), ("rise_without_mix", False)):
        run_dir = folder / name
        rows: dict[str, Sequence[BaseModel]] = {"prompts": _prompt_rows(400, numbers)}
        if ptx:
            rows["pretraining"] = streamed
        train(run_dir, _ppo_spec(sft, reward, KL_COEFFICIENTS[-1], share, ptx=ptx), rows)
        rises[name] = pretraining_loss(run_dir / rundir.MODEL_FOLDER, held) / before - 1
        print(name, rises[name], flush=True)
    return {"loss_before": before, **rises}


# --- rows ----------------------------------------------------------------------------------------


def label(
    language: Language, answers: Answers, noise: float, numbers: random.Random
) -> list[RankingRow]:
    """Let a random labeler rank each slate, and a second one every sixth; a tenth is held out."""
    rows = []
    for number, (topic, texts) in enumerate(answers):
        labelers = numbers.sample(range(LABELERS), 2 if number % 6 == 0 else 1)
        qualities = [language.quality(topic, text) for text in texts]
        rows += [
            RankingRow(
                prompt_id=str(number),
                split="validation" if number % 10 == 0 else "train",
                messages=_messages(f"topic{topic}"),
                responses=[
                    RankedResponse(id=f"{number}-{place}", text=text)
                    for place, text in enumerate(texts)
                ],
                ranks=list(rank(qualities, noise=noise, numbers=numbers)),
                ratings=[None] * len(texts),
                labeler=f"labeler {labeler}",
                weight=1 / len(labelers),
            )
            for labeler in labelers
        ]
    return rows


def _topics(count: int, numbers: random.Random) -> list[int]:
    return [numbers.randrange(TOPICS) for _ in range(count)]


def _prompt_rows(count: int, numbers: random.Random) -> list[PromptRow]:
    return [_prompt_row(at, topic) for at, topic in enumerate(_topics(count, numbers))]


def _prompt_row(number: int, topic: int) -> PromptRow:
    return PromptRow(prompt_id=str(number), messages=_messages(f"topic{topic}"))


def _demonstration(number: int, prompt: str, response: str) -> DemonstrationRow:
    return DemonstrationRow(prompt_id=str(number), messages=_messages(prompt), response=response)


def _messages(content: str) -> list[Message]:
    return [Message(role="user", content=content)]


def _topic_of(row: RankingRow) -> int:
    return int(row.messages[0].content.removeprefix("topic"))


def _gaps(language: Language, topic: int, texts: Sequence[str]) -> Iterable[float]:
    qualities = [language.quality(topic, text) for text in texts]
    for at, first in enumerate(qualities):
        for second in qualities[at + 1 :]:
            yield first - second


# --- measuring -----------------------------------------------------------------------------------


def best_of_n(language: Language, pool: Answers, reward_model: Path) -> list[Point]:
    """Take the reward model's favourite of the first n; the KL is log n - (n - 1) / n."""
    scores = _reward_scores(pool, reward_model)
    points = []
    for n in BEST_OF:
        picked = [
            language.quality(topic, texts[max(range(n), key=lambda at, row=row: row[at])])
            for (topic, texts), row in zip(pool, scores, strict=True)
        ]
        points.append(Point("best of n", str(n), math.log(n) - (n - 1) / n, fmean(picked)))
    return points


def measure(
    folder: Path,
    language: Language,
    policy: Path,
    sft: Path,
    topics: Sequence[int],
    kind: str,
    strength: float,
) -> Point:
    """Sample a policy: its mean hidden score, and its KL to the SFT model in nats per response."""
    answers = sample(folder / f"measured-{kind}-{strength}", policy, topics, 4, seed=5)
    score = fmean(language.quality(topic, text) for topic, texts in answers for text in texts)
    logprobs = [_logprobs(_load(place), answers, place) for place in (policy, sft)]
    kl = fmean(ours - theirs for ours, theirs in zip(*logprobs, strict=True))
    return Point(kind, f"{strength:g}", kl, score)


def _load(folder: Path) -> PreTrainedModel:
    return models.load_policy(folder, seed=0)


@torch.no_grad()
def _logprobs(policy: PreTrainedModel, answers: Answers, folder: Path) -> list[float]:
    found: list[float] = []
    for tree in _trees(answers, folder):
        packed = pack(policy, [tree])
        logprobs = forward.response_logprobs(policy, packed)
        sums = torch.zeros(len(tree.responses)).index_add(0, packed.owner, logprobs)
        found += sums.tolist()
    return found


@torch.no_grad()
def _reward_scores(pool: Answers, folder: Path) -> list[list[float]]:
    model = models.load_reward_model(folder, seed=0)
    return [forward.scores(model, pack(model, [tree])).tolist() for tree in _trees(pool, folder)]


def _trees(answers: Answers, folder: Path) -> list[Tree]:
    tokenizer = models.load_tokenizer(folder)
    trees = []
    for topic, texts in answers:
        examples = data.encode_examples(
            tokenizer, [_messages(f"topic{topic}")] * len(texts), texts, max_tokens=MAX_TOKENS
        )
        (prompt,) = {example.tokens[: example.prompt_length] for example in examples}
        responses = tuple(example.tokens[example.prompt_length :] for example in examples)
        trees.append(Tree(prompt, responses))
    return trees


@torch.no_grad()
def pretraining_loss(folder: Path, texts: Sequence[str]) -> float:
    """Return the mean loss per token of plain texts."""
    policy = _load(folder)
    examples = data.encode_texts(models.load_tokenizer(folder), texts, max_tokens=MAX_TOKENS)
    packed = pack(policy, [example.tree() for example in examples])
    return float(forward.text_loss(policy, packed)) / len(packed.targets)


if __name__ == "__main__":
    main()
