"""Whatever prompts and responses hold, the labeling page stays whole, and can be worked with."""

import json
from base64 import b64encode

import pytest
from playwright.async_api import Page, expect

from app.accounts.viewer import Viewer
from app.db import transaction
from app.projects.queries import project_for
from app.rounds.commands import import_responses
from tests.browser.hostile_texts import OVERLONG, SLATES
from tests.browser.labeling_data import make_place, stored_rankings
from tests.browser.screen import Screen

WIDTHS = (1440, 390, 320)
PICTURED = (1440, 320)
ADMIN = Viewer(1, "", "", "admin")
MAX_PROMPT = 32_000
# What no text may paint on: everything but the texts themselves.
FRAMES = ".response-header, .response-footer, .board, .bar, .site-header, .role"
TEXTS = ".response-body, .prompt .prose"


async def place_of(engine, texts):
    """A place with one slate that was imported: the first text is the prompt, too."""
    place = await make_place(engine, slates=0)
    row = {"prompt": texts[0][:MAX_PROMPT], "responses": [{"text": each} for each in texts]}
    async with transaction(engine) as tx:
        project = await project_for(tx, ADMIN, place.slug)
        imported = await import_responses(tx, project, json.dumps(row).encode())
    assert (imported.slates, imported.rejected) == (1, ())
    return place


async def wider_than_window(page: Page) -> list[str]:
    """The elements that reach out of the window, unless something around them scrolls or clips."""
    return await page.evaluate(
        """() => {
          const width = document.documentElement.clientWidth;
          const isHeld = (element) => {
            for (let around = element; around !== document.body; around = around.parentElement) {
              if (getComputedStyle(around).overflowX !== "visible") return true;
            }
            return false;
          };
          const all = document.documentElement;
          if (all.scrollWidth > all.clientWidth) return ["the page"];
          return [...document.querySelectorAll("main *")]
            .filter((each) => each.getBoundingClientRect().right > width + 1 && !isHeld(each))
            .map((each) => each.outerHTML.slice(0, 100));
        }"""
    )


async def frames_out_of_window(page: Page) -> list[str]:
    return await page.locator(".response, .prompt, .bar").evaluate_all(
        "all => all.map(each => [each.className, each.getBoundingClientRect()])"
        ".filter(([, box]) => box.left < 0 || box.right > innerWidth + 1).map(([name]) => name)"
    )


async def pictures(page: Page) -> list[bytes]:
    """How each frame looks, as far as it can be scrolled to."""
    found = []
    for frame in await page.locator(FRAMES).all():
        if await frame.is_visible():
            await frame.evaluate("frame => frame.scrollIntoView({block: 'center'})")
            found.append(await frame.screenshot(animations="disabled"))
    return found


async def differ(page: Page, one: bytes, other: bytes) -> bool:
    """Whether two pictures differ by more than the rounding of an edge."""
    blank = await page.context.new_page()
    found = await blank.evaluate(
        """async (pictures) => {
          const [one, other] = await Promise.all(pictures.map(async (picture) => {
            const bitmap = await createImageBitmap(await (await fetch(picture)).blob());
            const canvas = new OffscreenCanvas(bitmap.width, bitmap.height).getContext("2d");
            canvas.drawImage(bitmap, 0, 0);
            return canvas.getImageData(0, 0, bitmap.width, bitmap.height).data;
          }));
          return one.length !== other.length
            || one.some((value, index) => Math.abs(value - other[index]) > 16);
        }""",
        [f"data:image/png;base64,{b64encode(picture).decode()}" for picture in (one, other)],
    )
    await blank.close()
    return found


async def assert_held(page: Page) -> None:
    """Nothing reaches out of the window, however wide that is."""
    for width in WIDTHS:
        await page.set_viewport_size({"width": width, "height": 900})
        await page.evaluate("document.fonts.ready")
        assert await wider_than_window(page) == [], width
        assert await frames_out_of_window(page) == [], width


