"""A project's labels as evidence of its labelers' work is computed from: pure."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass

import numpy as np

from app.agreement.behaviour.evidence import Work
from app.agreement.metrics.arrays import Integers, Small
from app.agreement.metrics.labels import PURPOSES, RANDOM, Labels
from app.agreement.metrics.slates import Slates

GOLD, REPEAT = PURPOSES.index("gold"), PURPOSES.index("repeat")
# Texts are known by their length only. An English word with its space is about six characters, and
# scripts without spaces have words too.
CHARACTERS_PER_WORD = 6

KnownAnswers = Mapping[int, Mapping[int, int]]
"""Slate to rank by response: of two different ranks the smaller is better."""


@dataclass(frozen=True)
class Unfolded:
    """Long responses that were shown folded (m,), and how many of them were unfolded (m,).

    `ranking_id` (m,) is ascending; of other rankings nothing is known.
    """

    ranking_id: Integers
    shown: Integers
    opened: Integers


def nothing_unfolded() -> Unfolded:
    """Nothing is known."""
    none = np.zeros(0, dtype=np.int64)
    return Unfolded(none, none, none)


def work_of(
    labels: Labels, *, researchers: Collection[int], gold: KnownAnswers, unfolded: Unfolded
) -> Work:
    """Put together what is measured.

    Args:
        labels: all of a project, checks included.
        researchers: users whose rankings others are held against.
        gold: known answers, which count where labelers were asked for them.
        unfolded: what was read of long responses.
    """
    shown, opened = _read(labels.ranking_id, unfolded)
    characters = np.where(labels.positions > 0, labels.slates.lengths[labels.slate], 0)
    asked_gold = (labels.purpose == GOLD)[:, None]
    return Work(
        labelers=len(labels.labeler_ids),
        labeler=labels.labeler,
        slate=labels.slate,
        prompt=labels.prompt,
        ranks=labels.ranks,
        ratings=labels.ratings,
        positions=labels.positions,
        active_ms=labels.active_ms,
        words=characters.sum(axis=1, dtype=np.int64) // CHARACTERS_PER_WORD,
        long_shown=shown,
        long_opened=opened,
        is_shared=np.isin(labels.purpose, np.array(RANDOM, dtype=np.int8)),
        is_researcher=np.isin(
            labels.labeler_ids[labels.labeler], np.array(sorted(researchers), dtype=np.int64)
        ),
        gold=np.where(asked_gold, gold_ranks(labels.slates, gold)[labels.slate], np.int8(0)),
        repeat_of=_repeated(labels),
    )


def gold_ranks(slates: Slates, gold: KnownAnswers) -> Small:
    """(slates, width) the known answers' ranks; 0 where there is none."""
    table = np.zeros(slates.responses.shape, dtype=np.int8)
    for slate_id, ranks in gold.items():
        place = int(np.searchsorted(slates.ids, slate_id))
        if place == len(slates.ids) or slates.ids[place] != slate_id:
            continue
        for column, response in enumerate(slates.responses[place].tolist()):
            table[place, column] = ranks.get(response, 0)
    return table


def _read(ranking_id: Integers, unfolded: Unfolded) -> tuple[Integers, Integers]:
    if not len(unfolded.ranking_id):
        none = np.zeros(len(ranking_id), dtype=np.int64)
        return none, none
    place = np.searchsorted(unfolded.ranking_id, ranking_id)
    place = np.minimum(place, len(unfolded.ranking_id) - 1)
    is_known = unfolded.ranking_id[place] == ranking_id
    return np.where(is_known, unfolded.shown[place], 0), np.where(
        is_known, unfolded.opened[place], 0
    )


def _repeated(labels: Labels) -> Integers:
    """(n,) the row that a repeat repeats: the labeler's first of the slate; -1 for the others."""
    found = np.full(len(labels), -1, dtype=np.int64)
    again = np.flatnonzero(labels.purpose == REPEAT)
    first_time = np.flatnonzero(labels.purpose != REPEAT)
    if not len(again) or not len(first_time):
        return found
    key = labels.slate * len(labels.labeler_ids) + labels.labeler
    keys, first = np.unique(key[first_time], return_index=True)
    place = np.minimum(np.searchsorted(keys, key[again]), len(keys) - 1)
    is_known = keys[place] == key[again]
    found[again[is_known]] = first_time[first[place[is_known]]]
    return found
