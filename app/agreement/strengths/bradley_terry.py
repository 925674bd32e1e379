"""Strengths of models from who beats whom: Bradley-Terry, and Davidson's form with ties.

Pure, numpy only. A strength t is on the logit scale: P(i beats j) = 1 / (1 + exp(t_j - t_i)).
Only differences are defined, so one model, the anchor, has the strength 0.
"""

import math
from dataclasses import dataclass

import numpy as np

from app.agreement.metrics.arrays import Booleans, Floats
from app.agreement.strengths.newton import Evaluate, Evaluated, maximize

ELO_ANCHOR = 1000.0
ELO_PER_UNIT = 400 / math.log(10)


@dataclass(frozen=True)
class Strength:
    """A model's log-strength over the anchor's, with its error over independent comparisons."""

    value: float
    se: float

    @property
    def elo(self) -> float:
        """The same on a scale like Elo's, where the anchor has 1000."""
        return elo(self.value)


@dataclass(frozen=True)
class Davidson:
    """Strengths beside a tie parameter: P(tie) is nu sqrt(pi_i pi_j) to pi_i and pi_j of a win."""

    strengths: list[Strength | None]
    nu: float


def elo(log_strength: float) -> float:
    """1000 + 400 t / ln 10."""
    return ELO_ANCHOR + ELO_PER_UNIT * log_strength


def win_probability(log_strength: float, other: float) -> float:
    """How probable it is that the one beats the other, ties aside."""
    return (1 + math.tanh((log_strength - other) / 2)) / 2


def components(wins: Floats) -> list[list[int]]:
    """Groups of models within which each has, by way of others, won over each; largest first.

    Strengths can be compared inside a group only: of a model that won or lost all its comparisons
    with a group, or that met none of it, the likelihood has no maximum (Ford 1957).

    Args:
        wins: (m, m) wins of the row's model over the column's, a tie as half a win of each.
    """
    reached = reaches(wins[None])[0]
    together = reached & reached.T
    groups = {tuple(np.flatnonzero(row).tolist()) for row in together}
    return sorted(map(list, groups), key=lambda group: (-len(group), group))


def reaches(wins: Floats) -> Booleans:
    """(b, m, m) whether the row's model won over the column's, itself or by way of others."""
    m = wins.shape[1]
    reached: Booleans = (wins > 0) | np.eye(m, dtype=np.bool_)
    for _ in range(max(m - 1, 1).bit_length()):
        reached = (reached.astype(np.float32) @ reached.astype(np.float32)) > 0
    return reached


def bradley_terry(wins: Floats, *, anchor: int) -> list[Strength | None]:
    """Strengths of the models that are connected with the anchor; None for the others.

    The standard errors take comparisons as independent, which those of a prompt are not: for real
    labels see `leaderboard`.

    Args:
        wins: (m, m) wins of the row's model over the column's, a tie as half a win of each.
        anchor: the model whose strength is 0.
    """
    group = group_of(wins, anchor)
    if len(group) == 1:
        return [None] * len(wins)
    inside = wins[np.ix_(group, group)]
    theta, information, converged = maximize(
        _bradley_terry(inside[None]), np.zeros((1, len(group)))
    )
    if not converged[0]:
        return [None] * len(wins)
    covariance = np.linalg.inv(information[0])
    return anchored(theta[0], covariance, group, anchor=anchor, size=len(wins))


def log_strengths(wins: Floats) -> Floats:
    """(b, m) log-strengths, centered at 0, of (b, m, m) wins in each of which all are connected."""
    theta, _information, _converged = maximize(_bradley_terry(wins), np.zeros(wins.shape[:2]))
    return theta


def log_strengths_with_ties(wins: Floats, ties: Floats) -> Floats:
    """(b, m) Davidson's log-strengths of (b, m, m) wins and ties; NaN where there is no maximum.

    A maximum there is where all are connected by decided comparisons, and some are tied.
    """
    start = np.zeros((len(wins), wins.shape[1] + 1))
    theta, _information, converged = maximize(_davidson(wins, ties), start)
    return np.where(converged[:, None], theta[:, :-1], np.nan)


