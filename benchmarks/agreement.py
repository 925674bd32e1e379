"""How long an admin waits for agreement on a large project, and what it costs the web process.

    python -m benchmarks.agreement [--quick]

50,000 prompts of nine responses, 15% of them ranked twice, 40 labelers: 1.8 million comparisons and
more, with ties, spread over a hundred days. Measured over HTTP, from the request to the last byte:

- `first_paint_cold_ms`: the dashboard in a process that has not seen the project;
- `first_paint_warm_ms`: again, nothing new;
- `first_paint_new_labels_ms`: after one labeler submitted ten more;
- `web_memory_growth_mb`: what all of that left in the web process, and the peak meanwhile;
- `bootstrap_s`: 1,000 draws for every interval of the headline, on one core, without the database;
- `full_vs_incremental_max_difference`: between the numbers of the process that read the labels bit
  by bit and those of a process that reads all of them at once.

Writes `benchmarks/results/agreement.json`.
"""

import argparse
import asyncio
import json
import statistics
import threading
import time
import urllib.request
from typing import Any

import numpy as np

from app.accounts.viewer import Viewer
from app.agreement.dashboard.queries import project_dashboard
from app.agreement.loading import loaded_since, nothing_loaded
from app.agreement.metrics.bootstrap import RESAMPLES, intervals_of
from app.agreement.metrics.labels import headline
from app.agreement.schemas import agreement_out
from app.db import create_engine, transaction
from app.projects.queries import project_for
from benchmarks.stage import (
    Server,
    add_slates,
    describe_machine,
    describe_versions,
    make_project,
    running_server,
    write_report,
)

RESPONSES, LABELERS, OVERLAP = 9, 40, 0.15
NEW_RANKINGS, MOST_REPETITIONS = 10, 5
SAMPLE_SECONDS = 0.02
PAGE, CALL = "/projects/bench/agreement", "/api/v1/projects/bench/agreement"
AIMS = {
    "first_paint_warm_ms": 300,
    "first_paint_new_labels_ms": 3000,
    "bootstrap_s": 30,
    "web_memory_growth_mb": 50,
    "full_vs_incremental_max_difference": 1e-12,
}
MODELS = """
insert into models (name, kind, path)
values ('sft', 'sft', '/x'), ('ppo-1', 'policy', '/x'), ('ppo-2', 'policy', '/x')
"""
OF_MODELS = """
update responses set model_id = (
    select id from models where name = (array['sft', 'ppo-1', 'ppo-2'])[1 + position %% 3])
where model_id is null
"""
TAGS = "update prompts set tags = array[(array['code', 'chat', 'poetry'])[1 + id % 3]]"

# Labelers see a response's worth, which grows with its position, through noise; one rank in five is
# shared with the next better one. The first half of the tasks of a slate was submitted first.
RANKINGS = """
with given as (
    select t.id as task_id, t.slate_id, t.purpose, p.user_id, p.guideline_version_id,
           now() - make_interval(mins => 20 + (t.id * 7919 %% 144000)::int) as at,
           (select array_agg(r.id order by hashint8(r.id + t.id))
            from responses r where r.slate_id = t.slate_id) as display_order
    from tasks t
    join lateral (
        select m.user_id, g.id as guideline_version_id
        from (select user_id, row_number() over (order by user_id) - 1 as number
              from project_members) m, guideline_versions g
        where m.number = (abs(hashint8(t.slate_id)::bigint)
            + (t.place - 1) * (1 + abs(hashint8(-t.slate_id)::bigint) %% (%(labelers)s - 1)))
            %% %(labelers)s
    ) p on true
    where t.status = 'open' order by at limit %(limit)s
), ranked as (
    insert into rankings (task_id, slate_id, labeler_id, version, is_current, request_key,
                          request_hash, guideline_version_id, display_order, active_ms, purpose,
                          created_at)
    select task_id, slate_id, user_id, 1, true, gen_random_uuid(), '', guideline_version_id,
           display_order, 30000 + task_id %% 300000, purpose,
           case when %(is_now)s then now() else at end
    from given order by at
    returning id, task_id, slate_id, labeler_id
), done as (
    update tasks set status = 'done', labeler_id = ranked.labeler_id, finished_at = now(),
                     display_order = '{}'
    from ranked where tasks.id = ranked.task_id
), seen as (
    select ranked.id, r.id as response_id, row_number() over (
        partition by ranked.id
        order by r.position + 5 * random() + 5 * random()) as place
    from ranked join responses r on r.slate_id = ranked.slate_id
), tied as (
    select *, case when place > 1 and hashint8(id * 10 + place) %% 5 = 0 then 0 else 1 end as step
    from seen
)
insert into ranking_items (ranking_id, response_id, rank, rating)
select id, response_id, sum(step) over (partition by id order by place),
       8 - least(7, sum(step) over (partition by id order by place))
from tied
"""


def get(server: Server, token: str, path: str) -> tuple[float, bytes]:
    """Milliseconds to the last byte, and the body."""
    request = urllib.request.Request(
        f"http://127.0.0.1:{server.port}{path}", headers={"Authorization": f"Bearer {token}"}
    )
    started = time.perf_counter()
    with urllib.request.urlopen(request, timeout=600) as answer:  # noqa: S310
        body = answer.read()
    return 1000 * (time.perf_counter() - started), body


