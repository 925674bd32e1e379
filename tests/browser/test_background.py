"""What happens while nobody waits: rankings on their way, the next task, drafts, other windows."""

import asyncio
import re

from playwright.async_api import Route, expect
from sqlalchemy import text

from app.db import transaction
from tests.browser.labeling_data import (
    PASSWORD,
    PATIENCE_S,
    expire_leases,
    give_away,
    make_place,
    stored_rankings,
    task_states,
)
from tests.browser.screen import Screen

RANKING = "**/api/v1/tasks/*/ranking"
DRAFT = "**/api/v1/tasks/*/draft"


async def open_screen(open_page, place) -> Screen:
    screen = Screen(await open_page(place.labeler_id))
    await screen.open(place.label)
    return screen


async def test_the_next_task_is_there_before_the_ranking_is_stored(open_page, engine):
    place = await make_place(engine, slates=3)
    screen = await open_screen(open_page, place)
    await screen.complete()
    await screen.has_next()
    task, is_let_go = await screen.task(), asyncio.Event()

    async def answer_late(route: Route) -> None:
        await is_let_go.wait()
        await route.continue_()

    await screen.page.route(RANKING, answer_late)
    await screen.page.keyboard.press("Control+Enter")
    await screen.is_another_than(task)
    assert await stored_rankings(engine, place, at_least=0) == []
    await expect(screen.status).to_have_text("4 not rated; 4 not ranked")
    await expect(screen.page.locator("[data-passing]")).to_contain_text("Task 1 submitted.")

    is_let_go.set()
    [ranking] = await stored_rankings(engine, place)
    assert ranking.version == 1
    await screen.has_next()
    assert [status for status, _ in await task_states(engine, place)] == [
        "done",
        "leased",
        "leased",
    ]


async def test_the_page_follows_tasks_with_more_and_with_fewer_responses(open_page, engine):
    place = await make_place(engine, slates=3, responses=9)
    async with transaction(engine) as tx:
        await tx.execute(
            text("delete from responses where slate_id in (select slate_id from tasks "
                 "where project_id = :id order by id limit 1) and position > 2"),
            {"id": place.project_id},
        )  # fmt: skip
        await tx.execute(
            text("delete from responses where slate_id in (select slate_id from tasks "
                 "where project_id = :id order by id desc limit 1) and position > 4"),
            {"id": place.project_id},
        )  # fmt: skip
    screen = await open_screen(open_page, place)
    page, counts = screen.page, (2, 9, 4)
    for number, count in enumerate(counts, start=1):
        letters, task = "ABCDEFGHI"[:count], await screen.task()
        assert "".join(await screen.ids()) == letters
        await expect(page.locator("[data-board] [data-row]")).to_have_count(count)
        await expect(page.get_by_role("heading", level=1)).to_have_text(
            f"Rate and rank {count} responses"
        )
        await expect(page).to_have_title(re.compile(f"^Task {number}"))
        await page.keyboard.press("?")
        await expect(page.locator("#help dt").first).to_have_text(f"A – {letters[-1]}")
        await page.keyboard.press("Escape")
        await page.keyboard.press("i")  # only some have it
        await screen.complete()
        if number < 3:
            await screen.has_next()
            await page.keyboard.press("Control+Enter")
            await screen.is_another_than(task)
    await page.keyboard.press("Control+Enter")
    stored = await stored_rankings(engine, place, at_least=3)
    assert [len(one.items) for one in stored] == list(counts)


async def test_at_most_one_task_is_held_beside_the_one_at_work(open_page, engine):
    place = await make_place(engine, slates=6)
    screen = await open_screen(open_page, place)
    for _ in range(3):
        await screen.page.reload()
        await screen.ready()
        await screen.has_next()

    states = [status for status, _ in await task_states(engine, place)]
    assert (states.count("leased"), states.count("open")) == (2, 4)


