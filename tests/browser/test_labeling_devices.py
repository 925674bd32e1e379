"""The labeling screen on small screens, by touch, without scripts, and in high contrast."""

from datetime import UTC, datetime, timedelta

import pytest
from playwright.async_api import Page, expect

from tests.browser.labeling_data import make_place, stored_rankings, task_states
from tests.browser.screen import Screen
from tests.browser.test_labeling_access import set_screen

LONG = [f"Sentence {number} of this answer is long. " * 120 for number in range(4)]
SIZES = [(320, 640), (390, 844), (720, 450), (768, 1024), (1024, 768), (1440, 900), (2560, 1300)]
COVERED = """
() => {
  const at = document.activeElement;
  const box = at.getBoundingClientRect();
  const bar = document.querySelector(".bar").getBoundingClientRect();
  const header = document.querySelector(".site-header").getBoundingClientRect();
  const isInFlow = at.closest(".response, .task-remarks") && !at.matches(".response");
  return isInFlow && (box.bottom > bar.top + 1 || box.top < header.bottom - 1)
    ? at.outerHTML.slice(0, 100) : null;
}
"""
COME_NEAR = """
async () => {
  for (const card of document.querySelectorAll(".response")) {
    card.scrollIntoView();
    await new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(resolve)));
  }
}
"""


async def too_wide(page: Page) -> int:
    return await page.evaluate(
        "document.documentElement.scrollWidth - document.documentElement.clientWidth"
    )


@pytest.mark.parametrize("direction", ["ltr", "rtl"])
@pytest.mark.parametrize("size", SIZES)
async def test_nothing_is_wider_than_the_window_and_the_bar_is_low(
    open_page, engine, size, direction
):
    place = await make_place(engine, slates=1, texts=[*LONG[:2], "x" * 400])
    page = await open_page(place.labeler_id, viewport={"width": size[0], "height": size[1]})
    await Screen(page).open(place.label)
    await page.evaluate("dir => { document.documentElement.dir = dir; }", direction)

    assert await too_wide(page) <= 0
    bar = await page.locator(".bar").bounding_box()
    assert bar["height"] <= (120 if size[0] < 600 else 64)


@pytest.mark.parametrize("size", [(390, 844), (720, 450), (1440, 900)])
async def test_neither_header_nor_bar_covers_what_has_the_focus(open_page, engine, size):
    place = await make_place(engine, slates=1, texts=LONG)
    page = await open_page(place.labeler_id, viewport={"width": size[0], "height": size[1]})
    await Screen(page).open(place.label)
    await page.locator("#prompt").focus()

    covered = []
    for key in ["Tab"] * 40 + ["Shift+Tab"] * 40:
        await page.keyboard.press(key)
        covered.append(await page.evaluate(COVERED))
    assert [one for one in covered if one] == []


@pytest.mark.parametrize(("width", "language"), [(768, "de"), (1440, "en")])
async def test_nothing_moves_when_what_is_below_comes_near(open_page, engine, width, language):
    place = await make_place(engine, slates=1, responses=9, texts=LONG)
    page = await open_page(
        place.labeler_id, viewport={"width": width, "height": 800}, locale=language
    )
    await Screen(page).open(place.label)
    await expect(page.locator(".workplace.is-laid-out")).to_be_visible()
    height = await page.evaluate("document.documentElement.scrollHeight")

    await page.evaluate(COME_NEAR)

    assert await page.evaluate("document.documentElement.scrollHeight") == height


