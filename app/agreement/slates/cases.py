"""Which slates are the cases behind a number of the watch list: pure, numpy only."""

from typing import Literal, get_args

import numpy as np

from app.agreement.behaviour.anchors import ANCHOR
from app.agreement.behaviour.by_labeler import in_blocks
from app.agreement.behaviour.references import longer_wins
from app.agreement.metrics.arrays import Booleans
from app.agreement.metrics.labels import ORDINARY, RANDOM, Labels

Case = Literal["longer_wins", "first_is_best", "anchors"]
CASES: tuple[Case, ...] = get_args(Case)
MOST = 127  # more than any rank


def labels_of_case(labels: Labels, case: Case | None) -> Labels:
    """The labels that the number is computed from: checks count for anchors alone."""
    return labels.of_purposes((*RANDOM, ANCHOR) if case == "anchors" else ORDINARY)


def are_cases(labels: Labels, case: Case) -> Booleans:
    """(slates,) whether a slate is one of those that make the number what it is.

    Anchors are; so are slates of which some labeler thinks no response better than the one that
    they saw first, and those in which the longer response wins more than half of all labels' pairs.
    """
    if case == "anchors":
        return _slates_of(labels, labels.purpose == ANCHOR)
    if case == "first_is_best":
        top = np.where(labels.ranks > 0, labels.ranks, MOST).min(axis=1, initial=MOST)
        is_best = (labels.ranks == top[:, None]) & (labels.positions == 1)
        return _slates_of(labels, is_best.any(axis=1))
    hits, pairs = in_blocks(longer_wins, labels.ranks, labels.slates.lengths[labels.slate])
    surplus = np.bincount(labels.slate, 2 * hits - pairs, minlength=len(labels.slates.ids))
    is_case: Booleans = surplus > 0
    return is_case


def _slates_of(labels: Labels, rows: Booleans) -> Booleans:
    found = np.zeros(len(labels.slates.ids), dtype=np.bool_)
    found[labels.slate[rows]] = True
    return found
