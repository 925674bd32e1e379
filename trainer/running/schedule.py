"""Which rows a step trains on, and after which steps held-out rows are measured."""

import random
from collections.abc import Sequence
from typing import TypeVar

from trainer.spec import DPOSettings, RewardSettings, SFTSettings

VALIDATIONS = 10

Row = TypeVar("Row")


def plan_batches(
    rows: Sequence[Row], settings: SFTSettings | RewardSettings | DPOSettings
) -> list[list[Row]]:
    """Return what every step trains on: each row once an epoch, a new order every epoch.

    The order depends on nothing but the seed, so that a resumed run needs no state for it. The last
    batch of an epoch may be smaller.
    """
    size = settings.batch_size
    steps = max(1, round(settings.epochs * -(-len(rows) // size)))
    order = random.Random(settings.seed)  # noqa: S311 - an order of rows, not a secret
    plan: list[list[Row]] = []
    while len(plan) < steps:
        shuffled = order.sample(rows, len(rows))
        plan += [shuffled[at : at + size] for at in range(0, len(rows), size)]
    return plan[:steps]


def is_validation_due(step: int, *, steps: int) -> bool:
    """Tell whether held-out rows are measured after a step: ten times a run and at its end."""
    return (step + 1) % -(-steps // VALIDATIONS) == 0 or step == steps - 1
