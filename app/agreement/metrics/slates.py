"""What is ranked in a project, as columns: pure, numpy only."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from app.agreement.metrics.arrays import Integers

T = TypeVar("T", bound=np.generic)


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


def joined_slates(parts: Sequence[Slates]) -> Slates:
    """All slates of the parts; of one that is in several, what the last one says."""
    model_names = tuple(sorted({name for part in parts for name in part.model_names}))
    tag_names = tuple(sorted({name for part in parts for name in part.tag_names}))
    width = max(part.width for part in parts)
    ids = np.concatenate([part.ids for part in parts])
    kept = last_of_each(ids, np.arange(len(ids)))
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
        responses=rows(lambda part: widened(part.responses, width)),
        models=rows(lambda part: widened(models_of(part), width)),
        lengths=rows(lambda part: widened(part.lengths, width)),
        model_names=model_names,
        tag_names=tag_names,
        tags=tags[np.lexsort((tags[:, 1], tags[:, 0]))],
    )


def _new_codes(names: tuple[str, ...], among: tuple[str, ...]) -> Integers:
    place = {name: i for i, name in enumerate(among)}
    return np.array([place[name] for name in names], dtype=np.int64)


def last_of_each(keys: Integers, times: Integers) -> Integers:
    """The row with the greatest time for each key, by ascending key."""
    order = np.lexsort((times, keys))
    is_last = np.ones(len(keys), dtype=np.bool_)
    is_last[:-1] = keys[order][1:] != keys[order][:-1]
    return order[is_last]


def widened(table: NDArray[T], width: int) -> NDArray[T]:
    """The table with as many columns, the new ones 0."""
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
