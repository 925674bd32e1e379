"""Which labelers are held out together, to see whether a reward model knows labelers or people.

InstructGPT trained on four of five groups of labelers and measured on the fifth (arXiv 2203.02155,
section 4.1 and E.2). Each group is held out once: leave the rankings of its labelers out, train,
score the held-out prompts, and hand the result to `evaluate.evaluate_fold`.
"""

import random
from collections.abc import Mapping

from trainer.errors import RunRefusedError


def labeler_folds(rankings: Mapping[str, int], folds: int, seed: int) -> list[set[str]]:
    """Part labelers into groups with about the same number of rankings; no labeler is in two.

    The largest count goes first into the lightest group, so that group sizes differ by no more
    than one labeler's count. The seed decides between equal counts; the order of the mapping
    does not matter.

    Args:
        rankings: how many rankings each labeler gave.
        folds: groups; 0 gives none.
        seed: of the run.

    Returns:
        The groups, none of them empty.

    Raises:
        RunRefusedError: for one group, which would hold everybody out, or for more groups than
            labelers.
    """
    if folds == 0:
        return []
    if folds == 1:
        raise RunRefusedError(
            "labeler_folds is 1, which would hold out every labeler; choose 0 to skip the "
            "experiment or at least 2"
        )
    if folds > len(rankings):
        raise RunRefusedError(
            f"labeler_folds is {folds}, but {len(rankings)} labelers have ranked what is trained "
            "on; choose no more than that, or 0 to skip the experiment"
        )
    groups: list[set[str]] = [set() for _ in range(folds)]
    names = sorted(rankings)
    random.Random(seed).shuffle(names)  # noqa: S311 - no secret
    loads = [0] * len(groups)
    for name in sorted(names, key=rankings.__getitem__, reverse=True):
        # The number of labelers decides between equal loads: counts may be 0.
        lightest = min(range(len(groups)), key=lambda at: (loads[at], len(groups[at])))
        groups[lightest].add(name)
        loads[lightest] += rankings[name]
    return groups
