"""The labeling screen for everybody: axe-core in every state of it, contrast, motion, direction."""

import json
from collections.abc import Awaitable, Callable

import pytest
import pytest_asyncio
from playwright.async_api import Page, expect
from sqlalchemy import text

from app.db import transaction
from tests.browser.accessibility import AXE, faults
from tests.browser.labeling_data import Place, make_place
from tests.browser.screen import Screen

LONG = "The moon is far away, and nobody lives there yet. " * 60
TEXTS = [
    f"# Heading\n\n{LONG}\n\n```\n{'x' * 300}\n```",
    "مرحبا بالعالم، هذا رد.\n\nEnglish.",
    LONG,
]
SIZES = {1440: 900, 320: 640}


async def set_screen(engine, place: Place, **settings: object) -> None:
    """Change settings of the labeling screen of a place's project."""
    async with transaction(engine) as tx:
        await tx.execute(
            text("update projects set screen = screen || cast(:more as jsonb) where id = :id"),
            {"more": json.dumps(settings), "id": place.project_id},
        )


@pytest_asyncio.fixture(loop_scope="session", scope="module")
async def place(engine) -> Place:
    return await make_place(engine, slates=1, responses=5, texts=TEXTS)


async def guidelines(page: Page) -> None:
    await page.keyboard.press("q")


async def keyboard_help(page: Page) -> None:
    await page.keyboard.press("?")


async def skip(page: Page) -> None:
    await page.keyboard.press("s")
    await page.get_by_role("button", name="Skip and go on").click()


async def report(page: Page) -> None:
    await page.keyboard.press("w")
    await page.locator("#report").get_by_role("button", name="Report", exact=True).click()


async def draft_choice(page: Page) -> None:
    await page.evaluate("""
        document.querySelector("[data-draft-mine]").textContent = "Ratings: A 5.";
        document.querySelector("[data-draft-other]").textContent = "Ratings: none.";
        document.querySelector("#draft-choice").showModal();
    """)


async def find(page: Page) -> None:
    await page.keyboard.press("/")
    await page.keyboard.type("moon")


async def rank_menu(page: Page) -> None:
    await page.locator("#response-B [data-rank-pill]").click()


async def flags_and_notes(page: Page) -> None:
    # High enough that no box lies half behind the bar, which axe-core takes for a small one.
    await page.set_viewport_size({"width": page.viewport_size["width"], "height": 3000})
    await page.keyboard.press("b")
    await page.keyboard.press("l")
    await page.keyboard.press("Space")
    await page.keyboard.press("Escape")
    await page.keyboard.press("l")
    await page.locator("#response-B [data-note] summary").click()


async def board(page: Page) -> None:
    toggle = page.locator("[data-sheet-toggle]")
    if await toggle.is_visible():
        await toggle.click()
    await page.locator(".chip").first.click()


async def more(page: Page) -> None:
    button = page.get_by_role("button", name="More", exact=True)
    if await button.is_visible():
        await button.click()


async def one_at_a_time(page: Page) -> None:
    await page.keyboard.press("z")


async def warning(page: Page) -> None:
    await Screen(page).complete()
    await page.keyboard.press("Control+Enter")
    await expect(page.locator("[data-message] .notice")).to_be_visible()


STATES: tuple[Callable[[Page], Awaitable[None]], ...] = (
    guidelines, keyboard_help, skip, report, draft_choice, find, rank_menu, flags_and_notes, board,
    more, one_at_a_time, warning,
)  # fmt: skip


async def faults_in_both_themes(page: Page) -> dict[str, list[str]]:
    found = {}
    for theme in ("light", "dark"):
        await page.emulate_media(color_scheme=theme)
        found[theme] = await faults(page)
    return found


async def opened(open_page, place: Place, width: int) -> Page:
    page = await open_page(
        place.labeler_id,
        viewport={"width": width, "height": SIZES[width]},
        has_touch=width < 768,
        reduced_motion="reduce",
    )
    await Screen(page).open(place.label)
    await page.evaluate(AXE)
    return page


@pytest.mark.slow
@pytest.mark.parametrize("width", SIZES)
async def test_every_state_of_the_screen_is_accessible(open_page, place, width):
    page = await opened(open_page, place, width)
    found = {"open": await faults_in_both_themes(page)}
    for state in STATES:
        await page.set_viewport_size({"width": width, "height": SIZES[width]})
        await page.evaluate("localStorage.clear()")
        await page.reload()
        await Screen(page).ready()
        await page.evaluate(AXE)
        await state(page)
        found[state.__name__] = await faults_in_both_themes(page)

    assert {name: one for name, one in found.items() if any(one.values())} == {}


@pytest.mark.slow
@pytest.mark.parametrize("width", SIZES)
async def test_a_covered_task_with_forced_answers_is_accessible(open_page, engine, width):
    place = await make_place(engine, slates=1, texts=TEXTS)
    await set_screen(engine, place, veil="always", flags_mode="forced_yes_no")
    page = await opened(open_page, place, width)
    covered = await faults_in_both_themes(page)

    await page.keyboard.press("y")
    await page.locator("#response-A [data-flags] summary").click()
    await expect(page.locator("#response-A .yes-no").first).to_be_visible()

    assert covered == {"light": [], "dark": []}
    assert await faults_in_both_themes(page) == {"light": [], "dark": []}
