"""Submitting and correcting rankings; leases are in `leasing.py`, unsubmitted work in `drafts.py`.

Every write names the lease token; no row updated means that the lease was lost.
"""

import hashlib
import json
import uuid
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncSession

from app.accounts.viewer import Viewer
from app.errors import ConflictError, InvalidError, NotFoundError
from app.labeling.assistance import Arm, arm_of, rank_assist_of
from app.labeling.escalation import SlateLabel, is_split
from app.labeling.leasing import why_not
from app.labeling.queries import NOT_YOURS
from app.labeling.rules import Rules, checked_items, checked_task
from app.labeling.schemas import MAX_ACTIVE_MS, RankingIn
from app.projects.screen import ScreenSettings
from app.rounds.places import open_another_place
from app.web.translation import gettext

# What a submission is checked against, and what the same request was answered before. A slate with
# several labelers is locked: the last of them has to see what the others said.
FOR_SUBMISSION = text("""
select t.id as task_id, t.labeler_id, t.status, t.slate_id, t.display_order, p.screen,
       several.id is not null as has_several, rounds.closed_at is not null as is_closed,
       (select jsonb_agg(jsonb_build_object(
            'key', f.key, 'scope', f.scope, 'needs_note', f.needs_note,
            'is_severe', f.is_severe))
        from flags f where f.project_id = t.project_id) as flags,
       -- Those that the labeler has read: new ones may have come while they worked. Who works
       -- through the API gets the newest with each task, and never says so.
       (select g.id from guideline_versions g
        left join project_members m
          on m.project_id = g.project_id and m.user_id = t.labeler_id
        where g.project_id = t.project_id
          and g.version <= coalesce(m.guidelines_read_version, g.version)
        order by g.version desc limit 1) as guideline_version_id,
       current.id as current_id, coalesce(current.version, 0) as current_version,
       earlier.id as earlier_id, earlier.version as earlier_version,
       earlier.request_hash as earlier_hash
from tasks t
join projects p on p.id = t.project_id
join slates s on s.id = t.slate_id
join rounds on rounds.id = coalesce(t.asked_round_id, s.round_id)
left join lateral (
    select s.id from slates s
    where s.id = t.slate_id and t.status = 'leased' and t.purpose in ('overlap', 'escalation')
    for no key update
) several on true
left join rankings current on current.task_id = t.id and current.is_current
left join rankings earlier
  on earlier.labeler_id = t.labeler_id and earlier.request_key = :request_key
where t.id = :task_id and t.labeler_id = :labeler_id
""")

RANKING_COLUMNS = """task_id, slate_id, labeler_id, version, is_current, request_key, request_hash,
    guideline_version_id, display_order, note, active_ms, wall_ms, rank_origin, cannot_rank, flags,
    pair_answers, screen, warnings, purpose, propensity, occasion, selection_policy"""
RANKING_VALUES = """:request_key, :request_hash, :guideline_version_id, display_order,
    :note, :active_ms, :wall_ms, :rank_origin, :cannot_rank, cast(:flags as text[]),
    cast(:pair_answers as jsonb), cast(:screen as jsonb), cast(:warnings as jsonb),
    purpose, propensity, occasion,
    case when purpose in ('fresh', 'overlap') then 'uniform' else purpose end"""
ITEMS = """
insert into ranking_items (ranking_id, response_id, rank, rating, flags, note, cannot_judge,
                           is_opened, visible_ms, duplicate_of)
select ranking.id, item.*
from ranking, jsonb_to_recordset(cast(:items as jsonb)) as item (
    response_id bigint, rank smallint, rating smallint, flags text[], note text,
    cannot_judge text, is_opened boolean, visible_ms int, duplicate_of bigint)
"""

