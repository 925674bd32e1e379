"""A labeler's own page: their day, their numbers, what they may learn from others, remarks."""

import re
from functools import partial

import pytest
from sqlalchemy import text

from app.accounts.commands import open_session
from app.accounts.deps import cookie_name
from app.db import transaction
from app.projects.commands import update_guidelines
from tests.labeled_project import Given, GivenSlate, revise_ranking, seed

MODEL = "Zephyrion-7"
HOME = "/projects/seeded/me"
TEXTS = ("apple", "berry", "cherry", "date")
# Labeler 1 orders every pair the other way than the consensus of 2 and 3.
OPPOSED = GivenSlate(
    [Given(1, [(4, 3, 2, 1)]), Given(2, [(1, 2, 3, 4)]), Given(3, [(1, 2, 3, 3)])],
    texts=TEXTS,
    models=(MODEL,) * 4,
    prompt="Which fruit?",
)


@pytest.fixture
async def run_sql(app):
    async def run(statement, **values):
        async with transaction(app.state.engine) as tx:
            done = await tx.execute(text(statement), values)
            return done.scalars().all() if done.returns_rows else None

    return run


@pytest.fixture
async def seed_slates(app, run_sql):
    """Store slates that are complete, and three days old unless told otherwise."""

    async def seeding(slates, *, hours=72, **more):
        async with transaction(app.state.engine) as tx:
            seeded = await seed(tx, slates, **more)
        await run_sql("update slates s set places = "
                      "(select count(*) from tasks t where t.slate_id = s.id)")  # fmt: skip
        await run_sql(
            "update rankings set created_at = now() - make_interval(hours => :hours)", hours=hours
        )
        await run_sql(
            "update tasks set finished_at = now() - make_interval(hours => :hours)", hours=hours
        )
        return seeded

    return seeding


@pytest.fixture
async def labeler_of(app, settings, open_client, run_sql):
    """The browser of a labeler of the seeded project, by number."""

    async def opened(number):
        (user_id,) = await run_sql(
            "select id from users where email = :email", email=f"l{number}@seeded.example"
        )
        async with transaction(app.state.engine) as tx:
            token = await open_session(tx, user_id=user_id, max_days=1)
        browser = await open_client(**{"accept": "text/html", "sec-fetch-site": "same-origin"})
        browser.cookies.set(cookie_name(settings), token)
        return browser

    return opened


@pytest.fixture
async def ranking_of(run_sql):
    """The id of the current ranking of a labeler, by number, on the only slate."""

    async def found(number):
        (ranking_id,) = await run_sql(
            "select r.id from rankings r join users u on u.id = r.labeler_id "
            "where r.is_current and u.email = :email",
            email=f"l{number}@seeded.example",
        )
        return ranking_id

    return found


def words(page):
    """The page's text without tags, with single spaces."""
    assert page.status_code == 200, page.text
    return re.sub(r"\s+", " ", re.sub(r"<[^>]*>", " ", page.text)).replace("&gt;", ">")


# --- Disagreements ---------------------------------------------------------------------------


async def test_an_order_stands_beside_the_consensus_in_the_viewers_letters(
    seed_slates, labeler_of, ranking_of, run_sql
):
    await seed_slates([OPPOSED])
    # Labeler 1 saw the responses in the reverse order: date is A, apple is D.
    await run_sql("update rankings set display_order = (select array_agg(one order by one desc) "
                  "from unnest(display_order) one)")  # fmt: skip
    labeler = await labeler_of(1)

    home = words(await labeler.get(HOME))
    shown = words(await labeler.get(f"/projects/seeded/disagreements/{await ranking_of(1)}"))

    for page in (home, shown):
        assert "yours A > B > C > D others D > C > B > A" in page
    assert "Learn from 1 disagreement" in home
    assert "Which fruit?" in home
    assert "6 of 6 pairs are the other way round" in shown
    assert shown.index("Response A") < shown.index("date") < shown.index("Response B")


