"""The numbers of a run: which belong together, and what they are seen against. Pure."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

from app.training.units import Unit
from app.web.translation import gettext


@dataclass(frozen=True)
class Series:
    """One line of a curve: the trainer's name for the number, and ours."""

    key: str
    label: str


@dataclass(frozen=True)
class Reference:
    """A level line: at `value`, or where the number `first` stood at the run's first step."""

    label: str
    value: float | None = None
    first: str | None = None


@dataclass(frozen=True)
class Band:
    """A shaded range."""

    label: str
    low: float
    high: float


@dataclass(frozen=True)
class Chart:
    """Numbers of one unit, drawn together, with what they are compared with."""

    title: str
    detail: str
    series: tuple[Series, ...]
    unit: Unit = ""
    references: tuple[Reference, ...] = ()
    band: Band | None = None


@dataclass(frozen=True)
class Quantity:
    """What a number of a run is called, and what it is counted in."""

    label: str
    unit: Unit = ""


GUESSING = Reference("ln 2: guessing", math.log(2))
CHANCE = Reference("50%: guessing", 0.5)
SPEED = Chart(
    "Speed", "of training", (Series("tokens_per_second", "speed"),), unit="tokens per second"
)
LEARNING_RATE = Chart("Learning rate", "of AdamW", (Series("learning_rate", "learning rate"),))
GRADIENT = Chart("Gradient norm", "before clipping", (Series("gradient/norm", "norm"),))
ACCURACY = Chart(
    "Accuracy",
    "share of strict comparisons scored in the labeler's order",
    (Series("accuracy/train", "train"), Series("accuracy/validation", "validation")),
    unit="%",
    references=(CHANCE,),
)
CHARTS: Mapping[str, tuple[Chart, ...]] = {
    "sft": (
        Chart(
            "Loss",
            "of the responses",
            (Series("loss/sft", "train"), Series("loss/validation", "validation")),
            unit="nats per token",
        ),
        Chart(
            "Score",
            "of answers to held-out prompts, in units of the reward model that chooses",
            (Series("reward/validation", "validation"),),
        ),
        Chart(
            "Pretraining loss",
            "",
            (Series("loss/pretraining", "pretraining texts"),),
            unit="nats per token",
            references=(Reference("first step", first="loss/pretraining"),),
        ),
        GRADIENT,
        LEARNING_RATE,
        SPEED,
    ),
    "reward": (
        Chart(
            "Loss",
            "K-wise",
            (Series("loss/reward", "train"), Series("loss/validation", "validation")),
            unit="nats per comparison",
            references=(GUESSING,),
        ),
        ACCURACY,
        Chart(
            "Scores",
            "of the responses of a step, before the bias",
            (
                Series("reward/mean", "mean"),
                Series("reward/std", "spread"),
                Series("reward/margin", "margin"),
            ),
        ),
        Chart(
            "Loss of the labeler folds",
            "each fold is a training of its own, one after the other, before that of the model",
            (Series("loss/fold", "train"),),
            unit="nats per comparison",
            references=(GUESSING,),
        ),
        GRADIENT,
        LEARNING_RATE,
        SPEED,
    ),
    "dpo": (
        Chart(
            "Loss",
            "",
            (Series("loss/dpo", "train"), Series("loss/validation", "validation")),
            unit="nats per comparison",
            references=(GUESSING,),
        ),
        ACCURACY,
        Chart(
            "Reward margin",
            "chosen minus rejected: beta times the log-probability gained on the reference model",
            (Series("rewards/margin", "margin"),),
            references=(Reference("0: reference model", 0.0),),
        ),
        Chart(
            "Implicit rewards",
            "beta times the log-probability gained on the reference model",
            (Series("rewards/chosen", "chosen"), Series("rewards/rejected", "rejected")),
            references=(Reference("0: reference model", 0.0),),
        ),
        Chart(
            "Log-probability",
            "of the ranked responses under the policy",
            (Series("logps/chosen", "chosen"), Series("logps/rejected", "rejected")),
            unit="nats per response",
        ),
        Chart(
            "KL",
            "of the policy from the reference, on the ranked responses",
            (Series("objective/forward_kl", "KL"),),
            unit="nats per response",
            references=(Reference("0: reference model", 0.0),),
        ),
        GRADIENT,
        LEARNING_RATE,
        SPEED,
    ),
    "ppo": (
        Chart(
            "Score",
            "of the sampled responses, in units of the reward model",
            (
                Series("objective/scores", "reward model"),
                Series("objective/rlhf_reward", "with the KL penalty"),
            ),
            references=(Reference("first step", first="objective/scores"),),
        ),
        Chart(
            "KL",
            "from the reference model",
            (Series("objective/kl", "KL"),),
            unit="nats per response",
            references=(Reference("0: reference model", 0.0),),
        ),
        Chart(
            "Length",
            "",
            (Series("response/length", "length"),),
            unit="tokens per response",
            references=(Reference("SFT model, at the first step", first="response/length"),),
        ),
        Chart(
            "Responses cut off",
            "share that did not end by themselves",
            (Series("response/no_eos", "share"),),
            unit="%",
        ),
        Chart(
            "Entropy",
            "of the policy",
            (Series("policy/entropy", "entropy"),),
            unit="nats per token",
        ),
        Chart(
            "KL coefficient",
            "times the KL is taken off the score",
            (Series("objective/kl_coefficient", "coefficient"),),
        ),
        Chart(
            "Clipped",
            "share of tokens",
            (Series("policy/clipfrac", "policy"), Series("value/clipfrac", "value model")),
            unit="%",
        ),
        Chart(
            "Step size",
            "half the mean squared log-ratio to the policy that sampled",
            (Series("policy/approxkl", "approximate KL"),),
            unit="nats per token",
        ),
        Chart("Policy loss", "clipped objective", (Series("loss/policy", "policy"),)),
        Chart(
            "Value loss",
            "half the clipped squared error, mean over tokens",
            (Series("loss/value", "value"),),
        ),
        Chart(
            "Variance explained",
            "by the value model, of the returns",
            (Series("value/explained_variance", "share"),),
            unit="%",
            references=(Reference("0: no better than the mean", 0.0),),
        ),
        Chart(
            "Pretraining loss",
            "",
            (Series("loss/ptx", "pretraining texts"),),
            unit="nats per token",
            references=(Reference("first step", first="loss/ptx"),),
        ),
        Chart(
            "Gradient norm",
            "before clipping; of the pretraining mix after multiplying by its coefficient",
            (
                Series("gradient/policy", "policy"),
                Series("gradient/ptx", "pretraining mix"),
                Series("gradient/value", "value model"),
            ),
        ),
        Chart(
            "Sampler gap",
            "between the sampler's and the trainer's log-probabilities",
            (
                Series("sampler/logprob_gap_mean", "mean"),
                Series("sampler/logprob_gap_max", "largest"),
            ),
            unit="nats per token",
        ),
        Chart(
            "Time per iteration",
            "",
            (
                Series("seconds/rollout", "sampling"),
                Series("seconds/scoring", "scoring"),
                Series("seconds/update", "update"),
                Series("seconds/ptx", "pretraining mix"),
            ),
            unit="s",
        ),
        SPEED,
    ),
    "sample": (),
}


def quantities_of(kind: str) -> dict[str, Quantity]:
    """What the numbers of the curves are outside of them, in the order of the curves."""
    quantities = {}
    for chart in CHARTS[kind]:
        title = gettext(chart.title)
        for one in chart.series:
            name = title if len(chart.series) == 1 else f"{title}: {gettext(one.label)}"
            quantities[one.key] = Quantity(name, chart.unit)
    return quantities
