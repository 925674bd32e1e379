"""What the screen keeps while somebody works: drafts, events, lost leases, reports; and rules."""

import json
import uuid

import pytest
from sqlalchemy import text

from app.db import transaction
from app.invariants import violations
from app.labeling.assistance import arm_of
from app.labeling.drafts import forget_events
from app.projects.screen import ScreenSettings
from tests.slates import make_slates

VISIT = "6f1c9a44-8f0e-4a53-9b43-1c6ce7c3b2aa"


@pytest.fixture
async def task(app, admin, labeler, project):
    joined = await admin.put(
        f"/api/v1/projects/{project}/members/labeler@example.org", json={"role": "labeler"}
    )
    assert joined.status_code == 200, joined.text
    async with transaction(app.state.engine) as tx:
        project_id = await tx.scalar(text("select id from projects"))
        await make_slates(tx, project_id=project_id)
    return (await labeler.post(f"/api/v1/projects/{project}/tasks/next")).json()


@pytest.fixture
async def other(admin, sign_up, project):
    client = await sign_up("other@example.org", "labeler")
    await admin.put(
        f"/api/v1/projects/{project}/members/other@example.org", json={"role": "labeler"}
    )
    return client


def ranking_of(task, ranks=(1, 2, 2, 3), **changes):
    return {
        "lease_token": task["lease_token"],
        "responses": [
            {"id": response["id"], "rank": rank, "rating": 8 - rank, "flags": []}
            for response, rank in zip(task["responses"], ranks, strict=True)
        ],
        **changes,
    }


async def put(client, task, body):
    return await client.put(
        f"/api/v1/tasks/{task['id']}/ranking",
        json=body,
        headers={"Idempotency-Key": str(uuid.uuid4())},
    )


async def save(client, task, base_version, **body):
    return await client.put(
        f"/api/v1/tasks/{task['id']}/draft", json={"base_version": base_version, "body": body}
    )


async def rows(app, query, **values):
    async with transaction(app.state.engine) as tx:
        return [dict(row._mapping) for row in await tx.execute(text(query), values)]


async def decide(app, **settings):
    async with transaction(app.state.engine) as tx:
        await tx.execute(
            text("update projects set screen = cast(:screen as jsonb)"),
            {"screen": json.dumps(settings)},
        )


async def test_a_draft_is_kept_and_each_save_names_the_one_before(labeler, task):
    draft = f"/api/v1/tasks/{task['id']}/draft"
    assert (await labeler.get(draft)).status_code == 204

    first = await save(labeler, task, 0, note="a")
    second = await save(labeler, task, 1, note="b")
    stale = await save(labeler, task, 1, note="c")

    assert (first.json()["version"], second.json()["version"]) == (1, 2)
    assert (stale.status_code, stale.json()["code"]) == (409, "draft_conflict")
    kept = (await labeler.get(draft)).json()
    assert (kept["version"], kept["body"]) == (2, {"note": "b"})


async def test_a_draft_ends_with_the_ranking(app, labeler, task):
    await save(labeler, task, 0, note="a")

    assert (await put(labeler, task, ranking_of(task))).status_code == 201

    assert await rows(app, "select * from drafts") == []


async def test_nobody_else_reads_or_writes_a_draft(labeler, other, admin, task):
    await save(labeler, task, 0, note="secret")

    for client in (other, admin):
        assert (await save(client, task, 1, note="x")).status_code == 404
        assert (await client.get(f"/api/v1/tasks/{task['id']}/draft")).status_code == 404


@pytest.mark.parametrize(
    "body",
    [
        {"base_version": -1, "body": {}},
        {"base_version": True, "body": {}},
        {"base_version": 0, "body": []},
        {"base_version": 0},
        {"base_version": 0, "body": {"note": "\x00"}},
        {"base_version": 0, "body": {"\x00": 1}},
        {"base_version": 0, "body": {"note": "x" * 300_001}},
        {"base_version": 2**31, "body": {}},
        {"base_version": 0, "body": {}, "more": 1},
    ],
)
async def test_a_draft_that_makes_no_sense_is_refused(body, labeler, task):
    answer = await labeler.put(f"/api/v1/tasks/{task['id']}/draft", json=body)

    assert answer.status_code == 422, answer.text
    assert (await labeler.get(f"/api/v1/tasks/{task['id']}/draft")).status_code == 204