def davidson(wins: Floats, ties: Floats, *, anchor: int) -> Davidson | None:
    """Bradley-Terry with a parameter for ties (Davidson 1970); None without a decided comparison.

    Args:
        wins: (m, m) wins of the row's model over the column's, ties not among them.
        ties: (m, m) ties of the two, symmetric.
        anchor: the model whose strength is 0.
    """
    with_ties = wins + ties / 2
    group = group_of(with_ties, anchor)
    inside, tied = wins[np.ix_(group, group)], ties[np.ix_(group, group)]
    if not inside.any():
        return None
    if not tied.any():
        return Davidson(bradley_terry(wins, anchor=anchor), nu=0.0)
    start = np.zeros((1, len(group) + 1))
    theta, information, converged = maximize(_davidson(inside[None], tied[None]), start)
    if not converged[0]:
        return None
    covariance = np.linalg.inv(information[0])
    strengths = anchored(theta[0], covariance, group, anchor=anchor, size=len(wins))
    return Davidson(strengths, nu=float(np.exp(theta[0, -1])))


def group_of(wins: Floats, anchor: int) -> list[int]:
    """The component that the anchor is in."""
    return next(group for group in components(wins) if anchor in group)


def anchored(
    theta: Floats, covariance: Floats, group: list[int], *, anchor: int, size: int
) -> list[Strength | None]:
    """Strengths over the anchor's, with errors, of a fit of the models of `group`.

    Args:
        theta: (k,) parameters, of which the first are the strengths of `group`.
        covariance: (k, k) of them; only differences of strengths count.
        group: the models that were fitted.
        anchor: the one whose strength becomes 0.
        size: how many models there are.
    """
    a = group.index(anchor)
    strengths: list[Strength | None] = [None] * size
    for i, model in enumerate(group):
        variance = covariance[i, i] + covariance[a, a] - 2 * covariance[i, a]
        se = math.sqrt(max(float(variance), 0.0))
        strengths[model] = Strength(float(theta[i] - theta[a]), se)
    return strengths


def laplacian(weights: Floats) -> Floats:
    """(..., m, m) information on strengths from that on their differences, made invertible.

    The likelihood does not change when all strengths move together. With 1 added to every element
    no step moves them so, and the variances of differences stay what they are.
    """
    diagonal = weights.sum(axis=-1)[..., None] * np.eye(weights.shape[-1])
    information: Floats = diagonal - weights + 1
    return information


def _bradley_terry(wins: Floats) -> Evaluate:
    """The log-likelihood sum w_ij log s(t_i - t_j) of (b, m, m) wins."""
    counts = wins + wins.swapaxes(1, 2)

    def evaluate(theta: Floats) -> Evaluated:
        log_p = -np.logaddexp(0, theta[:, None, :] - theta[:, :, None])
        p = np.exp(log_p)
        gradient = (wins - counts * p).sum(axis=2)
        information = laplacian(counts * p * p.swapaxes(1, 2))
        return (wins * log_p).sum(axis=(1, 2)), gradient, information

    return evaluate


def _davidson(wins: Floats, ties: Floats) -> Evaluate:
    """The log-likelihood of wins and ties (b, m, m) in (strengths, log nu).

    A comparison is a choice of three: win exp(d / 2), loss exp(-d / 2), tie nu, with d = t_i - t_j.
    """
    counts = wins + wins.swapaxes(1, 2) + ties
    pairs = (1, 2)

    def evaluate(theta: Floats) -> Evaluated:
        t, log_nu = theta[:, :-1], theta[:, -1, None, None]
        half = (t[:, :, None] - t[:, None, :]) / 2
        log_total = np.logaddexp(np.logaddexp(half, -half), log_nu)
        win, loss, tie = (np.exp(x - log_total) for x in (half, -half, log_nu))
        # Every pair stands twice in the tables: what is not of one side only is halved.
        value = (wins * (half - log_total)).sum(pairs)
        value += (ties * (log_nu - log_total)).sum(pairs) / 2
        of_strength = (wins - wins.swapaxes(1, 2) - counts * (win - loss)).sum(axis=2) / 2
        of_nu = (ties - counts * tie).sum(pairs) / 2
        cross = (-counts * tie * (win - loss) / 2).sum(axis=2)
        variance = counts * (win + loss - (win - loss) ** 2) / 4
        information = np.empty((len(t), theta.shape[1], theta.shape[1]))
        information[:, :-1, :-1] = laplacian(variance)
        information[:, -1, :-1] = information[:, :-1, -1] = cross
        information[:, -1, -1] = (counts * tie * (1 - tie)).sum(pairs) / 2
        gradient = np.concatenate([of_strength, of_nu[:, None]], axis=1)
        return value, gradient, information

    return evaluate
