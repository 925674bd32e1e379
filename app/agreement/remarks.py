"""Reads of what is said about rankings: labelers object to a consensus, admins answer."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from app.accounts.viewer import Viewer
from app.projects.queries import ProjectView

PAGE_SIZE = 20
NEWEST_ANSWERS = 3

# Labelers see what admins say on the slate and what they have said themselves.
ON_SLATE = text("""
select m.text, m.created_at, m.ranking_id is not null as is_own
from remarks m
where m.slate_id = :slate_id and (m.ranking_id is null or m.author_id = :viewer_id)
order by m.id
""")

ANSWERS = text("""
select distinct on (answer.id) answer.text, answer.created_at, r.id
from remarks mine
join rankings r on r.slate_id = mine.slate_id and r.labeler_id = mine.author_id
               and r.is_current and not r.is_check
join remarks answer on answer.slate_id = mine.slate_id and answer.ranking_id is null
                   and answer.id > mine.id
join slates s on s.id = mine.slate_id
join rounds d on d.id = s.round_id
where mine.author_id = :viewer_id and mine.ranking_id is not null and d.project_id = :project_id
order by answer.id desc
limit :limit
""")

OBJECTIONS = text("""
select m.id, m.text, m.created_at, coalesce(member.pseudonym, 'former-' || m.author_id),
       p.messages, d.number, m.slate_id,
       array(select answer.text from remarks answer
             where answer.slate_id = m.slate_id and answer.ranking_id is null order by answer.id)
from remarks m
join slates s on s.id = m.slate_id
join rounds d on d.id = s.round_id
join prompts p on p.id = s.prompt_id
left join project_members member
       on member.project_id = d.project_id and member.user_id = m.author_id
where d.project_id = :project_id and m.ranking_id is not null
  and (cast(:before as bigint) is null or m.id < :before)
order by m.id desc limit :limit
""")

# Everything that was said about a slate, for admins.
ABOUT_SLATE = text("""
select m.id, m.text, m.created_at, u.name as author,
       case when m.ranking_id is not null
            then coalesce(member.pseudonym, 'former-' || m.author_id) end as labeler
from remarks m
join slates s on s.id = m.slate_id
join rounds d on d.id = s.round_id
join users u on u.id = m.author_id
left join project_members member
       on member.project_id = d.project_id and member.user_id = m.author_id
where m.slate_id = :slate_id and d.project_id = :project_id
order by m.id
""")


@dataclass(frozen=True)
class SlateRemark:
    """A remark as admins see it; `labeler` is a pseudonym, None of what an admin says."""

    id: int
    text: str
    created_at: datetime
    author: str
    labeler: str | None

    @property
    def is_objection(self) -> bool:
        """Whether a labeler says it of their own ranking."""
        return self.labeler is not None


@dataclass(frozen=True)
class RemarkView:
    """A remark on a slate: the viewer's own, or an admin's."""

    text: str
    created_at: datetime
    is_own: bool


@dataclass(frozen=True)
class AnswerView:
    """What an admin said about a slate after the viewer had objected."""

    text: str
    created_at: datetime
    ranking_id: int


@dataclass(frozen=True)
class Objection:
    """A labeler's remark as admins see it, with what admins have said on the slate."""

    id: int
    text: str
    created_at: datetime
    labeler: str
    messages: list[dict[str, str]]
    round: int
    slate_id: int
    answers: list[str]


@dataclass(frozen=True)
class ObjectionPage:
    """Some objections, newest first; `next_before` is None on the last page."""

    objections: list[Objection]
    next_before: int | None


async def remarks_on(tx: AsyncSession, viewer: Viewer, slate_id: int) -> list[RemarkView]:
    """What the viewer may read about a slate that they may compare, oldest first."""
    rows = await tx.execute(ON_SLATE, {"slate_id": slate_id, "viewer_id": viewer.id})
    return [RemarkView(*row) for row in rows]


async def remarks_about(tx: AsyncSession, project: ProjectView, slate_id: int) -> list[SlateRemark]:
    """Everything that was said about a slate, oldest first; for admins."""
    rows = await tx.execute(ABOUT_SLATE, {"slate_id": slate_id, "project_id": project.id})
    return [SlateRemark(*row) for row in rows]


async def answers_for(tx: AsyncSession, viewer: Viewer, project: ProjectView) -> list[AnswerView]:
    """The newest answers to the viewer's remarks."""
    rows = await tx.execute(
        ANSWERS, {"viewer_id": viewer.id, "project_id": project.id, "limit": NEWEST_ANSWERS}
    )
    return [AnswerView(*row) for row in rows]


async def objections_of(
    tx: AsyncSession, project: ProjectView, *, before: int | None
) -> ObjectionPage:
    """The labelers' remarks with ids below `before`, for admins."""
    found = await tx.execute(
        OBJECTIONS, {"project_id": project.id, "before": before, "limit": PAGE_SIZE + 1}
    )
    rows = [Objection(*row) for row in found]
    shown = rows[:PAGE_SIZE]
    return ObjectionPage(shown, shown[-1].id if len(rows) > PAGE_SIZE else None)
