"""How sure one-coin Dawid-Skene is of labelers' accuracies: pure.

Answers and accuracies are estimated from each other, so the error of one accuracy depends on those
of all: it is the sandwich of the likelihood of everything (White 1982), with prompts as clusters
(Liang and Zeger 1986), since the pairs of a prompt depend on each other.
"""

import numpy as np

from app.agreement.metrics.arrays import Booleans, Floats, Integers
from app.agreement.metrics.estimates import LIMITS

# Where an accuracy is 0 or 1 the likelihood has an edge and no curvature to go by.
LEAST_SPREAD = 1e-6


def standard_errors(
    accuracy: Floats,
    right: Floats,
    answers: Floats,
    unsure: Floats,
    slate: Integers,
    prompt: Integers,
    labeler: Integers,
) -> list[float | None]:
    """The standard error of each accuracy; None where the labels do not tell it.

    The observed information is that of known answers less what is missing because they are not
    (Louis 1982): H = diag(n_u / v_u) - sum_i s_iu s_iv p_i (1 - p_i) / (v_u v_v), with the answers
    n_u, v = q (1 - q), the posteriors p_i, and answers s = +1 and -1. With few prompts a labeler's
    accuracy is not shown; then it is taken as given, so that H stays small however many there are.

    Args:
        accuracy: (labelers,) q; NaN for one without an answer.
        right: (n,) of each ranking's answers, how many are right as far as is known.
        answers: (n,) how many it has.
        unsure: (n, p) answers +1 and -1 times sqrt(p_i (1 - p_i)); 0 where there is none.
        slate: (n,) codes from 0; a labeler has a slate once.
        prompt: (n,) codes from 0.
        labeler: (n,) codes.
    """
    told = answers > 0
    prompts = np.bincount(
        np.unique(np.stack([labeler[told], prompt[told]]), axis=1)[0], minlength=len(accuracy)
    )
    spread = np.nan_to_num(accuracy * (1 - accuracy))
    is_estimated: Booleans = (prompts >= LIMITS["latent"].prompts) & (spread > LEAST_SPREAD)
    rows = np.flatnonzero(told & is_estimated[labeler])
    # Codes of those who are estimated.
    who = (np.cumsum(is_estimated) - 1)[labeler[rows]]
    v = spread[is_estimated]
    information = np.diag(np.bincount(who, weights=answers[rows], minlength=len(v)) / v)
    information -= _missing(unsure[rows] / v[who][:, None], slate[rows], who, len(v))
    clusters, cluster = np.unique(prompt[rows], return_inverse=True)
    score = np.zeros((len(v), len(clusters)))
    residual = right[rows] - accuracy[labeler[rows]] * answers[rows]
    np.add.at(score, (who, cluster), residual / v[who])
    if not _is_positive_definite(information):
        return [None] * len(accuracy)
    squares = (np.linalg.solve(information, score) ** 2).sum(axis=1)
    own = prompts[is_estimated]
    found = dict(
        zip(
            np.flatnonzero(is_estimated).tolist(),
            np.sqrt(own / (own - 1) * squares).tolist(),
            strict=True,
        )
    )
    return [found.get(code) for code in range(len(accuracy))]


def _missing(unsure: Floats, slate: Integers, who: Integers, labelers: int) -> Floats:
    """(labelers, labelers) the sums over pairs of the products of two labelers' `unsure`."""
    found = np.zeros((labelers, labelers))
    order = np.argsort(slate, kind="stable")
    for here in np.split(order, np.flatnonzero(np.diff(slate[order])) + 1):
        found[np.ix_(who[here], who[here])] += unsure[here] @ unsure[here].T
    return found


def _is_positive_definite(matrix: Floats) -> bool:
    """Whether the likelihood has a maximum here, and not a ridge or a saddle."""
    values = np.linalg.eigvalsh(matrix)
    return not len(values) or bool(values[0] > 1e-9 * values[-1])
