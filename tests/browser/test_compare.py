"""Comparing two responses beside each other; what is said of two is stored as it was said."""

import asyncio
import re

from playwright.async_api import expect
from sqlalchemy import text

from app.db import transaction
from tests.browser.labeling_data import make_place, stored_rankings
from tests.browser.screen import Screen

LONG = [f"{letter}: " + "A sentence that is long enough to scroll. " * 200 for letter in "wxyz"]
ALIKE = (
    "The moon is far away and it takes three days to get there by rocket. Nobody lives there.",
    "The moon is far away and it takes four days to get there by rocket. Nobody lives there.",
    "Something else altogether.",
    "No.",
)


async def opened(open_page, engine, **options):
    place = await make_place(engine, **options)
    page = await open_page(place.labeler_id)
    screen = Screen(page)
    await screen.open(place.label)
    return place, page, screen


async def titles(page):
    return await page.locator("#compare .pair-side h4").all_text_contents()


async def test_two_pinned_responses_stand_beside_each_other_and_scroll_together(open_page, engine):
    _place, page, _screen = await opened(open_page, engine, texts=LONG)
    for key in ("b", "p", "d", "p", "v"):
        await page.keyboard.press(key)

    layer = page.get_by_role("dialog", name="Compare two")
    await expect(layer).to_be_visible()
    assert await titles(page) == ["Response B", "Response D"]
    left, right = (layer.locator(f'[data-pair-side="{side}"]') for side in ("left", "right"))
    await left.hover()
    await page.mouse.wheel(0, 600)
    await page.wait_for_function("side => side.scrollTop > 300", arg=await right.element_handle())
    await layer.get_by_role("button", name="Scroll together").click()
    before = await right.evaluate("side => side.scrollTop")
    await left.hover()
    await page.mouse.wheel(0, -400)
    await page.wait_for_timeout(300)
    assert await right.evaluate("side => side.scrollTop") == before
    await page.keyboard.press("Escape")
    await expect(layer).to_be_hidden()


async def test_an_answer_moves_nothing_until_the_labeler_says_so(open_page, engine):
    place, page, screen = await opened(open_page, engine)
    ids, task = await screen.ids(), await screen.task()
    await screen.complete()

    await page.keyboard.press("v")
    assert await titles(page) == ["Response A", "Response B"]
    await page.keyboard.press("ArrowLeft")
    await expect(page.locator("[data-pair-said]")).to_have_text("Noted.")
    await page.keyboard.press("n")
    assert await titles(page) == ["Response B", "Response C"]
    await page.keyboard.press("ArrowRight")
    await expect(page.locator("[data-pair-said]")).to_contain_text("The board says something else.")
    await screen.is_in_row("C", 3)
    await page.get_by_role("button", name="Put C above B").click()
    await screen.is_in_row("C", 2)
    await screen.is_in_row("B", 3)
    await page.keyboard.press("n")
    await page.keyboard.press("-")
    await page.keyboard.press("Backspace")
    await page.keyboard.press("Escape")
    await expect(page.locator("#compare")).to_be_hidden()
    await page.keyboard.press("Control+Enter")
    await screen.is_another_than(task)

    [ranking] = await stored_rankings(engine, place)
    assert [ranking.items[ids[letter]].rank for letter in "ABCD"] == [1, 3, 2, 4]
    async with transaction(engine) as tx:
        stored = await tx.scalar(
            text("select pair_answers from rankings where labeler_id = :id"),
            {"id": place.labeler_id},
        )
    assert [(one["left"], one["right"], one["answer"], one["source"]) for one in stored] == [
        (ids["A"], ids["B"], "left", "compare"), (ids["B"], ids["C"], "right", "compare"),
    ]  # fmt: skip
    assert all(one["ms"] >= 0 for one in stored)


async def test_left_is_the_left_side_also_where_texts_run_from_the_right(open_page, engine):
    _place, page, _screen = await opened(open_page, engine)
    await page.evaluate("document.documentElement.dir = 'rtl'")
    await page.keyboard.press("v")

    layer = page.get_by_role("dialog", name="Compare two")
    for name in ("pair-side", "pair-answer", "pair-tab"):
        boxes = [
            await layer.locator(f'[data-{name}="{side}"]').evaluate(
                "it => it.getBoundingClientRect().left"
            )
            for side in ("left", "right")
        ]
        assert boxes == sorted(boxes), name


