"""Taking, keeping, ranking and skipping tasks over HTTP; B035 to B054 of bad input."""

import asyncio
import json
import uuid

import pytest
from sqlalchemy import text

from app.db import transaction
from app.invariants import violations
from tests.slates import make_slates


@pytest.fixture
async def slates(app, admin, labeler, project):
    """Three ready slates of four responses, and the labeler as a member."""
    joined = await admin.put(
        f"/api/v1/projects/{project}/members/labeler@example.org", json={"role": "labeler"}
    )
    assert joined.status_code == 200, joined.text
    async with transaction(app.state.engine) as tx:
        project_id = await tx.scalar(text("select id from projects"))
        await make_slates(tx, project_id=project_id)


@pytest.fixture
async def task(slates, labeler, project):
    answer = await labeler.post(f"/api/v1/projects/{project}/tasks/next")
    assert answer.status_code == 200, answer.text
    return answer.json()


def ranking_of(task, ranks=(1, 2, 2, 3), **changes):
    return {
        "lease_token": task["lease_token"],
        "responses": [
            {"id": response["id"], "rank": rank, "rating": 8 - rank, "flags": []}
            for response, rank in zip(task["responses"], ranks, strict=True)
        ],
        **changes,
    }


async def put(client, task, body, key=None, **kwargs):
    headers = {"Idempotency-Key": key or str(uuid.uuid4()), **kwargs.pop("headers", {})}
    return await client.put(
        f"/api/v1/tasks/{task['id']}/ranking", json=body, headers=headers, **kwargs
    )


async def count(app, table):
    async with transaction(app.state.engine) as tx:
        return await tx.scalar(text(f"select count(*) from {table}"))


async def expire_leases(app):
    async with transaction(app.state.engine) as tx:
        await tx.execute(text("update tasks set lease_expires_at = now() where status = 'leased'"))


async def test_a_task_shows_everything_that_labelers_need_and_no_model(task):
    assert set(task) == {
        "id", "lease_token", "lease_expires_at", "prompt", "responses", "flags", "guidelines",
        "round", "is_sensitive",
    }  # fmt: skip
    assert [response["letter"] for response in task["responses"]] == ["A", "B", "C", "D"]
    for response in task["responses"]:
        assert set(response) == {"id", "letter", "text", "same_as", "similar_to"}
    assert len(task["flags"]) == 13
    assert task["guidelines"] == {"version": 1, "text": "Prefer the helpful answer."}


async def test_the_display_order_is_random_per_labeler_and_stored(app, task):
    async with transaction(app.state.engine) as tx:
        stored = await tx.scalar(
            text("select display_order from tasks where id = :id"), {"id": task["id"]}
        )

    assert stored == [response["id"] for response in task["responses"]]


async def test_a_ranking_is_stored_with_dense_ranks_and_gives_its_comparisons(app, labeler, task):
    answer = await put(labeler, task, ranking_of(task, ranks=(1, 3, 3, 7)[:4]))

    assert answer.status_code == 201, answer.text
    assert answer.json()["version"] == 1
    async with transaction(app.state.engine) as tx:
        ranks = await tx.execute(text("select rank from ranking_items order by rank"))
        comparisons = (
            await tx.execute(text("select rank_gap, weight, conflict from comparisons"))
        ).all()
    assert [rank for (rank,) in ranks] == [1, 2, 2, 3]
    assert len(comparisons) == 5
    assert all(row.weight == pytest.approx(1 / 5) and not row.conflict for row in comparisons)
    assert await violations(app.state.engine) == {}


@pytest.mark.parametrize(("read", "stored"), [(1, 1), (None, 2)])
async def test_a_ranking_keeps_the_guidelines_that_its_labeler_has_read(
    read, stored, app, labeler, task
):
    async with transaction(app.state.engine) as tx:
        await tx.execute(
            text("update project_members set guidelines_read_version = :read"), {"read": read}
        )
        await tx.execute(
            text("insert into guideline_versions (project_id, version, text) "
                 "select id, 2, 'Prefer the true answer.' from projects")
        )  # fmt: skip

    assert (await put(labeler, task, ranking_of(task))).status_code == 201
    async with transaction(app.state.engine) as tx:
        kept = text("select g.version from rankings r join guideline_versions g "
                    "on g.id = r.guideline_version_id")  # fmt: skip
        assert await tx.scalar(kept) == stored


