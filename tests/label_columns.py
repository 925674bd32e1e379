"""Labels written down one by one, as the columns that agreement is computed from.

Names may be anything that can be compared; whole numbers are taken for ids.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from app.agreement.metrics.labels import PURPOSES, Labels
from app.agreement.metrics.slates import Slates


@dataclass(frozen=True)
class Label:
    """One labeler's ranking of one slate; `ranks` and `ratings` belong to `responses`."""

    prompt: Any
    slate: Any
    labeler: Any
    responses: tuple[Any, ...]
    ranks: tuple[int | None, ...]
    ratings: tuple[int | None, ...] = ()
    models: tuple[str | None, ...] = ()
    purpose: str = "fresh"
    round: int = 1
    tags: tuple[str, ...] = ()
    flags: tuple[int, ...] = ()
    task_flags: int = 0
    id: int | None = None
    first_id: int | None = None


def names_of(labels: Iterable[Label]) -> list[Any]:
    """The labelers by their code."""
    return sorted({label.labeler for label in labels})


def columns(labels: Sequence[Label]) -> Labels:
    """The columns of labels in the order of their first submission."""
    slates = _slates(labels)
    slate_names = sorted({label.slate for label in labels})
    labelers = names_of(labels)
    table = {
        name: np.zeros((len(labels), slates.width), dtype=kind)
        for name, kind in (("ranks", "i1"), ("ratings", "i1"), ("positions", "i1"), ("flags", "u1"))
    }
    known = _columns_of(labels)
    for row, label in enumerate(labels):
        for place, response in enumerate(label.responses):
            column = known[label.slate][response]
            table["positions"][row, column] = place + 1
            for name in ("ranks", "ratings", "flags"):
                given = getattr(label, name)
                table[name][row, column] = (given[place] or 0) if given else 0
    ids = [label.id or row for row, label in enumerate(labels, start=1)]
    first_ids = [label.first_id or id_ for label, id_ in zip(labels, ids, strict=True)]
    return Labels(
        slates=slates,
        labeler_ids=_ids(labelers),
        ranking_id=np.array(ids, dtype=np.int64),
        first_id=np.array(first_ids, dtype=np.int64),
        slate=_places([label.slate for label in labels], slate_names),
        labeler=_places([label.labeler for label in labels], labelers),
        purpose=_places([label.purpose for label in labels], PURPOSES).astype(np.int8),
        first_at=np.array(first_ids, dtype=np.float64),
        submitted_at=np.array(ids, dtype=np.float64),
        active_ms=np.full(len(labels), np.nan),
        task_flags=np.array([label.task_flags for label in labels], dtype=np.uint8),
        flag_sets=np.arange(256, dtype=np.int64),
        **table,
    )


def _ids(names: Sequence[Any]) -> np.ndarray:
    are_ids = all(isinstance(name, int) for name in names)
    return np.array(names if are_ids else range(1, len(names) + 1), dtype=np.int64)


def _places(names: Sequence[Any], among: Sequence[Any]) -> np.ndarray:
    place = {name: i for i, name in enumerate(among)}
    return np.array([place[name] for name in names], dtype=np.int64)


def _columns_of(labels: Sequence[Label]) -> dict[Any, dict[Any, int]]:
    found: dict[Any, set[Any]] = {}
    for label in labels:
        found.setdefault(label.slate, set()).update(label.responses)
    return {
        slate: {response: i for i, response in enumerate(sorted(responses))}
        for slate, responses in sorted(found.items())
    }


def _slates(labels: Sequence[Label]) -> Slates:
    known = _columns_of(labels)
    by_slate = {label.slate: label for label in labels}
    prompts = sorted({label.prompt for label in labels})
    models = sorted({name for label in labels for name in label.models if name is not None})
    tags = sorted({tag for label in labels for tag in label.tags})
    responses = np.zeros((len(known), max(map(len, known.values()), default=0)), dtype=np.int64)
    of_models = np.zeros(responses.shape, dtype=np.int16)
    for row, (slate, of_slate) in enumerate(known.items()):
        ids = _ids(list(of_slate))
        responses[row, : len(of_slate)] = ids if isinstance(min(of_slate), int) else 100 * row + ids
        label = by_slate[slate]
        for response, model in zip(label.responses, label.models, strict=False):
            of_models[row, of_slate[response]] = 0 if model is None else models.index(model) + 1
    tagged = [
        (row, tags.index(tag)) for row, slate in enumerate(known) for tag in by_slate[slate].tags
    ]
    prompt_ids = _ids(prompts)
    return Slates(
        ids=_ids(list(known)),
        prompt_ids=prompt_ids[_places([by_slate[slate].prompt for slate in known], prompts)],
        rounds=np.array([by_slate[slate].round for slate in known], dtype=np.int64),
        responses=responses,
        models=of_models,
        lengths=np.where(responses > 0, 10, 0).astype(np.int32),
        model_names=tuple(models),
        tag_names=tuple(tags),
        tags=np.array(sorted(tagged), dtype=np.int64).reshape(-1, 2),
    )
