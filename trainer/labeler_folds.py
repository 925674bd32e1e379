"""Which labelers are held out together, to see whether a reward model knows labelers or people.

InstructGPT trained on four of five groups of labelers and measured on the fifth (arXiv 2203.02155,
section 4.1 and E.2). Each group is held out once: leave the rankings of its labelers out, train,
score the held-out prompts, and hand the result to `evaluate.evaluate_fold`.
"""

import random
from collections.abc import Mapping

from trainer.rundir import RunRefusedError


def labeler_folds(rankings: Mapping[str, int], folds: int, seed: int) -> list[set[str]]:
    """Part labelers into groups with about the same number of rankings; no labeler is in two.

    The largest count goes first into the lightest group, so that group sizes differ by no more
    than one labeler's count. The seed decides between equal counts; the order of the mapping
    does not matter.

    Args:
        rankings: how many rankings each labeler gave.
        folds: groups; 0 gives none. With fewer labelers than that, each is a group of their own.
        seed: of the run.

    Returns:
        The groups, none of them empty; no group when there are fewer than two labelers.

    Raises:
        RunRefusedError: for one group, which would hold everybody out.
    """
    if folds == 1:
        raise RunRefusedError(
            "labeler_folds is 1, which would hold out every labeler; choose 0 to skip the "
            "experiment or at least 2"
        )
    groups: list[set[str]] = [set() for _ in range(min(folds, len(rankings)))]
    if len(groups) < 2:  # noqa: PLR2004 somebody must be left to train on
        return []
    names = sorted(rankings)
    random.Random(seed).shuffle(names)  # noqa: S311 - no secret
    loads = [0] * len(groups)
    for name in sorted(names, key=rankings.__getitem__, reverse=True):
        # The number of labelers decides between equal loads: counts may be 0.
        lightest = min(range(len(groups)), key=lambda at: (loads[at], len(groups[at])))
        groups[lightest].add(name)
        loads[lightest] += rankings[name]
    return groups
