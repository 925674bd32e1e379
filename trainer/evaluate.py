"""What is measured of a reward model on held-out prompts, from scores and rankings alone.

Pure and without torch: `evaluate` for the run, `evaluate_fold` for one group of held-out labelers,
`pairwise_accuracy` for the curves of a run that is still going.
"""

import math
from collections.abc import Iterator, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from itertools import combinations

from trainer.errors import RunDivergedError
from trainer.measures.agreement_band import agreement_band
from trainer.measures.calibration import calibrate
from trainer.measures.length_checks import ScoredResponse, check_lengths
from trainer.measures.outcomes import (
    Outcome,
    Response,
    accuracy_of,
    accuracy_per_prompt,
)
from trainer.result import Fold, RewardEvaluation, Share

MARGINS = ("0", "1", "2", "3+")
CONTRADICTING_MARGIN = "below 0"


@dataclass(frozen=True)
class Judged:
    """One ranking with the scores of its responses.

    Attributes:
        prompt_id: rankings of one prompt are not independent of each other.
        ranks: one per response, 1 is best; None was not judged.
        scores: one per response.
        labeler: who ranked.
        ratings: one per response, None was not rated; empty: nothing was.
        token_counts: one per response, its length; empty: not known.
        responses: one per response, which of the prompt's responses it is; empty: all rankings of
            the prompt are of the same responses in the same order.
    """

    prompt_id: str
    ranks: Sequence[int | None]
    scores: Sequence[float]
    labeler: str = ""
    ratings: Sequence[int | None] = ()
    token_counts: Sequence[int] = ()
    responses: Sequence[Response] = ()


@dataclass(frozen=True)
class Accuracy:
    """Pairwise accuracy over strict comparisons; equal scores count half.

    Attributes:
        value: None when there is no strict comparison.
        comparisons: how many strict comparisons there are.
        tied_pairs: how many pairs of judged responses are ties and thus left out.
        prompts: how many prompts have a strict comparison.
    """

    value: float | None
    comparisons: int
    tied_pairs: int
    prompts: int


def evaluate(
    judged: Sequence[Judged], training_labelers: AbstractSet[str], *, folds: Sequence[Fold] = ()
) -> RewardEvaluation:
    """Measure everything about a reward model on held-out prompts.

    Args:
        judged: all rankings of the held-out prompts, with the scores of the trained model.
        training_labelers: who gave any of the rankings that were trained on.
        folds: from `evaluate_fold`, where the experiment was done.

    Raises:
        RunDivergedError: when a score is not finite.
    """
    outcomes = outcomes_of(judged)
    return RewardEvaluation(
        accuracy=accuracy_of(outcomes),
        accuracy_per_prompt=accuracy_per_prompt(outcomes),
        by_labeler=_by_labeler(judged, outcomes),
        by_margin=_by_margin(outcomes),
        training_labelers=_accuracy_among(outcomes, training_labelers),
        held_out_labelers=_accuracy_among(
            outcomes, {ranking.labeler for ranking in judged} - training_labelers
        ),
        calibration=calibrate(outcomes),
        length=check_lengths(outcomes, _scored_prompts(judged)),
        agreement=agreement_band(outcomes),
        folds=list(folds),
    )


def evaluate_fold(
    judged: Sequence[Judged],
    held_out: AbstractSet[str],
    *,
    training_labelers: AbstractSet[str],
) -> Fold:
    """Measure a model that was trained without some labelers, on theirs and the others' rankings.

    Args:
        judged: all rankings of the held-out prompts, with the scores of that model.
        held_out: a group of `labeler_folds`.
        training_labelers: who gave any of the rankings that the model was trained on. Who ranked
            held-out prompts alone is in neither group.

    Raises:
        RunDivergedError: when a score is not finite.
    """
    outcomes = outcomes_of(judged)
    return Fold(
        labelers=sorted(held_out),
        training_labelers=_accuracy_among(outcomes, training_labelers),
        held_out_labelers=_accuracy_among(outcomes, held_out),
    )


