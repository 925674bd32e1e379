"""Agreement over HTTP: what is shown, what is null and why, who may see it."""

import gc
from weakref import ref

import pytest
from sqlalchemy import text

from app.agreement import bootstrap_commands
from app.agreement.bootstrap_commands import compute_bootstrap
from app.agreement.cache import labels_of
from app.agreement.dashboard import report as dashboard_report
from app.agreement.metrics.slices import EVERYTHING
from app.db import transaction
from tests.labeled_project import Given, GivenSlate, revise_ranking, seed

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


@pytest.fixture
async def revise(app):
    async def revising(slate_id, ranks):
        async with transaction(app.state.engine) as tx:
            await revise_ranking(tx, slate_id, ranks)

    return revising


async def test_agreement_is_counted_with_its_uncertainty(admin, seed_slates):
    await seed_slates(doubly_ranked(40, opposed=4))

    answer = (await admin.get(PATH)).json()

    strict = answer["strict"]
    assert (strict["value"], strict["units"], strict["prompts"]) == (0.9, 240, 40)
    assert strict["se"] == pytest.approx(0.048038, abs=1e-6)  # sqrt(40/39 * 40 * .3^2 * 36) / 240
    assert strict["ci95"] == [pytest.approx(0.802831, abs=1e-5), pytest.approx(0.997169, abs=1e-5)]
    # Two labelers: a t interval of prompts alone does not say how far others would agree.
    assert strict["status"] == "provisional"
    assert (strict["macro_prompt"], strict["macro_labeler_pair"]) == (0.9, 0.9)
    # All prompts have as many units, and two labelers are one pair: the same error.
    for average in ("macro_prompt", "macro_labeler_pair"):
        assert strict[f"{average}_se"] == pytest.approx(strict["se"], abs=1e-9)
        assert strict[f"{average}_ci95"] == pytest.approx(strict["ci95"], abs=1e-9)
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


async def test_a_page_that_was_shown_keeps_no_labels(app, admin, seed_slates, revise):
    seeded = await seed_slates(doubly_ranked(12))
    gc.disable()
    try:
        await admin.get("/projects/seeded/agreement")
        async with transaction(app.state.engine) as tx:
            shown = ref((await labels_of(tx, seeded.project.id)).labels)
        await revise(seeded.slates[0], (1, 1, 1, 1))
        await admin.get("/projects/seeded/agreement")

        assert shown() is None
    finally:
        gc.enable()


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


async def test_what_was_not_drawn_at_random_is_not_in_the_headline_and_checks_are_in_nothing(
    admin, seed_slates
):
    opposed = [(4, 3, 2, 1)]
    more = [
        Given(3, opposed, purpose="escalation"),
        Given(4, opposed, purpose="gold"),
        Given(1, opposed, purpose="repeat"),
    ]
    slates = [
        GivenSlate([*more, *slate.rankings], models=slate.models) for slate in doubly_ranked(12)
    ]
    await seed_slates(slates)

    answer = (await admin.get(PATH)).json()

    assert (answer["strict"]["value"], answer["strict"]["units"]) == (1, 72)
    assert answer["rankings"] == 36
    assert [(row["labelers"], row["value"]) for row in answer["pairs"]] == [
        (["L-01", "L-02"], 1),
        (["L-01", "L-03"], 0),
        (["L-02", "L-03"], 0),
    ]


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

    assert (await labeler.get(PATH)).status_code == 404
    assert (await labeler_browser.get("/projects/seeded/agreement")).status_code == 404
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


async def test_a_slice_can_be_asked_for(admin, seed_slates):
    await seed_slates(
        doubly_ranked(13, tags=["code"]) + doubly_ranked(13, opposed=13, tags=["chat", "long"])
    )

    async def strict_of(**asked):
        answer = (await admin.get(PATH, params=asked)).json()
        return answer["strict"]["value"], answer["strict"]["units"], answer["slice"]

    everything = {"round": None, "tag": None, "language": None, "models": None, "margin": None}
    assert await strict_of(tag="code") == (1, 78, everything | {"tag": "code"})
    assert await strict_of(tag="chat", round=1) == (0, 78, everything | {"tag": "chat", "round": 1})
    # ppo, sft, ppo, sft: 4 of 6 pairs are of both models.
    assert await strict_of(model_a="sft", model_b="ppo") == (
        0.5, 104, everything | {"models": ["sft", "ppo"]},
    )  # fmt: skip
    # 7 5 3 1 and 6 5 3 2: the gaps are 1.5, 2, 1.5 of neighbors, 3.5 twice, and 5.
    assert (await strict_of(margin="1"))[:2] == (0.5, 52)
    assert (await strict_of(margin="3+"))[:2] == (0.5, 78)
    of_pairs = (await admin.get(PATH, params={"margin": "1"})).json()
    assert of_pairs["ratings_alpha"]["reason"] == (
        "not defined: the rating of one response is in no pair"
    )


@pytest.mark.parametrize(
    "query",
    ["tag=x", "model_a=ppo", "model_a=ppo&model_b=other", "margin=4", "margin=", "tag="],
)
async def test_a_slice_of_what_is_not_there_is_refused(admin, seed_slates, query):
    await seed_slates(doubly_ranked(2))

    assert (await admin.get(f"{PATH}?{query}")).status_code == 422