async def test_a_response_that_cannot_be_judged_gives_no_comparison(app, labeler, task):
    body = ranking_of(task)
    body["responses"][3] = {"id": task["responses"][3]["id"], "cannot_judge": True}

    answer = await put(labeler, task, body)

    assert answer.status_code == 201, answer.text
    assert await count(app, "comparisons") == 2
    assert await violations(app.state.engine) == {}


async def test_the_same_key_gives_the_same_ranking(app, labeler, task):
    key, body = str(uuid.uuid4()), ranking_of(task)

    first = await put(labeler, task, body, key)
    second = await put(labeler, task, body, key)

    assert (first.status_code, second.status_code) == (201, 200)
    assert first.json() == second.json()
    assert await count(app, "rankings") == 1


async def test_ten_submissions_at_once_with_one_key_make_one_ranking(app, labeler, task):
    key, body = str(uuid.uuid4()), ranking_of(task)

    answers = await asyncio.gather(*(put(labeler, task, body, key) for _ in range(10)))

    assert sorted(answer.status_code for answer in answers) == [200] * 9 + [201]
    assert len({answer.text for answer in answers}) == 1
    assert await count(app, "rankings") == 1


async def test_a_used_key_with_another_ranking_is_refused(labeler, task):
    key = str(uuid.uuid4())
    await put(labeler, task, ranking_of(task), key)

    answer = await put(labeler, task, ranking_of(task, ranks=(3, 2, 1, 1)), key)

    assert (answer.status_code, answer.json()["code"]) == (422, "key_reused")


async def test_a_key_names_the_judgments_and_not_the_time_they_took(app, labeler, task):
    key = str(uuid.uuid4())
    await put(labeler, task, ranking_of(task, active_ms=1000), key)
    later = ranking_of(task, active_ms=2000, lease_token=str(uuid.uuid4()))

    answer = await put(labeler, task, later, key)

    assert answer.status_code == 200, answer.text
    assert await count(app, "rankings") == 1


async def test_a_correction_is_a_new_version_and_the_last_one_counts(app, labeler, task):
    await put(labeler, task, ranking_of(task, ranks=(1, 2, 3, 4)))

    answer = await put(labeler, task, ranking_of(task, ranks=(1, 1, 1, 2)))

    assert (answer.status_code, answer.json()["version"]) == (201, 2)
    assert await count(app, "rankings") == 2
    assert await count(app, "comparisons") == 3
    assert await violations(app.state.engine) == {}


async def test_overlap_is_never_exceeded_by_labelers_in_a_hurry(app, admin, sign_up, project):
    clients = [await sign_up(f"l{n}@example.org", "labeler") for n in range(6)]
    for n in range(6):
        await admin.put(
            f"/api/v1/projects/{project}/members/l{n}@example.org", json={"role": "labeler"}
        )
    async with transaction(app.state.engine) as tx:
        await make_slates(
            tx, project_id=await tx.scalar(text("select id from projects")), count=5, places=2
        )

    async def label_all(client):
        done = 0
        while (
            leased := await client.post(f"/api/v1/projects/{project}/tasks/next")
        ).status_code == 200:
            task = leased.json()
            # All agree, so that nobody is asked for a third opinion.
            ids = sorted(response["id"] for response in task["responses"])
            ranks = [ids.index(response["id"]) + 1 for response in task["responses"]]
            answer = await put(client, task, ranking_of(task, ranks=ranks))
            assert answer.status_code == 201, answer.text
            done += 1
        return done

    done = await asyncio.gather(*map(label_all, clients))

    assert sum(done) == 10
    assert await violations(app.state.engine) == {}