async def test_in_a_page_from_the_right_the_board_is_on_the_left(open_page, engine):
    place = await make_place(engine, slates=1)
    page = await open_page(place.labeler_id, viewport={"width": 1440, "height": 900})
    screen = Screen(page)
    await screen.open(place.label)
    await page.evaluate("document.documentElement.dir = 'rtl'")

    board = await page.locator("[data-board]").bounding_box()
    prompt = await page.locator("#prompt").bounding_box()
    assert board["x"] + board["width"] < prompt["x"]
    pill = screen.card("A").locator("[data-rank-pill]")
    await pill.click()
    menu, at = await page.locator("[data-rank-menu]").bounding_box(), await pill.bounding_box()
    assert abs(menu["x"] - at["x"]) < 2
    await page.keyboard.press("ArrowLeft")
    await page.keyboard.press("Enter")
    await screen.is_in_row("A", 2)


async def test_in_high_contrast_what_is_chosen_looks_chosen(open_page, engine):
    place = await make_place(engine, slates=1)
    page = await open_page(place.labeler_id, forced_colors="active")
    screen = Screen(page)
    await screen.open(place.label)
    await screen.rate("A", 5)
    await screen.chip("B").click()
    color = "element => getComputedStyle(element).backgroundColor"

    steps = screen.card("A").locator(".steps label")
    assert await steps.nth(4).evaluate(color) != await steps.nth(3).evaluate(color)
    assert await screen.chip("B").evaluate(color) != await screen.chip("C").evaluate(color)
    ink = "button => getComputedStyle(button).color"
    skip = page.get_by_role("button", name="Skip…")
    assert await screen.submit.evaluate(ink) != await skip.evaluate(ink)


async def test_a_phone_says_when_work_is_only_kept_on_it(open_page, engine, complaints):
    place = await make_place(engine, slates=1)
    page = await open_page(place.labeler_id, viewport={"width": 390, "height": 844})
    screen = Screen(page)
    await screen.open(place.label)
    state = page.locator("[data-save-state]")

    await page.route("**/api/v1/tasks/*/draft", lambda route: route.abort())
    await screen.rate("A", 5)
    await expect(page.get_by_text("Offline, kept on this device")).to_be_visible()
    await page.unroute("**/api/v1/tasks/*/draft")
    await screen.rate("A", 6)
    await expect(state).to_contain_text("Saved")
    await expect(state).to_be_hidden()
    assert all("ERR_FAILED" in line for line in complaints)
    complaints.clear()


async def test_a_project_may_ask_for_a_larger_screen(open_page, engine):
    place = await make_place(engine, slates=1, responses=6)
    page = await open_page(place.labeler_id, viewport={"width": 390, "height": 844})
    screen = Screen(page)
    await screen.open(place.label)
    panel = page.get_by_text("asks for a larger screen for 6 responses")

    await expect(panel).to_be_visible()
    await expect(screen.card("A")).to_be_hidden()
    await expect(screen.submit).to_be_hidden()
    await page.set_viewport_size({"width": 1024, "height": 768})
    await expect(panel).to_be_hidden()
    await expect(screen.card("A")).to_be_visible()

    await set_screen(engine, place, mobile="always")
    await page.set_viewport_size({"width": 390, "height": 844})
    await page.reload()
    await screen.ready()
    await expect(screen.card("A")).to_be_visible()


async def test_a_swipe_over_chips_moves_nothing_and_a_long_press_drags(open_page, engine):
    place = await make_place(engine, slates=1)
    page = await open_page(
        place.labeler_id, viewport={"width": 390, "height": 844}, has_touch=True, is_mobile=True
    )
    await page.clock.install()
    screen = Screen(page)
    await screen.open(place.label)
    await page.wait_for_function("() => Boolean(window.Sortable)")
    await page.get_by_role("button", name="Rank board").tap()
    await page.evaluate("Promise.all(document.getAnimations().map((one) => one.finished))")
    # However slow the machine is, a press is as long as it is meant to be.
    await page.clock.pause_at(datetime.now(UTC) + timedelta(minutes=1))
    cdp = await page.context.new_cdp_session(page)
    chip, row = await screen.chip("A").bounding_box(), await screen.row(2).bounding_box()
    start = (chip["x"] + 20, chip["y"] + 20)
    end = (row["x"] + 150, row["y"] + 20)

    async def touch(kind: str, at: tuple[float, float] | None = None) -> None:
        points = [] if at is None else [{"x": at[0], "y": at[1]}]
        await cdp.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})

    async def slide(wait_ms: int) -> None:
        await touch("touchStart", start)
        await page.clock.run_for(wait_ms)
        for step in range(1, 9):
            part = step / 8
            await touch(
                "touchMove",
                tuple(a + (b - a) * part for a, b in zip(start, end, strict=True)),
            )
            await page.clock.run_for(20)
        await page.clock.run_for(200)
        await touch("touchEnd")
        await page.clock.run_for(300)

    await slide(0)
    await expect(screen.tray.locator(".chip")).to_have_count(4)
    await slide(350)
    await screen.is_in_row("A", 2)


