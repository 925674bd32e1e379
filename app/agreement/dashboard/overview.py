"""What the dashboard shows beside the report: pure, composed from columns of labels.

As measured from all that there is, however little, and without words, so that it can be kept; what
may be shown of it is decided in `dashboard_report`.
"""

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np

from app.agreement.behaviour.alerts import Signal, signals_of
from app.agreement.behaviour.anchors import AnchorWins, anchor_wins
from app.agreement.behaviour.by_labeler import Share, in_blocks, shares
from app.agreement.behaviour.effort import tied_pairs
from app.agreement.behaviour.evidence import Evidence, Work, evidence_of, with_every_researcher
from app.agreement.behaviour.position_bias import (
    PROMPTS_PER_PLACE,
    best_by_position,
    position_tests,
)
from app.agreement.behaviour.references import longer_wins, with_gold
from app.agreement.metrics.arrays import Booleans, Integers, signs_of
from app.agreement.metrics.chance import FlagAgreement, flag_agreement, rating_agreement
from app.agreement.metrics.estimates import Measured
from app.agreement.metrics.intraclass import complete_block, intraclass
from app.agreement.metrics.labels import ORDINARY, Labels, headline
from app.agreement.metrics.rank_correlation import mean_kendall_w, mean_tau_b
from app.projects.flags import Scope
from app.web.translation import gettext

MOST_GROUPS = 100

NOTHING = Measured(None, None, 0, 0)


@dataclass(frozen=True)
class Block:
    """Responses that every labeler rated: what the intraclass correlation is computed on."""

    labelers: int
    icc2: Measured
    """Of one labeler's rating: absolute agreement, labelers as a sample of all."""
    icc2k: float | None
    """Of the mean of all labelers."""


@dataclass(frozen=True)
class FirstIsBest:
    """How often the response shown first is the best; of K responses it is by chance in 1 / K."""

    rankings: int
    share: float | None
    chance: float | None
    z: float | None
    """Kendall's S of ranks against places, in standard errors."""

    @property
    def reason(self) -> str | None:
        """Why there is no share."""
        if self.share is not None:
            return None
        return gettext("not enough data: fewer than five rankings per place")


@dataclass(frozen=True)
class Overview:
    """Numbers of a slice of a project; labelers are users' ids here.

    Attributes:
        ranked: prompts with a ranking.
        doubly_ranked: prompts whose random overlap has two.
        labelers: who is in the headline.
        tau_b: mean over prompts of the headline's labels.
        kendall_w: mean over slates with three ordinary labels or more.
        mean_spearman: the same of (m W - 1) / (m - 1), with m labelers.
        ac2: Gwet's of the ratings, quadratic weights.
        block: the complete block of ratings.
        gold: of all labelers, on pairs with a known answer.
        researchers: labelers with researchers; None for both while no researcher has ranked.
        among_researchers: researchers with each other.
        flags: of each flag, in the order of their bits.
        ties: share of tied pairs, by round.
        longer_wins: share of pairs that the longer response wins.
        first_is_best: the effect of the place, pooled over labelers.
        anchors: the moving win rate of anchors over the SFT model.
        evidence: of each labeler.
        signals: of each labeler, in the order of `alerts.RULES`.
    """

    ranked: int
    doubly_ranked: int
    labelers: int
    tau_b: Measured
    kendall_w: Measured
    mean_spearman: Measured
    ac2: Measured
    block: Block
    gold: Measured
    researchers: Measured
    among_researchers: Measured
    flags: list[FlagAgreement]
    ties: dict[int, Measured]
    longer_wins: Measured
    first_is_best: FirstIsBest
    anchors: AnchorWins
    evidence: dict[int, Evidence]
    signals: dict[int, list[Signal]]


def overview_of(
    labels: Labels,
    work: Work,
    *,
    flags: Sequence[Scope],
    conflict_gap: int | None,
    sft: Collection[str],
) -> Overview:
    """Compute everything.

    Args:
        labels: of a round or a tag, with all pairs of responses in.
        work: the same, as evidence of labelers' work is computed from.
        flags: what each is said of, in the order of their bits.
        conflict_gap: which difference of ratings contradicts the opposite order; None is none.
        sft: names of the SFT models.
    """
    overlap, ordinary = headline(labels), labels.of_purposes(ORDINARY)
    by_labeler = evidence_of(work, conflict_gap=conflict_gap)
    signals = signals_of(by_labeler)
    users = labels.labeler_ids.tolist()
    has_work = np.bincount(labels.labeler, minlength=len(users)) > 0
    here = [(code, user) for code, user in enumerate(users) if has_work[code]]
    both, researched = with_every_researcher(work)
    is_researcher = work.is_researcher[both]
    w, spearman = mean_kendall_w(ordinary.ranks, ordinary.slate, ordinary.prompt)
    return Overview(
        ranked=len(np.unique(ordinary.prompt)),
        doubly_ranked=len(np.unique(overlap.prompt)),
        labelers=len(np.unique(overlap.labeler)),
        tau_b=mean_tau_b(signs_of(overlap.ranks), overlap.slate, overlap.prompt),
        kendall_w=w,
        mean_spearman=spearman,
        ac2=rating_agreement(overlap.ratings, overlap.slate, overlap.prompt),
        block=_block(ordinary),
        gold=_of_all(in_blocks(with_gold, work.ranks, work.gold), work.prompt),
        researchers=_of_all(_only(researched, ~is_researcher), work.prompt[both]),
        among_researchers=_of_all(_only(researched, is_researcher), work.prompt[both]),
        flags=[_flag(overlap, bit, scope) for bit, scope in enumerate(flags)],
        ties=_ties_by_round(ordinary),
        longer_wins=_longer_wins(ordinary),
        first_is_best=_first_is_best(ordinary),
        anchors=anchor_wins(labels, sft=sft),
        evidence={user: by_labeler[code] for code, user in here},
        signals={user: signals[code] for code, user in here},
    )