async def test_the_held_task_comes_again(labeler, project, task):
    again = (await labeler.post(f"/api/v1/projects/{project}/tasks/next")).json()

    assert again["id"] == task["id"]
    assert again["lease_token"] == task["lease_token"]
    assert again["responses"] == task["responses"]


async def test_a_heartbeat_keeps_the_task(labeler, task):
    answer = await labeler.post(
        f"/api/v1/tasks/{task['id']}/heartbeat", json={"lease_token": task["lease_token"]}
    )

    assert answer.status_code == 200
    assert answer.json()["lease_expires_at"] >= task["lease_expires_at"]


async def test_an_expired_lease_is_refused_with_409_and_offered_again(app, labeler, project, task):
    await expire_leases(app)

    answer = await put(labeler, task, ranking_of(task))

    assert (answer.status_code, answer.json()["code"]) == (409, "lease_lost")
    assert await count(app, "rankings") == 0
    seen = set()
    for _ in range(3):
        leased = (await labeler.post(f"/api/v1/projects/{project}/tasks/next")).json()
        await put(labeler, leased, ranking_of(leased))
        seen.add(leased["id"])
    assert task["id"] in seen


async def test_who_comes_back_late_gets_the_same_task_with_a_new_lease(app, labeler, project, task):
    await expire_leases(app)

    again = (await labeler.post(f"/api/v1/projects/{project}/tasks/next")).json()

    assert (again["id"], again["responses"]) == (task["id"], task["responses"])
    assert again["lease_token"] != task["lease_token"]
    assert (await put(labeler, again, ranking_of(again))).status_code == 201
    assert await violations(app.state.engine) == {}


async def test_an_expired_task_goes_to_whoever_comes_first(
    app, admin, labeler, sign_up, project, task
):
    other = await sign_up("other@example.org", "labeler")
    await admin.put(
        f"/api/v1/projects/{project}/members/other@example.org", json={"role": "labeler"}
    )
    await expire_leases(app)

    offered = []
    for _ in range(4):
        answer = await other.post(f"/api/v1/projects/{project}/tasks/next")
        if answer.status_code == 200:
            offered.append(answer.json()["id"])
            await put(other, answer.json(), ranking_of(answer.json()))
    late = await labeler.post(f"/api/v1/projects/{project}/tasks/next")

    assert task["id"] in offered
    assert late.status_code == 204
    assert (await put(labeler, task, ranking_of(task))).status_code == 404
    assert await violations(app.state.engine) == {}


async def test_who_asks_twice_at_once_when_late_gets_one_task(app, labeler, project, task):
    await expire_leases(app)

    answers = await asyncio.gather(
        *(labeler.post(f"/api/v1/projects/{project}/tasks/next") for _ in range(6))
    )

    assert {answer.json()["id"] for answer in answers} == {task["id"]}
    assert len({answer.json()["lease_token"] for answer in answers}) == 1


async def test_a_skipped_slate_goes_to_somebody_else_only(
    app, admin, labeler, sign_up, project, task
):
    skipped = await labeler.post(
        f"/api/v1/tasks/{task['id']}/skip",
        json={"lease_token": task["lease_token"], "reason": "expertise", "note": "law"},
    )

    assert skipped.status_code == 200, skipped.text
    for _ in range(2):
        leased = (await labeler.post(f"/api/v1/projects/{project}/tasks/next")).json()
        assert leased["prompt"] != task["prompt"]
        await put(labeler, leased, ranking_of(leased))
    assert (await labeler.post(f"/api/v1/projects/{project}/tasks/next")).status_code == 204
    other = await sign_up("other@example.org", "labeler")
    await admin.put(
        f"/api/v1/projects/{project}/members/other@example.org", json={"role": "labeler"}
    )
    assert (await other.post(f"/api/v1/projects/{project}/tasks/next")).json()["prompt"] == task[
        "prompt"
    ]
    assert await violations(app.state.engine) == {}


