"""What may be said of a candidate by the grades of their demonstrations: pure.

The paper's third criterion (InstructGPT, appendix B.1): the average grade from 1 to 7 of what a
candidate wrote as answers to sensitive prompts, with a soft cut-off at 6.
"""

from collections.abc import Sequence
from dataclasses import replace
from statistics import fmean, stdev

from app.agreement.metrics.estimates import Estimate, t_975
from app.agreement.metrics.proportions import wilson_of_alike
from app.projects.demonstration_grades import DemonstrationGrade
from app.web.translation import gettext

LOWEST, HIGHEST = 1, 7
LEAST, OK = 3, 5
MISSING = "not enough data: %(count)s of %(least)s graded demonstrations"
FEW = "provisional: %(count)s of %(least)s graded demonstrations"


def grade_of(grades: Sequence[DemonstrationGrade]) -> Estimate:
    """The mean over demonstrations of their mean grade, with its 95% interval.

    It is a t interval, of equal grades Wilson's. `units` are grades, `prompts` demonstrations.
    Hidden below three, provisional below the five that screening asks for.
    """
    by_demonstration: dict[str, list[int]] = {}
    for one in grades:
        by_demonstration.setdefault(one.demonstration, []).append(one.grade)
    means = [fmean(own) for own in by_demonstration.values()]
    n = len(means)
    if n < LEAST:
        reason = gettext(MISSING, count=n, least=LEAST)
        return Estimate(None, None, None, len(grades), n, "not_enough_data", reason)
    value, se = fmean(means), stdev(means) / n**0.5
    half = t_975(n - 1) * se
    are_alike = se == 0
    return Estimate(
        value,
        None if are_alike else se,
        wilson_of_alike(value, n, low=LOWEST, high=HIGHEST)
        if are_alike
        else (max(float(LOWEST), value - half), min(float(HIGHEST), value + half)),
        len(grades),
        n,
        "provisional" if n < OK else "ok",
        gettext(FEW, count=n, least=OK) if n < OK else None,
        "wilson" if are_alike else "t",
    )


def as_share(estimate: Estimate) -> Estimate:
    """The same between 0 for the lowest and 1 for the highest grade, for the picture."""
    if estimate.value is None or estimate.ci95 is None:
        return estimate
    low, high = estimate.ci95
    return replace(estimate, value=_share(estimate.value), ci95=(_share(low), _share(high)))


def _share(grade: float) -> float:
    return (grade - LOWEST) / (HIGHEST - LOWEST)
