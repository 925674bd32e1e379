"""What a reward run measured at its end, as its page shows it. Pure."""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from app.agreement.metrics.estimates import Estimate, Status
from app.training.charts import Band
from app.web.formats import percent
from app.web.translation import gettext
from trainer.result import Calibration, ModelPair, RewardEvaluation, RunResult, Share

FEW = 20  # comparisons in a bin, below which its point is hollow
SHOWN_PAIRS = 8  # of models; the others are folded
# Places in the reliability diagram, in its own units.
LEFT, WIDTH, BOTTOM, HEIGHT = 44, 288, 204, 192
LEAST_CONFIDENCE = 0.5
# What a reason counts, which the catalogues have a value for.
COUNTED = re.compile(r"(?P<count>\d+) of (?P<least>\d+)|(?P<share>[\d.]+)%")
BAND_LABEL = "labelers' agreement, up to the ceiling of a model that knows the majority"


@dataclass(frozen=True)
class Point:
    """One bin of the reliability diagram."""

    x: float
    y: float
    is_hollow: bool


@dataclass(frozen=True)
class EvaluationView:
    """An evaluation with what its pictures need.

    Attributes:
        measured: as the trainer wrote it.
        reasons: why the labelers' agreement or its ceiling is missing or has no interval.
        calibration_reason: why there is no temperature; None where there is one.
        band: from the labelers' agreement to its ceiling; None where too few prompts tell it.
        points: of the reliability diagram.
        rows: label and accuracy, by group of comparisons: all, then by who labeled them.
        labelers: the same by labeler.
        rounds: the same by the round that the responses are of, the first round first.
        margins: the same by how much better the chosen response was rated.
        model_pairs: the same by whose responses were compared, for the pairs most often compared.
        more_model_pairs: and for the others.
        folds: labelers held out, accuracy on the others' and on their rankings.
        fold_means: means over the folds; None without folds.
    """

    measured: RewardEvaluation
    reasons: list[str]
    calibration_reason: str | None
    band: Band | None
    points: list[Point]
    rows: list[tuple[str, Estimate]]
    labelers: list[tuple[str, Estimate]]
    rounds: list[tuple[str, Estimate]]
    margins: list[tuple[str, Estimate]]
    model_pairs: list[tuple[str, Estimate]]
    more_model_pairs: list[tuple[str, Estimate]]
    folds: list[tuple[list[str], Estimate, Estimate]]
    fold_means: tuple[float | None, float | None] | None


def evaluation_of(result: Mapping[str, Any] | None) -> EvaluationView | None:
    """The evaluation of a run's result; None when it has none that this version can read."""
    try:
        measured = RunResult.model_validate(result or {}).evaluation
    except ValidationError:
        return None
    if measured is None:
        return None
    folds = [
        (fold.labelers, estimate(fold.training_labelers), estimate(fold.held_out_labelers))
        for fold in measured.folds
    ]
    agreement = measured.agreement.agreement
    pairs = [(_name_of(pair), estimate(pair.accuracy)) for pair in measured.by_models]
    return EvaluationView(
        measured=measured,
        reasons=[reason_text(one) for one in (agreement.reason, measured.agreement.reason) if one],
        calibration_reason=reason_text(measured.calibration.reason)
        if measured.calibration.reason
        else None,
        band=None
        if agreement.low is None
        else band_of(agreement.value, measured.agreement.ceiling),
        points=_points(measured.calibration),
        rows=[
            (gettext("All comparisons"), estimate(measured.accuracy)),
            (gettext("Of labelers seen in training"), estimate(measured.training_labelers)),
            (gettext("Of held-out labelers"), estimate(measured.held_out_labelers)),
        ],
        labelers=[(name, estimate(one)) for name, one in sorted(measured.by_labeler.items())],
        rounds=[
            (name, estimate(one))
            for name, one in sorted(measured.by_round.items(), key=lambda item: int(item[0]))
        ],
        margins=[(name, estimate(one)) for name, one in measured.by_margin.items()],
        model_pairs=pairs[:SHOWN_PAIRS],
        more_model_pairs=pairs[SHOWN_PAIRS:],
        folds=folds,
        fold_means=(_mean([seen for _, seen, _ in folds]), _mean([new for _, _, new in folds]))
        if folds
        else None,
    )


def estimate(share: Share) -> Estimate:
    """A share as the tables of agreement show one."""
    interval = None
    if share.low is not None and share.high is not None:
        interval = (share.low, share.high)
    status: Status = "ok" if interval else "provisional"
    if share.value is None:
        status = "not_enough_data"
    reason = None if share.reason is None else reason_text(share.reason)
    return Estimate(share.value, None, interval, share.count, share.prompts, status, reason)


def reason_text(reason: str) -> str:
    """Why the trainer has no number, in the language of the request."""
    found = COUNTED.search(reason)
    if found is None:
        return gettext(reason)
    before, after = reason[: found.start()], reason[found.end() :]
    if share := found["share"]:
        words = f"{before}%(share)s{after}"
        return gettext(words, share=percent(float(share) / 100))
    words = f"{before}%(count)s of %(least)s{after}"
    return gettext(words, count=found["count"], least=found["least"])


def band_of(agreement: float | None, ceiling: float | None = None) -> Band | None:
    """The range that accuracy is seen against; None while agreement is not known.

    Args:
        agreement: of two labelers, a.
        ceiling: what the trainer worked out; None for (1 + sqrt(2a - 1)) / 2, the accuracy of a
            model that always knew the majority, if all pairs were equally hard.
    """
    if agreement is None or agreement < LEAST_CONFIDENCE:
        return None
    ceiling = (1 + math.sqrt(2 * agreement - 1)) / 2 if ceiling is None else ceiling
    return Band(BAND_LABEL, agreement, ceiling)


def _name_of(pair: ModelPair) -> str:
    one, other = pair.models
    return gettext("%(one)s vs %(other)s", one=one, other=other)


def _points(calibration: Calibration) -> list[Point]:
    share = 1 - LEAST_CONFIDENCE
    return [
        Point(
            x=round(LEFT + WIDTH * (one.confidence - LEAST_CONFIDENCE) / share, 1),
            y=round(BOTTOM - HEIGHT * one.accuracy, 1),
            is_hollow=one.count < FEW,
        )
        for one in calibration.bins
        if one.confidence is not None and one.accuracy is not None
    ]


def _mean(estimates: list[Estimate]) -> float | None:
    values = [one.value for one in estimates if one.value is not None]
    return sum(values) / len(values) if values else None
