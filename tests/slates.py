"""Builds ready slates in the database, for tests that are about what comes after sampling."""

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

PROMPTS = text("""
insert into prompts (project_id, external_id, messages, content_hash, group_key, split)
select :project_id, 'p' || n, jsonb_build_array(jsonb_build_object(
           'role', 'user', 'content', 'Question ' || n)),
       sha256(convert_to(:project_id || ':' || n, 'UTF8')), 'g' || n, 'train'
from generate_series(1, :count) n
on conflict do nothing
""")
ROUND = text("""
insert into rounds (project_id, number, source, labels_per_slate, overlap_share, gold_share,
                    anchor_share, repeat_share)
select p.id, coalesce((select max(number) from rounds where project_id = p.id), 0) + 1, 'imported',
       p.labels_per_slate, p.overlap_share,
       coalesce(cast(p.screen ->> 'gold_share' as float8), 0.04),
       coalesce(cast(p.screen ->> 'anchor_share' as float8), 0.02),
       coalesce(cast(p.screen ->> 'repeat_share' as float8), 0.02)
from projects p where p.id = :project_id
returning id
""")
SLATES = text("""
insert into slates (round_id, prompt_id, status, places, propensity)
select :round_id, id, 'ready', :places, 1 from prompts
where project_id = :project_id order by id limit :count
""")
RESPONSES = text("""
insert into responses (slate_id, position, text)
select s.id, n, 'Answer ' || n || ' on slate ' || s.id
from slates s, generate_series(1, :responses) n where s.round_id = :round_id
order by s.id, n
""")
TASKS = text("""
insert into tasks (project_id, slate_id, place, purpose, propensity)
select :project_id, s.id, place, case when s.places > 1 then 'overlap' else 'fresh' end, 1
from slates s, generate_series(1, :places) place
where s.round_id = :round_id order by s.id, place
""")


async def make_slates(
    tx: AsyncSession, *, project_id: int, count: int = 3, responses: int = 4, places: int = 1
) -> int:
    """Make a round of `count` ready slates and return its id."""
    values = {"project_id": project_id, "count": count, "responses": responses, "places": places}
    await tx.execute(PROMPTS, values)
    values["round_id"] = (await tx.execute(ROUND, values)).scalar_one()
    for statement in (SLATES, RESPONSES, TASKS):
        await tx.execute(statement, values)
    return values["round_id"]
