"""How many doubly ranked prompts an agreement of a wanted precision takes: pure.

The pairs of one prompt hang together, so what counts is how far a prompt's agreement spreads; from
30 prompts on that is the project's own, before that one from simulated labelers.
"""

import math
from dataclasses import dataclass

from app.agreement.metrics.estimates import LIMITS, Measured
from app.agreement.metrics.proportions import NORMAL_975

MIN_OWN_PROMPTS = LIMITS["agreement_card"].ok_prompts
AGREEMENT = 0.726
"""That of InstructGPT's labelers (Ouyang et al. 2022), which the simulated ones were set to."""
SIMULATED_SD = {4: 0.22395, 5: 0.19018, 6: 0.16931, 7: 0.15465, 8: 0.14462, 9: 0.13657}
"""Standard deviation of a prompt's strict agreement, by responses per prompt.

Of Plackett-Luce labelers who agree on 72.6% of pairs, over prompts of moderately different
difficulty: a correlation within prompts of 0.104 for 4 responses to 0.068 for 9.
"""
SIMULATED_RHO_OF_4 = 0.104


@dataclass(frozen=True)
class Spread:
    """The standard deviation of a prompt's agreement, and where it is from."""

    sd: float
    prompts: int
    """The project's own doubly ranked prompts that it was measured on; 0 when it is simulated."""

    def prompts_for_se(self, se: float) -> int:
        """How many doubly ranked prompts give that standard error: SD^2 / SE^2."""
        return math.ceil((self.sd / se) ** 2)

    def prompts_for_half_width(self, half_width: float) -> int:
        """How many doubly ranked prompts give a 95% interval of plus or minus that."""
        return self.prompts_for_se(half_width / NORMAL_975)

    def se_of(self, prompts: int) -> float | None:
        """The standard error that so many doubly ranked prompts give; None of none."""
        return self.sd / math.sqrt(prompts) if prompts > 0 else None


def spread(agreement: Measured, *, responses: int) -> Spread:
    """The spread to plan with.

    Args:
        agreement: the project's strict agreement as measured; its standard error times the square
            root of its prompts is the spread. One of 0 (all agree so far) promises nothing.
        responses: how many responses a prompt has, 2 at least.
    """
    if agreement.se and agreement.prompts >= MIN_OWN_PROMPTS:
        return Spread(agreement.se * math.sqrt(agreement.prompts), agreement.prompts)
    return Spread(_simulated_sd(responses), 0)


def effective_pairs(agreement: float, se: float) -> float:
    """How many independent pairs give an agreement that standard error: A (1 - A) / SE^2."""
    return agreement * (1 - agreement) / se**2


def design_effect(pairs: int, rho: float) -> float:
    """By how much pairs of one prompt, correlated by rho, raise the variance (Kish 1965)."""
    return 1 + (pairs - 1) * rho


def prompts_needed(agreement: float, se: float, *, responses: int, rho: float) -> int:
    """How many doubly ranked prompts give that standard error, if pairs are correlated by rho."""
    pairs = math.comb(responses, 2)
    return math.ceil(effective_pairs(agreement, se) * design_effect(pairs, rho) / pairs)


def _simulated_sd(responses: int) -> float:
    """From the table; below 4 responses by the correlation of 4, above 9 as of 9."""
    if responses < min(SIMULATED_SD):
        pairs = math.comb(responses, 2)
        effect = design_effect(pairs, SIMULATED_RHO_OF_4)
        return math.sqrt(AGREEMENT * (1 - AGREEMENT) * effect / pairs)
    return SIMULATED_SD[min(responses, max(SIMULATED_SD))]