async def test_what_differs_between_similar_responses_is_marked_on_demand(open_page, engine):
    _place, page, _screen = await opened(open_page, engine, texts=ALIKE)
    await page.get_by_role("button", name=re.compile("similar to")).first.click()

    layer = page.get_by_role("dialog", name="Compare two")
    left, right = (layer.locator(f'[data-pair-side="{side}"]') for side in ("left", "right"))
    marks = {await left.locator("del").inner_text(), await right.locator("ins").inner_text()}
    assert {mark.strip() for mark in marks} == {"three", "four"}
    await page.keyboard.press("m")
    await expect(left.locator("del")).to_have_count(0)
    await expect(left).to_contain_text("The moon is far away")


async def test_differences_are_marked_in_the_text_as_it_is_read(open_page, engine):
    first = (
        "# Two **moons**\n\n- Mars has **three** moons.\n- Each has $x^2$ craters.\n\n"
        "Nobody lives there today. Rockets fly there in a year."
    )
    second = first.replace("**three**", "**two**").replace(
        "Nobody lives there today. Rockets fly there in a year.",
        "Rockets fly there in a year. Nobody lives there today.",
    )
    texts = (first, second.replace("x^2", "x^3"), "Something else.", "No.")
    _place, page, screen = await opened(open_page, engine, texts=texts)
    for letter in "ABCD":
        if "Mars" in await screen.card(letter).inner_text():
            await page.keyboard.press(letter.lower())
            await page.keyboard.press("p")
    await page.keyboard.press("m")

    layer = page.get_by_role("dialog", name="Compare two")
    left, right = (layer.locator(f'[data-pair-side="{side}"]') for side in ("left", "right"))
    for column, mark in ((left, "del"), (right, "ins")):
        await expect(column.locator(f"li strong > {mark}")).to_have_text(re.compile("two|three"))
        await expect(column.locator(f"li {mark} .math.is-set")).to_be_attached()
        await expect(column.locator("h4 strong")).to_have_text("moons")
        await expect(column).not_to_contain_text("**")
        await expect(column.locator("p > mark sup")).to_have_text("1")
        assert await column.locator(".prose p").first.evaluate(
            "text => getComputedStyle(text).fontSize"
        ) == await page.locator("[data-body]").first.evaluate(
            "text => getComputedStyle(text).fontSize"
        )


async def test_formulas_that_are_set_late_are_set_and_marked_in_the_comparison_too(
    open_page, engine
):
    texts = ("Each has $x^2$ craters.", "Each has $x^3$ craters.", "Something else.", "No.")
    place = await make_place(engine, texts=texts)
    page = await open_page(place.labeler_id)
    is_free = asyncio.Event()

    async def hold(route):
        await is_free.wait()
        await route.continue_()

    await page.route("**/katex.min*.js", hold)
    screen = Screen(page)
    await screen.open(place.label)
    for letter in "ABCD":
        if "craters" in await screen.card(letter).inner_text():
            await page.keyboard.press(letter.lower())
            await page.keyboard.press("p")
    await page.keyboard.press("m")
    layer = page.get_by_role("dialog", name="Compare two")
    await expect(layer).to_contain_text("x^2")
    is_free.set()

    left, right = (layer.locator(f'[data-pair-side="{side}"]') for side in ("left", "right"))
    for column, mark in ((left, "del"), (right, "ins")):
        await expect(column.locator(f"{mark} > .math.is-set")).to_have_count(1)


async def test_a_link_that_leads_elsewhere_is_a_difference(open_page, engine):
    text = "See [the manual](https://{}.example/page) and [more](https://more.example)."
    texts = (text.format("one"), text.format("two"), "Something else.", "No.")
    _place, page, screen = await opened(open_page, engine, texts=texts)
    for letter in "ABCD":
        if "manual" in await screen.card(letter).inner_text():
            await page.keyboard.press(letter.lower())
            await page.keyboard.press("p")
    await page.keyboard.press("m")

    layer = page.get_by_role("dialog", name="Compare two")
    columns = [layer.locator(f'[data-pair-side="{side}"]') for side in ("left", "right")]
    for column, mark in zip(columns, ("del", "ins"), strict=True):
        await expect(column.locator(f".link-address {mark}")).to_have_text(re.compile("one|two"))
        await expect(column).not_to_contain_text("more.example")
    await page.keyboard.press("m")
    await expect(columns[0]).not_to_contain_text(".example")


async def test_everything_was_opened_that_was_compared(open_page, engine):
    _place, page, screen = await opened(open_page, engine, texts=LONG)
    await screen.complete()
    await page.keyboard.press("v")
    await page.keyboard.press("Escape")
    await expect(page.locator("#compare")).to_be_hidden()
    await page.keyboard.press("Control+Enter")

    alert = page.get_by_role("alert")
    await expect(alert).to_contain_text("Response C was never fully opened.")
    await expect(alert).not_to_contain_text("Response A was")
