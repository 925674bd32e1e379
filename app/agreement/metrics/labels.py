"""The labels of a project as columns: pure, numpy only.

A label is one labeler's current ranking of one slate. A few arrays hold all of them, so that a
million comparisons cost megabytes and every number is one pass over arrays. Joining what came later
to what was there gives the same as building everything at once.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, replace
from functools import cached_property
from hashlib import blake2b
from operator import attrgetter
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from app.agreement.metrics.arrays import Booleans, Floats, Integers
from app.agreement.metrics.slates import Slates, joined_slates, last_of_each, no_slates, widened

Digits = NDArray[np.int8]

# Why a labeler was asked; a label's `purpose` is its place here.
PURPOSES = ("fresh", "overlap", "escalation", "gold", "anchor", "repeat")
# Chosen at random, whatever anybody had answered before: these alone may count for the headline.
RANDOM = (PURPOSES.index("fresh"), PURPOSES.index("overlap"))
# An ordinary ranking by an ordinary labeler, even if they were asked because two others disagreed.
ORDINARY = (*RANDOM, PURPOSES.index("escalation"))


@dataclass(frozen=True)
class Labels:
    """All labels in the order of their first submission, so that a revision moves none.

    Attributes:
        slates: what was ranked.
        labeler_ids: (u,) users, ascending.
        ranking_id: (n,) the version that counts.
        first_id: (n,) the first version, which a label is known by.
        slate: (n,) place in `slates`.
        labeler: (n,) place in `labeler_ids`.
        purpose: (n,) int8 place in `PURPOSES`.
        first_at: (n,) when the first version was submitted, in seconds since 1970.
        submitted_at: (n,) the same of the version that counts.
        active_ms: (n,) time spent; NaN is unknown.
        ranks: (n, width) int8, 1 is best, 0 is not judged or absent.
        ratings: (n, width) int8 1 to 7, 0 is none.
        positions: (n, width) int8 the place 1 to K at which the labeler saw the response, 0 absent.
        flags: (n, width) those of each response, as a place in `flag_sets`.
        task_flags: (n,) those of the whole task, as a place in `flag_sets`.
        flag_sets: (f,) int64 ascending, from 0; bit b is for the project's b-th flag by id.
        left_out: (slates, pairs) which pairs of responses do not count here; None: all do.
    """

    slates: Slates
    labeler_ids: Integers
    ranking_id: Integers
    first_id: Integers
    slate: Integers
    labeler: Integers
    purpose: Digits
    first_at: Floats
    submitted_at: Floats
    active_ms: Floats
    ranks: Digits
    ratings: Digits
    positions: Digits
    flags: NDArray[np.unsignedinteger[Any]]
    task_flags: NDArray[np.unsignedinteger[Any]]
    flag_sets: Integers
    left_out: Booleans | None = None

    def __len__(self) -> int:
        return len(self.ranking_id)

    @cached_property
    def prompt(self) -> Integers:
        """(n,) code of the prompt of each label."""
        return self.slates.prompt[self.slate]

    @cached_property
    def version(self) -> str:
        """The same for the same labels, whenever and in whatever order they were read."""
        order = np.argsort(self.ranking_id)
        digest = blake2b(self.ranking_id[order].tobytes(), digest_size=12)
        digest.update(self.purpose[order].tobytes())
        return digest.hexdigest()

    @cached_property
    def ranked_last(self) -> Floats:
        """(slates,) when somebody ranked each last, in seconds since 1970; 0 is never.

        Checks do not count: they are in nobody's agreement, so that one tells nothing.
        """
        last = np.zeros(len(self.slates.ids))
        ordinary = self.of_purposes(ORDINARY)
        np.maximum.at(last, ordinary.slate, ordinary.submitted_at)
        return last

    @property
    def bytes_held(self) -> int:
        """How much memory the arrays take."""
        own, slates = (
            sum(
                value.nbytes
                for field in fields(one)
                if isinstance(value := getattr(one, field.name), np.ndarray)
            )
            for one in (self, self.slates)
        )
        return own + slates

    def where(self, rows: Booleans | Integers) -> Self:
        """Some of the labels; codes stay what they are."""
        if rows.dtype == np.bool_ and rows.all():
            return self
        return replace(self, **{name: getattr(self, name)[rows] for name in PER_LABEL})

    def of_purposes(self, purposes: Sequence[int]) -> Self:
        """Those for which labelers were asked for one of these reasons."""
        return self.where(np.isin(self.purpose, np.array(purposes, dtype=np.int8)))

    def not_ranked_since(self, moment: float) -> Self:
        """Those of slates that nobody has ranked after this, in seconds since 1970."""
        return self.where((self.ranked_last <= moment)[self.slate])

    def shared(self) -> Self:
        """Those of slates with two or more; the others, most of them, say nothing of agreement."""
        counts = np.bincount(self.slate, minlength=len(self.slates.ids))
        return self.where(counts[self.slate] > 1)

    def first_two(self) -> Self:
        """The first two of each slate: later ones may depend on how those came out."""
        order = np.argsort(self.slate, kind="stable")
        sorted_ = self.slate[order]
        starts = np.searchsorted(sorted_, sorted_)
        is_kept = np.zeros(len(self), dtype=np.bool_)
        is_kept[order] = np.arange(len(self)) - starts < 2  # noqa: PLR2004 two make a pair
        return self.where(is_kept)


PER_LABEL = tuple(
    field.name
    for field in fields(Labels)
    if field.name not in {"slates", "labeler_ids", "flag_sets", "left_out"}
)


def headline(labels: Labels) -> Labels:
    """What the headline is computed from: the first two labels of the random overlap."""
    return labels.of_purposes(RANDOM).first_two().shared()


def joined(parts: Sequence[Labels]) -> Labels:
    """All labels of the parts; of two versions of the same label the later one stays.

    Args:
        parts: at least one, each complete in itself and without `left_out`.
    """
    slates = joined_slates([part.slates for part in parts])
    labeler_ids = np.unique(np.concatenate([part.labeler_ids for part in parts]))
    flag_sets = np.unique(np.concatenate([part.flag_sets for part in parts]))
    new: dict[str, Callable[[Labels], NDArray[Any]]] = {
        "slate": lambda part: slates.places(part.slates.ids[part.slate]),
        "labeler": lambda part: np.searchsorted(labeler_ids, part.labeler_ids[part.labeler]),
        "ranks": lambda part: widened(part.ranks, slates.width),
        "ratings": lambda part: widened(part.ratings, slates.width),
        "positions": lambda part: widened(part.positions, slates.width),
        "flags": lambda part: widened(coded(part.flag_sets[part.flags], flag_sets), slates.width),
        "task_flags": lambda part: coded(part.flag_sets[part.task_flags], flag_sets),
    }
    order = _order(parts)
    # One column after the other, so that no more than one is in memory unsorted.
    columns = {
        name: np.concatenate([new.get(name, attrgetter(name))(part) for part in parts])[order]
        for name in PER_LABEL
    }
    return Labels(slates, labeler_ids, flag_sets=flag_sets, **columns)


def _order(parts: Sequence[Labels]) -> Integers:
    """The rows that stay, in the order of first submission."""
    first_id, ranking_id, first_at = (
        np.concatenate([getattr(part, name) for part in parts])
        for name in ("first_id", "ranking_id", "first_at")
    )
    kept = last_of_each(first_id, ranking_id)
    order: Integers = kept[np.lexsort((first_id[kept], first_at[kept]))]
    return order


def coded(flags: Integers, flag_sets: Integers) -> NDArray[np.unsignedinteger[Any]]:
    """The place of each in `flag_sets`, as small a number as it can be."""
    return np.searchsorted(flag_sets, flags).astype(np.min_scalar_type(len(flag_sets)))


def no_labels() -> Labels:
    """None at all."""
    none, small = np.zeros(0, dtype=np.int64), np.zeros((0, 0), dtype=np.int8)
    moments = np.zeros(0)
    return Labels(
        slates=no_slates(),
        labeler_ids=none,
        ranking_id=none,
        first_id=none,
        slate=none,
        labeler=none,
        purpose=np.zeros(0, dtype=np.int8),
        first_at=moments,
        submitted_at=moments,
        active_ms=moments,
        ranks=small,
        ratings=small,
        positions=small,
        flags=np.zeros((0, 0), dtype=np.uint8),
        task_flags=np.zeros(0, dtype=np.uint8),
        flag_sets=np.zeros(1, dtype=np.int64),
    )