async def assert_frames_are_clean(page: Page) -> None:
    """The frames look the same with and without the texts: none paints out of its place."""
    await page.locator(".timer, .save-state, .read-dot").evaluate_all(  # they change with the time
        "all => all.forEach(each => each.style.visibility = 'hidden')"
    )
    for width in PICTURED:
        await page.set_viewport_size({"width": width, "height": 900})
        with_texts = await pictures(page)
        await page.locator(TEXTS).evaluate_all(
            "all => all.forEach(each => each.style.visibility = 'hidden')"
        )
        without = await pictures(page)
        await page.locator(TEXTS).evaluate_all(
            "all => all.forEach(each => each.style.visibility = '')"
        )
        for one, other in zip(with_texts, without, strict=True):
            assert one == other or not await differ(page, one, other), width


async def work_through(page: Page, engine, place) -> None:
    """Rate, rank and submit with keys alone; a question about what was kept is answered once."""
    await page.set_viewport_size({"width": 1440, "height": 900})
    screen = Screen(page)
    count = len(await screen.ids())
    await page.keyboard.press("a")
    for key in ["4"] * count + [f"Shift+Digit{row}" for row in range(1, count + 1)]:
        await page.keyboard.press(key)
    await expect(screen.status).to_have_text("Ready to submit")
    await page.keyboard.press("Control+Enter")
    done = page.get_by_text("All caught up")
    asked = page.locator("[data-message]:not(:empty)")
    await expect(done.or_(asked)).to_be_visible()
    if await asked.is_visible():
        await page.keyboard.press("Control+Enter")
    await expect(done).to_be_visible()
    [ranking] = await stored_rankings(engine, place)
    assert sorted(item.rank for item in ranking.items.values()) == list(range(1, count + 1))


@pytest.mark.slow
@pytest.mark.parametrize("texts", SLATES.values(), ids=SLATES)
async def test_a_labeler_can_work_whatever_the_texts_are(open_page, engine, texts):
    place = await place_of(engine, texts)
    page = await open_page(place.labeler_id, viewport={"width": 1440, "height": 900})
    foreign = []
    page.on("request", lambda request: foreign.append(request.url))

    await Screen(page).open(place.label)
    await page.wait_for_load_state("networkidle")

    origin = await page.evaluate("location.origin")
    # What is done on the page is told after 15 seconds.
    events = f"{origin}/api/v1/tasks/"
    own = (f"{origin}/static/", f"{origin}/favicon", origin + place.label, events)
    assert [url for url in foreign if not url.startswith(own)] == []
    unsafe = ":is(script, img, form, iframe, style, object, input, button, [id], [onclick])"
    assert await page.locator(f":is({TEXTS}) {unsafe}").count() == 0
    await assert_held(page)
    await assert_frames_are_clean(page)
    await work_through(page, engine, place)


async def test_texts_that_are_longer_than_an_import_takes_are_shown_too(open_page, engine):
    place = await make_place(engine, slates=1, texts=OVERLONG)
    page = await open_page(place.labeler_id, viewport={"width": 1440, "height": 900})

    await Screen(page).open(place.label)

    await assert_held(page)
    await work_through(page, engine, place)


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ({"responses": [{"text": "a" * 1_000_000}, {"text": "b"}]},
         "must not be longer than 128000 characters"),
        ({"responses": [{"text": "\n" * 200_000}, {"text": "b"}]},
         "must not be longer than 128000 characters"),
        ({"prompt": "a" * 32_001, "responses": [{"text": "a"}, {"text": "b"}]},
         "must not be longer than 32000 characters"),
        ({"responses": [{"text": "a\x00"}, {"text": "b"}]}, "must not contain NUL characters"),
        ({"responses": [{"text": "\u3000 \n"}, {"text": "b"}]},
         "fewer than 2 of them are neither empty nor the same"),
    ],
)  # fmt: skip
async def test_what_an_import_does_not_take_is_refused_with_the_reason(engine, row, reason):
    place = await make_place(engine, slates=0)
    good = {"prompt": "Q?", "responses": [{"text": "a"}, {"text": "b"}]}
    data = "\n".join(json.dumps(each) for each in (good, {"prompt": "P?", **row})).encode()

    async with transaction(engine) as tx:
        project = await project_for(tx, ADMIN, place.slug)
        imported = await import_responses(tx, project, data)

    assert imported.slates == 1
    [rejected] = imported.rejected
    assert rejected.line == 2
    assert reason in rejected.error
