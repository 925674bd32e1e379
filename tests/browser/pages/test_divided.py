"""From a number of agreement to the two texts behind it in two clicks, without scripts."""

import re

from playwright.async_api import expect

from tests.browser.admin_data import make_world


async def test_two_clicks_lead_from_a_number_to_the_texts_and_an_exclusion_can_be_revoked(
    open_page, engine, podium
):
    world = await make_world(engine, podium.data_dir)
    page = await open_page(world.admin_id, java_script_enabled=False)
    await page.goto("/projects/compared/agreement")
    row = page.locator(".heat tbody tr").first

    await row.get_by_role("link").first.click()
    await expect(page.get_by_role("heading", name="Prompts by disagreement")).to_be_visible()
    await page.get_by_role("row", name="smell of smoke").first.get_by_role("link").click()

    texts = page.locator("#pair section.card .prose")
    await expect(texts).to_have_count(2)
    await expect(texts.first).to_be_visible()
    await expect(texts.last).to_be_visible()
    await expect(page.locator("#pair")).to_contain_text("dissents")
    await page.locator(".heat a", has_text="/0/").first.click()
    await expect(page).to_have_url(re.compile(r"\?pair=[a-e]-[a-e]#pair$"))

    await page.get_by_label("Reason").fill("Clicked through")
    await page.get_by_label("What", exact=True).select_option(label="Ranking of Labeler 3")
    await page.get_by_role("button", name="Exclude").click()
    await expect(page.get_by_text("Clicked through")).to_be_visible()
    await expect(page.locator(".stats")).to_contain_text("1 more is excluded")
    await page.get_by_role("button", name="Let it count again").click()
    await expect(page.locator("#exclusions")).to_contain_text("revoked by Ada")
    await expect(page.locator(".stats")).not_to_contain_text("more is excluded")

    await page.get_by_text("Known answer", exact=True).click()
    await page.get_by_label("Order", exact=True).fill("C > A > B")
    await page.get_by_label("Explanation").fill("The guidelines ask for steps.")
    await page.get_by_role("button", name="Set the known answer").click()
    await expect(page.get_by_text("Known answer: C > A > B")).to_be_visible()
    await page.get_by_label("Why").fill("Everybody knows it by now.")
    await page.get_by_role("button", name="Retire the known answer").click()
    await expect(page.locator("#decisions")).to_contain_text("known answer retired: Ada")
