"""Labels written down one by one, as the columns that agreement is computed from."""

from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from app.agreement.labels import PURPOSES, Labels, Slates


@dataclass(frozen=True)
class Label:
    """One labeler's ranking of one slate; `ranks` and `ratings` belong to `responses`."""

    prompt: Hashable
    slate: Hashable
    labeler: str
    responses: tuple[Hashable, ...]
    ranks: tuple[int | None, ...]
    ratings: tuple[int | None, ...] = ()
    models: tuple[str | None, ...] = ()
    purpose: str = "fresh"
    round: int = 1
    tags: tuple[str, ...] = ()


def names_of(labels: Iterable[Label]) -> list[str]:
    """The labelers by their code."""
    return sorted({label.labeler for label in labels})


def columns(labels: Sequence[Label], *, ranking_ids: Sequence[int] | None = None) -> Labels:
    """The columns of labels in the order of their first submission; users are 1, 2, ..."""
    slates = _slates(labels)
    places = {name: i for i, name in enumerate(dict.fromkeys(label.slate for label in labels))}
    slate = np.array([places[label.slate] for label in labels], dtype=np.int64)
    labelers = names_of(labels)
    shape = (len(labels), slates.width)
    table = {name: np.zeros(shape, np.int8) for name in ("ranks", "ratings", "positions")}
    known = _columns_of(labels)
    for row, label in enumerate(labels):
        for place, response in enumerate(label.responses):
            column = known[label.slate][response]
            table["positions"][row, column] = place + 1
            table["ranks"][row, column] = label.ranks[place] or 0
            if label.ratings:
                table["ratings"][row, column] = label.ratings[place] or 0
    numbers = np.arange(1, len(labels) + 1, dtype=np.int64)
    ids = numbers if ranking_ids is None else np.array(ranking_ids, dtype=np.int64)
    return Labels(
        slates=slates,
        labeler_ids=np.arange(1, len(labelers) + 1, dtype=np.int64),
        ranking_id=ids,
        first_id=ids,
        slate=slate,
        labeler=np.array([labelers.index(label.labeler) for label in labels], dtype=np.int64),
        purpose=np.array([PURPOSES.index(label.purpose) for label in labels], dtype=np.int8),
        first_at=ids.astype(np.float64),
        submitted_at=ids.astype(np.float64),
        active_ms=np.full(len(labels), np.nan),
        flags=np.zeros(shape, dtype=np.int64),
        **table,
    )


def _columns_of(labels: Sequence[Label]) -> dict[Hashable, dict[Hashable, int]]:
    columns: dict[Hashable, dict[Hashable, int]] = {}
    for label in labels:
        of_slate = columns.setdefault(label.slate, {})
        for response in label.responses:
            of_slate.setdefault(response, len(of_slate))
    return columns


def _slates(labels: Sequence[Label]) -> Slates:
    known = _columns_of(labels)
    by_slate = {label.slate: label for label in labels}
    prompts = {name: i for i, name in enumerate(dict.fromkeys(x.prompt for x in labels))}
    models = sorted({name for label in labels for name in label.models if name is not None})
    tags = sorted({tag for label in labels for tag in label.tags})
    width = max(map(len, known.values()), default=0)
    responses = np.zeros((len(known), width), dtype=np.int64)
    of_models = np.zeros((len(known), width), dtype=np.int16)
    for row, (slate, columns_) in enumerate(known.items()):
        responses[row, : len(columns_)] = 1000 * row + np.arange(1, len(columns_) + 1)
        label = by_slate[slate]
        for response, model in zip(label.responses, label.models, strict=False):
            of_models[row, columns_[response]] = 0 if model is None else models.index(model) + 1
    tagged = [
        (row, tags.index(tag)) for row, slate in enumerate(known) for tag in by_slate[slate].tags
    ]
    return Slates(
        ids=np.arange(1, len(known) + 1, dtype=np.int64),
        prompt_ids=np.array([prompts[by_slate[slate].prompt] for slate in known], dtype=np.int64),
        rounds=np.array([by_slate[slate].round for slate in known], dtype=np.int64),
        responses=responses,
        models=of_models,
        lengths=np.where(responses > 0, 10, 0).astype(np.int32),
        model_names=tuple(models),
        tag_names=tuple(tags),
        tags=np.array(tagged, dtype=np.int64).reshape(-1, 2),
    )
