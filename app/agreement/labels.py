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
from typing import Any, Self, TypeVar

import numpy as np
from numpy.typing import NDArray

from app.agreement.arrays import Booleans, Floats, Integers

Digits = NDArray[np.int8]
T = TypeVar("T", bound=np.generic)

# Why a labeler was asked; a label's `purpose` is its place here.
PURPOSES = ("fresh", "overlap", "escalation", "gold", "anchor", "repeat")
# Chosen at random, whatever anybody had answered before: these alone may count for the headline.
RANDOM = (PURPOSES.index("fresh"), PURPOSES.index("overlap"))
# An ordinary ranking by an ordinary labeler, even if they were asked because two others disagreed.
ORDINARY = (*RANDOM, PURPOSES.index("escalation"))


@dataclass(frozen=True)
class Slates:
    """What was ranked, by ascending id; `width` is the most responses that a slate has.

    Attributes:
        ids: (s,) of the slates.
        prompt_ids: (s,) of their prompts.
        rounds: (s,) the numbers of their rounds.
        responses: (s, width) ids of the responses, ascending; 0 where there are fewer.
        models: (s, width) int16 place in `model_names` from 1; 0 where no model is known.
        lengths: (s, width) int32 characters.
        model_names: sorted.
        tag_names: of the prompts, sorted.
        tags: (t, 2) slate (its place here) and tag (its place in `tag_names`).
    """

    ids: Integers
    prompt_ids: Integers
    rounds: Integers
    responses: Integers
    models: NDArray[np.int16]
    lengths: NDArray[np.int32]
    model_names: tuple[str, ...]
    tag_names: tuple[str, ...]
    tags: Integers

    @cached_property
    def prompt(self) -> Integers:
        """(s,) code of the prompt of each slate, from 0."""
        return np.unique(self.prompt_ids, return_inverse=True)[1].astype(np.int64)

    @property
    def width(self) -> int:
        """The most responses that a slate has."""
        return int(self.responses.shape[1])

    def places(self, ids: Integers) -> Integers:
        """Where these slates stand here; all of them are."""
        return np.searchsorted(self.ids, ids)

    def columns(self, slate: Integers, responses: Integers) -> Integers:
        """(m,) the column of each response in its slate."""
        found: Integers = np.argmax(self.responses[slate] == responses[:, None], axis=1)
        return found


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
        flags: (n, width) place in `flag_sets`.
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
    slates = _joined_slates([part.slates for part in parts])
    labeler_ids = np.unique(np.concatenate([part.labeler_ids for part in parts]))
    flag_sets = np.unique(np.concatenate([part.flag_sets for part in parts]))
    new: dict[str, Callable[[Labels], NDArray[Any]]] = {
        "slate": lambda part: slates.places(part.slates.ids[part.slate]),
        "labeler": lambda part: np.searchsorted(labeler_ids, part.labeler_ids[part.labeler]),
        "ranks": lambda part: _wide(part.ranks, slates.width),
        "ratings": lambda part: _wide(part.ratings, slates.width),
        "positions": lambda part: _wide(part.positions, slates.width),
        "flags": lambda part: _wide(coded(part.flag_sets[part.flags], flag_sets), slates.width),
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
    kept = _last_of_each(first_id, ranking_id)
    order: Integers = kept[np.lexsort((first_id[kept], first_at[kept]))]
    return order


def coded(flags: Integers, flag_sets: Integers) -> NDArray[np.unsignedinteger[Any]]:
    """The place of each in `flag_sets`, as small a number as it can be."""
    return np.searchsorted(flag_sets, flags).astype(np.min_scalar_type(len(flag_sets)))


def _joined_slates(parts: Sequence[Slates]) -> Slates:
    model_names = tuple(sorted({name for part in parts for name in part.model_names}))
    tag_names = tuple(sorted({name for part in parts for name in part.tag_names}))
    width = max(part.width for part in parts)
    ids = np.concatenate([part.ids for part in parts])
    kept = _last_of_each(ids, np.arange(len(ids)))
    place = np.full(len(ids), -1, dtype=np.int64)
    place[kept] = np.arange(len(kept))
    starts = np.cumsum([0, *(len(part.ids) for part in parts)])
    tags = np.concatenate(
        [
            np.column_stack(
                (
                    place[start + part.tags[:, 0]],
                    _new_codes(part.tag_names, tag_names)[part.tags[:, 1]],
                )
            )
            for start, part in zip(starts[:-1], parts, strict=True)
        ]
    )
    tags = tags[tags[:, 0] >= 0]

    def models_of(part: Slates) -> NDArray[np.int16]:
        codes = np.append(0, _new_codes(part.model_names, model_names) + 1).astype(np.int16)
        return codes[part.models]

    def rows(column: Callable[[Slates], NDArray[Any]]) -> NDArray[Any]:
        return np.concatenate([column(part) for part in parts])[kept]

    return Slates(
        ids=ids[kept],
        prompt_ids=rows(lambda part: part.prompt_ids),
        rounds=rows(lambda part: part.rounds),
        responses=rows(lambda part: _wide(part.responses, width)),
        models=rows(lambda part: _wide(models_of(part), width)),
        lengths=rows(lambda part: _wide(part.lengths, width)),
        model_names=model_names,
        tag_names=tag_names,
        tags=tags[np.lexsort((tags[:, 1], tags[:, 0]))],
    )


def _new_codes(names: tuple[str, ...], among: tuple[str, ...]) -> Integers:
    place = {name: i for i, name in enumerate(among)}
    return np.array([place[name] for name in names], dtype=np.int64)


def _last_of_each(keys: Integers, times: Integers) -> Integers:
    """The row with the greatest time for each key, by ascending key."""
    order = np.lexsort((times, keys))
    is_last = np.ones(len(keys), dtype=np.bool_)
    is_last[:-1] = keys[order][1:] != keys[order][:-1]
    return order[is_last]


def _wide(table: NDArray[T], width: int) -> NDArray[T]:
    return np.pad(table, ((0, 0), (0, width - table.shape[1]))) if table.shape[1] < width else table


def no_slates() -> Slates:
    """None at all."""
    none = np.zeros(0, dtype=np.int64)
    return Slates(
        ids=none,
        prompt_ids=none,
        rounds=none,
        responses=np.zeros((0, 0), dtype=np.int64),
        models=np.zeros((0, 0), dtype=np.int16),
        lengths=np.zeros((0, 0), dtype=np.int32),
        model_names=(),
        tag_names=(),
        tags=np.zeros((0, 2), dtype=np.int64),
    )


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
        flag_sets=np.zeros(1, dtype=np.int64),
    )
