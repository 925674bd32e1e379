"""How fast a million comparisons stream out, and how much memory that costs the web process.

    python -m benchmarks.export [--quick]

Downloads `GET /projects/bench/comparisons` in each shape while a thread samples the memory of the
web process. The limit in the same run is Postgres' own `COPY` of the bare rows of the view.
Writes `benchmarks/results/export.json`.
"""

import argparse
import statistics
import threading
import time
import urllib.request
from typing import Any

from benchmarks.stage import (
    Server,
    add_slates,
    describe_machine,
    describe_versions,
    make_project,
    running_server,
    write_report,
)

RESPONSES = 9
COMPARISONS_PER_RANKING = 36
CHUNK_BYTES = 2**20
SAMPLE_SECONDS = 0.05

# One ranking a slate, without ties, so that each gives C(9, 2) comparisons.
RANKINGS = """
with ranked as (
    insert into rankings (task_id, slate_id, labeler_id, version, is_current, request_key,
                          request_hash, guideline_version_id, display_order)
    select t.id, t.slate_id, m.user_id, 1, true, gen_random_uuid(), '', g.id,
           (select array_agg(r.id) from responses r where r.slate_id = t.slate_id)
    from tasks t, project_members m, guideline_versions g
    returning id, task_id, slate_id, labeler_id
), done as (
    update tasks set status = 'done', labeler_id = ranked.labeler_id, finished_at = now(),
                     display_order = '{}'
    from ranked where tasks.id = ranked.task_id
)
insert into ranking_items (ranking_id, response_id, rank, rating)
select ranked.id, r.id, r.position, 1 + r.position % 7
from ranked join responses r on r.slate_id = ranked.slate_id
"""


def download(server: Server, token: str, query: str) -> dict[str, float]:
    """Stream one export; count rows and bytes, and the most memory that the web process took."""
    request = urllib.request.Request(
        f"http://127.0.0.1:{server.port}/api/v1/projects/bench/comparisons?{query}",
        headers={"Authorization": f"Bearer {token}"},
    )
    before = peak = server.rss_bytes()
    finished = threading.Event()

    def watch() -> None:
        nonlocal peak
        while not finished.wait(SAMPLE_SECONDS):
            peak = max(peak, server.rss_bytes())

    watcher = threading.Thread(target=watch)
    watcher.start()
    started = time.perf_counter()
    rows = size = 0
    first_byte = 0.0
    with urllib.request.urlopen(request, timeout=600) as answer:  # noqa: S310
        while chunk := answer.read(CHUNK_BYTES):
            first_byte = first_byte or time.perf_counter() - started
            rows += chunk.count(b"\n")
            size += len(chunk)
    seconds = time.perf_counter() - started
    finished.set()
    watcher.join()
    return {
        "rows": rows,
        "rows_per_s": rows / seconds,
        "megabytes": size / 1e6,
        "first_byte_ms": 1000 * first_byte,
        "rss_growth_mb": (peak - before) / 1e6,
    }


def copy_rows_per_second(server: Server) -> float:
    """The limit: rows per second of the bare view through COPY."""
    started, rows = time.perf_counter(), 0
    statement = "copy (select * from comparisons) to stdout"
    with server.database.cursor() as cursor, cursor.copy(statement) as copy:
        for chunk in copy:
            rows += bytes(chunk).count(b"\n")
    return rows / (time.perf_counter() - started)


def measure(*, comparisons: int, repetitions: int) -> dict[str, Any]:
    """Every shape, several times."""
    machine, cells = describe_machine(), []
    with running_server(workers=1) as server:
        admin = make_project(server.database, labelers=1)[0]
        slates = -(-comparisons // COMPARISONS_PER_RANKING)
        add_slates(server.database, prompts=slates, responses=RESPONSES, overlap=0)
        server.database.execute(RANKINGS)
        server.database.execute("vacuum analyze")
        download(server, admin, "format=jsonl&shape=implicit&split=train")  # warm up
        for query in ("format=jsonl&shape=explicit", "format=jsonl&shape=implicit", "format=csv"):
            limit = copy_rows_per_second(server)
            runs = [download(server, admin, query) for _ in range(repetitions)]
            rates = [run["rows_per_s"] for run in runs]
            cells.append(
                {
                    "query": query,
                    **{k: round(statistics.median(run[k] for run in runs), 1) for k in runs[0]},
                    "share_of_copy_limit": round(statistics.median(rates) / limit, 3),
                    "spread": {"rows_per_s": [round(min(rates)), round(max(rates))]},
                }
            )
    return {
        "machine": machine,
        "versions": describe_versions(),
        "repetitions": repetitions,
        "spread": "per cell: lowest and highest of the repetitions; the cell itself is the median",
        "cells": cells,
    }


def main() -> None:
    """Read the arguments, measure, write the report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="at most three minutes")
    quick = parser.parse_args().quick
    report = measure(comparisons=200_000 if quick else 1_000_000, repetitions=1 if quick else 3)
    write_report("export", report)


if __name__ == "__main__":
    main()
