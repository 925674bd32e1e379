"""Bodies of the run calls."""

from datetime import datetime
from typing import Annotated, Any, Self

from pydantic import Field

from app.training.queries import MetricsRow, RunView
from app.training.settings import TrainingKind
from app.web.schemas import Answer, Body, Id

ModelName = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$")]


class RunIn(Body):
    """A run to start.

    Without `dataset` it trains on the project as it stands: on the newest dataset that holds just
    that, or else on one that is made for it.
    """

    kind: TrainingKind
    base_model: ModelName
    reward_model: Annotated[
        ModelName | None,
        Field(description="of ppo runs; an sft run keeps the checkpoint that it scores best"),
    ] = None
    dataset: Id | None = None
    settings: Annotated[
        dict[str, Any],
        Field(
            default_factory=dict,
            description="SFTSettings, RewardSettings, DPOSettings or PPOSettings",
        ),
    ]


class RunStarted(Answer):
    """The run that was queued."""

    id: int


class DatasetOut(Answer):
    """The dataset that a run trains on."""

    id: int
    sha256: str


class RunOut(Answer):
    """A run."""

    id: int
    kind: str
    status: str
    progress: float
    latest: dict[str, float | None]
    error: str | None
    model: str | None
    project: str
    cancel_requested: bool
    attempt: int
    settings: dict[str, Any]
    dataset: DatasetOut | None
    base_model: str | None
    reward_model: str | None
    round: int | None
    code_version: str | None
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    result: dict[str, Any] | None

    @classmethod
    def of(cls, run: RunView) -> Self:
        """The answer for one run."""
        dataset = None
        if run.dataset_id is not None and run.dataset_sha256 is not None:
            dataset = DatasetOut(id=run.dataset_id, sha256=run.dataset_sha256)
        return cls(
            id=run.id,
            kind=run.kind,
            status=run.status,
            progress=run.progress,
            latest=run.latest,
            error=run.error,
            model=run.model,
            project=run.project,
            cancel_requested=run.cancel_requested,
            attempt=run.attempt,
            settings=run.settings,
            dataset=dataset,
            base_model=run.base_model,
            reward_model=run.reward_model,
            round=run.round_number,
            code_version=run.code_version,
            created_at=run.created_at,
            started_at=run.started_at,
            finished_at=run.finished_at,
            result=run.result,
        )


class RunList(Answer):
    """Runs of a project, newest first; `next` is the `before` of the next page."""

    runs: list[RunOut]
    next: int | None


class MetricsOut(Answer):
    """What a run reported at one step; after a resumed attempt, the newest value of each step."""

    step: int
    attempt: int
    values: dict[str, float | None]

    @classmethod
    def of(cls, row: MetricsRow) -> Self:
        """The answer for one step."""
        return cls(step=row.step, attempt=row.attempt, values=row.values)


class MetricsList(Answer):
    """What a run reported, oldest step first; `last` goes back when a run resumes."""

    metrics: list[MetricsOut]
    last: int | None


class CancelOut(Answer):
    """What became of the run: `cancelled` at once, or `cancelling` until its process is gone."""

    id: int
    status: str


class ResumeOut(Answer):
    """The run is queued again; `step` is that of the checkpoint it goes on from, null: none."""

    id: int
    status: str
    step: int | None
