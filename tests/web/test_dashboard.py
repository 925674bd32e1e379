"""The dashboard over HTTP: what it shows, where its numbers lead, and what it never shows."""

import html
import re
import threading
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import text

from app.agreement import pages, queries
from app.agreement.dashboard import queries as dashboard_queries
from app.agreement.labelers import screening
from app.db import transaction
from tests.labeled_project import Given, GivenSlate, seed
from tests.team import make_team

PAGE, CALL = "/projects/team/agreement", "/api/v1/projects/team/agreement"
SEEDED = "/projects/seeded/agreement"


def words(page):
    """What stands on the page."""
    assert page.status_code == 200
    return " ".join(html.unescape(re.sub(r"<[^>]*>", " ", page.text)).split())


def row_of(page, labeler):
    """The words of a labeler's row in the table."""
    table = re.search(r'<table class="labelers">.*?</table>', page.text, re.DOTALL)[0]
    row = next(row for row in table.split("<tr>") if re.search(rf">\s*{labeler}\s*<", row))
    return " ".join(html.unescape(re.sub(r"<[^>]*>", " ", row)).split())


@pytest.fixture
async def team(app):
    async with transaction(app.state.engine) as tx:
        return await make_team(tx, slates=60, alone=6)


@pytest.fixture
async def seed_slates(app):
    async def seeding(slates, **options):
        async with transaction(app.state.engine) as tx:
            return await seed(tx, slates, **options)

    return seeding


async def test_the_cards_and_tables_show_what_the_call_answers(admin, admin_browser, team):
    answer = (await admin.get(CALL)).json()
    page = await admin_browser.get(PAGE)
    said = words(page)

    dashboard = answer["dashboard"]
    progress = dashboard["progress"]
    assert (progress["prompts"], progress["ranked"], progress["doubly_ranked"]) == (60, 60, 54)
    assert f"{100 * answer['strict']['value']:.1f}%" in said
    assert "54 doubly ranked" in said
    assert f"AC2 {dashboard['ratings']['ac2']['value']:.2f}" in said
    assert "ICC – not defined: no response was rated by all labelers" in said
    assert "With researchers – not enough data: 0 of 10 prompts ranked by researchers" in said
    assert f"{100 * dashboard['watch']['longer_wins']['value']:.1f}%" in said
    assert [row["round"] for row in dashboard["watch"]["ties"]] == [1, 2, 3]
    assert '/agreement/prompts?case=longer_wins"' in page.text
    assert '/agreement/prompts?case=first_is_best"' in page.text
    assert "Set by nobody here: Fails to follow" in said
    assert "NaN" not in page.text
    assert len(dashboard["labelers"]) == 8
    assert dashboard["rank_assist_experiment"] is None
    assert "Moves after filling" not in said


async def test_a_card_says_once_why_its_numbers_are_provisional(admin_browser, team):
    page = words(await admin_browser.get(PAGE))

    # Of strict agreement and of alpha, but not again of the two numbers below alpha.
    assert page.count("provisional: the wider interval of few labelers is being computed") == 2


async def test_nothing_is_put_together_where_others_wait(admin, team, monkeypatch):
    threads = []
    for module, name in (
        (queries, "report_of"),
        (dashboard_queries, "dashboard_of"),
        (screening, "flags_with_researchers"),
    ):

        def noted(*args, _compute=getattr(module, name), **options):
            threads.append(threading.current_thread().name)
            return _compute(*args, **options)

        monkeypatch.setattr(module, name, noted)

    await admin.get(CALL)
    await admin.get("/api/v1/projects/team/screening")

    assert [name.partition("_")[0] for name in threads] == ["agreement"] * 3


