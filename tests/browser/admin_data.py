"""A project far into its loop: rounds, rankings, models, datasets, runs with curves, tasks."""

import json
import math
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession

from app.accounts.commands import create_user
from app.db import transaction
from app.projects.flag_storage import store_flags
from app.projects.flags import DEFAULT_FLAGS
from tests.browser.compared_data import make_compared
from tests.browser.labeling_data import PASSWORD
from tests.evaluated import EVALUATED
from tests.labeled_project import Given, GivenSlate, seed
from tests.slates import make_slates
from tests.team import make_team

STEPS = 40
TEAM_SLATES = 60
JOIN = text("""
insert into project_members (project_id, user_id, pseudonym, guidelines_read_version)
values (:project_id, :user_id, :pseudonym, :version)
""")
DATASET = text("""
insert into datasets (project_id, sha256, manifest, prompts, rankings, comparisons)
values (:project_id, repeat('ab', 32), cast(:manifest as jsonb), 8, 16, 84) returning id
""")
RUN = text("""
insert into runs (project_id, kind, status, settings, dataset_id, base_model_id, reward_model_id,
                  attempt, progress, latest, error, started_at, heartbeat_at, finished_at,
                  created_by_id, code_version, result, needs_disk_bytes)
select :project_id, :kind, :status, '{"seed": 7, "learning_rate": 0.00001}', :dataset_id,
       (select id from models where name = 'sft'),
       case when :kind = 'ppo' then (select id from models where name = 'judge') end,
       1, :progress, cast(:latest as jsonb), :error, now() - interval '4 minutes', now(),
       case when :status in ('queued', 'running') then null else now() end, :admin_id, '0.1.0',
       cast(:result as jsonb), case when :status = 'queued' then 1000000000 end
returning id
""")
METRICS = text("""
insert into run_metrics (run_id, attempt, step, values)
values (:run_id, 1, :step, cast(:values as jsonb))
""")

REPORTS = text("""
insert into reports (task_id, labeler_id, kind, note, response_id, resolution, resolution_note,
                     resolved_at, resolved_by)
select first.id, first.labeler_id, given.kind, given.note,
       (select min(id) from responses where slate_id = first.slate_id), given.resolution,
       case when given.resolution is not null then 'It is an example.' end,
       case when given.resolution is not null then now() end,
       case when given.resolution is not null then cast(:admin_id as bigint) end
from (select * from tasks where project_id = :project_id and status = 'done' order by id limit 1)
     first,
     (values ('personal_data', 'It names a phone number.', null), ('malformed', null, null),
             ('rendering', 'A table is cut off.', 'nothing_wrong')) given (kind, note, resolution)
""")


@dataclass(frozen=True)
class World:
    """Who may look at the project `pilot`, the runs in it, and a labeler of `compared`."""

    admin_id: int
    labeler_id: int
    newcomer_id: int
    ranker_id: int
    disagreement: int
    divided_slate: int
    finished_run: int
    failed_run: int
    live_run: int
    waiting_run: int


async def make_world(engine: AsyncEngine, data_dir: Path) -> World:
    """Store everything that the pages of a project can show."""
    async with transaction(engine) as tx:
        admin_id, labeler_id, newcomer_id = [
            await create_user(
                tx, email=f"{name}@example.org", name=name.title(), role=role, password=PASSWORD
            )
            for name, role in (("ada", "admin"), ("lee", "labeler"), ("noa", "labeler"))
        ]
        project_id = await _make_ranked_rounds(tx)
        for user_id, version, pseudonym in ((labeler_id, 1, "L-08"), (newcomer_id, None, "L-09")):
            await tx.execute(
                JOIN, {"project_id": project_id, "user_id": user_id, "version": version,
                       "pseudonym": pseudonym},
            )  # fmt: skip
        here = {"project_id": project_id, "admin_id": admin_id}
        await tx.execute(REPORTS, here)
        finished_run = await _make_run(tx, "reward", "succeeded", here)
        failed_run = await _make_run(
            tx, "ppo", "failed", here, error="The KL grew past 50 at step 31; lower the step size."
        )
        live_run = await _make_run(tx, "ppo", "running", here)
        waiting_run = await _make_run(
            tx, "dpo", "queued", here, error="waiting for disk: needs 1,000.0 MB, has 12.5 MB"
        )
        ranker_id, disagreement, divided_slate = await make_compared(tx, admin_id)
        await make_team(tx, slates=TEAM_SLATES)
    _write_texts(data_dir / "runs" / str(live_run))
    return World(
        admin_id, labeler_id, newcomer_id, ranker_id, disagreement, divided_slate,
        finished_run, failed_run, live_run, waiting_run,
    )  # fmt: skip


