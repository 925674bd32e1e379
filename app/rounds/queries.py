"""Reads of rounds, slates and responses; for admins, since they name the models."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from app.errors import NotFoundError
from app.projects.queries import ProjectView

ROUNDS = text("""
select r.id, r.number, r.source, r.responses_per_prompt, r.sampling, r.created_at,
       array(select m.name from round_models rm join models m on m.id = rm.model_id
             where rm.round_id = r.id order by m.id) as models,
       slate.ready, slate.pending, slate.unusable, task.open, task.leased, task.done,
       run.id, run.status, run.error, r.closed_at,
       r.labels_per_slate, r.overlap_share, r.gold_share, r.anchor_share, r.repeat_share
from rounds r
cross join lateral (
    select count(*) filter (where s.status = 'ready') as ready,
           count(*) filter (where s.status = 'pending') as pending,
           count(*) filter (where s.status = 'unusable') as unusable
    from slates s where s.round_id = r.id
) slate
cross join lateral (
    select count(*) filter (where t.status = 'open') as open,
           count(*) filter (where t.status = 'leased') as leased,
           count(*) filter (where t.status = 'done') as done
    from slates s join tasks t on t.slate_id = s.id and not t.is_check where s.round_id = r.id
) task
left join lateral (
    select id, status, error from runs where round_id = r.id order by id desc limit 1
) run on true
where r.project_id = :project_id and (cast(:number as bigint) is null or r.number = :number)
order by r.number desc
""")

SLATES = text("""
select s.id, s.status, s.places, p.id, p.external_id, p.messages,
       (select count(*) from tasks t
        where t.slate_id = s.id and t.status = 'done' and not t.is_check)
from slates s join prompts p on p.id = s.prompt_id
where s.round_id = :round_id and s.id > :after
  and (cast(:status as text) is null or s.status = :status)
  and (not :with_problems or exists (
      select from responses r where r.slate_id = s.id and r.problem is not null))
order by s.id limit :limit
""")

RESPONSES = text("""
select r.slate_id, r.id, r.position, r.text, coalesce(m.name, r.model_name), r.seed, r.temperature,
       r.top_p, r.max_new_tokens, r.attempts, r.finish, r.problem
from responses r left join models m on m.id = r.model_id
where r.slate_id = any(cast(:slate_ids as bigint[]))
order by r.slate_id, r.position
""")

PENDING = text("""
select s.id, p.group_key, p.split, p.messages
from slates s join prompts p on p.id = s.prompt_id
where s.round_id = :round_id and s.status = 'pending'
order by s.id
""")

PROMPT_COUNTS = text("""
select split, count(*) from prompts where project_id = :project_id group by split
""")


@dataclass(frozen=True)
class RoundView:
    """A round: how far its slates, its tasks, and its run are, and who labels what (`Overlap`)."""

    id: int
    number: int
    source: str
    responses_per_prompt: int | None
    sampling: dict[str, Any] | None
    created_at: datetime
    models: list[str]
    ready: int
    pending: int
    unusable: int
    tasks_open: int
    tasks_leased: int
    tasks_done: int
    run_id: int | None
    run_status: str | None
    run_error: str | None
    closed_at: datetime | None
    labels_per_slate: int
    overlap_share: float
    gold_share: float
    anchor_share: float
    repeat_share: float

    @property
    def slates(self) -> int:
        """All of its slates."""
        return self.ready + self.pending + self.unusable

    @property
    def is_closed(self) -> bool:
        """Whether its labeling has ended."""
        return self.closed_at is not None

    @property
    def tasks(self) -> int:
        """The tasks that are done or will be."""
        return self.tasks_open + self.tasks_leased + self.tasks_done

    @property
    def sampled_share(self) -> float:
        """The share of its slates that are not pending, 0..1."""
        return 1 - self.pending / self.slates if self.slates else 1.0

    @property
    def is_sampling(self) -> bool:
        """Whether its run is still at it."""
        return self.run_status in ("queued", "running")


@dataclass(frozen=True)
class ResponseView:
    """A response with what it was sampled with."""

    id: int
    position: int
    text: str
    model: str | None
    seed: int | None
    temperature: float | None
    top_p: float | None
    max_new_tokens: int | None
    attempts: int
    finish: str | None
    problem: str | None


@dataclass(frozen=True)
class SlateView:
    """A slate with its prompt and responses."""

    id: int
    status: str
    places: int
    prompt_id: int
    external_id: str
    messages: list[dict[str, str]]
    rankings: int
    responses: list[ResponseView] = field(default_factory=list)


@dataclass(frozen=True)
class SlatePage:
    """Some slates in the order of their ids; `next_after` is None on the last page."""

    slates: list[SlateView]
    next_after: int | None


@dataclass(frozen=True)
class PendingSlate:
    """A slate that waits for its responses."""

    id: int
    group: str
    split: str
    messages: list[dict[str, str]]


async def rounds_of(tx: AsyncSession, project: ProjectView) -> list[RoundView]:
    """The project's rounds, newest first."""
    rows = await tx.execute(ROUNDS, {"project_id": project.id, "number": None})
    return [RoundView(*row) for row in rows]


async def round_of(tx: AsyncSession, project: ProjectView, number: int) -> RoundView:
    """The project's round with this number.

    Raises:
        NotFoundError: there is none.
    """
    rows = await tx.execute(ROUNDS, {"project_id": project.id, "number": number})
    row = rows.one_or_none()
    if row is None:
        raise NotFoundError("The project has no round with this number.")
    return RoundView(*row)


async def slates_of(
    tx: AsyncSession,
    round_id: int,
    *,
    after: int = 0,
    limit: int = 20,
    status: str | None = None,
    with_problems: bool = False,
) -> SlatePage:
    """The round's slates with ids above `after`, with two statements whatever the limit.

    Args:
        tx: the caller's transaction.
        round_id: the round.
        after: the last id of the page before.
        limit: how many at most.
        status: only slates in this status.
        with_problems: only slates of which a response is empty or a duplicate.
    """
    found = await tx.execute(
        SLATES,
        {
            "round_id": round_id,
            "after": after,
            "limit": limit + 1,
            "status": status,
            "with_problems": with_problems,
        },
    )
    rows = found.all()
    slates = {row[0]: SlateView(*row) for row in rows[:limit]}
    for row in await tx.execute(RESPONSES, {"slate_ids": list(slates)}):
        slates[row[0]].responses.append(ResponseView(*row[1:]))
    next_after = rows[limit - 1][0] if len(rows) > limit else None
    return SlatePage(list(slates.values()), next_after)


async def pending_slates(tx: AsyncSession, round_id: int) -> list[PendingSlate]:
    """The slates that wait for responses: all of them at first, the rest after an interruption."""
    rows = await tx.execute(PENDING, {"round_id": round_id})
    return [PendingSlate(*row) for row in rows]


async def prompts_by_split(tx: AsyncSession, project: ProjectView) -> dict[str, int]:
    """How many prompts there are to sample for."""
    rows = await tx.execute(PROMPT_COUNTS, {"project_id": project.id})
    return {row[0]: row[1] for row in rows}