async def test_an_alert_names_its_two_signals_and_leads_to_cases(app, admin, admin_browser):
    async with transaction(app.state.engine) as tx:
        await make_team(tx, slates=200)
    (alert,) = (await admin.get(CALL)).json()["dashboard"]["alerts"]
    page = await admin_browser.get(PAGE)

    assert alert["labeler"] == "L-03"
    assert len({signal["family"] for signal in alert["signals"]}) >= 2
    assert "the place on the screen decides (z)" in words(page)
    assert 'href="/projects/team/agreement/prompts?labeler=L-03"' in page.text
    headings = re.findall(r"<h2[^>]*>([^<]+)</h2>", page.text)
    assert headings.index("Alerts") < headings.index("Numbers of all rounds")
    (_, alerts) = page.text.split(">Alerts</h2>")
    assert alerts.index('href="/projects/team/labelers/L-03"') < alerts.index("agreement-numbers")
    assert "no re-qualification: the project has no known answers" in words(page)
    async with transaction(app.state.engine) as tx:
        await tx.execute(
            text("insert into gold (slate_id, ranks, explanation, created_by) "
                 "select max(id), '{}', 'Clear.', (select min(id) from users) from slates")
        )  # fmt: skip
    page = await admin_browser.get(PAGE)
    assert 'href="/projects/team/labelers/L-03#requalification"' in page.text
    assert "! beyond its limit" in row_of(page, "L-03")


async def test_models_of_labelers_are_folded_hints_beside_rank_correlation(
    admin, admin_browser, team
):
    answer = (await admin.get(CALL)).json()
    page = await admin_browser.get(PAGE)

    dashboard = answer["dashboard"]
    tau = dashboard["rank_correlation"]["tau_b"]
    assert (tau["prompts"], tau["units"]) == (54, 54)
    assert f"Tau-b {tau['value']:.2f}" in words(page)
    assert dashboard["rank_correlation"]["kendall_w"]["reason"] == (
        "not enough data: 0 of 10 prompts with three labels"
    )
    own = dashboard["labelers"][0]["diagnostics"]
    assert own["dawid_skene"]["value"] is own["weight"] is own["crowd_bradley_terry"]["value"]
    assert own["dawid_skene"]["reason"] == "not enough data: 0 of 10 prompts with three labels"
    assert own["tau_b"]["value"] is not None
    assert {"tau_b", "dawid_skene", "crowd_bradley_terry"} <= answer["definitions"].keys()
    assert answer["pairs"][0]["tau_b"]["prompts"] == answer["pairs"][0]["prompts"]
    folded = re.search(
        r"<details>(?:(?!</details>).)*Dawid-Skene.*?</details>", page.text, re.DOTALL
    )[0]
    assert "0 of 10 prompts with three labels" in folded


async def test_with_three_labels_a_prompt_the_models_have_numbers(
    admin, admin_browser, seed_slates
):
    up, down = (1, 2, 3, 4), (4, 3, 2, 1)
    await seed_slates(
        [
            GivenSlate([Given(1, [up]), Given(2, [up]), Given(3, [down if i % 3 else up])])
            for i in range(36)
        ]
    )

    answer = (await admin.get("/api/v1/projects/seeded/agreement")).json()["dashboard"]
    page = await admin_browser.get("/projects/seeded/labelers/L-03")
    detail = (await admin.get("/api/v1/projects/seeded/labelers/L-03")).json()

    assert answer["rank_correlation"]["kendall_w"]["prompts"] == 36
    third = answer["labelers"][2]["diagnostics"]
    assert third == detail["diagnostics"]
    assert third["dawid_skene"]["value"] < 0.5
    assert third["crowd_bradley_terry"]["value"] < 0.5
    assert third["tau_b"]["value"] == pytest.approx(-1 / 3)
    assert f"Dawid-Skene q {100 * third['dawid_skene']['value']:.1f}%" in words(page)
    assert answer["alerts"] == []


async def test_every_number_leads_to_its_definition(admin_browser, team):
    page = await admin_browser.get(PAGE)

    asked = set(re.findall(r'href="#(definition-\w+)"', page.text))
    there = set(re.findall(r'id="(definition-\w+)"', page.text))
    assert asked <= there
    assert {"definition-strict", "definition-alpha", "definition-gold", "definition-flags"} <= asked
    assert "No alerts. What makes an alert" in words(page)