async def test_nothing_is_shown_before_the_delay_is_over(
    seed_slates, labeler_of, ranking_of, run_sql
):
    await seed_slates([OPPOSED])
    await run_sql("update rankings set created_at = now() - interval '23 hours' where id = :id",
                  id=await ranking_of(3))  # fmt: skip
    labeler = await labeler_of(1)

    home = words(await labeler.get(HOME))
    early = await labeler.get(f"/projects/seeded/disagreements/{await ranking_of(1)}")

    assert "Which fruit?" not in home[: home.index("Recent tasks")]
    assert "Nothing to show yet" in home
    assert early.status_code == 404
    assert "cherry" not in early.text

    await run_sql("update projects set screen = '{\"feedback_delay_hours\": 23}'")
    assert "Learn from 1 disagreement" in words(await labeler.get(HOME))


@pytest.mark.parametrize("status", ["open", "leased"])
async def test_a_slate_that_somebody_may_still_rank_is_never_shown(
    seed_slates, labeler_of, ranking_of, run_sql, status
):
    await seed_slates([OPPOSED])
    lease = "gen_random_uuid(), now()" if status == "leased" else "null, null"
    await run_sql(
        "insert into tasks (project_id, slate_id, place, status, labeler_id, lease_token, "
        "lease_expires_at) select project_id, slate_id, 4, :status, "
        "case when :status = 'leased' then (select id from users where email like 'l4@%') end, "
        f"{lease} from tasks limit 1",
        status=status,
    )
    labeler = await labeler_of(1)

    assert "Nothing to show yet" in words(await labeler.get(HOME))
    path = f"/projects/seeded/disagreements/{await ranking_of(1)}"
    assert (await labeler.get(path)).status_code == 404
    assert (await labeler.post(path, data={"text": "But why?"})).status_code == 404
    assert await run_sql("select id from remarks") == []


async def test_a_slate_with_fewer_rankings_than_places_is_never_shown(
    seed_slates, labeler_of, ranking_of, run_sql
):
    await seed_slates([OPPOSED])
    await run_sql("update slates set places = 4")
    labeler = await labeler_of(1)

    assert "Nothing to show yet" in words(await labeler.get(HOME))
    path = f"/projects/seeded/disagreements/{await ranking_of(1)}"
    assert (await labeler.get(path)).status_code == 404


async def test_the_answer_of_one_other_person_is_shown_only_where_it_could_be_anybodys(
    seed_slates, labeler_of, ranking_of, run_sql
):
    await seed_slates([GivenSlate(OPPOSED.rankings[:2], texts=TEXTS)])
    await run_sql("delete from project_members where user_id not in "
                  "(select labeler_id from rankings)")  # fmt: skip
    labeler = await labeler_of(1)

    assert "Nothing to show yet" in words(await labeler.get(HOME))
    path = f"/projects/seeded/disagreements/{await ranking_of(1)}"
    assert (await labeler.get(path)).status_code == 404
    await run_sql("with third as (insert into users (email, name, role, password_hash) "
                  "values ('third@example.org', 'Third', 'labeler', '') returning id) "
                  "insert into project_members (project_id, user_id, pseudonym) "
                  "select p.id, third.id, 'L-09' from projects p, third "
                  "where p.slug = 'seeded'")  # fmt: skip
    assert (await labeler.get(path)).status_code == 200


async def test_the_ranking_of_somebody_else_is_not_there(
    seed_slates, labeler_of, ranking_of, labeler_browser, project, run_sql
):
    await seed_slates([OPPOSED])
    first, fourth = await labeler_of(1), await labeler_of(4)
    path = f"/projects/seeded/disagreements/{await ranking_of(2)}"

    for browser in (first, fourth, labeler_browser):
        assert (await browser.get(path)).status_code == 404
        assert (await browser.post(path, data={"text": "Mine."})).status_code == 404
    # The right ranking, but in another project that the labeler is in, too.
    await run_sql("insert into project_members (project_id, user_id, pseudonym) "
                  "select p.id, u.id, 'L-01' from projects p, users u "
                  "where p.slug = 'demo' and u.email like 'l1@%'")  # fmt: skip
    mine = await ranking_of(1)
    assert (await first.get(f"/projects/demo/disagreements/{mine}")).status_code == 404
    assert (await first.get(f"/projects/seeded/disagreements/{mine}")).status_code == 200


