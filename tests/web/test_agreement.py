"""Agreement over HTTP: what is shown, what is null and why, who may see it."""

import pytest

from app.db import transaction
from tests.labeled_project import Given, GivenSlate, seed

PATH = "/api/v1/projects/seeded/agreement"


def doubly_ranked(number, *, first=1, second=2, opposed=0, **more):
    """Slates that two labelers rank alike, except for the first `opposed`."""
    return [
        GivenSlate(
            [
                Given(first, [(1, 2, 3, 4)], ratings=(7, 5, 3, 1)),
                Given(
                    second, [(4, 3, 2, 1) if i < opposed else (1, 2, 3, 4)], ratings=(6, 5, 3, 2)
                ),
            ],
            models=("ppo", "sft", "ppo", "sft"),
            **more,
        )
        for i in range(number)
    ]


@pytest.fixture
async def seed_slates(app):
    async def seeding(slates):
        async with transaction(app.state.engine) as tx:
            return await seed(tx, slates)

    return seeding


async def test_agreement_is_counted_with_its_uncertainty(admin, seed_slates):
    await seed_slates(doubly_ranked(40, opposed=4))

    answer = (await admin.get(PATH)).json()

    strict = answer["strict"]
    assert (strict["value"], strict["units"], strict["prompts"]) == (0.9, 240, 40)
    assert strict["se"] == pytest.approx(0.048038, abs=1e-6)  # sqrt(40/39 * 40 * .3^2 * 36) / 240
    assert strict["ci95"] == [pytest.approx(0.802831, abs=1e-5), pytest.approx(0.997169, abs=1e-5)]
    assert (strict["status"], strict["reason"]) == ("ok", None)
    assert (strict["macro_prompt"], strict["macro_labeler_pair"]) == (0.9, 0.9)
    assert answer["half"]["value"] == answer["three_way"]["value"] == 0.9
    assert answer["tie_share"] == 0
    assert answer["rankings"] == 80
    assert [row["labeler"] for row in answer["labelers"]] == ["L-01", "L-02"]
    assert answer["labelers"][0]["value"] == answer["labelers"][0]["leave_one_out"]["value"] == 0.9
    assert [(row["labelers"], row["value"]) for row in answer["pairs"]] == [(["L-01", "L-02"], 0.9)]


async def test_each_model_has_its_win_rate_over_the_sft_model(admin, seed_slates):
    await seed_slates(doubly_ranked(100, opposed=20))

    answer = (await admin.get(PATH)).json()

    (rate,) = answer["win_rates"]
    assert answer["baseline"] == "sft"
    assert (rate["model"], rate["baseline"]) == ("ppo", "sft")
    # By hand: alike, ppo (ranks 1, 3) wins 3 of 4 against sft (2, 4); reversed 1 of 4.
    assert rate["value"] == pytest.approx((180 * 3 + 20 * 1) / 800)
    assert (rate["n"], rate["prompts"], rate["status"]) == (800, 100, "ok")


async def test_the_baseline_can_be_chosen(admin, seed_slates):
    await seed_slates(doubly_ranked(40))

    answer = (await admin.get(PATH, params={"baseline": "ppo"})).json()

    assert [(rate["model"], rate["value"]) for rate in answer["win_rates"]] == [("sft", 0.25)]
    assert (await admin.get(PATH, params={"baseline": "other"})).status_code == 422


async def test_without_enough_data_numbers_are_null_with_the_reason(admin, seed_slates):
    await seed_slates(doubly_ranked(6))

    answer = (await admin.get(PATH)).json()

    for name in ("strict", "half", "three_way", "alpha", "ratings_alpha"):
        assert answer[name]["value"] is None
        assert answer[name]["ci95"] is None
        assert answer[name]["reason"] == "not enough data: 6 of 10 shared prompts"
    assert answer["strict"]["macro_prompt"] is None
    assert answer["tie_share"] is None
    assert answer["pairs"][0]["status"] == "provisional"
    assert answer["win_rates"][0]["reason"] == "not enough data: 6 of 30 compared prompts"


async def test_an_empty_project_has_no_numbers(admin, project):
    answer = (await admin.get(f"/api/v1/projects/{project}/agreement")).json()

    assert answer["strict"]["value"] is None
    assert answer["strict"]["reason"] == "not enough data: 0 of 10 shared prompts"
    assert (answer["labelers"], answer["pairs"], answer["win_rates"]) == ([], [], [])


async def test_one_round_can_be_asked_for(admin, seed_slates):
    await seed_slates(doubly_ranked(12, round=1) + doubly_ranked(15, opposed=15, round=2))

    first = (await admin.get(PATH, params={"round": 1})).json()
    second = (await admin.get(PATH, params={"round": 2})).json()

    assert (first["round"], first["strict"]["prompts"], first["strict"]["value"]) == (1, 12, 1)
    assert (second["round"], second["strict"]["prompts"], second["strict"]["value"]) == (2, 15, 0)
    assert (await admin.get(PATH, params={"round": 3})).status_code == 404


async def test_a_third_label_is_in_the_tables_and_not_in_the_headline(admin, seed_slates):
    third = Given(3, [(4, 3, 2, 1)])
    slates = [
        GivenSlate([*slate.rankings, third], models=slate.models) for slate in doubly_ranked(12)
    ]
    await seed_slates(slates)

    answer = (await admin.get(PATH)).json()

    assert (answer["strict"]["value"], answer["strict"]["units"]) == (1, 72)
    assert [row["labelers"] for row in answer["pairs"]] == [
        ["L-01", "L-02"],
        ["L-01", "L-03"],
        ["L-02", "L-03"],
    ]
    assert answer["labelers"][2]["reason"] == "provisional: 12 of 30 prompts"


async def test_only_the_last_version_of_a_ranking_counts(admin, seed_slates):
    revised = [
        GivenSlate([Given(1, [(4, 3, 2, 1), (1, 2, 3, 4)]), Given(2, [(1, 2, 3, 4)])])
        for _ in range(12)
    ]
    await seed_slates(revised)

    assert (await admin.get(PATH)).json()["strict"]["value"] == 1


@pytest.mark.parametrize("query", ["round=0", "round=1_0", "round=abc", "round=1&round=1", "x=1"])
async def test_wrong_parameters_are_refused(admin, seed_slates, query):
    await seed_slates([])

    assert (await admin.get(f"{PATH}?{query}")).status_code == 422


async def test_labelers_do_not_see_agreement(labeler, labeler_browser, client, seed_slates):
    await seed_slates([])

    assert (await labeler.get(PATH)).status_code == 403
    assert (await labeler_browser.get("/projects/seeded/agreement")).status_code == 403
    assert (await client.get(PATH)).status_code == 401


async def test_the_page_shows_numbers_intervals_and_names(admin_browser, seed_slates):
    await seed_slates(doubly_ranked(40, opposed=4))

    page = await admin_browser.get("/projects/seeded/agreement?round=&baseline=")

    assert page.status_code == 200
    assert "90.0%" in page.text
    assert "80.3% to 99.7%" in page.text
    assert "40 prompts, 240 comparisons" in page.text
    assert 'class="interval ok"' in page.text
    assert "Labeler 2" in page.text
    assert " style=" not in page.text


async def test_the_page_says_what_is_missing(admin_browser, seed_slates, project):
    await seed_slates(doubly_ranked(6))

    few = await admin_browser.get("/projects/seeded/agreement")
    none = await admin_browser.get(f"/projects/{project}/agreement")

    assert "not enough data: 6 of 10 shared prompts" in few.text
    assert "not enough data: 6 of 30 compared prompts" in few.text
    assert "No rankings yet" in none.text
