"""How long labelers wait: the labeling screen in a real browser against the real server.

    python -m benchmarks.screen [--quick]

Nine responses of 400 words each. A labeler works with the keyboard alone: rate all, rank all,
submit. Measured in the page itself, from the key press to the frame after what it changed was
painted:

- `page_ready_ms`: a cold visit, from navigation to the filled rank board painted;
- `transferred_kb`: all that a cold visit loads, as it comes over the wire;
- `key_to_paint_p95_ms`: rating and ranking keys;
- `submit_to_next_p95_ms`: from the key that submits to the next task painted, and the same with
  40 ms of added latency each way;
- `keys_k9`: key presses for a whole task;
- `heap_growth_mb`: what 50 tasks in a row leave in the JavaScript heap.

Each task is opened as if it had been read for five minutes before: nothing asks whether a second
was enough. Browser, server and Postgres share the machine. Beside the figures stand those that
other tools were seen with, on 2 cores as well. Writes `benchmarks/results/screen.json`.
"""

import argparse
import asyncio
import hashlib
import secrets
import shutil
import statistics
import sys
from pathlib import Path
from typing import Any

from playwright.async_api import Browser, BrowserContext, CDPSession, Page, async_playwright

from benchmarks.stage import (
    Server,
    add_slates,
    describe_machine,
    describe_versions,
    make_project,
    running_server,
    write_report,
)

