"""Keys of one's own, folded panes, and the day with its goal and breaks, in a real browser."""

import re

from playwright.async_api import Page, expect
from sqlalchemy import text

from app.accounts.preferences import Goal, Preferences, replace_preferences
from app.accounts.viewer import Viewer
from app.db import transaction
from tests.browser.accessibility import AXE, faults
from tests.browser.labeling_data import make_place, stored_rankings
from tests.browser.screen import Screen
from tests.browser.test_labeling_access import set_screen

LONG = "\n\n".join(["A paragraph with some words in it."] * 40)
WORKED = """
([who, minutes]) => window.localStorage.setItem(`podium.day.${who}`, JSON.stringify({
  day: new Date().toDateString(), activeMs: minutes * 60000, tasks: 3, askedAt: null,
}))
"""

COVERED = """
(who) => window.localStorage.setItem(`podium.day.${who}`, JSON.stringify({
  day: new Date().toDateString(), activeMs: 0, tasks: 2, askedAt: null,
  coveredAt: [Date.now() - 60000, Date.now()],
}))
"""


async def at_work(open_page, place, **options) -> tuple[Screen, Page]:
    page = await open_page(place.labeler_id, **options)
    screen = Screen(page)
    await screen.open(place.label)
    return screen, page


async def prefer(engine, place, **changes) -> None:
    async with transaction(engine) as tx:
        viewer = Viewer(place.labeler_id, "", "", "labeler")
        await replace_preferences(tx, viewer, Preferences(**changes))


async def preferred(engine, place):
    async with transaction(engine) as tx:
        found = "select preferences from users where id = :id"
        return await tx.scalar(text(found), {"id": place.labeler_id})


def change(page: Page, what: str):
    """The button that changes the key of an action."""
    return page.get_by_role("button", name=f"Change: {what}", exact=True)


def says(page: Page):
    return page.locator("[data-keys-message]")


async def leave_help(page: Page) -> None:
    """Close the dialog; the browser does so a little after the key."""
    await page.keyboard.press("Escape")
    await expect(page.locator("#help")).to_be_hidden()


async def is_active(page: Page, letter: str) -> None:
    active = page.locator(".response.is-active")
    await expect(active).to_have_attribute("data-letter", letter)


async def test_a_key_of_ones_own_works_at_once_after_a_reload_and_in_another_browser(
    open_page, engine
):
    place = await make_place(engine)
    screen, page = await at_work(open_page, place)
    await page.keyboard.press("?")
    await change(page, "next response").click()
    await expect(says(page)).to_contain_text("Press the key for “next response”")

    await page.keyboard.press(";")

    await expect(says(page)).to_have_text("Saved.")
    assert await preferred(engine, place) == {"keys": {"next": ";"}}
    await expect(change(page, "next response")).to_be_focused()
    await leave_help(page)
    await page.keyboard.press(";")
    await is_active(page, "B")
    await page.keyboard.press("j")
    await is_active(page, "B")
    await page.reload()
    await screen.ready()
    await page.keyboard.press(";")
    await is_active(page, "B")
    _, other = await at_work(open_page, place)
    await other.keyboard.press(";")
    await is_active(other, "B")


async def test_the_help_shows_the_own_key_and_reset_brings_the_usual_one_back(open_page, engine):
    place = await make_place(engine)
    await prefer(engine, place, keys={"next": ";"})
    _, page = await at_work(open_page, place)
    await page.keyboard.press("?")
    row = page.locator("[data-keys] > div", has_text="next response")
    await expect(row.locator("kbd")).to_have_text([";"])

    await row.get_by_role("button", name="Reset").click()

    await expect(row.locator("kbd")).to_have_text(["J"])
    await expect(row.get_by_role("button", name="Reset")).to_have_count(0)
    await expect(says(page)).to_have_text("Saved.")
    assert await preferred(engine, place) == {}


async def test_a_key_that_is_taken_is_refused_and_escape_leaves_everything(open_page, engine):
    place = await make_place(engine)
    _, page = await at_work(open_page, place)
    await page.keyboard.press("?")
    await change(page, "next response").click()

    await page.keyboard.press("k")
    await expect(says(page)).to_contain_text("K is taken by “previous response”.")
    await page.keyboard.press("b")
    await expect(says(page)).to_contain_text("The letters A to I go to the responses.")
    await page.keyboard.press("Escape")

    await expect(page.locator("#help")).to_be_visible()
    await expect(change(page, "next response")).to_have_text("Change")
    await expect(
        page.locator("[data-keys] > div", has_text="next response").locator("kbd")
    ).to_have_text(["J"])
    assert await preferred(engine, place) == {}


