"""How often each model's responses are ranked above another model's, in the same slates."""

import numpy as np

from app.agreement.metrics.arrays import MISSING, Floats, Integers
from app.agreement.metrics.estimates import Measured, ratios
from app.agreement.metrics.labels import Labels
from app.agreement.metrics.pairwise import pair_signs

LABELS_AT_ONCE = 4096


def rankings_of_models(labels: Labels) -> dict[str, int]:
    """How many responses of each model are in the rankings, judged or not."""
    names = labels.slates.model_names
    counts = np.zeros(len(names) + 1, dtype=np.int64)
    for column in range(labels.slates.width):
        is_there = labels.positions[:, column] > 0
        models = labels.slates.models[labels.slate[is_there], column]
        counts += np.bincount(models, minlength=len(counts))
    return {names[i - 1]: int(counts[i]) for i in range(1, len(counts)) if counts[i]}


def win_rates(labels: Labels, baseline: str) -> dict[str, Measured]:
    """(wins + ties / 2) / n of each model over `baseline`, with prompts as clusters."""
    names = labels.slates.model_names
    if baseline not in names:
        return {}
    blocks = [
        _against(labels.where(slice_), names.index(baseline) + 1)
        for slice_ in np.array_split(
            np.arange(len(labels)), max(1, -(-len(labels) // LABELS_AT_ONCE))
        )
    ]
    scores, units, prompts, models = (
        np.concatenate([block[i] for block in blocks]) for i in range(4)
    )
    found = ratios(scores, units, prompts, models)
    nothing = Measured(None, None, 0, 0)
    return {
        name: found.get(names.index(name) + 1, nothing)
        for name in sorted(rankings_of_models(labels))
        if name != baseline
    }


def _against(labels: Labels, baseline: int) -> tuple[Floats, Floats, Integers, Integers]:
    """Scores and units of each model over the baseline in each prompt: as columns for `ratios`."""
    signs = pair_signs(labels)
    first, second = np.triu_indices(labels.ranks.shape[1], k=1)
    models = labels.slates.models[labels.slate]
    one, other = models[:, first], models[:, second]
    is_met = (
        (signs != MISSING) & ((one == baseline) != (other == baseline)) & (one > 0) & (other > 0)
    )
    row, pair = np.nonzero(is_met)
    is_first = other[row, pair] == baseline
    model = np.where(is_first, one[row, pair], other[row, pair]).astype(np.int64)
    wins = (np.where(is_first, 1, -1) * signs[row, pair] + 1) / 2
    prompt = labels.prompt[row]
    width = len(labels.slates.model_names) + 1
    keys, place = np.unique(prompt * width + model, return_inverse=True)
    return (
        np.bincount(place, weights=wins, minlength=len(keys)).astype(np.float64),
        np.bincount(place, minlength=len(keys)).astype(np.float64),
        keys // width,
        keys % width,
    )