async def test_a_hold_that_ended_is_taken_again_if_nobody_else_has_the_task(
    open_page, engine, complaints
):
    place = await make_place(engine)
    screen = await open_screen(open_page, place)
    ids, task = await screen.ids(), await screen.task()
    await screen.complete()
    await expire_leases(engine, place)

    await screen.page.keyboard.press("Control+Enter")

    await screen.is_another_than(task)
    [ranking] = await stored_rankings(engine, place)
    assert [ranking.items[ids[letter]].rank for letter in "ABCD"] == [1, 2, 3, 4]
    assert ranking.display_order == list(ids.values())
    assert [line for line in complaints if "409" not in line] == []
    complaints.clear()


async def test_a_task_that_somebody_else_has_by_now_comes_back_visibly(
    open_page, engine, complaints
):
    place = await make_place(engine)
    screen = await open_screen(open_page, place)
    task = await screen.task()
    await screen.complete()
    await screen.has_next()
    await give_away(engine, place, task)

    await screen.page.keyboard.press("Control+Enter")

    await screen.is_another_than(task)
    alert = screen.page.get_by_role("alert")
    await expect(alert).to_contain_text("Task 1 was not stored: There is no such task")
    await expect(alert).to_contain_text("Your work on it is kept in this browser.")
    await screen.rate("A", 3)
    await expect(alert).to_contain_text("Task 1 was not stored")
    assert await stored_rankings(engine, place, at_least=0) == []
    assert all("404" in line for line in complaints)
    complaints.clear()


async def test_without_a_network_rankings_wait_and_are_sent_by_themselves(
    open_page, engine, complaints
):
    place = await make_place(engine, slates=3)
    screen = await open_screen(open_page, place)
    task = await screen.task()
    await screen.complete()
    await screen.has_next()
    context = screen.page.context
    await context.set_offline(True)

    await screen.page.keyboard.press("Control+Enter")
    await screen.is_another_than(task)
    alert = screen.page.get_by_role("alert")
    await expect(alert).to_contain_text("A ranking waits in this browser and will be sent again.")
    assert await screen.page.get_by_text("Task 1 submitted.").count() == 0
    await screen.rate("A", 6)
    await expect(screen.page.locator("[data-save-state]")).to_have_text(
        "Offline, kept on this device"
    )
    assert await stored_rankings(engine, place, at_least=0) == []

    await context.set_offline(False)
    [ranking] = await stored_rankings(engine, place)
    assert ranking.version == 1
    await expect(alert.get_by_text("waits in this browser")).to_be_hidden()
    await expect(screen.page.locator("[data-save-state]")).to_contain_text("Saved")
    assert all("ERR_INTERNET_DISCONNECTED" in line for line in complaints)
    complaints.clear()


async def test_what_waits_is_sent_after_a_reload_too(open_page, engine, complaints):
    place = await make_place(engine, slates=1)
    screen = await open_screen(open_page, place)
    await screen.complete()
    await screen.page.route(RANKING, lambda route: route.abort("connectionfailed"))
    await screen.submit.click()
    await expect(screen.page.get_by_role("alert")).to_contain_text("waits in this browser")
    await screen.page.reload()
    await screen.page.unroute(RANKING)

    heading = screen.page.get_by_role("heading", name="Nothing to label right now")
    await expect(heading).to_be_visible()
    [ranking] = await stored_rankings(engine, place)
    assert ranking.version == 1
    assert all("ERR_CONNECTION_FAILED" in line for line in complaints)
    complaints.clear()


async def test_an_answer_that_got_lost_on_its_way_back_is_not_stored_twice(
    open_page, engine, complaints
):
    place = await make_place(engine)
    screen = await open_screen(open_page, place)
    task = await screen.task()
    await screen.complete()
    await screen.has_next()
    attempts: list[str] = []
    is_told = asyncio.Event()

    async def lose_the_first_answer(route: Route) -> None:
        attempts.append(route.request.headers["idempotency-key"])
        if len(attempts) == 1:
            await route.fetch()
            await route.abort("connectionreset")
        else:
            await is_told.wait()
            await route.continue_()

    await screen.page.route(RANKING, lose_the_first_answer)
    await screen.submit.click()

    await screen.is_another_than(task)
    await expect(screen.page.get_by_role("alert")).to_contain_text("will be sent again")
    is_told.set()
    await expect(screen.page.get_by_text("will be sent again")).to_be_hidden()
    assert len(attempts) == 2
    assert len(set(attempts)) == 1
    assert len(await stored_rankings(engine, place)) == 1
    assert all("ERR_CONNECTION_RESET" in line for line in complaints)
    complaints.clear()


