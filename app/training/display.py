"""How runs are shown: which numbers belong to one curve, and what they are called."""

import json
from collections.abc import Sequence
from dataclasses import dataclass

from app.training.queries import MetricsRow, RunView
from app.training.setting_words import WORDS
from app.training.settings import TrainingKind

TABLE_ROWS = 6
MINUTE, HOUR = 60, 3600
KIND_NAMES = {"sample": "sampling", "sft": "SFT", "reward": "reward model", "dpo": "DPO", "ppo": "PPO"}
EXPLANATIONS: dict[TrainingKind, str] = {
    "sft": "Supervised fine-tuning: the model learns to answer like the project's demonstrations.",
    "reward": "A reward model learns from the rankings to score a response as your labelers would.",
    "dpo": "DPO trains a policy on the rankings directly, without a reward model and without "
    "sampling: each comparison makes the chosen response likelier, held near the reference model.",
    "ppo": "PPO trains a policy to score well with the reward model, with a penalty for leaving "
    "the reference model. The policy can then be sampled in the next round.",
}


@dataclass(frozen=True)
class Series:
    """One line of a curve: the trainer's name for the number, and ours."""

    key: str
    label: str


@dataclass(frozen=True)
class Chart:
    """Numbers of one unit, drawn together."""

    title: str
    detail: str
    series: tuple[Series, ...]


@dataclass(frozen=True)
class DrawnChart:
    """A chart with the last values for its table; `series_json` is what the script reads."""

    title: str
    detail: str
    headers: list[tuple[str, str]]
    series_json: str
    rows: list[tuple[int, list[float | None]]]


CHARTS: dict[str, tuple[Chart, ...]] = {
    "sft": (
        Chart(
            "Loss",
            "nats per response token",
            (Series("loss/sft", "train"), Series("loss/validation", "validation")),
        ),
        Chart("Gradient norm", "before clipping", (Series("gradient/norm", "norm"),)),
        Chart("Learning rate", "of AdamW", (Series("learning_rate", "learning rate"),)),
    ),
    "reward": (
        Chart(
            "Loss",
            "K-wise loss, nats per comparison",
            (Series("loss/reward", "train"), Series("loss/validation", "validation")),
        ),
        Chart(
            "Accuracy",
            "share of strict comparisons scored in the labeler's order",
            (Series("accuracy/train", "train"), Series("accuracy/validation", "validation")),
        ),
        Chart("Gradient norm", "before clipping", (Series("gradient/norm", "norm"),)),
    ),
    "dpo": (),
    "ppo": (
        Chart(
            "Score",
            "of the sampled responses, in units of the reward model",
            (
                Series("objective/scores", "reward model"),
                Series("objective/rlhf_reward", "with the KL penalty"),
            ),
        ),
        Chart(
            "KL",
            "from the reference model, nats per response",
            (Series("objective/kl", "KL"),),
        ),
        Chart("Length", "tokens per response", (Series("response/length", "length"),)),
        Chart(
            "Responses cut off",
            "share that did not end by themselves",
            (Series("response/no_eos", "share"),),
        ),
        Chart(
            "Entropy", "of the policy, nats per token", (Series("objective/entropy", "entropy"),)
        ),
        Chart("Clipped", "share of tokens", (Series("policy/clipfrac", "clipped"),)),
        Chart("Policy loss", "clipped objective", (Series("loss/policy", "policy"),)),
        Chart("Value loss", "squared error", (Series("loss/value", "value"),)),
        Chart(
            "Variance explained",
            "by the value model, of the returns",
            (Series("value/explained_variance", "share"),),
        ),
        Chart("Pretraining loss", "nats per token", (Series("loss/ptx", "pretraining texts"),)),
        Chart(
            "Gradient norm",
            "before clipping",
            (Series("gradient/policy", "PPO"), Series("gradient/ptx", "pretraining mix")),
        ),
    ),
    "sample": (),
}
NUMBERS: dict[str, tuple[Series, ...]] = {
    "sft": (Series("loss/sft", "Loss"), Series("loss/validation", "Validation loss")),
    "reward": (
        Series("loss/reward", "Loss"),
        Series("accuracy/train", "Accuracy, train"),
        Series("accuracy/validation", "Accuracy, validation"),
    ),
    "dpo": (),
    "ppo": (
        Series("objective/scores", "Score"),
        Series("objective/kl", "KL, nats"),
        Series("response/length", "Length, tokens"),
        Series("policy/clipfrac", "Clipped share"),
    ),
    "sample": (),
}


def charts_of(kind: str, metrics: Sequence[MetricsRow]) -> list[DrawnChart]:
    """The curves of a kind of run, with the last rows of each."""
    drawn = []
    for chart in CHARTS[kind]:
        keys = [one.key for one in chart.series]
        rows = [row for row in metrics if any(row.values.get(key) is not None for key in keys)]
        drawn.append(
            DrawnChart(
                title=chart.title,
                detail=chart.detail,
                headers=[(one.label, "number") for one in chart.series],
                series_json=json.dumps(
                    [{"key": one.key, "label": one.label} for one in chart.series]
                ),
                rows=[
                    (row.step, [row.values.get(key) for key in keys]) for row in rows[-TABLE_ROWS:]
                ],
            )
        )
    return drawn


def live_numbers(run: RunView) -> list[tuple[str, float | None]]:
    """The few numbers that stand at the head of a run's page."""
    return [(one.label, run.latest[one.key]) for one in NUMBERS[run.kind] if one.key in run.latest]


def closing_numbers(run: RunView) -> list[tuple[str, float | int | None]]:
    """What the run measured at its end, and how many rows it used."""
    if run.result is None:
        return []
    rows = [(f"rows: {_spoken(name)}", count) for name, count in run.result["rows"].items()]
    return [*run.result["metrics"].items(), *rows]


def shown_settings(run: RunView) -> list[tuple[str, str]]:
    """The run's settings in words, in the order of the form."""
    shown = []
    # The database keeps no order of keys.
    for name, value in sorted(run.settings.items(), key=lambda item: _place(item[0])):
        label = WORDS[name][0] if name in WORDS else _spoken(name).capitalize()
        text = f"{value:g}" if isinstance(value, float) else _text(value)
        shown.append((label, text))
    return shown


def elapsed_text(run: RunView) -> str:
    """How long the run has taken so far: seconds, then minutes, then hours."""
    if run.elapsed is None:
        return "–"
    seconds = int(run.elapsed.total_seconds())
    if seconds < MINUTE:
        return f"{seconds} s"
    if seconds < HOUR:
        return f"{seconds // MINUTE} min {seconds % MINUTE} s"
    return f"{seconds // HOUR} h {seconds % HOUR // MINUTE} min"


def _place(name: str) -> int:
    return list(WORDS).index(name) if name in WORDS else len(WORDS)


def _spoken(name: str) -> str:
    return name.replace("_", " ")


def _text(value: object) -> str:
    if value is None:
        return "none"
    if isinstance(value, dict):
        given = {key: one for key, one in value.items() if one is not None}
        return ", ".join(f"{_spoken(key)} {_text(one)}" for key, one in given.items()) or "all"
    if isinstance(value, list):
        return ", ".join(map(_text, value))
    return str(value)
