"""How runs are shown: names, the few numbers at the head, settings in words, durations. Pure."""

from app.training.charts import Quantity, Series, quantities_of
from app.training.closing_words import METRICS, ROWS
from app.training.queries import RunView
from app.training.setting_words import CHOICES, SAMPLING_WORDS, UNITS, WORDS
from app.training.settings import TrainingKind
from app.training.units import unit_words, written
from app.web.formats import duration, number, plain
from app.web.translation import gettext

KIND_NAMES = {
    "sample": "sampling",
    "sft": "SFT",
    "reward": "reward model",
    "dpo": "DPO",
    "ppo": "PPO",
}
EXPLANATIONS: dict[TrainingKind, str] = {
    "sft": "Supervised fine-tuning: the model learns to answer like the project's demonstrations.",
    "reward": "A reward model learns from the rankings to score a response as your labelers would.",
    "dpo": "DPO trains a policy on the rankings directly, without a reward model and without "
    "sampling: each chosen response is made likelier than the rejected one, near the reference "
    "model.",
    "ppo": "PPO trains a policy to score well with the reward model, with a penalty for leaving "
    "the reference model. The policy can then be sampled in the next round.",
}
NUMBERS: dict[str, tuple[Series, ...]] = {
    "sft": (Series("loss/sft", "Loss"), Series("loss/validation", "Validation loss")),
    "reward": (
        Series("loss/reward", "Loss"),
        Series("accuracy/train", "Accuracy, train"),
        Series("accuracy/validation", "Accuracy, validation"),
    ),
    "dpo": (
        Series("loss/dpo", "Loss"),
        Series("rewards/margin", "Reward margin"),
        Series("accuracy/train", "Accuracy, train"),
        Series("accuracy/validation", "Accuracy, validation"),
    ),
    "ppo": (
        Series("objective/scores", "Score"),
        Series("objective/kl", "KL"),
        Series("response/length", "Length"),
        Series("policy/clipfrac", "Clipped share"),
    ),
    "sample": (),
}


def state_of(run: RunView) -> str:
    """What is happening to the run, in one word for its badge."""
    if run.cancel_requested and not run.is_finished:
        return "cancelling"
    return "waiting" if run.is_waiting else run.status


def live_numbers(run: RunView) -> list[tuple[str, str, str | None]]:
    """The few numbers that stand at the head of a run's page: name, number, unit."""
    units = {key: one.unit for key, one in quantities_of(run.kind).items()}
    return [
        (
            gettext(one.label),
            written(run.latest[one.key], units[one.key]),
            unit_words(units[one.key]),
        )
        for one in NUMBERS[run.kind]
        if one.key in run.latest
    ]


def time_left(run: RunView) -> str | None:
    """How long the run will still take, as the trainer counts tokens; None when it cannot say."""
    seconds = run.latest.get("seconds_left")
    if run.status != "running" or seconds is None or is_closing(run):
        return None
    return duration(seconds)


def is_closing(run: RunView) -> bool:
    """Whether the last step is done and what follows it, whose tokens nobody counts, is not."""
    return run.status == "running" and run.progress >= 1


def closing_numbers(run: RunView) -> list[tuple[str, str]]:
    """What the run measured at its end, with its unit, and how many rows it used."""
    if run.result is None:
        return []
    quantities = quantities_of(run.kind)
    for key, one in METRICS.items():
        quantities.setdefault(key, Quantity(gettext(one.label), one.unit))
    places = {key: place for place, key in enumerate(quantities)}
    # The database keeps no order of keys: first what has a curve, then the rest as it is listed.
    metrics = sorted(
        (item for item in run.result["metrics"].items() if item[0] != "seconds_left"),
        key=lambda item: (places.get(item[0], len(places)), item[0]),
    )
    row_places = {name: place for place, name in enumerate(ROWS)}
    rows = sorted(
        run.result["rows"].items(),
        key=lambda item: (row_places.get(item[0], len(row_places)), item[0]),
    )
    return [
        *(_measured(quantities.get(key, Quantity(key)), value) for key, value in metrics),
        *((gettext(ROWS[name]) if name in ROWS else _spoken(name), number(n)) for name, n in rows),
    ]


def _measured(quantity: Quantity, value: float | None) -> tuple[str, str]:
    words = None if value is None else unit_words(quantity.unit)
    text = written(value, quantity.unit)
    return quantity.label, text if words is None else f"{text} {words}"


def shown_settings(run: RunView) -> list[tuple[str, str]]:
    """The run's settings in words, in the order of the form."""
    shown = []
    # The database keeps no order of keys.
    for name, value in sorted(run.settings.items(), key=lambda item: _place(item[0])):
        shown.append((_label(name), _with_unit(name, value)))
    return shown


def elapsed_text(run: RunView) -> str:
    """How long the run has taken so far."""
    return "–" if run.elapsed is None else duration(run.elapsed.total_seconds())


def _place(name: str) -> int:
    known = [*WORDS, *SAMPLING_WORDS]
    return known.index(name) if name in known else len(known)


def _label(name: str) -> str:
    known = {key: label for key, (label, _) in WORDS.items()} | SAMPLING_WORDS
    return gettext(known[name]) if name in known else _spoken(name).capitalize()


def _with_unit(name: str, value: object) -> str:
    has_unit = name in UNITS and isinstance(value, int | float)
    return f"{_text(value)} {gettext(UNITS[name])}" if has_unit else _text(value)


def _spoken(name: str) -> str:
    return name.replace("_", " ")


def _text(value: object) -> str:
    if value is None:
        return gettext("none")
    if isinstance(value, bool):
        return gettext("on") if value else gettext("off")
    if isinstance(value, float):
        return plain(value)
    if isinstance(value, dict):
        given = {key: one for key, one in value.items() if one is not None}
        parts = [f"{_label(key)} {_with_unit(key, one)}" for key, one in given.items()]
        return ", ".join(parts) or gettext("all")
    if isinstance(value, list):
        return ", ".join(map(_text, value))
    return gettext(CHOICES[str(value)]) if str(value) in CHOICES else str(value)