async def test_what_was_dragged_in_firefox_is_not_picked_up_again(open_page, engine):
    place = await make_place(engine, slates=1)
    page = await open_page(place.labeler_id, user_agent="Mozilla/5.0 Gecko/20100101 Firefox/140.0")
    screen = Screen(page)
    await screen.open(place.label)
    await page.wait_for_function("() => Boolean(window.Sortable)")
    # Firefox makes a click of the release, as the chip is under the pointer again.
    await page.evaluate("""document.addEventListener("mouseup", () => {
        setTimeout(() => document.querySelector('.chip[data-letter="A"]').click());
    }, { capture: true, once: true })""")
    chip, row = await screen.chip("A").bounding_box(), await screen.row(2).bounding_box()

    await page.mouse.move(chip["x"] + 10, chip["y"] + 10)
    await page.mouse.down()
    await page.mouse.move(row["x"] + 60, row["y"] + 20, steps=8)
    await screen.is_in_row("A", 2)  # SortableJS looks every 50 ms where the pointer is.
    await page.mouse.up()

    await screen.is_in_row("A", 2)
    await expect(screen.chip("A")).to_have_attribute("aria-pressed", "false")
    await screen.chip("B").click()
    await expect(screen.chip("B")).to_have_attribute("aria-pressed", "true")


@pytest.mark.parametrize("mode", ["check_all", "forced_yes_no"])
async def test_without_scripts_a_refused_form_keeps_what_was_typed(
    open_page, engine, complaints, mode
):
    place = await make_place(engine)
    await set_screen(engine, place, flags_mode=mode)
    page = await open_page(place.labeler_id, java_script_enabled=False)
    await page.goto(place.label)
    screen = Screen(page)
    ids, task = await screen.ids(), await screen.task()
    first = screen.card("A")
    for letter, rank in (("A", "2"), ("B", "1"), ("C", "2")):
        await screen.card(letter).get_by_label("Rank", exact=True).fill(rank)
    for letter in "ABC":
        await screen.card(letter).get_by_role("radio", name="4", exact=True).check()
        if mode == "forced_yes_no":
            await screen.card(letter).locator("[data-flags] summary").click()
            for answer in await screen.card(letter).get_by_label("No", exact=True).all():
                await answer.check()
    if mode == "check_all":
        await first.locator("[data-flags] summary").click()
        await first.get_by_label("Hallucination").check()
    await first.locator("[data-note] summary").click()
    await first.get_by_role("textbox").fill("As I said.")

    await screen.submit.click()
    alert = page.get_by_role("alert").filter(has_text="Response D")
    await expect(alert).to_contain_text("needs a rating from 1 to 7")
    await expect(first.get_by_label("Rank", exact=True)).to_have_value("2")
    await expect(first.locator("textarea")).to_have_value("As I said.")
    await expect(first.get_by_role("radio", name="4", exact=True)).to_be_checked()

    await screen.card("D").locator("[data-cannot-judge]").select_option("garbled")
    await screen.submit.click()
    await expect(page.locator(f'[data-labeling]:not([data-task="{task}"])')).to_be_visible()
    [ranking] = await stored_rankings(engine, place)
    assert [ranking.items[ids[letter]].rank for letter in "ABCD"] == [2, 1, 2, None]
    assert ranking.items[ids["A"]].note == "As I said."
    assert ranking.items[ids["A"]].flags == (["hallucination"] if mode == "check_all" else [])
    assert all("422" in line for line in complaints)
    complaints.clear()


