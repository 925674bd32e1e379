"""Two thousand random inputs leave the board, the draft and the server in agreement."""

import asyncio
import json
import os
import random
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import pytest
from playwright.async_api import Error, Page, expect

from tests.browser.labeling_data import Place, make_place, stored_rankings
from tests.browser.screen import Screen

INPUTS = 2000
SEED = int(os.environ.get("MONKEY_SEED", "4711"))  # others explore
TEXTS = ["The same text.", "The same  text.", "Moon. " * 900, "مرحبا", "$x^2$ and `code`", "Last."]
KEYS = (
    *"abcdefghi", *"jk", *"1234567", "0", "Backspace",
    *(f"Shift+Digit{row}" for row in range(10)), *(f"Numpad{row}" for row in range(10)),
    "=", "Alt+ArrowUp", "Alt+ArrowDown", "Alt+Shift+ArrowUp", "Alt+Shift+ArrowDown",
    "l", "n", "Shift+N", "x", "Shift+X", "z", "r", "o", "[", "]", "/", "y", "q", "?", "s", "w", "t",
    "u", "u", "Shift+U", "Control+z", "Control+Shift+z", "Control+s", "Escape", "Escape", "Tab",
    "Shift+Tab", "Space", "Enter", "Delete", "ArrowUp", "ArrowDown", "ArrowLeft", "ArrowRight",
    "p", "v", "m", "Shift+R",
)  # fmt: skip
# Clicks in the page itself: what is not there, hidden or behind a dialog is left alone.
CLICK = """
([selector, choice]) => {
  const isHit = (element) => {
    element.scrollIntoView({ block: "center" });
    const box = element.getBoundingClientRect();
    const at = document.elementFromPoint(box.x + box.width / 2, box.y + box.height / 2);
    return box.width > 0 && at !== null && (element.contains(at) || at.contains(element));
  };
  const all = [...document.querySelectorAll(selector)].filter((one) => !one.disabled && isHit(one));
  if (all.length === 0) return false;
  const one = all[choice % all.length];
  if (one.tagName === "SELECT") {
    one.selectedIndex = choice % one.options.length;
    one.dispatchEvent(new Event("change", { bubbles: true }));
  } else {
    one.click();
  }
  return true;
}
"""
CLICKS = (
    ".rating input", ".rating input", ".chip", ".chip", ".chip", "[data-board] [data-row]",
    "[data-board] [data-row]", ".gap button", "[data-tray]", "[data-rank-pill]",
    "[data-rank-menu] button", "[data-rank-menu] button", ".flag-list input", "details > summary",
    "[data-cannot-judge]", "[data-cannot-rank]", "[data-show-all]", "[data-step]", "[data-action]",
    "[data-find] button", "[data-closes]", ".more", "[data-sheet-toggle]", "[data-theme-toggle]",
)  # fmt: skip
WORK = """
() => {
  const rows = [...document.querySelectorAll("[data-board] [data-row]")].map((row) =>
    [...row.querySelectorAll(".chip")].map((chip) => Number(chip.dataset.chip)));
  const items = Object.fromEntries([...document.querySelectorAll(".response")].map((card) => [
    card.dataset.response,
    {
      rating: Number(card.querySelector(".rating input:checked")?.value) || null,
      flags: [...card.querySelectorAll(".flag-list input:checked")].map((box) => box.value).sort(),
      note: card.querySelector("[data-note] textarea").value,
      cannotJudge: card.querySelector("[data-cannot-judge]").value || null,
    }]));
  return {
    rows, items,
    note: document.querySelector("[data-task-note]").value,
    cannotRank: document.querySelector("[data-cannot-rank]").value || null,
    tray: [...document.querySelectorAll("[data-tray] .chip")]
      .map((chip) => Number(chip.dataset.chip)),
  };
}
"""
LOCAL = """
(task) => Object.entries(localStorage)
  .filter(([name]) => name.startsWith("podium.draft.") && name.endsWith(`.${task}`))
  .map(([_name, draft]) => JSON.parse(draft).work)
"""


@dataclass
class Monkey:
    """Hits the page at random, always the same way for one seed."""

    page: Page
    random: random.Random
    label: str

    async def key(self) -> None:
        await self.page.keyboard.press(self.random.choice(KEYS))

    async def click(self) -> None:
        choice = [self.random.choice(CLICKS), self.random.randrange(1000)]
        await self.page.evaluate(CLICK, choice)

    async def type(self) -> None:
        await self.page.keyboard.insert_text(self.random.choice(["moon ", "x", "ü", "مر", "🌙 "]))

    async def drag(self) -> None:
        chips, places = (
            self.page.locator(".chip:visible"),
            self.page.locator(
                "[data-board] :is(.row, .gap, [data-tray]):visible, "
                "[data-tray]:visible, .prompt:visible"
            ),
        )
        if await chips.count() == 0 or await places.count() == 0:
            return
        chip = await chips.nth(self.random.randrange(await chips.count())).bounding_box()
        to = await places.nth(self.random.randrange(await places.count())).bounding_box()
        if chip is None or to is None:
            return
        mouse = self.page.mouse
        await mouse.move(chip["x"] + 10, chip["y"] + 10)
        await mouse.down()
        await mouse.move(chip["x"] + 20, chip["y"] + 20)
        await mouse.move(to["x"] + 20, to["y"] + min(20, to["height"] / 2), steps=3)
        if self.random.random() < 0.1:
            await self.page.keyboard.press("Escape")
        await mouse.up()

    async def resize(self) -> None:
        width = self.random.choice([390, 768, 1024, 1440])
        await self.page.set_viewport_size({"width": width, "height": 800})

    async def reload(self) -> None:
        for _ in range(5):
            with suppress(Error):  # A link that was followed, or the next task, was faster.
                await self.page.goto(self.label)
                break
        await Screen(self.page).ready()

    async def hit(self) -> None:
        kinds: list[tuple[float, Callable[[], Awaitable[None]]]] = [
            (0.55, self.key), (0.33, self.click), (0.06, self.type), (0.045, self.drag),
            (0.01, self.resize), (0.005, self.reload),
        ]  # fmt: skip
        weights, hits = zip(*kinds, strict=True)
        [hit] = self.random.choices(hits, weights)
        try:
            await hit()
        except Error as error:  # The input before it led away: a link, or the next task.
            if "navigation" not in str(error):
                raise
            await self.reload()
        if not self.page.url.split("?")[0].endswith(self.label):
            await self.reload()  # A link was followed, or the task skipped.


