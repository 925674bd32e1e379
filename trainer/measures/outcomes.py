"""Held-out comparisons that a model was right or wrong about, and shares of them with intervals.

Comparisons of one prompt depend on each other, so prompts are the clusters; what is undefined is
None with a reason, never 0 or NaN.
"""

import math
from collections.abc import Iterable
from typing import NamedTuple

from trainer.result import Share

MIN_PROMPTS = 10
NO_COMPARISON = "not enough data: no comparison"
FEW_PROMPTS = "not enough data: %(count)s of %(least)s prompts"
# Scores in float32 that differ by less are the same score, computed in different company.
ROUNDING = 1e-5
NORMAL_975 = 1.959963984540054

Response = int | str


class Outcome(NamedTuple):
    """A strict comparison by one labeler, with what the model makes of it.

    Attributes:
        prompt_id: comparisons of one prompt are not independent of each other.
        labeler: whose comparison it is.
        chosen: which of the prompt's responses the labeler prefers.
        rejected: to which.
        margin: score of the chosen minus score of the rejected response.
        rating_gap: rating of the chosen minus rating of the rejected one, where both were rated.
        tokens: of the chosen and of the rejected one, where known; each holds its EOS.
        models: whose responses the two are, in the order of their names, where known.
        round: in which round they were ranked, where known.
    """

    prompt_id: str
    labeler: str
    chosen: Response
    rejected: Response
    margin: float
    rating_gap: int | None
    tokens: tuple[int, int] | None
    models: tuple[str, str] | None
    round: int | None

    @property
    def right(self) -> float:
        """1 when the chosen response scores higher, a half when both score the same, else 0."""
        return win(self.margin if abs(self.margin) > ROUNDING else 0.0)

    @property
    def extra_tokens(self) -> int | None:
        """Tokens of the chosen minus tokens of the rejected response, where known."""
        return None if self.tokens is None else self.tokens[0] - self.tokens[1]

    @property
    def log_length(self) -> float | None:
        """Logarithm of how many times as long the chosen response is, where known."""
        return None if self.tokens is None else math.log(self.tokens[0] / self.tokens[1])


def win(difference: float) -> float:
    """Return 1 for a positive difference, a half for none, 0 for a negative one."""
    return 0.5 if difference == 0 else float(difference > 0)


def accuracy_of(outcomes: Iterable[Outcome]) -> Share:
    """Return the share of comparisons that the scores get right; equal scores count half."""
    return share_of((outcome.prompt_id, outcome.right) for outcome in outcomes)


def accuracy_per_prompt(outcomes: Iterable[Outcome]) -> Share:
    """Return the mean over prompts of the accuracy within each; `count` is that of prompts."""
    grouped: dict[str, list[float]] = {}
    for outcome in outcomes:
        grouped.setdefault(outcome.prompt_id, []).append(outcome.right)
    return share_of((prompt, sum(rights) / len(rights)) for prompt, rights in grouped.items())


def share_of(scored: Iterable[tuple[str, float]]) -> Share:
    """Average scores of 0 to 1, with a 95% interval over prompts.

    The interval is a t interval with one degree of freedom less than there are prompts, around the
    linearised ratio of sums over prompts (Cochran, Sampling Techniques, 3rd ed., 2.11 and 9A.2):
    SE = sqrt(P/(P-1) sum_p (a_p - A n_p)^2) / sum_p n_p. It agrees with a bootstrap over prompts
    where there are many, covers better where there are few, and needs no random numbers. When all
    is right or all is wrong the SE is 0, which says nothing; then it is Wilson's interval (1927)
    with each prompt as one trial.

    Args:
        scored: of each comparison the prompt, and 1 for right, 0 for wrong, between for undecided.

    Returns:
        Without a value where there is nothing to average, without an interval below ten prompts.
    """
    sums: dict[str, float] = {}
    counts: dict[str, int] = {}
    for prompt, score in scored:
        sums[prompt] = sums.get(prompt, 0.0) + score
        counts[prompt] = counts.get(prompt, 0) + 1
    total, prompts = sum(counts.values()), len(counts)
    if total == 0:
        return Share(value=None, count=0, prompts=0, reason=NO_COMPARISON)
    value = sum(sums.values()) / total
    if prompts < MIN_PROMPTS:
        reason = FEW_PROMPTS % {"count": prompts, "least": MIN_PROMPTS}
        return Share(value=value, count=total, prompts=prompts, reason=reason)
    if value in {0.0, 1.0}:
        far = prompts / (prompts + NORMAL_975**2)
        low, high = (far, 1.0) if value else (0.0, 1 - far)
    else:
        squares = sum((sums[prompt] - value * counts[prompt]) ** 2 for prompt in counts)
        half = t_975(prompts - 1) * math.sqrt(prompts / (prompts - 1) * squares) / total
        low, high = max(0.0, value - half), min(1.0, value + half)
    return Share(value=value, low=low, high=high, count=total, prompts=prompts)


def t_975(degrees: int) -> float:
    """Return the 97.5% quantile of Student's t (Abramowitz and Stegun 26.7.5).

    The expansion around the normal quantile errs by less than 0.0002 from nine degrees of freedom
    on, the fewest that an interval is given for.
    """
    x = NORMAL_975
    terms = (
        (x**3 + x) / 4,
        (5 * x**5 + 16 * x**3 + 3 * x) / 96,
        (3 * x**7 + 19 * x**5 + 17 * x**3 - 15 * x) / 384,
        (79 * x**9 + 776 * x**7 + 1482 * x**5 - 1920 * x**3 - 945 * x) / 92160,
    )
    return x + sum(term / float(degrees) ** power for power, term in enumerate(terms, start=1))
