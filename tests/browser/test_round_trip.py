"""Two hundred random rankings from the screen through the database to the exports, exactly."""

import json
import os
import random
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import permutations

import pytest
from playwright.async_api import Page, expect
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from app.db import transaction
from tests.browser.labeling_data import Place, make_place, stored_rankings
from tests.browser.screen import Screen
from tests.slates import make_slates

SIZES = range(2, 10)
SLATES_PER_SIZE = 25
CASES = len(SIZES) * SLATES_PER_SIZE
SEED = int(os.environ.get("ROUND_TRIP_SEED", "0")) or random.randrange(1, 10**9)
REASONS = ("empty", "garbled", "cut_off", "language", "not_displayed")
NOTES = ("", "", "As it is.", "مرحبا <b>& co</b>", "two\nlines 🌙")
# Every fourth slate has two responses with the same text but for its white space.
MAKE_TWINS = text("""
update responses set text = case position when 1 then 'The  same text.' else 'The same text.' end
where position in (1, 3) and slate_id % 4 = 0
  and slate_id in (select s.id from slates s join rounds r on r.id = s.round_id
                   where r.project_id = :project_id)
""")
STORED = text("""
select r.id, r.cannot_rank, r.note, i.response_id, i.rank, i.rating, i.flags, i.note as item_note,
       i.cannot_judge, i.duplicate_of
from rankings r join ranking_items i on i.ranking_id = r.id
where r.labeler_id = :labeler_id
""")
CARDS = """
cards => cards.map(({ dataset }) => ({
  id: Number(dataset.response), letter: dataset.letter, twins: JSON.parse(dataset.twins),
}))
"""
FLAGS = """
card => [...card.querySelectorAll(".flag-list input:not([data-needs-note])")]
  .map((box) => box.value)
"""
# What takes no part in placing is set by the shortest way.
REMARK = """
(remarks) => remarks.forEach(({ letter, rating, flags, note, cannotJudge }) => {
  const card = document.querySelector(`#response-${letter}`);
  card.querySelector(`input[type="radio"][value="${rating}"]`).click();
  flags.forEach((flag) => card.querySelector(`.flag-list input[value="${flag}"]`).click());
  const set = (field, value, kind) => {
    if (field.value === value) return;
    field.value = value;
    field.dispatchEvent(new Event(kind, { bubbles: true }));
  };
  set(card.querySelector("[data-note] textarea"), note, "input");
  set(card.querySelector("[data-cannot-judge]"), cannotJudge ?? "", "change");
})
"""
# Dragging is the slowest by far, then the mouse.
WAYS = (*["keys"] * 11, *["clicks", "menu"] * 2, "drag")


@dataclass(frozen=True)
class Judged:
    """What is to be said about the response, and those with the same text, under one letter."""

    id: int
    letter: str
    twins: Sequence[int]
    rating: int
    row: int
    flags: Sequence[str]
    note: str
    cannot_judge: str | None


@dataclass(frozen=True)
class Case:
    """What is to be said of one task."""

    judged: Sequence[Judged]
    cannot_rank: str | None

    def ranks(self) -> dict[int, int | None]:
        """The dense rank of each response."""
        rows = sorted({one.row for one in self.judged if one.cannot_judge is None})
        return {
            response: None
            if one.cannot_judge
            else (1 if self.cannot_rank else rows.index(one.row) + 1)
            for one in self.judged
            for response in (one.id, *one.twins)
        }


async def drawn(page: Page, chance: random.Random) -> Case:
    """A random case for the task on the page; at least one response can be judged."""
    cards = await page.locator(".response").evaluate_all(CARDS)
    flags = await page.locator(".response").first.evaluate(FLAGS)
    spared = chance.randrange(len(cards))
    return Case(
        judged=[
            Judged(
                card["id"],
                card["letter"],
                card["twins"],
                rating=chance.randint(1, 7),
                row=chance.randint(1, len(cards)),
                flags=chance.sample(flags, chance.choice([0, 0, 1, 2])),
                note=chance.choice(NOTES),
                cannot_judge=chance.choice(REASONS)
                if position != spared and chance.random() < 0.1
                else None,
            )
            for position, card in enumerate(cards)
        ],
        cannot_rank="incomparable" if chance.random() < 0.05 else None,
    )


