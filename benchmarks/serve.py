"""How fast labelers get tasks and submit rankings: the real server, 1, 8 and 64 of them at once.

    python -m benchmarks.serve [--quick]

Each cell lets labelers run next -> ranking over HTTP without a pause. The limit in the same run is
`/healthz`, the cheapest answer of the same server to as many connections. Client and server share
the machine. Writes `benchmarks/results/serve.json`.
"""

import argparse
import asyncio
import json
import random
import statistics
import time
import uuid
from dataclasses import dataclass, field
from typing import Any

from benchmarks.http_client import Connection
from benchmarks.stage import (
    Server,
    add_slates,
    describe_machine,
    describe_versions,
    make_project,
    reopen_tasks,
    running_server,
    write_report,
)

RESPONSES = 6
WEB_PROCESSES = 2
OK, CREATED, NOTHING = 200, 201, 204
MAX_LABELERS = 64
MANY_PROMPTS, FEW_PROMPTS_PLACES = 20_000, 6

OVER_OVERLAP = """
select count(*) from (
    select s.id from slates s join tasks t on t.slate_id = s.id and t.status in ('done', 'leased')
    group by s.id, s.places having count(*) > s.places
) over_overlap
"""


@dataclass
class Observed:
    """What one cell saw; times in milliseconds."""

    next_ms: list[float] = field(default_factory=list)
    submit_ms: list[float] = field(default_factory=list)
    errors: int = 0


async def label(port: int, token: str, deadline: float, seen: Observed) -> None:
    """One labeler: take a task, rank it, again."""
    connection = await Connection.open(port, token)
    choose = random.Random(token)
    while time.perf_counter() < deadline:
        started = time.perf_counter()
        task = await connection.send("POST", "/api/v1/projects/bench/tasks/next")
        leased = time.perf_counter()
        if task.status != OK:
            seen.errors += task.status != NOTHING
            break
        body = _ranking(json.loads(task.body), choose)
        path = f"/api/v1/tasks/{body.pop('task')}/ranking"
        sending = time.perf_counter()
        answer = await connection.send(
            "PUT", path, json.dumps(body).encode(), key=str(uuid.uuid4())
        )
        done = time.perf_counter()
        seen.errors += answer.status != CREATED
        seen.next_ms.append(1000 * (leased - started))
        seen.submit_ms.append(1000 * (done - sending))
    connection.close()


def _ranking(task: dict[str, Any], choose: random.Random) -> dict[str, Any]:
    return {
        "task": task["id"],
        "lease_token": task["lease_token"],
        "responses": [
            {
                "id": response["id"],
                "rank": choose.randint(1, RESPONSES),
                "rating": choose.randint(1, 7),
                "flags": ["flag-1"] if choose.random() < 0.1 else [],
            }
            for response in task["responses"]
        ],
        "active_ms": 60_000,
    }


async def ask_health(port: int, token: str, deadline: float) -> int:
    """Count the cheapest answers until the deadline."""
    connection = await Connection.open(port, token)
    answers = 0
    while time.perf_counter() < deadline:
        answers += (await connection.send("GET", "/healthz")).status == OK
    connection.close()
    return answers


async def health_per_second(server: Server, tokens: list[str], seconds: float) -> float:
    """The limit: answers per second of `/healthz`."""
    deadline = time.perf_counter() + seconds
    counts = await asyncio.gather(*(ask_health(server.port, token, deadline) for token in tokens))
    return sum(counts) / seconds


async def run_cell(
    server: Server, tokens: list[str], *, prompts: int, seconds: float, repetitions: int
) -> dict[str, Any]:
    """Measure one number of labelers, several times; quote medians and the spread."""
    runs = []
    for _ in range(repetitions):
        reopen_tasks(server.database)
        limit = await health_per_second(server, tokens, min(2, seconds / 4))
        seen = Observed()
        deadline = time.perf_counter() + seconds
        started = time.perf_counter()
        await asyncio.gather(*(label(server.port, token, deadline, seen) for token in tokens))
        cycles = len(seen.submit_ms) / (time.perf_counter() - started)
        runs.append(
            {
                **_percentiles("next", seen.next_ms),
                **_percentiles("submit", seen.submit_ms),
                "cycles_per_s": cycles,
                "share_of_health_limit": 2 * cycles / limit,
                "errors": seen.errors,
            }
        )
    over = server.database.execute(OVER_OVERLAP).fetchone()
    assert over is not None
    return {
        "labelers": len(tokens),
        "prompts": prompts,
        **{name: _rounded(statistics.median(run[name] for run in runs)) for name in runs[0]},
        "errors": sum(run["errors"] for run in runs),
        "over_overlap": over[0],
        "rss_mib": round(server.rss_bytes() / 2**20, 1),
        "spread": {
            name: [
                _rounded(min(run[name] for run in runs)),
                _rounded(max(run[name] for run in runs)),
            ]
            for name in ("next_p95_ms", "submit_p95_ms", "cycles_per_s")
        },
    }


def _percentiles(name: str, values: list[float]) -> dict[str, float]:
    cuts = statistics.quantiles(values, n=100) if len(values) > 1 else [float("nan")] * 99
    return {f"{name}_p{cut}_ms": cuts[cut - 1] for cut in (50, 95, 99)}


def _rounded(value: float) -> float:
    return round(value, 3)


async def measure(*, seconds: float, repetitions: int, sizes: list[int]) -> dict[str, Any]:
    """All cells, from few prompts to many."""
    machine, cells = describe_machine(), []
    with running_server(workers=WEB_PROCESSES) as server:
        tokens = make_project(server.database, labelers=MAX_LABELERS)[1:]
        loaded = 0
        for size in sizes:
            add_slates(server.database, prompts=size - loaded, responses=RESPONSES)
            loaded = size
            for labelers in (1, 8, 64) if size == 20_000 else (8,):
                print(f"{size} prompts, {labelers} labelers ...", flush=True)
                cells.append(
                    await run_cell(
                        server,
                        tokens[:labelers],
                        prompts=size,
                        seconds=seconds,
                        repetitions=repetitions,
                    )
                )
    return {
        "machine": machine,
        "versions": describe_versions(),
        "web_processes": WEB_PROCESSES,
        "responses_per_prompt": RESPONSES,
        "seconds_per_run": seconds,
        "repetitions": repetitions,
        "spread": "per cell: lowest and highest of the repetitions; the cell itself is the median",
        "cells": cells,
    }


def main() -> None:
    """Read the arguments, measure, write the report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="at most three minutes")
    quick = parser.parse_args().quick
    report = asyncio.run(
        measure(
            seconds=10 if quick else 20,
            repetitions=1 if quick else 2,
            sizes=[MANY_PROMPTS] if quick else [2_000, MANY_PROMPTS, 200_000],
        )
    )
    write_report("serve", report)


if __name__ == "__main__":
    main()
