"""Bradley-Terry with the length of responses held fixed: pure, numpy only.

Labelers tend to prefer the longer response, so that a model may lead by length alone. As in the
style control of Chatbot Arena (Li et al. 2024), the logit of a comparison gets
beta (len_i - len_j) / (len_i + len_j), standardized, and strengths are what remains.
"""

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, fields, replace

import numpy as np

from app.agreement.metrics.arrays import Booleans, Floats, Integers
from app.agreement.strengths.bradley_terry import Strength, anchored, group_of, laplacian
from app.agreement.strengths.newton import Evaluate, Evaluated, maximize

MIN_OWN_SHARE = 1e-9
ROWS_AT_ONCE = 50_000  # a few megabytes


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

    def inside(self, place: Integers, spread: float) -> "_Cells":
        """Those of models with a place that is not -1, called by it; gaps over the spread."""
        first, second = place[self.first], place[self.second]
        rows = (first >= 0) & (second >= 0)
        gap = self.gap[rows] / spread
        return _Cells(first[rows], second[rows], gap, self.score[rows], self.count[rows])


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
    parts: Callable[[], Iterable[Comparisons]], *, models: int, anchor: int
) -> LengthControlled | None:
    """Strengths of the models that are connected with the anchor, at equal length.

    The gap is divided by its root mean square: which response is the first is arbitrary, so its
    mean over both orientations is 0. Standard errors are those of a sandwich over prompts (Liang
    and Zeger 1986) with P / (P - 1), or of independent comparisons where no prompts are given.

    None where length cannot be told from the models (all gaps are equal, or follow from which two
    models meet), and where it decides everything.

    Args:
        parts: makes the comparisons, some at a time, all of a prompt in the same part; called twice
            so that a million of them are never in memory together. Those of a model with itself
            say something of length.
        models: how many models there are.
        anchor: the model whose strength is 0.
    """
    cells = _summed(parts(), models)
    wins = np.zeros((models, models))
    np.add.at(wins, (cells.first, cells.second), cells.score)
    np.add.at(wins, (cells.second, cells.first), cells.count - cells.score)
    group = group_of(wins, anchor)
    place = np.full(models, -1)
    place[group] = np.arange(len(group))
    inside = cells.inside(place, 1.0)
    known = float(inside.count.sum())
    spread = math.sqrt(float(inside.count @ inside.gap**2) / known) if known else 0.0
    if len(group) == 1 or spread == 0:
        return None
    evaluate = _likelihood(cells.inside(place, spread), len(group))
    start = np.zeros((1, len(group) + 1))
    if not _is_told_apart(evaluate(start)[2][0]):
        return None
    theta, information, converged = maximize(evaluate, start)
    if not converged[0]:
        return None
    covariance = np.linalg.inv(information[0])
    squares, prompts = _scores_squared(_inside(parts(), place, spread), theta[0])
    if prompts is not None:
        covariance = covariance @ squares @ covariance * (prompts / max(prompts - 1, 1))
    return LengthControlled(
        anchored(theta[0], covariance, group, anchor=anchor, size=models),
        Strength(float(theta[0, -1]), math.sqrt(max(float(covariance[-1, -1]), 0.0))),
        prompts,
    )


def _summed(parts: Iterable[Comparisons], models: int) -> _Cells:
    """The same likelihood from fewer rows, where lengths are rounded."""
    nothing = np.zeros(0, np.int64)
    found = _Cells(nothing, nothing, np.zeros(0), np.zeros(0), np.zeros(0))
    waiting: list[_Cells] = []
    for part in parts:
        one = np.ones(len(part.score))
        waiting.append(_Cells(part.first, part.second, part.gap, part.score, one))
        # Not after each part: to sort what is known already takes longer than a part.
        if sum(len(cells.gap) for cells in waiting) > max(ROWS_AT_ONCE, len(found.gap)):
            found, waiting = _merged([found, *waiting], models), []
    return _merged([found, *waiting], models)


def _merged(cells: Sequence[_Cells], models: int) -> _Cells:
    """Equal ones summed."""
    first, second, gap, score, count = (
        np.concatenate([getattr(one, field.name) for one in cells]) for field in fields(_Cells)
    )
    gaps, code = np.unique(gap, return_inverse=True)
    keys, of = np.unique((first * models + second) * len(gaps) + code, return_inverse=True)
    pairs, codes = np.divmod(keys, len(gaps))
    return _Cells(
        *np.divmod(pairs, models),
        gaps[codes],
        np.bincount(of, weights=score, minlength=len(keys)).astype(np.float64),
        np.bincount(of, weights=count, minlength=len(keys)).astype(np.float64),
    )


def _inside(parts: Iterable[Comparisons], place: Integers, spread: float) -> Iterator[Comparisons]:
    """The same as `_Cells.inside` of comparisons."""
    for part in parts:
        first, second = place[part.first], place[part.second]
        named = replace(part, first=first, second=second, gap=part.gap / spread)
        yield named.where((first >= 0) & (second >= 0))


def _scores_squared(parts: Iterable[Comparisons], theta: Floats) -> tuple[Floats, int | None]:
    """(parameters, parameters) squares of each prompt's gradient, summed, and how many prompts."""
    squares, prompts = np.zeros((len(theta), len(theta))), 0
    for part in parts:
        if part.prompt is None:
            return squares, None
        scores = _scores_by_prompt(part, part.prompt, theta)
        squares += scores.T @ scores
        prompts += len(scores)
    return squares, prompts


def _scores_by_prompt(known: Comparisons, prompts: Integers, theta: Floats) -> Floats:
    """(prompts, parameters) the gradient of each prompt's log-likelihood."""
    found, prompt = np.unique(prompts, return_inverse=True)
    columns = len(theta)
    logit = theta[known.first] - theta[known.second] + theta[-1] * known.gap
    residual = known.score - np.exp(-np.logaddexp(0, -logit))
    scores = np.zeros(len(found) * columns)
    for column, value in (
        (known.first, residual),
        (known.second, -residual),
        (columns - 1, residual * known.gap),
    ):
        scores += np.bincount(prompt * columns + column, weights=value, minlength=len(scores))
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
