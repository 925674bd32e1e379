"""How labelers rank the models, over HTTP: the page, the files, the call, and who may see them."""

import csv
import io
from xml.etree import ElementTree as ET

import pytest

from app.agreement import standing_queries
from app.db import transaction
from tests.labeled_project import Given, GivenSlate, revise_ranking, seed

PAGE = "/projects/seeded/lineage"
FILE = "/projects/seeded/leaderboard"
CALL = f"/api/v1{FILE}"
SVG = "{http://www.w3.org/2000/svg}"


def slates(number, *, opposed, models=("ppo", "sft", "ppo", "sft")):
    """Ranked by one labeler as shown, the first `opposed` of them the other way around."""
    return [
        GivenSlate([Given(1, [(4, 3, 2, 1) if i < opposed else (1, 2, 3, 4)])], models=models)
        for i in range(number)
    ]


@pytest.fixture
async def seed_slates(app):
    async def seeding(given):
        async with transaction(app.state.engine) as tx:
            return await seed(tx, given)

    return seeding


async def test_models_are_compared_with_the_sft_model_at_1000(admin, seed_slates):
    await seed_slates(slates(110, opposed=11))

    answer = (await admin.get(CALL)).json()

    assert (answer["baseline"], answer["prompts"]) == ("sft", 110)
    assert [sorted(group) for group in answer["groups"]] == [["ppo", "sft"]]
    ppo, sft = answer["models"]
    # By hand: as shown, ppo (ranks 1, 3) wins 3 of 4 over sft (2, 4); the other way around 1 of 4.
    assert ppo["win_rate"]["value"] == pytest.approx(0.7)
    # 1000 + 400 log10(0.7 / 0.3)
    assert ppo["elo"] == pytest.approx(1147.190714, abs=1e-5)
    assert ppo["ci95"][0] < ppo["elo"] < ppo["ci95"][1]
    assert (ppo["rank"], sft["rank"]) == (1, 2)
    assert (ppo["comparisons"], ppo["prompts"], ppo["status"]) == (440, 110, "ok")
    assert (sft["elo"], sft["win_rate"]) == (1000, None)


async def test_only_current_rankings_and_slates_of_several_models_count(admin, seed_slates):
    revised = [
        GivenSlate([Given(1, [(4, 3, 2, 1), (1, 2, 3, 4)])], models=["ppo", "sft", "ppo", "sft"])
        for _ in range(40)
    ]
    await seed_slates([*revised, *slates(9, opposed=0, models=("sft",) * 4)])

    answer = (await admin.get(CALL)).json()

    assert answer["prompts"] == 40
    assert answer["models"][0]["win_rate"]["value"] == 0.75


async def test_checks_on_labelers_do_not_count(admin, seed_slates):
    models = ("ppo", "sft", "ppo", "sft")
    repeats = [
        GivenSlate(
            [Given(1, [(1, 2, 3, 4)]), Given(1, [(4, 3, 2, 1)], purpose="repeat")], models=models
        )
        for _ in range(40)
    ]
    await seed_slates(repeats)

    answer = (await admin.get(CALL)).json()
    lineage = (await admin.get("/api/v1/projects/seeded/lineage")).json()

    assert answer["models"][0]["win_rate"]["value"] == 0.75
    assert [one["round"]["rankings"] for one in lineage["nodes"] if one["round"]] == [40]


async def test_few_prompts_give_null_and_the_reason(admin, admin_browser, seed_slates):
    await seed_slates(slates(6, opposed=1))

    answer = (await admin.get(CALL)).json()
    page = await admin_browser.get(PAGE)

    reason = "not enough data: 6 of 30 compared prompts"
    assert {(one["elo"], one["rank"], one["reason"]) for one in answer["models"]} == {
        (None, None, reason)
    }
    assert reason in page.text
    assert 'class="leaderboard"' not in page.text
    assert (await admin_browser.get(f"{FILE}.svg")).status_code == 404


async def test_models_that_cannot_be_compared_are_named(admin_browser, seed_slates):
    await seed_slates(
        [
            *slates(30, opposed=3),
            *slates(30, opposed=3, models=("one", "other", "one", "other")),
        ]
    )

    page = await admin_browser.get(PAGE)
    german = await admin_browser.get(PAGE, headers={"accept-language": "de"})

    assert "Not all models can be compared" in page.text
    assert "not comparable with sft: no chain of wins leads both ways" in page.text
    assert "nicht vergleichbar mit sft" in german.text


async def test_a_project_without_comparisons_of_models_says_so(admin, admin_browser, seed_slates):
    await seed_slates(slates(3, opposed=0, models=("sft",) * 4))

    answer = (await admin.get(CALL)).json()
    page = await admin_browser.get(PAGE)

    assert (answer["baseline"], answer["models"]) == (None, [])
    assert "No responses of two models have been ranked together yet" in page.text


async def test_the_page_shows_a_dot_and_the_numbers_of_each_model(admin_browser, seed_slates):
    await seed_slates(slates(110, opposed=11))

    page = await admin_browser.get(PAGE)

    assert page.status_code == 200
    assert page.text.count("<circle") == 2
    assert "1,147" in page.text
    assert "70.0%" in page.text
    assert " style=" not in page.text