def event(sequence, kind="rate", **data):
    return {
        "sequence": sequence, "kind": kind, "data": data, "client_at": "2026-11-20T10:42:07Z",
    }  # fmt: skip


async def test_events_are_stored_once(app, labeler, task):
    told = {"visit": VISIT, "events": [event(0, response=7, new=5), event(1, "submit")]}
    where = f"/api/v1/tasks/{task['id']}/events"

    answers = [await labeler.post(where, json=told) for _ in range(2)]

    assert [answer.status_code for answer in answers] == [202, 202]
    stored = await rows(app, "select kind, data, sequence from screen_events order by sequence")
    assert stored == [
        {"kind": "rate", "data": {"response": 7, "new": 5}, "sequence": 0},
        {"kind": "submit", "data": {}, "sequence": 1},
    ]


async def test_events_of_somebody_elses_task_are_refused(app, other, task):
    told = {"visit": VISIT, "events": [event(0)]}

    answer = await other.post(f"/api/v1/tasks/{task['id']}/events", json=told)

    assert answer.status_code == 404
    assert await rows(app, "select * from screen_events") == []


@pytest.mark.parametrize(
    "told",
    [
        {"visit": "x", "events": [event(0)]},
        {"visit": VISIT, "events": []},
        {"visit": VISIT, "events": [event(0, "dance")]},
        {"visit": VISIT, "events": [event(-1)]},
        {"visit": VISIT, "events": [event(0, x="y" * 2001)]},
        {"visit": VISIT, "events": [event(number) for number in range(501)]},
        {"visit": VISIT, "events": [{**event(0), "client_at": "yesterday"}]},
    ],
)
async def test_events_that_make_no_sense_are_refused(told, labeler, task):
    answer = await labeler.post(f"/api/v1/tasks/{task['id']}/events", json=told)

    assert answer.status_code == 422


async def lose_lease(app):
    async with transaction(app.state.engine) as tx:
        await tx.execute(text("update tasks set lease_expires_at = now() where status = 'leased'"))


async def regain(client, task, order=None):
    shown = [response["id"] for response in task["responses"]] if order is None else order
    return await client.post(f"/api/v1/tasks/{task['id']}/lease", json={"display_order": shown})


async def test_a_lost_task_comes_back_with_a_new_token(app, labeler, task):
    await lose_lease(app)
    late = await put(labeler, task, ranking_of(task))
    assert (late.status_code, late.json()["code"]) == (409, "lease_lost")

    lease = (await regain(labeler, task)).json()

    assert lease["lease_token"] != task["lease_token"]
    again = ranking_of(task, lease_token=lease["lease_token"])
    assert (await put(labeler, task, again)).status_code == 201
    [stored] = await rows(app, "select display_order from rankings")
    assert stored["display_order"] == [response["id"] for response in task["responses"]]


async def test_a_task_that_was_given_back_comes_back_in_the_order_that_was_shown(
    app, labeler, task
):
    async with transaction(app.state.engine) as tx:
        await tx.execute(
            text("update tasks set status = 'open', labeler_id = null, lease_token = null, "
                 "lease_expires_at = null, display_order = null where id = :id"),
            {"id": task["id"]},
        )  # fmt: skip
    assert (await put(labeler, task, ranking_of(task))).status_code == 404
    wrong = [response["id"] + 100 for response in task["responses"]]
    assert (await regain(labeler, task, wrong)).status_code == 404

    lease = (await regain(labeler, task)).json()

    again = ranking_of(task, lease_token=lease["lease_token"])
    assert (await put(labeler, task, again)).status_code == 201
    assert await violations(app.state.engine) == {}


async def test_a_task_that_somebody_else_has_does_not_come_back(app, labeler, other, project, task):
    await lose_lease(app)
    taken = set()
    for _ in range(3):
        leased = (await other.post(f"/api/v1/projects/{project}/tasks/next")).json()
        taken.add(leased["id"])
        await put(other, leased, ranking_of(leased))
    assert task["id"] in taken

    assert (await regain(labeler, task)).status_code == 404


async def test_a_stranger_to_the_project_cannot_take_a_task_this_way(app, sign_up, task):
    stranger = await sign_up("stranger@example.org", "labeler")
    async with transaction(app.state.engine) as tx:
        await tx.execute(
            text("update tasks set status = 'open', labeler_id = null, lease_token = null, "
                 "lease_expires_at = null, display_order = null where id = :id"),
            {"id": task["id"]},
        )  # fmt: skip

    assert (await regain(stranger, task)).status_code == 404