@pytest.mark.parametrize("note", [{}, {"note": None}, {"note": " \n"}])
async def test_another_reason_to_skip_has_to_be_said(labeler, task, note):
    skip = {"lease_token": task["lease_token"], "reason": "other"}

    refused = await labeler.post(f"/api/v1/tasks/{task['id']}/skip", json={**skip, **note})
    said = await labeler.post(
        f"/api/v1/tasks/{task['id']}/skip", json={**skip, "note": "The page is upside down."}
    )

    assert (refused.status_code, refused.json()["errors"][0]["loc"]) == (422, ["body", "note"])
    assert said.status_code == 200


async def test_submit_after_skip_and_skip_after_submit_are_conflicts(labeler, project, task):
    skip = {"lease_token": task["lease_token"], "reason": "technical"}
    await labeler.post(f"/api/v1/tasks/{task['id']}/skip", json=skip)
    late = await put(labeler, task, ranking_of(task))
    second = (await labeler.post(f"/api/v1/projects/{project}/tasks/next")).json()
    await put(labeler, second, ranking_of(second))
    late_skip = await labeler.post(
        f"/api/v1/tasks/{second['id']}/skip",
        json={"lease_token": second["lease_token"], "reason": "technical"},
    )

    assert (late.status_code, late.json()["code"]) == (409, "lease_lost")
    assert (late_skip.status_code, late_skip.json()["code"]) == (409, "already_submitted")


async def test_a_task_of_somebody_else_is_not_found(admin, sign_up, task):
    other = await sign_up("other@example.org", "labeler")

    for client in (other, admin):
        answer = await put(client, task, ranking_of(task))
        assert answer.status_code == 404


async def test_a_failing_commit_is_a_500_and_not_a_success(app, labeler, task, monkeypatch):
    async def fail(self):
        raise RuntimeError("the disk is gone")

    monkeypatch.setattr("sqlalchemy.ext.asyncio.AsyncSession.commit", fail)
    answer = await put(labeler, task, ranking_of(task))
    monkeypatch.undo()

    assert answer.status_code == 500
    assert "disk" not in answer.text
    assert await count(app, "rankings") == 0


def _without(body, name):
    body["responses"] = [{k: v for k, v in item.items() if k != name} for item in body["responses"]]


BREAKING = {
    "a response is missing": lambda b: b["responses"].pop(),
    "a response comes twice": lambda b: b["responses"][1].update(id=b["responses"][0]["id"]),
    "an unknown response": lambda b: b["responses"][0].update(id=999_999),
    "an extra response": lambda b: b["responses"].append({"id": 5, "rank": 1, "rating": 1}),
    "no responses": lambda b: b.update(responses=[]),
    "an id as text": lambda b: b["responses"][0].update(id=str(b["responses"][0]["id"])),
    "an id as a float": lambda b: b["responses"][0].update(id=1.0),
    "an id of true": lambda b: b["responses"][0].update(id=True),
    "a negative id": lambda b: b["responses"][0].update(id=-1),
    "an id of 2^63": lambda b: b["responses"][0].update(id=2**63),
    "an id of 30 digits": lambda b: b["responses"][0].update(id=10**30),
    "a rank of 0": lambda b: b["responses"][0].update(rank=0),
    "a rank of 10": lambda b: b["responses"][0].update(rank=10),
    "no rank": lambda b: _without(b, "rank"),
    "no rating": lambda b: _without(b, "rating"),
    "a rating of 0": lambda b: b["responses"][0].update(rating=0),
    "a rating of 8": lambda b: b["responses"][0].update(rating=8),
    "a rating of 3.5": lambda b: b["responses"][0].update(rating=3.5),
    "a rating as text": lambda b: b["responses"][0].update(rating="3"),
    "a rating of true": lambda b: b["responses"][0].update(rating=True),
    "a rank beside cannot_judge": lambda b: b["responses"][0].update(cannot_judge=True),
    "an unknown flag": lambda b: b["responses"][0].update(flags=["nonsense"]),
    "a flag twice": lambda b: b["responses"][0].update(flags=["hallucination"] * 2),
    "NUL in the note": lambda b: b.update(note="a\x00b"),
    "a note of 100,000 characters": lambda b: b.update(note="x" * 100_000),
    "an unknown field": lambda b: b.update(labeler_id=1),
    "an unknown field of a response": lambda b: b["responses"][0].update(project_id=1),
    "a created_at": lambda b: b.update(created_at="2020-01-01"),
    "a lease token that is no UUID": lambda b: b.update(lease_token="x"),
}