async def test_picture_and_table_can_be_downloaded(admin_browser, seed_slates):
    await seed_slates(slates(110, opposed=11))

    picture = await admin_browser.get(f"{FILE}.svg")
    table = await admin_browser.get(f"{FILE}.csv")

    assert picture.headers["content-type"] == "image/svg+xml"
    assert len(list(ET.fromstring(picture.content).iter(f"{SVG}circle"))) == 2  # noqa: S314 ours
    assert table.headers["content-type"] == "text/csv; charset=utf-8"
    rows = list(csv.DictReader(io.StringIO(table.text)))
    assert [(row["rank"], row["model"]) for row in rows] == [("1", "ppo"), ("2", "sft")]
    assert float(rows[0]["elo"]) == pytest.approx(1147.190714, abs=1e-5)
    assert (rows[0]["baseline"], rows[1]["win_rate"]) == ("sft", "")


async def test_csv_quotes_what_a_spreadsheet_would_calculate(admin_browser, seed_slates):
    await seed_slates(slates(3, opposed=0, models=("=1+1", "sft", "=1+1", "sft")))

    table = await admin_browser.get(f"{FILE}.csv")

    assert '"\'=1+1"' in table.text


async def test_labelers_find_no_leaderboard(labeler, labeler_browser, admin, seed_slates):
    await seed_slates(slates(3, opposed=0))
    for email in ("labeler@example.org", "labeler.browser@example.org"):
        await admin.put(f"/api/v1/projects/seeded/members/{email}", json={"role": "labeler"})

    assert (await labeler.get(CALL)).status_code == 404
    for path in (f"{FILE}.svg", f"{FILE}.csv"):
        assert (await labeler_browser.get(path)).status_code == 404


async def test_strengths_at_equal_length_are_on_the_page_in_the_call_and_in_the_file(
    admin, admin_browser, seed_slates
):
    texts = [("x" * n, "y" * (40 + n % 7), "x" * 50, "y" * (30 + n % 11)) for n in range(20, 130)]
    await seed_slates(
        [
            GivenSlate(
                [Given(1, [(4, 3, 2, 1) if n % 10 == 0 else (1, 2, 3, 4)])],
                models=("ppo", "sft", "ppo", "sft"),
                texts=slate,
            )
            for n, slate in enumerate(texts)
        ]
    )

    answer = (await admin.get(CALL)).json()
    page = await admin_browser.get(PAGE)
    german = await admin_browser.get(PAGE, headers={"accept-language": "de"})
    rows = list(csv.DictReader(io.StringIO((await admin_browser.get(f"{FILE}.csv")).text)))

    ppo, sft = answer["models"]
    low, high = ppo["at_equal_length"]["ci95"]
    assert low < ppo["at_equal_length"]["value"] < high
    assert sft["at_equal_length"]["value"] == 1000
    assert answer["length_effect"]["ci95"][0] < answer["length_effect"]["value"]
    assert (answer["tie_share"], answer["ties"]) == (0, "half")
    assert set(answer["definitions"]) == {"strength", "ties_of_models", "at_equal_length"}
    assert float(rows[0]["elo_at_equal_length"]) == ppo["at_equal_length"]["value"]
    assert float(rows[0]["elo_at_equal_length_low"]) == low
    assert f"{ppo['at_equal_length']['value']:,.0f}" in page.text
    assert "At equal length" in page.text
    assert "A response longer by one standard deviation" in page.text
    assert "Bei gleicher Länge" in german.text


async def test_many_ties_are_modeled(admin, admin_browser, seed_slates):
    tied = [
        GivenSlate([Given(1, [(1, 1, 2, 2)])], models=("ppo", "sft", "ppo", "sft"))
        for _ in range(60)
    ]
    await seed_slates([*slates(60, opposed=20), *tied])

    answer = (await admin.get(CALL)).json()
    page = await admin_browser.get(PAGE)

    # By hand: of 480 comparisons two in each of 60 are ties.
    assert (answer["tie_share"], answer["ties"]) == (0.25, "davidson")
    assert "25.0% are ties, more than a fifth" in page.text


async def test_the_numbers_are_computed_once_until_labels_come(
    admin, admin_browser, app, seed_slates, monkeypatch
):
    rated, rating_of = [], standing_queries.rating_of

    def noted(*args, **more):
        rated.append(args)
        return rating_of(*args, **more)

    monkeypatch.setattr(standing_queries, "rating_of", noted)
    seeded = await seed_slates(slates(3, opposed=0))

    await admin.get(CALL)
    english = await admin_browser.get(PAGE)
    german = await admin_browser.get(PAGE, headers={"accept-language": "de"})
    assert len(rated) == 1
    async with transaction(app.state.engine) as tx:
        await revise_ranking(tx, seeded.slates[0], (4, 3, 2, 1))
    await admin.get(CALL)

    assert len(rated) == 2
    assert "not enough data: 3 of 30 compared prompts" in english.text
    assert "zu wenig Daten: 3 von 30" in german.text