async def test_numbers_lead_to_the_cases_of_their_slice(admin_browser, team):
    page = await admin_browser.get(f"{PAGE}?round=&tag=chat&baseline=sft")

    links = {html.unescape(one) for one in re.findall(r'href="([^"]*/prompts\?[^"]*)"', page.text)}
    prompts = "/projects/team/agreement/prompts?tag=chat"
    assert f"{prompts}&headline=true" in links
    assert f"{prompts}&labeler=L-01" in links
    assert f"{prompts}&round=2" in links
    assert any(one.startswith(f"{prompts}&labeler=L-01&other_labeler=") for one in links)
    assert f"{prompts}&model_a=ppo&model_b=sft" in links


async def test_the_table_is_sorted_by_links(admin_browser, team):
    async def first(query):
        page = await admin_browser.get(f"{PAGE}?{query}")
        table = re.search(r'<table class="labelers">.*?</table>', page.text, re.DOTALL)[0]
        assert table.count("aria-sort=") == 1
        return re.search(r">(L-\d\d)</a>", table)[1]

    assert await first("sort=labeler") == "L-01"
    assert await first("sort=labeler&order=down") == "L-08"
    assert await first("sort=position&order=down") == "L-03"
    assert await first("sort=pace&order=up") == "L-01"
    page = await admin_browser.get(f"{PAGE}?tag=code")
    assert "?tag=code&amp;sort=gold&amp;order=down#labelers" in page.text


async def test_a_crowd_of_labelers_does_not_fill_the_page(admin_browser, team, monkeypatch):
    monkeypatch.setattr(pages, "MOST_ROWS", 3)

    said = words(await admin_browser.get(f"{PAGE}?sort=labeler&order=down"))

    assert "5 more labelers: sort by another column" in said


async def test_a_slice_is_chosen_with_the_form(admin, admin_browser, team):
    query = "round=&tag=code&model_a=&model_b=&margin=&baseline=sft"
    page = await admin_browser.get(f"{PAGE}?{query}")
    of_call = (await admin.get(CALL, params={"tag": "code"})).json()

    assert f"{100 * of_call['strict']['value']:.1f}%" in words(page)
    assert f"{of_call['strict']['prompts']} prompts" in words(page)
    assert of_call["dashboard"]["progress"]["prompts"] == 15


async def test_a_language_is_a_slice_beside_the_category(admin, admin_browser, team):
    page = await admin_browser.get(f"{PAGE}?round=&tag=chat&language=de&margin=")
    of_call = (await admin.get(CALL, params={"language": "en"})).json()
    both = (await admin.get(CALL, params={"tag": "chat", "language": "de"})).json()
    of_german = (await admin.get(CALL, params={"language": "de"})).json()
    prompts = "/api/v1/projects/team/agreement/prompts"
    cases = (await admin.get(prompts, params={"language": "de", "headline": "true"})).json()
    refused = await admin.get(CALL, params={"language": "chat"})

    # Of four prompts two are English, one is German, and one French.
    assert of_call["slice"]["language"] == "en"
    assert of_call["dashboard"]["progress"]["prompts"] == 30
    assert both["dashboard"]["progress"]["prompts"] == 15
    choice = re.search(r'<select[^>]* name="language".*?</select>', page.text, re.DOTALL)[0]
    assert re.findall(r'value="(\w*)"', choice) == ["", "de", "en", "fr"]
    assert 'value="de" selected' in choice
    # A topic with the code of a language is a tag.
    topics = re.search(r'<select[^>]* name="tag".*?</select>', page.text, re.DOTALL)[0]
    assert re.findall(r'value="(\w*)"', topics) == ["", "chat", "code", "it"]
    assert "/agreement/prompts?tag=chat&amp;language=de" in page.text
    assert cases["slates"] == of_german["strict"]["prompts"]
    assert refused.status_code == 422
    assert refused.json()["code"] == "unknown_language"