async def test_neither_models_nor_people_are_named(seed_slates, labeler_of, ranking_of):
    await seed_slates([OPPOSED])
    labeler = await labeler_of(1)

    for path in (HOME, f"/projects/seeded/disagreements/{await ranking_of(1)}"):
        page = (await labeler.get(path)).text
        for secret in (MODEL, "Labeler 2", "Labeler 3", "L-02", "L-03", "l2@seeded"):
            assert secret not in page


async def test_agreeing_orders_are_no_disagreement(seed_slates, labeler_of, ranking_of):
    alike = [Given(number, [(1, 2, 3, 4)]) for number in (1, 2, 3)]
    await seed_slates([GivenSlate(alike)])
    labeler = await labeler_of(1)

    assert "Nothing to show yet" in words(await labeler.get(HOME))
    path = f"/projects/seeded/disagreements/{await ranking_of(1)}"
    assert "0 of 6 pairs" in words(await labeler.get(path))


async def test_the_most_instructive_come_first_and_not_more_than_wanted(
    seed_slates, labeler_of, run_sql
):
    def slate(name, *ranks):
        return GivenSlate([Given(1, [ranks]), *OPPOSED.rankings[1:]], prompt=name)

    await seed_slates([
        slate("Little", 2, 1, 3, 4), slate("Much", 4, 3, 2, 1), slate("Some", 3, 2, 1, 4),
    ])  # fmt: skip
    await run_sql("update projects set screen = '{\"feedback_items\": 2}'")

    home = words(await (await labeler_of(1)).get(HOME))
    learned = home[home.index("Learn from") : home.index("Recent tasks")]

    assert learned.startswith("Learn from 2 disagreements")
    assert learned.index("Much") < learned.index("Some")
    assert "Little" not in learned


# --- Remarks ---------------------------------------------------------------------------------


async def test_an_objection_is_answered(
    seed_slates, labeler_of, ranking_of, admin_browser, run_sql
):
    await seed_slates([OPPOSED])
    first, second = await labeler_of(1), await labeler_of(2)
    path = f"/projects/seeded/disagreements/{await ranking_of(1)}"

    for _ in range(2):
        sent = await first.post(path, data={"text": "A date is\r\nno berry."})
        assert (sent.status_code, sent.headers["location"]) == (303, f"{path}#remarks")
    (remark,) = await run_sql("select id from remarks")
    listed = words(await admin_browser.get("/projects/seeded/remarks"))
    answered = await admin_browser.post(
        f"/projects/seeded/remarks/{remark}", data={"text": "Ripe ones are <b>best</b>."}
    )

    assert answered.status_code == 303
    assert "L-01" in listed
    assert "Which fruit?" in listed
    assert "A date is no berry." in listed
    (slate,) = await run_sql("select min(slate_id) from remarks")
    to_texts = f'href="/projects/seeded/agreement/slates/{slate}#remarks"'
    assert to_texts in (await admin_browser.get("/projects/seeded/remarks")).text
    for page in (HOME, path):
        shown = await first.get(page)
        assert "Ripe ones are &lt;b&gt;best&lt;/b&gt;." in shown.text
    assert "Answer to your remark" in words(await first.get(HOME))
    # The others of the slate read the admin's remark, and nothing of the objection.
    other = await second.get(f"/projects/seeded/disagreements/{await ranking_of(2)}")
    assert "Ripe ones are" in other.text
    assert "no berry" not in other.text
    assert "Answer to your remark" not in words(await second.get(HOME))
    assert "Answered:" in words(await admin_browser.get("/projects/seeded/remarks"))