async def test_all_keys_become_the_usual_ones_at_once(open_page, engine):
    place = await make_place(engine)
    _screen, page = await at_work(open_page, place)
    await page.keyboard.press("?")
    reset = page.get_by_role("button", name="Reset all keys")
    await expect(reset).to_be_hidden()
    for action, key in (("next response", "Alt+j"), ("previous response", "Alt+k")):
        await change(page, action).click()
        await page.keyboard.press(key)
        await expect(says(page)).to_have_text("Saved.")

    async with page.expect_response(lambda answer: answer.request.method == "PUT"):
        await reset.click()

    await expect(reset).to_be_hidden()
    await expect(change(page, "next response")).to_be_focused()
    assert await preferred(engine, place) == {}


async def test_single_keys_can_be_turned_off_for_good(open_page, engine):
    place = await make_place(engine)
    screen, page = await at_work(open_page, place)
    undo = page.get_by_role("button", name="Undo")
    assert await undo.get_attribute("aria-keyshortcuts") == "U Control+Z"
    await page.keyboard.press("?")

    await page.get_by_label("Single keys are shortcuts").uncheck()
    await expect(says(page)).to_have_text("Saved.")
    await leave_help(page)
    await page.keyboard.press("j")
    await page.keyboard.press("4")

    assert await preferred(engine, place) == {"single_keys": False}
    await is_active(page, "A")
    await expect(screen.status).to_have_text("4 not rated; 4 not ranked")
    assert await undo.get_attribute("aria-keyshortcuts") == "Control+Z"
    await screen.rate("A", 4)
    await page.keyboard.press("Control+z")
    await expect(screen.status).to_have_text("4 not rated; 4 not ranked")
    await page.reload()
    await screen.ready()
    await page.keyboard.press("j")
    await is_active(page, "A")


async def test_a_setting_that_cannot_be_saved_works_here_and_says_so(open_page, engine, complaints):
    place = await make_place(engine)
    _, page = await at_work(open_page, place)
    await page.route("**/api/v1/me/preferences", lambda route: route.abort())
    await page.keyboard.press("?")
    await change(page, "next response").click()

    await page.keyboard.press(";")

    await expect(says(page)).to_have_text(
        "It is used on this page, but not saved: the server cannot be reached."
    )
    await leave_help(page)
    await page.keyboard.press(";")
    await is_active(page, "B")
    assert await preferred(engine, place) == {}
    complaints.clear()


async def test_another_windows_setting_is_not_lost_by_saving_here(open_page, engine):
    place = await make_place(engine)
    _, page = await at_work(open_page, place)
    await prefer(engine, place, expand_all=True)
    await page.keyboard.press("?")

    await page.get_by_label("Single keys are shortcuts").uncheck()

    await expect(says(page)).to_have_text("Saved.")
    assert await preferred(engine, place) == {"single_keys": False, "expand_all": True}


async def test_on_a_button_of_the_header_keys_are_not_for_the_task(open_page, engine):
    place = await make_place(engine)
    screen, page = await at_work(open_page, place)
    await page.get_by_role("button", name="Guidelines").focus()

    await page.keyboard.press("4")

    await expect(screen.status).to_have_text("4 not rated; 4 not ranked")


async def test_panes_fold_by_key_and_by_button_and_stay_folded(open_page, engine):
    place = await make_place(engine)
    screen, page = await at_work(open_page, place, viewport={"width": 1440, "height": 900})
    prompt, board = page.locator("#prompt"), page.locator("#board")
    await page.keyboard.press("b")
    await page.keyboard.press("Shift+Digit1")

    await page.keyboard.press("[")
    await page.get_by_role("button", name="Hide the rank board").click()

    await expect(page.get_by_text("Question 1")).to_be_hidden()
    assert (await prompt.bounding_box())["width"] == 40
    assert (await board.bounding_box())["width"] == 56
    await expect(screen.row(1)).to_have_text(re.compile(r"1\s*B"))
    await page.reload()
    await screen.ready()
    assert (await prompt.bounding_box())["width"] == 40
    button = page.get_by_role("button", name="Show the rank board")
    assert await button.get_attribute("aria-expanded") == "false"
    assert await button.get_attribute("aria-keyshortcuts") == "]"
    await page.keyboard.press("]")
    await expect(page.get_by_role("button", name="Hide the rank board")).to_be_visible()
    await page.keyboard.press("o")
    await expect(prompt).to_be_focused()
    await expect(page.get_by_text("Question 1")).to_be_visible()