async def test_work_is_not_a_matter_of_pairs(admin, team):
    everything = (await admin.get(CALL)).json()
    pairs = (await admin.get(CALL, params={"model_a": "sft", "model_b": "ppo"})).json()

    assert pairs["strict"]["units"] < everything["strict"]["units"]
    assert pairs["dashboard"]["watch"] == everything["dashboard"]["watch"]
    assert pairs["dashboard"]["labelers"] == everything["dashboard"]["labelers"]


async def test_one_model_alone_makes_no_pairs(admin_browser, team):
    page = await admin_browser.get(f"{PAGE}?model_a=sft&model_b=")

    assert page.status_code == 422
    assert "Choose two models, or none." in page.text


# Of four slates in a row: both labelers are assisted, one, the other, neither.
IN_ARMS = """
update rankings set rank_origin = case when arm = 'assisted' then 'from_ratings' else 'manual' end,
    screen = jsonb_build_object('rank_assist_arm', arm, 'moves_after_fill', 3)
from (
    select r.id, case when u.name = 'Labeler 1' and (r.slate_id - :first) % 4 in (0, 1)
                        or u.name = 'Labeler 2' and (r.slate_id - :first) % 4 in (0, 2)
                 then 'assisted' else 'unassisted' end as arm
    from rankings r join users u on u.id = r.labeler_id
) arms where arms.id = rankings.id
"""


async def test_what_filling_ranks_from_ratings_does_is_shown_by_arm(
    app, admin, admin_browser, seed_slates
):
    up, down, tied = (1, 2, 3, 4), (4, 3, 2, 1), (1, 1, 2, 3)
    others = [up, up, down, tied]
    seeded = await seed_slates(
        [GivenSlate([Given(1, [up]), Given(2, [others[i % 4]])]) for i in range(48)]
    )
    async with transaction(app.state.engine) as tx:
        await tx.execute(text(IN_ARMS), {"first": seeded.slates[0]})

    answer = (await admin.get("/api/v1/projects/seeded/agreement")).json()["dashboard"]
    page = words(await admin_browser.get(SEEDED))

    found = answer["rank_assist_experiment"]
    assisted, unassisted = found["arms"]
    assert (assisted["arm"], assisted["rankings"]) == ("assisted", 48)
    assert (assisted["moves"]["value"], assisted["moves"]["units"]) == (3.0, 48)
    assert (unassisted["moves"]["value"], unassisted["moves"]["units"]) == (None, 0)
    assert (assisted["ties"]["value"], unassisted["ties"]["value"]) == (0, 12 / (48 * 6))
    assert (assisted["agreement"]["value"], assisted["agreement"]["prompts"]) == (1, 12)
    assert (unassisted["agreement"]["value"], unassisted["agreement"]["units"]) == (1, 60)
    assert (found["across"]["value"], found["across"]["prompts"]) == (0.5, 24)
    assert "Moves after filling" in page
    assert "without 48 4.2%" in page


@pytest.mark.parametrize("query", ["sort=wealth", "order=left", "sort=gold&sort=ties", "margin=4"])
async def test_wrong_parameters_of_the_page_are_refused(admin_browser, seed_slates, query):
    await seed_slates([])

    assert (await admin_browser.get(f"{SEEDED}?{query}")).status_code == 422


async def test_labelers_reach_none_of_it(labeler_browser, client, seed_slates):
    await seed_slates([])

    assert (await labeler_browser.get(SEEDED)).status_code == 404
    assert (await labeler_browser.get(f"{SEEDED}?sort=gold")).status_code == 404
    assert (await client.get(CALL)).status_code == 401


