"""Making datasets: one snapshot of the database, frozen into a folder."""

import asyncio
import shutil
import tempfile
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson
from sqlalchemy import TextClause, text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from app.accounts.viewer import Viewer
from app.datasets.frozen import (
    FrozenFile,
    canonical_json,
    dataset_folder,
    have_same_files,
    settle,
    write_manifest,
)
from app.datasets.queries import RANKINGS, DatasetView, batches, dataset_for
from app.datasets.rows import ranking_line
from app.db import outside_pool, snapshot, transaction
from app.errors import InvalidError
from app.labeling.ranking import comparisons_of
from app.projects.queries import ProjectView
from app.prompts.split import Split

ROWS_PER_BATCH = 500
MANIFEST_VERSION = 1
TRAIN: Split = "train"

PROMPTS = text("""
select external_id as prompt_id, group_key, split, messages::text as messages
from prompts where project_id = :project_id order by id
""")

DEMONSTRATIONS = text("""
select 'demonstration-' || id as prompt_id, group_key, split, messages::text as messages, response
from demonstrations where project_id = :project_id order by id
""")

PRETRAINING = text("""
select text from pretraining_texts where project_id = :project_id order by id
""")

ABOUT = text("""
select to_char(now() at time zone 'utc', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') as created_at,
       (select coalesce(max(version), 0) from guideline_versions where project_id = :project_id)
           as guidelines_version,
       (select coalesce(jsonb_agg(jsonb_build_object(
            'number', d.number, 'source', d.source, 'sampling', d.sampling, 'models', (
                select coalesce(jsonb_agg(m.name order by m.id), '[]')
                from round_models rm join models m on m.id = rm.model_id
                where rm.round_id = d.id
            )) order by d.number), '[]')
        from rounds d where d.project_id = :project_id) as rounds,
       (select jsonb_build_object(
            'exclusions', coalesce(jsonb_agg(distinct x.exclusion_id), '[]'),
            'slates', count(distinct r.slate_id), 'rankings', count(distinct r.id))
        from excluded_rankings x
        join rankings r on r.id = x.ranking_id and r.is_current and not r.is_check
        join tasks t on t.id = r.task_id where t.project_id = :project_id) as excluded,
       (select jsonb_object_agg(reason, counts) from (
            select reason, jsonb_build_object(
                'labelers', count(distinct x.labeler_id), 'rankings', count(distinct x.ranking_id),
                'quarantines', coalesce(jsonb_agg(distinct x.quarantine_id)
                                        filter (where x.reason = 'quarantined'), '[]')) as counts
            from (values ('heldout'), ('quarantined')) reasons (reason)
            left join (
                select x.* from left_out_rankings x
                join rankings r on r.id = x.ranking_id and r.is_current and not r.is_check
                where x.project_id = :project_id
                  and r.id not in (select ranking_id from excluded_rankings)
            ) x using (reason)
            group by reason) reasons) as left_out
""")

NEWEST_SAME = text("""
select max(id) from datasets
where project_id = :project_id
  and manifest - 'created_at' = cast(:manifest as jsonb) - 'created_at'
""")

INSERT = text("""
insert into datasets (project_id, sha256, manifest, prompts, rankings, comparisons,
                      created_by_id)
values (:project_id, :sha256, cast(:manifest as jsonb), :prompts, :rankings, :comparisons,
        :viewer_id)
returning id, created_at
""")


@dataclass
class RankingLines:
    """Encodes rankings and counts what they give; the training split's comparisons apart."""

    comparisons: int = 0
    training_comparisons: int = 0
    prompts: set[str] = field(default_factory=set)

    def __call__(self, row: Any) -> bytes:  # noqa: ANN401 a row of the query `RANKINGS`
        """One line of `rankings.jsonl`."""
        given = len(comparisons_of(row.ranks).strict)
        self.comparisons += given
        if row.split == TRAIN:
            self.training_comparisons += given
        self.prompts.add(row.prompt_id)
        return ranking_line(row)


@dataclass
class DemonstrationLines:
    """Encodes demonstrations and counts those of the training split."""

    training: int = 0

    def __call__(self, row: Any) -> bytes:  # noqa: ANN401 a row of the query `DEMONSTRATIONS`
        """One line of `demonstrations.jsonl`."""
        if row.split == TRAIN:
            self.training += 1
        return orjson.dumps(
            {
                "prompt_id": row.prompt_id,
                "group": row.group_key,
                "split": row.split,
                "messages": orjson.loads(row.messages),
                "response": row.response,
            },
            option=orjson.OPT_APPEND_NEWLINE,
        )


async def create_dataset(
    engine: AsyncEngine, viewer: Viewer, project: ProjectView, data_dir: Path
) -> DatasetView:
    """Freeze the project's prompts, demonstrations, pretraining texts and current rankings.

    Rankings by held-out and by quarantined labelers are left out, and the manifest says how many.
    Everything is read in one REPEATABLE READ snapshot. The folder appears under its final name
    complete or not at all, and only with its row.

    Raises:
        InvalidError: the project has nothing to freeze.
    """
    async with _frozen(engine, project, data_dir) as (folder, manifest):
        return await _register(engine, viewer, project, folder, manifest)


async def current_dataset(
    engine: AsyncEngine, viewer: Viewer, project: ProjectView, data_dir: Path
) -> DatasetView:
    """The newest dataset that holds what `create_dataset` would freeze now, or else a new one.

    Two calls at once can make a dataset each, with the same content. One whose files were lost or
    damaged is not taken again.

    Raises:
        InvalidError: the project has nothing to freeze.
    """
    async with _frozen(engine, project, data_dir) as (folder, manifest):
        same = await _newest_same(engine, viewer, project, manifest)
        if same is not None:
            place = dataset_folder(data_dir, same.id)
            if await asyncio.to_thread(have_same_files, folder, place, manifest["files"]):
                return same
        return await _register(engine, viewer, project, folder, manifest)


