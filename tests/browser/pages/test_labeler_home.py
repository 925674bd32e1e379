"""A labeler's own page in a browser without scripts: forms and links are all that it needs."""

from playwright.async_api import expect

from tests.browser.admin_data import make_world


async def test_a_labeler_sets_a_goal_objects_and_is_answered(open_page, engine, podium):
    world = await make_world(engine, podium.data_dir)
    labeler = await open_page(world.ranker_id, java_script_enabled=False)
    admin = await open_page(world.admin_id, java_script_enabled=False)

    await labeler.goto("/projects/compared")
    await expect(labeler.get_by_role("heading", name="Hello Mira")).to_be_visible()
    await expect(labeler.get_by_role("link", name="Continue task 46")).to_be_visible()
    await labeler.get_by_text("Change your goal").click()
    await labeler.get_by_label("How much").fill("28")
    await labeler.get_by_role("button", name="Save goal").click()
    await expect(labeler.get_by_text("14 of 28 tasks")).to_be_visible()
    await expect(labeler.locator(".ring")).to_contain_text("50%")

    await labeler.get_by_role("link", name="Open disagreement 1").click()
    await expect(labeler.get_by_text("8 of 10 pairs are the other way round")).to_be_visible()
    await labeler.get_by_label("I still disagree because").fill("Nobody asked for a list.")
    await labeler.get_by_role("button", name="Send").click()
    await expect(labeler.get_by_text("Nobody asked for a list.")).to_be_visible()

    await admin.goto("/projects/compared/agreement")
    await admin.get_by_role("link", name="Labelers' remarks").click()
    newest = admin.locator(".card").first
    await expect(newest).to_contain_text("Nobody asked for a list.")
    await newest.get_by_text("Answer", exact=True).click()
    await newest.get_by_label("Your answer").fill("Lists are fine when there are steps.")
    await newest.get_by_role("button", name="Send answer").click()

    await labeler.goto("/projects/compared/me")
    news = labeler.locator(".news li", has_text="Lists are fine")
    await news.get_by_role("link", name="Answer to your remark").click()
    await expect(labeler.get_by_text("Lists are fine when there are steps.")).to_be_visible()