@pytest.mark.parametrize("sent", ["", "  \n", "x" * 2001, "a\x00b"])
async def test_an_unusable_remark_is_refused_and_kept(
    seed_slates, labeler_of, ranking_of, admin_browser, run_sql, sent
):
    await seed_slates([OPPOSED])
    labeler = await labeler_of(1)
    path = f"/projects/seeded/disagreements/{await ranking_of(1)}"

    refused = await labeler.post(path, data={"text": sent})

    assert refused.status_code == 422
    assert await run_sql("select id from remarks") == []
    await labeler.post(path, data={"text": "Because."})
    (remark,) = await run_sql("select id from remarks")
    refused = await admin_browser.post(f"/projects/seeded/remarks/{remark}", data={"text": sent})
    assert refused.status_code == 422
    assert "Because." in refused.text
    assert len(await run_sql("select id from remarks")) == 1


async def test_only_labelers_remarks_of_the_same_project_are_answered(
    seed_slates, labeler_of, ranking_of, admin_browser, project, run_sql
):
    await seed_slates([OPPOSED])
    path = f"/projects/seeded/disagreements/{await ranking_of(1)}"
    await (await labeler_of(1)).post(path, data={"text": "Because."})
    (remark,) = await run_sql("select id from remarks")
    answer = partial(admin_browser.post, data={"text": "No."})
    assert (await answer(f"/projects/seeded/remarks/{remark}")).status_code == 303

    assert (await answer(f"/projects/demo/remarks/{remark}")).status_code == 404
    assert (await answer(f"/projects/seeded/remarks/{remark + 1}")).status_code == 404
    assert (await answer(f"/projects/seeded/remarks/{2**63 - 1}")).status_code == 404
    refused = await admin_browser.post(f"/projects/seeded/remarks/{2**63 - 1}", data={"text": ""})
    assert refused.status_code == 422
    assert "No remarks" in words(await admin_browser.get("/projects/demo/remarks"))


# --- Numbers ---------------------------------------------------------------------------------


def shared(number, *, opposed=0, **more):
    return [
        GivenSlate(
            [
                Given(1, [(4, 3, 2, 1) if i < opposed else (1, 2, 3, 3)], (7, 5, 3, 1)),
                Given(2, [(1, 2, 3, 4)], (6, 5, 3, 2)),
            ],
            **more,
        )
        for i in range(number)
    ]


async def test_without_enough_data_there_are_sentences_and_no_numbers(seed_slates, labeler_of):
    await seed_slates(shared(6))

    home = words(await (await labeler_of(1)).get(HOME))

    assert "not enough data: 6 of 10 shared prompts" in home
    assert "not enough data: 6 of 10 tasks" in home
    assert "not enough data: 36 of 50 pairs rated 2 or more apart" in home
    assert "not enough data: 0 of 10 timed tasks" in home
    for undefined in ("nan", "NaN", "None", "0.0%"):
        assert undefined not in home[home.index("How you compare") : home.index("News")]


async def test_reasons_are_in_the_language_of_the_reader(seed_slates, labeler_of):
    await seed_slates(shared(6))
    labeler = await labeler_of(1)

    home = words(await labeler.get(HOME, headers={"accept-language": "de"}))

    assert "zu wenig Daten: 6 von 10 gemeinsamen Prompts" in home
    assert "not enough data" not in home


async def test_a_labeler_without_any_ranking_sees_a_whole_page(seed_slates, labeler_of):
    await seed_slates(shared(40))

    home = words(await (await labeler_of(4)).get(HOME))

    assert "Hello Labeler 4" in home
    assert "not enough data: 0 of 10 shared prompts" in home
    assert "The team: 100.0%" in home
    assert "Nothing is waiting for you at the moment." in home


async def test_own_numbers_are_those_of_the_agreement_page(seed_slates, labeler_of, admin, run_sql):
    await seed_slates(shared(40, opposed=4))
    await run_sql("update rankings set active_ms = 90000 where labeler_id = "
                  "(select id from users where email like 'l1@%')")  # fmt: skip
    report = (await admin.get("/api/v1/projects/seeded/agreement")).json()

    home = words(await (await labeler_of(1)).get(HOME))

    own = report["labelers"][0]
    assert f"{100 * own['value']:.1f}%" == "88.2%"  # 36 * 5 of 36 * 5 + 4 * 6 pairs
    assert "88.2%" in home
    assert f"{100 * own['ci95'][0]:.1f}% to {100 * own['ci95'][1]:.1f}%" in home
    assert "40 prompts, 204 pairs" in home
    assert "The team: 88.2%" in home
    assert "15.0% of your pairs share a row" in home  # 36 of 240
    # Rated 7 5 3 1: six pairs apart on each slate, all of them reversed on four.
    assert "10.0% 24 of 240 pairs that you rated 2 or more apart" in home
    assert "1 min 30 s" in home
    assert "The team: shown from 5 labelers on" in home


