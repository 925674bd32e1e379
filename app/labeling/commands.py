"""Leasing, submitting and skipping tasks.

Every write names the lease token; no row updated means that the lease was lost.
"""

import hashlib
import json
import uuid
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncSession

from app.accounts.viewer import Viewer
from app.errors import ConflictError, Fault, InvalidError, NotFoundError
from app.labeling.queries import leased_task_for, task_columns, task_from
from app.labeling.ranking import dense_ranks
from app.labeling.schemas import MAX_ACTIVE_MS, JudgedResponse, RankingIn, TaskOut, Warned

MAX_SKIPS_PER_PLACE = 3  # then nobody is asked any more: an admin has to look

# Behind the member's cursor, so that a labeler never walks over slates they have already ranked.
LEASE = text(f"""
with chosen as (
    select t.id from tasks t
    where t.project_id = :project_id and t.status = 'open' and t.id > :after
      and not exists (
          select from tasks mine where mine.slate_id = t.slate_id and mine.labeler_id = :labeler_id
      )
    order by t.id limit 1
    for update of t skip locked
), cursor as (
    update project_members set last_task_id = chosen.id from chosen
    where project_id = :project_id and user_id = :labeler_id
), leased as (
    update tasks set
        status = 'leased', labeler_id = :labeler_id, lease_token = gen_random_uuid(),
        lease_expires_at = now() + make_interval(mins => :lease_minutes),
        display_order = (
            select array_agg(r.id order by random()) from responses r
            where r.slate_id = tasks.slate_id and r.problem is null
        )
    from chosen where tasks.id = chosen.id
    returning tasks.*
)
{task_columns("leased")}
""")  # noqa: S608 - the relation's name is ours

# The task that the labeler holds already, renewed, else where to go on searching. A labeler whose
# lease has expired gets the task back with a new token, unless somebody else took it meanwhile.
HELD = text("""
with reopened as (
    update tasks set status = 'open', labeler_id = null, lease_token = null,
                     lease_expires_at = null, display_order = null
    where id in (
        select id from tasks
        where status = 'leased' and lease_expires_at <= now() and labeler_id <> :labeler_id
        order by lease_expires_at limit 100 for update skip locked
    )
), held as (
    update tasks set
        lease_token = case when lease_expires_at <= now() then gen_random_uuid()
                           else lease_token end,
        lease_expires_at = now() + make_interval(mins => :lease_minutes)
    where labeler_id = :labeler_id and status = 'leased' and id = (
        select min(t.id) from tasks t join projects on projects.id = t.project_id
        where projects.slug = :slug and t.labeler_id = :labeler_id and t.status = 'leased'
    )
    returning id
)
select m.project_id, m.last_task_id, held.id as task_id
from project_members m join projects on projects.id = m.project_id
left join held on true
where projects.slug = :slug and m.user_id = :labeler_id
""")

EXTEND = text("""
update tasks set lease_expires_at = now() + make_interval(mins => :lease_minutes)
where id = :task_id and labeler_id = :labeler_id and status = 'leased'
  and lease_token = :lease_token and lease_expires_at > now()
returning lease_expires_at
""")

SKIP = text("""
with skipped as (
    update tasks set status = 'skipped', lease_token = null, lease_expires_at = null,
                     skip_reason = :reason, skip_note = :note, finished_at = now()
    where id = :task_id and labeler_id = :labeler_id and status = 'leased'
      and lease_token = :lease_token and lease_expires_at > now()
    returning id, project_id, slate_id, place
)
select id, project_id, slate_id, place from skipped
""")

REPLACE = text("""
insert into tasks (project_id, slate_id, place)
select :project_id, :slate_id, :place
where (
    select count(*) from tasks
    where slate_id = :slate_id and place = :place and status = 'skipped'
) < :max_skips
""")

