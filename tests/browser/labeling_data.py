"""Projects that a labeler can work in, and what their database holds afterwards."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import count

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from app.accounts.commands import create_user
from app.accounts.viewer import Viewer
from app.db import transaction
from app.projects.commands import NewProject, add_member, create_project, mark_guidelines_read
from app.projects.flags import DEFAULT_FLAGS
from tests.slates import make_slates

PASSWORD = "correct horse battery"
GUIDELINES = (
    "# What counts\n\nPrefer the **helpful** answer.\n\n1. Follow the request.\n2. Be true."
)
MODELS = ("secret-sft-model", "secret-ppo-policy")
NUMBERS = count(1)
PATIENCE_S = 20
NAME_MODELS = text("""
update responses set model_name = (cast(:models as text[]))[1 + position % 2]
where slate_id in (select id from slates where round_id = :round_id)
""")
WRITE = text("""
update responses set text = (cast(:texts as text[]))[position]
where slate_id in (select id from slates where round_id = :round_id)
  and position <= cardinality(cast(:texts as text[]))
""")


@dataclass(frozen=True)
class Place:
    """A project with a labeler who is a member of it."""

    slug: str
    project_id: int
    email: str
    labeler_id: int

    @property
    def label(self) -> str:
        """The address of the labeling screen."""
        return f"/projects/{self.slug}/label"


async def make_place(
    engine: AsyncEngine,
    *,
    slates: int = 2,
    responses: int = 4,
    texts: Sequence[str] = (),
    has_read: bool = True,
) -> Place:
    """Make a project, its labeler and a round of slates; `texts` replace the first answers."""
    number = next(NUMBERS)
    async with transaction(engine) as tx:
        admin_id, labeler_id = [
            await create_user(tx, email=email, name=name, role=role, password=PASSWORD)
            for email, name, role in (
                (f"admin{number}@example.org", "Ada Admin", "admin"),
                (f"labeler{number}@example.org", "Lee Labeler", "labeler"),
            )
        ]
        admin = Viewer(admin_id, "", "", "admin")
        project = await create_project(
            tx, admin,
            NewProject(f"pilot-{number}", f"Pilot {number}", GUIDELINES, 1, 0.0, DEFAULT_FLAGS),
        )  # fmt: skip
        email = f"labeler{number}@example.org"
        await add_member(tx, project, email)
        if has_read:
            labeler = Viewer(labeler_id, email, "", "labeler")
            await mark_guidelines_read(tx, project, labeler, project.guidelines_version)
        round_id = await make_slates(tx, project_id=project.id, count=slates, responses=responses)
        await tx.execute(NAME_MODELS, {"round_id": round_id, "models": list(MODELS)})
        await tx.execute(WRITE, {"round_id": round_id, "texts": list(texts)})
    return Place(project.slug, project.id, email, labeler_id)


STORED = text("""
select r.display_order, r.note, r.version,
       jsonb_object_agg(i.response_id, jsonb_build_object(
           'rank', i.rank, 'rating', i.rating, 'flags', i.flags, 'note', i.note)) as items
from rankings r join ranking_items i on i.ranking_id = r.id
where r.labeler_id = :labeler_id
group by r.id order by r.id
""")
TASKS = text("select status, skip_reason from tasks where project_id = :project_id order by id")


@dataclass(frozen=True)
class Item:
    """What was stored about one response."""

    rank: int | None
    rating: int | None
    flags: Sequence[str] = ()
    note: str | None = None


@dataclass(frozen=True)
class StoredRanking:
    """What a labeler submitted; `items` by response id."""

    display_order: list[int]
    note: str | None
    version: int
    items: dict[int, Item]


async def stored_rankings(
    engine: AsyncEngine, place: Place, at_least: int = 1
) -> list[StoredRanking]:
    """Everything that the labeler of a place has submitted, in order, once there is so much.

    Rankings are sent in the background: the screen shows the next task before they are stored.
    """
    for _ in range(PATIENCE_S * 20):
        async with transaction(engine) as tx:
            found = (await tx.execute(STORED, {"labeler_id": place.labeler_id})).all()
        if len(found) >= at_least:
            break
        await asyncio.sleep(0.05)
    return [
        StoredRanking(
            row.display_order, row.note, row.version,
            {int(key): Item(**item) for key, item in row.items.items()},
        )
        for row in found
    ]  # fmt: skip


async def task_states(engine: AsyncEngine, place: Place) -> list[tuple[str, str | None]]:
    """Status and skip reason of every task of the place's project."""
    async with transaction(engine) as tx:
        rows = await tx.execute(TASKS, {"project_id": place.project_id})
        return [(row.status, row.skip_reason) for row in rows]


async def expire_leases(engine: AsyncEngine, place: Place) -> None:
    """Let the labeler's hold on a task end now."""
    async with transaction(engine) as tx:
        await tx.execute(
            text("update tasks set lease_expires_at = now() - interval '1 minute' "
                 "where project_id = :project_id and status = 'leased'"),
            {"project_id": place.project_id},
        )  # fmt: skip


async def give_away(engine: AsyncEngine, place: Place, task: str) -> None:
    """Let somebody else have the task."""
    async with transaction(engine) as tx:
        await tx.execute(
            text("update tasks set labeler_id = (select id from users where role = 'admin' "
                 "order by id desc limit 1) where id = :task and project_id = :project_id"),
            {"task": int(task), "project_id": place.project_id},
        )  # fmt: skip
