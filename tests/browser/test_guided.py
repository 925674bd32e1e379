"""Ranking by questions, filling from ratings, and what has to be done first, in a real browser."""

import json
from pathlib import Path

import pytest
from playwright.async_api import Page, expect
from sqlalchemy import Row, text

from app.db import transaction
from tests.browser.accessibility import AXE, RUN_AXE
from tests.browser.labeling_data import Place, make_place, stored_rankings
from tests.browser.screen import Screen

VECTORS = json.loads((Path(__file__).parents[1] / "vectors.json").read_text())["vectors"]
WORKED = next(vector for vector in VECTORS if vector["id"] == "V30")
ROWS = WORKED["input"]["true_buckets"]
ORDER = "Math.random = () => 0.999999"  # responses come in as they stand on the page


async def set_screen(engine, place: Place, settings: dict[str, str | bool]) -> None:
    async with transaction(engine) as tx:
        await tx.execute(
            text("update projects set screen = :screen where id = :id"),
            {"screen": json.dumps(settings), "id": place.project_id},
        )


async def ranking_row(engine, place: Place) -> Row:
    """How the one stored ranking came about."""
    await stored_rankings(engine, place)
    async with transaction(engine) as tx:
        rows = await tx.execute(
            text("select rank_origin, pair_answers, screen from rankings where labeler_id = :id"),
            {"id": place.labeler_id},
        )
        return rows.one()


async def opened(open_page, engine, *, responses: int, **settings: str | bool):
    place = await make_place(engine, responses=responses)
    await set_screen(engine, place, settings)
    page = await open_page(place.labeler_id)
    await page.add_init_script(ORDER)
    screen = Screen(page)
    await screen.open(place.label)
    return place, page, screen


async def rate_all(page: Page, ratings: str) -> None:
    for letter, rating in zip("abcdefghi", ratings, strict=False):
        await page.keyboard.press(letter)
        await page.keyboard.press(rating)


async def sides(page: Page) -> tuple[str, str]:
    """The letters of the two responses in question."""
    left, right = await page.locator("#guided .pair-side h4").all_text_contents()
    return left[-1].lower(), right[-1].lower()


async def answer_truly(page: Page, buckets: dict[str, int]) -> int:
    """Answer by the true rows until nothing is asked any more; returns how often."""
    asked = 0
    layer = page.locator("#guided")
    while await layer.is_visible():
        left, right = await sides(page)
        if buckets[left] == buckets[right]:
            await page.keyboard.press("=")
        else:
            await page.keyboard.press(
                "ArrowLeft" if buckets[left] < buckets[right] else "ArrowRight"
            )
        asked += 1
    return asked


async def board(page: Page) -> list[str]:
    """The letters in each row that has some."""
    rows = await page.locator("[data-board] [data-row]").evaluate_all(
        "rows => rows.map(row => [...row.querySelectorAll('.chip')]"
        ".map(chip => chip.dataset.letter.toLowerCase()).sort().join(''))"
    )
    return [row for row in rows if row]


async def test_the_worked_run_takes_twelve_questions_and_is_stored_as_guided(open_page, engine):
    place, page, screen = await opened(open_page, engine, responses=9)
    ids = await screen.ids()
    await rate_all(page, "765674736")
    progress = page.locator("#guided [data-pair-progress]")

    await page.keyboard.press("t")
    await expect(progress).to_have_text("Question 1, at most 20 more")
    asked = await answer_truly(page, ROWS)

    assert asked == WORKED["expected"]["worked"]["questions"]
    assert await board(page) == WORKED["expected"]["worked"]["buckets"]
    await expect(page.locator("[data-message]")).to_contain_text("compare neighbors once more")
    await expect(page.locator(".chip:focus")).to_have_count(1)
    task = await screen.task()
    await screen.submit.click()
    await screen.is_another_than(task)
    row = await ranking_row(engine, place)
    assert row.rank_origin == "guided"
    assert len(row.pair_answers) == asked
    first = row.pair_answers[0]
    assert {first["left"], first["right"]} == {ids["A"], ids["B"]}
    assert (first["answer"], first["source"]) in [("left", "guided"), ("right", "guided")]
    assert row.pair_answers[-1]["ms"] >= 0
    assert row.screen["moves_after_fill"] == 0