async def test_submitted_twice_in_two_windows_it_is_stored_once(open_page, engine, complaints):
    place = await make_place(engine, slates=1)
    first = await open_screen(open_page, place)
    second = Screen(await first.page.context.new_page())
    await second.open(place.label)
    await first.complete()
    await expect(first.page.locator("[data-save-state]")).to_contain_text("Saved")
    await second.page.reload()
    await second.ready()
    await expect(second.status).to_have_text("Ready to submit")

    await first.submit.click()
    heading = first.page.get_by_role("heading", name="Nothing to label right now")
    await expect(heading).to_be_visible()
    await second.submit.click()

    await expect(second.page.get_by_role("alert")).to_contain_text("submitted already")
    assert [one.version for one in await stored_rankings(engine, place)] == [1]
    complaints.clear()


async def test_two_windows_at_one_task_let_the_labeler_choose(open_page, engine, complaints):
    place = await make_place(engine, slates=1)
    first = await open_screen(open_page, place)
    other = Screen(await open_page(place.labeler_id))  # another device: its own storage
    await other.open(place.label)
    saved = first.page.locator("[data-save-state]")
    await first.rate("A", 6)
    await expect(saved).to_contain_text("Saved")

    is_let_go = asyncio.Event()

    async def send_late(route: Route) -> None:
        await is_let_go.wait()
        await route.continue_()

    await other.page.route(DRAFT, send_late)
    await other.rate("A", 2)
    await other.rate("B", 3)
    is_let_go.set()
    choice = other.page.get_by_role("dialog")
    await expect(choice).to_contain_text("Ratings: A 2, B 3. Order: none.")
    await expect(choice).to_contain_text("Ratings: A 6. Order: none.")
    await choice.get_by_role("button", name="Take what is elsewhere").click()
    await expect(other.card("A").get_by_role("radio", name="6")).to_be_checked()
    await expect(other.card("B").get_by_role("radio", name="3")).not_to_be_checked()
    await other.page.keyboard.press("u")
    await expect(other.card("B").get_by_role("radio", name="3")).to_be_checked()
    await expect(other.page.locator("[data-save-state]")).to_contain_text("Saved")

    await first.rate("C", 7)
    choice = first.page.get_by_role("dialog")
    await expect(choice).to_contain_text("Ratings: A 6, C 7. Order: none.")
    await choice.get_by_role("button", name="Keep what is here").click()
    await expect(saved).to_contain_text("Saved")
    await other.page.reload()
    await other.ready()
    await expect(other.card("C").get_by_role("radio", name="7")).to_be_checked()
    assert all("409" in line for line in complaints)
    complaints.clear()


async def test_a_save_that_is_answered_after_its_task_was_submitted_changes_nothing(
    open_page, engine
):
    place = await make_place(engine)
    screen = await open_screen(open_page, place)
    page, task, is_let_go = screen.page, await screen.task(), asyncio.Event()

    async def answer_late(route: Route) -> None:
        answer = await route.fetch()
        await is_let_go.wait()
        await route.fulfill(response=answer)

    await page.route(DRAFT, answer_late)
    async with page.expect_request(DRAFT) as saving:
        await screen.complete()
    await screen.has_next()
    await page.keyboard.press("Control+Enter")
    await screen.is_another_than(task)
    drafts = "Object.keys(localStorage).filter((name) => name.startsWith('podium.draft.'))"
    await page.wait_for_function(f"() => {drafts}.length === 0")
    is_let_go.set()
    await (await saving.value).response()
    await page.evaluate("new Promise((resolve) => setTimeout(resolve, 100))")

    assert await page.evaluate(drafts) == []
    await expect(page.locator("[data-save-state]")).to_be_empty()