async def test_the_answer_says_what_its_numbers_mean(admin, seed_slates):
    await seed_slates(doubly_ranked(12))

    answer = (await admin.get(PATH)).json()

    assert "72.6% of InstructGPT" in answer["definitions"]["strict"]
    assert {"half", "three_way", "alpha", "win_rate", "interval"} <= answer["definitions"].keys()


async def test_intervals_are_bootstrapped_in_the_background(app, admin, admin_browser, seed_slates):
    slates = doubly_ranked(40, opposed=4)
    seeded = await seed_slates(slates)
    before = (await admin.get(PATH)).json()
    assert (before["bootstrap"], before["strict"]["interval"]) == ("pending", "t")
    await admin.get(PATH)
    async with transaction(app.state.engine) as tx:
        jobs = (await tx.execute(text("select task_name, args from jobs.procrastinate_jobs"))).all()
    assert [name for name, _ in jobs] == ["bootstrap_agreement"]

    await compute_bootstrap(app.state.engine, **jobs[0].args)
    after = (await admin.get(PATH)).json()
    page = await admin_browser.get("/projects/seeded/agreement")
    round_ = (await admin.get(PATH, params={"round": 1})).json()

    strict = after["strict"]
    assert (after["bootstrap"], strict["interval"]) == ("ready", "bootstrap")
    assert (strict["value"], strict["se"]) == (before["strict"]["value"], before["strict"]["se"])
    assert strict["ci95"] == [pytest.approx(0.8, abs=0.03), pytest.approx(0.975, abs=0.03)]
    assert after["alpha"]["interval"] == "bootstrap"
    assert after["labelers"][0]["interval"] == "t"
    assert "(bootstrap)" in page.text
    assert round_["bootstrap"] == "pending"
    assert seeded.project.id == jobs[0].args["project_id"]


async def test_bootstrapped_intervals_of_other_labels_do_not_count(app, admin, seed_slates, revise):
    seeded = await seed_slates(doubly_ranked(40, opposed=4))
    await admin.get(PATH)
    everything = {"project_id": seeded.project.id, "slice_key": EVERYTHING.key}
    await compute_bootstrap(app.state.engine, **everything)
    assert (await admin.get(PATH)).json()["bootstrap"] == "ready"

    await revise(seeded.slates[0], (4, 3, 2, 1))
    stale = (await admin.get(PATH)).json()

    assert (stale["bootstrap"], stale["strict"]["interval"]) == ("pending", "t")
    await compute_bootstrap(app.state.engine, **everything)
    assert (await admin.get(PATH)).json()["bootstrap"] == "ready"


async def test_agreement_of_few_labelers_is_provisional_until_its_wider_interval_is_there(
    app, admin, seed_slates
):
    await seed_slates(doubly_ranked(120, opposed=1))

    before = (await admin.get(PATH)).json()["strict"]
    everything = {"slice_key": EVERYTHING.key}
    async with transaction(app.state.engine) as tx:
        everything["project_id"] = await tx.scalar(
            text("select id from projects where slug = 'seeded'")
        )
    await compute_bootstrap(app.state.engine, **everything)
    after = (await admin.get(PATH)).json()["strict"]

    assert (before["interval"], before["status"]) == ("t", "provisional")
    assert before["reason"] == "provisional: the wider interval of few labelers is being computed"
    assert (after["interval"], after["status"], after["reason"]) == ("bootstrap", "ok", None)


async def test_they_are_asked_for_again_after_a_pause(app, admin, seed_slates, revise, monkeypatch):
    seeded = await seed_slates(doubly_ranked(40, opposed=4))

    async def jobs_after_a_look():
        await revise(seeded.slates[0], (4, 3, 2, 1))
        await admin.get(PATH)
        async with transaction(app.state.engine) as tx:
            await tx.execute(text("set local search_path = jobs, public"))  # for its triggers
            taken = await tx.execute(text("delete from procrastinate_jobs returning task_name"))
            return taken.scalars().all()

    assert await jobs_after_a_look() == ["bootstrap_agreement"]
    assert await jobs_after_a_look() == []
    monkeypatch.setattr(bootstrap_commands, "PAUSE_SECONDS", 0)
    assert await jobs_after_a_look() == ["bootstrap_agreement"]


async def test_without_enough_data_nothing_is_bootstrapped(app, admin, seed_slates):
    await seed_slates(doubly_ranked(6))

    answer = (await admin.get(PATH)).json()

    assert answer["bootstrap"] == "none"
    async with transaction(app.state.engine) as tx:
        assert await tx.scalar(text("select count(*) from jobs.procrastinate_jobs")) == 0


async def test_the_heat_map_of_a_large_team_is_bounded(admin_browser, seed_slates, monkeypatch):
    monkeypatch.setattr(dashboard_report, "MOST_IN_HEAT_MAP", 2)
    third = [GivenSlate([Given(1, [(1, 2, 3, 4)]), Given(3, [(1, 2, 3, 4)])]) for _ in range(5)]
    await seed_slates(doubly_ranked(12) + third)

    page = await admin_browser.get("/projects/seeded/agreement")

    assert "1 more labeler without a number here" in page.text