async def test_what_may_harm_is_withdrawn_when_it_is_reported(app, labeler, project, task):
    second = task["responses"][1]["id"]
    answer = await labeler.post(
        f"/api/v1/tasks/{task['id']}/report",
        json={"kind": "personal_data", "response": second, "note": "a phone number"},
    )

    assert (answer.status_code, answer.json()) == (201, {"withdrawn": True})
    [stored] = await rows(app, "select kind, response_id, note, resolved_at from reports")
    assert stored == {
        "kind": "personal_data", "response_id": second, "note": "a phone number",
        "resolved_at": None,
    }  # fmt: skip
    late = await put(labeler, task, ranking_of(task))
    assert (late.status_code, late.json()["code"]) == (409, "withdrawn")
    following = (await labeler.post(f"/api/v1/projects/{project}/tasks/next")).json()
    assert following["prompt"] != task["prompt"]
    assert await violations(app.state.engine) == {}


async def test_what_is_only_broken_stays_with_its_labeler(app, labeler, task):
    answer = await labeler.post(f"/api/v1/tasks/{task['id']}/report", json={"kind": "rendering"})

    assert answer.json() == {"withdrawn": False}
    assert (await put(labeler, task, ranking_of(task))).status_code == 201


async def test_a_report_about_what_was_not_shown_is_refused(app, labeler, other, task):
    where = f"/api/v1/tasks/{task['id']}/report"

    elsewhere = await labeler.post(where, json={"kind": "illegal", "response": 999_999})
    strange = await other.post(where, json={"kind": "illegal"})
    unknown = await labeler.post(where, json={"kind": "boring"})

    assert [elsewhere.status_code, strange.status_code, unknown.status_code] == [422, 404, 422]
    assert await rows(app, "select * from reports") == []


async def test_a_ranking_that_does_not_know_of_the_stored_one_does_not_replace_it(labeler, task):
    assert (await put(labeler, task, ranking_of(task, revises=0))).status_code == 201

    blind = await put(labeler, task, ranking_of(task, revises=0))
    stale = await put(labeler, task, ranking_of(task, revises=7))
    knowing = await put(labeler, task, ranking_of(task, (1, 1, 2, 3), revises=1, lease_token=None))

    assert (blind.status_code, blind.json()["code"]) == (409, "already_submitted")
    assert (stale.status_code, stale.json()["code"]) == (409, "version_conflict")
    assert (knowing.status_code, knowing.json()["version"]) == (201, 2)


async def test_after_its_round_is_closed_a_ranking_stays_as_it_is(app, labeler, task):
    await put(labeler, task, ranking_of(task))
    async with transaction(app.state.engine) as tx:
        await tx.execute(text("update rounds set closed_at = now()"))

    answer = await put(labeler, task, ranking_of(task, (1, 1, 1, 2)))

    assert (answer.status_code, answer.json()["code"]) == (409, "round_closed")


async def test_responses_that_cannot_be_ranked_share_a_rank_and_keep_the_reason(app, labeler, task):
    body = ranking_of(task, (1, 1, 1, 1), cannot_rank="incomparable")
    body["responses"] = [{**item, "rank": None} for item in body["responses"]]

    assert (await put(labeler, task, body)).status_code == 201

    [stored] = await rows(app, "select cannot_rank from rankings")
    assert stored["cannot_rank"] == "incomparable"
    assert {row["rank"] for row in await rows(app, "select rank from ranking_items")} == {1}
    assert await rows(app, "select * from comparisons") == []


async def test_why_a_response_cannot_be_judged_is_stored(app, labeler, task):
    body = ranking_of(task)
    body["responses"][0] = {"id": task["responses"][0]["id"], "cannot_judge": "garbled"}
    body["responses"][1] = {"id": task["responses"][1]["id"], "cannot_judge": True}

    assert (await put(labeler, task, body)).status_code == 201

    stored = await rows(app, "select cannot_judge from ranking_items where rank is null order by 1")
    assert [row["cannot_judge"] for row in stored] == ["garbled", "unsaid"]


