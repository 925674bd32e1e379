"""Everything that is known of each labeler's work, from columns of labels: pure."""

from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from app.agreement.behaviour.by_labeler import Share, in_blocks, shares
from app.agreement.behaviour.drift import REFERENCE_PROMPTS, Drift, alarm_height, drift_of
from app.agreement.behaviour.effort import (
    DisplayOrder,
    Pace,
    Ratings,
    display_orders,
    opened_long,
    paces,
    ratings_of,
    tied_pairs,
)
from app.agreement.behaviour.position_bias import (
    BestByPosition,
    PositionTest,
    best_by_position,
    position_tests,
)
from app.agreement.behaviour.references import (
    rating_conflicts,
    with_consensus,
    with_gold,
    with_oneself,
    with_researchers,
)
from app.agreement.metrics.arrays import Floats, Integers, Signs, first_of_each
from app.agreement.metrics.estimates import Measured

GOLD_WINDOW = 30
# Ratings are never so far apart.
NO_GAP = 8

Flags = NDArray[np.bool_]


@dataclass(frozen=True)
class Work:
    """Current rankings, n labels of up to w responses, in the order of their first submission.

    Gold is never overlap, nor a repeat, so that what is measured on one set of labels says nothing
    of what is measured on another.
    """

    labelers: int
    labeler: Integers  # (n,) codes below `labelers`
    slate: Integers  # (n,)
    prompt: Integers  # (n,) codes from 0
    ranks: Signs  # (n, w) 0 is not judged; a column is one response in all labels of a slate
    ratings: Signs  # (n, w) 0 is missing
    positions: Signs  # (n, w) place 1..K at which the labeler saw the response, 0 is absent
    active_ms: Floats  # (n,) NaN is unknown
    words: Integers  # (n,) of all texts shown
    long_shown: Integers  # (n,) long responses shown folded
    long_opened: Integers  # (n,) those of them that were unfolded
    is_shared: (
        Flags  # (n,) random overlap, without labels that were asked for because others disagreed
    )
    is_researcher: Flags  # (n,) by a researcher
    gold: Signs  # (n, w) ranks of the known answer, where the task asked for it; 0 says nothing
    repeat_of: Integers  # (n,) row of the labeler's earlier ranking of the same slate, or -1


@dataclass(frozen=True)
class Evidence:
    """One labeler's numbers, as measured from all that there is."""

    consensus: Measured
    drift: Drift
    researchers: Measured
    gold: Measured
    gold_before: Measured
    """All but the latest 30 gold prompts."""
    gold_lately: Measured
    repeats: Measured
    conflicts: Measured
    ties: Measured
    told_conflicts: Measured
    """As `conflicts`, with each ranking as a case of its own: labelers are told how many there are,
    and a prompt that comes again would show itself as a check where prompts are counted."""
    told_ties: Measured
    opened: Measured
    position: PositionTest
    best: list[BestByPosition]
    display: DisplayOrder
    pace: Pace
    ratings: Ratings


def evidence_of(work: Work, *, conflict_gap: int | None = 2) -> list[Evidence]:
    """Measure each labeler.

    Args:
        work: the labels.
        conflict_gap: from which difference of ratings on the opposite order is a conflict;
            None: none is.
    """
    n, labeler = work.labelers, work.labeler
    again = np.flatnonzero(work.repeat_of >= 0)
    is_new = work.repeat_of < 0
    is_gold = (work.gold > 0).any(axis=1)
    shared = _shared(work)
    consensus = with_consensus(work.ranks[shared], work.slate[shared])
    drifts = _drifts(_followed(consensus, shared, work), n)
    gold_rows = np.flatnonzero(is_gold & is_new)
    gold = with_gold(work.ranks[gold_rows], work.gold[gold_rows])
    is_late = _from_the_end(labeler[gold_rows]) < GOLD_WINDOW
    both, researched = with_every_researcher(work)
    repeats = with_oneself(work.ranks[work.repeat_of[again]], work.ranks[again])
    everything = np.arange(len(labeler))
    where = (work.ranks, work.positions, labeler, n)
    conflicting = in_blocks(
        partial(rating_conflicts, gap=conflict_gap or NO_GAP), work.ranks, work.ratings
    )
    tied = in_blocks(tied_pairs, work.ranks)

    def measured(share: Share, rows: Integers) -> list[Measured]:
        return shares(share, work.prompt[rows], labeler[rows], n)

    columns = zip(
        measured(consensus, shared),
        drifts,
        measured(researched, both),
        measured(gold, gold_rows),
        measured(_where(gold, ~is_late), gold_rows),
        measured(_where(gold, is_late), gold_rows),
        measured(repeats, again),
        measured(conflicting, everything),
        measured(tied, everything),
        shares(conflicting, everything, labeler, n),
        shares(tied, everything, labeler, n),
        measured(opened_long(work.long_shown, work.long_opened), everything),
        position_tests(*where),
        best_by_position(*where),
        display_orders(*where),
        paces(work.words, work.active_ms, labeler, n),
        ratings_of(work.ratings, labeler, n),
        strict=True,
    )
    return [Evidence(*own) for own in columns]