async def test_agreement_tells_nothing_of_a_slate_before_the_delay_is_over(
    app, seed_slates, labeler_of, run_sql
):
    seeded = await seed_slates(shared(41, opposed=1))
    labeler = await labeler_of(1)
    before = words(await labeler.get(HOME))
    async with transaction(app.state.engine) as tx:
        await revise_ranking(tx, seeded.slates[0], (4, 3, 1, 2))

    home = words(await labeler.get(HOME))
    await run_sql("delete from project_members where pseudonym in ('L-03', 'L-04')")
    of_two = words(await labeler.get(HOME))

    # 5 * 40 of 5 * 40 + 6 pairs: of the last days, of the team, of all, with the consensus twice.
    assert before.count("97.1%") == 5
    assert before.count("41 prompts, 206 pairs") == 3
    assert home.count("24 hours after its last ranking") == 2
    assert "97.1%" not in home
    assert home.count("40 prompts, 200 pairs") == 3
    assert "The team: 100.0%" in home
    assert re.findall(r"prompts, 20\d pairs", of_two) == []
    assert of_two.count("shown from 3 labelers on") == 5


async def test_checks_count_as_on_the_labelers_page_so_that_no_count_tells_them(
    seed_slates, labeler_of, admin, run_sql
):
    tied = Given(1, [(1, 1, 1, 1)], (7, 5, 3, 1), purpose="gold")
    # One of the known answers comes again, as a repeat.
    repeat = Given(1, [(1, 1, 1, 1)], (7, 5, 3, 1), purpose="repeat")
    seeded = await seed_slates(
        [*shared(40), *[GivenSlate([tied])] * 12, GivenSlate([repeat], round=2)]
    )
    prompt_of = "(select prompt_id from slates where id = {})"
    await run_sql(
        f"update slates set prompt_id = {prompt_of.format(seeded.slates[-2])}"
        f" where id = {seeded.slates[-1]}"
    )

    browser = await labeler_of(1)
    home = words(await browser.get(HOME))
    own = (await browser.get("/api/v1/projects/seeded/me")).json()["work"]

    of_admins = (await admin.get("/api/v1/projects/seeded/labelers/L-01")).json()
    of_page = words(await admin.get("/projects/seeded/labelers/L-01"))
    facts = own.keys() - {"drift", "measured_at"}
    assert {name: of_admins[name] for name in facts} == {name: own[name] for name in facts}
    assert of_admins["ties"]["units"] == 6 * 53
    assert "53 rankings, 318 pairs" in of_page
    assert f"{of_admins['ties']['value']:.3f}" == "0.371"  # 40 + 78 of 318
    assert "37.1% of your pairs share a row" in home
    assert "0 of 318 pairs that you rated 2 or more apart" in home
    assert "53 rankings, 318 pairs" in home  # below, of all rankings: none shows itself
    assert "Measured" not in home  # just now
    # Agreement is with others, of whom there are none.
    assert home.count("40 prompts, 200 pairs") == 3


async def test_what_is_older_than_thirty_days_does_not_count(seed_slates, labeler_of):
    await seed_slates(shared(40), hours=24 * 31)

    home = words(await (await labeler_of(1)).get(HOME))

    assert "not enough data: 0 of 10 shared prompts" in home


# --- The day, news, tasks --------------------------------------------------------------------


