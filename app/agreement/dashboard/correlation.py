"""Correlation of whole rankings, and the models' diagnostics by pseudonym: pure."""

from collections.abc import Callable
from dataclasses import dataclass

from app.agreement.behaviour.diagnostics import Diagnosis, Diagnostics
from app.agreement.dashboard.overview import Overview
from app.agreement.labelers.diagnosis import ALL_TIED
from app.agreement.metrics.estimates import Estimate, Measured, shown
from app.agreement.metrics.labels import Labels
from app.agreement.metrics.rank_correlation import NO_TAU
from app.agreement.report import NO_PREFERENCE


@dataclass(frozen=True)
class NamedDiagnostics:
    """The models' by pseudonym; tau-b also of two pseudonyms in ascending order."""

    labelers: dict[str, Diagnosis]
    tau_b_of_two: dict[tuple[str, str], Measured]


@dataclass(frozen=True)
class RankCorrelation:
    """How far whole rankings go together.

    Attributes:
        tau_b: of the two labels of the headline.
        kendall_w: of slates with three labels or more.
        mean_spearman: the same without the bias of few labelers.
        tau_b_of_two: of labelers, by pseudonyms.
    """

    tau_b: Estimate
    kendall_w: Estimate
    mean_spearman: Estimate
    tau_b_of_two: dict[tuple[str, str], Measured]

    def of_two(self, labelers: tuple[str, str]) -> Estimate:
        """What may be shown of the tau-b of two labelers."""
        found = self.tau_b_of_two.get(labelers, NO_TAU)
        return shown("rank_correlation_of_two", found, low=-1.0, undefined=NO_PREFERENCE)


def named(found: Diagnostics, labels: Labels, name_of: Callable[[int], str]) -> NamedDiagnostics:
    """Call labelers by their pseudonyms."""
    names = [name_of(user) for user in labels.labeler_ids.tolist()]
    return NamedDiagnostics(
        dict(zip(names, found.labelers, strict=True)),
        {
            (min(names[i], names[j]), max(names[i], names[j])): tau_b
            for (i, j), tau_b in found.tau_b_of_two.items()
        },
    )


def rank_correlation(overview: Overview, diagnostics: NamedDiagnostics) -> RankCorrelation:
    """What may be shown, in the language of the request."""
    return RankCorrelation(
        tau_b=shown("rank_correlation", overview.tau_b, low=-1.0, undefined=NO_PREFERENCE),
        kendall_w=shown("concordance", overview.kendall_w, undefined=ALL_TIED),
        mean_spearman=shown("concordance", overview.mean_spearman, low=-1.0, undefined=ALL_TIED),
        tau_b_of_two=diagnostics.tau_b_of_two,
    )