ALIKE = [(1, 2, 3, 4)]
DEGENERATE = {
    "no overlap": [GivenSlate([Given(1 + i % 4, ALIKE)]) for i in range(40)],
    "one labeler": [GivenSlate([Given(1, ALIKE)]) for _ in range(40)],
    "one prompt": [GivenSlate([Given(1, ALIKE), Given(2, ALIKE)])],
    "all ties": [GivenSlate([Given(1, [(1, 1, 1, 1)]), Given(2, [(1, 1, 1, 1)])])] * 40,
    "nothing judged": [
        GivenSlate([Given(1, [(None,) * 4]), Given(2, [(None,) * 4])]) for _ in range(12)
    ],
}


def hidden_in(answer, place=""):
    """Where an answer has no number though it could have one, and the reason."""
    if isinstance(answer, list):
        answer = dict(enumerate(answer))
    if isinstance(answer, dict):
        if answer.get("value", answer.get("share", 0)) is None:
            yield place, answer.get("reason")
        for key, value in answer.items():
            yield from hidden_in(value, f"{place}.{key}")


@pytest.mark.parametrize("name", DEGENERATE)
async def test_degenerate_projects_have_reasons_instead_of_numbers(
    admin, admin_browser, seed_slates, name
):
    await seed_slates(DEGENERATE[name])

    answer = (await admin.get("/api/v1/projects/seeded/agreement")).json()
    page = await admin_browser.get(SEEDED)

    assert (answer["strict"]["value"], answer["dashboard"]["alerts"]) == (None, [])
    assert answer["strict"]["reason"].startswith(("not enough data: ", "not defined: "))
    assert answer["strict"]["reason"] in words(page)
    assert {place for place, reason in hidden_in(answer) if not reason} == set()
    assert "nan" not in re.findall(r"\w+", page.text.lower())


async def test_former_members_keep_their_numbers_under_another_name(
    app, admin, admin_browser, seed_slates
):
    await seed_slates([GivenSlate([Given(1, ALIKE), Given(2, ALIKE)]) for _ in range(40)])
    async with transaction(app.state.engine) as tx:
        gone = await tx.scalar(
            text("delete from project_members where pseudonym = 'L-02' returning user_id")
        )

    answer = (await admin.get("/api/v1/projects/seeded/agreement")).json()
    page = await admin_browser.get(SEEDED)

    names = [row["labeler"] for row in answer["dashboard"]["labelers"]]
    assert names == ["L-01", f"former-{gone}"]
    assert "100.0%" in row_of(page, f"former-{gone}")


async def test_who_is_an_admin_and_ranks_is_a_researcher(app, admin, seed_slates):
    slates = [GivenSlate([Given(1, ALIKE), Given(2, [(4, 3, 2, 1)])]) for _ in range(40)]
    await seed_slates(slates)
    async with transaction(app.state.engine) as tx:
        await tx.execute(text("update users set role = 'admin' where name = 'Labeler 2'"))

    references = (await admin.get("/api/v1/projects/seeded/agreement")).json()["dashboard"][
        "references"
    ]

    assert (references["researchers"]["value"], references["researchers"]["prompts"]) == (0, 40)
    assert references["among_researchers"]["value"] is None


async def test_skipped_tasks_and_slates_that_are_not_ready_are_counted(
    app, admin, admin_browser, seed_slates
):
    checks = [GivenSlate([Given(2, ALIKE, purpose="gold")])] * 3
    seeded = await seed_slates([GivenSlate([Given(1, ALIKE)]) for _ in range(30)] + checks)
    async with transaction(app.state.engine) as tx:
        await tx.execute(
            text("update tasks set status = 'skipped', skip_reason = 'expertise'"
                 " where slate_id = any(:slates)"), {"slates": seeded.slates[:6]},
        )  # fmt: skip
        await tx.execute(
            text("update slates set status = 'unusable' where id = :id"),
            {"id": seeded.slates[-1]},
        )

    dashboard = (await admin.get("/api/v1/projects/seeded/agreement")).json()["dashboard"]

    assert dashboard["progress"]["prompts"] == 32
    assert dashboard["watch"]["skipped"]["value"] == 0.2
    skipped = (await admin.get("/api/v1/projects/seeded/agreement/skipped")).json()
    assert [one["slate"] for one in skipped["tasks"]] == seeded.slates[:6][::-1]
    assert {one["reason"] for one in skipped["tasks"]} == {"expertise"}
    page = await admin_browser.get(SEEDED)
    assert 'href="/projects/seeded/agreement/skipped"' in page.text
    listed = await admin_browser.get("/projects/seeded/agreement/skipped?round=1")
    assert listed.text.count("needs expertise") == 6
    assert (
        "Nobody has skipped a task here."
        in (await admin_browser.get("/projects/seeded/agreement/skipped?round=2")).text
    )
    assert dashboard["progress"]["tasks_done"] == 24


