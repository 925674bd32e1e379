"""Shapes of the dataset and export calls."""

from datetime import datetime
from typing import Any, Literal

from pydantic import Field

from app.datasets.formats import ExportFormat, Shape
from app.datasets.queries import DatasetView
from app.web.query_params import Parameters
from app.web.schemas import Answer

Split = Literal["train", "validation", "test"]
FileName = Literal[
    "manifest.json",
    "rankings.jsonl",
    "demonstrations.jsonl",
    "prompts.jsonl",
    "pretraining.jsonl",
]


class RankingParameters(Parameters):
    """How rankings are exported."""

    format: Literal["jsonl", "parquet"] = "jsonl"
    split: Split | None = Field(None, description="only prompts of this split")


class ComparisonParameters(Parameters):
    """How comparisons are exported."""

    format: ExportFormat = ExportFormat.JSONL
    shape: Shape = Field(
        Shape.EXPLICIT,
        description="explicit: prompt, chosen and rejected as message lists; implicit: chosen and "
        "rejected begin with the prompt; hh: two transcripts",
    )
    split: Split | None = Field(None, description="only prompts of this split")


class DatasetOut(Answer):
    """A dataset; `sha256` is that of its canonical manifest, which names its files' own."""

    id: int
    project: str
    sha256: str
    prompts: int
    rankings: int
    comparisons: int
    created_at: datetime
    manifest: dict[str, Any]


def dataset_out(dataset: DatasetView) -> DatasetOut:
    """The answer of the dataset calls."""
    return DatasetOut(
        id=dataset.id,
        project=dataset.project,
        sha256=dataset.sha256,
        prompts=dataset.prompts,
        rankings=dataset.rankings,
        comparisons=dataset.comparisons,
        created_at=dataset.created_at,
        manifest=dict(dataset.manifest),
    )
