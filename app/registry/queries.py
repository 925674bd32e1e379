"""Reads of the registry: the models, and how one came to be. Only admins see models."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from app.errors import NotFoundError
from app.registry.location import Location

MODELS = text("""
select m.id, m.name, m.kind, m.path, m.hub_id, m.hub_revision, m.endpoint_model, m.file_sha256,
       parent.name as parent, m.run_id, run.kind as run_kind, project.slug as run_project,
       m.created_at
from models m
left join models parent on parent.id = m.parent_id
left join runs run on run.id = m.run_id
left join projects project on project.id = run.project_id
where (cast(:name as text) is null or m.name = :name)
  and (cast(:kinds as text[]) is null or m.kind = any(:kinds))
order by m.id desc
""")

# A policy comes from the model it started at and from the reward model that judged it.
LINEAGE = text("""
with recursive ancestors as (
    select id, parent_id, run_id from models where id = :model_id
    union
    select m.id, m.parent_id, m.run_id
    from ancestors child
    left join runs run on run.id = child.run_id
    join models m on m.id in (child.parent_id, run.base_model_id, run.reward_model_id)
)
select m.name, m.kind, parent.name as parent, reward.name as reward_model, m.created_at,
       run.id as run_id, run.kind as run_kind, project.slug as project, run.settings,
       run.code_version, dataset.id as dataset_id, dataset.sha256 as dataset_sha256,
       dataset.rankings as dataset_rankings, dataset.comparisons as dataset_comparisons
from ancestors a
join models m on m.id = a.id
left join models parent on parent.id = m.parent_id
left join runs run on run.id = m.run_id
left join projects project on project.id = run.project_id
left join models reward on reward.id = run.reward_model_id
left join datasets dataset on dataset.id = run.dataset_id
order by m.id = :model_id desc, m.id desc
""")

SAMPLED_ROUNDS = text("""
select p.slug as project, r.number, r.source, r.created_at,
       (select count(*) from slates s where s.round_id = r.id) as slates
from round_models rm
join rounds r on r.id = rm.round_id
join projects p on p.id = r.project_id
where rm.model_id = :model_id
order by r.id desc
""")


@dataclass(frozen=True)
class ModelView:
    """A row of the registry."""

    id: int
    name: str
    kind: str
    path: str | None
    hub_id: str | None
    hub_revision: str | None
    endpoint_model: str | None
    file_sha256: dict[str, str]
    parent: str | None
    run_id: int | None
    run_kind: str | None
    run_project: str | None
    created_at: datetime

    @property
    def location(self) -> Location:
        """Where it lies."""
        return Location(
            path=self.path,
            hub_id=self.hub_id,
            hub_revision=self.hub_revision,
            endpoint_model=self.endpoint_model,
        )

    @property
    def is_untrained(self) -> bool:
        """Whether its folder holds a configuration and a tokenizer, but no weights."""
        return self.path is not None and not any(
            name.endswith(".safetensors") for name in self.file_sha256
        )


@dataclass(frozen=True)
class Origin:
    """How one model came to be: its parents; run, settings and dataset when a run made it."""

    name: str
    kind: str
    parent: str | None
    reward_model: str | None
    created_at: datetime
    run_id: int | None
    run_kind: str | None
    project: str | None
    settings: dict[str, Any] | None
    code_version: str | None
    dataset_id: int | None
    dataset_sha256: str | None
    dataset_rankings: int | None
    dataset_comparisons: int | None


@dataclass(frozen=True)
class SampledRound:
    """A round that has responses of a model."""

    project: str
    number: int
    source: str
    created_at: datetime
    slates: int


async def all_models(tx: AsyncSession, *, kinds: tuple[str, ...] | None = None) -> list[ModelView]:
    """The models of these kinds, newest first; all of them when `kinds` is None."""
    rows = await tx.execute(MODELS, {"name": None, "kinds": list(kinds) if kinds else None})
    return [ModelView(*row) for row in rows]


async def model_by_name(tx: AsyncSession, name: str) -> ModelView:
    """The model with this name.

    Raises:
        NotFoundError: there is none.
    """
    row = None
    if "\x00" not in name:  # Postgres cannot even look for it
        row = (await tx.execute(MODELS, {"name": name, "kinds": None})).one_or_none()
    if row is None:
        raise NotFoundError("There is no model with this name.", code="unknown_model")
    return ModelView(*row)


async def lineage_of(tx: AsyncSession, model: ModelView) -> list[Origin]:
    """How the model and, behind it, each of its ancestors came to be."""
    rows = await tx.execute(LINEAGE, {"model_id": model.id})
    return [Origin(*row) for row in rows]


async def rounds_sampled_from(tx: AsyncSession, model: ModelView) -> list[SampledRound]:
    """The rounds that have responses of the model, newest first."""
    rows = await tx.execute(SAMPLED_ROUNDS, {"model_id": model.id})
    return [SampledRound(*row) for row in rows]