async def _make_ranked_rounds(tx: AsyncSession) -> int:
    slates = [
        GivenSlate(
            rankings=[
                Given(1, [[1, 2, 3, 4]], [6, 5, 3, 1]),
                Given(2, [[1, 2, 2, 3] if number % 3 else [2, 1, 3, 3]], [7, 4, 4, 2]),
            ],
            texts=[f"Answer {letter} to question {number}." for letter in "abcd"],
            models=["sft", "ppo", "sft", "ppo"],
            round=1 + number % 2,
            prompt=f"What is the {number}th thing to know about a **long** question?",
        )
        for number in range(8)
    ]
    seeded = await seed(tx, slates, slug="pilot")
    await tx.execute(
        text("insert into models (name, kind, path) values ('judge', 'reward', '/x'), "
             "('base', 'base', '/x')")
    )  # fmt: skip
    await tx.execute(text("update rounds set closed_at = now() where number = 1"))
    await store_flags(tx, seeded.project.id, DEFAULT_FLAGS)
    await make_slates(tx, project_id=seeded.project.id, count=3, responses=6)
    return seeded.project.id


async def _make_run(
    tx: AsyncSession, kind: str, status: str, here: dict[str, int], error: str | None = None
) -> int:
    counts = {"prompts": 8, "ranked_prompts": 8, "rankings": 16, "comparisons": 84,
              "demonstrations": 4, "pretraining": 0}  # fmt: skip
    manifest = json.dumps({"counts": counts, "files": {}})
    dataset_id = await tx.scalar(DATASET, {"project_id": here["project_id"], "manifest": manifest})
    run_id = await tx.scalar(
        RUN,
        {**here, "kind": kind, "status": status, "dataset_id": dataset_id, "error": error,
         "progress": 1.0 if status == "succeeded" else 0.4,
         "latest": json.dumps({**_values(kind, STEPS - 1), "seconds_left": 754.2}),
         "result": json.dumps(EVALUATED) if kind == "reward" else None},
    )  # fmt: skip
    rows = [
        {"run_id": run_id, "step": step, "values": json.dumps(_values(kind, step))}
        for step in range(STEPS)
    ]
    await tx.execute(METRICS, rows)
    return run_id


def _values(kind: str, step: int) -> dict[str, float]:
    falling = math.exp(-step / 15)
    if kind == "reward":
        return {"loss/reward": 0.2 + falling / 2, "accuracy/train": 0.9 - falling / 3,
                "gradient/norm": 1 + falling}  # fmt: skip
    if kind == "dpo":
        return {"loss/dpo": 0.3 + falling / 3, "accuracy/validation": 0.7 - falling / 5}
    return {"objective/scores": 2 - falling, "objective/kl": 3 - 3 * falling,
            "response/length": 60 - 20 * falling, "loss/policy": falling}  # fmt: skip


def _write_texts(run_dir: Path) -> None:
    """Two evaluations, the later with text that tries to be markup."""
    run_dir.mkdir(parents=True)
    evaluations = [
        {"step": step, "samples": [{"prompt": "Why is the sky blue?", "response": response,
                                    "score": 0.5}]}
        for step, response in ((10, "It **is** blue."), (20, "<script>alert(1)</script> Light."))
    ]  # fmt: skip
    lines = "".join(json.dumps(one) + "\n" for one in evaluations)
    (run_dir / "texts.jsonl").write_text(lines)
