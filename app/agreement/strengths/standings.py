"""Models in the order that labelers rank their responses: pure, from ranks as arrays.

Strengths are Bradley-Terry's on a scale like Elo's, with the SFT model at 1000; win rates are over
that model. All labels of a prompt hang together, so both have intervals over prompts.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np

from app.agreement.metrics.arrays import Booleans, Floats, Integers, Small, signs_of
from app.agreement.metrics.estimates import Estimate, Measured, Status, display_status, ratio, shown
from app.agreement.strengths.bradley_terry import components, elo, win_probability
from app.agreement.strengths.leaderboard import Standing, leaderboard, prompt_wins
from app.web.translation import gettext

MOST_MODELS = 20
PROMPTS_AT_ONCE = 500
# Above, prompts are put together at random: resampling so many groups of them gives an error whose
# own error is 1 / sqrt(2 * 2000), under 2%, and costs no more for a million prompts.
MOST_CLUSTERS = 2000


@dataclass(frozen=True)
class Entry:
    """A model's place; what is None is hidden or not defined, with the `reason`.

    Attributes:
        model: its name.
        rank: 1 + how many models have a lower bound above this one's upper bound.
        elo: 1000 + 400 t / ln 10, with t the log-strength over the anchor's.
        ci95: of it.
        status: of it, by the rules for win rates.
        reason: why it is missing or provisional.
        comparisons: with other models.
        prompts: in which it was compared.
        group: models of the same group are comparable with each other; 0 is the largest.
        win_rate: over the anchor, a tie as half a win; None for the anchor itself.
    """

    model: str
    rank: int | None
    elo: float | None
    ci95: tuple[float, float] | None
    status: Status
    reason: str | None
    comparisons: int
    prompts: int
    group: int
    win_rate: Estimate | None


@dataclass(frozen=True)
class Board:
    """The entries, best first and hidden ones last; `groups` are the names that are comparable."""

    anchor: str | None
    is_anchor_sft: bool
    prompts: int
    entries: list[Entry]
    groups: list[list[str]]
    left_out: int


EMPTY = Board(None, is_anchor_sft=False, prompts=0, entries=[], groups=[], left_out=0)


@dataclass(frozen=True)
class _Counts:
    """(clusters, m, m) wins; (prompts, m) over the anchor and comparisons with it; (m,) prompts."""

    wins: Floats
    over_anchor: Floats
    met_anchor: Floats
    prompts: Integers


def board_of(
    ranks: Small,
    models: Integers,
    prompt: Integers,
    *,
    names: Sequence[str],
    sft: Collection[str],
) -> Board:
    """Compare the models within slates.

    Args:
        ranks: (labels, width) 1 is best, 0 was not judged.
        models: (labels, width) model of each response, as its place in `names`; -1 is unknown.
        prompt: (labels,) prompt of each label.
        names: of the models.
        sft: names of the SFT models; the one compared most often is the anchor, or else the model
            compared most often.
    """
    order = np.argsort(prompt, kind="stable")
    order = order[_is_mixed(ranks[order], models[order])]
    ranks, models = ranks[order], models[order]
    compared = _comparisons(ranks, models, len(names))
    kept = np.argsort(-compared, kind="stable")[: min(MOST_MODELS, int((compared > 0).sum()))]
    if not len(kept):
        return EMPTY
    known = [names[place] for place in kept]
    anchor = next((i for i, name in enumerate(known) if name in sft), 0)
    code = np.full(len(names) + 1, -1)  # the last is for -1
    code[kept] = np.arange(len(kept))
    codes = np.unique(prompt[order], return_inverse=True)[1]
    counts = _counts(ranks, code[models], codes, size=len(kept), anchor=anchor)
    total = counts.wins.sum(axis=0)
    entries = [
        _entry(known, i, standing, anchor=anchor, prompts=int(counts.prompts[i]),
               win_rate=_win_rate(counts, i))
        for i, standing in enumerate(leaderboard(counts.wins, anchor=anchor))
    ]  # fmt: skip
    return Board(
        anchor=known[anchor],
        is_anchor_sft=known[anchor] in sft,
        prompts=len(counts.met_anchor),
        entries=sorted(entries, key=_order),
        groups=[[known[i] for i in group] for group in components(total)],
        left_out=int((compared > 0).sum()) - len(kept),
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
    wins = np.zeros((clusters, size, size))
    over_anchor, met_anchor = np.zeros((prompts, size)), np.zeros((prompts, size))
    in_prompts = np.zeros(size, np.int64)
    for start in range(0, prompts, PROMPTS_AT_ONCE):
        end = min(start + PROMPTS_AT_ONCE, prompts)
        rows = slice(*np.searchsorted(prompt, (start, end)).tolist())
        some = prompt_wins(
            signs_of(ranks[rows]),
            models[rows],
            prompt[rows] - start,
            prompts=end - start,
            size=size,
        )
        met = some + some.swapaxes(1, 2)
        np.add.at(wins, cluster[start:end], some)
        over_anchor[start:end], met_anchor[start:end] = some[:, :, anchor], met[:, :, anchor]
        in_prompts += met.any(axis=2).sum(axis=0)
    return _Counts(wins, over_anchor, met_anchor, in_prompts)


def _win_rate(counts: _Counts, model: int) -> Measured:
    clusters = np.arange(len(counts.met_anchor))
    return ratio(counts.over_anchor[:, model], counts.met_anchor[:, model], clusters)


def _entry(
    names: Sequence[str],
    model: int,
    standing: Standing,
    *,
    anchor: int,
    prompts: int,
    win_rate: Measured,
) -> Entry:
    status, reason = _status(standing, names[anchor], prompts)
    is_hidden = status == "not_enough_data" or standing.strength is None
    interval = None if is_hidden else standing.interval
    return Entry(
        model=names[model],
        rank=None if is_hidden else standing.rank,
        elo=None if is_hidden or standing.strength is None else elo(standing.strength),
        ci95=None if interval is None else (elo(interval[0]), elo(interval[1])),
        status=status,
        reason=reason,
        comparisons=round(standing.comparisons),
        prompts=prompts,
        group=standing.component,
        win_rate=None if model == anchor else shown("win_rate", win_rate),
    )


def _status(standing: Standing, anchor: str, prompts: int) -> tuple[Status, str | None]:
    """As for a win rate; the interval's width is that of the win rate that the strengths imply."""
    half_width = None
    if standing.interval is not None:
        low, high = (win_probability(bound, 0.0) for bound in standing.interval)
        half_width = (high - low) / 2
    status, reason = display_status(
        "win_rate", prompts=prompts, units=round(standing.comparisons), half_width=half_width
    )
    if status == "not_enough_data":
        return status, reason
    if standing.strength is None:
        return "not_enough_data", gettext(
            "not comparable with %(anchor)s: no chain of wins leads both ways", anchor=anchor
        )
    return status, reason


def _order(entry: Entry) -> tuple[bool, float, str]:
    return (entry.elo is None, -(entry.elo or 0.0), entry.model)
