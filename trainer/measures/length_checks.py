"""Whether a reward model pays for length rather than for what labelers prefer."""

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from trainer.measures.choice_regression import regress_choices
from trainer.measures.outcomes import Outcome, Response, accuracy_of, share_of, win
from trainer.result import LengthChecks, Share

MAX_DIFFERENCE = 0.10

ScoredPrompt = Mapping[Response, "ScoredResponse"]


class ScoredResponse(NamedTuple):
    """A response by its length and its score."""

    tokens: int
    score: float


def check_lengths(outcomes: Sequence[Outcome], prompts: Iterable[ScoredPrompt]) -> LengthChecks:
    """Relate scores and labelers' choices to response length.

    Args:
        outcomes: held-out comparisons; those without token counts are left aside.
        prompts: of each prompt its responses, each once.
    """
    lengths = [
        (outcome, outcome.extra_tokens) for outcome in outcomes if outcome.extra_tokens is not None
    ]
    longer = accuracy_of(outcome for outcome, extra in lengths if extra > 0)
    shorter = accuracy_of(outcome for outcome, extra in lengths if extra < 0)
    return LengthChecks(
        mean_spearman=mean_spearman(prompts),
        longer_wins=share_of((outcome.prompt_id, win(extra)) for outcome, extra in lengths),
        when_chosen_longer=longer,
        when_chosen_shorter=shorter,
        warning=_warning(longer, shorter),
        choice=regress_choices(outcomes),
    )


def mean_spearman(prompts: Iterable[ScoredPrompt]) -> float | None:
    """Average the rank correlation of score and tokens over prompts.

    Prompts whose responses all have one length, or all one score, have none and are left aside.
    """
    correlations = [
        spearman([one.tokens for one in prompt.values()], [one.score for one in prompt.values()])
        for prompt in prompts
    ]
    found = [correlation for correlation in correlations if correlation is not None]
    return sum(found) / len(found) if found else None


def spearman(one: Sequence[float], other: Sequence[float]) -> float | None:
    """Return the correlation of the mid-ranks (Spearman 1904); None where a side is constant."""
    first, second = _centered_ranks(one), _centered_ranks(other)
    scale = float(first @ first) * float(second @ second)
    return float(first @ second) / scale**0.5 if scale > 0 else None


def _centered_ranks(values: Sequence[float]) -> NDArray[np.float64]:
    """(n,) mid-ranks minus their mean."""
    _, inverse, counts = np.unique(
        np.asarray(values, dtype=np.float64), return_inverse=True, return_counts=True
    )
    middles = np.cumsum(counts) - (counts - 1) / 2
    ranks: NDArray[np.float64] = middles[inverse] - (len(values) + 1) / 2
    return ranks


def _warning(longer: Share, shorter: Share) -> str | None:
    if longer.value is None or shorter.value is None:
        return None
    difference = longer.value - shorter.value
    if round(abs(difference), 9) <= MAX_DIFFERENCE:  # 0.8 - 0.7 is a little more than 0.1
        return None
    return (
        f"Accuracy is {longer.value:.1%} where the labeler chose the longer response "
        f"({longer.count} comparisons) and {shorter.value:.1%} where the shorter one "
        f"({shorter.count}): the reward model favors {'long' if difference > 0 else 'short'} "
        "responses."
    )
