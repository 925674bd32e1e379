"""Reads of runs: their state, their curves, what they came from and what they made; for admins."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from app.accounts.viewer import Viewer
from app.errors import NotFoundError
from app.projects.queries import ProjectView

COLUMNS = """
select run.id, run.kind, run.status, run.progress, run.latest, run.error,
       run.needs_disk_bytes is not null as is_waiting, run.cancel_requested,
       run.attempt, run.max_attempts, run.created_at, run.started_at, run.finished_at,
       project.slug as project, project.name as project_name,
       base.name as base_model, reward.name as reward_model, made.name as model,
       run.settings, run.code_version, run.result, dataset.id as dataset_id,
       dataset.sha256 as dataset_sha256, dataset.prompts as dataset_prompts,
       dataset.rankings as dataset_rankings, dataset.comparisons as dataset_comparisons,
       round.number as round_number, person.name as started_by,
       coalesce(run.finished_at, now()) - run.started_at as elapsed
from runs run
join projects project on project.id = run.project_id
left join models base on base.id = run.base_model_id
left join models reward on reward.id = run.reward_model_id
left join models made on made.id = run.model_id
left join datasets dataset on dataset.id = run.dataset_id
left join rounds round on round.id = run.round_id
left join users person on person.id = run.created_by_id
"""
ONE = text(COLUMNS + "where run.id = :run_id and :is_admin")
# The ids of all rows that were used are megabytes; only the page of one run needs them.
MANY = text(
    COLUMNS.replace("run.result,", "run.result #- '{lineage}' as result,")
    + """
where run.project_id = :project_id and (cast(:before as bigint) is null or run.id < :before)
order by run.id desc
limit :limit
"""
)

METRICS = text("""
select step, attempt, values from run_metrics
where run_id = :run_id and step > :after
order by step
limit :limit
""")
LAST_METRICS = text("""
select step, attempt, values from (
    select step, attempt, values from run_metrics where run_id = :run_id
    order by step desc limit :limit
) newest
order by step
""")
LAST_STEP = text("select max(step) from run_metrics where run_id = :run_id")

INPUTS = text("""
select project.slug as project, base.name as base_model, reward.name as reward_model,
       run.dataset_id, dataset.sha256 as dataset_sha256, dataset.manifest
from runs run
join projects project on project.id = run.project_id
join datasets dataset on dataset.id = run.dataset_id
left join models base on base.id = run.base_model_id
left join models reward on reward.id = run.reward_model_id
where run.id = :run_id
""")


@dataclass(frozen=True)
class RunView:
    """A run with the names of what it uses and made."""

    id: int
    kind: str
    status: str
    progress: float
    latest: dict[str, float | None]
    error: str | None
    is_waiting: bool
    cancel_requested: bool
    attempt: int
    max_attempts: int
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    project: str
    project_name: str
    base_model: str | None
    reward_model: str | None
    model: str | None
    settings: dict[str, Any]
    code_version: str | None
    result: dict[str, Any] | None
    dataset_id: int | None
    dataset_sha256: str | None
    dataset_prompts: int | None
    dataset_rankings: int | None
    dataset_comparisons: int | None
    round_number: int | None
    started_by: str | None
    elapsed: timedelta | None

    @property
    def is_finished(self) -> bool:
        """Whether nothing about it will change any more."""
        return self.status not in ("queued", "running")


@dataclass(frozen=True)
class MetricsRow:
    """What a run reported at one step."""

    step: int
    attempt: int
    values: dict[str, float | None]


@dataclass(frozen=True)
class RunInputs:
    """What a training run is made from: names of models, and its dataset with the manifest."""

    project: str
    base_model: str
    reward_model: str | None
    dataset_id: int
    dataset_sha256: str
    manifest: dict[str, Any]


async def run_for(tx: AsyncSession, viewer: Viewer, run_id: int) -> RunView:
    """The run with this id.

    Raises:
        NotFoundError: there is none, or the viewer is not an admin.
    """
    rows = await tx.execute(ONE, {"run_id": run_id, "is_admin": viewer.is_admin})
    row = rows.one_or_none()
    if row is None:
        raise NotFoundError("There is no such run, or it is not yours to see.")
    return RunView(*row)


async def runs_of(
    tx: AsyncSession, project: ProjectView, *, before: int | None = None, limit: int = 50
) -> list[RunView]:
    """The project's runs, newest first; `before` is the id of the last one of the page before."""
    rows = await tx.execute(MANY, {"project_id": project.id, "before": before, "limit": limit})
    return [RunView(*row) for row in rows]


async def metrics_of(
    tx: AsyncSession, run_id: int, *, after: int = -1, limit: int = 2000
) -> list[MetricsRow]:
    """What the run reported after the step `after`, oldest first."""
    rows = await tx.execute(METRICS, {"run_id": run_id, "after": after, "limit": limit})
    return [MetricsRow(*row) for row in rows]


async def last_metrics_of(tx: AsyncSession, run_id: int, *, limit: int) -> list[MetricsRow]:
    """The last `limit` steps that the run reported, oldest first."""
    rows = await tx.execute(LAST_METRICS, {"run_id": run_id, "limit": limit})
    return [MetricsRow(*row) for row in rows]


async def last_step_of(tx: AsyncSession, run_id: int) -> int | None:
    """The last step that the run reported; a resumed run goes back to its checkpoint's."""
    step: int | None = await tx.scalar(LAST_STEP, {"run_id": run_id})
    return step


async def inputs_of(tx: AsyncSession, run_id: int) -> RunInputs:
    """What a training run is made from; for the worker, which acts for nobody."""
    rows = await tx.execute(INPUTS, {"run_id": run_id})
    return RunInputs(*rows.one())