# What a submission is checked against, and what the same request was answered before.
FOR_SUBMISSION = text("""
select t.status, t.slate_id, t.display_order,
       t.lease_token = :lease_token and t.lease_expires_at > now() as holds_lease,
       (select array_agg(f.key) from flags f where f.project_id = t.project_id) as flag_keys,
       (select g.id from guideline_versions g where g.project_id = t.project_id
        order by g.version desc limit 1) as guideline_version_id,
       current.id as current_id, current.version as current_version,
       earlier.id as earlier_id, earlier.version as earlier_version,
       earlier.request_hash as earlier_hash
from tasks t
left join rankings current on current.task_id = t.id and current.is_current
left join rankings earlier
  on earlier.labeler_id = t.labeler_id and earlier.request_key = :request_key
where t.id = :task_id and t.labeler_id = :labeler_id
""")

SUBMIT = text("""
with done as (
    update tasks set status = 'done', lease_token = null, lease_expires_at = null,
                     finished_at = now()
    where id = :task_id and labeler_id = :labeler_id and status = 'leased'
      and lease_token = :lease_token and lease_expires_at > now()
    returning id, slate_id, labeler_id
), ranking as (
    insert into rankings (task_id, slate_id, labeler_id, version, is_current, request_key,
                          request_hash, guideline_version_id, display_order, note, active_ms,
                          warnings)
    select id, slate_id, labeler_id, 1, true, :request_key, :request_hash,
           :guideline_version_id, :display_order, :note, :active_ms,
           cast(:warnings as jsonb)
    from done
    returning id
), items as (
    insert into ranking_items (ranking_id, response_id, rank, rating, flags, note)
    select ranking.id, item.response_id, item.rank, item.rating,
           coalesce(string_to_array(nullif(item.flags, ''), ','), '{}'), item.note
    from ranking, unnest(
        cast(:response_ids as bigint[]), cast(:ranks as smallint[]), cast(:ratings as smallint[]),
        cast(:flags as text[]), cast(:notes as text[])
    ) as item (response_id, rank, rating, flags, note)
)
select id from ranking
""")

SUPERSEDE = text(
    "update rankings set is_current = false where id = :ranking_id and is_current returning id"
)

REVISE = text("""
with ranking as (
    insert into rankings (task_id, slate_id, labeler_id, version, is_current, request_key,
                          request_hash, guideline_version_id, display_order, note, active_ms,
                          warnings)
    select task_id, slate_id, labeler_id, version + 1, true, :request_key, :request_hash,
           :guideline_version_id, display_order, :note, :active_ms,
           cast(:warnings as jsonb)
    from rankings where id = :ranking_id
    returning id, version
), items as (
    insert into ranking_items (ranking_id, response_id, rank, rating, flags, note)
    select ranking.id, item.response_id, item.rank, item.rating,
           coalesce(string_to_array(nullif(item.flags, ''), ','), '{}'), item.note
    from ranking, unnest(
        cast(:response_ids as bigint[]), cast(:ranks as smallint[]), cast(:ratings as smallint[]),
        cast(:flags as text[]), cast(:notes as text[])
    ) as item (response_id, rank, rating, flags, note)
)
select id, version from ranking
""")


@dataclass(frozen=True)
class Submitted:
    """A stored ranking; `is_new` is False when the same request was answered before."""

    ranking: int
    version: int
    is_new: bool


async def lease_next_task(
    tx: AsyncSession, viewer: Viewer, *, slug: str, lease_minutes: int
) -> TaskOut | None:
    """Give the viewer the task they hold, else the next open place at a slate new to them.

    Returns:
        The task with everything that the screen shows, or None when there is nothing (more) to
        label.

    Raises:
        NotFoundError: the viewer is not a labeler of this project.
    """
    asked = {"slug": slug, "labeler_id": viewer.id, "lease_minutes": lease_minutes}
    held = (await tx.execute(HELD, asked)).one_or_none()
    if held is None:
        raise NotFoundError("There is no such project, or you are not a labeler of it.")
    if held.task_id is not None:
        return await leased_task_for(tx, viewer, held.task_id)
    who = {
        "project_id": held.project_id,
        "labeler_id": viewer.id,
        "lease_minutes": lease_minutes,
    }
    # From the cursor on, then once more from the start: skipped and expired tasks lie behind.
    for after in dict.fromkeys((held.last_task_id, 0)):
        leased = (await tx.execute(LEASE, {**who, "after": after})).one_or_none()
        if leased is not None:
            return task_from(leased)
    return None