class Memory:
    """The memory of the web process: watched in a thread, against what it was before."""

    def __init__(self, server: Server) -> None:
        self.server, self.before = server, server.rss_bytes()
        self.peak = self.before
        self.finished = threading.Event()
        self.watcher = threading.Thread(target=self._watch)
        self.watcher.start()

    def _watch(self) -> None:
        while not self.finished.wait(SAMPLE_SECONDS):
            self.peak = max(self.peak, self.server.rss_bytes())

    def stop(self) -> dict[str, float]:
        """Growth in the end and at the highest point, in MB."""
        self.finished.set()
        self.watcher.join()
        return {
            "web_memory_growth_mb": round((self.server.rss_bytes() - self.before) / 1e6, 1),
            "web_memory_peak_growth_mb": round((self.peak - self.before) / 1e6, 1),
        }


def prepare(server: Server, *, prompts: int) -> str:
    """The project with its rankings; returns the admin's token."""
    token = make_project(server.database, labelers=LABELERS)[0]
    get(server, token, PAGE)  # what a process takes to show any page at all is not of the project
    add_slates(server.database, prompts=prompts, responses=RESPONSES, overlap=OVERLAP)
    for statement in (MODELS, OF_MODELS, TAGS):
        server.database.execute(statement.replace("%%", "%"))
    kept_open = NEW_RANKINGS * (MOST_REPETITIONS + 1)
    tasks = server.database.execute("select count(*) from tasks").fetchone()
    assert tasks is not None
    submit(server, tasks[0] - kept_open, is_now=False)
    server.database.execute("vacuum analyze")
    return token


def submit(server: Server, rankings: int, *, is_now: bool) -> None:
    """Let labelers submit so many rankings, in the past or now."""
    values = {"labelers": LABELERS, "limit": rankings, "is_now": is_now}
    server.database.execute(RANKINGS, values)


async def bootstrap_seconds(url: str) -> float:
    """The processor time of 1,000 draws for all intervals of the headline."""
    engine = create_engine(url)
    async with transaction(engine) as tx:
        loaded = await loaded_since(tx, 1, nothing_loaded())
    await engine.dispose()
    started = time.process_time()
    intervals_of(headline(loaded.labels), resamples=RESAMPLES)
    return time.process_time() - started


async def all_at_once(url: str) -> dict[str, Any]:
    """The API's answer as a process gives it that has seen nothing of the project before."""
    engine = create_engine(url)
    admin = Viewer(id=1, email="", name="", role="admin")
    async with transaction(engine) as tx:
        project = await project_for(tx, admin, "bench")
        found = await project_dashboard(tx, project, baseline=None)
    await engine.dispose()
    return agreement_out(found).model_dump(mode="json")


def without_eta(answer: dict[str, Any]) -> dict[str, Any]:
    """All but by when everything is labeled, which is counted from the moment of the answer."""
    progress = {**answer["dashboard"]["progress"], "eta": None}
    return {**answer, "dashboard": {**answer["dashboard"], "progress": progress}}


def greatest_difference(one: Any, other: Any) -> float:  # noqa: ANN401 - any JSON
    """Between two numbers at the same place; infinite when anything else differs."""
    if isinstance(one, dict) and isinstance(other, dict) and one.keys() == other.keys():
        return max((greatest_difference(one[key], other[key]) for key in one), default=0.0)
    if isinstance(one, list) and isinstance(other, list) and len(one) == len(other):
        return max(map(greatest_difference, one, other), default=0.0)
    if isinstance(one, float) and isinstance(other, float):
        return abs(one - other)
    return 0.0 if one == other else float("inf")


def measure(*, prompts: int, repetitions: int) -> dict[str, Any]:
    """All figures, in the order in which an admin would meet them."""
    with running_server(workers=1) as server:
        token = prepare(server, prompts=prompts)
        memory = Memory(server)
        cold, _ = get(server, token, PAGE)
        warm = [get(server, token, PAGE)[0] for _ in range(3 * repetitions)]
        new = []
        for _ in range(repetitions):
            submit(server, NEW_RANKINGS, is_now=True)
            new.append(get(server, token, PAGE)[0])
        answer = json.loads(get(server, token, CALL)[1])
        grown = memory.stop()
        anew = asyncio.run(all_at_once(server.database_url))
        return {
            "labels": answer["rankings"],
            "shared_prompts": answer["strict"]["prompts"],
            "comparisons": server.database.execute("select count(*) from comparisons").fetchone()[
                0
            ],
            "first_paint_cold_ms": round(cold, 1),
            "first_paint_warm_ms": round(statistics.median(warm), 1),
            "first_paint_warm_ms_spread": [round(min(warm), 1), round(max(warm), 1)],
            "first_paint_new_labels_ms": round(statistics.median(new), 1),
            "first_paint_new_labels_ms_spread": [round(min(new), 1), round(max(new), 1)],
            **grown,
            "bootstrap_s": round(asyncio.run(bootstrap_seconds(server.database_url)), 2),
            "resamples": RESAMPLES,
            "full_vs_incremental_max_difference": greatest_difference(
                without_eta(answer), without_eta(anew)
            ),
        }


def main() -> None:
    """Read the arguments, measure, write the report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="at most five minutes")
    quick = parser.parse_args().quick
    machine = describe_machine()
    figures = measure(prompts=50_000, repetitions=2 if quick else MOST_REPETITIONS)
    write_report(
        "agreement",
        {
            "machine": machine,
            "versions": {**describe_versions(), "numpy": np.__version__},
            "responses": RESPONSES,
            "labelers": LABELERS,
            **figures,
            "aims": {name: {"at_most": aim, "is_met": figures[name] <= aim}
                     for name, aim in AIMS.items()},
        },
    )  # fmt: skip


if __name__ == "__main__":
    main()
