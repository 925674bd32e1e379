"""The set-based statements that slates, responses and tasks are written with, for all ways in."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from app.projects.queries import ProjectView
from app.rounds.overlap import NOTHING, OverlapWish
from app.rounds.places import SEVERE_KINDS, WITHDRAWN
from trainer.spec import Problem

NEW_ROUND = text("""
insert into rounds (project_id, number, source, responses_per_prompt, sampling, labels_per_slate,
                    overlap_share, gold_share, anchor_share, repeat_share)
select :project_id, coalesce(max(number), 0) + 1, :source, :responses_per_prompt,
       cast(:sampling as jsonb), :labels_per_slate, :overlap_share, :gold_share, :anchor_share,
       :repeat_share
from rounds where project_id = :project_id
returning id, number
""")

# The slates that get a second place are the first ones in an order that is random but fixed by the
# round, so that their share is exact, and with it the probability of each to be among them.
ADD_SLATES = text("""
with given as (
    select prompt_id, position, count(*) over () as slates,
           row_number() over (
               order by md5(concat(cast(:round_id as text), '-', prompt_id))) as drawn
    from unnest(cast(:prompt_ids as bigint[])) with ordinality as given (prompt_id, position)
), shares as (
    select given.*, d.labels_per_slate,
           case when d.labels_per_slate > 1 then slates
                else round(d.overlap_share * slates) end as overlapping
    from given join rounds d on d.id = :round_id
)
insert into slates (round_id, prompt_id, places, propensity)
select :round_id, prompt_id,
       case when drawn <= overlapping then greatest(labels_per_slate, 2) else 1 end,
       case when drawn <= overlapping then overlapping else slates - overlapping end
           / cast(slates as float8)
from shares
order by position
returning id, prompt_id
""")

ADD_RESPONSES = text("""
insert into responses (slate_id, position, text, model_id, model_name, seed, temperature, top_p,
                       max_new_tokens, attempts, finish, problem)
select given.slate_id, given.position, given.text, model.id,
       case when model.id is null then given.model end, given.seed, given.temperature, given.top_p,
       given.max_new_tokens, given.attempts, given.finish, given.problem
from unnest(
    cast(:slate_id as bigint[]), cast(:position as smallint[]), cast(:text as text[]),
    cast(:model as text[]), cast(:seed as bigint[]), cast(:temperature as float8[]),
    cast(:top_p as float8[]), cast(:max_new_tokens as integer[]), cast(:attempts as smallint[]),
    cast(:finish as text[]), cast(:problem as text[])
) as given (slate_id, position, text, model, seed, temperature, top_p, max_new_tokens, attempts,
            finish, problem)
left join models model on model.name = given.model
order by given.slate_id, given.position
""")

# In a statement of its own: the next one then sees who excluded one of them meanwhile.
HOLD_SLATES = text("""
select id from slates where id = any(cast(:ids as bigint[])) order by id for no key update
""")

# A slate's status and its places change together, so that no slate is ready without tasks. The
# round is held meanwhile: one that is being closed gets places that nobody is offered, and so does
# a slate that was excluded while it was sampled.
FINISH_SLATES = text(f"""
with held as (
    select id, closed_at from rounds
    where id in (select round_id from slates where id = any(cast(:ids as bigint[])))
    for share
), finished as (
    update slates s set status = given.status
    from unnest(cast(:ids as bigint[]), cast(:statuses as text[])) as given (id, status)
    where s.id = given.id
    returning s.id, s.round_id, s.places, s.propensity, s.status
)
insert into tasks (project_id, slate_id, place, purpose, propensity, status)
select :project_id, finished.id, place,
       case when finished.places > 1 then 'overlap' else 'fresh' end, finished.propensity,
       case when held.closed_at is null and not {WITHDRAWN.format(slate_id="finished.id")}
            then 'open' else 'void' end
from finished join held on held.id = finished.round_id,
     generate_series(1, finished.places) as place
where finished.status = 'ready'
order by finished.id, place
""")  # noqa: S608 - the column's name is ours


@dataclass(frozen=True)
class NewResponse:
    """A response to store; what is not known of an imported one is None."""

    slate_id: int
    position: int
    text: str
    model: str | None
    problem: Problem | None
    seed: int | None = None
    temperature: float | None = None
    top_p: float | None = None
    max_new_tokens: int | None = None
    attempts: int = 1
    finish: str | None = None


@dataclass(frozen=True)
class RoundKey:
    """A round's id, and its number within its project."""

    id: int
    number: int


async def new_round(
    tx: AsyncSession,
    project: ProjectView,
    *,
    source: str,
    overlap: OverlapWish = NOTHING,
    responses_per_prompt: int | None = None,
    sampling: str | None = None,
) -> RoundKey:
    """Add the project's next round; the caller has locked the project."""
    rows = await tx.execute(
        NEW_ROUND,
        {
            "project_id": project.id,
            "source": source,
            "responses_per_prompt": responses_per_prompt,
            "sampling": sampling,
            **asdict(overlap.within(project)),
        },
    )
    return RoundKey(*rows.one())


async def add_slates(tx: AsyncSession, round_id: int, prompt_ids: Sequence[int]) -> dict[int, int]:
    """Add a pending slate per prompt; returns the slates' ids by prompt."""
    rows = await tx.execute(ADD_SLATES, {"round_id": round_id, "prompt_ids": list(prompt_ids)})
    return {prompt_id: slate_id for slate_id, prompt_id in rows}


async def add_responses(tx: AsyncSession, responses: Sequence[NewResponse]) -> None:
    """Store responses with one statement; a registered model is linked by its name."""
    if not responses:
        return
    rows = [asdict(response) for response in responses]
    await tx.execute(ADD_RESPONSES, {key: [row[key] for row in rows] for key in rows[0]})


async def finish_slates(tx: AsyncSession, project_id: int, statuses: dict[int, str]) -> None:
    """Set the slates' statuses, and open the places of those that are ready and not withdrawn."""
    await tx.execute(HOLD_SLATES, {"ids": list(statuses)})
    await tx.execute(
        FINISH_SLATES,
        {
            "project_id": project_id,
            "ids": list(statuses),
            "statuses": list(statuses.values()),
            "severe_kinds": list(SEVERE_KINDS),
        },
    )