def pairwise_accuracy(rankings: Sequence[Judged]) -> Accuracy:
    """Compare scores with rankings over all strict comparisons.

    Raises:
        RunDivergedError: when a score is not finite.
    """
    outcomes = outcomes_of(rankings)
    judged = [sum(rank is not None for rank in ranking.ranks) for ranking in rankings]
    tied_pairs = sum(math.comb(count, 2) for count in judged) - len(outcomes)
    share = accuracy_of(outcomes)
    return Accuracy(share.value, share.count, tied_pairs, share.prompts)


def outcomes_of(judged: Sequence[Judged]) -> list[Outcome]:
    """Expand rankings into strict comparisons; ties and unranked responses give none.

    Raises:
        RunDivergedError: when a score is not finite.
    """
    return [outcome for ranking in judged for outcome in _expand(ranking)]


def _expand(ranking: Judged) -> Iterator[Outcome]:
    width = len(ranking.ranks)
    for score in ranking.scores:
        if not math.isfinite(score):
            raise RunDivergedError(
                f"a response to prompt {ranking.prompt_id} scores {score}; train again with a "
                "lower learning rate, or in float32"
            )
    unknown: list[int | None] = [None] * width
    ratings, tokens = ranking.ratings or unknown, ranking.token_counts or unknown
    responses = ranking.responses or range(width)
    rows = list(zip(ranking.ranks, ranking.scores, ratings, tokens, responses, strict=True))
    for one, other in combinations(rows, 2):
        if one[0] is None or other[0] is None or one[0] == other[0]:
            continue
        chosen, rejected = (one, other) if one[0] < other[0] else (other, one)
        yield Outcome(
            ranking.prompt_id,
            ranking.labeler,
            chosen[4],
            rejected[4],
            chosen[1] - rejected[1],
            _difference(chosen[2], rejected[2]),
            _difference(chosen[3], rejected[3]),
        )


def _difference(one: int | None, other: int | None) -> int | None:
    return None if one is None or other is None else one - other


def _scored_prompts(judged: Sequence[Judged]) -> list[dict[Response, ScoredResponse]]:
    """Of each prompt with known lengths every response once, whoever ranked it."""
    prompts: dict[str, dict[Response, ScoredResponse]] = {}
    for ranking in judged:
        if ranking.token_counts:
            responses = ranking.responses or range(len(ranking.ranks))
            scored = map(ScoredResponse, ranking.token_counts, ranking.scores)
            prompts.setdefault(ranking.prompt_id, {}).update(zip(responses, scored, strict=True))
    return list(prompts.values())


def _accuracy_among(outcomes: Sequence[Outcome], labelers: AbstractSet[str]) -> Share:
    return accuracy_of(outcome for outcome in outcomes if outcome.labeler in labelers)


def _by_labeler(judged: Sequence[Judged], outcomes: Sequence[Outcome]) -> dict[str, Share]:
    """Accuracy for every labeler, also for those who tied everything."""
    grouped: dict[str, list[Outcome]] = {
        labeler: [] for labeler in sorted({ranking.labeler for ranking in judged})
    }
    for outcome in outcomes:
        grouped[outcome.labeler].append(outcome)
    return {labeler: accuracy_of(group) for labeler, group in grouped.items()}


def _by_margin(outcomes: Sequence[Outcome]) -> dict[str, Share]:
    """Accuracy by the gap of the ratings; a gap against the ranking is kept apart."""
    grouped: dict[str, list[Outcome]] = {margin: [] for margin in MARGINS}
    for outcome in outcomes:
        gap = outcome.rating_gap
        if gap is not None:
            place = MARGINS[min(gap, len(MARGINS) - 1)] if gap >= 0 else CONTRADICTING_MARGIN
            grouped.setdefault(place, []).append(outcome)
    return {margin: accuracy_of(group) for margin, group in grouped.items()}