async def test_other_work_that_cannot_be_read_at_once_is_asked_about_later(
    open_page, engine, complaints
):
    place = await make_place(engine, slates=1)
    first = await open_screen(open_page, place)
    other = await open_screen(open_page, place)
    await first.rate("A", 6)
    await expect(first.page.locator("[data-save-state]")).to_contain_text("Saved")
    answers = [503]

    async def refuse_the_first_read(route: Route) -> None:
        if route.request.method == "GET" and answers:
            await route.fulfill(status=answers.pop(), json={})
        else:
            await route.continue_()

    await other.page.route(DRAFT, refuse_the_first_read)
    await other.rate("B", 3)
    await expect(other.page.locator("[data-save-state]")).to_contain_text("Offline")
    await other.page.evaluate("dispatchEvent(new Event('online'))")

    await expect(other.page.get_by_role("dialog")).to_contain_text("Ratings: A 6. Order: none.")
    assert all("409" in line or "503" in line for line in complaints)
    complaints.clear()


async def test_what_changed_while_a_save_was_on_its_way_is_not_lost_to_another_device(
    open_page, engine, complaints
):
    place = await make_place(engine, slates=1)
    first = await open_screen(open_page, place)
    is_saved, is_let_go = asyncio.Event(), asyncio.Event()

    async def answer_late_and_then_never(route: Route) -> None:
        if is_saved.is_set():
            await route.abort()
            return
        answer = await route.fetch()
        is_saved.set()
        await is_let_go.wait()
        await route.fulfill(response=answer)

    await first.page.route(DRAFT, answer_late_and_then_never)
    await first.rate("A", 6)
    await is_saved.wait()
    await first.rate("B", 3)
    is_let_go.set()
    await expect(first.page.locator("[data-save-state]")).to_contain_text("Offline")
    other = await open_screen(open_page, place)
    await other.rate("C", 7)
    await expect(other.page.locator("[data-save-state]")).to_contain_text("Saved")
    await first.page.reload()

    choice = first.page.get_by_role("dialog")
    await expect(choice).to_contain_text("Ratings: A 6, B 3. Order: none.")
    await expect(choice).to_contain_text("Ratings: A 6, C 7. Order: none.")
    assert all("ERR_FAILED" in line for line in complaints)
    complaints.clear()


async def test_another_device_goes_on_where_this_one_stopped(open_page, engine):
    place = await make_place(engine)
    first = await open_screen(open_page, place)
    await first.rate("A", 6)
    await first.click_to("C", 2)
    await expect(first.page.locator("[data-save-state]")).to_contain_text("Saved")

    other = Screen(await open_page(place.labeler_id))
    await other.open(place.label)

    await expect(other.card("A").get_by_role("radio", name="6")).to_be_checked()
    await other.is_in_row("C", 2)
    await expect(other.page.locator("[data-save-state]")).to_have_text("Draft restored")


async def test_after_signing_in_again_the_ranking_is_sent(open_page, engine, complaints):
    place = await make_place(engine)
    screen = await open_screen(open_page, place)
    task = await screen.task()
    await screen.complete()
    await screen.has_next()
    async with transaction(engine) as tx:
        await tx.execute(text("delete from sessions where user_id = :id"), {"id": place.labeler_id})

    await screen.page.keyboard.press("Control+Enter")
    await screen.is_another_than(task)
    await expect(screen.page.get_by_role("alert")).to_contain_text("You are signed out.")
    await screen.page.get_by_role("link", name="Sign in again").click()
    await screen.page.get_by_label("Email address").fill(place.email)
    await screen.page.get_by_label("Password").fill(PASSWORD)
    await screen.page.get_by_role("button", name="Sign in").click()

    [ranking] = await stored_rankings(engine, place)
    assert ranking.version == 1
    await screen.is_another_than(task)
    assert all("401" in line for line in complaints)
    complaints.clear()


