"""What labelers choose by beyond the reward: a logistic regression on reward and length.

Of each strict comparison x = (d reward, d log tokens), chosen minus rejected; the chance of that
choice is sigmoid(b . x). Which response comes first means nothing, so there is no intercept and
the outcome is always 1. Shapes: m comparisons with two columns of x, P prompts.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from trainer.measures.calibration import log_loss, sigmoid
from trainer.measures.outcomes import ROUNDING, Outcome, t_975
from trainer.result import ChoiceRegression, Coefficient

MIN_PROMPTS = 30  # a sandwich over fewer clusters is too narrow
MAX_STEPS = 100
LEAST_GAIN = 1e-12  # nats per comparison
LEAST_ANGLE = 1e-9  # radians
LEAST_INDEPENDENCE = 1e-9  # 1 - r^2 of the two columns, below which rounding tells them apart

NO_LENGTHS = "not enough data: no comparison of responses whose lengths are known"
FEW = f"not enough data: fewer than {MIN_PROMPTS} prompts with a comparison"
NO_REWARDS = "compared responses always have the same reward"
SAME_LENGTHS = "compared responses always have the same length"
ALIKE = "reward and length say the same of every comparison"
SEPARATED = (
    "reward and length together tell all choices, or nearly, so that no finite numbers fit best"
)
MISSES = (
    "At the same reward, labelers choose the longer response more often: the reward model misses "
    "some of how much they like length."
)
OVERSHOOTS = (
    "At the same reward, labelers choose the shorter response more often: the reward model "
    "overshoots how much they like length."
)

Floats = NDArray[np.float64]


def regress_choices(outcomes: Sequence[Outcome]) -> ChoiceRegression:
    """Explain the labelers' choices by differences of reward and of log length.

    The coefficient of length is 0 where the reward says all that length says about choices.

    Args:
        outcomes: held-out comparisons; those of unknown lengths are left aside.
    """
    known = [(one, one.log_length) for one in outcomes if one.log_length is not None]
    clusters = np.unique([one.prompt_id for one, _ in known], return_inverse=True)[1]
    prompts = int(clusters.max(initial=-1)) + 1
    differences = np.array([(one.margin, length) for one, length in known]).reshape(-1, 2)
    reason = _why_no_fit(differences, prompts)
    if reason:
        return ChoiceRegression(count=len(known), prompts=prompts, reason=reason)
    scale = np.abs(differences).max(axis=0)
    scaled = differences / scale
    fit = maximize_likelihood(scaled)
    if fit is None:
        return ChoiceRegression(count=len(known), prompts=prompts, reason=SEPARATED)
    errors = clustered_errors(scaled, fit, clusters) / scale
    reward, length = (
        _coefficient(value, se, prompts)
        for value, se in zip((fit / scale).tolist(), errors.tolist(), strict=True)
    )
    return ChoiceRegression(
        reward=reward,
        log_length=length,
        count=len(known),
        prompts=prompts,
        warning=_warning(length),
    )


def maximize_likelihood(differences: Floats) -> Floats | None:
    """Return the b, (2,), with the greatest sum of log sigmoid(b . x), by Newton's method.

    The sum is concave in b. A step that would lose is halved until it does not.

    Args:
        differences: (m, 2) x, whose columns differ from each other.

    Returns:
        None where rounding hides it: next to no comparison has a choice that is not certain.
    """
    best = np.zeros(2)
    for _ in range(MAX_STEPS):
        wrong = sigmoid(-differences @ best)
        gradient = wrong @ differences / len(differences)
        information = _information(differences, wrong) / len(differences)
        if _is_singular(information):
            return None
        step = np.linalg.solve(information, gradient)
        if gradient @ step < LEAST_GAIN:
            return best + step
        most = log_loss(differences @ best) + LEAST_GAIN
        while log_loss(differences @ (best + step)) > most:
            step = step / 2
        best = best + step
    return None


def clustered_errors(differences: Floats, fit: Floats, clusters: NDArray[np.int64]) -> Floats:
    """Return the standard errors of the fit, (2,), when comparisons of a prompt are dependent.

    V = P/(P-1) H^-1 (sum_p u_p u_p') H^-1, where u_p sums (1 - sigmoid(b . x)) x over the
    comparisons of prompt p and H is the information (Liang and Zeger 1986, with the factor of
    `share_of`). With one comparison a prompt it is White's HC0 times that factor.

    Args:
        differences: (m, 2) x.
        fit: (2,) of `maximize_likelihood`.
        clusters: (m,) int64, the prompt of each comparison, from 0 to P - 1.
    """
    wrong = sigmoid(-differences @ fit)
    prompts = int(clusters.max()) + 1
    scores = np.zeros((prompts, 2))
    np.add.at(scores, clusters, wrong[:, None] * differences)
    influence = np.linalg.solve(_information(differences, wrong), scores.T)  # (2, P)
    errors: Floats = np.sqrt(prompts / (prompts - 1) * np.square(influence).sum(axis=1))
    return errors


def is_separated(differences: Floats) -> bool:
    """Return whether some b gives no x a negative b . x, so that none is most likely.

    Exactly then the likelihood has no greatest value (Albert and Anderson 1984). In two dimensions
    it means that all x lie in one half-plane: their directions leave a gap of half a turn.
    """
    moved = differences[differences.any(axis=1)]
    turns = np.sort(np.arctan2(moved[:, 1], moved[:, 0]))
    gaps = np.diff(turns, append=turns[0] + 2 * np.pi)
    return bool(gaps.max() > np.pi - LEAST_ANGLE)


def _information(differences: Floats, wrong: Floats) -> Floats:
    """(2, 2) minus the second derivative of the log likelihood: sum of p (1 - p) x x'."""
    information: Floats = (differences * (wrong * (1 - wrong))[:, None]).T @ differences
    return information


def _is_singular(information: Floats) -> bool:
    (reward, both), (_, length) = information.tolist()
    return not reward * length - both**2 > LEAST_INDEPENDENCE * reward * length


def _why_no_fit(differences: Floats, prompts: int) -> str | None:
    if not differences.size:
        return NO_LENGTHS
    if prompts < MIN_PROMPTS:
        return FEW
    largest = np.abs(differences).max(axis=0)
    if largest[0] <= ROUNDING:
        return NO_REWARDS
    if largest[1] == 0:
        return SAME_LENGTHS
    scaled = differences / largest
    if _is_singular(scaled.T @ scaled):
        return ALIKE
    return SEPARATED if is_separated(scaled) else None


def _coefficient(value: float, se: float, prompts: int) -> Coefficient:
    half = t_975(prompts - 1) * se
    return Coefficient(value=value, se=se, low=value - half, high=value + half)


def _warning(length: Coefficient) -> str | None:
    if length.low > 0:
        return MISSES
    return OVERSHOOTS if length.high < 0 else None