async def extend_lease(
    tx: AsyncSession, viewer: Viewer, *, task_id: int, lease_token: uuid.UUID, lease_minutes: int
) -> datetime:
    """Keep a task for longer.

    Raises:
        NotFoundError: it is not the viewer's.
        ConflictError: the lease was lost.
    """
    extended = await tx.execute(
        EXTEND,
        {
            "task_id": task_id,
            "labeler_id": viewer.id,
            "lease_token": lease_token,
            "lease_minutes": lease_minutes,
        },
    )
    expires_at: datetime | None = extended.scalar_one_or_none()
    if expires_at is None:
        raise await _why_not(tx, viewer, task_id)
    return expires_at


async def skip_task(
    tx: AsyncSession,
    viewer: Viewer,
    *,
    task_id: int,
    lease_token: uuid.UUID,
    reason: str,
    note: str | None,
) -> None:
    """Give a task back for somebody else; the viewer is not asked about this slate again.

    Raises:
        NotFoundError: it is not the viewer's.
        ConflictError: the lease was lost, or the task is done.
    """
    skipped = await tx.execute(
        SKIP,
        {
            "task_id": task_id,
            "labeler_id": viewer.id,
            "lease_token": lease_token,
            "reason": reason,
            "note": note,
        },
    )
    task = skipped.one_or_none()
    if task is None:
        raise await _why_not(tx, viewer, task_id)
    await tx.execute(
        REPLACE,
        {
            "project_id": task.project_id,
            "slate_id": task.slate_id,
            "place": task.place,
            "max_skips": MAX_SKIPS_PER_PLACE,
        },
    )


async def _why_not(tx: AsyncSession, viewer: Viewer, task_id: int) -> Exception:
    """Why a write that named a lease found no row."""
    status = await tx.scalar(
        text("select status from tasks where id = :task_id and labeler_id = :labeler_id"),
        {"task_id": task_id, "labeler_id": viewer.id},
    )
    if status is None:
        return NotFoundError("There is no such task, or it is not yours (any more).")
    if status == "done":
        return ConflictError("This task is submitted already.", code="already_submitted")
    return ConflictError(
        "Your hold on this task has ended; ask for a task again.", code="lease_lost"
    )


