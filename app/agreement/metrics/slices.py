"""Parts of a project's labels: a round, a tag, a language, two models, pairs rated so far apart.

Pure. A slice leaves labels or pairs of responses out; every number is then computed as for all.
"""

import json
from dataclasses import asdict, dataclass, replace
from typing import Literal, Self

import numpy as np

from app.agreement.metrics.arrays import Booleans
from app.agreement.metrics.labels import RANDOM, Labels
from app.agreement.metrics.languages import tag_of

Margin = Literal["0", "1", "2", "3+"]
MARGINS: tuple[Margin, ...] = ("0", "1", "2", "3+")


@dataclass(frozen=True)
class Slice:
    """What to look at; None is everything.

    Attributes:
        round: the number of a round.
        tag: of prompts.
        language: of prompts, as the tag `lang:...` names it.
        models: pairs of a response of the one and a response of the other.
        margin: pairs whose ratings are so far apart, on average over the labelers of the slate and
            without the sign, rounded down; of whoever was asked at random, as in the headline.
    """

    round: int | None = None
    tag: str | None = None
    language: str | None = None
    models: tuple[str, str] | None = None
    margin: Margin | None = None

    @property
    def key(self) -> str:
        """The same for the same slice."""
        models = sorted(self.models) if self.models else None
        return json.dumps({**asdict(self), "models": models}, sort_keys=True)

    @classmethod
    def from_key(cls, key: str) -> Self:
        """The slice with this key."""
        values = json.loads(key)
        models = values.pop("models")
        return cls(**values, models=tuple(models) if models else None)

    @property
    def tags(self) -> list[str]:
        """That its prompts have."""
        named = None if self.language is None else tag_of(self.language)
        return [tag for tag in (self.tag, named) if tag is not None]

    @property
    def is_of_pairs(self) -> bool:
        """Whether it takes some pairs of a slate and leaves others."""
        return self.models is not None or self.margin is not None


EVERYTHING = Slice()


def sliced(labels: Labels, slice_: Slice) -> Labels:
    """The labels of the slice, with the pairs that are not of it left out."""
    slates = labels.slates
    kept = labels.where(_are_of(labels, slice_)[labels.slate])
    if not slice_.is_of_pairs:
        return kept
    left_out = np.zeros((len(slates.ids), slates.width * (slates.width - 1) // 2), dtype=np.bool_)
    if slice_.models is not None:
        left_out |= ~_are_of_models(labels, slice_.models)
    if slice_.margin is not None:
        left_out |= ~_have_margin(kept.of_purposes(RANDOM), slice_.margin)
    has_a_pair: Booleans = np.any(~left_out, axis=1)
    return replace(kept.where(has_a_pair[kept.slate]), left_out=left_out)


def _are_of(labels: Labels, slice_: Slice) -> Booleans:
    """(slates,) whether the round and the prompt's tags are those asked for."""
    slates = labels.slates
    found = np.ones(len(slates.ids), dtype=np.bool_)
    if slice_.round is not None:
        found &= slates.rounds == slice_.round
    for tag in slice_.tags:
        found &= _has_tag(labels, tag)
    return found


def _has_tag(labels: Labels, tag: str) -> Booleans:
    slates = labels.slates
    found = np.zeros(len(slates.ids), dtype=np.bool_)
    if tag in slates.tag_names:
        found[slates.tags[slates.tags[:, 1] == slates.tag_names.index(tag), 0]] = True
    return found


def _are_of_models(labels: Labels, models: tuple[str, str]) -> Booleans:
    """(slates, pairs) whether the one response is of the one model, and the other of the other."""
    slates = labels.slates
    # A name that nothing has is no model's place.
    one, other = (
        slates.model_names.index(name) + 1 if name in slates.model_names else -1 for name in models
    )
    first, second = (slates.models[:, column] for column in np.triu_indices(slates.width, k=1))
    found: Booleans = (first == one) & (second == other) | (first == other) & (second == one)
    return found


def _have_margin(labels: Labels, margin: Margin) -> Booleans:
    """(slates, pairs) whether the mean of the labelers' rating gaps is in this margin."""
    slates = len(labels.slates.ids)
    pairs = list(zip(*np.triu_indices(labels.slates.width, k=1), strict=True))
    found = np.zeros((slates, len(pairs)), dtype=np.bool_)
    for column, (i, j) in enumerate(pairs):
        one, other = labels.ratings[:, i], labels.ratings[:, j]
        are_rated = (one > 0) & (other > 0)
        slate = labels.slate[are_rated]
        gaps = np.bincount(slate, np.abs(one - other)[are_rated], minlength=slates)
        raters = np.bincount(slate, minlength=slates)
        mean = np.floor(gaps / np.maximum(raters, 1))
        is_here = mean >= 3 if margin == "3+" else mean == int(margin)  # noqa: PLR2004
        found[:, column] = is_here & (raters > 0)
    return found
