"""How accurate a reward model can be at all, given how often labelers agree with each other."""

import math
from collections.abc import Sequence
from itertools import combinations

from trainer.measures.outcomes import Outcome, share_of
from trainer.result import AgreementBand, Share

MIN_LABELERS_FOR_MAJORITY = 3
NO_PAIR = "not enough data: no pair of responses was compared by two labelers"
BELOW_CHANCE = "labelers agree on %(share)s, which is less than chance"

Votes = dict[str, Outcome]


def agreement_band(outcomes: Sequence[Outcome]) -> AgreementBand:
    """Measure labelers against each other, and the model on the very same pairs of responses.

    Agreement is counted per pair of responses and two labelers who both have a preference. The
    empirical ceiling judges each preference by the majority of the others', where at least three
    labelers have one; where the others cancel out there is no majority and nothing is counted.
    """
    pairs = _votes_of(outcomes)
    twos = [(one, other) for votes in pairs for one, other in combinations(list(votes.values()), 2)]
    agreement = share_of((one.prompt_id, one.chosen == other.chosen) for one, other in twos)
    decided = [
        (vote, balance > 0)
        for votes in pairs
        if len(votes) >= MIN_LABELERS_FOR_MAJORITY
        for vote in votes.values()
        if (balance := _balance_of_others(vote, votes)) != 0
    ]
    ceiling, reason = _ceiling_of(agreement)
    return AgreementBand(
        agreement=agreement,
        accuracy=share_of((one.prompt_id, (one.right + other.right) / 2) for one, other in twos),
        ceiling=ceiling,
        empirical_ceiling=share_of((vote.prompt_id, is_right) for vote, is_right in decided),
        accuracy_beside_majority=share_of((vote.prompt_id, vote.right) for vote, _ in decided),
        reason=reason,
    )


def labeler_accuracy(agreement: float) -> float | None:
    """Return how often a labeler is with the majority, if all pairs are equally hard.

    Two labelers who are each right with probability q agree with probability
    a = q^2 + (1 - q)^2, so q = (1 + sqrt(2a - 1)) / 2. A model that always knew the majority
    would be right about single labels with probability q.

    Returns:
        None below an agreement of a half, which no q explains.
    """
    if agreement < 0.5:  # noqa: PLR2004 chance
        return None
    return (1 + math.sqrt(2 * agreement - 1)) / 2


def _ceiling_of(agreement: Share) -> tuple[float | None, str | None]:
    if agreement.value is None:
        return None, NO_PAIR
    ceiling = labeler_accuracy(agreement.value)
    if ceiling is None:
        return None, BELOW_CHANCE % {"share": f"{agreement.value:.1%}"}
    return ceiling, None


def _votes_of(outcomes: Sequence[Outcome]) -> list[Votes]:
    """Per pair of responses the comparison of each labeler, the last one where there are more."""
    pairs: dict[tuple[str, frozenset[int | str]], Votes] = {}
    for outcome in outcomes:
        key = outcome.prompt_id, frozenset((outcome.chosen, outcome.rejected))
        pairs.setdefault(key, {})[outcome.labeler] = outcome
    return list(pairs.values())


def _balance_of_others(vote: Outcome, votes: Votes) -> int:
    """How many more of the other labelers side with this one than against."""
    with_it = sum(other.chosen == vote.chosen for other in votes.values()) - 1
    return 2 * with_it - (len(votes) - 1)
