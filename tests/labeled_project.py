"""A project with slates that labelers have ranked, written straight into the tables."""

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from hashlib import sha256

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from app.labeling.ranking import dense_ranks
from app.projects.queries import ProjectView
from app.projects.screen import ScreenSettings


@dataclass(frozen=True)
class Given:
    """What a labeler (by number) submitted for a slate; the last version counts.

    With a purpose of gold, anchor or repeat it is a check on the labeler.
    """

    labeler: int
    versions: Sequence[Sequence[int | None]]
    ratings: Sequence[int | None] | None = None
    purpose: str = "fresh"

    @property
    def is_check(self) -> bool:
        return self.purpose in {"gold", "anchor", "repeat"}


@dataclass(frozen=True)
class GivenSlate:
    rankings: Sequence[Given]
    texts: Sequence[str] = ("a", "b", "c", "d")
    models: Sequence[str | None] | None = None
    finishes: Sequence[str | None] | None = None
    split: str = "train"
    round: int = 1
    prompt: str | None = None
    tags: Sequence[str] = field(default_factory=list)


@dataclass(frozen=True)
class Seeded:
    project: ProjectView
    slates: list[int]
    responses: list[list[int]]


PROJECT = """
with made as (
    insert into projects (slug, name, labels_per_slate, overlap_share)
    values (:slug, 'Seeded', 2, 0.15) returning id
)
insert into guideline_versions (project_id, version, text)
select id, 1, 'Prefer the helpful answer.' from made returning project_id, id
"""
LABELER = """
with person as (
    insert into users (email, name, role, password_hash)
    values ('l' || :number || '@' || :slug || '.example', 'Labeler ' || :number, 'labeler', 'x')
    returning id
)
insert into project_members (project_id, user_id, pseudonym)
select :project_id, id, 'L-' || lpad(cast(:number as text), 2, '0') from person returning user_id
"""
# Each takes all its rows as one JSON array: thousands of statements take seconds.
PROMPTS = """
insert into prompts (project_id, external_id, messages, content_hash, group_key, split, tags)
select :project_id, external_id, messages, decode(hash, 'hex'), external_id, split, tags
from jsonb_to_recordset(cast(:rows as jsonb)) as given
     (number int, external_id text, messages jsonb, hash text, split text, tags text[])
order by number returning id
"""
SLATES = """
insert into slates (round_id, prompt_id, status, places)
select round_id, prompt_id, 'ready', 9
from jsonb_to_recordset(cast(:rows as jsonb)) as given
     (number int, round_id bigint, prompt_id bigint)
order by number returning id
"""
RESPONSES = """
insert into responses (slate_id, position, text, model_id, model_name, finish)
select slate_id, position, text, models.id, case when models.id is null then model end, finish
from jsonb_to_recordset(cast(:rows as jsonb)) as given
     (number int, slate_id bigint, position int, text text, model text, finish text)
left join models on models.name = model
order by number returning responses.id
"""
TASKS = """
insert into tasks (project_id, slate_id, place, status, labeler_id, purpose, occasion,
                   asked_round_id)
select :project_id, slate_id, place, 'done', labeler_id, purpose, occasion, asked_round_id
from jsonb_to_recordset(cast(:rows as jsonb)) as given
     (number int, slate_id bigint, place int, labeler_id bigint, purpose text, occasion int,
      asked_round_id bigint)
order by number returning id
"""
RANKINGS = """
insert into rankings (task_id, slate_id, labeler_id, version, is_current, request_key,
                      request_hash, guideline_version_id, display_order, purpose, occasion)
select tasks.id, slate_id, labeler_id, given.version, is_current, gen_random_uuid(), '',
       :guideline_version_id, given.display_order, purpose, occasion
from jsonb_to_recordset(cast(:rows as jsonb)) as given
     (number int, task_id bigint, version int, is_current boolean, display_order bigint[])
join tasks on tasks.id = task_id
order by number returning id
"""
ITEMS = """
insert into ranking_items (ranking_id, response_id, rank, rating)
select ranking_id, response_id, rank, rating
from jsonb_to_recordset(cast(:rows as jsonb)) as given
     (ranking_id bigint, response_id bigint, rank int, rating int)
"""


async def seed(
    tx: AsyncSession, slates: Sequence[GivenSlate], *, slug: str = "seeded", labelers: int = 4
) -> Seeded:
    """Store the slates with their rankings; models `sft` and `ppo` are registered."""
    created = (await tx.execute(text(PROJECT), {"slug": slug})).one()
    project_id = created.project_id
    here = {"project_id": project_id, "slug": slug}
    people = [await tx.scalar(text(LABELER), {**here, "number": i}) for i in range(1, labelers + 1)]
    for name, kind in (("sft", "sft"), ("ppo", "policy")):
        await tx.execute(
            text("insert into models (name, kind, path) values (:name, :kind, '/x')"
                 " on conflict do nothing"),
            {"name": name, "kind": kind},
        )  # fmt: skip
    rounds = {}
    for number in sorted({slate.round for slate in slates}):
        rounds[number] = await tx.scalar(
            text("insert into rounds (project_id, number, source, labels_per_slate, overlap_share,"
                 " gold_share, anchor_share, repeat_share)"
                 " values (:project_id, :number, 'imported', 2, 0.15, 0, 0, 0) returning id"),
            {**here, "number": number},
        )  # fmt: skip
    round_ids = [rounds[slate.round] for slate in slates]
    slate_ids, responses = await _ask(tx, slates, round_ids, project_id)
    rankings = [
        _Ranking(given, place, slate_id, round_id, order)
        for slate, slate_id, round_id, order in zip(
            slates, slate_ids, round_ids, responses, strict=True
        )
        for place, given in enumerate(slate.rankings, start=1)
    ]
    await _rank(tx, rankings, people, project_id, guideline_version_id=created.id)
    project = ProjectView(
        project_id, slug, "Seeded", 2, 0.15, 1, "Prefer the helpful answer.", ScreenSettings()
    )
    return Seeded(project, slate_ids, responses)


