"""What a project's rounds, datasets and models were made from, as one graph. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from graphlib import TopologicalSorter
from typing import Literal

from pydantic import ValidationError

from app.agreement.metrics.estimates import Estimate
from app.training.evaluation import estimate
from app.training.lineage_queries import (
    LineageDataset,
    LineageModel,
    LineageRound,
    LineageRows,
    LineageRun,
)
from trainer.result import Share

NodeKind = Literal["base", "sft", "reward", "policy", "round", "dataset", "run"]
KINDS: dict[str, NodeKind] = {
    "base": "base",
    "sft": "sft",
    "reward": "reward",
    "policy": "policy",
}
Facts = LineageRound | LineageRun | LineageModel | LineageDataset


@dataclass(frozen=True)
class Node:
    """A round, dataset, model or run that goes on; `made_from` has the keys of its parents."""

    key: str
    kind: NodeKind
    facts: Facts
    made_from: tuple[str, ...]


@dataclass(frozen=True)
class Lineage:
    """The graph; every node comes after those that it was made from."""

    nodes: list[Node]
    rounds_left_out: int = 0
    runs_left_out: int = 0

    @cached_property
    def by_key(self) -> Mapping[str, Node]:
        """The nodes by their keys."""
        return {node.key: node for node in self.nodes}

    @cached_property
    def depending(self) -> Mapping[str, list[str]]:
        """The keys of all that was made from a node, also by way of others."""
        found: dict[str, set[str]] = {node.key: set() for node in self.nodes}
        for node in reversed(self.nodes):
            for parent in node.made_from:
                found[parent] |= {node.key} | found[node.key]
        order = [node.key for node in self.nodes]
        return {key: [one for one in order if one in keys] for key, keys in found.items()}

    @cached_property
    def drawn_edges(self) -> list[tuple[str, str]]:
        """The edges (from, to) without those of earlier rounds to a dataset that also follow.

        A dataset has the rankings of all rounds so far. Where a round leads to it by way of the
        models made from it and of a later round, a line of its own would only hide that path.
        """
        return [
            (parent, node.key)
            for node in self.nodes
            for parent in node.made_from
            if not (node.kind == "dataset" and self._follows(parent, node))
        ]

    def _follows(self, source: str, node: Node) -> bool:
        """Whether another parent of the node was made from `source`."""
        return any(parent in self.depending[source] for parent in node.made_from)


def lineage_of_rows(rows: LineageRows) -> Lineage:
    """Join the rows to a graph; what was left out of them is nobody's parent.

    Raises:
        graphlib.CycleError: something is, by way of others, made from itself.
    """
    nodes = [
        *map(_model, rows.models),
        *map(_round, rows.rounds),
        *(_dataset(one, rows.rounds) for one in rows.datasets),
        *(_run(one) for one in rows.runs if one.model_id is None),
    ]
    return Lineage(
        _in_order_of_making(nodes),
        rounds_left_out=rows.rounds_left_out,
        runs_left_out=rows.runs_left_out,
    )


def accuracy_of(model: LineageModel) -> Estimate | None:
    """The accuracy of a reward model as it may be shown; None when it was not measured."""
    if model.accuracy is None:
        return None
    try:
        return estimate(Share.model_validate(model.accuracy))
    except ValidationError:  # of a later version
        return None


def _model(model: LineageModel) -> Node:
    made_from = (
        *_keys("model", model.base_model_id, model.parent_id, model.reward_model_id),
        *_keys("dataset", model.dataset_id),
    )
    return Node(f"model-{model.id}", KINDS[model.kind], model, made_from)


def _round(one: LineageRound) -> Node:
    return Node(f"round-{one.number}", "round", one, _keys("model", *one.model_ids))


def _dataset(dataset: LineageDataset, rounds: Sequence[LineageRound]) -> Node:
    """A dataset; of a round that nobody had ranked by then, it has nothing."""
    labeled = [
        one.number
        for one in rounds
        if one.number in dataset.rounds
        and one.first_at is not None
        and one.first_at <= dataset.created_at
    ]
    return Node(f"dataset-{dataset.id}", "dataset", dataset, _keys("round", *labeled))


def _run(run: LineageRun) -> Node:
    made_from = (
        *_keys("model", run.base_model_id, run.reward_model_id),
        *_keys("dataset", run.dataset_id),
    )
    return Node(f"run-{run.id}", "run", run, made_from)


def _keys(kind: str, *ids: int | None) -> tuple[str, ...]:
    return tuple(dict.fromkeys(f"{kind}-{one}" for one in ids if one is not None))


def _in_order_of_making(nodes: Sequence[Node]) -> list[Node]:
    """The nodes, each after its parents, which are those among the nodes."""
    known = {node.key: node for node in nodes}
    nodes = [
        replace(node, made_from=tuple(one for one in node.made_from if one in known))
        for node in nodes
    ]
    by_key = {node.key: node for node in nodes}
    sorter = TopologicalSorter({node.key: node.made_from for node in nodes})
    return [by_key[key] for key in sorter.static_order()]
