"""Sending a labeler to re-qualification: their next tasks have known answers, until it is done.

Recorded and reversible; it takes nothing that they have ranked out of anything.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from app.accounts.viewer import Viewer
from app.errors import ConflictError, NotFoundError
from app.labeling.check_leases import GIVEN
from app.projects.labelers import labeler_of
from app.projects.queries import ProjectView
from app.rounds.places import SEVERE_KINDS, WITHDRAWN
from app.web.translation import gettext

# As many as screening asks for (statistics' standard error is then about 4 points).
MOST_ANSWERS = 15

LEFT = text(f"""
select count(*) from (
    {GIVEN["gold"]} and not {WITHDRAWN.format(slate_id="s.id")}
) known
""")  # noqa: S608 - all of it is ours

# Whoever decides about the same labeler at this moment waits.
MEMBER = text("""
select from project_members where project_id = :project_id and user_id = :labeler_id
for no key update
""")

START = text("""
insert into requalifications (project_id, user_id, reason, wanted, created_by)
values (:project_id, :labeler_id, :reason, :wanted, :viewer_id)
""")

END = text("""
update requalifications set ended_at = now(), ended_by = :viewer_id where id = :id
""")

ALL = text("""
select q.user_id, q.id, q.reason, q.wanted, creator.name as created_by, q.created_at,
       ender.name as ended_by, q.ended_at,
       least(q.wanted, given.answered) as answered, least(q.wanted, given.asked) as asked
from requalifications q
cross join lateral (
    select count(*) filter (where t.status in ('done', 'skipped')) as answered,
           count(*) filter (where t.status <> 'void') as asked
    from tasks t
    where t.labeler_id = q.user_id and t.project_id = q.project_id and t.purpose = 'gold'
      and t.leased_at >= q.created_at and (q.ended_at is null or t.leased_at < q.ended_at)
) given
join users creator on creator.id = q.created_by
left join users ender on ender.id = q.ended_by
where q.project_id = :project_id
  and (cast(:labeler_id as bigint) is null or q.user_id = :labeler_id)
order by q.id desc
""")


@dataclass(frozen=True)
class Requalification:
    """One that was asked for.

    Attributes:
        id: its own.
        reason: why.
        wanted: how many known answers the labeler is asked for.
        created_by: who asked for it.
        created_at: when.
        ended_by: who ended it before it was done.
        ended_at: when.
        answered: of those wanted, how many the labeler has been through.
        asked: how many were given to them, the one at work among them.
    """

    id: int
    reason: str
    wanted: int
    created_by: str
    created_at: datetime
    ended_by: str | None
    ended_at: datetime | None
    answered: int
    asked: int

    @property
    def is_running(self) -> bool:
        """Whether the labeler's next tasks are of it."""
        return self.ended_at is None and self.answered < self.wanted

    def is_stuck(self, left: int) -> bool:
        """Whether it waits for known answers, when `left` could be asked for now."""
        return self.is_running and self.to_come(left) == 0

    def to_come(self, left: int) -> int:
        """How many known answers are still coming, when `left` could be asked for now."""
        return min(self.wanted, self.asked + left) - self.answered


async def start_requalification(
    tx: AsyncSession, viewer: Viewer, project: ProjectView, pseudonym: str, *, reason: str
) -> Requalification:
    """Let the labeler's next tasks have known answers that are new to them, fifteen at most.

    Raises:
        NotFoundError: the project has no such labeler.
        ConflictError: one is running, or there is no such known answer.
    """
    labeler = await labeler_of(tx, project, pseudonym)
    names = {"project_id": project.id, "labeler_id": labeler.user_id}
    await tx.execute(MEMBER, names)
    if any(one.is_running for one in await requalifications_of(tx, project, labeler.user_id)):
        raise ConflictError(
            gettext("This labeler is in re-qualification already."), code="already_requalifying"
        )
    left = await known_answers_left(tx, project, labeler.user_id)
    if left == 0:
        raise ConflictError(
            gettext("There is no known answer that this labeler was not asked for."),
            code="no_known_answers",
        )
    await tx.execute(
        START,
        {**names, "reason": reason, "wanted": min(left, MOST_ANSWERS), "viewer_id": viewer.id},
    )
    return (await requalifications_of(tx, project, labeler.user_id))[0]


async def end_requalification(
    tx: AsyncSession, viewer: Viewer, project: ProjectView, pseudonym: str
) -> Requalification:
    """Give the labeler ordinary tasks again; what they answered stays.

    Raises:
        NotFoundError: the project has no such labeler, or none is running.
    """
    labeler = await labeler_of(tx, project, pseudonym)
    await tx.execute(MEMBER, {"project_id": project.id, "labeler_id": labeler.user_id})
    found = await requalifications_of(tx, project, labeler.user_id)
    running = next((one for one in found if one.is_running), None)
    if running is None:
        raise NotFoundError(gettext("This labeler is not in re-qualification."))
    await tx.execute(END, {"id": running.id, "viewer_id": viewer.id})
    found = await requalifications_of(tx, project, labeler.user_id)
    return next(one for one in found if one.id == running.id)


async def known_answers_left(tx: AsyncSession, project: ProjectView, user_id: int) -> int:
    """How many known answers the labeler could be asked for."""
    left = await tx.scalar(
        LEFT,
        {
            "project_id": project.id,
            "labeler_id": user_id,
            "severe_kinds": list(SEVERE_KINDS),
        },
    )
    return int(left or 0)


async def known_answers_to_come(tx: AsyncSession, project: ProjectView, user_id: int) -> int:
    """How many of the labeler's next tasks are re-qualification, the one at work among them."""
    for one in await requalifications_of(tx, project, user_id):
        if one.is_running:
            return one.to_come(await known_answers_left(tx, project, user_id))
    return 0


async def requalifications_of(
    tx: AsyncSession, project: ProjectView, user_id: int
) -> list[Requalification]:
    """All of one labeler, newest first."""
    rows = await tx.execute(ALL, {"project_id": project.id, "labeler_id": user_id})
    return [_view(*row) for row in rows]


async def running_requalifications(
    tx: AsyncSession, project: ProjectView
) -> dict[int, Requalification]:
    """Those that are running, by user."""
    rows = await tx.execute(ALL, {"project_id": project.id, "labeler_id": None})
    every = [(row.user_id, _view(*row)) for row in rows]
    return {user_id: one for user_id, one in every if one.is_running}


def _view(_user_id: int, *values: Any) -> Requalification:  # noqa: ANN401 columns of a row
    return Requalification(*values)