def plain(work: dict[str, Any]) -> dict[str, Any]:
    """The stored work in the words of what is seen on the page."""
    return {
        "rows": work["board"]["rows"],
        "items": {
            key: {
                "rating": item["rating"], "flags": sorted(item["flags"]), "note": item["note"],
                "cannotJudge": item["cannotJudge"],
            }
            for key, item in work["items"].items()
        },
        "note": work["note"],
        "cannotRank": work["cannotRank"],
    }  # fmt: skip


async def calm(page: Page) -> None:
    """Close what is open, so that keys reach the task."""
    await page.set_viewport_size({"width": 1440, "height": 900})
    await page.evaluate("""
        document.querySelectorAll("dialog[open]").forEach((one) => one.close());
        document.querySelectorAll(":popover-open").forEach((one) => one.hidePopover());
        document.activeElement.blur();
    """)


async def agreed(page: Page) -> dict[str, Any]:
    """The work, once the page, this browser and the server have the same."""
    seen = await page.evaluate(WORK)
    tray = seen.pop("tray")
    task = await Screen(page).task()
    [local] = await page.evaluate(LOCAL, task)
    assert plain(local) == seen
    for _ in range(100):
        await page.keyboard.press("Control+s")
        answer = await page.request.get(f"/api/v1/tasks/{task}/draft")
        # 204: the first save of this task has not come yet.
        if answer.status == 200 and (await answer.json())["body"]["work"] == local:
            break
        await page.wait_for_timeout(100)
    assert (await answer.json())["body"]["work"] == local

    placed = [one for row in seen["rows"] for one in row]
    unjudged = [int(key) for key, item in seen["items"].items() if item["cannotJudge"]]
    assert sorted([*placed, *tray, *unjudged]) == sorted(map(int, seen["items"]))
    return seen


async def finish(page: Page) -> dict[str, Any]:
    """Rate and rank what is left and submit it; returned is what the screen showed."""
    for card in await page.locator(".response").all():
        if await card.locator("[data-cannot-judge]").input_value():
            continue
        if not await card.locator(".rating input:checked").count():
            await card.get_by_role("radio", name="4").check()
        if await card.locator("[data-rank-pill]:not(.is-ranked)").count():
            await card.focus()
            await page.keyboard.press("Shift+Digit2")
    await expect(page.locator("[data-status]")).to_have_text("Ready to submit")
    seen: dict[str, Any] = await page.evaluate(WORK)
    seen["twins"] = dict(
        await page.locator(".response").evaluate_all(
            "all => all.map(({ dataset }) => [dataset.response, JSON.parse(dataset.twins)])"
        )
    )
    task = await Screen(page).task()
    for _ in range(3):
        await page.keyboard.press("Control+Enter")
        if await Screen(page).task() != task:
            break
    return seen


async def is_stored(engine, place: Place, seen: dict[str, Any]) -> None:
    """Whether the last ranking has what was seen, ranks without holes."""
    for _ in range(100):
        rankings = await stored_rankings(engine, place)
        if rankings and set(map(int, seen["items"])) <= rankings[-1].items.keys():
            break
        await asyncio.sleep(0.1)
    ranking = rankings[-1]
    filled = [row for row in seen["rows"] if row]
    rank_of = {one: rank for rank, row in enumerate(filled, start=1) for one in row}
    for key, item in seen["items"].items():
        for one in [int(key), *seen["twins"][key]]:
            stored = ranking.items[one]
            expected = rank_of.get(int(key))
            if seen["cannotRank"] and not item["cannotJudge"]:
                expected = 1
            assert stored.rank == expected
            assert (stored.rating, sorted(stored.flags)) == (item["rating"], item["flags"])
            assert (stored.note or "") == item["note"].strip()
    assert (ranking.note or "") == seen["note"].strip()


@pytest.mark.slow
async def test_2000_random_inputs_leave_board_draft_and_server_in_agreement(
    open_page, engine, complaints
):
    print(f"MONKEY_SEED={SEED}")  # noqa: T201 - shown when the test fails
    place = await make_place(engine, slates=40, responses=6, texts=TEXTS)
    page = await open_page(place.labeler_id, viewport={"width": 1440, "height": 900})
    await Screen(page).open(place.label)
    monkey = Monkey(page, random.Random(SEED), place.label)
    began = time.monotonic()

    for number in range(1, INPUTS + 1):
        await monkey.hit()
        if number % 400 == 0:
            await calm(page)
            await agreed(page)
    print(json.dumps({"seconds": round(time.monotonic() - began, 1)}))  # noqa: T201

    await calm(page)
    seen = await finish(page)
    await is_stored(engine, place, seen)
    # A page that was left while it saved is answered so on the next one, which goes on by itself.
    complaints[:] = [line for line in complaints if "409" not in line]
