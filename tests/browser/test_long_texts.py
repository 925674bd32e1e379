"""Long texts: the ends of a prompt are there, the rest is a click away; what is read is marked."""

import json
import re

from playwright.async_api import expect

from app.db import transaction
from app.projects.queries import project_for
from app.rounds.commands import import_responses
from tests.browser.labeling_data import make_place
from tests.browser.screen import Screen
from tests.browser.test_hostile_texts import ADMIN
from tests.browser.test_keys import prefer

CHAPTERS = "\n\n".join(
    f"{'#' * (1 + number % 2)} Chapter {number}\n\n" + "Some words of it. " * 90
    for number in range(1, 5)
)
PARAGRAPHS = [f"Paragraph {number}: " + "a few more words of it. " * 20 for number in range(12)]


async def open_long(open_page, engine) -> Screen:
    place = await make_place(engine, slates=0)
    prompt = "\n\n".join(PARAGRAPHS)
    row = {"prompt": prompt, "responses": [{"text": "Yes."}, {"text": "No."}]}
    async with transaction(engine) as tx:
        project = await project_for(tx, ADMIN, place.slug)
        await import_responses(tx, project, json.dumps(row).encode())
    screen = Screen(await open_page(place.labeler_id))
    await screen.open(place.label)
    return screen


async def visible_paragraphs(screen: Screen) -> list[int]:
    return await screen.page.locator(".prompt .prose > p").evaluate_all(
        "all => all.flatMap((each, index) => (each.offsetHeight > 0 ? [index] : []))"
    )


async def test_the_beginning_and_the_end_are_shown_and_a_click_shows_the_rest(open_page, engine):
    screen = await open_long(open_page, engine)
    button = screen.page.get_by_role("button", name="words between")

    assert await visible_paragraphs(screen) == [0, 1, 2, 9, 10, 11]
    await expect(button).to_have_text("Show the 732 words between")
    await button.click()

    assert await visible_paragraphs(screen) == list(range(12))
    await expect(button).to_have_count(0)
    assert (await screen.page.evaluate("document.activeElement.textContent")).startswith(
        "Paragraph 3"
    )


async def test_what_is_found_in_between_is_shown(open_page, engine):
    screen = await open_long(open_page, engine)

    await screen.page.keyboard.press("/")
    await screen.page.keyboard.type("Paragraph 7")
    await screen.page.keyboard.press("Enter")

    assert await visible_paragraphs(screen) == list(range(12))
    await expect(screen.page.get_by_text("Paragraph 7")).to_be_in_viewport()


async def test_who_had_the_end_in_sight_long_enough_has_read_a_response(open_page, engine):
    place = await make_place(engine, responses=2, texts=["Short.", "Many words. " * 2000])
    screen = Screen(await open_page(place.labeler_id))
    await screen.open(place.label)
    cards = {
        await card.locator("[data-body]").inner_text() == "Short.": card
        for card in await screen.page.locator(".response").all()
    }

    await cards[True].locator(".response-footer").scroll_into_view_if_needed()
    await screen.page.mouse.move(500, 300)
    await expect(cards[True]).to_have_class(re.compile("is-read"))
    await expect(cards[True].locator("[data-read]")).to_have_text("Read to the end")
    await cards[False].locator(".response-footer").scroll_into_view_if_needed()
    await screen.page.wait_for_timeout(2500)  # More than one tick of the clock.

    await expect(cards[False]).not_to_have_class(re.compile("is-read"))
    await screen.page.keyboard.press("4")
    await screen.page.reload()
    await screen.ready()
    assert "is-read" in (await cards[True].get_attribute("class")).split()


async def test_the_headings_of_a_long_response_are_its_outline(open_page, engine):
    place = await make_place(engine, slates=1, texts=[CHAPTERS])
    screen = Screen(await open_page(place.labeler_id))
    await screen.open(place.label)
    card = screen.page.locator(".response", has_text="Chapter 1")
    await expect(card).to_have_class(re.compile("is-collapsed"))
    outline = card.locator(".outline")
    await expect(screen.page.locator(".outline")).to_have_count(1)

    await outline.get_by_text("Outline").click()
    await expect(outline.get_by_role("button")).to_have_text(
        [f"Chapter {number}" for number in range(1, 5)]
    )
    await outline.get_by_role("button", name="Chapter 4").click()

    await expect(card).not_to_have_class(re.compile("is-collapsed"))
    heading = card.get_by_role("heading", name="Chapter 4")
    await expect(heading).to_be_focused()
    await expect(heading).to_be_in_viewport()


async def test_a_text_that_is_whole_from_the_start_was_unfolded_by_nobody(open_page, engine):
    place = await make_place(engine, slates=1, texts=[CHAPTERS])
    await prefer(engine, place, expand_all=True)
    screen = Screen(await open_page(place.labeler_id))

    await screen.open(place.label)

    button = screen.page.get_by_role("button", name="Show less")
    await expect(button).to_have_attribute("aria-expanded", "true")
    drafts = "Object.keys(localStorage).filter((name) => name.startsWith('podium.draft.'))"
    assert await screen.page.evaluate(drafts) == []  # Opening a task is no work on it.
    await button.click()
    await screen.page.get_by_role("button", name="Show all").click()
    assert len(await screen.page.evaluate(drafts)) == 1