async def submit_ranking(
    tx: AsyncSession, viewer: Viewer, *, task_id: int, request_key: uuid.UUID, ranking: RankingIn
) -> Submitted:
    """Store a ranking, or a new version of it when the task is done already.

    The same key with the same content returns the ranking that it made; nothing is stored twice.

    Raises:
        NotFoundError: the task is not the viewer's.
        ConflictError: the lease was lost.
        InvalidError: the responses are not those of the slate, or break a rule.
    """
    judgments = ranking.model_dump_json(include={"responses", "note"})
    request_hash = hashlib.sha256(judgments.encode()).digest()
    who = {"task_id": task_id, "labeler_id": viewer.id, "request_key": request_key}
    lookup = {**who, "lease_token": ranking.lease_token}
    task = (await tx.execute(FOR_SUBMISSION, lookup)).one_or_none()
    if task is None:
        raise NotFoundError("There is no such task, or it is not yours (any more).")
    if task.earlier_id is not None:
        if task.earlier_hash != request_hash:
            raise InvalidError(
                "This Idempotency-Key was used for another ranking; make a new key.",
                code="key_reused",
            )
        return Submitted(task.earlier_id, task.earlier_version, is_new=False)
    items = _checked_items(ranking.responses, task)
    values = {
        **who,
        **items,
        "request_hash": request_hash,
        "guideline_version_id": task.guideline_version_id,
        "note": ranking.note,
        "active_ms": _clamped(ranking.active_ms),
        "warnings": _as_json(ranking.warnings, task),
    }
    if task.status == "done":
        superseded = await tx.execute(SUPERSEDE, {"ranking_id": task.current_id})
        if superseded.one_or_none() is None:
            raise ConflictError(
                "This ranking was corrected a moment ago elsewhere; load it again.",
                code="version_conflict",
            )
        revised = (await tx.execute(REVISE, {**values, "ranking_id": task.current_id})).one()
        return Submitted(revised.id, revised.version, is_new=True)
    stored = await tx.execute(
        SUBMIT,
        {**values, "lease_token": ranking.lease_token, "display_order": task.display_order},
    )
    ranking_id = stored.scalar_one_or_none()
    if ranking_id is None:
        # The same request may have been committed by its twin while this one waited.
        twin = (await tx.execute(FOR_SUBMISSION, lookup)).one_or_none()
        if twin is not None and twin.earlier_hash == request_hash:
            return Submitted(twin.earlier_id, twin.earlier_version, is_new=False)
        raise await _why_not(tx, viewer, task_id)
    return Submitted(ranking_id, 1, is_new=True)


def _clamped(active_ms: int | None) -> int | None:
    """The browser's clock is a hint, never a reason to refuse work."""
    return None if active_ms is None else min(max(active_ms, 0), MAX_ACTIVE_MS)


def _as_json(warnings: list[Warned], task: Row[tuple[object, ...]]) -> str:
    """What the labeler was asked about, as it is stored.

    Raises:
        InvalidError: one of them names a response that was not shown.
    """
    for position, warned in enumerate(warnings):
        if not set(warned.responses) <= set(task.display_order):
            fault = Fault(("warnings", position, "responses"), "names a response of another task")
            raise InvalidError(f"warnings.{position}: {fault.msg}", code="invalid", faults=(fault,))
    return json.dumps([warned.model_dump() for warned in warnings])


def _checked_items(
    responses: list[JudgedResponse], task: Row[tuple[object, ...]]
) -> dict[str, list[object]]:
    """The items as columns, ranks made dense.

    Raises:
        InvalidError: not exactly the responses shown, or one of them breaks a rule.
    """
    if sorted(item.id for item in responses) != sorted(task.display_order):
        raise InvalidError(
            f"Send each of the {len(task.display_order)} responses of this task exactly once.",
            code="not_a_permutation",
        )
    faults = tuple(
        Fault(("responses", position, where), message)
        for position, item in enumerate(responses)
        for where, message in _faults_of(item, set(task.flag_keys or ()))
    )
    if faults:
        raise InvalidError(
            f"responses.{faults[0].loc[1]}: {faults[0].msg}", code="invalid", faults=faults
        )
    ranks = dense_ranks([None if item.cannot_judge else item.rank for item in responses])
    return {
        "response_ids": [item.id for item in responses],
        "ranks": list(ranks),
        "ratings": [item.rating for item in responses],
        "flags": [",".join(item.flags) for item in responses],
        "notes": [item.note for item in responses],
    }


def _faults_of(item: JudgedResponse, flag_keys: set[str]) -> list[tuple[str, str]]:
    faults = []
    if item.cannot_judge and item.rank is not None:
        faults.append(("rank", "must be absent when cannot_judge is set"))
    if not item.cannot_judge and item.rank is None:
        faults.append(("rank", "is missing: rank the response or mark it cannot_judge"))
    if not item.cannot_judge and item.rating is None:
        faults.append(("rating", "is missing: rate the response from 1 to 7"))
    if len(set(item.flags)) != len(item.flags):
        faults.append(("flags", "names a flag twice"))
    if not set(item.flags) <= flag_keys:
        faults.append(("flags", "names a flag that this project does not have"))
    return faults
