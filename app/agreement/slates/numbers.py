"""The numbers of one slate from its labelers' ranks: pure. Responses are letters here."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import islice

import numpy as np

from app.agreement.metrics.consensus import (
    Kemeny,
    PairSplit,
    kemeny,
    mean_mid_ranks,
    pair_splits,
    preferences,
)
from app.agreement.metrics.orders import consensus, written
from app.agreement.metrics.rank_correlation import Concordance, kendall_w
from app.agreement.slates.divided import most_divided, strict_counts

MOST_ORDERS = 6

Letters = tuple[str, str]


@dataclass(frozen=True)
class Cell:
    """How the labelers who judged two responses are divided: for the first, ties, the second."""

    letters: Letters
    split: PairSplit


@dataclass(frozen=True)
class SlateNumbers:
    """What the labelers of a slate say together.

    Attributes:
        labels: how many labelers.
        alike: units of strict agreement that are ordered alike.
        units: of them there are.
        concordance: Kendall's W; None below two labelers, or where it is not defined.
        orders: Kemeny's best orders as `B > C > A`, at most `MOST_ORDERS`.
        has_more_orders: whether there are more of them.
        common: when there are several, what all of them share, as `B > C`, without what follows.
        mid_ranks: (letter, mean mid-rank) of every response, best first; None was never compared.
        consensus: the order by mean mid-rank, as `B > A=C`.
        cells: every two responses, in the order of their letters.
    """

    labels: int
    alike: int
    units: int
    concordance: Concordance | None
    orders: list[str]
    has_more_orders: bool
    common: list[str]
    mid_ranks: list[tuple[str, float | None]]
    consensus: str
    cells: list[Cell]

    @property
    def agreement(self) -> float | None:
        """The share of the units that are ordered alike."""
        return self.alike / self.units if self.units else None

    @property
    def most_divided(self) -> Letters | None:
        """The two responses over which most are opposed."""
        chosen = most_divided([cell.split for cell in self.cells])
        found = [cell.letters for cell in self.cells if cell.split.pair == chosen]
        return found[0] if found else None

    def majority_of(self, letters: Letters) -> str | None:
        """The one of two that more labelers prefer; None when as many prefer each."""
        for cell in self.cells:
            if set(cell.letters) == set(letters) and cell.split.majority:
                return cell.letters[0] if cell.split.majority > 0 else cell.letters[1]
        return None


def numbers_of(rankings: Sequence[Mapping[str, int | None]], letters: str) -> SlateNumbers:
    """Compute everything.

    Args:
        rankings: rank by letter of each labeler, 1 is best; None or absent was not judged.
        letters: of the slate's responses, up to nine.
    """
    ranks = np.array(
        [[one.get(letter) or 0 for letter in letters] for one in rankings], dtype=np.int64
    ).reshape(len(rankings), len(letters))
    counted = preferences(ranks)
    splits = pair_splits(counted)
    alike, units = strict_counts(splits)
    best = kemeny(counted)
    orders = list(islice(best.orders(), MOST_ORDERS + 1)) if best.compared else []
    means, named = mean_mid_ranks(counted), dict(enumerate(letters))
    return SlateNumbers(
        labels=len(rankings),
        alike=alike,
        units=units,
        concordance=kendall_w(ranks),
        orders=[" > ".join(letters[i] for i in order) for order in orders[:MOST_ORDERS]],
        has_more_orders=len(orders) > MOST_ORDERS,
        common=_common(best, letters) if len(orders) > 1 else [],
        mid_ranks=[
            (letter, None if mean is None else float(mean))
            for mean, letter in sorted(
                zip(means, letters, strict=True), key=lambda one: (one[0] is None, one[0] or 0)
            )
        ],
        consensus=written(consensus([_by_column(one, letters) for one in rankings]), named),
        cells=[Cell((letters[split.pair[0]], letters[split.pair[1]]), split) for split in splits],
    )


def _by_column(ranks: Mapping[str, int | None], letters: str) -> dict[int, int | None]:
    return {i: ranks.get(letter) for i, letter in enumerate(letters)}


def _common(best: Kemeny, letters: str) -> list[str]:
    """The pairs of the shared partial order that do not follow from others of it."""
    pairs = set(best.common)
    between = {(i, k) for i, j in pairs for j_, k in pairs if j == j_}
    return [f"{letters[i]} > {letters[j]}" for i, j in sorted(pairs - between)]