async def test_an_answer_can_be_undone_and_leaving_keeps_what_is_sorted(open_page, engine):
    place, page, screen = await opened(open_page, engine, responses=6)
    progress = page.locator("#guided [data-pair-progress]")

    await page.get_by_role("button", name="Rank by questions").click()
    await page.keyboard.press("Backspace")  # nothing to undo yet
    await page.get_by_role("button", name="Equal").click()
    assert await board(page) == ["ab"]
    await page.get_by_role("button", name="Undo answer").click()
    assert await board(page) == []
    await expect(progress).to_have_text("Question 1, at most 10 more")
    left, _ = await sides(page)
    await page.keyboard.press("ArrowLeft")
    other = "b" if left == "a" else "a"
    assert await board(page) == [left, other]
    await page.keyboard.press("-")
    await page.keyboard.press("Escape")
    await expect(page.locator("#guided")).to_be_hidden()
    assert [len(row) for row in await board(page)] in ([1, 2], [2, 1])

    await page.keyboard.press("u")  # goes over the answers of the layer
    assert await board(page) == [left, other]
    await page.keyboard.press("Shift+U")
    await page.keyboard.press("t")
    await expect(progress).to_have_text("Question 3, at most 6 more")
    await page.keyboard.press("=")
    while await page.locator("#guided").is_visible():
        await page.keyboard.press("=")
    await expect(screen.status).to_have_text("6 not rated")
    await rate_all(page, "444444")
    await page.keyboard.press("Control+Enter")
    await page.keyboard.press("Control+Enter")
    row = await ranking_row(engine, place)
    assert [each["answer"] for each in row.pair_answers][1:3] == ["undecided", "tie"]
    assert len(row.pair_answers) == 5


async def test_what_cannot_be_judged_is_left_out_and_what_is_ranked_stays(open_page, engine):
    _place, page, screen = await opened(open_page, engine, responses=4, guided_mode="always")
    await screen.card("D").locator("[data-cannot-judge]").select_option("empty")
    await screen.card("C").focus()
    await page.keyboard.press("Shift+Digit2")
    await screen.card("A").focus()

    await page.keyboard.press("t")
    asked = await answer_truly(page, {"a": 2, "b": 3, "c": 1})

    assert await board(page) == ["c", "a", "b"]
    assert asked == 2


async def test_questions_are_offered_from_six_responses_or_after_going_back_and_forth(
    open_page, engine
):
    _place, page, _screen = await opened(open_page, engine, responses=4)
    button = page.get_by_role("button", name="Rank by questions")

    await page.keyboard.press("t")
    await expect(page.locator("#guided")).to_be_hidden()
    await page.keyboard.press("a")
    for row in "2424":
        await expect(button).to_be_hidden()
        await page.keyboard.press("a")
        await page.keyboard.press(f"Shift+Digit{row}")
    await expect(button).to_be_visible()

    _place, page, _screen = await opened(open_page, engine, responses=6, guided_mode="off")
    await page.keyboard.press("t")
    await expect(page.locator("#guided")).to_be_hidden()
    await expect(page.get_by_role("button", name="Rank by questions")).to_be_hidden()


async def test_the_layer_does_not_lift_the_veil(open_page, engine):
    _place, page, _screen = await opened(open_page, engine, responses=6, veil="always")

    await page.keyboard.press("t")
    await expect(page.locator("[data-message]")).to_contain_text("Show the text first")
    await expect(page.locator("#guided")).to_be_hidden()
    await page.keyboard.press("y")
    await page.keyboard.press("t")
    await expect(page.locator("#guided")).to_be_visible()


