"""Every page in both themes, wide and narrow: no complaints, no sideways scrolling, accessible."""

import json
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack

import pytest
import pytest_asyncio
from playwright.async_api import Page, expect
from sqlalchemy import text

from app.db import transaction
from tests.browser.accessibility import AXE, faults
from tests.browser.admin_data import World, make_world
from tests.browser.conftest import listen, new_page

WIDTHS = {1440: 900, 320: 640}
PAGES = {
    "sign-in": (None, "/sign-in"),
    "projects": ("admin", "/projects"),
    "new project": ("admin", "/projects/new"),
    "project overview": ("admin", "/projects/pilot"),
    "guidelines": ("admin", "/projects/pilot/guidelines"),
    "prompts": ("admin", "/projects/pilot/prompts"),
    "rounds": ("admin", "/projects/pilot/rounds"),
    "one round": ("admin", "/projects/pilot/rounds/1"),
    "screen settings": ("admin", "/projects/pilot/screen"),
    "screen preview": ("admin", "/projects/pilot/screen/preview"),
    "flags": ("admin", "/projects/pilot/flags"),
    "one flag": ("admin", "/projects/pilot/flags/opinion"),
    "reports": ("admin", "/projects/pilot/reports"),
    "resolved reports": ("admin", "/projects/pilot/reports?status=resolved"),
    "agreement": ("admin", "/projects/pilot/agreement"),
    "prompts by disagreement": ("admin", "/projects/compared/agreement/prompts"),
    "narrowed prompts": ("admin", "/projects/compared/agreement/prompts?flag=harm&headline=true"),
    "excluded prompts": ("admin", "/projects/compared/agreement/prompts?excluded=true"),
    "skipped tasks": ("admin", "/projects/compared/agreement/skipped"),
    "divided slate": ("admin", "/projects/compared/agreement/slates/{world.divided_slate}"),
    "a team's agreement": ("admin", "/projects/team/agreement?sort=position&order=down"),
    "a slice of agreement": ("admin", "/projects/team/agreement?language=en&margin=1"),
    "planner": ("admin", "/projects/team/agreement/plan?round=1&half_width=3"),
    "datasets": ("admin", "/projects/pilot/datasets"),
    "models": ("admin", "/models"),
    "one model": ("admin", "/models/sft"),
    "runs": ("admin", "/projects/pilot/runs"),
    "new SFT run": ("admin", "/projects/pilot/runs/new?kind=sft"),
    "new reward run": ("admin", "/projects/pilot/runs/new?kind=reward"),
    "new DPO run": ("admin", "/projects/pilot/runs/new?kind=dpo&preset=paper"),
    "new PPO run": ("admin", "/projects/pilot/runs/new?kind=ppo"),
    "finished run": ("admin", "/projects/pilot/runs/{world.finished_run}"),
    "failed run": ("admin", "/projects/pilot/runs/{world.failed_run}"),
    "live run": ("admin", "/projects/pilot/runs/{world.live_run}"),
    "waiting run": ("admin", "/projects/pilot/runs/{world.waiting_run}"),
    "lineage": ("admin", "/projects/pilot/lineage"),
    "users": ("admin", "/users"),
    "account": ("admin", "/account"),
    "labeler's home": ("labeler", "/"),
    "labeler's project": ("labeler", "/projects/pilot"),
    "labeler's numbers": ("ranker", "/projects/compared/me"),
    "labeler's tasks": ("ranker", "/projects/compared/me/tasks"),
    "disagreement": ("ranker", "/projects/compared/disagreements/{world.disagreement}"),
    "guidelines' text": ("ranker", "/projects/compared/guidelines/read"),
    "guidelines' changes": ("ranker", "/projects/compared/guidelines/changes?since=1"),
    "labeler": ("admin", "/projects/compared/labelers/L-01"),
    "labeler without rankings": ("admin", "/projects/pilot/labelers/L-09"),
    "screening": ("admin", "/projects/compared/screening"),
    "labelers' remarks": ("admin", "/projects/compared/remarks"),
    "labeling": ("labeler", "/projects/pilot/label"),
    "guidelines to read": ("newcomer", "/projects/pilot/label"),
}
# How many pixels of a chart have the color of its first curve.
CURVE_PIXELS = """
canvas => {
  const probe = document.createElement("canvas").getContext("2d");
  probe.fillStyle = getComputedStyle(canvas).getPropertyValue("--accent").trim();
  probe.fillRect(0, 0, 1, 1);
  const [red, green, blue] = probe.getImageData(0, 0, 1, 1).data;
  const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
  let count = 0;
  for (let at = 0; at < data.length; at += 4) {
    const isCurve = [red, green, blue, 255].every((part, index) => data[at + index] === part);
    count += isCurve ? 1 : 0;
  }
  return count;
}
"""


