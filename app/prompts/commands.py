"""Storing imported prompts, demonstrations and pretraining texts: everything new, once."""

import asyncio
import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from sqlalchemy import TextClause, text
from sqlalchemy.ext.asyncio import AsyncSession

from app.errors import Fault, InvalidError
from app.projects.commands import lock_project
from app.projects.queries import ProjectView
from app.prompts.import_rows import (
    DemonstrationRow,
    PretrainingRow,
    PromptRow,
    Rejection,
    parse_demonstrations,
    parse_pretraining,
    parse_prompts,
)
from app.prompts.split import Split, stable_split

BATCH_ROWS = 2_000
MAX_FAULTS = 100
ID_LENGTH = 32

KNOWN_PROMPTS = text("""
select external_id, encode(content_hash, 'hex') from prompts
where project_id = :project_id and (
    content_hash = any(
        select decode(hash, 'hex') from unnest(cast(:hashes as text[])) as hash)
    or external_id = any(cast(:ids as text[]))
)
""")

KNOWN_GROUPS = text("""
select group_key, min(split) from (
    select group_key, split from prompts where project_id = :project_id
    union all
    select group_key, split from demonstrations where project_id = :project_id
) known
where group_key = any(cast(:groups as text[]))
group by group_key
""")

INSERT_PROMPTS = text("""
insert into prompts (project_id, external_id, messages, content_hash, group_key, split, tags)
select :project_id, id, messages, decode(hash, 'hex'), "group", split,
       array(select jsonb_array_elements_text(tags))
from jsonb_to_recordset(cast(:rows as jsonb)) as given
    (id text, messages jsonb, hash text, "group" text, split text, tags jsonb)
on conflict do nothing
returning id
""")

INSERT_DEMONSTRATIONS = text("""
insert into demonstrations (project_id, messages, response, content_hash, group_key, split)
select :project_id, messages, response, decode(hash, 'hex'), "group", split
from jsonb_to_recordset(cast(:rows as jsonb)) as given
    (messages jsonb, response text, hash text, "group" text, split text)
on conflict do nothing
returning id
""")

INSERT_PRETRAINING = text("""
insert into pretraining_texts (project_id, text, content_hash)
select :project_id, text, decode(hash, 'hex')
from jsonb_to_recordset(cast(:rows as jsonb)) as given (text text, hash text)
on conflict do nothing
returning id
""")


@dataclass(frozen=True)
class ImportResult:
    """What became of a file's lines; the three counts add up to the lines that are not blank."""

    imported: int
    duplicates: int
    rejected: tuple[Rejection, ...]


async def import_prompts(
    tx: AsyncSession, project: ProjectView, data: bytes, *, is_strict: bool = False
) -> ImportResult:
    """Store the prompts of an NDJSON file.

    Args:
        tx: the caller's transaction.
        project: where they go.
        data: the file's bytes.
        is_strict: refuse everything when one line is rejected.

    Raises:
        DomainError: the file cannot be taken, no line can, or one cannot and `is_strict`.
    """
    rows, rejected = await asyncio.to_thread(parse_prompts, data)
    # A savepoint: the caller may answer a refusal with a page, which commits.
    async with tx.begin_nested():
        result = await store_prompts(tx, project, rows)
        return _checked(result, rejected, is_strict=is_strict)


async def import_demonstrations(
    tx: AsyncSession, project: ProjectView, data: bytes, *, is_strict: bool = False
) -> ImportResult:
    """Store the demonstrations of an NDJSON file; the same rules as for prompts."""
    rows, rejected = await asyncio.to_thread(parse_demonstrations, data)
    # A savepoint: the caller may answer a refusal with a page, which commits.
    async with tx.begin_nested():
        result = await store_demonstrations(tx, project, rows)
        return _checked(result, rejected, is_strict=is_strict)


async def import_pretraining(
    tx: AsyncSession, project: ProjectView, data: bytes, *, is_strict: bool = False
) -> ImportResult:
    """Store the pretraining texts of an NDJSON file; the same rules as for prompts."""
    rows, rejected = await asyncio.to_thread(parse_pretraining, data)
    # A savepoint: the caller may answer a refusal with a page, which commits.
    async with tx.begin_nested():
        result = await store_pretraining(tx, project, rows)
        return _checked(result, rejected, is_strict=is_strict)


