"""What the keys of the labeling screen do is done by mouse and touch too, in a real browser."""

import re
from pathlib import Path

import pytest
from playwright.async_api import Page, expect

from tests.browser.labeling_data import make_place, stored_rankings
from tests.browser.screen import Screen
from tests.browser.test_labeling_access import set_screen

SHORTCUTS = Path(__file__).parents[2] / "static/js/labeling/shortcuts.js"
LONG = "\n\n".join(["A paragraph with some words in it."] * 40)
CONTROLS = """
elements => elements.filter(it => it.checkVisibility()
  && it.hasAttribute("aria-keyshortcuts")).flatMap(it => it.dataset.shortcut.split(" "))
"""
PHONE = {"width": 390, "height": 844}


async def at_work(open_page, place, **options) -> tuple[Screen, Page]:
    page = await open_page(place.labeler_id, **options)
    screen = Screen(page)
    await screen.open(place.label)
    return screen, page


async def controls(page: Page) -> set[str]:
    """The shortcuts that something to be seen tells the keys of."""
    return set(await page.locator("[data-shortcut]").evaluate_all(CONTROLS))


async def choose(page: Page, text: str) -> None:
    """Take a choice of the menu in the bar."""
    await page.get_by_role("button", name="More", exact=True).click()
    await page.locator("#more-actions").get_by_role("button", name=text, exact=True).click()
    await expect(page.locator("#more-actions")).to_be_hidden()


async def test_every_shortcut_has_something_to_be_seen_that_does_it(open_page, engine):
    place = await make_place(engine, texts=[LONG, LONG.upper()])
    await set_screen(engine, place, veil="always", rank_assist="button", guided_mode="always")
    screen, page = await at_work(open_page, place)
    found = await controls(page)
    await page.get_by_role("button", name="Show the text").click()
    await page.get_by_role("button", name="More", exact=True).click()
    found |= await controls(page)
    await page.keyboard.press("Escape")
    await page.keyboard.press("Shift+X")
    await screen.complete()
    for letter, row in (("B", 2), ("C", 2), ("A", 1)):
        await page.keyboard.press(letter.lower())
        await page.keyboard.press(f"Shift+Digit{row}")
    await screen.card("B").locator("[data-rank-pill]").click()
    found |= await controls(page)
    await page.keyboard.press("Escape")
    task = await screen.task()
    await screen.has_next()  # Else the page leaves for it while another one is opened below.
    for _ in range(2):  # Once more than it may warn of.
        await page.keyboard.press("Control+Enter")
    assert len(await stored_rankings(engine, place)) == 1
    await screen.open(f"{place.label}/{task}")
    found |= await controls(page)

    names = set(re.findall(r'shortcut\("(\w+)"', SHORTCUTS.read_text(encoding="utf-8")))
    assert len(names) > 30
    assert names - found == set()


@pytest.mark.parametrize("has_touch", [False, True])
async def test_the_chosen_step_pressed_again_clears_the_rating(open_page, engine, has_touch):
    place = await make_place(engine, slates=1)
    screen, page = await at_work(open_page, place, has_touch=has_touch)
    step = screen.card("A").get_by_role("radio", name="5")
    press = step.tap if has_touch else step.click

    await press()
    await expect(step).to_be_checked()
    await page.keyboard.press("Space")  # On a chosen radio it means nothing.
    await expect(step).to_be_checked()
    await page.wait_for_timeout(600)  # Sooner it would be the second half of a double tap.
    await press()

    await expect(step).not_to_be_checked()
    await expect(screen.status).to_have_text("4 not rated; 4 not ranked")
    await expect(page.locator("[data-announcer]")).to_have_text("A not rated")
    await page.get_by_role("button", name="Undo").click()
    await expect(step).to_be_checked()
    await screen.card("A").get_by_role("radio", name="2").click()
    await expect(step).not_to_be_checked()
    await expect(screen.card("A").get_by_role("radio", name="2")).to_be_checked()


async def test_who_clicks_twice_at_once_keeps_the_rating(open_page, engine):
    place = await make_place(engine, slates=1)
    screen, _page = await at_work(open_page, place)
    step = screen.card("A").get_by_role("radio", name="5")

    await step.dblclick()

    await expect(step).to_be_checked()


async def test_the_menu_does_what_keys_do_and_gives_the_focus_back(open_page, engine):
    place = await make_place(engine)
    screen, page = await at_work(open_page, place)
    await screen.rate("A", 5)

    await choose(page, "Clear the rating")
    await expect(screen.status).to_have_text("4 not rated; 4 not ranked")
    await choose(page, "Next response")
    await expect(screen.card("B")).to_be_focused()
    await choose(page, "Mark differences")
    await page.keyboard.press("Escape")
    await expect(page.get_by_role("button", name="More", exact=True)).to_be_focused()
    await screen.complete()
    await choose(page, "Submit and pause")

    await expect(page).to_have_url(re.compile(f"/projects/{place.slug}(/me)?$"))
    assert len(await stored_rankings(engine, place)) == 1


@pytest.mark.parametrize("viewport", [PHONE, {"width": 1440, "height": 900}])
async def test_one_at_a_time_goes_on_and_ends_by_mouse(open_page, engine, viewport):
    place = await make_place(engine, slates=1)
    screen, page = await at_work(open_page, place, viewport=viewport)
    await page.keyboard.press("z")
    await expect(screen.card("B")).to_be_hidden()

    await page.get_by_role("button", name="Next response").click()
    await expect(screen.card("B")).to_be_focused()
    await expect(screen.card("A")).to_be_hidden()
    await page.get_by_role("button", name="All responses").click()

    await expect(screen.card("A")).to_be_visible()


async def test_two_compared_are_named_by_their_letters(open_page, engine):
    place = await make_place(engine, slates=1)
    _screen, page = await at_work(open_page, place, viewport=PHONE)
    for key in ("c", "p", "a", "p", "v"):
        await page.keyboard.press(key)

    answers = page.locator("#compare [data-pair-answer]")

    await expect(answers.nth(0)).to_have_text("C is better")
    await expect(answers.nth(2)).to_have_text("A is better")


async def test_what_ratings_mean_is_read_on_the_steps_and_in_the_guidelines(open_page, engine):
    place = await make_place(engine, slates=1)
    await set_screen(engine, place, rating_1="All <b>wrong</b>.", rating_7="  ")
    screen, page = await at_work(open_page, place)
    steps = screen.card("A").locator(".steps input")

    assert [await step.get_attribute("title") for step in await steps.all()] == [
        "All <b>wrong</b>.", *[None] * 6
    ]  # fmt: skip
    await steps.first.click()
    await page.keyboard.press("q")
    await expect(page.locator("#guidelines .meanings > div")).to_have_text(["1All <b>wrong</b>."])
