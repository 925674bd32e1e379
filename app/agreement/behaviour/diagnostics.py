"""What models of labelers say of each of them: pure, from columns of labels.

Diagnostics for a person who looks into a labeler's work. They are in no signal and no alert: the
pairs of one ranking depend on each other, which both models of single pairs leave out.
"""

from dataclasses import dataclass

import numpy as np

from app.agreement.behaviour.crowd_bt import reliabilities
from app.agreement.behaviour.dawid_skene import accuracies
from app.agreement.metrics.arrays import Booleans, Integers, first_of_each, signs_of
from app.agreement.metrics.estimates import Measured
from app.agreement.metrics.labels import ORDINARY, Labels
from app.agreement.metrics.rank_correlation import NO_TAU, mean_tau_b_of_labelers

# Of a large project the newest slates, so that it stays a matter of a second.
MOST_SLATES = 2000
# Slates with ten labels have five times as many comparisons as those with two.
MOST_LABELS = 8000
FEW_LABELS, MANY_LABELS = 2, 3


@dataclass(frozen=True)
class Diagnosis:
    """One labeler's.

    Attributes:
        accuracy: q of one-coin Dawid-Skene.
        reliability: eta of crowd Bradley-Terry; near 0.5 is noise, below it a reversed scale.
        tau_b: mean Kendall's tau-b with the others.
    """

    accuracy: Measured
    reliability: Measured
    tau_b: Measured


NO_DIAGNOSIS = Diagnosis(NO_TAU, NO_TAU, NO_TAU)


@dataclass(frozen=True)
class Diagnostics:
    """Of all labelers, by their code; tau-b also of every two of them, the smaller code first."""

    labelers: list[Diagnosis]
    tau_b_of_two: dict[tuple[int, int], Measured]

    def of(self, code: int | None) -> Diagnosis:
        """A labeler's; nothing of one who has ranked nothing."""
        return NO_DIAGNOSIS if code is None else self.labelers[code]


def diagnostics_of(labels: Labels) -> Diagnostics:
    """Estimate everything; ranks of known answers and anchors count, repeats do not.

    Both models take the newest 2,000 slates, of 8,000 labels at most: Dawid-Skene those with two
    labels or more, so that slates with a third label, often asked for because two disagreed, do not
    stand for all; crowd Bradley-Terry those with three or more, since strengths of two labels
    explain anything.
    """
    labelers = len(labels.labeler_ids)
    once = labels.where(first_of_each(labels.slate, labels.labeler))
    answered = once.where(_newest(once, FEW_LABELS))
    compared = once.where(_newest(once, MANY_LABELS))
    _slates, of = np.unique(compared.slate, return_inverse=True)
    ordinary = labels.of_purposes(ORDINARY).shared()
    with_all, of_two = mean_tau_b_of_labelers(
        signs_of(ordinary.ranks), ordinary.slate, ordinary.prompt, ordinary.labeler
    )
    columns = zip(
        accuracies(answered.ranks, answered.slate, answered.prompt, answered.labeler, labelers),
        reliabilities(
            compared.ranks, of.astype(np.int64), compared.prompt, compared.labeler, labelers
        ),
        [with_all.get(code, NO_TAU) for code in range(labelers)],
        strict=True,
    )
    return Diagnostics([Diagnosis(*own) for own in columns], of_two)


def _newest(labels: Labels, least: int) -> Booleans:
    """(n,) whether a label is of one of the newest slates with so many labels."""
    counts: Integers = np.bincount(labels.slate, minlength=len(labels.slates.ids))
    slates = np.flatnonzero(counts >= least)[-MOST_SLATES:]
    up_to = np.cumsum(counts[slates][::-1])[::-1]
    slates = slates[up_to <= max(MOST_LABELS, int(counts[slates[-1:]].sum()))]
    found: Booleans = np.isin(labels.slate, slates)
    return found
