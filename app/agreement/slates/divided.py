"""How the labelers of each slate are divided, and which slates are asked for: pure, numpy only.

A slate is here when two or more labels of it count, or one where that is asked for. Its agreement
is strict: of the pairs of responses on which two labelers both have a preference, the share that
they order alike.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from app.agreement.metrics.arrays import Booleans, Floats, Integers
from app.agreement.metrics.consensus import PairSplit
from app.agreement.metrics.estimates import Measured, ratio
from app.agreement.metrics.labels import Labels, headline
from app.agreement.metrics.pairwise import pair_counts, rows_of_two_labelers
from app.agreement.metrics.slices import EVERYTHING, Slice, sliced
from app.agreement.slates.cases import Case, are_cases, labels_of_case

BINS = 10
MOST_TAGS = 50


@dataclass(frozen=True)
class Sought:
    """Which slates to look at; the defaults are all of them.

    Attributes:
        slice: the part of the project.
        labelers: users' ids: none, one (with anybody) or two (with each other). Agreement is then
            theirs alone.
        flag: bit of a flag that somebody has given.
        severe: bits of the severe flags, when the labelers must be split over one: somebody gave
            a response one, and somebody who judged the same response gave it none; or somebody
            gave the whole task one, and somebody else did not.
        bin: tenth of agreement: 0 is below 10%, 9 is 90% and more.
        case: a number of the watch list whose cases they are, ranked by one labeler or more.
        is_headline: whether only what the headline counts is looked at.
        has_single: whether slates with one label are there, too; they have no unit.
    """

    slice: Slice = EVERYTHING
    labelers: tuple[int, ...] = ()
    flag: int | None = None
    severe: int | None = None
    bin: int | None = None
    case: Case | None = None
    is_headline: bool = False
    has_single: bool = False


@dataclass(frozen=True)
class Divided:
    """Slates with how far their labelers agree, in the order of their ids.

    Attributes:
        labels: those that were looked at.
        place: (n,) of each slate in `labels.slates`.
        labelers: (n,) how many labels each has.
        alike: (n,) units that are ordered alike.
        units: (n,) pairs of responses and labelers with two preferences; 0 when all tie.
    """

    labels: Labels
    place: Integers
    labelers: Integers
    alike: Integers
    units: Integers

    def __len__(self) -> int:
        return len(self.place)

    @cached_property
    def ids(self) -> Integers:
        """(n,) of the slates."""
        return self.labels.slates.ids[self.place]

    @cached_property
    def agreement(self) -> Floats:
        """(n,) from 0 to 1; infinite where there is no unit, so that it comes last."""
        value = np.full(len(self), np.inf)
        np.divide(self.alike, self.units, out=value, where=self.units > 0)
        return value

    @property
    def bins(self) -> Integers:
        """(n,) tenth of agreement; -1 where there is no unit."""
        tenth = self.alike * BINS // np.maximum(self.units, 1)
        return np.where(self.units > 0, np.minimum(tenth, BINS - 1), -1)

    def where(self, chosen: Booleans) -> "Divided":
        """Some of the slates."""
        return Divided(
            self.labels,
            self.place[chosen],
            self.labelers[chosen],
            self.alike[chosen],
            self.units[chosen],
        )

    def rows_of(self, place: int) -> Integers:
        """The rows of `labels` that are of this slate."""
        return np.flatnonzero(self.labels.slate == place)


@dataclass(frozen=True, order=True)
class Position:
    """Where a slate stands: the least agreement first, then the most units, then the oldest."""

    agreement: float
    fewer_units: int
    slate: int

    @classmethod
    def of(cls, alike: int, units: int, slate: int) -> "Position":
        """Of a slate with these counts."""
        return cls(alike / units if units else float("inf"), -units, slate)


def divided(labels: Labels, sought: Sought) -> Divided:
    """The slates that are asked for."""
    here = sliced(labels, sought.slice)
    if sought.is_headline:
        here = headline(here)
    else:
        here = labels_of_case(here, sought.case)
        here = here if sought.has_single else here.shared()
    one, other = rows_of_two_labelers(here)
    counts = pair_counts(here)  # a row for each of these
    alike, units = counts.strict
    asked = _are_asked(here, one, other, sought.labelers)
    slates = len(here.slates.ids)
    slate = here.slate[one][asked]
    place = np.unique(_of_labelers(here, sought.labelers) if sought.has_single else slate)
    found = Divided(
        here,
        place,
        np.bincount(here.slate, minlength=slates)[place],
        np.bincount(slate, alike[asked], minlength=slates)[place].astype(np.int64),
        np.bincount(slate, units[asked], minlength=slates)[place].astype(np.int64),
    )
    kept = np.ones(len(found), dtype=np.bool_)
    if sought.flag is not None:
        kept &= _are_flagged(here, sought.flag)[place]
    if sought.severe is not None:
        kept &= _are_split(here, sought.severe)[place]
    if sought.case is not None:
        kept &= are_cases(here, sought.case)[place]
    if sought.bin is not None:
        kept &= found.bins == sought.bin
    return found.where(kept)


def following(found: Divided, after: Position | None, *, limit: int) -> Integers:
    """The next rows of `found`, the most divided first, behind a position that may be gone."""
    value, fewer = found.agreement, -found.units
    order = np.lexsort((found.ids, fewer, value))
    if after is not None:
        is_behind = (value > after.agreement) | (
            (value == after.agreement)
            & (
                (fewer > after.fewer_units)
                | ((fewer == after.fewer_units) & (found.ids > after.slate))
            )
        )
        order = order[is_behind[order]]
    return order[:limit]


def overall(found: Divided) -> Measured:
    """The agreement over all units of the slates, with prompts as clusters."""
    prompt = found.labels.slates.prompt[found.place]
    return ratio(found.alike.astype(np.float64), found.units.astype(np.float64), prompt)


def histogram(found: Divided) -> list[int]:
    """How many slates are in each tenth of agreement."""
    bins = found.bins
    counts: list[int] = np.bincount(bins[bins >= 0], minlength=BINS).tolist()
    return counts


def by_tag(found: Divided) -> list[tuple[str, int, Measured]]:
    """Tag, slates and agreement of the most frequent tags, the most frequent one first."""
    slates = found.labels.slates
    row = np.full(len(slates.ids), -1, dtype=np.int64)
    row[found.place] = np.arange(len(found))
    rows, tags = row[slates.tags[:, 0]], slates.tags[:, 1]
    rows, tags = rows[rows >= 0], tags[rows >= 0]
    count = np.bincount(tags, minlength=len(slates.tag_names))
    order = np.argsort(-count, kind="stable")[:MOST_TAGS]
    named = []
    for tag in order[count[order] > 0].tolist():
        chosen = np.zeros(len(found), dtype=np.bool_)
        chosen[rows[tags == tag]] = True
        named.append((slates.tag_names[tag], int(count[tag]), overall(found.where(chosen))))
    return named


def strict_counts(splits: Sequence[PairSplit]) -> tuple[int, int]:
    """Of one slate the units that are ordered alike, and all; the same as `divided` counts."""
    alike = sum(math.comb(one.first, 2) + math.comb(one.second, 2) for one in splits)
    return alike, alike + sum(one.first * one.second for one in splits)


def most_divided(splits: Sequence[PairSplit]) -> tuple[int, int] | None:
    """The pair of responses over which most are opposed, then least of one mind; None of none."""
    known = [one for one in splits if one.labels]
    if not known:
        return None
    return max(known, key=lambda one: (min(one.first, one.second), one.entropy or 0)).pair


def _are_asked(
    labels: Labels, one: Integers, other: Integers, labelers: tuple[int, ...]
) -> Booleans:
    """(m,) whether the two rows are of the labelers that are asked for."""
    asked = np.ones(len(one), dtype=np.bool_)
    for user in labelers:
        is_theirs = np.equal(labels.labeler_ids[labels.labeler], user)
        asked &= is_theirs[one] | is_theirs[other]
    return asked


def _of_labelers(labels: Labels, labelers: tuple[int, ...]) -> Integers:
    """The slates, in any order, that all of these have ranked; without any, all that are ranked."""
    user = labels.labeler_ids[labels.labeler]
    slates = labels.slate
    for one in labelers:
        slates = slates[np.isin(slates, labels.slate[user == one])]
    return slates


def _are_flagged(labels: Labels, bit: int) -> Booleans:
    """(slates,) whether somebody has given this flag."""
    found = np.zeros(len(labels.slates.ids), dtype=np.bool_)
    is_given = _given(labels, 1 << bit).any(axis=1) | _given_to_task(labels, 1 << bit)
    found[labels.slate[is_given]] = True
    return found


def _are_split(labels: Labels, severe: int) -> Booleans:
    """(slates,) whether some judged response, or the task, has a severe flag from some, not all."""
    given = _given(labels, severe)
    shape = (len(labels.slates.ids), labels.slates.width)
    with_, all_ = np.zeros(shape, dtype=np.int64), np.zeros(shape, dtype=np.int64)
    np.add.at(with_, labels.slate, given)
    np.add.at(all_, labels.slate, given | (labels.ranks > 0))
    on_task = np.bincount(labels.slate, _given_to_task(labels, severe), minlength=shape[0])
    labelers = np.bincount(labels.slate, minlength=shape[0])
    found: Booleans = np.any((with_ > 0) & (with_ < all_), axis=1)
    found |= (on_task > 0) & (on_task < labelers)
    return found


def _given(labels: Labels, bits: int) -> Booleans:
    """(labels, width) whether the labeler gave the response one of these flags."""
    found: Booleans = (labels.flag_sets & bits != 0)[labels.flags]
    return found


def _given_to_task(labels: Labels, bits: int) -> Booleans:
    """(labels,) whether the labeler gave the whole task one of these flags."""
    found: Booleans = (labels.flag_sets & bits != 0)[labels.task_flags]
    return found