SUBMIT = text(f"""
with done as (
    update tasks set status = 'done', lease_token = null, lease_expires_at = null,
                     finished_at = now()
    where id = :task_id and labeler_id = :labeler_id and status = 'leased'
      and lease_token = :lease_token and lease_expires_at > now()
    returning id, slate_id, labeler_id, display_order, purpose, propensity, occasion
), ranking as (
    insert into rankings ({RANKING_COLUMNS})
    select id, slate_id, labeler_id, 1, true, {RANKING_VALUES} from done
    returning id
), items as ({ITEMS}
), draft as (
    delete from drafts using done where task_id = done.id and drafts.labeler_id = done.labeler_id
)
select ranking.id, slates.places, others.number as others, others.counted
from ranking, done join slates on slates.id = done.slate_id
cross join lateral (
    select count(*) as number, jsonb_agg(jsonb_build_object('flags', r.flags, 'items', (
        select jsonb_agg(jsonb_build_object(
            'response_id', i.response_id, 'rank', i.rank, 'flags', i.flags))
        from ranking_items i where i.ranking_id = r.id)))
        filter (where not exists (
            select from excluded_rankings x where x.ranking_id = r.id)) as counted
    from rankings r
    where :has_several and r.slate_id = slates.id and r.is_current and not r.is_check
) others
""")  # noqa: S608 - the columns are ours

SUPERSEDE = text(
    "update rankings set is_current = false where id = :ranking_id and is_current returning id"
)

REVISE = text(f"""
with ranking as (
    insert into rankings ({RANKING_COLUMNS})
    select task_id, slate_id, labeler_id, version + 1, true, {RANKING_VALUES}
    from rankings where id = :ranking_id
    returning id, version, task_id, labeler_id
), items as ({ITEMS}
), draft as (
    delete from drafts using ranking
    where drafts.task_id = ranking.task_id and drafts.labeler_id = ranking.labeler_id
)
select id, version from ranking
""")  # noqa: S608 - the columns are ours


@dataclass(frozen=True)
class Submitted:
    """A stored ranking; `is_new` is False when the same request was answered before."""

    ranking: int
    version: int
    is_new: bool


async def submit_ranking(
    tx: AsyncSession, viewer: Viewer, *, task_id: int, request_key: uuid.UUID, ranking: RankingIn
) -> Submitted:
    """Store a ranking, or a new version of it when the task is done already.

    The same key with the same content returns the ranking that it made; nothing is stored twice.

    Raises:
        NotFoundError: the task is not the viewer's.
        ConflictError: the lease was lost, the round is closed, or another version was stored.
        InvalidError: the responses are not those of the slate, or break a rule.
    """
    request_hash = _hash_of(ranking)
    who = {"task_id": task_id, "labeler_id": viewer.id, "request_key": request_key}
    task = (await tx.execute(FOR_SUBMISSION, who)).one_or_none()
    if task is None:
        raise NotFoundError(NOT_YOURS)
    if task.earlier_id is not None:
        return _answered_before(task, request_hash)
    values = {**who, **_columns_of(ranking, task), "request_hash": request_hash}
    _check_version(ranking, task)
    if task.status == "done":
        return await _revise(tx, task, values)
    stored = await tx.execute(SUBMIT, {**values, "lease_token": ranking.lease_token})
    label = stored.one_or_none()
    if label is None:
        # The same request may have been committed by its twin while this one waited.
        twin = (await tx.execute(FOR_SUBMISSION, who)).one_or_none()
        if twin is not None and twin.earlier_hash == request_hash:
            return Submitted(twin.earlier_id, twin.earlier_version, is_new=False)
        raise await why_not(tx, viewer, task_id)
    if task.has_several and _asks_for_another(label, values, task):
        await open_another_place(tx, task.slate_id)
    return Submitted(label.id, 1, is_new=True)


def _asks_for_another(
    stored: Row[tuple[Any, ...]], values: dict[str, Any], task: Row[tuple[Any, ...]]
) -> bool:
    """Whether all labels of the slate are in, and those who gave what counts are divided."""
    labels = [
        *(stored.counted or ()),
        {"flags": values["flags"], "items": json.loads(values["items"])},
    ]
    severe = frozenset(flag["key"] for flag in task.flags or () if flag["is_severe"])
    return stored.others + 1 >= stored.places and is_split(
        [
            SlateLabel(
                ranks={item["response_id"]: item["rank"] for item in label["items"]},
                severe=frozenset(
                    [(None, key) for key in label["flags"] if key in severe]
                    + [
                        (item["response_id"], key)
                        for item in label["items"]
                        for key in item["flags"]
                        if key in severe
                    ]
                ),
            )
            for label in labels
        ]
    )


