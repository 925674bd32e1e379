"""The experiment with filled ranks as it may be shown: pure, from what was measured."""

from dataclasses import dataclass

from app.agreement.behaviour.assistance import ArmOutcome, Assistance
from app.agreement.dashboard.watch import counted
from app.agreement.labelers.facts import ties
from app.agreement.metrics.estimates import Estimate, shown
from app.labeling.assistance import Arm


@dataclass(frozen=True)
class ArmRow:
    """What may be shown of one arm.

    Attributes:
        arm: which.
        rankings: how many.
        ties: share of tied pairs.
        moves: mean moves after the ranks were filled; its units are the rankings of which they
            were.
        agreement: of two labelers of this arm.
    """

    arm: Arm
    rankings: int
    ties: Estimate
    moves: Estimate
    agreement: Estimate


@dataclass(frozen=True)
class ShownAssistance:
    """Both arms, and the agreement of two labelers of whom one was assisted."""

    arms: tuple[ArmRow, ArmRow]
    across: Estimate


def shown_assistance(found: Assistance) -> ShownAssistance:
    """What may be shown of it."""
    return ShownAssistance(
        arms=(_row("assisted", found.assisted), _row("unassisted", found.unassisted)),
        across=shown("agreement_card", found.across),
    )


def _row(arm: Arm, outcome: ArmOutcome) -> ArmRow:
    return ArmRow(
        arm=arm,
        rankings=outcome.rankings,
        ties=ties(outcome.ties),
        moves=counted(outcome.moves, outcome.filled),
        agreement=shown("agreement_card", outcome.agreement),
    )