@dataclass(frozen=True)
class Followed:
    """What drift is seen in: agreement with the others' consensus, one number a prompt.

    Attributes:
        row: (m,) labels by labeler, and of each in the order of first submission.
        labeler: (m,) whose they are.
        share: (m,) of pairs that agree, 0..1.
        units: (m,) how many pairs.
        team: what is usual, the median of the labelers' means; None without any.
        height: where CUSUM alarms; None while nobody has more than the reference.
    """

    row: Integers
    labeler: Integers
    share: Floats
    units: Floats
    team: float | None
    height: float | None


def followed(work: Work) -> Followed:
    """Follow all labelers."""
    shared = _shared(work)
    return _followed(with_consensus(work.ranks[shared], work.slate[shared]), shared, work)


def _shared(work: Work) -> Integers:
    """The random overlap, but for what researchers ranked too: that is held against them.

    Slates with one label, most of them, are left aside: there is nobody to agree with.
    """
    is_gold = (work.gold > 0).any(axis=1)
    is_new = work.repeat_of < 0
    rows = np.flatnonzero(work.is_shared & is_new & ~_is_researched(work) & ~is_gold)
    counts = np.bincount(work.slate[rows])
    return rows[counts[work.slate[rows]] > 1]


def with_every_researcher(work: Work) -> tuple[Integers, Share]:
    """Rows (m,) of slates that a researcher ranked, and their agreement with other researchers.

    Each labeler has one row a slate: whoever ranked it as a check again is no second person.
    """
    rows = np.flatnonzero(_is_researched(work))
    rows = rows[first_of_each(work.slate[rows], work.labeler[rows])]
    return rows, with_researchers(work.ranks[rows], work.slate[rows], work.is_researcher[rows])


def _is_researched(work: Work) -> Flags:
    """(n,) whether a researcher has ranked the same slate, or the label is theirs."""
    return np.isin(work.slate, work.slate[work.is_researcher])


def _followed(consensus: Share, shared: Integers, work: Work) -> Followed:
    hits, units = consensus
    labeler = work.labeler[shared]
    told = np.flatnonzero(units > 0)
    order = told[np.argsort(labeler[told], kind="stable")]
    share, of = hits[order] / units[order], labeler[order]
    prompts = np.bincount(of, minlength=work.labelers)
    means = np.bincount(of, weights=share, minlength=work.labelers) / np.maximum(prompts, 1)
    is_beyond = prompts.max(initial=0) > REFERENCE_PROMPTS
    return Followed(
        row=shared[order],
        labeler=of,
        share=share,
        units=units[order],
        team=float(np.median(means[prompts > 0])) if len(of) else None,
        height=alarm_height(share - means[of]) if is_beyond else None,
    )


def _drifts(found: Followed, labelers: int) -> list[Drift]:
    """Where each labeler stands."""
    ends = np.searchsorted(found.labeler, np.arange(1, labelers))
    sequences = [own.tolist() for own in np.split(found.share, ends)][:labelers]
    if found.height is None:
        return [Drift(len(own), None, None, None, None) for own in sequences]
    return [drift_of(own, team=found.team, height=found.height) for own in sequences]


def _from_the_end(labeler: Integers) -> Integers:
    """(m,) how many rows of the same labeler come after each row."""
    order = np.argsort(labeler, kind="stable")
    ends = np.searchsorted(labeler[order], labeler[order], side="right")
    after = np.empty(len(labeler), dtype=np.int64)
    after[order] = ends - 1 - np.arange(len(labeler))
    return after


def _where(share: Share, rows: Flags) -> Share:
    scores, units = share
    return scores * rows, units * rows
