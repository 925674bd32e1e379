"""A project with slates that labelers have ranked, written straight into the tables."""

import json
import uuid
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
PROMPT = """
insert into prompts (project_id, external_id, messages, content_hash, group_key, split, tags)
values (:project_id, :external_id, cast(:messages as jsonb), :hash, :external_id, :split, :tags)
returning id
"""
RESPONSE = """
insert into responses (slate_id, position, text, model_id, model_name)
values (:slate_id, :position, :text, (select id from models where name = :model),
        case when exists (select from models where name = :model) then null else :model end)
returning id
"""
RANKING = """
insert into rankings (task_id, slate_id, labeler_id, version, is_current, request_key,
                      request_hash, guideline_version_id, display_order, purpose, occasion)
select id, slate_id, labeler_id, :version, :is_current, :request_key, '',
       :guideline_version_id, :display_order, purpose, occasion
from tasks where id = :task_id
returning id
"""
ITEM = """
insert into ranking_items (ranking_id, response_id, rank, rating)
values (:ranking_id, :response_id, :rank, :rating)
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
            text("insert into rounds (project_id, number, source)"
                 " values (:project_id, :number, 'imported') returning id"),
            {**here, "number": number},
        )  # fmt: skip
    seeded = Seeded(
        ProjectView(
            project_id, slug, "Seeded", 2, 0.15, 1, "Prefer the helpful answer.", ScreenSettings()
        ),
        [],
        [],
    )
    for number, slate in enumerate(slates):
        await _seed_slate(
            tx, seeded, slate, number, round_id=rounds[slate.round], people=people,
            guideline_version_id=created.id,
        )  # fmt: skip
    await tx.flush()
    return seeded


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
    for response_id, rank in zip(made.display_order, dense_ranks(ranks), strict=True):
        await tx.execute(
            text(ITEM),
            {"ranking_id": made.id, "response_id": response_id, "rank": rank, "rating": None},
        )


async def _seed_slate(
    tx: AsyncSession,
    seeded: Seeded,
    slate: GivenSlate,
    number: int,
    *,
    round_id: int,
    people: list[int],
    guideline_version_id: int,
) -> None:
    asked = slate.prompt or f"Prompt {number}"
    prompt_id = await tx.scalar(
        text(PROMPT),
        {
            "project_id": seeded.project.id,
            "external_id": f"p-{number}",
            "messages": json.dumps([{"role": "user", "content": asked}]),
            "hash": sha256(f"{number} {asked}".encode()).digest(),
            "split": slate.split,
            "tags": list(slate.tags),
        },
    )
    slate_id = await tx.scalar(
        text("insert into slates (round_id, prompt_id, status, places)"
             " values (:round_id, :prompt_id, 'ready', 9) returning id"),
        {"round_id": round_id, "prompt_id": prompt_id},
    )  # fmt: skip
    models = slate.models or [None] * len(slate.texts)
    responses = [
        await tx.scalar(
            text(RESPONSE),
            {"slate_id": slate_id, "position": i, "text": words, "model": model},
        )
        for i, (words, model) in enumerate(zip(slate.texts, models, strict=True))
    ]
    seeded.slates.append(slate_id)
    seeded.responses.append(responses)
    for place, given in enumerate(slate.rankings, start=1):
        task_id = await tx.scalar(
            text("insert into tasks (project_id, slate_id, place, status, labeler_id, purpose,"
                 " occasion, asked_round_id)"
                 " values (:project_id, :slate_id, :place, 'done', :labeler_id, :purpose,"
                 " (select count(*) from tasks"
                 "  where slate_id = :slate_id and labeler_id = :labeler_id), :asked_round_id)"
                 " returning id"),
            {
                "purpose": given.purpose,
                "asked_round_id": round_id if given.is_check else None,
                "project_id": seeded.project.id,
                "slate_id": slate_id,
                "place": 0 if given.is_check else place,
                "labeler_id": people[given.labeler - 1],
            },
        )  # fmt: skip
        for version, ranks in enumerate(given.versions, start=1):
            ranking_id = await tx.scalar(
                text(RANKING),
                {
                    "task_id": task_id,
                    "version": version,
                    "is_current": version == len(given.versions),
                    "request_key": uuid.uuid4(),
                    "guideline_version_id": guideline_version_id,
                    "display_order": responses,
                },
            )
            ratings = given.ratings or [None] * len(ranks)
            for response_id, rank, rating in zip(
                responses, dense_ranks(ranks), ratings, strict=True
            ):
                await tx.execute(
                    text(ITEM),
                    {
                        "ranking_id": ranking_id,
                        "response_id": response_id,
                        "rank": rank,
                        "rating": rating,
                    },
                )
