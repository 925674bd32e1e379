"""Strengths from whole rankings without ties (Plackett 1975, Luce 1959): pure, numpy only."""

from collections.abc import Sequence

import numpy as np

from app.agreement.metrics.arrays import Floats, Integers
from app.agreement.strengths.bradley_terry import components
from app.agreement.strengths.newton import Evaluate, Evaluated, maximize


def plackett_luce(orders: Sequence[Sequence[int]], *, items: int) -> list[float] | None:
    """Log-strengths, centered at 0, under which the orders are most probable.

    The best of an order is chosen among all in it with probability exp(t_i) / sum exp(t), the
    second among the rest, and so on. None unless each item was, by way of others, ranked above
    each. Ties have no place here: take Bradley-Terry for those.

    Args:
        orders: items from 0 on, best first, each of some or of all items.
        items: how many items there are.
    """
    wins = np.zeros((items, items))
    for order in orders:
        for place, item in enumerate(order):
            wins[item, list(order[place + 1 :])] += 1
    if len(components(wins)) != 1:
        return None
    width = max(map(len, orders), default=0)
    padded = np.full((len(orders), width), -1, dtype=np.int64)
    for row, order in zip(padded, orders, strict=True):
        row[: len(order)] = order
    theta, _information, converged = maximize(_likelihood(padded, items), np.zeros((1, items)))
    return (theta[0] - theta[0].mean()).tolist() if converged[0] else None


def _likelihood(orders: Integers, items: int) -> Evaluate:
    """The log-likelihood of orders (n, width), where -1 is nothing."""

    def evaluate(theta: Floats) -> Evaluated:
        value, gradient, information = 0.0, np.zeros(items), np.ones((items, items))
        for stage in range(orders.shape[1] - 1):
            rest = orders[orders[:, stage + 1] >= 0, stage:]
            strength = np.where(rest >= 0, theta[0][rest], -np.inf)
            total = np.logaddexp.reduce(strength, axis=1)
            value += float((strength[:, 0] - total).sum())
            chance = np.zeros((len(rest), items + 1))  # the last column takes what is nothing
            np.put_along_axis(chance, rest, np.exp(strength - total[:, None]), axis=1)
            chance = chance[:, :items]
            gradient += np.bincount(rest[:, 0], minlength=items) - chance.sum(axis=0)
            information += np.diag(chance.sum(axis=0)) - chance.T @ chance
        return np.array([value]), gradient[None], information[None]

    return evaluate