@pytest.mark.parametrize("what", BREAKING)
async def test_a_broken_ranking_is_refused_and_nothing_is_stored(what, app, labeler, task):
    body = ranking_of(task)
    BREAKING[what](body)

    answer = await put(labeler, task, body)

    assert answer.status_code == 422, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert set(answer.json()) == {
        "type",
        "title",
        "status",
        "code",
        "detail",
        "errors",
        "request_id",
    }
    assert await count(app, "rankings") == 0
    assert (await put(labeler, task, ranking_of(task))).status_code == 201


RAW = {
    "an array": (b"[]", 422),
    "null": (b"null", 422),
    "a text": (b'""', 422),
    "nothing": (b"", 400),
    "not UTF-8": (b"\xff\xfe", 400),
    "half of it": (b'{"lease_token": "', 400),
    "NaN": (b'{"active_ms": NaN}', 400),
    "Infinity": (b'{"active_ms": Infinity}', 400),
    "1e400": (b'{"active_ms": 1e400}', 422),
    "a duplicate key": (b'{"note": "a", "note": "b"}', 422),
    "deep nesting": (b"[" * 100_000 + b"]" * 100_000, 400),
    "a number of 5,000 digits": (b'{"active_ms": ' + b"9" * 5000 + b"}", 400),
    "a lone surrogate": (b'{"note": "\\ud800"}', 422),
}


@pytest.mark.parametrize("what", RAW)
async def test_a_body_that_is_no_ranking_is_refused_without_echo(what, labeler, task):
    content, status = RAW[what]

    answer = await labeler.put(
        f"/api/v1/tasks/{task['id']}/ranking",
        content=content,
        headers={"Content-Type": "application/json", "Idempotency-Key": str(uuid.uuid4())},
    )

    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert len(answer.content) < 5000


@pytest.mark.parametrize(
    "content_type",
    ["text/plain", "application/json; charset=utf-16", "application/x-www-form-urlencoded", ""],
)
async def test_another_content_type_is_refused_with_415(content_type, labeler, task):
    answer = await labeler.put(
        f"/api/v1/tasks/{task['id']}/ranking",
        content=json.dumps(ranking_of(task)).encode(),
        headers={"Content-Type": content_type, "Idempotency-Key": str(uuid.uuid4())},
    )

    assert answer.status_code == 415


@pytest.mark.parametrize(
    "key", [None, "", "1", "x" * 10_000, "{00000000-0000-4000-8000-000000000000}"]
)
async def test_a_missing_or_malformed_idempotency_key_is_refused_with_400(key, labeler, task):
    headers = {} if key is None else {"Idempotency-Key": key}

    answer = await labeler.put(
        f"/api/v1/tasks/{task['id']}/ranking", json=ranking_of(task), headers=headers
    )

    assert (answer.status_code, answer.json()["code"]) == (400, "bad_idempotency_key")


async def test_a_body_of_two_megabytes_is_refused_with_413(labeler, task):
    answer = await put(labeler, task, ranking_of(task, note="x" * 2_000_000))

    assert answer.status_code == 413
    assert answer.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize("task_id", ["1_000", "+1", "%201", "1.0", "0", "-1", "x", "9" * 30])
async def test_a_path_id_that_is_no_plain_number_is_refused(task_id, labeler):
    answer = await labeler.post(
        f"/api/v1/tasks/{task_id}/heartbeat", json={"lease_token": str(uuid.uuid4())}
    )

    assert answer.status_code == 422