async def test_each_task_is_assisted_as_its_arm_says_and_the_ranking_keeps_the_arm(
    app, admin, labeler_browser, project
):
    """Over enough tasks for both arms; one without a screen that told of itself has none."""
    settings = ScreenSettings(rank_assist="presort", rank_assist_experiment=True)
    await decide(app, **settings.model_dump(include={"rank_assist", "rank_assist_experiment"}))
    who = "labeler.browser@example.org"
    await admin.put(f"/api/v1/projects/{project}/members/{who}", json={"role": "labeler"})
    async with transaction(app.state.engine) as tx:
        await tx.execute(text("update project_members set guidelines_read_version = 1"))
        await make_slates(tx, project_id=await tx.scalar(text("select id from projects")), count=9)
        labeler_id = await tx.scalar(text("select id from users where email = :who"), {"who": who})
    told = {"device": "desktop", "viewport": [1280, 720], "locale": "en"}
    for screen in (None, *[told] * 8):
        task = (await labeler_browser.post("/api/v1/projects/demo/tasks/next")).json()
        page = (await labeler_browser.get(f"/projects/demo/label/{task['id']}")).text
        arm = arm_of(settings, labeler_id=labeler_id, task_id=task["id"])
        assist = "none" if arm == "unassisted" else "presort"
        assert f'"rankAssist": "{assist}"' in page

        assert (
            await put(labeler_browser, task, ranking_of(task, screen=screen))
        ).status_code == 201

        [stored] = await rows(app, "select screen from rankings order by id desc limit 1")
        assert stored["screen"]["rank_assist"] == assist
        assert stored["screen"].get("rank_assist_arm") == (arm if screen else None)
    arms = await rows(app, "select distinct screen ->> 'rank_assist_arm' as arm from rankings")
    assert {row["arm"] for row in arms} == {None, "assisted", "unassisted"}


@pytest.mark.parametrize(("is_rated", "stored"), [(False, [None, 6]), (True, [1, 1])])
async def test_what_cannot_be_judged_is_rated_1_where_the_project_says_so(
    app, labeler, task, is_rated, stored
):
    await decide(app, rate_unjudged=is_rated)
    body = ranking_of(task)
    first, second = (response["id"] for response in task["responses"][:2])
    body["responses"][0] = {"id": first, "cannot_judge": "garbled"}
    body["responses"][1] = {"id": second, "cannot_judge": True, "rating": 6}

    assert (await put(labeler, task, body)).status_code == 201

    items = await rows(app, "select rank, rating, cannot_judge from ranking_items order by 3")
    assert [(item["rank"], item["rating"]) for item in items[:2]] == [(None, one) for one in stored]
    assert len(await rows(app, "select * from comparisons")) == 1


async def test_where_each_flag_needs_an_answer_a_missing_one_is_refused(app, labeler, task):
    await decide(app, flags_mode="forced_yes_no")
    keys = [flag["key"] for flag in task["flags"]]
    body = ranking_of(task)
    for item in body["responses"]:
        item.update(flags=keys[:1], not_flagged=keys[1:])
    half = json.loads(json.dumps(body))
    half["responses"][2]["not_flagged"].pop()
    twice = json.loads(json.dumps(body))
    twice["responses"][2]["not_flagged"].append(keys[0])

    assert (await put(labeler, task, half)).status_code == 422
    assert (await put(labeler, task, twice)).status_code == 422
    assert (await put(labeler, task, body)).status_code == 201
    stored = await rows(app, "select flags from ranking_items")
    assert {tuple(row["flags"]) for row in stored} == {(keys[0],)}


async def test_a_flag_that_needs_a_note_is_refused_without_one(app, labeler, task):
    async with transaction(app.state.engine) as tx:
        await tx.execute(text("update flags set needs_note = true where key = 'hallucination'"))
    body = ranking_of(task)
    body["responses"][1]["flags"] = ["hallucination"]

    refused = await put(labeler, task, body)
    body["responses"][1]["note"] = "the year is made up"

    assert refused.json()["errors"][0]["loc"] == ["responses", 1, "note"]
    assert (await put(labeler, task, body)).status_code == 201


async def test_where_ties_are_not_allowed_they_are_refused(app, labeler, task):
    await decide(app, allow_ties=False)

    assert (await put(labeler, task, ranking_of(task))).status_code == 422
    assert (await put(labeler, task, ranking_of(task, (4, 2, 3, 1)))).status_code == 201