async def test_without_scripts_a_task_is_reported_and_skipped(open_page, engine, complaints):
    place = await make_place(engine)
    page = await open_page(place.labeler_id, java_script_enabled=False)
    await page.goto(place.label)
    screen = Screen(page)
    task = await screen.task()
    skip = page.locator("#skip")
    await expect(skip).to_be_hidden()
    await page.get_by_role("button", name="Skip…").click()
    await skip.get_by_role("button", name="Skip and go on").click()
    await expect(page.locator(".refused")).to_contain_text("Choose a reason.")
    assert await task_states(engine, place) == [("leased", None), ("open", None)]

    report = page.locator("#report")
    first = screen.card("A")
    await first.get_by_label("Rank", exact=True).fill("2")
    await first.get_by_role("radio", name="4", exact=True).check()
    await page.get_by_role("button", name="Report…").click()
    await report.get_by_label("It is not displayed right").check()
    await report.get_by_label("Where").select_option("In response B")
    await report.get_by_role("button", name="Report", exact=True).click()
    await expect(page.get_by_text("Reported. An admin looks at it.")).to_be_visible()
    assert await screen.task() == task
    await expect(first.get_by_label("Rank", exact=True)).to_have_value("2")
    await expect(first.get_by_role("radio", name="4", exact=True)).to_be_checked()
    await page.get_by_role("link", name="Guidelines").click()
    await expect(page.get_by_text("Follow the request.")).to_be_visible()
    await page.get_by_role("button", name="Skip…").click()
    await skip.get_by_label("I do not know the language").check()
    await skip.get_by_role("button", name="Skip and go on").click()

    await expect(page.locator(f'[data-labeling]:not([data-task="{task}"])')).to_be_visible()
    states = await task_states(engine, place)
    assert states[:2] == [("skipped", "language"), ("leased", None)]
    assert all("422" in line for line in complaints)
    complaints.clear()


async def test_the_prompt_stays_in_sight_on_a_narrow_window(open_page, engine):
    texts = ["A line.\n\n" * 40] * 2 + ["Another.\n\n" * 40] * 2
    place = await make_place(engine, texts=texts)
    page = await open_page(place.labeler_id, viewport={"width": 1024, "height": 768})
    screen = Screen(page)
    await screen.open(place.label)

    last = page.locator("[data-response]").last
    await page.keyboard.press((await last.get_attribute("data-letter")).lower())
    await expect(page.locator("#prompt")).to_be_in_viewport(ratio=1)
    prompt, card = await page.locator("#prompt").bounding_box(), await last.bounding_box()
    assert prompt["height"] <= 0.3 * 768 + 1
    assert card["y"] >= prompt["y"] + prompt["height"]
    await expect(last).to_be_in_viewport()


async def test_a_phone_finds_the_prompt_in_the_menu(open_page, engine):
    place = await make_place(engine)
    page = await open_page(place.labeler_id, viewport={"width": 390, "height": 844})
    screen = Screen(page)
    await screen.open(place.label)
    await page.locator("[data-response]").last.scroll_into_view_if_needed()
    await expect(page.locator("#prompt")).not_to_be_in_viewport()

    await page.get_by_role("button", name="More").click()
    await page.locator("#more-actions").get_by_role("button", name="Prompt", exact=True).click()

    await expect(page.locator("#prompt")).to_be_in_viewport()
    await expect(page.locator("#prompt")).to_be_focused()
    await expect(page.locator("#more-actions")).to_be_hidden()