async def test_a_required_neighbor_check_comes_before_submitting(open_page, engine):
    place, page, _screen = await opened(
        open_page, engine, responses=4, guided_mode="always", neighbour_check="required"
    )
    await rate_all(page, "4444")
    progress = page.locator("#guided [data-pair-progress]")
    buckets = {"a": 1, "b": 2, "c": 3, "d": 4}

    await page.keyboard.press("t")
    while (await progress.text_content() or "").startswith("Question"):
        left, right = await sides(page)
        await page.keyboard.press("ArrowLeft" if buckets[left] < buckets[right] else "ArrowRight")
    await expect(progress).to_have_text("Neighbors 1, at most 2 more")
    await page.keyboard.press("Escape")
    await expect(page.locator("#guided")).to_be_hidden()
    await page.keyboard.press("Control+Enter")
    await expect(page.locator("[data-message]")).to_contain_text("Compare the neighbors")
    await page.get_by_role("alert").get_by_role("button", name="Compare neighbors").click()
    left, right = await sides(page)
    assert {left, right} == {"a", "b"}
    await page.keyboard.press("ArrowLeft" if left == "b" else "ArrowRight")  # the other order now
    assert await board(page) == ["b", "a", "c", "d"]
    await page.keyboard.press("-")
    await page.keyboard.press("-")
    await expect(page.locator("#guided")).to_be_hidden()
    await page.keyboard.press("Control+Enter")

    row = await ranking_row(engine, place)
    assert [each["source"] for each in row.pair_answers[-4:]] == ["guided", *["check"] * 3]
    assert row.rank_origin == "guided"


async def test_ranks_are_filled_from_ratings_and_have_to_be_looked_at(open_page, engine):
    place, page, screen = await opened(open_page, engine, responses=4, rank_assist="button")
    task = await screen.task()
    button = page.get_by_role("button", name="Fill from my ratings")

    await page.keyboard.press("Shift+R")
    await expect(page.locator("[data-message]")).to_contain_text("Rate all responses first")
    await expect(button).to_be_hidden()
    await rate_all(page, "3713")
    await expect(button).to_be_visible()
    await page.keyboard.press("Shift+R")
    assert await board(page) == ["b", "ad", "c"]
    note = page.locator("[data-fill-note]")
    await expect(note).to_be_visible()
    await page.keyboard.press("Control+Enter")
    await expect(page.locator("[data-message]")).to_contain_text("check them first")
    assert await screen.task() == task

    await page.keyboard.press("r")
    await expect(note).to_be_hidden()
    await page.keyboard.press("d")
    await page.keyboard.press("Alt+ArrowDown")
    await page.keyboard.press("Control+Enter")

    await screen.is_another_than(task)
    row = await ranking_row(engine, place)
    assert (row.rank_origin, row.screen["moves_after_fill"]) == ("from_ratings", 1)


async def test_nothing_is_filled_where_the_project_does_not_want_it(open_page, engine):
    _place, page, _screen = await opened(open_page, engine, responses=4)

    await rate_all(page, "3713")
    await page.keyboard.press("Shift+R")

    assert await board(page) == []
    await expect(page.get_by_role("button", name="Fill from my ratings")).to_be_hidden()


async def test_ranks_are_filled_by_themselves_once_and_undo_takes_them_back(open_page, engine):
    _place, page, _screen = await opened(open_page, engine, responses=4, rank_assist="presort")

    await rate_all(page, "3713")
    assert await board(page) == ["b", "ad", "c"]
    await page.keyboard.press("u")
    assert await board(page) == []
    await expect(page.locator("[data-fill-note]")).to_be_hidden()


