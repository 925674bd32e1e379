"""A project that went around the loop, written straight into the tables."""

import json
from dataclasses import dataclass

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from tests.labeled_project import Given, GivenSlate, seed

MODEL = text("""
insert into models (name, kind, path, parent_id)
values (:name, :kind, '/x', (select id from models where name = :parent)) returning id
""")
DATASET = text("""
insert into datasets (project_id, sha256, manifest, prompts, rankings, comparisons)
values (:project_id, repeat('ab', 32), cast(:manifest as jsonb), 8, 16, 84) returning id
""")
RUN = text("""
insert into runs (project_id, kind, status, settings, dataset_id, base_model_id, reward_model_id,
                  model_id, result, attempt)
select :project_id, :kind, :status, '{}', :dataset_id,
       (select id from models where name = :base), (select id from models where name = :reward),
       (select id from models where name = :model), cast(:result as jsonb), 1
returning id
""")
MADE = text("update models set run_id = :run_id where name = :name")
SAMPLED = text("""
update rounds set source = 'sampled', responses_per_prompt = 4,
       sampling = '{"temperature": 0.7, "top_p": 1.0, "max_new_tokens": 64, "seed": 1}'
where project_id = :project_id returning id, number
""")
JOIN = text("insert into round_models select :round_id, id from models where name = :name")


@dataclass(frozen=True)
class Loops:
    project_id: int
    datasets: list[int]
    running: int


async def make_loops(
    tx: AsyncSession, *, slug: str = "loops", rounds: int = 3, slates_per_round: int = 4
) -> Loops:
    """base -> sft -> round 1 -> dataset -> rm-1 -> ppo-1 -> round 2 (with sft) -> ... and a run."""
    policies = [f"{slug}-ppo-{number}" for number in range(1, rounds + 1)]
    base, sft = f"{slug}-base", f"{slug}-sft"
    await _model(tx, base, "base")
    await _model(tx, sft, "sft", parent=base)
    for policy in policies:
        await _model(tx, policy, "policy", parent=sft)
    slates = [
        GivenSlate(
            [Given(1, [[1, 2, 3, 4]]), Given(2, [[1, 3, 2, 4] if at % 2 else [2, 1, 3, 4]])],
            models=[policies[number - 2], sft] * 2 if number > 1 else [sft] * 4,
            round=number,
        )
        for number in range(1, rounds + 1)
        for at in range(slates_per_round)
    ]
    seeded = await seed(tx, slates, slug=slug)
    here = {"project_id": seeded.project.id}
    for round_id, number in (await tx.execute(SAMPLED, here)).all():
        for name in {sft, policies[number - 2] if number > 1 else sft}:
            await tx.execute(JOIN, {"round_id": round_id, "name": name})
    datasets = []
    for number, policy in enumerate(policies, start=1):
        manifest = {"rounds": [{"number": one} for one in range(1, number + 1)]}
        datasets.append(await tx.scalar(DATASET, {**here, "manifest": json.dumps(manifest)}))
        judge = f"{slug}-rm-{number}"
        await _model(tx, judge, "reward", parent=sft)
        made_from = {**here, "dataset_id": datasets[-1], "base": sft, "status": "succeeded"}
        share = {"value": 0.689, "low": 0.66, "high": 0.72, "count": 84, "prompts": 24}
        result = json.dumps({"evaluation": {"accuracy": share}})
        run = {**made_from, "kind": "reward", "reward": None, "model": judge, "result": result}
        await tx.execute(MADE, {"run_id": await tx.scalar(RUN, run), "name": judge})
        run = {**made_from, "kind": "ppo", "reward": judge, "model": policy, "result": None}
        await tx.execute(MADE, {"run_id": await tx.scalar(RUN, run), "name": policy})
    running = await tx.scalar(
        RUN,
        {**here, "kind": "dpo", "status": "running", "dataset_id": datasets[-1], "base": sft,
         "reward": None, "model": None, "result": None},
    )  # fmt: skip
    return Loops(seeded.project.id, datasets, running)


async def _model(tx: AsyncSession, name: str, kind: str, parent: str | None = None) -> None:
    await tx.execute(MODEL, {"name": name, "kind": kind, "parent": parent})
