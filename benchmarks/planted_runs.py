"""The runs of the planted experiment: what each is told, done as a user does them."""

import json
import os
import random
import subprocess
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from benchmarks.planted_language import TOPICS, Language, rank, write_response
from trainer import rundir
from trainer.spec import (
    DemonstrationRow,
    DPOSettings,
    DPOSpec,
    Message,
    PPOSettings,
    PPOSpec,
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

LABELERS = 30
MAX_NEW_TOKENS, MAX_TOKENS = 24, 64
# Of the tokens in SFT's loss, as in the paper's run that PPO starts from (arXiv 2203.02155, C.3).
PRETRAINING_SHARE = 0.1
# Times the mean loss per token over the texts of a step, as PPO's own loss is a mean over tokens:
# with 1 a token of a story weighs as much as one of an episode.
PTX_COEFFICIENT, PTX_TEXTS_PER_EPISODE = 1.0, 1.0
PRETRAINING_FILE = "pretraining.jsonl"
Answers = list[tuple[int, list[str]]]  # topic, its responses


def train(run_dir: Path, spec: RunSpec, rows: dict[str, Sequence[BaseModel]]) -> dict[str, Any]:
    """Do one run as a user would and return its `result.json`; one that was done is not repeated.

    A run of another spec or other rows is done again, and one that was interrupted goes on. What
    is read of other runs is not compared: after a change of theirs, take an empty folder.
    """
    run_dir.mkdir(exist_ok=True)
    files = {rundir.SPEC_FILE: spec.model_dump_json()}
    for name, some in rows.items():
        files[f"{name}.jsonl"] = "".join(row.model_dump_json() + "\n" for row in some)
    is_same = all(
        (run_dir / name).exists() and (run_dir / name).read_text() == content
        for name, content in files.items()
    )
    result_file = run_dir / rundir.RESULT_FILE
    if not (is_same and rundir.read_result(run_dir)):
        for name, content in files.items():
            (run_dir / name).write_text(content)
        _run(spec.kind, run_dir)
    result: dict[str, Any] = json.loads(result_file.read_text())
    return result


def _run(kind: str, run_dir: Path) -> None:
    ended = subprocess.run(
        [sys.executable, "-m", "trainer", kind, str(run_dir)],
        capture_output=True,
        text=True,
        check=False,
        # The models are so small that more threads only wait for each other.
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    if ended.returncode != 0:
        sys.exit(f"{kind} ended with code {ended.returncode}:\n{ended.stderr[-3000:]}")


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
        train(place, spec, {"prompts": [prompt_row(at, topic) for at, topic in enumerate(topics)]})
        for line in (place / rundir.RESPONSES_FILE).read_text().splitlines():
            slate = json.loads(line)
            answers[int(slate["prompt_id"])] += [one["text"] for one in slate["responses"]]
    return list(zip(topics, answers, strict=True))


# --- what each run is told ------------------------------------------------------------------------


def sft_spec(base: Path, *, mixes_stories: bool) -> SFTSpec:
    """Fine-tune on demonstrations as the paper does before PPO: 2 epochs, batches of 32."""
    settings = SFTSettings(
        epochs=2,
        learning_rate=1e-3,
        batch_size=32,
        max_tokens=MAX_TOKENS,
        pretraining_share=PRETRAINING_SHARE if mixes_stories else 0.0,
    )
    return SFTSpec(
        base_model=str(base),
        settings=settings,
        pretraining=PRETRAINING_FILE if mixes_stories else None,
    )


def reward_spec(sft: Path) -> RewardSpec:
    """Train a reward model: after one epoch it was 2.1 points below the ceiling, after two 0.9."""
    settings = RewardSettings(learning_rate=1e-3, batch_size=16, max_tokens=MAX_TOKENS, epochs=2)
    return RewardSpec(base_model=str(sft), settings=settings)


def dpo_spec(sft: Path, beta: float) -> DPOSpec:
    """Optimize on the rankings."""
    settings = DPOSettings(
        beta=beta, learning_rate=1e-4, batch_size=16, epochs=1, max_tokens=MAX_TOKENS
    )
    return DPOSpec(base_model=str(sft), settings=settings)


def ppo_spec(
    sft: Path, reward: Path, kl: float, share: float, *, mixes_stories: bool, seed: int
) -> PPOSpec:
    """Optimize against the reward model, with or without the pretraining mix."""
    settings = PPOSettings(
        steps=max(10, round(80 * share)),
        batch_size=128,
        minibatch_size=64,
        inner_epochs=2,
        learning_rate=5e-4,
        value_learning_rate=1e-3,
        warmup_steps=5,
        kl_coefficient=kl,
        ptx_coefficient=PTX_COEFFICIENT if mixes_stories else 0.0,
        ptx_texts_per_episode=PTX_TEXTS_PER_EPISODE,
        max_new_tokens=MAX_NEW_TOKENS,
        max_tokens=MAX_TOKENS,
        evaluate_every=1000,
        seed=seed,
    )
    return PPOSpec(
        base_model=str(sft),
        reward_model=str(reward),
        settings=settings,
        pretraining=PRETRAINING_FILE if mixes_stories else None,
    )


# --- rows ----------------------------------------------------------------------------------------


def demonstrations(
    language: Language, count: int, numbers: random.Random
) -> list[DemonstrationRow]:
    """Let people answer prompts."""
    rows = []
    for number in range(count):
        topic = numbers.randrange(TOPICS)
        response = write_response(language, topic, numbers)
        rows.append(
            DemonstrationRow(prompt_id=str(number), messages=messages_of(topic), response=response)
        )
    return rows


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
                messages=messages_of(topic),
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


def topics_of(count: int, numbers: random.Random) -> list[int]:
    """Draw the topics of so many prompts."""
    return [numbers.randrange(TOPICS) for _ in range(count)]


def prompt_rows(count: int, numbers: random.Random) -> list[PromptRow]:
    """Draw so many prompts."""
    return [prompt_row(at, topic) for at, topic in enumerate(topics_of(count, numbers))]


def prompt_row(number: int, topic: int) -> PromptRow:
    """Ask for a topic."""
    return PromptRow(prompt_id=str(number), messages=messages_of(topic))


def messages_of(topic: int) -> list[Message]:
    """Ask for a topic."""
    return [Message(role="user", content=f"topic{topic}")]


def topic_of(row: RankingRow) -> int:
    """Read a ranking's topic."""
    return int(row.messages[0].content.removeprefix("topic"))


def gaps_of(language: Language, topic: int, texts: Sequence[str]) -> Iterable[float]:
    """Yield the difference of quality of each pair."""
    qualities = [language.quality(topic, text) for text in texts]
    for at, first in enumerate(qualities):
        for second in qualities[at + 1 :]:
            yield first - second
