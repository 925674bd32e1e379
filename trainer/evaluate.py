"""What is measured of a reward model on held-out prompts, from scores and rankings alone.

Pure and without torch: `evaluate` for the run, `evaluate_fold` for one group of held-out labelers,
`pairwise_accuracy` for the curves of a run that is still going.
"""

import math
from collections.abc import Iterator, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from itertools import combinations
from typing import NamedTuple

from trainer.errors import RunDivergedError
from trainer.measures.agreement_band import agreement_band
from trainer.measures.breakdowns import by_labeler, by_margin, by_models, by_round
from trainer.measures.calibration import calibrate
from trainer.measures.length_checks import ScoredResponse, check_lengths
from trainer.measures.outcomes import (
    Outcome,
    Response,
    accuracy_of,
    accuracy_per_prompt,
)
from trainer.result import Fold, RewardEvaluation, Share


@dataclass(frozen=True)
class Judged:
    """One ranking with the scores of its responses.

    Attributes:
        prompt_id: rankings of one prompt are not independent of each other.
        ranks: one per response, 1 is best; None was not judged.
        scores: one per response.
        labeler: who ranked.
        ratings: one per response, None was not rated; empty: nothing was.
        token_counts: one per response, its length, at least 1; empty: not known.
        responses: one per response, which of the prompt's responses it is; empty: all rankings of
            the prompt are of the same responses in the same order.
        models: one per response, whose it is; None is not known; empty: nothing is.
        round: in which round they were ranked; None is not known.
    """

    prompt_id: str
    ranks: Sequence[int | None]
    scores: Sequence[float]
    labeler: str = ""
    ratings: Sequence[int | None] = ()
    token_counts: Sequence[int] = ()
    responses: Sequence[Response] = ()
    models: Sequence[str | None] = ()
    round: int | None = None


class _Place(NamedTuple):
    """One response of a ranking, as `Judged` has it."""

    rank: int | None
    score: float
    rating: int | None
    tokens: int | None
    response: Response
    model: str | None


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
        by_labeler=by_labeler(outcomes, {ranking.labeler for ranking in judged}),
        by_margin=by_margin(outcomes),
        by_round=by_round(outcomes),
        by_models=by_models(outcomes),
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
    for score in ranking.scores:
        if not math.isfinite(score):
            raise RunDivergedError(
                f"a response to prompt {ranking.prompt_id} scores {score}; train again with a "
                "lower learning rate, or in float32"
            )
    for one, other in combinations(_places(ranking), 2):
        if one.rank is None or other.rank is None or one.rank == other.rank:
            continue
        chosen, rejected = (one, other) if one.rank < other.rank else (other, one)
        yield Outcome(
            ranking.prompt_id,
            ranking.labeler,
            chosen.response,
            rejected.response,
            chosen.score - rejected.score,
            _rating_gap(chosen, rejected),
            _tokens(chosen, rejected),
            _models(chosen, rejected),
            ranking.round,
        )


def _places(ranking: Judged) -> list[_Place]:
    width = len(ranking.ranks)
    unknown = [None] * width
    columns = (
        ranking.ranks,
        ranking.scores,
        ranking.ratings or unknown,
        ranking.token_counts or unknown,
        ranking.responses or range(width),
        ranking.models or unknown,
    )
    return [_Place(*row) for row in zip(*columns, strict=True)]


def _rating_gap(chosen: _Place, rejected: _Place) -> int | None:
    if chosen.rating is None or rejected.rating is None:
        return None
    return chosen.rating - rejected.rating


def _tokens(chosen: _Place, rejected: _Place) -> tuple[int, int] | None:
    if chosen.tokens is None or rejected.tokens is None:
        return None
    return chosen.tokens, rejected.tokens


def _models(chosen: _Place, rejected: _Place) -> tuple[str, str] | None:
    if chosen.model is None or rejected.model is None:
        return None
    return min(chosen.model, rejected.model), max(chosen.model, rejected.model)


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
