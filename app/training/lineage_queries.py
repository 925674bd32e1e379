"""Reads of what a project's rounds, datasets and models were made from; for admins."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from app.accounts.viewer import Viewer
from app.errors import NotFoundError
from app.projects.queries import ProjectView

# Some five boxes a round, and no page of an old project that nobody can overlook.
NEWEST_ROUNDS, NEWEST_RUNS, NEWEST_DATASETS = 8, 16, 4
MOST = 100
Shown = Literal["newest", "all"]

ROUNDS = text("""
select r.number, r.source, r.responses_per_prompt, r.sampling, r.created_at, r.closed_at,
       array(select rm.model_id from round_models rm where rm.round_id = r.id order by 1)
           as model_ids,
       array(select distinct answer.model_name
             from slates s join responses answer on answer.slate_id = s.id
             where s.round_id = r.id and r.source = 'imported' and answer.model_name is not null
             order by 1) as unregistered,
       (select count(*) from slates s where s.round_id = r.id) as slates,
       label.rankings, label.labelers, label.guidelines, label.first_at,
       count(*) over () as in_all
from rounds r
cross join lateral (
    select count(*) filter (where k.is_current) as rankings,
           coalesce(array_agg(distinct coalesce(m.pseudonym, 'former-' || k.labeler_id))
                    filter (where k.is_current), '{}') as labelers,
           coalesce(array_agg(distinct g.version) filter (where k.is_current), '{}') as guidelines,
           min(k.created_at) as first_at
    from slates s
    join rankings k on k.slate_id = s.id and not k.is_check
                   and k.id not in (select ranking_id from excluded_rankings)
    join guideline_versions g on g.id = k.guideline_version_id
    left join project_members m on m.project_id = r.project_id and m.user_id = k.labeler_id
    where s.round_id = r.id
) label
where r.project_id = :project_id
order by r.number desc
limit :limit
""")

# A sampling run is a part of its round; one that failed made nothing.
RUNS = text("""
select run.id, run.kind, run.status, run.progress, run.base_model_id, run.reward_model_id,
       run.dataset_id, run.model_id, count(*) over () as in_all
from runs run
where run.project_id = :project_id and run.kind <> 'sample'
  and (run.model_id is not null or run.status in ('queued', 'running'))
order by run.id desc
limit :limit
""")

MODELS = text("""
with recursive shown as (
    select id, parent_id, run_id from models where id = any(cast(:ids as bigint[]))
    union
    select m.id, m.parent_id, m.run_id
    from shown child
    left join runs run on run.id = child.run_id
    join models m on m.id in (child.parent_id, run.base_model_id, run.reward_model_id)
)
select m.id, m.name, m.kind, m.created_at, m.parent_id, m.run_id, run.kind as run_kind,
       project.slug as run_project, run.base_model_id, run.reward_model_id,
       case when run.project_id = :project_id then run.dataset_id end as dataset_id,
       run.result #> '{evaluation,accuracy}' as accuracy
from shown
join models m on m.id = shown.id
left join runs run on run.id = m.run_id
left join projects project on project.id = run.project_id
order by m.id
""")

DATASETS = text("""
select d.id, d.sha256, d.prompts, d.rankings, d.comparisons, d.created_at,
       array(select cast(round ->> 'number' as int)
             from jsonb_array_elements(coalesce(d.manifest -> 'rounds', '[]')) round
             order by 1) as rounds
from datasets d
where d.project_id = :project_id
  and (d.id = any(cast(:ids as bigint[]))
       or d.id in (select id from datasets where project_id = :project_id
                   order by id desc limit :newest))
order by d.id
""")


@dataclass(frozen=True)
class LineageRound:
    """A round with what it was sampled from and how it was labeled.

    Attributes:
        model_ids: the registered models whose responses it has.
        unregistered: names of other models, as imported.
        labelers: pseudonyms.
        guidelines: versions that its rankings followed.
        first_at: when its first ranking was submitted.
    """

    number: int
    source: str
    responses_per_prompt: int | None
    sampling: dict[str, Any] | None
    created_at: datetime
    closed_at: datetime | None
    model_ids: list[int]
    unregistered: list[str]
    slates: int
    rankings: int
    labelers: list[str]
    guidelines: list[int]
    first_at: datetime | None


@dataclass(frozen=True)
class LineageRun:
    """A training run that made a model or will."""

    id: int
    kind: str
    status: str
    progress: float
    base_model_id: int | None
    reward_model_id: int | None
    dataset_id: int | None
    model_id: int | None


@dataclass(frozen=True)
class LineageModel:
    """A model with the run that made it; `accuracy` as the trainer measured it (a `Share`)."""

    id: int
    name: str
    kind: str
    created_at: datetime
    parent_id: int | None
    run_id: int | None
    run_kind: str | None
    run_project: str | None
    base_model_id: int | None
    reward_model_id: int | None
    dataset_id: int | None
    accuracy: dict[str, Any] | None


@dataclass(frozen=True)
class LineageDataset:
    """A dataset with the numbers of the rounds that were there when it was frozen."""

    id: int
    sha256: str
    prompts: int
    rankings: int
    comparisons: int
    created_at: datetime
    rounds: list[int]


@dataclass(frozen=True)
class LineageRows:
    """What a lineage is made of, oldest first, and how many rounds and runs were left out."""

    rounds: list[LineageRound]
    runs: list[LineageRun]
    models: list[LineageModel]
    datasets: list[LineageDataset]
    rounds_left_out: int
    runs_left_out: int


async def lineage_rows_for(
    tx: AsyncSession, viewer: Viewer, project: ProjectView, *, shown: Shown
) -> LineageRows:
    """The newest rounds, runs and datasets of the project, and all models behind them.

    Args:
        tx: the transaction.
        viewer: who asks.
        project: the project.
        shown: `all` goes back to the beginning (100 of each at most).

    Raises:
        NotFoundError: the viewer is not an admin.
    """
    if not viewer.is_admin:
        raise NotFoundError("There is no such page, or it is not yours to see.")
    here = {"project_id": project.id}
    limits = (MOST, MOST, MOST) if shown == "all" else (NEWEST_ROUNDS, NEWEST_RUNS, NEWEST_DATASETS)
    rounds = (await tx.execute(ROUNDS, {**here, "limit": limits[0]})).all()
    runs = (await tx.execute(RUNS, {**here, "limit": limits[1]})).all()
    wanted = {model_id for row in rounds for model_id in row.model_ids}
    wanted |= {
        id_ for run in runs for id_ in (run.model_id, run.base_model_id, run.reward_model_id)
    }
    models = await tx.execute(MODELS, {**here, "ids": [id_ for id_ in wanted if id_ is not None]})
    found = [LineageModel(*row) for row in models]
    used = {run.dataset_id for run in runs} | {model.dataset_id for model in found}
    used.discard(None)
    datasets = await tx.execute(DATASETS, {**here, "ids": list(used), "newest": limits[2]})
    return LineageRows(
        rounds=[LineageRound(*row[:-1]) for row in reversed(rounds)],
        runs=[LineageRun(*row[:-1]) for row in reversed(runs)],
        models=found,
        datasets=[LineageDataset(*row) for row in datasets],
        rounds_left_out=rounds[0].in_all - len(rounds) if rounds else 0,
        runs_left_out=runs[0].in_all - len(runs) if runs else 0,
    )
