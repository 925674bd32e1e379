"""What filling ranks from ratings does to them, where half of the tasks went without: pure."""

from dataclasses import dataclass

import numpy as np

from app.agreement.behaviour.effort import tied_pairs
from app.agreement.metrics.arrays import Booleans, Integers
from app.agreement.metrics.estimates import Measured, ratios
from app.agreement.metrics.labels import ORDINARY, Labels, headline
from app.agreement.metrics.pairwise import pair_counts, rows_of_two_labelers

NOTHING = Measured(None, None, 0, 0)
UNASSISTED, ASSISTED = 0, 1
# Of two labelers at a slate: how many of them were assisted.
NEITHER, ONE_OF_THEM, BOTH = 0, 1, 2


@dataclass(frozen=True)
class Arms:
    """Rankings (m,) made while the assistance was compared; all others are in no arm.

    Attributes:
        ranking_id: (m,) ascending.
        is_assisted: (m,) whether the screen would fill the ranks.
        moves: (m,) how often something was moved after it did; -1 where it did not.
    """

    ranking_id: Integers
    is_assisted: Booleans
    moves: Integers


@dataclass(frozen=True)
class ArmOutcome:
    """What came of one arm.

    Attributes:
        rankings: how many.
        ties: share of tied pairs, each ranking a case of its own.
        filled: rankings of which the ranks were filled.
        moves: the mean number of moves after that; None without any.
        agreement: strict agreement of two labelers of this arm.
    """

    rankings: int
    ties: Measured
    filled: int
    moves: float | None
    agreement: Measured


@dataclass(frozen=True)
class Assistance:
    """Both arms, and the strict agreement of two labelers of whom one was assisted."""

    assisted: ArmOutcome
    unassisted: ArmOutcome
    across: Measured


def compared(labels: Labels, arms: Arms) -> Assistance | None:
    """Hold the arms against each other; None when no ordinary ranking is in one.

    Agreement is that of the headline: the first two labels of the random overlap, each two of them
    on the pairs that both judged and neither tied.
    """
    counted, place = _in_arms(labels.of_purposes(ORDINARY), arms)
    if not len(counted):
        return None
    assisted = arms.is_assisted[place].astype(np.int64)
    ties = ratios(*tied_pairs(counted.ranks), np.arange(len(counted)), assisted)
    both, place_of_both = _in_arms(headline(labels), arms)
    of_two = _agreement(both, arms.is_assisted[place_of_both].astype(np.int64))

    def outcome(arm: int, agreement: Measured) -> ArmOutcome:
        moves = arms.moves[place][assisted == arm]
        filled = moves[moves >= 0]
        return ArmOutcome(
            rankings=len(moves),
            ties=ties.get(arm, NOTHING),
            filled=len(filled),
            moves=float(filled.mean()) if len(filled) else None,
            agreement=agreement,
        )

    return Assistance(
        assisted=outcome(ASSISTED, of_two.get(BOTH, NOTHING)),
        unassisted=outcome(UNASSISTED, of_two.get(NEITHER, NOTHING)),
        across=of_two.get(ONE_OF_THEM, NOTHING),
    )


def _in_arms(labels: Labels, arms: Arms) -> tuple[Labels, Integers]:
    """The labels that are in an arm, with their places in `arms`."""
    kept = labels.where(np.isin(labels.ranking_id, arms.ranking_id))
    return kept, np.searchsorted(arms.ranking_id, kept.ranking_id)


def _agreement(labels: Labels, assisted: Integers) -> dict[int, Measured]:
    """By how many of the two labelers were assisted."""
    counts = pair_counts(labels)
    one, other = rows_of_two_labelers(labels)
    return ratios(*counts.strict, counts.prompt, assisted[one] + assisted[other])
