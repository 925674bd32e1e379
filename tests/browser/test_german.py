"""The labeling screen in German, in a real browser: its scripts speak it, and there is room."""

import pytest
from playwright.async_api import expect

from app.accounts.preferences import Preferences, replace_preferences
from app.accounts.viewer import Viewer
from app.db import transaction
from tests.browser.labeling_data import make_place, stored_rankings
from tests.browser.screen import Screen
from tests.browser.test_labeling import overflow


async def test_the_scripts_speak_german_and_a_ranking_is_submitted(open_page, engine):
    place = await make_place(engine)
    page = await open_page(place.labeler_id, locale="de-DE")
    screen = Screen(page)
    await screen.open(place.label)
    await expect(page.locator("html")).to_have_attribute("lang", "de")

    await page.keyboard.press("l")
    await expect(screen.card("A").get_by_label("Halluzination")).to_be_visible()
    await page.keyboard.press("Escape")
    await page.keyboard.press("a")
    await page.keyboard.press("5")
    await expect(screen.status).to_contain_text("ohne Rang")
    await expect(page.locator("[data-announcer]")).to_have_text("A bewertet mit 5")
    for number, letter in enumerate(await screen.ids(), start=1):
        await screen.rate(letter, 4)
        await page.keyboard.press(letter.lower())
        await page.keyboard.press(f"Shift+Digit{number}")
    await expect(screen.status).to_have_text("Bereit zum Abgeben")
    await page.get_by_role("button", name="Abgeben", exact=True).click()

    await expect(page.get_by_text("Aufgabe 1 abgegeben.")).to_be_visible()
    assert len(await stored_rankings(engine, place)) == 1


@pytest.mark.parametrize(("width", "height"), [(1440, 900), (768, 1024), (390, 844)])
async def test_nothing_overflows_in_german(open_page, engine, width, height):
    place = await make_place(engine, responses=5)
    async with transaction(engine) as tx:
        viewer = Viewer(place.labeler_id, "", "", "labeler")
        await replace_preferences(tx, viewer, Preferences(language="de"))
    page = await open_page(place.labeler_id, viewport={"width": width, "height": height})
    screen = Screen(page)
    await screen.open(place.label)

    await expect(page.locator("html")).to_have_attribute("lang", "de")
    assert await overflow(page) == 0
    for layer in ("help", "skip", "report"):
        await page.evaluate("id => document.getElementById(id).showModal()", layer)
        assert await overflow(page) == 0, layer
        assert (
            await page.locator(f"#{layer}").evaluate("it => it.scrollWidth - it.clientWidth") == 0
        )
        await page.keyboard.press("Escape")
    for path in (f"/projects/{place.slug}/me", "/projects", "/account"):
        await page.goto(path)
        assert await overflow(page) == 0, path
