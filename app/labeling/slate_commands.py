"""What admins decide about one slate: a known answer, an anchor, one more label.

Who decided it, when, and why, if they say so, is recorded.
"""

import json
from collections.abc import Mapping
from typing import Any, Literal

from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncSession

from app.accounts.viewer import Viewer
from app.errors import ConflictError, InvalidError, NotFoundError
from app.labeling.ranking import comparisons_of, dense_ranks
from app.projects.queries import ProjectView
from app.rounds.places import MAX_LABELS, open_another_place
from app.web.translation import gettext

OFFERED = text("""
select s.status, s.places,
       array(select r.id from responses r where r.slate_id = s.id and r.problem is null
             order by r.position) as responses
from slates s join rounds d on d.id = s.round_id
where s.id = :slate_id and d.project_id = :project_id
""")

MAKE_GOLD = text("""
insert into gold (slate_id, ranks, explanation, created_by)
values (:slate_id, cast(:ranks as jsonb), :explanation, :viewer_id)
on conflict (slate_id) do update
set ranks = excluded.ranks, explanation = excluded.explanation, created_by = excluded.created_by,
    created_at = now(), retired_at = null
""")

RETIRE_GOLD = text("""
update gold set retired_at = coalesce(retired_at, now())
from slates s join rounds d on d.id = s.round_id
where gold.slate_id = :slate_id and s.id = gold.slate_id and d.project_id = :project_id
returning gold.slate_id
""")

SET_ANCHOR = text("update slates set is_anchor = :is_anchor where id = :slate_id")

RECORD = text("""
insert into slate_decisions (slate_id, kind, reason, created_by)
values (:slate_id, :kind, nullif(:reason, ''), :viewer_id)
""")
# All but `gold`, which needs an answer.
Decision = Literal["gold_retired", "anchor", "anchor_ended", "another_label"]


async def make_gold(
    tx: AsyncSession,
    viewer: Viewer,
    project: ProjectView,
    slate_id: int,
    *,
    ranks: Mapping[int, int | None],
    explanation: str,
) -> dict[int, int | None]:
    """Store the known answer of a slate, which labelers are asked about from now on.

    Done again it replaces the answer, and a retired one is asked again.

    Args:
        tx: the caller's transaction.
        viewer: an admin.
        project: the slate's project.
        slate_id: the slate.
        ranks: rank by response id, 1 is best; equal ones, None, and what is absent say nothing.
        explanation: why, for those who review answers.

    Returns:
        The ranks of all responses as they are stored: dense, None where nothing is said.

    Raises:
        NotFoundError: the project has no such slate.
        InvalidError: the slate is not offered, a response is not of it, or no pair is ordered.
    """
    responses = await _offered(tx, project, slate_id)
    if not ranks.keys() <= set(responses):
        raise InvalidError(
            gettext("A rank names a response that this slate does not offer."),
            code="unknown_response",
        )
    dense = dense_ranks([ranks.get(response) for response in responses])
    if not comparisons_of(dense).strict:
        raise InvalidError(
            gettext("A known answer has to say of two responses which one is better."),
            code="gold_says_nothing",
        )
    stored = dict(zip(responses, dense, strict=True))
    await tx.execute(
        MAKE_GOLD,
        {
            "slate_id": slate_id,
            "ranks": json.dumps(stored),
            "explanation": explanation,
            "viewer_id": viewer.id,
        },
    )
    await _record(tx, viewer, slate_id, "gold", explanation)
    return stored


async def decide(
    tx: AsyncSession,
    viewer: Viewer,
    project: ProjectView,
    slate_id: int,
    decision: Decision,
    *,
    reason: str,
) -> None:
    """Do what the decision's name says; what can go wrong is said where that is done."""
    if decision == "gold_retired":
        await retire_gold(tx, viewer, project, slate_id, reason=reason)
    elif decision == "another_label":
        await ask_another_label(tx, viewer, project, slate_id, reason=reason)
    else:
        is_anchor = decision == "anchor"
        await set_anchor(tx, viewer, project, slate_id, is_anchor=is_anchor, reason=reason)


async def retire_gold(
    tx: AsyncSession, viewer: Viewer, project: ProjectView, slate_id: int, *, reason: str = ""
) -> None:
    """Ask nobody about this known answer any more; what was answered stays.

    Raises:
        NotFoundError: the project has no known answer for such a slate.
    """
    retired = await tx.scalar(RETIRE_GOLD, {"slate_id": slate_id, "project_id": project.id})
    if retired is None:
        raise NotFoundError(gettext("The project has no known answer for this slate."))
    await _record(tx, viewer, slate_id, "gold_retired", reason)


async def set_anchor(
    tx: AsyncSession,
    viewer: Viewer,
    project: ProjectView,
    slate_id: int,
    *,
    is_anchor: bool,
    reason: str = "",
) -> None:
    """Ask labelers about this slate in every round from now on, or no longer.

    Raises:
        NotFoundError: the project has no such slate.
        InvalidError: the slate is not offered.
    """
    await _offered(tx, project, slate_id)
    await tx.execute(SET_ANCHOR, {"slate_id": slate_id, "is_anchor": is_anchor})
    await _record(tx, viewer, slate_id, "anchor" if is_anchor else "anchor_ended", reason)


async def ask_another_label(
    tx: AsyncSession, viewer: Viewer, project: ProjectView, slate_id: int, *, reason: str = ""
) -> None:
    """Ask one more labeler about a slate.

    Raises:
        NotFoundError: the project has no such slate.
        InvalidError: the slate is not offered.
        ConflictError: its round is closed, it was withdrawn, it has as many as there may be, or
            there is nobody left to ask.
    """
    await _offered(tx, project, slate_id)
    if await open_another_place(tx, slate_id):
        await _record(tx, viewer, slate_id, "another_label", reason)
        return
    row = await _slate(tx, project, slate_id)
    if row.places >= MAX_LABELS:
        raise ConflictError(
            gettext("This slate has %(most)s places, and more are not asked for.", most=row.places),
            code="enough_labels",
        )
    raise ConflictError(
        gettext(
            "Nobody can be asked: the round is closed, the slate was withdrawn, "
            "or all labelers have had it."
        ),
        code="nobody_to_ask",
    )


async def _record(
    tx: AsyncSession, viewer: Viewer, slate_id: int, kind: Decision | Literal["gold"], reason: str
) -> None:
    await tx.execute(
        RECORD, {"slate_id": slate_id, "kind": kind, "reason": reason, "viewer_id": viewer.id}
    )


async def _slate(tx: AsyncSession, project: ProjectView, slate_id: int) -> Row[tuple[Any, ...]]:
    found = await tx.execute(OFFERED, {"slate_id": slate_id, "project_id": project.id})
    row = found.one_or_none()
    if row is None:
        raise NotFoundError(gettext("The project has no such slate."))
    return row


async def _offered(tx: AsyncSession, project: ProjectView, slate_id: int) -> list[int]:
    """The responses that labelers are shown, in their order."""
    row = await _slate(tx, project, slate_id)
    if row.status != "ready":
        raise InvalidError(
            gettext("This slate is not offered to labelers."), code="slate_not_ready"
        )
    return list(row.responses)
