"""The accuracy of a reward model by labeler, margin, round and pair of models."""

from collections.abc import Callable, Iterable, Sequence
from typing import TypeVar

from trainer.measures.outcomes import Outcome, accuracy_of
from trainer.result import ModelPair, Share

MARGINS = ("0", "1", "2", "3+")
CONTRADICTING_MARGIN = "below 0"

Group = TypeVar("Group")


def by_labeler(outcomes: Sequence[Outcome], labelers: Iterable[str]) -> dict[str, Share]:
    """Return the accuracy for each of the labelers, also for those who tied everything."""
    return _accuracies(outcomes, lambda outcome: outcome.labeler, groups=sorted(labelers))


def by_margin(outcomes: Sequence[Outcome]) -> dict[str, Share]:
    """Return the accuracy by the gap of the ratings; a gap against the ranking is kept apart."""
    return _accuracies(outcomes, _margin_of, groups=MARGINS)


def by_round(outcomes: Sequence[Outcome]) -> dict[str, Share]:
    """Return the accuracy by round, in their order, where the round is known."""
    rounds = _accuracies(outcomes, lambda outcome: outcome.round)
    return {str(number): rounds[number] for number in sorted(rounds)}


def by_models(outcomes: Sequence[Outcome]) -> list[ModelPair]:
    """Return the accuracy by pair of models, most comparisons first, where both are known."""
    pairs = _accuracies(outcomes, lambda outcome: outcome.models)
    ordered = sorted(pairs.items(), key=lambda pair: (-pair[1].count, pair[0]))
    return [ModelPair(models=models, accuracy=accuracy) for models, accuracy in ordered]


def _accuracies(
    outcomes: Sequence[Outcome],
    group_of: Callable[[Outcome], Group | None],
    *,
    groups: Iterable[Group] = (),
) -> dict[Group, Share]:
    """Return the accuracy in each group: those given, then others as they come; None is none."""
    grouped: dict[Group, list[Outcome]] = {group: [] for group in groups}
    for outcome in outcomes:
        group = group_of(outcome)
        if group is not None:
            grouped.setdefault(group, []).append(outcome)
    return {group: accuracy_of(found) for group, found in grouped.items()}


def _margin_of(outcome: Outcome) -> str | None:
    gap = outcome.rating_gap
    if gap is None:
        return None
    return MARGINS[min(gap, len(MARGINS) - 1)] if gap >= 0 else CONTRADICTING_MARGIN
