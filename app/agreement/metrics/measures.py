"""Every number of a slice of a project, as computed from all that there is, however little: pure.

What may be shown of them, and in which words, is decided in `report`; so they can be kept.
"""

from collections.abc import Collection
from dataclasses import dataclass, replace
from typing import Literal, get_args

import numpy as np

from app.agreement.metrics.alpha import pair_alpha, rating_alpha
from app.agreement.metrics.estimates import Measured
from app.agreement.metrics.labels import ORDINARY, Labels, headline
from app.agreement.metrics.pairwise import (
    Averages,
    PairCounts,
    averages,
    leave_one_out,
    pair_counts,
    per_labeler,
    per_pair,
)
from app.agreement.metrics.win_rates import rankings_of_models, win_rates

Rule = Literal["strict", "half", "three_way"]
RULES: tuple[Rule, ...] = get_args(Rule)
NOTHING = Measured(None, None, 0, 0)


@dataclass(frozen=True)
class LabelerMeasures:
    """A labeler with the others, and with the sign of the others' sum."""

    rankings: int
    strict: Measured
    leave_one_out: Measured


@dataclass(frozen=True)
class Measures:
    """Labelers are users' ids here.

    Attributes:
        rankings: how many.
        overlap_labelers: who is in the headline, how many.
        headline: agreement by each rule, of the first two labels of the random overlap.
        alpha: of their pair labels.
        ratings_alpha: of their ratings.
        tie_share: share of units in which at least one labeler ties, and which strict agreement
            leaves out; None without a unit.
        labelers: who has a label.
        pairs: who share a slate.
        ranked: how many responses of each model.
        baseline: the model that win rates are over.
        win_rates: by model.
    """

    rankings: int
    overlap_labelers: int
    headline: dict[Rule, Averages]
    alpha: Measured
    ratings_alpha: Measured
    tie_share: float | None
    labelers: dict[int, LabelerMeasures]
    pairs: dict[tuple[int, int], Measured]
    ranked: dict[str, int]
    baseline: str | None
    win_rates: dict[str, Measured]


def measure(labels: Labels, *, sft: Collection[str], baseline: str | None) -> Measures:
    """Compute everything.

    The headline takes the first two labels of each slate, so that a later third label, asked for
    because two disagreed, can never move it; the tables and win rates take all ordinary labels.
    Checks on labelers (gold, anchors, repeats) are in nothing here.

    Args:
        labels: the slice.
        sft: names of the SFT models, one of which is the default baseline.
        baseline: the model that win rates are over; None for the SFT model ranked most often.
    """
    labels = labels.of_purposes(ORDINARY)
    overlap, shared = headline(labels), labels.shared()
    counts, everyones = pair_counts(overlap), pair_counts(shared)
    ranked = rankings_of_models(labels)
    baseline = baseline or max(
        sorted(set(sft) & ranked.keys()), key=lambda model: ranked[model], default=None
    )
    ids = labels.labeler_ids.tolist()
    return Measures(
        rankings=len(labels),
        overlap_labelers=len(np.unique(overlap.labeler)),
        headline={rule: averages(counts, getattr(counts, rule)) for rule in RULES},
        alpha=pair_alpha(overlap),
        ratings_alpha=rating_alpha(overlap),
        tie_share=_tie_share(counts),
        labelers=_labelers(labels, shared, everyones),
        pairs={(ids[i], ids[j]): found for (i, j), found in per_pair(everyones).items()},
        ranked=ranked,
        baseline=baseline,
        win_rates={} if baseline is None else win_rates(labels, baseline),
    )


def measure_labeler(labels: Labels, user: int) -> LabelerMeasures:
    """One labeler's numbers, as `measure` computes everybody's."""
    labels = labels.of_purposes(ORDINARY)
    is_theirs = labels.labeler_ids[labels.labeler] == user
    with_them = labels.where(np.isin(labels.slate, labels.slate[is_theirs])).shared()
    code = int(np.searchsorted(labels.labeler_ids, user))
    strict = per_labeler(pair_counts(with_them)).get(code, NOTHING)
    return LabelerMeasures(
        int(np.count_nonzero(is_theirs)),
        strict,
        leave_one_out(with_them).get(code, _without_value(strict)),
    )


def _tie_share(counts: PairCounts) -> float | None:
    _, strict_units = counts.strict
    _, all_units = counts.half
    total = float(np.sum(all_units))
    return 1 - float(np.sum(strict_units)) / total if total else None


def _labelers(labels: Labels, shared: Labels, counts: PairCounts) -> dict[int, LabelerMeasures]:
    rankings = np.bincount(labels.labeler, minlength=len(labels.labeler_ids)).tolist()
    with_others, with_consensus = per_labeler(counts), leave_one_out(shared)
    found = {}
    for code, user in enumerate(labels.labeler_ids.tolist()):
        strict = with_others.get(code, NOTHING)
        consensus = with_consensus.get(code, _without_value(strict))
        if rankings[code]:
            found[user] = LabelerMeasures(rankings[code], strict, consensus)
    return found


def _without_value(shared: Measured) -> Measured:
    """Of the same prompts; why there is no value is not that none are shared."""
    return replace(shared, value=None, se=None)
