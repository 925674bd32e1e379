"""A project whose labelers ask for tasks and rank them, without HTTP in between."""

import json
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from app.accounts.viewer import Viewer
from app.db import transaction
from app.labeling.commands import Submitted, submit_ranking
from app.labeling.next_task import lease_next_task
from app.labeling.schemas import RankingIn, TaskOut
from app.projects.queries import ProjectView, project_for
from tests.slates import make_slates

PROJECT = """
with made as (
    insert into projects (slug, name, labels_per_slate, overlap_share, screen)
    values (:slug, 'Asking', 1, 0.15, cast(:screen as jsonb)) returning id
), flag as (
    insert into flags (project_id, key, label, position, is_severe)
    select id, key, key, place, is_severe from made,
         (values ('harm', 1, true), ('dull', 2, false)) given (key, place, is_severe)
)
insert into guideline_versions (project_id, version, text)
select id, 1, 'Be fair.' from made returning project_id
"""
PERSON = """
insert into users (email, name, role, password_hash)
values (:email, :email, :role, 'x') returning id
"""
MEMBER = """
insert into project_members (project_id, user_id, pseudonym) values (:project_id, :id, :pseudonym)
"""
NO_CHECKS = {"gold_share": 0.0, "anchor_share": 0.0, "repeat_share": 0.0}


def ranked(
    task: TaskOut,
    *,
    reverse: bool = False,
    flags: Mapping[int, list[str]] | None = None,
    ties: bool = False,
) -> RankingIn:
    """By id: the same for all but those who reverse it or tie all."""
    by_id = sorted((response.id for response in task.responses), reverse=reverse)
    return RankingIn.model_validate(
        {
            "lease_token": task.lease_token,
            "responses": [
                {
                    "id": response.id,
                    "rank": 1 if ties else by_id.index(response.id) + 1,
                    "rating": 4,
                    "flags": (flags or {}).get(response.id, []),
                }
                for response in task.responses
            ],
        }
    )


@dataclass(frozen=True)
class Asking:
    """The project, its admin and its labelers; a labeler is named by their index."""

    engine: AsyncEngine
    project: ProjectView
    admin: Viewer
    people: Sequence[Viewer]

    async def ask(self, who: int) -> TaskOut | None:
        async with transaction(self.engine) as tx:
            return await lease_next_task(
                tx, self.people[who], slug=self.project.slug, lease_minutes=45
            )

    async def rank(
        self,
        who: int,
        task: TaskOut,
        *,
        reverse: bool = False,
        flags: Mapping[int, list[str]] | None = None,
        ties: bool = False,
    ) -> Submitted:
        """Submit what `ranked` says."""
        ranking = ranked(task, reverse=reverse, flags=flags, ties=ties)
        async with transaction(self.engine) as tx:
            return await submit_ranking(
                tx, self.people[who], task_id=task.id, request_key=uuid.uuid4(), ranking=ranking
            )

    async def work(self, who: int, **how: object) -> TaskOut | None:
        """Ask and rank."""
        task = await self.ask(who)
        if task is not None:
            await self.rank(who, task, **how)
        return task

    async def rows(self, query: str, **values: object) -> list[dict[str, object]]:
        async with transaction(self.engine) as tx:
            return [dict(row) for row in (await tx.execute(text(query), values)).mappings()]

    async def column(self, query: str, **values: object) -> list[object]:
        return [next(iter(row.values())) for row in await self.rows(query, **values)]

    async def change(self, statement: str, **values: object) -> None:
        async with transaction(self.engine) as tx:
            await tx.execute(text(statement), values)

    async def add_round(self, **how: int) -> int:
        """A round with its slates; its id."""
        async with transaction(self.engine) as tx:
            return await make_slates(tx, project_id=self.project.id, **how)


async def asking(
    engine: AsyncEngine, *, labelers: int = 2, screen: Mapping[str, object] = {}, **slates: int
) -> Asking:
    """Make it, with the slates of `make_slates`; without `screen` there are no checks."""
    slug = "asking"
    async with transaction(engine) as tx:
        settings = json.dumps({**NO_CHECKS, **screen})
        project_id = await tx.scalar(text(PROJECT), {"slug": slug, "screen": settings})
        people = []
        for number in range(labelers + 1):
            email, role = f"p{number}@example.org", "labeler" if number else "admin"
            id_ = await tx.scalar(text(PERSON), {"email": email, "role": role})
            people.append(Viewer(id_, email, email, role))
            if number:
                await tx.execute(
                    text(MEMBER),
                    {"project_id": project_id, "id": id_, "pseudonym": f"L-{number:02}"},
                )
        await make_slates(tx, project_id=project_id, **slates)
        project = await project_for(tx, people[0], slug)
    return Asking(engine, project, people[0], people[1:])
