"""How often each model's responses are ranked above another model's, in the same slates."""

from collections.abc import Sequence

import numpy as np

from app.agreement.estimates import Measured, ratio
from app.agreement.metrics import Label, aligned, codes_of


def win_rates(labels: Sequence[Label], baseline: str) -> dict[str, Measured]:
    """(wins + ties / 2) / n of each model over `baseline`, with prompts as clusters."""
    names = sorted({model for label in labels for model in label.models if model is not None})
    if baseline not in names:
        return {}
    code = {name: i + 1 for i, name in enumerate(names)}
    ranks = aligned(labels, [label.ranks for label in labels])
    models = aligned(
        labels, [[code[m] if m is not None else None for m in label.models] for label in labels]
    )
    models = np.where(ranks > 0, models, 0)  # a response that was not judged is in no comparison
    prompt = codes_of([label.prompt for label in labels])
    # (labels, width, width): 1 where the row's response wins over the column's, 1/2 for a tie
    score = (np.sign(ranks[:, None, :] - ranks[:, :, None]) + 1) / 2
    is_baseline = models == code[baseline]
    measured = {}
    for name in names:
        if name != baseline:
            is_met = (models == code[name])[:, :, None] & is_baseline[:, None, :]
            measured[name] = ratio(
                (score * is_met).sum(axis=(1, 2)),
                is_met.sum(axis=(1, 2)).astype(np.float64),
                prompt,
            )
    return measured