async def test_an_earlier_task_can_be_changed_until_the_round_closes(open_page, engine):
    place = await make_place(engine)
    screen = await open_screen(open_page, place)
    ids, task = await screen.ids(), await screen.task()
    await screen.complete()
    await screen.has_next()
    await screen.page.keyboard.press("Control+Enter")
    await screen.is_another_than(task)
    await stored_rankings(engine, place)

    await screen.page.keyboard.press(",")
    await screen.page.wait_for_url(f"**/label/{task}")
    await screen.ready()
    await screen.is_in_row("A", 1)
    await expect(screen.card("A").get_by_role("radio", name="4")).to_be_checked()
    await screen.rate("B", 5)
    await screen.page.get_by_role("button", name="Submit the change").click()
    await screen.is_another_than(task)
    rankings = await stored_rankings(engine, place, at_least=2)
    assert [(one.version, one.items[ids["B"]].rating) for one in rankings] == [(1, 4), (2, 5)]

    async with transaction(engine) as tx:
        await tx.execute(
            text("update rounds set closed_at = now() where project_id = :id"),
            {"id": place.project_id},
        )
    await screen.open(f"{place.label}/{task}")
    await screen.rate("B", 1)
    await screen.page.keyboard.press("Control+Enter")
    await expect(screen.page.get_by_role("alert")).to_contain_text("The round is closed")
    assert len(await stored_rankings(engine, place, at_least=2)) == 2


async def test_an_earlier_task_stays_open_when_the_answer_to_its_ranking_comes_late(
    open_page, engine, complaints
):
    place = await make_place(engine)
    screen = await open_screen(open_page, place)
    task = await screen.task()
    await screen.complete()
    await screen.has_next()

    async def lose_the_answer(route: Route) -> None:
        await route.fetch()
        await route.abort("connectionreset")

    await screen.page.route(RANKING, lose_the_answer)
    await screen.page.keyboard.press("Control+Enter")
    await expect(screen.page.get_by_role("alert")).to_contain_text("will be sent again")
    await screen.page.keyboard.press(",")
    await screen.page.wait_for_url(f"**/label/{task}")
    await screen.ready()
    await expect(screen.page.locator("[data-labeling][inert]")).to_be_attached()
    await screen.page.unroute_all(behavior="ignoreErrors")
    await screen.page.evaluate("dispatchEvent(new Event('online'))")

    await expect(screen.page.locator("[data-labeling]:not([inert])")).to_be_attached()
    await screen.ready()
    assert await screen.task() == task
    await screen.rate("B", 5)
    await screen.page.get_by_role("button", name="Submit the change").click()
    rankings = await stored_rankings(engine, place, at_least=2)
    assert [one.version for one in rankings] == [1, 2]
    assert all("ERR_CONNECTION_RESET" in line for line in complaints)
    complaints.clear()