async def _ask(
    tx: AsyncSession, slates: Sequence[GivenSlate], round_ids: Sequence[int], project_id: int
) -> tuple[list[int], list[list[int]]]:
    """Store prompts, slates and responses; returns the ids of slates, and of their responses."""
    prompts = [
        {
            "external_id": f"p-{number}",
            "messages": [{"role": "user", "content": asked}],
            "hash": sha256(f"{number} {asked}".encode()).hexdigest(),
            "split": slate.split,
            "tags": list(slate.tags),
        }
        for number, slate in enumerate(slates)
        for asked in [slate.prompt or f"Prompt {number}"]
    ]
    prompt_ids = await _insert(tx, PROMPTS, prompts, project_id=project_id)
    made = [
        {"round_id": round_id, "prompt_id": prompt_id}
        for round_id, prompt_id in zip(round_ids, prompt_ids, strict=True)
    ]
    slate_ids = await _insert(tx, SLATES, made)
    given = [
        {
            "slate_id": slate_id,
            "position": position,
            "text": words,
            "model": slate.models[position] if slate.models else None,
            "finish": slate.finishes[position] if slate.finishes else None,
        }
        for slate, slate_id in zip(slates, slate_ids, strict=True)
        for position, words in enumerate(slate.texts)
    ]
    ids = iter(await _insert(tx, RESPONSES, given))
    return slate_ids, [[next(ids) for _ in slate.texts] for slate in slates]


@dataclass(frozen=True)
class _Ranking:
    """What was submitted at a place of a slate whose responses are shown in this order."""

    given: Given
    place: int
    slate_id: int
    round_id: int
    order: list[int]


async def _rank(
    tx: AsyncSession,
    rankings: Sequence[_Ranking],
    people: Sequence[int],
    project_id: int,
    *,
    guideline_version_id: int,
) -> None:
    """Store tasks that are done, and all versions of what was submitted."""
    seen: Counter[tuple[int, int]] = Counter()
    tasks = []
    for one in rankings:
        labeler_id = people[one.given.labeler - 1]
        tasks.append(
            {
                "slate_id": one.slate_id,
                "place": 0 if one.given.is_check else one.place,
                "labeler_id": labeler_id,
                "purpose": one.given.purpose,
                "occasion": seen[one.slate_id, labeler_id],
                "asked_round_id": one.round_id if one.given.is_check else None,
            }
        )
        seen[one.slate_id, labeler_id] += 1
    task_ids = await _insert(tx, TASKS, tasks, project_id=project_id)
    versions = [
        {
            "task_id": task_id,
            "version": version,
            "is_current": version == len(one.given.versions),
            "display_order": one.order,
        }
        for task_id, one in zip(task_ids, rankings, strict=True)
        for version in range(1, len(one.given.versions) + 1)
    ]
    ids = iter(await _insert(tx, RANKINGS, versions, guideline_version_id=guideline_version_id))
    items = [
        {"ranking_id": ranking_id, "response_id": response_id, "rank": rank, "rating": rating}
        for one in rankings
        for ranks, ranking_id in zip(one.given.versions, ids, strict=False)
        for response_id, rank, rating in zip(
            one.order, dense_ranks(ranks), one.given.ratings or [None] * len(ranks), strict=True
        )
    ]
    await tx.execute(text(ITEMS), {"rows": json.dumps(items)})


async def _insert(
    tx: AsyncSession,
    statement: str,
    rows: Sequence[dict[str, object]],
    **parameters: int,
) -> list[int]:
    """Store the rows; returns their ids in the same order."""
    numbered = json.dumps([{"number": number, **row} for number, row in enumerate(rows)])
    made = await tx.scalars(text(statement), {"rows": numbered, **parameters})
    return sorted(made)


REVISION = """
with superseded as (
    update rankings set is_current = false
    where id = (select min(id) from rankings where slate_id = :slate_id and is_current)
    returning *
)
insert into rankings (task_id, slate_id, labeler_id, version, is_current, request_key,
                      request_hash, guideline_version_id, display_order, purpose, occasion)
select task_id, slate_id, labeler_id, version + 1, true, gen_random_uuid(), '',
       guideline_version_id, display_order, purpose, occasion
from superseded returning id, display_order
"""


async def revise_ranking(tx: AsyncSession, slate_id: int, ranks: Sequence[int | None]) -> None:
    """Let whoever has the oldest current ranking of the slate rank it anew, without ratings."""
    made = (await tx.execute(text(REVISION), {"slate_id": slate_id})).one()
    items = [
        {"ranking_id": made.id, "response_id": response_id, "rank": rank}
        for response_id, rank in zip(made.display_order, dense_ranks(ranks), strict=True)
    ]
    await tx.execute(text(ITEMS), {"rows": json.dumps(items)})
