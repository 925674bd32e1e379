"""Reads of prompts, demonstrations and pretraining texts, for admins."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from app.projects.queries import ProjectView
from app.prompts.split import Split

PAGE = text("""
select id, external_id, messages, split, group_key, tags, created_at from prompts
where project_id = :project_id and id > :after
  and (cast(:split as text) is null or split = :split)
  and (cast(:tag as text) is null or :tag = any(tags))
order by id limit :limit
""")

COUNTS = text("""
select split, count(*) from prompts where project_id = :project_id group by split
""")

TAGS = text("""
select tag, count(*) as prompts from prompts, unnest(tags) as tag
where project_id = :project_id group by tag order by prompts desc, tag limit :limit
""")

HAS_PRETRAINING = text("""
select exists (select from pretraining_texts where project_id = :project_id)
""")
OTHER_COUNTS = text("""
select (select count(*) from demonstrations where project_id = :project_id),
       (select count(*) from pretraining_texts where project_id = :project_id)
""")
MAX_TAGS_SHOWN = 30


@dataclass(frozen=True)
class PromptView:
    """A prompt as admins see it."""

    id: int
    external_id: str
    messages: list[dict[str, str]]
    split: Split
    group: str
    tags: list[str]
    created_at: datetime


@dataclass(frozen=True)
class PromptPage:
    """Some prompts in the order of their ids; `next_after` is None on the last page."""

    prompts: list[PromptView]
    next_after: int | None


async def prompt_page(
    tx: AsyncSession,
    project: ProjectView,
    *,
    after: int = 0,
    limit: int = 50,
    split: Split | None = None,
    tag: str | None = None,
) -> PromptPage:
    """The prompts with ids above `after`, at most `limit` of them."""
    rows = await tx.execute(
        PAGE,
        {
            "project_id": project.id,
            "after": after,
            "limit": limit + 1,
            "split": split,
            "tag": tag,
        },
    )
    found = [PromptView(*row) for row in rows]
    next_after = found[limit - 1].id if len(found) > limit else None
    return PromptPage(found[:limit], next_after)


@dataclass(frozen=True)
class Counts:
    """How much a project has been given."""

    prompts: int
    by_split: dict[str, int]
    by_tag: dict[str, int]
    demonstrations: int
    pretraining: int


async def has_pretraining_texts(tx: AsyncSession, project: ProjectView) -> bool:
    """Whether the project has texts for the pretraining mix of PPO."""
    return bool(await tx.scalar(HAS_PRETRAINING, {"project_id": project.id}))


async def counts_of(tx: AsyncSession, project: ProjectView) -> Counts:
    """Counts by split and by the most frequent tags."""
    key = {"project_id": project.id}
    found = {row[0]: row[1] for row in await tx.execute(COUNTS, key)}
    tags = await tx.execute(TAGS, {**key, "limit": MAX_TAGS_SHOWN})
    demonstrations, pretraining = (await tx.execute(OTHER_COUNTS, key)).one()
    return Counts(
        prompts=sum(found.values()),
        by_split={split: found.get(split, 0) for split in ("train", "validation", "test")},
        by_tag={row[0]: row[1] for row in tags},
        demonstrations=demonstrations,
        pretraining=pretraining,
    )