@pytest_asyncio.fixture(loop_scope="session", scope="module")
async def world(engine, podium) -> World:
    return await make_world(engine, podium.data_dir)


@pytest_asyncio.fixture(loop_scope="session", scope="module")
async def pages_of(
    browser, podium, engine
) -> AsyncIterator[Callable[[int | None], Awaitable[tuple[Page, list[str]]]]]:
    """The one page of each user, and what was complained about on it.

    A profile of its own for each visit would take longer than to look at what is there.
    """
    async with AsyncExitStack() as stack:
        opened: dict[int | None, tuple[Page, list[str]]] = {}

        async def page_of(user_id: int | None) -> tuple[Page, list[str]]:
            if user_id not in opened:
                page = await new_page(browser, podium, engine, user_id)
                stack.push_async_callback(page.context.close)
                opened[user_id] = (page, [])
                listen(*opened[user_id])
            return opened[user_id]

        yield page_of


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("name", PAGES)
async def test_a_page_is_accessible_and_fits_in_both_themes(pages_of, world, name, width):
    role, path = PAGES[name]
    page, complaints = await pages_of(getattr(world, f"{role}_id") if role else None)
    await page.goto("about:blank")
    complaints.clear()
    await page.set_viewport_size({"width": width, "height": WIDTHS[width]})
    await page.emulate_media(color_scheme="light")
    answer = await page.goto(path.format(world=world))
    assert answer.status == 200
    await page.evaluate(AXE)

    light = await faults(page)
    await page.emulate_media(color_scheme="dark")
    dark = await faults(page)
    await page.evaluate("localStorage.clear(); sessionStorage.clear()")

    assert {"light": light, "dark": dark, "complaints": complaints} == {
        "light": [], "dark": [], "complaints": [],
    }  # fmt: skip


async def test_a_rounds_page_plans_how_many_prompts_to_rank_twice(open_page, world):
    page = await open_page(world.admin_id)

    await page.goto("/projects/team/rounds/1")
    planner = page.locator("#planner")
    await expect(planner.get_by_text("of 20 prompts drawn to be ranked by two")).to_be_visible()
    await planner.get_by_label("Wanted, ± points").fill("3")
    await planner.get_by_role("button", name="Calculate").click()

    await expect(planner.get_by_text("For ± 3.0 points of SE")).to_be_visible()
    assert page.url.endswith("/rounds/1")


async def test_the_labelers_are_sorted_and_explained_without_scripts(open_page, world):
    page = await open_page(world.admin_id, java_script_enabled=False)

    await page.goto("/projects/team/agreement")
    rows = page.get_by_role("region", name="Labelers").get_by_role("row")
    await expect(rows.nth(1)).to_contain_text("L-01")
    await page.get_by_role("link", name="Position z").first.click()
    await expect(rows.nth(1)).to_contain_text("L-03")
    await page.get_by_role("link", name="Agreement (strict)").click()

    await expect(page.locator("#definition-strict")).to_be_in_viewport()


async def test_what_differs_between_two_texts_is_marked_in_them_as_they_are_read(open_page, world):
    page = await open_page(world.admin_id)

    await page.goto(f"/projects/compared/agreement/slates/{world.divided_slate}?pair=a-e")
    texts = page.locator("[data-compared]")
    await expect(page.get_by_text("What differs, word by word")).to_be_hidden()
    toggle = page.get_by_role("button", name="Mark what differs")
    await toggle.click()

    await expect(texts.last.locator("strong .difference")).to_have_text("fabric spray")
    await expect(page.get_by_text("Underlined: only here.")).to_be_visible()
    await toggle.click()
    await expect(texts.locator(".difference")).to_have_count(0)
    await expect(texts.last.locator("strong")).to_have_text("fabric spray")