async def test_what_was_done_on_the_screen_is_stored_beside_the_ranking(open_page, engine):
    place = await make_place(engine)
    screen = await open_screen(open_page, place)
    ids, task = await screen.ids(), await screen.task()
    for letter in "ABCD":
        await screen.rate(letter, 5)
    await screen.drag("A", 1)
    await screen.click_to("B", 2)
    await screen.page.keyboard.press("c")
    await screen.page.keyboard.press("Shift+Digit3")
    await screen.page.keyboard.press("d")
    await screen.page.keyboard.press("Shift+Digit3")
    await screen.row(3).hover()
    timer = screen.page.locator("[data-timer]")
    for _ in range(2):  # Each change is a tick with the pointer on the board.
        await expect(timer).not_to_have_text(await timer.inner_text())
    await screen.rate("D", 2)
    await screen.submit.click()
    await screen.submit.click()  # C and D share a rank, three steps apart
    await screen.is_another_than(task)
    await stored_rankings(engine, place)

    async with transaction(engine) as tx:
        ranking = (await tx.execute(
            text("select r.*, (select jsonb_agg(to_jsonb(i)) from ranking_items i "
                 "where i.ranking_id = r.id) as items from rankings r where labeler_id = :id"),
            {"id": place.labeler_id},
        )).one()  # fmt: skip
    assert ranking.rank_origin == "manual"
    assert ranking.screen.pop("board_ms") >= 1000  # the pointer was there
    assert ranking.screen == {
        "device": "desktop", "viewport": [1280, 720], "locale": "en-US",
        "input_methods": {"key": 2, "click": 1, "drag": 1}, "moves_after_fill": 0,
        "flow": "single_screen", "criteria_profile": "training", "flags_mode": "check_all",
        "rank_assist": "none",
    }  # fmt: skip
    assert ranking.wall_ms >= ranking.active_ms >= 1000
    assert {item["response_id"]: item["visible_ms"] > 0 for item in ranking.items}[ids["A"]]
    counted: dict[str, int] = {}
    for _ in range(PATIENCE_S * 10):
        async with transaction(engine) as tx:
            kinds = (await tx.execute(
                text("select kind, count(*) from screen_events "
                     "where task_id = :task group by kind"),
                {"task": int(task)},
            )).all()  # fmt: skip
        counted = dict(tuple(row) for row in kinds)
        if "submit" in counted:  # It comes with the last of them.
            break
        await asyncio.sleep(0.1)
    wanted = {"task_open": 1, "rate": 5, "place": 4, "tie": 1, "card_visible": 1, "submit": 1,
              "warning_shown": 1, "warning_action": 1}  # fmt: skip
    assert {kind: counted.get(kind) for kind in wanted} == wanted
    async with transaction(engine) as tx:
        methods = (await tx.execute(
            text("select data ->> 'method' from screen_events "
                 "where kind = 'place' and task_id = :task order by sequence"),
            {"task": int(task)},
        )).scalars()  # fmt: skip
    assert list(methods) == ["drag", "click", "key", "key"]


async def test_who_reloads_before_the_answer_to_a_save_is_asked_nothing(
    open_page, engine, complaints
):
    place = await make_place(engine)
    screen = await open_screen(open_page, place)
    is_saved = asyncio.Event()

    async def lose_the_answer(route: Route) -> None:
        await route.fetch()
        is_saved.set()
        await route.abort("connectionreset")

    await screen.page.route(DRAFT, lose_the_answer)
    await screen.rate("A", 6)
    await is_saved.wait()
    await screen.rate("B", 3)
    await screen.page.unroute_all(behavior="ignoreErrors")
    await screen.page.reload()
    await screen.ready()

    await expect(screen.page.get_by_role("dialog")).to_have_count(0)
    await expect(screen.card("B").get_by_role("radio", name="3")).to_be_checked()
    await screen.rate("C", 5)
    await expect(screen.page.locator("[data-save-state]")).to_contain_text("Saved")
    assert all("ERR_CONNECTION_RESET" in line for line in complaints)
    complaints.clear()


async def test_the_last_task_is_sent_once_however_often_it_is_submitted(open_page, engine):
    place = await make_place(engine, slates=1)
    screen = await open_screen(open_page, place)
    await screen.complete()
    sent: list[str] = []

    async def answer_late(route: Route) -> None:
        sent.append(route.request.headers["idempotency-key"])
        await asyncio.sleep(0.5)
        await route.continue_()

    await screen.page.route(RANKING, answer_late)
    for _ in range(3):
        await screen.page.keyboard.press("Control+Enter")

    heading = screen.page.get_by_role("heading", name="Nothing to label right now")
    await expect(heading).to_be_visible()
    assert len(sent) == 1
    assert len(await stored_rankings(engine, place)) == 1

    await screen.page.get_by_role("link", name="Earlier task").click()
    await screen.ready()
    await expect(screen.page.get_by_role("button", name="Submit the change")).to_be_visible()
