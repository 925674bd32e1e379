"""The planner: how many prompts to rank twice, from simulated labelers or the project's own."""

import html
import re

import pytest

from app.db import transaction
from tests.labeled_project import Given, GivenSlate, seed

CALL, PAGE = "/api/v1/projects/seeded/agreement/plan", "/projects/seeded/agreement/plan"
ALIKE, OPPOSED = [(1, 2, 3, 4)], [(4, 3, 2, 1)]


def words(page):
    """What stands on the page."""
    assert page.status_code == 200
    return " ".join(html.unescape(re.sub(r"<[^>]*>", " ", page.text)).split())


@pytest.fixture
async def seed_slates(app):
    async def seeding(doubly):
        slates = [
            GivenSlate(
                [
                    Given(1, ALIKE, purpose="overlap"),
                    Given(2, OPPOSED if i % 4 == 0 else ALIKE, purpose="overlap"),
                ]
            )
            for i in range(doubly)
        ]
        async with transaction(app.state.engine) as tx:
            return await seed(tx, [*slates, GivenSlate([Given(1, ALIKE)])])

    return seeding


async def test_simulated_labelers_are_planned_with_at_first(admin, seed_slates):
    await seed_slates(29)

    plan = (await admin.get(CALL, params={"responses": 6})).json()

    assert plan["own_prompts"] == 0
    assert (plan["target"], plan["responses"]) == (0.015, 6)
    # statistics.md B.12, K = 6.
    assert (plan["prompts_for_se"], plan["prompts_for_half_width"]) == (128, 490)
    assert {one["responses"]: one["prompts_for_half_width"] for one in plan["by_responses"]}[
        6
    ] == 490


async def test_from_30_prompts_on_the_projects_own_spread_is(admin, seed_slates):
    await seed_slates(40)

    plan = (await admin.get(CALL, params={"responses": 6, "half_width": 5})).json()

    # A share of 0.75 that is 0 or 1 in each prompt: SD^2 = 40/39 * 0.75 * 0.25.
    assert plan["sd"] ** 2 == pytest.approx(40 / 39 * 0.1875)
    assert (plan["own_prompts"], plan["prompts_for_se"]) == (40, 77)


async def test_a_round_says_what_its_overlap_gives(admin, seed_slates):
    await seed_slates(12)

    answer = (await admin.get(CALL, params={"round": 1})).json()

    assert answer["responses"] == 4
    round_ = answer["round"]
    assert (round_["number"], round_["prompts"], round_["done"]) == (1, 13, 12)
    assert round_["planned"] == 12
    assert round_["half_width"] == pytest.approx(1.96 * 0.22395 / 12**0.5, abs=1e-3)


async def test_htmx_gets_the_planner_alone_for_the_rounds_page(admin_browser, seed_slates):
    await seed_slates(12)

    whole = await admin_browser.get(f"{PAGE}?round=1&half_width=3")
    part = await admin_browser.get(f"{PAGE}?round=1", headers={"hx-request": "true"})
    of_round = await admin_browser.get("/projects/seeded/rounds/1")

    assert "Rule of thumb" in words(whole)
    assert "For ± 3.0 points of SE 56 prompts" in words(whole)
    assert "simulated labelers" in words(part)
    assert "<html" not in part.text
    assert 'hx-get="/projects/seeded/agreement/plan?round=1"' in of_round.text


async def test_a_project_without_rounds_can_plan(admin, admin_browser, project):
    path = f"/projects/{project}/agreement/plan"

    answer = (await admin.get(f"/api/v1{path}")).json()

    assert (answer["responses"], answer["round"]) == (4, None)
    assert "857" in words(await admin_browser.get(path))


@pytest.mark.parametrize(
    "query",
    ["half_width=0", "half_width=nan", "half_width=1e400", "responses=1", "responses=10",
     "responses=4.0", "round=0", "round=1&round=1", "x=1"],
)  # fmt: skip
async def test_wrong_wishes_are_refused(admin, admin_browser, seed_slates, query):
    await seed_slates(0)

    assert (await admin.get(f"{CALL}?{query}")).status_code == 422
    assert (await admin_browser.get(f"{PAGE}?{query}")).status_code == 422


async def test_only_admins_plan(admin, labeler, labeler_browser, client, seed_slates):
    await seed_slates(0)

    assert (await admin.get(CALL, params={"round": 2})).status_code == 404
    assert (await labeler.get(CALL)).status_code == 404
    assert (await labeler_browser.get(PAGE)).status_code == 404
    assert (await client.get(CALL)).status_code == 401
