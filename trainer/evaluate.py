"""How well scores agree with rankings: pairwise accuracy and log loss, clustered by prompt."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from trainer.losses import comparisons_of

MIN_PROMPTS_FOR_INTERVAL = 10
Z_95 = 1.96


@dataclass(frozen=True)
class Judged:
    """One ranking with the scores of its responses.

    Attributes:
        prompt_id: rankings of one prompt are not independent of each other.
        ranks: one per response, 1 is best; None was not judged.
        scores: one per response.
    """

    prompt_id: str
    ranks: Sequence[int | None]
    scores: Sequence[float]


@dataclass(frozen=True)
class Accuracy:
    """Pairwise accuracy over strict comparisons; equal scores count half.

    Attributes:
        value: None when there is no strict comparison.
        standard_error: clustered by prompt; None below ten prompts.
        log_loss: mean of -log sigmoid of the margins.
        comparisons: how many strict comparisons there are.
        tied_pairs: how many pairs of judged responses are ties and thus left out.
        prompts: how many prompts have a strict comparison.
    """

    value: float | None
    standard_error: float | None
    log_loss: float | None
    comparisons: int
    tied_pairs: int
    prompts: int

    def interval(self) -> tuple[float, float] | None:
        """Return the 95% interval, cut to 0..1; None where the standard error is."""
        if self.value is None or self.standard_error is None:
            return None
        half = Z_95 * self.standard_error
        return max(0.0, self.value - half), min(1.0, self.value + half)


def pairwise_accuracy(rankings: Sequence[Judged]) -> Accuracy:
    """Compare scores with rankings over all strict comparisons.

    The standard error is that of a ratio of sums over prompts (linearised; prompts are the
    clusters, since comparisons of one prompt share responses).
    """
    correct: dict[str, float] = {}
    count: dict[str, int] = {}
    log_loss, tied_pairs = 0.0, 0
    for ranking in rankings:
        comparisons = comparisons_of(ranking.ranks, ties="drop")
        judged = sum(rank is not None for rank in ranking.ranks)
        tied_pairs += math.comb(judged, 2) - len(comparisons)
        for comparison in comparisons:
            margin = ranking.scores[comparison.chosen] - ranking.scores[comparison.rejected]
            right = 0.5 if margin == 0 else float(margin > 0)
            correct[ranking.prompt_id] = correct.get(ranking.prompt_id, 0.0) + right
            count[ranking.prompt_id] = count.get(ranking.prompt_id, 0) + 1
            log_loss += _softplus(-margin)
    total = sum(count.values())
    if total == 0:
        return Accuracy(None, None, None, 0, tied_pairs, 0)
    value = sum(correct.values()) / total
    error = None
    if len(count) >= MIN_PROMPTS_FOR_INTERVAL:
        squares = sum((correct[prompt] - value * count[prompt]) ** 2 for prompt in count)
        error = math.sqrt(len(count) / (len(count) - 1) * squares) / total
    return Accuracy(value, error, log_loss / total, total, tied_pairs, len(count))


def _softplus(value: float) -> float:
    return max(value, 0.0) + math.log1p(math.exp(-abs(value)))
