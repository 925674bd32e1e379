"""The picture of a project's lineage: what a box was made from, and what depends on it."""

import pytest
import pytest_asyncio
from playwright.async_api import expect

from app.accounts.commands import create_user
from app.db import transaction
from tests.browser.accessibility import AXE, faults
from tests.browser.labeling_data import PASSWORD
from tests.loops import make_loops

RELATIONS = """
frame => Object.fromEntries([...frame.querySelectorAll("[data-node]")].map((box) =>
  [box.querySelector(".name").textContent, box.dataset.relation ?? null]))
"""


@pytest_asyncio.fixture(loop_scope="session", scope="module")
async def admin_id(engine) -> int:
    async with transaction(engine) as tx:
        await make_loops(tx, rounds=2, slates_per_round=30)
        return await create_user(
            tx, email="lin@example.org", name="Lin", role="admin", password=PASSWORD
        )


async def test_a_box_under_focus_or_pointer_marks_what_belongs_to_it(open_page, admin_id):
    page = await open_page(admin_id)
    await page.goto("/projects/loops/lineage")
    frame = page.locator("[data-lineage]")

    await frame.get_by_role("link", name="loops-rm-1").focus()

    relations = await frame.evaluate(RELATIONS)
    assert relations["loops-rm-1"] == "this"
    assert [relations[name] for name in ("loops-base", "loops-sft", "Round 1")] == ["source"] * 3
    assert [relations[name] for name in ("loops-ppo-1", "Round 2", "loops-rm-2")] == ["made"] * 3
    await frame.get_by_role("link", name="loops-ppo-2").hover()
    relations = await frame.evaluate(RELATIONS)
    assert relations["loops-rm-2"] == "source"
    assert {relations[name] for name in relations if name.startswith("Run ")} == {"other"}
    await page.get_by_role("heading", name="Lineage", exact=True).hover()
    assert set((await frame.evaluate(RELATIONS)).values()) == {None}


async def test_a_narrow_window_scrolls_the_picture_and_not_the_page(open_page, admin_id):
    page = await open_page(admin_id, viewport={"width": 390, "height": 800})
    await page.goto("/projects/loops/lineage")

    width = "element => [element.scrollWidth > element.clientWidth]"
    assert await page.locator("[data-lineage]").evaluate(width) == [True]
    assert await page.locator("html").evaluate(width) == [False]


async def test_a_box_leads_to_its_page_and_a_name_in_the_table_to_its_row(open_page, admin_id):
    page = await open_page(admin_id)
    await page.goto("/projects/loops/lineage")

    row = page.get_by_role("row").filter(has=page.get_by_role("rowheader", name="Round 2"))
    await row.get_by_role("link", name="loops-ppo-1").click()
    await expect(page.locator("tr:target")).to_contain_text("loops-ppo-1")
    await page.locator("[data-lineage]").get_by_role("link", name="Round 2").click()

    await expect(page).to_have_url("/projects/loops/rounds/2")


@pytest.mark.parametrize("width", [1440, 320])
async def test_a_picture_of_the_leaderboard_is_accessible_in_both_themes(
    open_page, admin_id, width
):
    page = await open_page(admin_id, viewport={"width": width, "height": 800}, color_scheme="light")
    await page.goto("/projects/loops/lineage")
    await expect(page.locator(".leaderboard circle")).to_have_count(2)
    await page.evaluate(AXE)

    light = await faults(page)
    await page.emulate_media(color_scheme="dark")

    assert (light, await faults(page)) == ([], [])


async def test_without_scripts_the_table_says_what_depends_on_each_thing(open_page, admin_id):
    page = await open_page(admin_id, java_script_enabled=False)
    await page.goto("/projects/loops/lineage")

    row = page.get_by_role("row").filter(has=page.get_by_role("rowheader", name="Round 2"))

    await expect(row.get_by_role("cell").last).to_contain_text("loops-rm-2")