@pytest.mark.parametrize("width", [1440, 390])
async def test_what_a_link_leads_to_is_not_below_the_header(open_page, world, width):
    page = await open_page(world.admin_id, viewport={"width": width, "height": 700})

    await page.goto(f"/projects/compared/agreement/slates/{world.divided_slate}?pair=a-e#pair")

    seen = "({ x, y, height }) => document.elementFromPoint(x + 5, y + height / 2)?.id"
    title = page.locator("#pair-title")
    assert await page.evaluate(seen, await title.bounding_box()) == "pair-title"


@pytest.mark.parametrize("path", ["agreement", "labelers/L-03", "lineage"])
async def test_a_page_is_printed_black_on_white_without_what_only_screens_can_use(
    open_page, world, path
):
    page = await open_page(world.admin_id, viewport={"width": 700, "height": 1000})
    await page.emulate_media(media="print", color_scheme="dark")

    await page.goto(f"/projects/team/{path}")
    ink = await page.evaluate("getComputedStyle(document.body).color")
    wide = await page.evaluate(
        "[...document.querySelectorAll('.table-scroll > table')].filter((table) => "
        "table.getBoundingClientRect().right > innerWidth).length"
    )

    assert max(map(int, re.findall(r"\d+", ink))) < 60
    assert wide == 0
    shown = page.locator(":is(.tabs, .skip-link, .site-nav, button, form):visible")
    await expect(shown).to_have_count(0)


@pytest.mark.parametrize("width", [320, 390, 767])
async def test_a_phone_shows_the_state_and_progress_of_each_run_without_scrolling_sideways(
    open_page, world, width
):
    phone = {"width": width, "height": 800}
    page = await open_page(world.admin_id, viewport=phone, locale="de")

    await page.goto("/projects/pilot/runs")

    table = page.get_by_role("region", name="Läufe, neueste zuerst")
    for one in (page.locator("html"), table):
        assert await one.evaluate("one => one.scrollWidth <= one.clientWidth")
    row = table.get_by_role("row").filter(has=page.get_by_role("rowheader"))
    cells = row.first.get_by_role("cell")
    await expect(cells).to_have_count(6)
    boxes = [await cell.bounding_box() for cell in await cells.all()]
    assert all(box and box["x"] + box["width"] <= width for box in boxes)


async def test_the_page_of_a_run_draws_its_curves(open_page, world):
    page = await open_page(world.admin_id)

    await page.goto(f"/projects/pilot/runs/{world.finished_run}")

    figures = page.locator("[data-curve]:visible")
    await expect(figures.locator("canvas")).to_have_count(3)
    for figure in await figures.all():
        canvas = figure.locator("canvas")
        assert await canvas.evaluate(CURVE_PIXELS) > 100
    await expect(figures.first.locator("details td").first).to_have_class("number")
    # Without a pointer the legend has the last values.
    last = figures.first.locator(".u-legend .u-value")
    assert all(re.fullmatch(r"[\d.]+", value) for value in await last.all_inner_texts())


async def test_words_of_the_calibration_stay_within_its_picture_in_german(open_page, world):
    page = await open_page(world.admin_id, locale="de")

    await page.goto(f"/projects/pilot/runs/{world.finished_run}")

    outside = """svg => [...svg.querySelectorAll("text")].filter((text) => {
      const [word, paper] = [text.getBBox(), svg.viewBox.baseVal];
      return word.x < paper.x || word.x + word.width > paper.x + paper.width;
    }).map((text) => text.textContent)"""
    assert await page.locator(".reliability").evaluate(outside) == []