def _of_all(share: Share, prompt: Integers) -> Measured:
    """A share of all labelers together."""
    (measured,) = shares(share, prompt, np.zeros(len(prompt), dtype=np.int64), 1)
    return measured


def _only(share: Share, rows: Booleans) -> Share:
    scores, units = share
    return scores * rows, units * rows


def _block(ordinary: Labels) -> Block:
    """The responses that all labelers rated, of slates that all of them ranked."""
    labelers = len(np.unique(ordinary.labeler))
    counts = np.bincount(ordinary.slate, minlength=len(ordinary.slates.ids))
    by_all = ordinary.where(counts[ordinary.slate] == labelers)
    slates, slate = np.unique(by_all.slate, return_inverse=True)
    ratings = complete_block(by_all.ratings, slate.astype(np.int64), by_all.labeler)
    row, column = np.nonzero(by_all.ratings)
    rated = np.bincount(slate[row] * by_all.slates.width + column)
    of_slates = np.flatnonzero(rated == labelers) // max(by_all.slates.width, 1)
    prompt = np.unique(by_all.slates.prompt[slates[of_slates]], return_inverse=True)[1]
    found = intraclass(ratings)
    value, prompts = None if found is None else found.icc2, int(prompt.max(initial=-1)) + 1
    se = None if value is None else _jackknife(ratings, prompt, prompts)
    return Block(
        labelers=labelers,
        icc2=Measured(value, se, len(ratings), prompts),
        icc2k=None if found is None else found.icc2k,
    )


def _jackknife(ratings: Integers, prompt: Integers, prompts: int) -> float | None:
    """The standard error of ICC(2,1) from leaving out a prompt at a time, or a group of prompts.

    None where it is not defined without one of them.
    """
    groups = min(prompts, MOST_GROUPS)
    without = [intraclass(ratings[prompt % groups != group]) for group in range(groups)]
    values = [found.icc2 for found in without if found is not None and found.icc2 is not None]
    if groups <= 1 or len(values) < groups:
        return None
    return math.sqrt((groups - 1) * float(np.var(values)))


def _flag(overlap: Labels, bit: int, scope: Scope) -> FlagAgreement:
    """Agreement on a flag: of the responses that two labelers saw, or of the tasks that they did.

    None where nobody set it.
    """
    slates, slate = np.unique(overlap.slate, return_inverse=True)
    if scope == "task":
        item, sets, width = slate, overlap.task_flags, 1
    else:
        width = overlap.slates.width
        row, column = np.nonzero(overlap.positions > 0)
        item, sets = slate[row] * width + column, overlap.flags[row, column]
    has_flag = (overlap.flag_sets >> bit & 1 == 1)[sets]
    if not has_flag.any():
        return FlagAgreement(raw=NOTHING, positive=NOTHING, ac1=NOTHING)
    items = len(slates) * width
    return flag_agreement(
        np.bincount(item[has_flag], minlength=items),
        np.bincount(item, minlength=items),
        np.repeat(overlap.slates.prompt[slates], width),
    )


def _ties_by_round(ordinary: Labels) -> dict[int, Measured]:
    rounds, of = np.unique(ordinary.slates.rounds[ordinary.slate], return_inverse=True)
    tied = in_blocks(tied_pairs, ordinary.ranks)
    measured = shares(tied, ordinary.prompt, of.astype(np.int64), len(rounds))
    return dict(zip(rounds.tolist(), measured, strict=True))


def _longer_wins(ordinary: Labels) -> Measured:
    lengths = ordinary.slates.lengths[ordinary.slate]
    return _of_all(in_blocks(longer_wins, ordinary.ranks, lengths), ordinary.prompt)


def _first_is_best(ordinary: Labels) -> FirstIsBest:
    """Pooled over the tables of each K that has five rankings for each of its places."""
    all_together = np.zeros(len(ordinary), dtype=np.int64)
    where = (ordinary.ranks, ordinary.positions, all_together, 1)
    (test,) = position_tests(*where)
    tables = [
        table
        for table in best_by_position(*where)[0]
        if table.rankings >= PROMPTS_PER_PLACE * table.responses
    ]
    rankings = sum(table.rankings for table in tables)
    if rankings == 0:
        return FirstIsBest(0, None, None, None)
    return FirstIsBest(
        rankings=rankings,
        share=sum(table.best[0] for table in tables) / rankings,
        chance=sum(table.rankings / table.responses for table in tables) / rankings,
        z=test.z,
    )