RESPONSES, WORDS = 9, 400
TASKS_IN_A_ROW = 50
LATENCY_MS = 40
READ_MS = 300_000
CHROMIUMS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
ARGUMENTS = [
    "--no-sandbox",
    "--disable-quic",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
PROBE = Path(__file__).with_name("screen_probe.js")
# Seen with the same kind of script on a 2-core machine, default installation, loopback.
OTHERS = {
    "Label Studio 1.21 community": {"page_ready_ms": [2900, 4200], "submit_to_next_ms": 567},
    "Potato 2.1": {"page_ready_ms": 500, "submit_to_next_ms": 455},
}
AIMS = {
    "page_ready_ms": 400,
    "transferred_kb": 150,
    "key_to_paint_p95_ms": 50,
    "submit_to_next_p95_ms": 50,
    "submit_to_next_p95_ms_latency_40": 50,
    "keys_k9": 19,
    "heap_growth_mb": 5,
}

WORDY = """
update responses set text = (
    select string_agg('word' || ((id * 7919 + n * (n + id)) %% 9973), ' ' order by n)
    from generate_series(1, %(words)s) n
)
"""
SESSION = """
insert into sessions (token_hash, user_id, expires_at)
select %(hash)s, id, now() + interval '1 day' from users where email = '1@bench.example'
returning user_id
"""
# A labeler who has long texts unfolded from the start.
EXPANDS = (
    """update users set preferences = '{"expand_all": true}' where email = '1@bench.example'"""
)
READ = """
insert into drafts (task_id, labeler_id, version, body)
select t.id, u.id, 1, jsonb_build_object('activeMs', %(read_ms)s::int)
from tasks t, users u where u.email = '1@bench.example'
on conflict do nothing
"""


async def visit(browser: Browser, server: Server, token: str) -> tuple[BrowserContext, Page]:
    """A fresh profile, signed in, with the probe in every page."""
    url = f"http://127.0.0.1:{server.port}"
    context = await browser.new_context(base_url=url, viewport={"width": 1440, "height": 900})
    await context.add_cookies([{"name": "podium", "value": token, "url": url}])
    await context.add_init_script(path=PROBE)
    return context, await context.new_page()


async def cold_visit(browser: Browser, server: Server, token: str) -> tuple[float, float]:
    """Milliseconds until ready, and kB over the wire."""
    context, page = await visit(browser, server, token)
    session = await context.new_cdp_session(page)
    await session.send("Network.enable")
    received: list[float] = []
    session.on("Network.loadingFinished", lambda told: received.append(told["encodedDataLength"]))
    await page.goto("/projects/bench/label")
    ready = float(await page.evaluate("probe.ready"))
    await page.wait_for_load_state("networkidle")
    await context.close()
    return ready, sum(received) / 1000


async def work(page: Page, tasks: int) -> dict[str, list[float]]:
    """Rate, rank and submit so many tasks with the keyboard; times in milliseconds."""
    keys = ["4"] * RESPONSES + [f"Shift+Digit{row}" for row in range(1, RESPONSES + 1)]
    seen: dict[str, list[float]] = {"key": [], "next": [], "keys": []}
    for _ in range(tasks):
        await page.wait_for_selector('[data-has-next="true"]', state="attached")
        for key in keys:
            await page.evaluate("probe.expectPaint()")
            await page.keyboard.press(key)
            seen["key"].append(float(await page.evaluate("probe.painted")))
        await page.evaluate("probe.expectTask()")
        await page.keyboard.press("Control+Enter")
        seen["next"].append(float(await page.evaluate("probe.shown")))
        seen["keys"].append(len(keys) + 1)
    return seen


async def heap_mb(session: CDPSession) -> float:
    """The JavaScript heap after collecting garbage."""
    await session.send("HeapProfiler.collectGarbage")
    metrics = (await session.send("Performance.getMetrics"))["metrics"]
    return next(one["value"] for one in metrics if one["name"] == "JSHeapUsedSize") / 1e6


async def measure(server: Server, token: str, *, visits: int, tasks: int) -> dict[str, Any]:
    """All figures, from cold visits to a long session."""
    path = next(filter(None, map(shutil.which, CHROMIUMS)), None)
    if path is None:
        sys.exit("no Chromium found; install it (on Debian: apt-get install chromium)")
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=path, args=ARGUMENTS)
        cold = [await cold_visit(browser, server, token) for _ in range(visits)]
        context, page = await visit(browser, server, token)
        session = await context.new_cdp_session(page)
        await session.send("Performance.enable")
        await page.goto("/projects/bench/label")
        await page.evaluate("probe.ready")
        await work(page, 5)
        before = await heap_mb(session)
        near = await work(page, tasks)
        growth = await heap_mb(session) - before
        await session.send(
            "Network.emulateNetworkConditions",
            {
                "offline": False,
                "latency": 2 * LATENCY_MS,  # Chromium adds it to the round trip
                "downloadThroughput": -1,
                "uploadThroughput": -1,
            },
        )
        far = await work(page, max(10, tasks // 2))
        version = browser.version
        await browser.close()
    ready, kilobytes = [each[0] for each in cold], [each[1] for each in cold]
    return {
        "browser": f"Chromium {version}",
        "page_ready_ms": round(statistics.median(ready), 1),
        "page_ready_ms_spread": [round(min(ready), 1), round(max(ready), 1)],
        "transferred_kb": round(statistics.median(kilobytes), 1),
        **percentiles("key_to_paint", near["key"]),
        **percentiles("submit_to_next", near["next"]),
        "submit_to_next_p95_ms_latency_40": percentiles("far", far["next"])["far_p95_ms"],
        "keys_k9": int(max(near["keys"])),
        "heap_growth_mb": round(growth, 2),
        "tasks_in_a_row": tasks,
        "visits": visits,
    }


def percentiles(name: str, values: list[float]) -> dict[str, float]:
    """The median and the 95th percentile."""
    cuts = statistics.quantiles(values, n=20)
    return {f"{name}_p50_ms": round(cuts[9], 1), f"{name}_p95_ms": round(cuts[18], 1)}


def prepare(server: Server, tasks: int) -> str:
    """A project with enough tasks for one labeler; returns the session of that labeler."""
    make_project(server.database, labelers=1)
    add_slates(server.database, prompts=tasks, responses=RESPONSES, overlap=0)
    server.database.execute(WORDY, {"words": WORDS})
    server.database.execute(EXPANDS)
    server.database.execute(READ, {"read_ms": READ_MS})
    token = secrets.token_urlsafe(32)
    digest = hashlib.sha256(token.encode()).digest()
    server.database.execute(SESSION, {"hash": digest})
    return token


def main() -> None:
    """Read the arguments, measure, write the report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="at most five minutes")
    quick = parser.parse_args().quick
    tasks, visits = (20, 5) if quick else (TASKS_IN_A_ROW, 15)
    machine = describe_machine()
    with running_server(workers=1) as server:
        token = prepare(server, tasks=2 * tasks + 40)
        figures = asyncio.run(measure(server, token, visits=visits, tasks=tasks))
    write_report(
        "screen",
        {
            "machine": machine,
            "versions": describe_versions(),
            "responses": RESPONSES,
            "words_per_response": WORDS,
            **figures,
            "aims": {name: {"at_most": aim, "is_met": figures[name] <= aim}
                     for name, aim in AIMS.items()},
            "other_tools": OTHERS,
        },
    )  # fmt: skip


if __name__ == "__main__":
    main()