async def test_the_page_of_a_reward_run_shows_what_was_measured(open_page, world):
    page = await open_page(world.admin_id)

    await page.goto(f"/projects/pilot/runs/{world.finished_run}")

    held_out = page.get_by_role("row", name="Of held-out labelers")
    await expect(held_out).to_contain_text("69.0%")
    await expect(page.get_by_text("72.6% to 83.6%")).to_be_visible()
    await expect(page.locator(".reliability circle")).to_have_count(10)
    await expect(page.locator(".reliability .hollow")).to_have_count(3)
    await expect(page.get_by_text("the reward model favors long responses")).to_be_visible()
    reason = page.get_by_text("all its responses are tied")
    await expect(reason).to_be_hidden()
    await page.get_by_text("2", exact=True).and_(page.locator("summary")).click()
    await expect(reason).to_be_visible()


async def test_the_page_of_a_live_run_shows_its_texts_as_text(open_page, world):
    page = await open_page(world.admin_id)

    await page.goto(f"/projects/pilot/runs/{world.live_run}")
    await expect(page.get_by_text("Time left")).to_be_visible()
    await expect(page.get_by_text("12 min 34 s")).to_be_visible()
    await expect(page.locator("#texts")).to_contain_text("Light.")
    assert await page.locator("#texts script").count() == 0

    await page.locator("#texts select").select_option("10")
    await page.get_by_role("button", name="Show").click()

    await expect(page.locator("#texts strong")).to_have_text("is")


async def test_the_form_of_a_run_says_what_it_needs_as_it_is_changed(open_page, world):
    page = await open_page(world.admin_id)
    await page.goto("/projects/pilot/runs/new?kind=reward")
    await expect(page.get_by_label("LoRA rank")).to_be_hidden()

    await page.get_by_text("Machine: precision").click()
    async with page.expect_response("**/runs/memory") as answered:
        await page.get_by_label("LoRA rank").fill("8")
        await page.keyboard.press("Tab")

    assert (await answered.value).status == 200
    await expect(page.get_by_label("LoRA rank")).to_have_value("8")


async def test_the_lengths_of_a_preset_follow_the_chosen_model(open_page, world, engine, tmp_path):
    config = {"model_type": "llama", "max_position_embeddings": 200}
    (tmp_path / "config.json").write_text(json.dumps(config))
    async with transaction(engine) as tx:
        model = "insert into models (name, kind, path) values ('short', 'base', :path)"
        await tx.execute(text(model), {"path": str(tmp_path)})
    page = await open_page(world.admin_id)
    await page.goto("/projects/pilot/runs/new?kind=reward&preset=paper&base_model=base")
    longest = page.get_by_label("Longest prompt plus response")
    lowered = page.get_by_text("short reads at most 200 tokens")
    await expect(longest).to_have_value("2048")

    await page.get_by_label("Base model").select_option("short")
    await expect(longest).to_have_value("200")
    await expect(lowered).to_be_visible()
    await page.get_by_label("Base model").select_option("base")
    await expect(longest).to_have_value("2048")
    await expect(lowered).to_be_hidden()

    await longest.fill("150")
    async with page.expect_response("**/runs/memory"):
        await page.get_by_label("Base model").select_option("short")
    await page.wait_for_load_state("networkidle")
    await expect(lowered).to_be_hidden()
    await expect(longest).to_have_value("150")


async def test_the_theme_can_be_chosen_and_stays(open_page, world):
    page = await open_page(world.admin_id, color_scheme="light")
    background = "getComputedStyle(document.documentElement).backgroundColor"
    await page.goto("/projects")
    light = await page.evaluate(background)

    await page.emulate_media(color_scheme="dark")
    dark = await page.evaluate(background)
    assert dark != light
    toggle = page.get_by_role("button", name="Theme")
    while await page.evaluate("document.documentElement.dataset.theme") != "light":
        await toggle.click()
    await page.goto("/account")

    assert await page.evaluate(background) == light


async def test_after_a_wrong_password_only_the_password_is_asked_again(open_page, complaints):
    page = await open_page()
    await page.goto("/sign-in")
    await expect(page.get_by_label("Email address")).to_be_focused()

    await page.keyboard.type("nobody@example.org")
    await page.get_by_label("Password").fill("not the password")
    await page.keyboard.press("Enter")

    await expect(page.get_by_text("Email address and password do not fit.")).to_be_visible()
    await expect(page.get_by_label("Email address")).to_have_value("nobody@example.org")
    await expect(page.get_by_label("Password")).to_be_focused()
    assert all("401" in line for line in complaints)
    complaints.clear()