async def store_prompts(
    tx: AsyncSession, project: ProjectView, rows: list[PromptRow]
) -> ImportResult:
    """Store the rows that are new; what is there already counts as a duplicate.

    An id that names another prompt already, and a split that differs from that of the row's group,
    are rejected: the one would be ambiguous, the other would leak training prompts into the test.
    """
    await lock_project(tx, project)
    ids, hashes = await _known_prompts(tx, project, rows)
    groups = await _known_groups(tx, project, (row.group for row in rows))
    new: list[dict[str, Any]] = []
    rejected: list[Rejection] = []
    for row in rows:
        prompt_id = row.external_id or row.content_hash[:ID_LENGTH]
        split, conflict = _split(row, groups)
        if row.content_hash in hashes:
            continue
        if prompt_id in ids:
            rejected.append(Rejection(row.line, "id: it names another prompt already"))
        elif conflict is not None:
            rejected.append(conflict)
        else:
            ids.add(prompt_id)
            hashes.add(row.content_hash)
            groups[row.group] = split
            new.append(
                {
                    "id": prompt_id,
                    "messages": row.messages,
                    "hash": row.content_hash,
                    "group": row.group,
                    "split": split,
                    "tags": row.tags,
                }
            )
    imported = await _insert(tx, INSERT_PROMPTS, project, new)
    return ImportResult(imported, len(rows) - len(rejected) - imported, tuple(rejected))


async def store_demonstrations(
    tx: AsyncSession, project: ProjectView, rows: list[DemonstrationRow]
) -> ImportResult:
    """Store the demonstrations that are new."""
    await lock_project(tx, project)
    groups = await _known_groups(tx, project, (row.group for row in rows))
    new: list[dict[str, Any]] = []
    rejected: list[Rejection] = []
    for row in rows:
        split, conflict = _split(row, groups)
        if conflict is not None:
            rejected.append(conflict)
            continue
        groups[row.group] = split
        new.append(
            {
                "messages": row.messages,
                "response": row.response,
                "hash": row.content_hash,
                "group": row.group,
                "split": split,
            }
        )
    imported = await _insert(tx, INSERT_DEMONSTRATIONS, project, new)
    return ImportResult(imported, len(new) - imported, tuple(rejected))


async def store_pretraining(
    tx: AsyncSession, project: ProjectView, rows: list[PretrainingRow]
) -> ImportResult:
    """Store the pretraining texts that are new."""
    new = [{"text": row.text, "hash": row.content_hash} for row in rows]
    imported = await _insert(tx, INSERT_PRETRAINING, project, new)
    return ImportResult(imported, len(new) - imported, ())


def _split(
    row: PromptRow | DemonstrationRow, groups: dict[str, Split]
) -> tuple[Split, Rejection | None]:
    """The row's split: its group's, its own, or the stable one; a contradiction is rejected."""
    known = groups.get(row.group)
    if known is not None and row.split not in (None, known):
        return known, Rejection(
            row.line, f"split: its group is in {known} already, and a group stays in one split"
        )
    return known or row.split or stable_split(row.group), None


async def _known_prompts(
    tx: AsyncSession, project: ProjectView, rows: list[PromptRow]
) -> tuple[set[str], set[str]]:
    """The ids and the content hashes among these rows that the project has already."""
    found = await tx.execute(
        KNOWN_PROMPTS,
        {
            "project_id": project.id,
            "hashes": [row.content_hash for row in rows],
            "ids": [row.external_id or row.content_hash[:ID_LENGTH] for row in rows],
        },
    )
    pairs = found.all()
    return {pair[0] for pair in pairs}, {pair[1] for pair in pairs}


async def _known_groups(
    tx: AsyncSession, project: ProjectView, groups: Iterable[str]
) -> dict[str, Split]:
    """The split of each of these groups that the project has already."""
    found = await tx.execute(
        KNOWN_GROUPS, {"project_id": project.id, "groups": list(dict.fromkeys(groups))}
    )
    return {row[0]: row[1] for row in found}


async def _insert(
    tx: AsyncSession, statement: TextClause, project: ProjectView, rows: list[dict[str, Any]]
) -> int:
    """Insert in batches and return how many rows were new."""
    inserted = 0
    for start in range(0, len(rows), BATCH_ROWS):
        batch = json.dumps(rows[start : start + BATCH_ROWS], ensure_ascii=False)
        stored = await tx.execute(statement, {"project_id": project.id, "rows": batch})
        inserted += len(stored.all())
    return inserted


def _checked(result: ImportResult, rejected: list[Rejection], *, is_strict: bool) -> ImportResult:
    """Add the lines that could not be read; refuse everything when that is the rule.

    Raises:
        InvalidError: a line is rejected and `is_strict`, or nothing is left.
    """
    together = tuple(sorted((*rejected, *result.rejected), key=lambda item: item.line))
    is_useless = not result.imported and not result.duplicates
    if together and (is_strict or is_useless):
        first = together[0]
        raise InvalidError(
            f"Nothing was imported: {len(together):,} of the lines cannot be taken. "
            f"Line {first.line}: {first.error}",
            code="rejected",
            faults=tuple(Fault(("line", item.line), item.error) for item in together[:MAX_FAULTS]),
        )
    return ImportResult(result.imported, result.duplicates, together)
