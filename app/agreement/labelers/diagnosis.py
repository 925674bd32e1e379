"""What may be shown of the models' diagnostics of a labeler, and their shapes: pure."""

from dataclasses import dataclass
from typing import Annotated

import numpy as np
from pydantic import Field

from app.agreement.behaviour.dawid_skene import log_odds
from app.agreement.behaviour.diagnostics import Diagnosis
from app.agreement.estimate_schemas import EstimateOut, estimate_out
from app.agreement.metrics.estimates import Estimate, shown
from app.agreement.report import NO_PREFERENCE
from app.web.schemas import Answer

ALL_TIED = "not defined: all pairs are tied"


@dataclass(frozen=True)
class ShownDiagnosis:
    """A labeler's; `weight` is what an answer of theirs weighs, None while there is no accuracy."""

    accuracy: Estimate
    weight: float | None
    reliability: Estimate
    tau_b: Estimate


class DiagnosisOut(Answer):
    """What models of single pairs say of a labeler; diagnostics, in no signal and no alert."""

    dawid_skene: Annotated[EstimateOut, Field(description="q, the accuracy of one-coin EM")]
    weight: Annotated[float | None, Field(description="log odds of q, which is cut at 5% and 95%")]
    crowd_bradley_terry: Annotated[
        EstimateOut, Field(description="eta: near 0.5 is noise, below it a reversed scale")
    ]
    tau_b: Annotated[EstimateOut, Field(description="mean over prompts, with every other labeler")]


def shown_diagnosis(found: Diagnosis) -> ShownDiagnosis:
    """Decide what may be shown of a labeler's, in the language of the request."""
    accuracy = shown("latent", found.accuracy, undefined=ALL_TIED)
    q = accuracy.value
    return ShownDiagnosis(
        accuracy=accuracy,
        weight=None if q is None else float(log_odds(np.array(q))),
        reliability=shown("latent", found.reliability, undefined=ALL_TIED),
        tau_b=shown("rank_correlation", found.tau_b, low=-1.0, undefined=NO_PREFERENCE),
    )


def diagnosis_out(found: ShownDiagnosis) -> DiagnosisOut:
    """The same as the calls answer it."""
    return DiagnosisOut(
        dawid_skene=estimate_out(found.accuracy),
        weight=found.weight,
        crowd_bradley_terry=estimate_out(found.reliability),
        tau_b=estimate_out(found.tau_b),
    )
