"""Reads the labels of a project as columns; after the first time, only what is new.

Only numbers are packed on the server, some bytes a ranking; texts and names stay there.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any

import numpy as np
from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncSession

from app.agreement.computing import computed
from app.agreement.metrics.labels import PURPOSES, Labels, coded, joined, no_labels
from app.agreement.metrics.slates import Slates

# Few: what the rows of one statement take before they are columns is memory that stays.
ROWS_AT_ONCE = 1000
# Many small arrays among those rows would keep their memory from being given back.
PARTS_AT_ONCE = 12
# An id is given out before its transaction commits, so a lower one may appear after a higher one.
# What is older than this has been committed; from there on everything is looked at again.
SETTLED_MINUTES = 5

STATE = text("""
select coalesce((select max(id) from rankings
                 where created_at < now() - make_interval(mins => :minutes)), 0) as settled,
       coalesce((select max(id) from rankings), 0) >= :newest as has_newest,
       array(select id from flags where project_id = :project_id order by id) as flags,
       cast(extract(epoch from now()) as float8) as now,
       array(select distinct x.ranking_id
             from excluded_rankings x
             join rankings r on r.id = x.ranking_id and r.is_current
             join tasks t on t.id = r.task_id
             where t.project_id = :project_id order by 1) as excluded
""")

# One row a label: the items as (response, rank, rating, place on the screen, flags).
LABELS = text("""
with flag as (
    select key, row_number() over (order by id) - 1 as bit from flags
    where project_id = :project_id
)
select r.id as ranking_id, coalesce(original.id, r.id) as first_id, r.slate_id, r.labeler_id,
       r.purpose,
       cast(extract(epoch from coalesce(original.created_at, r.created_at)) as float8) as first_at,
       cast(extract(epoch from r.created_at) as float8) as submitted_at,
       cast(r.active_ms as float8) as active_ms, items.number, items.packed,
       case when r.flags = '{}' then 0::int8 else (
           select coalesce(bit_or(1::int8 << bit::int), 0) from flag
           where key = any(r.flags)) end as task_flags
from rankings r
join tasks t on t.id = r.task_id
left join rankings original
       on original.task_id = r.task_id and original.version = 1 and r.version > 1
cross join lateral (
    select count(*) as number, string_agg(
        int8send(i.response_id) || int2send(coalesce(i.rank, 0::int2))
        || int2send(coalesce(i.rating, 0::int2))
        || int2send(coalesce(array_position(r.display_order, i.response_id), 0)::int2)
        || int8send(case when i.flags = '{}' then 0 else (
               select coalesce(bit_or(1::int8 << bit::int), 0) from flag
               where key = any(i.flags)) end), '') as packed
    from ranking_items i where i.ranking_id = r.id
) items
where t.project_id = :project_id and r.is_current and r.id > :after
  and not r.id = any(cast(:known as bigint[]))
order by r.id limit :limit
""")
ITEM = np.dtype(
    [("response", ">i8"), ("rank", ">i2"), ("rating", ">i2"), ("place", ">i2"), ("flags", ">i8")]
)

SLATES = text("""
select s.id, s.prompt_id, d.number as round, p.tags, responses.number, responses.packed,
       responses.models