@pytest.mark.parametrize("method", ["POST", "DELETE", "FOO"])
async def test_another_method_is_refused_with_405(method, labeler, task):
    answer = await labeler.request(method, f"/api/v1/tasks/{task['id']}/ranking", json={})

    assert answer.status_code == 405


@pytest.mark.parametrize("active_ms", [-5, 10 * 86_400_000])
async def test_the_browsers_clock_is_clamped_and_never_refused(active_ms, app, labeler, task):
    answer = await put(labeler, task, ranking_of(task, active_ms=active_ms))

    assert answer.status_code == 201, answer.text
    async with transaction(app.state.engine) as tx:
        stored = await tx.scalar(text("select active_ms from rankings"))
    assert 0 <= stored <= 86_400_000


async def test_the_form_of_a_browser_without_scripts_is_stored_once(
    app, slates, browser_for, admin
):
    browser = await browser_for("plain@example.org", "labeler")
    await admin.put("/api/v1/projects/demo/members/plain@example.org", json={"role": "labeler"})
    await browser.post("/projects/demo/guidelines/read", data={"version": "1"})
    html = (await browser.get("/projects/demo/label")).text
    lease_token = html.split('name="lease_token" value="')[1].split('"')[0]
    async with transaction(app.state.engine) as tx:
        task = (
            await tx.execute(
                text("select id, display_order from tasks where labeler_id is not null")
            )
        ).one()
    form = {"lease_token": lease_token}
    for position, response_id in enumerate(task.display_order):
        form |= {f"rank-{response_id}": str(position + 1), f"rating-{response_id}": "4"}

    empty = await browser.post(f"/projects/demo/label/{task.id}", data={"lease_token": lease_token})
    short = await browser.post(
        f"/projects/demo/label/{task.id}",
        data={**form, f"rank-{task.display_order[1]}": ""},
        headers={"accept-language": "de"},
    )
    unsaid = await browser.post(
        f"/projects/demo/label/{task.id}/skip", data={"lease_token": lease_token, "reason": "other"}
    )
    first = await browser.post(f"/projects/demo/label/{task.id}", data=form)
    second = await browser.post(f"/projects/demo/label/{task.id}", data=form)

    assert (empty.status_code, short.status_code, unsaid.status_code) == (422, 422, 422)
    assert "Say in the note what the reason is." in unsaid.text
    assert "Antwort B braucht einen Rang, 1 ist der beste" in short.text
    assert (first.status_code, second.status_code) == (303, 303)
    assert await count(app, "rankings") == 1
    assert await count(app, "comparisons") == 6


async def test_what_the_labeler_was_asked_about_is_stored_with_what_they_did(app, labeler, task):
    first, second = (response["id"] for response in task["responses"][:2])
    warnings = [
        {"kind": "conflict", "responses": [second, first], "action": "kept"},
        {"kind": "fast", "responses": [], "action": "changed"},
    ]

    answer = await put(labeler, task, ranking_of(task, warnings=warnings))
    corrected = await put(labeler, task, ranking_of(task, note="once more"))

    assert (answer.status_code, corrected.status_code) == (201, 201)
    async with transaction(app.state.engine) as tx:
        stored = await tx.scalars(text("select warnings from rankings order by version"))
        assert stored.all() == [warnings, []]


@pytest.mark.parametrize(
    "warning",
    [
        {"kind": "conflict", "responses": [2**40], "action": "kept"},
        {"kind": "mood", "responses": [], "action": "kept"},
        {"kind": "fast", "responses": [], "action": "kept", "more": 1},
        {"kind": "fast"},
    ],
)
async def test_warnings_that_make_no_sense_are_refused(warning, labeler, task):
    answer = await put(labeler, task, ranking_of(task, warnings=[warning]))

    assert answer.status_code == 422
    assert "warnings" in answer.json()["errors"][0]["loc"]