async def test_the_day_counts_towards_the_goal(seed_slates, labeler_of, run_sql):
    await seed_slates(shared(3), hours=0)
    await run_sql("update rankings set active_ms = 1440000")
    labeler = await labeler_of(1)

    before = await labeler.get(HOME)
    saved = await labeler.post(f"{HOME}/goal", data={"amount": "4", "unit": "tasks"})
    with_tasks = await labeler.get(HOME)
    await labeler.post(f"{HOME}/goal", data={"amount": "2", "unit": "hours"})
    with_hours = await labeler.get(HOME)
    await labeler.post(f"{HOME}/goal", data={"amount": "", "unit": "hours"})

    assert "3 tasks done 1 h 12 min active" in words(before)
    assert '<svg class="ring"' not in before.text
    assert (saved.status_code, saved.headers["location"]) == (303, HOME)
    assert "75% 3 of 4 tasks" in words(with_tasks)
    assert 'stroke-dasharray="75.0 100"' in with_tasks.text
    assert "60% 1 h 12 min of 2 h active" in words(with_hours)
    assert '<svg class="ring"' not in (await labeler.get(HOME)).text
    assert "A break is suggested after 50 active minutes." in words(before)


@pytest.mark.parametrize(
    "goal",
    [
        {"amount": "0", "unit": "tasks"},
        {"amount": "1001", "unit": "tasks"},
        {"amount": "many", "unit": "tasks"},
        {"amount": "4", "unit": "days"},
    ],
)
async def test_an_impossible_goal_is_refused(seed_slates, labeler_of, run_sql, goal):
    await seed_slates([])

    refused = await (await labeler_of(1)).post(f"{HOME}/goal", data=goal)

    assert refused.status_code == 422
    assert 'class="error"' in refused.text
    assert await run_sql("select id from users where preferences <> '{}'") == []


async def test_a_goal_leaves_the_other_preferences_alone(seed_slates, labeler_of, run_sql):
    await seed_slates([])
    await run_sql("update users set preferences = '{\"single_keys\": false}'")

    await (await labeler_of(1)).post(f"{HOME}/goal", data={"amount": "4", "unit": "tasks"})

    (kept,) = await run_sql("select preferences from users where email like 'l1@%'")
    assert kept == {"single_keys": False, "goal": {"unit": "tasks", "amount": 4}}


async def test_new_guidelines_are_news_until_they_are_read(app, seed_slates, labeler_of, run_sql):
    seeded = await seed_slates([])
    labeler = await labeler_of(1)
    assert "read them before your first task" in words(await labeler.get(HOME))
    await run_sql("update project_members set guidelines_read_version = 1")
    assert "No news." in words(await labeler.get(HOME))

    async with transaction(app.state.engine) as tx:
        await update_guidelines(tx, seeded.project, "Prefer the <i>true</i> answer.")
    home = await labeler.get(HOME)
    changes = await labeler.get("/projects/seeded/guidelines/changes?since=1")

    assert "Guidelines v2: read what changed" in words(home)
    assert 'href="/projects/seeded/guidelines/changes?since=1"' in home.text
    assert "Removed: Prefer the helpful answer." in words(changes)
    assert "Prefer the &lt;i&gt;true&lt;/i&gt; answer." in changes.text
    assert "true" in (await labeler.get("/projects/seeded/guidelines/read")).text
    same = await labeler.get("/projects/seeded/guidelines/changes?since=2")
    assert "Nothing changed" in words(same)
    for since, status in ((3, 404), (0, 422), (2**31, 422)):
        answer = await labeler.get(f"/projects/seeded/guidelines/changes?since={since}")
        assert answer.status_code == status


