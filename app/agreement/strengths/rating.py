"""How labelers rank the models of a project, in numbers alone: pure, from ranks as arrays.

As computed from all that there is, however little, and without words, so that it can be kept; what
may be shown of it is decided in `standings`. All labels of a prompt hang together, so errors are
over prompts.
"""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from functools import partial

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
    over_anchor: NDArray[np.float32]
    met_anchor: NDArray[np.float32]
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
    # Davidson's strengths are the log odds among decided comparisons: the same scale.
    by_length = partial(_with_lengths, ranks, models, codes, lengths, has_ties=not is_modeled)
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
        at_equal_length=length_controlled(by_length, models=len(kept), anchor=anchor),
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
    """Count; labels are in the order of their prompts, which are small integers from 0."""
    prompts = int(prompt[-1]) + 1
    clusters = min(prompts, MOST_CLUSTERS)
    cluster = np.random.default_rng(0).permutation(prompts) % clusters
    wins, ties = np.zeros((clusters, size, size)), np.zeros((clusters, size, size))
    over_anchor, met_anchor = np.zeros((2, prompts, size), np.float32)  # halves, exactly
    in_prompts = np.zeros(size, np.int64)
    for rows, some in _at_once(prompt):
        here = (signs_of(ranks[rows]), models[rows], prompt[rows] - some.start)
        won = prompt_wins(*here, prompts=some.stop - some.start, size=size)
        tied = prompt_ties(*here, prompts=some.stop - some.start, size=size)
        met = won + won.swapaxes(1, 2)
        np.add.at(wins, cluster[some], won)
        np.add.at(ties, cluster[some], tied)
        over_anchor[some], met_anchor[some] = won[:, :, anchor], met[:, :, anchor]
        in_prompts += met.any(axis=2).sum(axis=0)
    return _Counts(wins, ties, over_anchor, met_anchor, in_prompts)


def _win_rate(counts: _Counts, model: int) -> Measured:
    clusters = np.arange(len(counts.met_anchor))
    over, met = (
        table[:, model].astype(np.float64) for table in (counts.over_anchor, counts.met_anchor)
    )
    return ratio(over, met, clusters)


def _with_lengths(
    ranks: Small,
    models: Integers,
    prompt: Integers,
    lengths: NDArray[np.integer],
    *,
    has_ties: bool,
) -> Iterator[Comparisons]:
    """Comparisons of two models with their gaps of length, a few hundred prompts at a time."""
    first, second = np.triu_indices(ranks.shape[1], k=1)
    for rows, _prompts in _at_once(prompt):
        signs, here = signs_of(ranks[rows]), models[rows]
        meet = (np.abs(signs) <= 1) & (here[:, first] != here[:, second])
        meet &= (here[:, first] >= 0) & (here[:, second] >= 0)
        meet &= has_ties | (signs != 0)
        row, pair = np.nonzero(meet)
        i, j = first[pair], second[pair]
        gap = length_gap(*(lengths[rows][row, k].astype(np.float64) for k in (i, j)))
        yield Comparisons(
            here[row, i],
            here[row, j],
            (signs[row, pair] + 1) / 2,
            np.round(gap * GAP_PARTS) / GAP_PARTS,
            prompt[rows][row],
        )


def _at_once(prompt: Integers) -> Iterator[tuple[slice, slice]]:
    """The rows of a few hundred prompts at a time, and which prompts, from labels in their order.

    With that many, memory does not grow with the labels.
    """
    prompts = int(prompt[-1]) + 1
    for start in range(0, prompts, PROMPTS_AT_ONCE):
        end = min(start + PROMPTS_AT_ONCE, prompts)
        yield slice(*np.searchsorted(prompt, (start, end)).tolist()), slice(start, end)
