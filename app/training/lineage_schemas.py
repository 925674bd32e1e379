"""Shapes of the lineage call."""

from datetime import datetime
from typing import Annotated, Any

from pydantic import Field

from app.training.lineage import Lineage, Node
from app.training.lineage_queries import LineageDataset, LineageModel, LineageRound, LineageRun
from app.training.lineage_words import name_of
from app.web.schemas import Answer


class RoundFacts(Answer):
    """What was sampled and how it was labeled; labelers by pseudonym, guidelines by version."""

    number: int
    source: str
    responses_per_prompt: int | None
    sampling: dict[str, Any] | None
    unregistered: Annotated[list[str], Field(description="models as imported, not registered")]
    slates: int
    rankings: int
    labelers: list[str]
    guidelines: list[int]
    created_at: datetime
    closed_at: datetime | None


class DatasetFacts(Answer):
    """A snapshot; `rounds` are all that there were when it was frozen."""

    id: int
    sha256: str
    prompts: int
    rankings: int
    comparisons: int
    rounds: list[int]
    created_at: datetime


class ModelFacts(Answer):
    """A model of the registry and the run that made it; `accuracy` is a reward model's."""

    name: str
    kind: str
    run: int | None
    run_kind: str | None
    run_project: str | None
    accuracy: dict[str, Any] | None
    created_at: datetime


class RunFacts(Answer):
    """A run that goes on."""

    id: int
    kind: str
    status: str
    progress: float


class NodeOut(Answer):
    """A node; one of `round`, `dataset`, `model` and `run` is not null."""

    id: str
    kind: str
    name: str
    made_from: Annotated[list[str], Field(description="ids of the nodes it was made from directly")]
    depending: Annotated[list[str], Field(description="ids of all nodes that depend on it")]
    round: RoundFacts | None = None
    dataset: DatasetFacts | None = None
    model: ModelFacts | None = None
    run: RunFacts | None = None


class LineageOut(Answer):
    """What was made from what; each node comes after those that it was made from."""

    nodes: list[NodeOut]
    rounds_left_out: int
    runs_left_out: int


def lineage_out(lineage: Lineage) -> LineageOut:
    """The call's answer."""
    return LineageOut(
        nodes=[_node(node, lineage.depending[node.key]) for node in lineage.nodes],
        rounds_left_out=lineage.rounds_left_out,
        runs_left_out=lineage.runs_left_out,
    )


def _node(node: Node, depending: list[str]) -> NodeOut:
    out = NodeOut(
        id=node.key,
        kind=node.kind,
        name=name_of(node),
        made_from=list(node.made_from),
        depending=depending,
    )
    match node.facts:
        case LineageRound() as one:
            facts: Answer = RoundFacts.model_validate(one, from_attributes=True)
            return out.model_copy(update={"round": facts})
        case LineageDataset() as dataset:
            facts = DatasetFacts.model_validate(dataset, from_attributes=True)
            return out.model_copy(update={"dataset": facts})
        case LineageRun() as run:
            facts = RunFacts.model_validate(run, from_attributes=True)
            return out.model_copy(update={"run": facts})
        case LineageModel() as model:
            facts = ModelFacts(
                name=model.name,
                kind=model.kind,
                run=model.run_id,
                run_kind=model.run_kind,
                run_project=model.run_project,
                accuracy=model.accuracy,
                created_at=model.created_at,
            )
            return out.model_copy(update={"model": facts})