from slates s
join rounds d on d.id = s.round_id
join prompts p on p.id = s.prompt_id
cross join lateral (
    select count(*) as number,
           string_agg(int8send(r.id) || int4send(char_length(r.text)), '' order by r.id) as packed,
           array_agg(coalesce(m.name, r.model_name) order by r.id) as models
    from responses r left join models m on m.id = r.model_id where r.slate_id = s.id
) responses
where s.id = any(cast(:ids as bigint[]))
order by s.id
""")
RESPONSE = np.dtype([("id", ">i8"), ("length", ">i4")])


@dataclass(frozen=True)
class Loaded:
    """The labels of a project at some time.

    Attributes:
        every: all of them, also those that an admin has excluded.
        settled: everything up to this id of a ranking is in them.
        flags: ids of the project's flags, whose bits they have.
        now: when that was by the database's clock, in seconds since 1970.
        excluded: ids of the rankings that are excluded.
    """

    every: Labels
    settled: int
    flags: tuple[int, ...]
    now: float
    excluded: tuple[int, ...] = ()

    @cached_property
    def labels(self) -> Labels:
        """Those that count."""
        return self.every.where(~np.isin(self.every.ranking_id, self.excluded))


def nothing_loaded() -> Loaded:
    """Before the first time."""
    return Loaded(no_labels(), 0, (), 0.0)


async def loaded_since(tx: AsyncSession, project_id: int, before: Loaded) -> Loaded:
    """The labels of the project, of which some are known; two statements when nothing is new.

    When something changed that does not come with new rankings (the project's flags, or the
    database was put back to an earlier state), everything is read again.
    """
    newest = int(before.every.ranking_id.max(initial=0))
    names = {"project_id": project_id, "minutes": SETTLED_MINUTES, "newest": newest}
    state = (await tx.execute(STATE, names)).one()
    flags = tuple(state.flags)
    if flags != before.flags or not state.has_newest:
        before = nothing_loaded()
    parts = [before.every]
    after = before.settled
    unsettled = before.every.ranking_id[before.every.ranking_id > after].tolist()
    while True:
        found = await tx.execute(
            LABELS,
            {"project_id": project_id, "after": after, "known": unsettled, "limit": ROWS_AT_ONCE},
        )
        rows = found.all()
        if rows:
            slates = await tx.execute(SLATES, {"ids": sorted({row.slate_id for row in rows})})
            parts.append(await computed(partial(_columns, rows, slates.all())))
            after = rows[-1].ranking_id
        if len(parts) == PARTS_AT_ONCE:
            parts = [await computed(partial(joined, parts))]
        if len(rows) < ROWS_AT_ONCE:
            break
    labels = await computed(partial(joined, parts)) if len(parts) > 1 else parts[0]
    settled = max(state.settled, before.settled)
    return Loaded(labels, settled, flags, state.now, tuple(state.excluded))


def _columns(rows: Sequence[Row[Any]], of_slates: Sequence[Row[Any]]) -> Labels:
    slates = _slates(of_slates)
    slate = slates.places(np.array([row.slate_id for row in rows], dtype=np.int64))
    items = np.frombuffer(b"".join(row.packed or b"" for row in rows), dtype=ITEM)
    row_of = np.repeat(np.arange(len(rows)), [row.number for row in rows])
    column = slates.columns(slate[row_of], items["response"].astype(np.int64))

    def spread(name: str, kind: type[np.generic]) -> np.ndarray[Any, Any]:
        table = np.zeros((len(rows), slates.width), dtype=kind)
        table[row_of, column] = items[name]
        return table

    flags = spread("flags", np.int64)
    task_flags = np.array([row.task_flags for row in rows], dtype=np.int64)
    flag_sets = np.unique(np.concatenate([flags.ravel(), task_flags, [0]]))
    labeler_ids, labeler = np.unique([row.labeler_id for row in rows], return_inverse=True)
    return Labels(
        slates=slates,
        labeler_ids=labeler_ids.astype(np.int64),
        ranking_id=np.array([row.ranking_id for row in rows], dtype=np.int64),
        first_id=np.array([row.first_id for row in rows], dtype=np.int64),
        slate=slate,
        labeler=labeler.astype(np.int64),
        purpose=np.array([PURPOSES.index(row.purpose) for row in rows], dtype=np.int8),
        first_at=np.array([row.first_at for row in rows], dtype=np.float64),
        submitted_at=np.array([row.submitted_at for row in rows], dtype=np.float64),
        active_ms=np.array([row.active_ms for row in rows], dtype=np.float64),
        ranks=spread("rank", np.int8),
        ratings=spread("rating", np.int8),
        positions=spread("place", np.int8),
        flags=coded(flags, flag_sets),
        task_flags=coded(task_flags, flag_sets),
        flag_sets=flag_sets,
    )


def _slates(rows: Sequence[Row[Any]]) -> Slates:
    numbers = np.array([row.number for row in rows], dtype=np.int64)
    width = int(numbers.max(initial=0))
    is_there = np.arange(width) < numbers[:, None]
    packed = np.frombuffer(b"".join(row.packed for row in rows), dtype=RESPONSE)
    model_names = tuple(sorted({name for row in rows for name in row.models if name is not None}))
    code = {None: 0, **{name: i for i, name in enumerate(model_names, start=1)}}
    tag_names = tuple(sorted({tag for row in rows for tag in row.tags}))
    tagged = {(i, tag_names.index(tag)) for i, row in enumerate(rows) for tag in row.tags}

    def spread(values: np.ndarray[Any, Any], kind: type[np.generic]) -> np.ndarray[Any, Any]:
        table = np.zeros(is_there.shape, dtype=kind)
        table[is_there] = values
        return table

    return Slates(
        ids=np.array([row.id for row in rows], dtype=np.int64),
        prompt_ids=np.array([row.prompt_id for row in rows], dtype=np.int64),
        rounds=np.array([row.round for row in rows], dtype=np.int64),
        responses=spread(packed["id"], np.int64),
        models=spread(np.array([code[name] for row in rows for name in row.models]), np.int16),
        lengths=spread(packed["length"], np.int32),
        model_names=model_names,
        tag_names=tag_names,
        tags=np.array(sorted(tagged), dtype=np.int64).reshape(-1, 2),
    )