async def test_the_prompt_has_a_width_by_keys_and_by_dragging(open_page, engine):
    place = await make_place(engine)
    screen, page = await at_work(open_page, place, viewport={"width": 1600, "height": 900})
    edge = page.get_by_role("separator", name="Width of the prompt")
    prompt = page.locator("#prompt")
    await edge.focus()

    await page.keyboard.press("Home")
    assert (await prompt.bounding_box())["width"] == 320
    await page.keyboard.press("ArrowLeft")
    await expect(edge).to_have_attribute("aria-valuenow", "320")
    await page.keyboard.press("ArrowRight")
    assert (await prompt.bounding_box())["width"] == 336
    box = await edge.bounding_box()
    x, y = box["x"] + box["width"] / 2, 300
    await page.mouse.move(x, y)
    await page.mouse.down()
    await page.mouse.move(x + 64, y, steps=4)
    await page.mouse.up()
    await page.mouse.move(x + 200, y)

    dragged = (await prompt.bounding_box())["width"]
    assert dragged > 336
    await expect(edge).to_have_attribute("aria-valuenow", str(round(dragged)))
    await page.reload()
    await screen.ready()
    await expect(edge).to_have_attribute("aria-valuenow", str(round(dragged)))
    await edge.focus()
    await page.keyboard.press("End")
    assert (await prompt.bounding_box())["width"] == 480


async def test_digits_turn_flags_while_the_flags_have_the_focus(open_page, engine):
    place = await make_place(engine)
    screen, page = await at_work(open_page, place)
    ids = await screen.ids()
    await screen.complete()
    await page.keyboard.press("b")
    await page.keyboard.press("l")
    flags = screen.card("B").locator("[data-flags] input")

    for key in ("3", "1", "0", "-", "1"):
        await page.keyboard.press(key)

    checked = [
        number for number in range(await flags.count()) if await flags.nth(number).is_checked()
    ]
    keys = [await flags.nth(number).get_attribute("value") for number in checked]
    assert checked == [2, 9, 10]
    await page.keyboard.press("Escape")
    await expect(screen.card("B").locator("[data-flags] summary")).to_be_focused()
    await page.keyboard.press("Control+Enter")
    [ranking] = await stored_rankings(engine, place)
    assert set(ranking.items[ids["B"]].flags) == set(keys)
    assert ranking.items[ids["B"]].rating == 4


async def test_a_note_on_the_task_and_all_long_responses_by_key(open_page, engine):
    place = await make_place(engine, texts=[LONG, LONG.upper()])
    screen, page = await at_work(open_page, place)
    folded = page.locator(".response.is-collapsed")
    await expect(folded).to_have_count(2)

    await page.keyboard.press("Shift+X")
    await expect(folded).to_have_count(0)
    await page.get_by_role("button", name="Unfold or fold all").click()
    await expect(folded).to_have_count(2)
    await page.keyboard.press("Shift+N")
    await page.keyboard.type("4 of them are odd.")
    await page.keyboard.press("Escape")

    await expect(page.locator(".task-note summary")).to_be_focused()
    await expect(page.locator("[data-task-note]")).to_have_value("4 of them are odd.")
    await expect(screen.status).to_have_text("4 not rated; 4 not ranked")