@asynccontextmanager
async def _frozen(
    engine: AsyncEngine, project: ProjectView, data_dir: Path
) -> AsyncIterator[tuple[Path, dict[str, Any]]]:
    """A folder with everything but its manifest, for as long as it is not moved to its place."""
    parent = dataset_folder(data_dir, 0).parent
    folder = await asyncio.to_thread(_new_folder, parent)
    try:
        yield folder, await _freeze(engine, project, folder)
    finally:
        await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)


async def _newest_same(
    engine: AsyncEngine, viewer: Viewer, project: ProjectView, manifest: dict[str, Any]
) -> DatasetView | None:
    """The project's newest dataset whose manifest differs in nothing but when it was made."""
    async with outside_pool(engine) as outside, transaction(outside) as tx:
        given = {"project_id": project.id, "manifest": canonical_json(manifest).decode()}
        dataset_id = await tx.scalar(NEWEST_SAME, given)
        return None if dataset_id is None else await dataset_for(tx, viewer, dataset_id)


def _new_folder(parent: Path) -> Path:
    parent.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix=".new-", dir=parent))
    folder.chmod(0o755)
    return folder


async def _freeze(engine: AsyncEngine, project: ProjectView, folder: Path) -> dict[str, Any]:
    """Write the files and return their manifest."""
    here = {"project_id": project.id, "split": None, "is_dataset": True}
    rankings, demonstrations = RankingLines(), DemonstrationLines()
    async with snapshot(engine) as connection:
        about = (await connection.execute(ABOUT, here)).one()
        files = {
            "rankings.jsonl": await _write(
                connection, RANKINGS, here, folder / "rankings.jsonl", rankings
            ),
            "demonstrations.jsonl": await _write(
                connection, DEMONSTRATIONS, here, folder / "demonstrations.jsonl", demonstrations
            ),
            "prompts.jsonl": await _write(
                connection, PROMPTS, here, folder / "prompts.jsonl", _prompt
            ),
            "pretraining.jsonl": await _write(
                connection, PRETRAINING, here, folder / "pretraining.jsonl", _pretraining_text
            ),
        }
    if not any(described["rows"] for described in files.values()):
        raise InvalidError(
            "The project has nothing to freeze yet: import prompts or demonstrations first.",
            code="nothing_to_freeze",
        )
    return {
        "version": MANIFEST_VERSION,
        "project": project.slug,
        "created_at": about.created_at,
        "guidelines_version": about.guidelines_version,
        "rounds": about.rounds,
        "filters": {"excluded": about.excluded, **about.left_out},
        "counts": {
            "prompts": files["prompts.jsonl"]["rows"],
            "ranked_prompts": len(rankings.prompts),
            "rankings": files["rankings.jsonl"]["rows"],
            "comparisons": rankings.comparisons,
            "demonstrations": files["demonstrations.jsonl"]["rows"],
            "pretraining": files["pretraining.jsonl"]["rows"],
            "training_comparisons": rankings.training_comparisons,
            "training_demonstrations": demonstrations.training,
        },
        "files": files,
    }


async def _write(
    connection: AsyncConnection,
    query: TextClause,
    parameters: Mapping[str, object],
    path: Path,
    encode: Callable[[Any], bytes],
) -> dict[str, str | int]:
    """Write the query's rows to a file; encoding and writing happen in a thread."""
    written = FrozenFile(await asyncio.to_thread(path.open, "xb"))
    async for batch in batches(connection, query, parameters, size=ROWS_PER_BATCH):
        await asyncio.to_thread(written.add, map(encode, batch))
    return await asyncio.to_thread(written.close)


def _prompt(row: Any) -> bytes:  # noqa: ANN401 a row of the query `PROMPTS`
    return orjson.dumps(
        {
            "prompt_id": row.prompt_id,
            "group": row.group_key,
            "split": row.split,
            "messages": orjson.loads(row.messages),
        },
        option=orjson.OPT_APPEND_NEWLINE,
    )


def _pretraining_text(row: Any) -> bytes:  # noqa: ANN401 a row of the query `PRETRAINING`
    return orjson.dumps({"text": row.text}, option=orjson.OPT_APPEND_NEWLINE)


async def _register(
    engine: AsyncEngine,
    viewer: Viewer,
    project: ProjectView,
    folder: Path,
    manifest: dict[str, Any],
) -> DatasetView:
    """Write the manifest, insert the row and move the folder; neither stays without the other."""
    sha256 = await asyncio.to_thread(write_manifest, folder, manifest)
    place: Path | None = None
    counts = manifest["counts"]
    try:
        async with outside_pool(engine) as outside, transaction(outside) as tx:
            inserted = await tx.execute(
                INSERT,
                {
                    "project_id": project.id,
                    "sha256": sha256,
                    "manifest": canonical_json(manifest).decode(),
                    "prompts": counts["prompts"],
                    "rankings": counts["rankings"],
                    "comparisons": counts["comparisons"],
                    "viewer_id": viewer.id,
                },
            )
            row = inserted.one()
            target = folder.parent / str(row.id)
            await asyncio.to_thread(settle, folder, target)
            place = target
    except BaseException:
        if place is not None:
            await asyncio.to_thread(place.rename, folder)
        raise
    return DatasetView(
        id=row.id,
        project=project.slug,
        sha256=sha256,
        prompts=counts["prompts"],
        rankings=counts["rankings"],
        comparisons=counts["comparisons"],
        created_at=row.created_at,
        created_by=viewer.name,
        manifest=manifest,
    )