async def test_what_cannot_be_judged_is_rated_by_the_projects_rule(open_page, engine):
    place, page, screen = await opened(open_page, engine, responses=4, rate_unjudged=True)
    task = await screen.task()
    card = screen.card("D")
    await rate_all(page, "5316")

    await card.locator("[data-cannot-judge]").select_option("garbled")

    await expect(card.get_by_role("radio", name="1", exact=True)).to_be_checked()
    await expect(card.get_by_role("radio", name="6")).to_be_disabled()
    await page.keyboard.press("Escape")
    await page.keyboard.press("d")
    await page.keyboard.press("7")
    await expect(page.locator("[data-message]")).to_contain_text("is rated 1 in this project")
    for letter, row in (("a", "1"), ("b", "2"), ("c", "3")):
        await page.keyboard.press(letter)
        await page.keyboard.press(f"Shift+Digit{row}")
    await page.keyboard.press("Control+Enter")
    await screen.is_another_than(task)
    [stored] = await stored_rankings(engine, place)
    item = stored.items[stored.display_order[3]]
    assert (item.rank, item.rating) == (None, 1)


async def test_in_two_steps_the_board_comes_after_the_ratings(open_page, engine):
    _place, page, screen = await opened(open_page, engine, responses=4, flow="two_step")
    hint = page.locator("[data-first-hint]")

    await expect(hint).to_have_text("Rate all responses first, then rank them.")
    await expect(screen.tray).to_be_hidden()
    await page.keyboard.press("Shift+Digit1")
    await expect(page.locator("[data-message]")).to_contain_text("Rate all responses first")
    await rate_all(page, "3713")
    await expect(screen.tray).to_be_visible()
    await expect(hint).to_be_hidden()
    await expect(screen.chip("B").locator("small")).to_be_empty()  # without its rating
    await page.keyboard.press("b")
    await page.keyboard.press("Shift+Digit1")
    await screen.is_in_row("B", 1)


async def test_ranks_first_keeps_the_ratings_shut_until_then(open_page, engine):
    _place, page, screen = await opened(open_page, engine, responses=4, flow="rank_first")
    rating = screen.card("A").get_by_role("radio", name="4")

    await expect(rating).to_be_disabled()
    await page.keyboard.press("4")
    await expect(page.locator("[data-message]")).to_contain_text("Rank all responses first")
    for row in "1234":
        await page.keyboard.press(f"Shift+Digit{row}")
    await expect(rating).to_be_enabled()
    await rate_all(page, "4444")
    await expect(screen.status).to_have_text("Ready to submit")


async def test_on_a_phone_the_two_responses_are_tabs(open_page, engine):
    place = await make_place(engine, responses=6)
    await set_screen(engine, place, {"mobile": "always"})
    page = await open_page(place.labeler_id, viewport={"width": 390, "height": 844}, has_touch=True)
    await Screen(page).open(place.label)
    left, right = (page.locator(f'#guided [data-pair-side="{side}"]') for side in ("left", "right"))

    await page.get_by_role("button", name="Rank board").click()
    await page.get_by_role("button", name="Rank by questions").click()
    await expect(left).to_be_visible()
    await expect(right).to_be_hidden()
    await page.locator('#guided [data-pair-tab="right"]').click()
    await expect(left).to_be_hidden()
    await expect(right).to_be_visible()
    while await page.locator("#guided").is_visible():
        await page.get_by_role("button", name="Equal").click()
    assert await board(page) == ["abcdef"]
    await expect(page.locator("[data-board]")).to_have_class("board is-open")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize(("width", "height"), [(1440, 900), (390, 844)])
async def test_the_layer_is_accessible(open_page, engine, scheme, width, height):
    place = await make_place(engine, responses=6)
    await set_screen(engine, place, {"rank_assist": "button"})
    page = await open_page(
        place.labeler_id,
        viewport={"width": width, "height": height},
        color_scheme=scheme,
    )
    screen = Screen(page)
    await screen.open(place.label)

    await page.keyboard.press("t")
    await page.locator("#guided .pair-prompt summary").click()
    await page.evaluate(AXE)

    assert await page.evaluate(RUN_AXE) == []