async def test_ratings_are_left_out_where_they_are_not_required(app, labeler, task):
    body = ranking_of(task)
    body["responses"] = [{**item, "rating": None} for item in body["responses"]]
    refused = await put(labeler, task, body)
    await decide(app, require_rating=False)

    assert refused.status_code == 422
    assert (await put(labeler, task, body)).status_code == 201


async def test_responses_judged_together_must_have_the_same_rank(app, labeler, task):
    first, second = (response["id"] for response in task["responses"][:2])
    apart, together = ranking_of(task), ranking_of(task, (1, 1, 2, 3))
    for body in (apart, together):
        body["responses"][1]["same_as"] = first

    assert (await put(labeler, task, apart)).status_code == 422
    assert (await put(labeler, task, together)).status_code == 201
    stored = await rows(
        app, "select response_id, duplicate_of from ranking_items where duplicate_of is not null"
    )
    assert stored == [{"response_id": second, "duplicate_of": first}]


async def test_answers_about_pairs_are_stored_as_they_were_given(app, labeler, task):
    first, second = (response["id"] for response in task["responses"][:2])
    answer = {"left": first, "right": second, "answer": "tie", "source": "compare", "ms": 4100}
    same = ranking_of(task, pair_answers=[{**answer, "right": first}])
    other = ranking_of(task, pair_answers=[{**answer, "right": 10**6}])

    assert (await put(labeler, task, same)).status_code == 422
    assert (await put(labeler, task, other)).status_code == 422
    assert (await put(labeler, task, ranking_of(task, pair_answers=[answer]))).status_code == 201
    [stored] = await rows(app, "select pair_answers, propensity, selection_policy from rankings")
    assert stored["pair_answers"] == [answer]
    assert (stored["selection_policy"], stored["propensity"]) == ("uniform", 1.0)


async def test_a_task_is_taken_ahead_of_time_and_never_the_one_at_work(
    app, browser_for, admin, project, task
):
    browser = await browser_for("plain@example.org", "labeler")
    await admin.put(
        f"/api/v1/projects/{project}/members/plain@example.org", json={"role": "labeler"}
    )
    await browser.post(f"/projects/{project}/guidelines/read", data={"version": "1"})
    await browser.get(f"/projects/{project}/label")
    [held] = await rows(
        app, "select id from tasks where status = 'leased' and id <> :other", other=task["id"]
    )
    ahead = f"/projects/{project}/label/ahead"

    first = await browser.post(f"{ahead}?beside={held['id']}")
    again = await browser.post(f"{ahead}?beside={held['id']}")

    assert first.status_code == 200
    assert "data-workplace" in first.text
    assert "<html" not in first.text
    assert again.text.count("data-response=") == first.text.count("data-response=") == 4
    assert [row["status"] for row in await rows(app, "select status from tasks")] == ["leased"] * 3
    both = "&".join(f"beside={row['id']}" for row in await rows(app, "select id from tasks"))
    assert (await browser.post(f"{ahead}?{both}")).status_code == 204
    assert (await browser.post(ahead)).status_code == 422
    five = "&".join(f"beside={number}" for number in range(1, 6))
    assert (await browser.post(f"{ahead}?{five}")).status_code == 422


async def test_a_task_stays_as_long_as_the_project_says(app, labeler, task):
    await decide(app, lease_minutes=600)

    beat = await labeler.post(
        f"/api/v1/tasks/{task['id']}/heartbeat", json={"lease_token": task["lease_token"]}
    )

    [left] = await rows(
        app, "select extract(epoch from lease_expires_at - now()) / 60 as minutes from tasks "
             "where status = 'leased'"
    )  # fmt: skip
    assert beat.status_code == 200
    assert 595 < left["minutes"] <= 600


async def test_what_was_done_long_ago_is_forgotten(app, labeler, task):
    told = {"visit": VISIT, "events": [event(0), event(1)]}
    await labeler.post(f"/api/v1/tasks/{task['id']}/events", json=told)
    async with transaction(app.state.engine) as tx:
        await tx.execute(
            text("update screen_events set created_at = now() - interval '91 days' "
                 "where sequence = 0")
        )  # fmt: skip
        assert await forget_events(tx, days=90) == 1

    assert [row["sequence"] for row in await rows(app, "select sequence from screen_events")] == [1]
