"""Rows of exports: rankings as the trainer reads them, and their comparisons. Pure."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

import orjson

from app.labeling.ranking import comparisons_of


@dataclass(frozen=True, slots=True)
class RankedSlate:
    """What all comparisons of one ranking share; `messages` is a JSON array, encoded once."""

    ranking: int
    prompt_id: str
    group: str
    split: str
    round: int
    labeler: str
    cohort: str
    labeled_at: str
    messages: bytes
    texts: Mapping[str, str]
    """Response id to text."""
    models: Mapping[str, str | None]
    """Response id to model name."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two responses, by id, of which the labeler ranked one above the other."""

    chosen: str
    rejected: str
    rank_gap: int
    rating_chosen: int | None
    rating_rejected: int | None
    weight: float
    conflict: bool

    @property
    def margin(self) -> int | None:
        """Rating difference; zero or negative where ratings contradict ranks, None without them."""
        if self.rating_chosen is None or self.rating_rejected is None:
            return None
        return self.rating_chosen - self.rating_rejected


@dataclass(frozen=True, slots=True)
class Compared:
    """One ranking with its comparisons."""

    slate: RankedSlate
    comparisons: Sequence[Comparison]


def ranking_line(row: Any) -> bytes:  # noqa: ANN401 a row of the query `RANKINGS`
    """One line of `rankings.jsonl` (`trainer.spec.RankingRow`)."""
    responses = zip(row.response_ids, row.texts, row.models, row.finishes, strict=True)
    return orjson.dumps(
        {
            "prompt_id": row.prompt_id,
            "group": row.group_key,
            "split": row.split,
            "messages": orjson.loads(row.messages),
            "responses": [
                {"id": str(response_id), "text": text, "model": model, "finish": finish}
                for response_id, text, model, finish in responses
            ],
            "ranks": row.ranks,
            "ratings": row.ratings,
            "labeler": row.labeler,
            "cohort": row.cohort,
            "weight": row.weight,
            "ranking": row.ranking,
            "slate": row.slate,
            "round": row.round,
            "labeled_at": row.labeled_at,
        },
        option=orjson.OPT_APPEND_NEWLINE,
    )


def compared_rankings(rankings: Iterable[Mapping[str, Any]]) -> Iterator[Compared]:
    """Expand frozen rankings, which lie slate by slate; those with ties only are left out."""
    for _slate, same in groupby(rankings, key=lambda ranking: ranking["slate"]):
        labels = list(same)
        pairs = [_pairs(ranking) for ranking in labels]
        for ranking, own in zip(labels, pairs, strict=True):
            if own:
                others = {pair for other in pairs if other is not own for pair in other}
                yield Compared(_slate_of(ranking), _comparisons(ranking, own, others))


def _pairs(ranking: Mapping[str, Any]) -> list[tuple[str, str]]:
    ids = [response["id"] for response in ranking["responses"]]
    return [(ids[i], ids[j]) for i, j in comparisons_of(ranking["ranks"]).strict]


def _comparisons(
    ranking: Mapping[str, Any], pairs: list[tuple[str, str]], others: set[tuple[str, str]]
) -> list[Comparison]:
    ids = [response["id"] for response in ranking["responses"]]
    rank = dict(zip(ids, ranking["ranks"], strict=True))
    rating = dict(zip(ids, ranking["ratings"], strict=True))
    return [
        Comparison(
            chosen=chosen,
            rejected=rejected,
            rank_gap=rank[rejected] - rank[chosen],
            rating_chosen=rating[chosen],
            rating_rejected=rating[rejected],
            weight=ranking["weight"] / len(pairs),
            conflict=(rejected, chosen) in others,
        )
        for chosen, rejected in pairs
    ]


def _slate_of(ranking: Mapping[str, Any]) -> RankedSlate:
    return RankedSlate(
        ranking=ranking["ranking"],
        prompt_id=ranking["prompt_id"],
        group=ranking["group"],
        split=ranking["split"],
        round=ranking["round"],
        labeler=ranking["labeler"],
        # Datasets of before there were cohorts do not name them.
        cohort=ranking.get("cohort", "training"),
        labeled_at=ranking["labeled_at"],
        messages=orjson.dumps(ranking["messages"]),
        texts={response["id"]: response["text"] for response in ranking["responses"]},
        models={response["id"]: response["model"] for response in ranking["responses"]},
    )