async def test_a_break_is_suggested_once_and_the_clock_stands_still_in_it(open_page, engine):
    place = await make_place(engine)
    screen, page = await at_work(open_page, place)
    notice = page.locator("[data-break]")
    await page.evaluate(WORKED, [place.labeler_id, 50])
    await page.mouse.move(300, 300)

    await expect(notice).to_contain_text("You have worked 50 minutes. Pause?")
    await page.reload()
    await screen.ready()
    await page.mouse.move(300, 310)
    await expect(page.locator("[data-timer]")).to_have_text(re.compile("00:0[1-9]"))
    await expect(notice).to_be_hidden()

    await page.evaluate(WORKED, [place.labeler_id, 51])
    await page.get_by_role("button", name="5 min pause").click()
    await expect(page.get_by_role("timer")).to_have_text(re.compile(r"0[45]:\d\d"))
    before = await page.locator("[data-timer]").text_content()
    await page.wait_for_timeout(2500)
    await page.mouse.move(300, 330)
    assert await page.locator("[data-timer]").text_content() == before
    await page.get_by_role("button", name="Go on").click()
    await expect(page.locator("[data-timer]")).not_to_have_text(before)
    await expect(notice).to_be_hidden()


async def test_a_break_is_suggested_after_three_covered_tasks(open_page, engine):
    place = await make_place(engine)
    await set_screen(engine, place, veil="always")
    screen, page = await at_work(open_page, place)
    await page.evaluate(COVERED, place.labeler_id)

    await page.keyboard.press("y")
    await screen.complete()
    await page.keyboard.press("Control+Enter")

    await expect(page.locator("[data-break]")).to_contain_text("You have read 3 covered tasks")


async def test_who_wants_no_breaks_is_asked_about_none(open_page, engine):
    place = await make_place(engine)
    await prefer(engine, place, suggests_breaks=False)
    _, page = await at_work(open_page, place)

    await page.evaluate(WORKED, [place.labeler_id, 90])
    await page.mouse.move(300, 300)

    await expect(page.locator("[data-timer]")).to_have_text(re.compile("00:0[2-9]"))
    await expect(page.locator("[data-break]")).to_be_hidden()


async def test_the_goal_counts_what_is_submitted(open_page, engine):
    place = await make_place(engine)
    await prefer(engine, place, goal=Goal(unit="tasks", amount=2))
    screen, page = await at_work(open_page, place)
    await expect(page.get_by_role("img", name="0 of 2 tasks today")).to_be_visible()
    task = await screen.task()

    await screen.complete()
    await page.keyboard.press("Control+Enter")

    await screen.is_another_than(task)
    await expect(page.get_by_role("img", name="1 of 2 tasks today")).to_have_text("1 / 2")
    await stored_rankings(engine, place)
    await page.reload()
    await expect(page.get_by_role("img", name="1 of 2 tasks today")).to_be_visible()


async def test_a_click_hides_the_time_everywhere(open_page, engine):
    place = await make_place(engine)
    screen, page = await at_work(open_page, place)
    timer = page.locator("[data-timer]")
    await expect(timer).to_have_text(re.compile(r"\d\d:\d\d"))

    async with page.expect_response(lambda answer: answer.request.method == "PUT"):
        await timer.click()

    await expect(timer).to_have_text("Time")
    assert await preferred(engine, place) == {"shows_timer": False}
    await page.reload()
    await screen.ready()
    await expect(timer).to_have_text("Time")


async def test_the_keys_and_the_pause_are_accessible_in_both_themes(open_page, engine):
    place = await make_place(engine, texts=[LONG, LONG.upper()])
    await prefer(engine, place, goal=Goal(unit="hours", amount=4), keys={"next": ";"})
    tall = {"width": 1440, "height": 2400}  # Nothing is half below the bar.
    _, page = await at_work(open_page, place, color_scheme="light", viewport=tall)
    await page.evaluate(AXE)
    found = {}

    for scheme in ("light", "dark"):
        await page.emulate_media(color_scheme=scheme)
        await page.evaluate(WORKED, [place.labeler_id, 50])
        await page.mouse.move(300, 300)
        await expect(page.locator("[data-break]")).to_be_visible()
        found[f"{scheme} notice"] = await faults(page)
        await page.get_by_role("button", name="5 min pause").click()
        found[f"{scheme} pause"] = await faults(page)
        await page.get_by_role("button", name="Go on").click()
        await page.keyboard.press("[")
        await page.keyboard.press("]")
        found[f"{scheme} folded"] = await faults(page)
        await page.keyboard.press("?")
        await change(page, "undo").click()
        found[f"{scheme} keys"] = await faults(page)
        await page.keyboard.press("Escape")
        await leave_help(page)

    assert {name: fault for name, fault in found.items() if fault} == {}
