"""The whole of a project's or round's agreement as it may be shown: pure, from labels."""

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np

from app.agreement.alpha import pair_alpha, rating_alpha
from app.agreement.estimates import Estimate, Measured, shown
from app.agreement.metrics import (
    Averages,
    Label,
    PairCounts,
    averages,
    first_two,
    leave_one_out,
    pair_counts,
    per_labeler,
    per_pair,
)
from app.agreement.win_rates import win_rates

NO_CHANCE = "not defined: all labels are the same"
NOTHING = Measured(None, None, 0, 0)
NO_PREFERENCE = "not defined: no pair of responses was ordered by both labelers"


@dataclass(frozen=True)
class Headline:
    """One rule's agreement; the macro averages are None while the number is hidden."""

    estimate: Estimate
    macro_prompt: float | None
    macro_labeler_pair: float | None


@dataclass(frozen=True)
class LabelerAgreement:
    """A labeler with the others, and with the sign of the others' sum."""

    labeler: str
    rankings: int
    strict: Estimate
    leave_one_out: Estimate


@dataclass(frozen=True)
class PairAgreement:
    """Two labelers on the slates that both ranked."""

    labelers: tuple[str, str]
    strict: Estimate


@dataclass(frozen=True)
class WinRate:
    """A model over the baseline."""

    model: str
    baseline: str
    estimate: Estimate


@dataclass(frozen=True)
class Report:
    """Everything on the agreement page."""

    rankings: int
    strict: Headline
    half: Headline
    three_way: Headline
    alpha: Estimate
    ratings_alpha: Estimate
    tie_share: float | None
    """Share of units in which at least one labeler ties, and which strict agreement leaves out."""
    labelers: list[LabelerAgreement]
    pairs: list[PairAgreement]
    models: list[str]
    baseline: str | None
    win_rates: list[WinRate]


def report_of(labels: Sequence[Label], *, sft: Collection[str], baseline: str | None) -> Report:
    """Compute the report.

    The headline takes the first two labels of each slate, so that a later third label, asked for
    because two disagreed, can never move it; the tables and win rates take all labels.

    Args:
        labels: current rankings in the order of their first submission.
        sft: names of the SFT models, one of which is the default baseline.
        baseline: the model that win rates are over; None for the SFT model ranked most often.
    """
    shared = _shared(labels)
    overlap = first_two(shared)
    counts, everyones_counts = pair_counts(overlap), pair_counts(shared)
    strict = _headline(averages(counts, counts.strict))
    half = _headline(averages(counts, counts.half))
    ranked = Counter(model for label in labels for model in label.models if model is not None)
    baseline = baseline or max(
        sorted(set(sft) & ranked.keys()), key=lambda model: ranked[model], default=None
    )
    return Report(
        rankings=len(labels),
        strict=strict,
        half=half,
        three_way=_headline(averages(counts, counts.three_way)),
        alpha=shown("agreement_card", pair_alpha(overlap), low=-1.0, undefined=NO_CHANCE),
        ratings_alpha=shown("agreement_card", rating_alpha(overlap), low=-1.0, undefined=NO_CHANCE),
        tie_share=_tie_share(counts) if half.estimate.value is not None else None,
        labelers=_labelers(labels, shared, everyones_counts),
        pairs=[
            PairAgreement(pair, shown("labeler_pair", measured, undefined=NO_PREFERENCE))
            for pair, measured in per_pair(everyones_counts).items()
        ],
        models=sorted(ranked),
        baseline=baseline,
        win_rates=[]
        if baseline is None
        else [
            WinRate(model, baseline, shown("win_rate", measured))
            for model, measured in win_rates(labels, baseline).items()
        ],
    )


def _headline(average: Averages) -> Headline:
    estimate = shown("agreement_card", average.micro, undefined=NO_PREFERENCE)
    if estimate.value is None:
        return Headline(estimate, None, None)
    return Headline(estimate, average.macro_prompt, average.macro_labeler_pair)


def _tie_share(counts: PairCounts) -> float:
    _, strict_units = counts.strict
    _, all_units = counts.half
    return 1 - float(np.sum(strict_units)) / float(np.sum(all_units))


def _shared(labels: Sequence[Label]) -> list[Label]:
    """The labels of slates with two or more: the others, most of them, say nothing of agreement."""
    count = Counter(label.slate for label in labels)
    return [label for label in labels if count[label.slate] > 1]


def _labelers(
    labels: Sequence[Label], shared: Sequence[Label], counts: PairCounts
) -> list[LabelerAgreement]:
    rankings = Counter(label.labeler for label in labels)
    with_others = per_labeler(counts)
    with_consensus = leave_one_out(shared)
    return [
        LabelerAgreement(
            labeler=name,
            rankings=rankings[name],
            strict=shown("labeler", with_others.get(name, NOTHING), undefined=NO_PREFERENCE),
            leave_one_out=shown(
                "labeler", with_consensus.get(name, NOTHING), undefined=NO_PREFERENCE
            ),
        )
        for name in sorted(rankings)
    ]