async def place_by(page: Page, way: str, one: Judged) -> None:
    """Put a response into its row by keys, clicks, the menu of its pill, or by dragging."""
    screen = Screen(page)
    if way == "keys":
        await page.keyboard.press(one.letter.lower())
        await page.keyboard.press(f"Shift+Digit{one.row}")
    elif way == "clicks":
        await screen.chip(one.letter).click()
        await screen.row(one.row).locator(".row-number").click()
    elif way == "menu":
        await screen.card(one.letter).locator("[data-rank-pill]").click()
        await page.locator("[data-rank-menu] button").nth(one.row - 1).click()
    else:
        await screen.drag(one.letter, one.row)


async def carry_out(page: Page, case: Case, way: str) -> None:
    """Say everything of the case on the screen, and submit it."""
    remarks = [
        {
            "letter": one.letter,
            "rating": one.rating,
            "flags": one.flags,
            "note": one.note,
            "cannotJudge": one.cannot_judge,
        }
        for one in case.judged
    ]
    await page.evaluate(REMARK, remarks)
    for one in case.judged:
        if one.cannot_judge is None:
            await place_by(page, way, one)
    if case.cannot_rank:
        await page.locator("[data-cannot-rank]").select_option(case.cannot_rank)
    await expect(page.locator("[data-status]")).to_have_text("Ready to submit")
    await expect(page.locator("[data-labeling]")).to_have_attribute("data-has-next", "true")


async def submit(page: Page) -> None:
    """Submit, once more where it is asked about."""
    await page.keyboard.press("Control+Enter")
    if await page.locator("[data-message] .notice.warn").count():
        await page.keyboard.press("Control+Enter")


async def check_rows(engine: AsyncEngine, place: Place, cases: Sequence[Case]) -> None:
    async with transaction(engine) as tx:
        found = (await tx.execute(STORED, {"labeler_id": place.labeler_id})).all()
    stored = {row.response_id: row for row in found}
    assert len(stored) == len(found) == sum(len(case.ranks()) for case in cases)
    for case in cases:
        ranks = case.ranks()
        for one in case.judged:
            for response in (one.id, *one.twins):
                row = stored[response]
                assert (row.rank, row.rating) == (ranks[response], one.rating)
                assert sorted(row.flags) == sorted(one.flags)
                assert (row.item_note or "", row.cannot_judge) == (one.note, one.cannot_judge)
                assert row.duplicate_of == (None if response == one.id else one.id)
                assert row.cannot_rank == case.cannot_rank


async def check_exports(page: Page, place: Place, cases: Sequence[Case]) -> None:
    answer = await page.request.get(f"/api/v1/projects/{place.slug}/rankings?format=jsonl")
    exported = {}
    for line in (await answer.text()).splitlines():
        row = json.loads(line)
        ids = [int(response["id"]) for response in row["responses"]]
        said = zip(row["ranks"], row["ratings"], strict=True)
        exported |= dict(zip(ids, said, strict=True))
    expected = {
        response: (case.ranks()[response], one.rating)
        for case in cases
        for one in case.judged
        for response in (one.id, *one.twins)
    }
    assert exported == expected

    answer = await page.request.get(f"/api/v1/projects/{place.slug}/comparisons?format=jsonl")
    lines = [json.loads(line) for line in (await answer.text()).splitlines()]
    pairs = [tuple(map(int, line["comparison_id"].split("-")[1:])) for line in lines]
    assert sorted(pairs) == sorted(
        (better, worse)
        for case in cases
        for (better, high), (worse, low) in permutations(case.ranks().items(), 2)
        if high is not None and low is not None and high < low
    )


@pytest.mark.slow
@pytest.mark.timeout(900)  # 200 seconds on a busy machine
async def test_what_is_placed_is_what_is_stored_and_exported(open_page, engine):
    print(f"ROUND_TRIP_SEED={SEED}")  # noqa: T201 - shown when the test fails
    chance = random.Random(SEED)
    place = await make_place(engine, slates=1, responses=4)
    async with transaction(engine) as tx:
        for size in SIZES:
            await make_slates(
                tx, project_id=place.project_id, count=SLATES_PER_SIZE, responses=size
            )
        await tx.execute(MAKE_TWINS, {"project_id": place.project_id})
        admin = await tx.scalar(text("select max(id) from users where role = 'admin'"))
    page = await open_page(place.labeler_id, viewport={"width": 1440, "height": 1000})
    screen = Screen(page)
    await screen.open(place.label)

    cases = []
    for number in range(CASES):
        task = await screen.task()
        case = await drawn(page, chance)
        await carry_out(page, case, WAYS[number % len(WAYS)])
        await submit(page)
        await screen.is_another_than(task)
        cases.append(case)
    await stored_rankings(engine, place, at_least=CASES)

    await check_rows(engine, place, cases)
    await check_exports(await open_page(admin), place, cases)
