"""The settings of the labeling screen in a browser: the preview follows the form."""

import asyncio

import pytest_asyncio
from playwright.async_api import Page, Route, expect
from sqlalchemy import text

from app.db import transaction
from tests.browser.admin_data import make_world

SCREEN = "/projects/pilot/screen"


@pytest_asyncio.fixture(loop_scope="session", scope="module")
async def world(engine, podium):
    return await make_world(engine, podium.data_dir)


@pytest_asyncio.fixture(loop_scope="session")
async def page(open_page, world):
    opened = await open_page(world.admin_id, viewport={"width": 1440, "height": 900})
    await opened.goto(SCREEN)
    await expect(opened.frame_locator("#preview").locator(".chip").first).to_be_attached()
    return opened


async def has_scrolled(page: Page, top: int) -> None:
    """Wait until the preview stands there: it is scrolled once it is loaded."""
    await page.frames[1].wait_for_function("top => scrollY === top", arg=top)


async def test_the_preview_follows_the_form_and_stores_nothing(page, engine):
    frame = page.frame_locator("#preview")
    long = frame.locator("#response-B .response-body")
    steps = await page.evaluate("history.length")
    await expect(frame.locator(".criteria")).to_contain_text("Helpful first")
    await expect(frame.locator("#response-B.is-collapsed")).to_be_visible()
    folded = (await long.bounding_box())["height"]

    await page.get_by_label("Lines before folding").fill("11")
    await expect(frame.locator("body[data-lines='11']")).to_be_visible()
    await expect(frame.locator("#response-B.is-collapsed")).to_be_visible()
    assert abs((await long.bounding_box())["height"] - folded / 2) < 2

    await page.get_by_label("What goes first", exact=True).select_option("custom")
    await page.get_by_label("What goes first, in your words").fill("Kindness <first>")
    await expect(frame.locator(".criteria")).to_have_text("Kindness <first>")

    await page.get_by_label("Ranks from ratings").select_option("button")
    await expect(frame.locator("[data-assist]")).to_be_visible()

    await page.get_by_label("Responses may share a rank").uncheck()
    await expect(page.locator(".words")).to_contain_text("Ties are refused.")
    await expect(frame.locator("[data-row='1'] .chip")).to_have_text(["C"])

    await page.get_by_label("Order of work").select_option("two_step")
    await expect(frame.locator("[data-later]")).to_be_visible()
    await expect(frame.locator(".board")).to_be_hidden()

    assert await page.evaluate("history.length") == steps
    async with transaction(engine) as tx:
        stored = await tx.scalar(text("select screen from projects where slug = 'pilot'"))
    assert stored == {}


async def test_the_preview_keeps_its_place_while_numbers_are_half_typed(page):
    frame = page.frame_locator("#preview")
    await expect(frame.locator("#response-B.is-collapsed")).to_be_visible()
    await frame.locator("body").evaluate("() => scrollTo(0, 100)")

    await page.get_by_label("Lines before folding").fill("5")
    await page.get_by_label("Veil").select_option("always")

    await expect(frame.locator("[data-veil]")).to_be_visible()
    await expect(frame.locator("body[data-lines='22']")).to_be_visible()
    await expect(frame.locator("#response-B.is-collapsed")).to_be_visible()
    await has_scrolled(page, 100)


async def test_the_preview_keeps_its_place_when_it_is_changed_before_it_is_complete(page):
    frame = page.frame_locator("#preview")
    await frame.locator("body").evaluate("() => scrollTo(0, 100)")
    is_asked, is_let_go = asyncio.Event(), asyncio.Event()

    async def bring_late(route: Route) -> None:
        is_asked.set()
        await is_let_go.wait()
        await route.continue_()

    await page.route("**/screen-example*.js", bring_late)
    await page.get_by_label("Idle after").fill("90")
    await is_asked.wait()
    is_asked.clear()
    await page.get_by_label("Veil").select_option("always")
    await is_asked.wait()
    is_let_go.set()

    await expect(frame.locator("[data-veil]")).to_be_visible()
    await expect(frame.locator("#response-B.is-collapsed")).to_be_visible()
    await has_scrolled(page, 100)


async def test_nothing_in_the_preview_can_be_reached(page):
    frame = page.frame_locator("#preview")

    await frame.locator("body").evaluate("() => document.querySelector('input').focus()")

    assert await frame.locator("body").evaluate("() => document.activeElement.tagName") == "BODY"


async def test_saving_shows_what_was_saved(page, engine):
    await page.get_by_label("Idle after").fill("90")

    await page.get_by_role("button", name="Save settings").click()

    await expect(page.get_by_text("1 setting changed from the defaults.")).to_be_visible()
    await expect(page.locator(".words")).to_contain_text("Time stops after 90 idle seconds")
    async with transaction(engine) as tx:
        await tx.execute(text("update projects set screen = '{}'"))
