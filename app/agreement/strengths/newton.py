"""Maximum of concave log-likelihoods by damped Newton steps, many of them at once."""

from collections.abc import Callable

import numpy as np

from app.agreement.metrics.arrays import Booleans, Floats

MAX_STEPS = 60
MAX_HALVINGS = 40
SMALL_GAIN = 1e-18  # of log-likelihood: a step of a billionth of a standard error
SMALL_STEP = 1e-6
ROUNDING = 1e-12

Evaluated = tuple[Floats, Floats, Floats]
"""(b,) log-likelihoods, (b, k) gradients and (b, k, k) information matrices, all invertible."""
Evaluate = Callable[[Floats], Evaluated]


def maximize(evaluate: Evaluate, start: Floats) -> tuple[Floats, Floats, Booleans]:
    """Maximize b concave functions of k parameters.

    Args:
        evaluate: from parameters (b, k) to values, gradients and information.
        start: (b, k) where to begin.

    Returns:
        The parameters (b, k), the information there (b, k, k), and (b,) which of them converged; a
        likelihood without a maximum does not.
    """
    theta, found = start, evaluate(start)
    converged = np.zeros(len(theta), dtype=np.bool_)
    for _ in range(MAX_STEPS):
        _value, gradient, information = found
        try:
            step = np.linalg.solve(information, gradient[..., None])[..., 0].astype(np.float64)
        except np.linalg.LinAlgError:  # the likelihood rises without end: all is certain by now
            return theta, information, np.zeros_like(converged)
        # The first alone would do but for likelihoods that go on rising, less and less.
        gain = (gradient * step).sum(axis=1)
        converged = (gain < SMALL_GAIN) & (np.abs(step).max(axis=1, initial=0.0) < SMALL_STEP)
        if converged.all():
            break
        theta, found = _uphill(evaluate, theta, found, step)
    return theta, found[2], converged


def _uphill(
    evaluate: Evaluate, theta: Floats, found: Evaluated, step: Floats
) -> tuple[Floats, Evaluated]:
    """The parameters after a step that is halved until no value goes down, and what is found."""
    lowest = found[0] - ROUNDING * np.abs(found[0])
    for _ in range(MAX_HALVINGS):
        after = evaluate(theta + step)
        is_worse = ~(after[0] >= lowest)
        if not is_worse.any():
            return theta + step, after
        step = np.where(is_worse[:, None], step / 2, step)
    return theta, found