async def test_own_tasks_are_listed_and_can_be_changed_while_the_round_is_open(
    seed_slates, labeler_of, run_sql
):
    await seed_slates(
        [GivenSlate([Given(1, [(1, 2, 3, 4), (2, 1, 3, 4)])], round=1 + i % 2, prompt=f"Ask {i}")
         for i in range(25)]
    )  # fmt: skip
    await run_sql("update tasks set finished_at = now() - make_interval(mins => 100 - place - "
                  "cast(id as int))")  # fmt: skip
    await run_sql("update rounds set closed_at = now() where number = 2")
    newest, second = (await run_sql("select id from tasks order by id desc limit 2"))[:2]
    await run_sql("delete from ranking_items where ranking_id in "
                  "(select id from rankings where task_id = :id)", id=newest)  # fmt: skip
    await run_sql("delete from rankings where task_id = :id", id=newest)
    await run_sql("update tasks set status = 'skipped', skip_reason = 'expertise' where id = :id",
                  id=newest)  # fmt: skip
    labeler = await labeler_of(1)

    home = await labeler.get(HOME)
    older = await labeler.get(f"{HOME}/tasks?before=6")

    listed = words(home)
    assert "skipped: needs expertise" in listed
    assert "done, version 2" in listed
    assert re.findall(r'<th scope="row">(\d+)<', home.text) == [
        str(number) for number in range(25, 5, -1)
    ]
    assert 'href="/projects/seeded/me/tasks?before=6"' in home.text
    assert re.findall(r'<th scope="row">(\d+)<', older.text) == list("54321")
    changeable = set(map(int, re.findall(r"/label/(\d+)", home.text)))
    assert newest not in changeable
    assert second not in changeable  # of the round that is closed
    assert len(changeable) == 9


async def test_a_held_task_is_continued(app, seed_slates, labeler_of, run_sql):
    await seed_slates(shared(1))
    await run_sql("insert into tasks (project_id, slate_id, place) "
                  "select project_id, slate_id, 3 from tasks limit 1")  # fmt: skip
    labeler = await labeler_of(3)

    assert "Start next task" in words(await labeler.get(HOME))
    await run_sql(
        "update tasks set status = 'leased', lease_token = gen_random_uuid(), labeler_id = "
        "(select id from users where email like 'l3@%'), lease_expires_at = now() "
        "+ interval '1 hour', leased_at = now() where status = 'open'"
    )
    assert "Continue task 1" in words(await labeler.get(HOME))
    # What this labeler has ranked is not offered to them again.
    assert "Nothing is waiting for you" in words(await (await labeler_of(1)).get(HOME))


async def test_strangers_find_nothing(seed_slates, labeler_browser, admin_browser, client):
    await seed_slates(shared(1))
    pages = ("me", "me/tasks", "disagreements/1", "guidelines/read", "guidelines/changes?since=1")

    for page in pages:
        path = f"/projects/seeded/{page}"
        assert (await labeler_browser.get(path)).status_code == 404
        assert (await client.get(path)).status_code == 401
    assert (await labeler_browser.get("/projects/seeded/remarks")).status_code == 404
    # Admins are no labelers, unless they are members.
    assert (await admin_browser.get(HOME)).status_code == 404
    assert (await labeler_browser.post(f"{HOME}/goal", data={})).status_code == 404


async def test_labelers_are_sent_from_the_project_to_their_own_page(seed_slates, labeler_of):
    await seed_slates([])

    sent = await (await labeler_of(1)).get("/projects/seeded")

    assert (sent.status_code, sent.headers["location"]) == (303, HOME)


# --- The same as JSON ------------------------------------------------------------------------

API = "/api/v1/projects/seeded"


async def test_the_home_is_answered_as_json_and_tells_as_little_as_the_page(
    seed_slates, labeler_of
):
    gold = Given(1, [(1, 2, 3, 4)], (7, 5, 3, 1), purpose="gold")
    await seed_slates([*shared(40), GivenSlate([gold]), OPPOSED])
    labeler = await labeler_of(1)
    page = words(await labeler.get(HOME))

    answer = await labeler.get(f"{API}/me")

    home = answer.json()
    numbers, work = home["numbers"], home["work"]
    assert (home["today"]["finished"], len(home["recent"]["tasks"])) == (42, 20)
    assert numbers["days"] == 30
    assert f"{100 * numbers['agreement']['value']:.1f}%" in page
    assert work["agreement"]["units"] == numbers["agreement"]["units"]
    assert numbers["pairs_apart"] == work["conflicts"]["units"] == 6 * 41
    assert (numbers["seconds"]["value"], numbers["seconds_band"]) == (None, None)
    assert numbers["seconds"]["reason"] == "not enough data: 0 of 10 timed tasks"
    assert len(work["drift"]["points"]) == 41
    (disagreement,) = home["disagreements"]
    assert disagreement["question"] == "Which fruit?"
    assert (disagreement["own"], disagreement["others"]) == ("D > C > B > A", "A > B > C > D")
    for told in ("gold", "slate", "purpose", "labeler", "L-0", "rankings", MODEL):
        assert f'"{told}' not in answer.text


