"""Reads of datasets, and the streams that exports and snapshots are made of.

Streams come from a server-side cursor inside one REPEATABLE READ snapshot, so memory stays flat.
"""

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import orjson
from sqlalchemy import Row, TextClause, text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncSession

from app.accounts.viewer import Viewer
from app.datasets.rows import Compared, Comparison, RankedSlate
from app.errors import NotFoundError

RANKINGS_PER_BATCH = 150  # about 2,000 comparisons at six responses each

# The view says what a comparison is; one row per ranking carries each text once.
COMPARISONS = text("""
select r.id as ranking, p.external_id as prompt_id, p.group_key, p.split,
       p.messages::text as messages, d.number as round,
       coalesce(m.pseudonym, 'former-' || r.labeler_id) as labeler,
       coalesce(cohorts.cohort, 'training') as cohort,
       to_char(r.created_at at time zone 'utc', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') as labeled_at,
       answers.ids as response_ids, answers.texts, answers.models, pairs.*
from rounds d
join slates s on s.round_id = d.id
join prompts p on p.id = s.prompt_id
join rankings r on r.slate_id = s.id
left join project_members m on m.project_id = d.project_id and m.user_id = r.labeler_id
left join labeler_cohorts cohorts
       on cohorts.project_id = d.project_id and cohorts.user_id = r.labeler_id
cross join lateral (
    select array_agg(c.chosen_id) as chosen, array_agg(c.rejected_id) as rejected,
           array_agg(c.rank_gap) as rank_gap, array_agg(c.rating_chosen) as rating_chosen,
           array_agg(c.rating_rejected) as rating_rejected, array_agg(c.weight) as weight,
           array_agg(c.conflict) as conflict
    from comparisons c where c.ranking_id = r.id
    having count(*) > 0
) pairs
cross join lateral (
    select array_agg(response.id) as ids, array_agg(response.text) as texts,
           array_agg(coalesce(model.name, response.model_name)) as models
    from responses response
    left join models model on model.id = response.model_id
    where response.slate_id = s.id
) answers
where d.project_id = :project_id and (cast(:split as text) is null or p.split = :split)
order by s.id, r.id
""")

# Exports hold everybody's and name the cohort; a dataset leaves out who is held out or quarantined.
RANKINGS = text("""
select r.id as ranking, s.id as slate, p.external_id as prompt_id, p.group_key, p.split,
       p.messages::text as messages, d.number as round,
       coalesce(m.pseudonym, 'former-' || r.labeler_id) as labeler,
       coalesce(cohorts.cohort, 'training') as cohort,
       to_char(r.created_at at time zone 'utc', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') as labeled_at,
       items.response_ids, items.texts, items.models, items.finishes, items.ranks, items.ratings,
       1.0::float8 / greatest(contributing.rankings, 1) as weight
from rounds d
join slates s on s.round_id = d.id
join prompts p on p.id = s.prompt_id
join rankings r on r.slate_id = s.id and r.is_current and not r.is_check
               and r.id not in (select ranking_id from excluded_rankings)
               and (not :is_dataset or not exists (
                   select from left_out_rankings x where x.ranking_id = r.id))
left join project_members m on m.project_id = d.project_id and m.user_id = r.labeler_id
left join labeler_cohorts cohorts
       on cohorts.project_id = d.project_id and cohorts.user_id = r.labeler_id
cross join lateral (
    select array_agg(response.id order by response.position) as response_ids,
           array_agg(response.text order by response.position) as texts,
           array_agg(coalesce(model.name, response.model_name) order by response.position)
               as models,
           array_agg(response.finish order by response.position) as finishes,
           array_agg(item.rank order by response.position) as ranks,
           array_agg(item.rating order by response.position) as ratings
    from ranking_items item
    join responses response on response.id = item.response_id
    left join models model on model.id = response.model_id
    where item.ranking_id = r.id
) items
cross join lateral (
    -- As in the view: only rankings that give a comparison share the weight of their slate.
    select count(*) as rankings from rankings other
    where other.slate_id = s.id and other.is_current and not other.is_check
      and other.id not in (select ranking_id from excluded_rankings)
      and (not :is_dataset or not exists (
          select from left_out_rankings x where x.ranking_id = other.id))
      and exists (select from ranking_items item where item.ranking_id = other.id and item.rank > 1)
) contributing
where d.project_id = :project_id and (cast(:split as text) is null or p.split = :split)
order by s.id, r.id
""")

DATASETS = text("""
select d.id, p.slug as project, d.sha256, d.prompts, d.rankings, d.comparisons, d.created_at,
       u.name as created_by, d.manifest
from datasets d
join projects p on p.id = d.project_id
left join users u on u.id = d.created_by_id
where (cast(:project_id as bigint) is null or d.project_id = :project_id)
  and (cast(:dataset_id as bigint) is null or d.id = :dataset_id)
  and :is_admin
order by d.id desc
""")


@dataclass(frozen=True)
class DatasetView:
    """A dataset; its files never change."""

    id: int
    project: str
    sha256: str
    prompts: int
    rankings: int
    comparisons: int
    created_at: datetime
    created_by: str | None
    manifest: Mapping[str, Any]


async def datasets_of(tx: AsyncSession, viewer: Viewer, project_id: int) -> list[DatasetView]:
    """The project's datasets, newest first; none for labelers."""
    rows = await tx.execute(
        DATASETS, {"project_id": project_id, "dataset_id": None, "is_admin": viewer.is_admin}
    )
    return [DatasetView(*row) for row in rows]


async def dataset_for(tx: AsyncSession, viewer: Viewer, dataset_id: int) -> DatasetView:
    """One dataset.

    Raises:
        NotFoundError: there is none, or the viewer is not an admin.
    """
    rows = await tx.execute(
        DATASETS, {"project_id": None, "dataset_id": dataset_id, "is_admin": viewer.is_admin}
    )
    row = rows.one_or_none()
    if row is None:
        raise NotFoundError("There is no such dataset, or it is not yours to see.")
    return DatasetView(*row)


async def batches(
    connection: AsyncConnection,
    query: TextClause,
    parameters: Mapping[str, object],
    *,
    size: int = RANKINGS_PER_BATCH,
) -> AsyncIterator[Sequence[Row[Any]]]:
    """The query's rows in batches of `size`, read through a server-side cursor."""
    async with connection.stream(query, parameters) as result:
        async for batch in result.partitions(size):
            yield batch


def compared(row: Row[Any]) -> Compared:
    """A row of `COMPARISONS` as one ranking with its comparisons."""
    ids = [str(i) for i in row.response_ids]
    pairs = zip(
        row.chosen,
        row.rejected,
        row.rank_gap,
        row.rating_chosen,
        row.rating_rejected,
        row.weight,
        row.conflict,
        strict=True,
    )
    return Compared(
        RankedSlate(
            ranking=row.ranking,
            prompt_id=row.prompt_id,
            group=row.group_key,
            split=row.split,
            round=row.round,
            labeler=row.labeler,
            cohort=row.cohort,
            labeled_at=row.labeled_at,
            messages=orjson.dumps(orjson.loads(row.messages)),  # without spaces
            texts=dict(zip(ids, row.texts, strict=True)),
            models=dict(zip(ids, row.models, strict=True)),
        ),
        [Comparison(str(chosen), str(rejected), *others) for chosen, rejected, *others in pairs],
    )