def _hash_of(ranking: RankingIn) -> bytes:
    judgments = ranking.model_dump_json(
        include={"responses", "note", "flags", "cannot_rank"},
        exclude={"responses": {"__all__": {"opened", "visible_ms"}}},
    )
    return hashlib.sha256(judgments.encode()).digest()


def _answered_before(task: Row[tuple[object, ...]], request_hash: bytes) -> Submitted:
    if task.earlier_hash != request_hash:
        raise InvalidError(
            "This Idempotency-Key was used for another ranking; make a new key.", code="key_reused"
        )
    return Submitted(task.earlier_id, task.earlier_version, is_new=False)


def _check_version(ranking: RankingIn, task: Row[tuple[object, ...]]) -> None:
    """A window that does not know of the stored ranking must not replace it."""
    if task.status == "done" and task.is_closed:
        raise ConflictError(
            "The round is closed: its rankings cannot be changed any more.", code="round_closed"
        )
    if ranking.revises is None or ranking.revises == task.current_version:
        return
    if ranking.revises == 0:
        raise ConflictError("This task is submitted already.", code="already_submitted")
    raise ConflictError(
        gettext(
            "You changed version %(changed)s, but version %(stored)s is stored by now; "
            "load it again.",
            changed=ranking.revises,
            stored=task.current_version,
        ),
        code="version_conflict",
    )


async def _revise(
    tx: AsyncSession, task: Row[tuple[object, ...]], values: dict[str, object]
) -> Submitted:
    superseded = await tx.execute(SUPERSEDE, {"ranking_id": task.current_id})
    if superseded.one_or_none() is None:
        raise ConflictError(
            "This ranking was corrected a moment ago elsewhere; load it again.",
            code="version_conflict",
        )
    revised = (await tx.execute(REVISE, {**values, "ranking_id": task.current_id})).one()
    return Submitted(revised.id, revised.version, is_new=True)


def _columns_of(ranking: RankingIn, task: Row[tuple[Any, ...]]) -> dict[str, object]:
    """The columns of the ranking and of its items.

    Raises:
        InvalidError: it breaks a rule of the project, or names what was not shown.
    """
    settings = ScreenSettings.model_validate(task.screen)
    rules = Rules.of(settings, flags=task.flags or (), display_order=task.display_order)
    items = checked_items(ranking, rules)
    checked_task(ranking, rules)
    arm = arm_of(settings, labeler_id=task.labeler_id, task_id=task.task_id)
    return {
        "items": json.dumps(items),
        "guideline_version_id": task.guideline_version_id,
        "note": ranking.note,
        "active_ms": _clamped(ranking.active_ms),
        "wall_ms": _clamped(ranking.wall_ms),
        "rank_origin": ranking.rank_origin,
        "cannot_rank": ranking.cannot_rank,
        "flags": list(ranking.flags),
        "pair_answers": json.dumps([answer.model_dump() for answer in ranking.pair_answers]),
        "screen": json.dumps(_screen_of(ranking, settings, arm)),
        "has_several": task.has_several,
        "warnings": json.dumps([warned.model_dump() for warned in ranking.warnings]),
    }


def _screen_of(ranking: RankingIn, settings: ScreenSettings, arm: Arm | None) -> dict[str, object]:
    """How the ranking was made. Only a screen that told so could assist, and has an arm."""
    told = {} if ranking.screen is None else ranking.screen.model_dump()
    compared = {} if ranking.screen is None or arm is None else {"rank_assist_arm": arm}
    decided = settings.model_dump(include={"flow", "criteria_profile", "flags_mode"})
    return {**told, **decided, "rank_assist": rank_assist_of(settings, arm), **compared}


def _clamped(ms: int | None) -> int | None:
    """The browser's clock is a hint, never a reason to refuse work."""
    return None if ms is None else min(max(ms, 0), MAX_ACTIVE_MS)
