"""Bradley-Terry with the length of responses held fixed: pure, numpy only.

Labelers tend to prefer the longer response, so that a model may lead by length alone. As in the
style control of Chatbot Arena (Li et al. 2024), the logit of a comparison gets
beta (len_i - len_j) / (len_i + len_j), standardized, and strengths are what remains.
"""

import math
from dataclasses import dataclass

import numpy as np

from app.agreement.metrics.arrays import Floats, Integers
from app.agreement.strengths.bradley_terry import Strength, anchored, group_of, laplacian
from app.agreement.strengths.newton import Evaluate, Evaluated, maximize

MIN_OWN_SHARE = 1e-9


@dataclass(frozen=True)
class Comparisons:
    """Comparisons of two responses each: (n,) arrays."""

    first: Integers
    """Model of the first response, as small integers from 0."""
    second: Integers
    score: Floats
    """1 where the first is better, 0 where the second is, 1/2 for a tie."""
    gap: Floats
    """`length_gap` of the two responses."""


@dataclass(frozen=True)
class LengthControlled:
    """Strengths at equal length, and how much a standard deviation of the length gap adds."""

    strengths: list[Strength | None]
    beta: Strength


def length_gap(length: Floats, other: Floats) -> Floats:
    """(n,) (len_i - len_j) / (len_i + len_j), from -1 to 1; 0 of two empty responses."""
    total = length + other
    return (length - other) / np.where(total > 0, total, 1)


def length_controlled(
    comparisons: Comparisons, *, models: int, anchor: int
) -> LengthControlled | None:
    """Strengths of the models that are connected with the anchor, at equal length.

    The gap is divided by its root mean square: which response is the first is arbitrary, so its
    mean over both orientations is 0. Standard errors take comparisons as independent.

    None where length cannot be told from the models (all gaps are equal, or follow from which two
    models meet), and where it decides everything.

    Args:
        comparisons: the comparisons; those of a model with itself say something of length.
        models: how many models there are.
        anchor: the model whose strength is 0.
    """
    one, other, score = comparisons.first, comparisons.second, comparisons.score
    wins = np.zeros((models, models))
    np.add.at(wins, (one, other), score)
    np.add.at(wins, (other, one), 1 - score)
    group = group_of(wins, anchor)
    place = np.full(models, -1)
    place[group] = np.arange(len(group))
    inside = (place[one] >= 0) & (place[other] >= 0)
    gap = comparisons.gap[inside]
    spread = math.sqrt(float(gap @ gap) / len(gap)) if len(gap) else 0.0
    if len(group) == 1 or spread == 0:
        return None
    known = Comparisons(place[one[inside]], place[other[inside]], score[inside], gap / spread)
    evaluate, start = _likelihood(known, len(group)), np.zeros((1, len(group) + 1))
    if not _is_told_apart(evaluate(start)[2][0]):
        return None
    theta, information, converged = maximize(evaluate, start)
    if not converged[0]:
        return None
    covariance = np.linalg.inv(information[0])
    return LengthControlled(
        anchored(theta[0], information[0], group, anchor=anchor, size=models),
        Strength(float(theta[0, -1]), math.sqrt(max(float(covariance[-1, -1]), 0.0))),
    )


def _is_told_apart(information: Floats) -> bool:
    """Whether some information on beta remains when that on the strengths is taken away."""
    cross, own = information[-1, :-1], information[-1, -1]
    remaining = own - cross @ np.linalg.solve(information[:-1, :-1], cross)
    return bool(remaining > MIN_OWN_SHARE * own)


def _likelihood(known: Comparisons, models: int) -> Evaluate:
    """The log-likelihood of comparisons in (strengths, beta)."""
    one, other, score, gap = known.first, known.second, known.score, known.gap
    cell = one * models + other

    def summed(values: Floats) -> Floats:
        """(models,) a value's sum over a model's comparisons, with the sign of its side."""
        of_first = np.bincount(one, weights=values, minlength=models)
        net = of_first - np.bincount(other, weights=values, minlength=models)
        return net.astype(np.float64)

    def evaluate(theta: Floats) -> Evaluated:
        t, beta = theta[0, :-1], theta[0, -1]
        logit = t[one] - t[other] + beta * gap
        p = np.exp(-np.logaddexp(0, -logit))
        variance = p * np.exp(-np.logaddexp(0, logit))
        value = -(score * np.logaddexp(0, -logit) + (1 - score) * np.logaddexp(0, logit)).sum()
        gradient = np.append(summed(score - p), (score - p) @ gap)
        summed_cells = np.bincount(cell, weights=variance, minlength=models**2)
        met = summed_cells.astype(np.float64).reshape(models, models)
        information = np.empty((models + 1, models + 1))
        information[:-1, :-1] = laplacian(met + met.T)
        information[-1, :-1] = information[:-1, -1] = summed(variance * gap)
        information[-1, -1] = variance @ gap**2
        return np.array([value]), gradient[None], information[None]

    return evaluate