async def test_progress_says_by_when_it_is_done_at_the_present_pace(
    app, admin, admin_browser, seed_slates
):
    seeded = await seed_slates([GivenSlate([Given(1, ALIKE)]) for _ in range(30)])
    async with transaction(app.state.engine) as tx:
        await tx.execute(
            text("update tasks set finished_at = now() - interval '1 day' * (slate_id % 14 + 1)"
                 " where slate_id = any(:slates)"), {"slates": seeded.slates[:28]},
        )  # fmt: skip
        await tx.execute(
            text("update tasks set status = 'open', labeler_id = null where slate_id = any(:left)"),
            {"left": seeded.slates[28:]},
        )

    progress = (await admin.get(SEEDED.replace("/projects", "/api/v1/projects"))).json()[
        "dashboard"
    ]["progress"]
    page = words(await admin_browser.get(SEEDED))

    # Twelve or fourteen in seven days, since the one of seven days ago is just out.
    assert progress["tasks_left"] == 2
    left = datetime.fromisoformat(progress["eta"]) - datetime.now(UTC)
    assert timedelta(days=0.9) < left < timedelta(days=1.2)
    assert "2 tasks left about " in page
    assert "at the pace of the last 7 days" in page


async def test_gold_counts_even_when_it_is_asked_no_more(app, admin, seed_slates):
    seeded = await seed_slates(
        [GivenSlate([Given(1, [(2, 1, 3, 4)], purpose="gold"), Given(2, ALIKE)]) for _ in range(12)]
    )
    path = "/api/v1/projects/seeded/slates/{}/gold"
    for slate, responses in zip(seeded.slates, seeded.responses, strict=True):
        known = [{"id": id_, "rank": rank} for rank, id_ in enumerate(responses, start=1)]
        body = {"responses": known, "explanation": "The first one helps."}
        assert (await admin.post(path.format(slate), json=body)).status_code < 300

    async def gold():
        answer = (await admin.get("/api/v1/projects/seeded/agreement")).json()
        return answer["dashboard"]["references"]["gold"]

    assert (await gold())["value"] == pytest.approx(5 / 6)
    assert ((await gold())["units"], (await gold())["status"]) == (72, "provisional")
    async with transaction(app.state.engine) as tx:
        await tx.execute(text("update gold set retired_at = now()"))
    assert (await gold())["value"] == pytest.approx(5 / 6)


@pytest.mark.parametrize("gap", ["2", "3", "null"])
async def test_the_table_says_what_the_labelers_page_says(app, admin, seed_slates, gap):
    # Of the six pairs of a slate one is a conflict of 2, and three are rated 3 or more apart.
    rating = (5, 7, 3, 1)
    await seed_slates([GivenSlate([Given(1, ALIKE, rating), Given(2, ALIKE)]) for _ in range(20)])
    async with transaction(app.state.engine) as tx:
        await tx.execute(
            text("update projects set screen = cast(:screen as jsonb) where slug = 'seeded'"),
            {"screen": f'{{"conflict_gap": {gap}}}'},
        )

    call = "/api/v1/projects/seeded"
    (row, _) = (await admin.get(f"{call}/agreement")).json()["dashboard"]["labelers"]
    page = (await admin.get(f"{call}/labelers/L-01")).json()

    assert (row["conflicts"], row["ties"]) == (page["conflicts"], page["ties"])
    assert row["conflicts"]["value"] == {"2": pytest.approx(1 / 6), "3": 0, "null": None}[gap]


