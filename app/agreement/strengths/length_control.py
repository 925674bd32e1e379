"""Bradley-Terry with the length of responses held fixed: pure, numpy only.

Labelers tend to prefer the longer response, so that a model may lead by length alone. As in the
style control of Chatbot Arena (Li et al. 2024), the logit of a comparison gets
beta (len_i - len_j) / (len_i + len_j), standardized, and strengths are what remains.
"""

import math
from dataclasses import dataclass, replace

import numpy as np

from app.agreement.metrics.arrays import Booleans, Floats, Integers
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
    prompt: Integers | None = None
    """Whose comparisons hang together, as small integers from 0; None: all are independent."""

    def where(self, rows: Booleans) -> "Comparisons":
        """Some of them."""
        prompt = None if self.prompt is None else self.prompt[rows]
        return Comparisons(
            self.first[rows], self.second[rows], self.score[rows], self.gap[rows], prompt
        )


@dataclass(frozen=True)
class _Cells:
    """Comparisons of the same two models with the same gap, summed: (cells,) arrays."""

    first: Integers
    second: Integers
    gap: Floats
    score: Floats
    count: Floats


@dataclass(frozen=True)
class LengthControlled:
    """Strengths at equal length, and how much a standard deviation of the length gap adds."""

    strengths: list[Strength | None]
    beta: Strength
    prompts: int | None
    """Of how many prompts the errors are; None where comparisons were taken as independent."""


def length_gap(length: Floats, other: Floats) -> Floats:
    """(n,) (len_i - len_j) / (len_i + len_j), from -1 to 1; 0 of two empty responses."""
    total = length + other
    return (length - other) / np.where(total > 0, total, 1)


def length_controlled(
    comparisons: Comparisons, *, models: int, anchor: int
) -> LengthControlled | None:
    """Strengths of the models that are connected with the anchor, at equal length.

    The gap is divided by its root mean square: which response is the first is arbitrary, so its
    mean over both orientations is 0. Standard errors are those of a sandwich over prompts (Liang
    and Zeger 1986) with P / (P - 1), or of independent comparisons where no prompts are given.

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
    found = comparisons.where((place[one] >= 0) & (place[other] >= 0))
    gap = found.gap
    spread = math.sqrt(float(gap @ gap) / len(gap)) if len(gap) else 0.0
    if len(group) == 1 or spread == 0:
        return None
    known = replace(found, first=place[found.first], second=place[found.second], gap=gap / spread)
    evaluate = _likelihood(_summed(known, len(group)), len(group))
    start = np.zeros((1, len(group) + 1))
    if not _is_told_apart(evaluate(start)[2][0]):
        return None
    theta, information, converged = maximize(evaluate, start)
    if not converged[0]:
        return None
    covariance = np.linalg.inv(information[0])
    prompts = None
    if known.prompt is not None:
        scores = _scores_by_prompt(known, known.prompt, theta[0])
        prompts = len(scores)
        covariance = covariance @ (scores.T @ scores) @ covariance * (prompts / max(prompts - 1, 1))
    return LengthControlled(
        anchored(theta[0], covariance, group, anchor=anchor, size=models),
        Strength(float(theta[0, -1]), math.sqrt(max(float(covariance[-1, -1]), 0.0))),
        prompts,
    )


def _summed(known: Comparisons, models: int) -> _Cells:
    """The same likelihood from fewer rows, where lengths are rounded."""
    gaps, code = np.unique(known.gap, return_inverse=True)
    pair = known.first * models + known.second
    cells, of = np.unique(pair * len(gaps) + code, return_inverse=True)
    pairs, codes = np.divmod(cells, len(gaps))
    first, second = np.divmod(pairs, models)
    return _Cells(
        first,
        second,
        gaps[codes],
        np.bincount(of, weights=known.score).astype(np.float64),
        np.bincount(of).astype(np.float64),
    )


def _scores_by_prompt(known: Comparisons, prompts: Integers, theta: Floats) -> Floats:
    """(prompts, parameters) the gradient of each prompt's log-likelihood."""
    prompt = np.unique(prompts, return_inverse=True)[1]
    columns = len(theta)
    logit = theta[known.first] - theta[known.second] + theta[-1] * known.gap
    residual = known.score - np.exp(-np.logaddexp(0, -logit))
    size = (int(prompt.max()) + 1) * columns
    scores = np.zeros(size)
    for column, value in (
        (known.first, residual),
        (known.second, -residual),
        (columns - 1, residual * known.gap),
    ):
        scores += np.bincount(prompt * columns + column, weights=value, minlength=size)
    return scores.reshape(-1, columns)


def _is_told_apart(information: Floats) -> bool:
    """Whether some information on beta remains when that on the strengths is taken away."""
    cross, own = information[-1, :-1], information[-1, -1]
    remaining = own - cross @ np.linalg.solve(information[:-1, :-1], cross)
    return bool(remaining > MIN_OWN_SHARE * own)


def _likelihood(known: _Cells, models: int) -> Evaluate:
    """The log-likelihood of comparisons in (strengths, beta)."""
    one, other, score, gap, count = known.first, known.second, known.score, known.gap, known.count
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
        variance = count * p * np.exp(-np.logaddexp(0, logit))
        lost = count - score
        value = -(score * np.logaddexp(0, -logit) + lost * np.logaddexp(0, logit)).sum()
        residual = score - count * p
        gradient = np.append(summed(residual), residual @ gap)
        summed_cells = np.bincount(cell, weights=variance, minlength=models**2)
        met = summed_cells.astype(np.float64).reshape(models, models)
        information = np.empty((models + 1, models + 1))
        information[:-1, :-1] = laplacian(met + met.T)
        information[-1, :-1] = information[:-1, -1] = summed(variance * gap)
        information[-1, -1] = variance @ gap**2
        return np.array([value]), gradient[None], information[None]

    return evaluate
