"""How labelers rank the models of a project, in numbers alone: pure, from ranks as arrays.

As computed from all that there is, however little, and without words, so that it can be kept; what
may be shown of it is decided in `standings`. All labels of a prompt hang together, so errors are
over prompts.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from app.agreement.metrics.arrays import Booleans, Floats, Integers, Small, signs_of
from app.agreement.metrics.estimates import Measured, ratio
from app.agreement.strengths.bradley_terry import components
from app.agreement.strengths.leaderboard import (
    Standing,
    has_tie_model,
    leaderboard,
    prompt_ties,
    prompt_wins,
    tie_share,
)
from app.agreement.strengths.length_control import (
    Comparisons,
    LengthControlled,
    length_controlled,
    length_gap,
)

MOST_MODELS = 20
PROMPTS_AT_ONCE = 500
TIE = 0.5
# Above, prompts are put together at random: resampling so many groups of them gives an error whose
# own error is 1 / sqrt(2 * 2000), under 2%, and costs no more for a million prompts.
MOST_CLUSTERS = 2000
# Gaps of length are rounded to so many parts of 1, so that a million comparisons are a few thousand
# different ones; that moves the strengths by less than a thousandth of their errors.
GAP_PARTS = 256


@dataclass(frozen=True)
class Rating:
    """Models by their places in `names`.

    Attributes:
        names: of the models, those compared most often first.
        anchor: the model whose strength is 0.
        is_anchor_sft: whether it is an SFT model.
        prompts: in which models were compared.
        standings: of each model.
        prompts_of: (m,) in which each was compared.
        win_rates: over the anchor, a tie as half a win.
        groups: models that are comparable with each other, the largest group first.
        left_out: models compared less often than these.
        tie_share: share of the comparisons that are ties.
        has_tie_model: whether ties are modeled (Davidson 1970) and not half a win of both.
        at_equal_length: strengths at equal length; None where length cannot be told from models.
    """

    names: list[str]
    anchor: int
    is_anchor_sft: bool
    prompts: int
    standings: list[Standing]
    prompts_of: Integers
    win_rates: list[Measured]
    groups: list[list[int]]
    left_out: int
    tie_share: float
    has_tie_model: bool
    at_equal_length: LengthControlled | None


@dataclass(frozen=True)
class _Counts:
    """(clusters, m, m) wins and ties; (prompts, m) over the anchor and met it; (m,) prompts."""

    wins: Floats
    ties: Floats
    over_anchor: Floats
    met_anchor: Floats
    prompts: Integers


def rating_of(
    ranks: Small,
    models: Integers,
    prompt: Integers,
    lengths: NDArray[np.integer],
    *,
    names: Sequence[str],
    sft: Collection[str],
) -> Rating | None:
    """Compare the models within slates; None where no two were ranked together.

    Args:
        ranks: (labels, width) 1 is best, 0 was not judged.
        models: (labels, width) model of each response, as its place in `names`; -1 is unknown.
        prompt: (labels,) prompt of each label.
        lengths: (labels, width) of the responses, in characters.
        names: of the models.
        sft: names of the SFT models; the one compared most often is the anchor, or else the model
            compared most often.
    """
    order = np.argsort(prompt, kind="stable")
    order = order[_is_mixed(ranks[order], models[order])]
    ranks, models, lengths = ranks[order], models[order], lengths[order]
    compared = _comparisons(ranks, models, len(names))
    kept = np.argsort(-compared, kind="stable")[: min(MOST_MODELS, int((compared > 0).sum()))]
    if not len(kept):
        return None
    known = [names[place] for place in kept]
    anchor = next((i for i, name in enumerate(known) if name in sft), 0)
    code = np.full(len(names) + 1, -1)  # the last is for -1
    code[kept] = np.arange(len(kept))
    models, codes = code[models], np.unique(prompt[order], return_inverse=True)[1]
    counts = _counts(ranks, models, codes, size=len(kept), anchor=anchor)
    is_modeled = has_tie_model(counts.wins, counts.ties, anchor=anchor)
    compared_by_length = _with_lengths(ranks, models, codes, lengths)
    if is_modeled:
        # Davidson's strengths are the log odds among decided comparisons: the same scale.
        compared_by_length = compared_by_length.where(compared_by_length.score != TIE)
    return Rating(
        names=known,
        anchor=anchor,
        is_anchor_sft=known[anchor] in sft,
        prompts=len(counts.met_anchor),
        standings=leaderboard(counts.wins, anchor=anchor, ties=counts.ties if is_modeled else None),
        prompts_of=counts.prompts,
        win_rates=[_win_rate(counts, i) for i in range(len(kept))],
        groups=components(counts.wins.sum(axis=0)),
        left_out=int((compared > 0).sum()) - len(kept),
        tie_share=tie_share(counts.wins, counts.ties),
        has_tie_model=is_modeled,
        at_equal_length=length_controlled(compared_by_length, models=len(kept), anchor=anchor),
    )


def _is_mixed(ranks: Small, models: Integers) -> Booleans:
    """(labels,) whether responses of two models were judged; others say nothing of models."""
    known = (ranks > 0) & (models >= 0)
    last = np.where(known, models, -1).max(axis=1, initial=-1)
    first = np.where(known, models, last[:, None]).min(axis=1, initial=np.iinfo(np.int64).max)
    is_mixed: Booleans = first < last
    return is_mixed


def _comparisons(ranks: Small, models: Integers, size: int) -> Integers:
    """(models,) how often a response of each was compared with one of another model."""
    known = (ranks > 0) & (models >= 0)
    count = np.zeros(size, np.int64)
    for column in range(ranks.shape[1]):
        others = known & (models != models[:, [column]])
        met = np.where(known[:, column], others.sum(axis=1), 0)
        np.add.at(count, models[known[:, column], column], met[known[:, column]])
    return count


def _counts(ranks: Small, models: Integers, prompt: Integers, *, size: int, anchor: int) -> _Counts:
    """Count a few hundred prompts at a time, so that memory does not grow with them.

    Labels are in the order of their prompts, which are small integers from 0.
    """
    prompts = int(prompt[-1]) + 1
    clusters = min(prompts, MOST_CLUSTERS)
    cluster = np.random.default_rng(0).permutation(prompts) % clusters
    wins, ties = np.zeros((clusters, size, size)), np.zeros((clusters, size, size))
    over_anchor, met_anchor = np.zeros((prompts, size)), np.zeros((prompts, size))
    in_prompts = np.zeros(size, np.int64)
    for start in range(0, prompts, PROMPTS_AT_ONCE):
        end = min(start + PROMPTS_AT_ONCE, prompts)
        rows = slice(*np.searchsorted(prompt, (start, end)).tolist())
        here = (signs_of(ranks[rows]), models[rows], prompt[rows] - start)
        some = prompt_wins(*here, prompts=end - start, size=size)
        tied = prompt_ties(*here, prompts=end - start, size=size)
        met = some + some.swapaxes(1, 2)
        np.add.at(wins, cluster[start:end], some)
        np.add.at(ties, cluster[start:end], tied)
        over_anchor[start:end], met_anchor[start:end] = some[:, :, anchor], met[:, :, anchor]
        in_prompts += met.any(axis=2).sum(axis=0)
    return _Counts(wins, ties, over_anchor, met_anchor, in_prompts)


def _win_rate(counts: _Counts, model: int) -> Measured:
    clusters = np.arange(len(counts.met_anchor))
    return ratio(counts.over_anchor[:, model], counts.met_anchor[:, model], clusters)


def _with_lengths(
    ranks: Small, models: Integers, prompt: Integers, lengths: NDArray[np.integer]
) -> Comparisons:
    """Every comparison of two models with its gap of length, few bytes each."""
    signs = signs_of(ranks)
    parts = []
    for pair, (i, j) in enumerate(combinations(range(ranks.shape[1]), 2)):
        meet = (np.abs(signs[:, pair]) <= 1) & (models[:, i] != models[:, j])
        meet &= (models[:, i] >= 0) & (models[:, j] >= 0)
        gap = length_gap(*(lengths[meet, k].astype(np.float64) for k in (i, j)))
        parts.append(
            (
                models[meet, i].astype(np.int16),
                models[meet, j].astype(np.int16),
                ((signs[meet, pair] + 1) / 2).astype(np.float32),
                (np.round(gap * GAP_PARTS) / GAP_PARTS).astype(np.float32),
                prompt[meet].astype(np.int32),
            )
        )
    first, second, score, gaps, prompts = (
        np.concatenate(column) for column in zip(*parts, strict=True)
    )
    return Comparisons(first, second, score, gaps, prompts)