async def test_flags_of_whole_tasks_are_compared_task_by_task(
    app, admin, admin_browser, seed_slates
):
    await seed_slates([GivenSlate([Given(1, ALIKE), Given(2, ALIKE)]) for _ in range(60)])
    async with transaction(app.state.engine) as tx:
        await tx.execute(
            text(
                "insert into flags (project_id, key, label, scope, position) select id, scope, "
                "'About the ' || scope, scope, 0 from projects, unnest(array['task', 'response']) "
                "scope where slug = 'seeded'"
            )
        )
        await tx.execute(text("update rankings set flags = '{task}' where slate_id % 2 = 0"))

    answer = (await admin.get("/api/v1/projects/seeded/agreement")).json()
    page = await admin_browser.get(SEEDED)

    on_task, on_response = answer["dashboard"]["flags"]
    assert (on_task["key"], on_task["scope"]) == ("task", "task")
    assert (on_task["raw"]["value"], on_task["ac1"]["value"]) == (1, 1)
    assert (on_task["ac1"]["units"], on_task["positive"]["value"]) == (60, 1)
    assert (on_response["scope"], on_response["raw"]["value"]) == ("response", None)
    shown = " ".join(page.text.split())
    assert 'About the task</a> <span class="muted small">whole task' in shown
    assert "Set by nobody here: About the response" in re.sub("<[^>]*>", "", shown)


@pytest.mark.parametrize(("late", "drifts"), [((4, 3, 2, 1), True), (None, False)])
async def test_the_moving_win_rate_of_anchors_is_on_the_watch_list(
    app, admin, admin_browser, seed_slates, late, drifts
):
    by_turns = [(1, 2, 3, 4), (1, 3, 2, 4), (2, 1, 3, 4)]
    early = [by_turns[(i + i // 15) % 3] for i in range(60)]
    orders = [*early, *([late] * 60 if late else early)]
    # One anchor after the other; a labeler ranks each once.
    await seed_slates(
        [
            GivenSlate([Given(1, ALIKE), Given(2, ALIKE)]),
            *(
                GivenSlate(
                    [Given(i + 1, [orders[15 * i + slate]], purpose="anchor") for i in range(8)],
                    models=("ppo", "sft", "ppo", "sft"),
                )
                for slate in range(15)
            ),
        ],
        labelers=8,
    )
    async with transaction(app.state.engine) as tx:
        await tx.execute(
            text("update rankings set created_at = now() - make_interval(hours => 9 - "
                 "cast(right(pseudonym, 1) as int)) "
                 "from project_members where user_id = labeler_id")
        )  # fmt: skip

    watch = (await admin.get("/api/v1/projects/seeded/agreement")).json()["dashboard"]["watch"]
    page = " ".join(re.sub("<[^>]*>", " ", (await admin_browser.get(SEEDED)).text).split())

    anchors = watch["anchors"]
    assert anchors["model"] == "sft"
    assert anchors["is_drifting"] == drifts
    assert "Anchors: wins over sft" in page
    assert ("labelers judge otherwise than before" in page) == drifts
    assert ("no drift" in page) != drifts


async def test_without_anchors_the_watch_list_says_why(admin, admin_browser, seed_slates):
    await seed_slates([GivenSlate([Given(1, ALIKE), Given(2, ALIKE)])])

    answer = (await admin.get("/api/v1/projects/seeded/agreement")).json()
    page = await admin_browser.get(SEEDED)

    anchors = answer["dashboard"]["watch"]["anchors"]
    reason = "not defined: no anchor holds responses of an SFT model and of another one"
    assert (anchors["lately"]["value"], anchors["lately"]["reason"]) == (None, reason)
    assert (anchors["z"], anchors["is_drifting"], anchors["reason"]) == (None, None, reason)
    assert reason in page.text