async def test_own_tasks_follow_each_other_in_pages_of_the_api(seed_slates, labeler_of):
    await seed_slates(shared(23))
    labeler = await labeler_of(1)

    first = (await labeler.get(f"{API}/me/tasks")).json()
    second = (await labeler.get(f"{API}/me/tasks", params={"before": first["next"]})).json()

    numbers = [task["number"] for page in (first, second) for task in page["tasks"]]
    assert numbers == list(range(23, 0, -1))
    assert second["next"] is None
    assert (await labeler.get(f"{API}/me/tasks", params={"before": "x"})).status_code == 422


async def test_a_disagreement_is_read_objected_to_and_answered_over_the_api(
    seed_slates, labeler_of, ranking_of, admin, run_sql
):
    await seed_slates([OPPOSED])
    labeler, ranking = await labeler_of(1), await ranking_of(1)
    path = f"{API}/disagreements/{ranking}"

    shown = (await labeler.get(path)).json()
    for _ in range(2):
        said = await labeler.post(f"{path}/remarks", json={"text": "A date is no berry."})
        assert (said.status_code, said.json()["ranking"]) == (201, ranking)
    listed = (await admin.get(f"{API}/remarks")).json()
    (remark,) = listed["remarks"]
    answered = await admin.post(f"{API}/remarks/{remark['id']}/answers", json={"text": "Sweet."})

    assert (shown["own"], shown["others"], shown["reversed"]) == (
        "D > C > B > A",
        "A > B > C > D",
        6,
    )
    assert shown["responses"][0] == {"letter": "A", "text": "apple"}
    assert shown["remarks"] == []
    assert (remark["labeler"], remark["text"], remark["round"]) == (
        "L-01", "A date is no berry.", 1,
    )  # fmt: skip
    assert (remark["messages"][-1]["content"], remark["answers"]) == ("Which fruit?", [])
    assert listed["next"] is None
    assert answered.status_code == 201
    assert [answered.json()["id"]] == await run_sql("select max(id) from remarks")
    said = (await labeler.get(path)).json()["remarks"]
    assert [(one["text"], one["is_own"]) for one in said] == [
        ("A date is no berry.", True),
        ("Sweet.", False),
    ]
    (news,) = (await labeler.get(f"{API}/me")).json()["answers"]
    assert (news["ranking"], news["text"]) == (ranking, "Sweet.")
    assert (await admin.get(f"{API}/remarks")).json()["remarks"][0]["answers"] == ["Sweet."]


async def test_own_work_of_others_is_not_there(
    seed_slates, labeler_of, ranking_of, labeler, admin, client, run_sql
):
    await seed_slates([OPPOSED])
    own, others = await labeler_of(1), await ranking_of(2)
    say = {"json": {"text": "Because."}}

    for path in (f"disagreements/{others}", "disagreements/9999"):
        assert (await own.get(f"{API}/{path}")).status_code == 404
        assert (await own.post(f"{API}/{path}/remarks", **say)).status_code == 404
    assert (await own.get(f"{API}/remarks")).status_code == 404
    assert (await own.post(f"{API}/remarks/1/answers", **say)).status_code == 404
    for path in ("me", "me/tasks", f"disagreements/{others}", "remarks"):
        assert (await labeler.get(f"{API}/{path}")).status_code == 404  # a stranger
        assert (await client.get(f"{API}/{path}")).status_code == 401
    assert (await admin.get(f"{API}/me")).status_code == 404  # they label nothing
    for wrong in ({}, {"text": ""}, {"text": "x", "why": "y"}, {"text": "x" * 2001}):
        for answer in (
            await own.post(f"{API}/disagreements/{await ranking_of(1)}/remarks", json=wrong),
            await admin.post(f"{API}/remarks/1/answers", json=wrong),
        ):
            assert answer.status_code == 422
    assert await run_sql("select id from remarks") == []
