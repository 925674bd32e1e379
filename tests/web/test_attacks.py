"""Hostile and unlucky requests beyond those of each domain's own tests.

B055, B065 to B068, B078, B082, B116 to B118, B120 and B121 of bad input, and what the fuzz found.
"""

import asyncio
import uuid

import pytest
from sqlalchemy import text

from app.db import transaction
from app.invariants import violations
from app.web.static import static_url
from tests.cpu_time import cpu_time
from tests.web.inhabited import every_call, inhabit, rank, ranking_of

API = "/api/v1"
HUGE = 10**30
PASSWORD = "correct horse 7"


@pytest.fixture
async def world(app, admin, labeler):
    return await inhabit(app, admin, labeler, email="labeler@example.org")


@pytest.mark.parametrize(
    "path",
    [
        "/api/v1/models/%00",
        "/api/v1/projects/%00",
        "/api/v1/projects/%00/agreement",
        "/models/%00",
        "/projects/a%00b/label",
        "/%00",
        "/static/%00",
        "/static/css/base.css%00.js",
    ],
)
async def test_a_nul_in_a_path_is_not_found(path, admin):
    assert (await admin.get(path)).status_code == 404


async def test_a_nul_in_a_project_of_a_post_is_not_found(labeler):
    assert (await labeler.post(f"{API}/projects/%00/tasks/next")).status_code == 404


@pytest.mark.parametrize("number", [HUGE, 2**63, 0, -1, "1_0", "+1"])
@pytest.mark.parametrize("path", ["/account/tokens/{}/revoke", "/users/{}/disable"])
async def test_an_id_in_a_form_address_that_is_no_id_is_refused(path, number, admin_browser):
    assert (await admin_browser.post(path.format(number))).status_code in (404, 422)


@pytest.mark.parametrize("path", ["//[", "/[", "//[::1", "http://[", "/" + "[" * 400])
async def test_a_next_that_is_no_address_still_shows_the_sign_in_page(path, client):
    shown = await client.get("/sign-in", params={"next": path}, headers={"accept": "text/html"})
    tried = await client.post("/sign-in", data={"email": "a@e.org", "password": "x", "next": path})

    assert (shown.status_code, tried.status_code) == (200, 401)


async def test_a_user_with_nul_in_the_name_is_refused_at_the_form(admin_browser):
    form = {"email": "new@example.org", "name": "a\x00b", "role": "labeler", "password": PASSWORD}
    answer = await admin_browser.post("/users", data=form)

    assert answer.status_code == 422
    assert "new@example.org" in answer.text


async def test_nul_in_the_name_of_a_model_is_refused(admin_browser, project):
    parent = {"name": "N", "kind": "base", "location": "x", "parent": "\x00"}
    base = {"kind": "reward", "base_model": "\x00"}

    assert (await admin_browser.post("/models", data=parent)).status_code == 422
    assert (await admin_browser.post(f"/projects/{project}/runs", data=base)).status_code == 422


@pytest.mark.parametrize("name", ["rank", "rating"])
async def test_a_number_of_5000_digits_in_the_ranking_form_is_refused(name, world, labeler):
    task = (await labeler.post(f"{API}/projects/demo/tasks/next")).json()
    form = {"lease_token": task["lease_token"], f"{name}-{task['responses'][0]['id']}": "9" * 5000}

    answer = await labeler.post(f"/projects/demo/label/{task['id']}", data=form)

    assert answer.status_code == 422
    answer = await labeler.post(
        f"/projects/demo/label/{task['id']}", data={f"rank-{'9' * 5000}": "1"}
    )
    assert answer.status_code == 422


LISTS = ("projects/demo/prompts", "projects/demo/rounds/1", "projects/demo/runs")


@pytest.mark.parametrize("path", LISTS)
@pytest.mark.parametrize(
    "limit", ["0", "-1", "1e9", "abc", "1_000", "%205", "%2B5", "5.0", "%D9%A3", "9" * 30, ""]
)
async def test_a_limit_that_is_no_plain_number_in_range_is_refused(path, limit, world, admin):
    answer = await admin.get(f"{API}/{path}?limit={limit}")

    assert answer.status_code == 422
    assert (await admin.get(f"{API}/{path}?limit=5")).status_code == 200


@pytest.mark.parametrize(
    "query", ["offset=1", "sort=password", "limit=1&limit=2", "format=xml", "LIMIT=1", "limit[]=1"]
)
@pytest.mark.parametrize("path", LISTS)
async def test_a_query_parameter_that_is_unknown_or_repeated_is_refused(path, query, world, admin):
    answer = await admin.get(f"{API}/{path}?{query}")

    assert answer.status_code == 422
    assert answer.json()["errors"][0]["loc"] == ["query", query.partition("=")[0]]


async def test_static_files_are_kept_with_their_hash_and_asked_for_again_without(client):
    module = await client.get("/static/js/theme.js")
    kept = await client.get(static_url("js/theme.js"))
    of_an_earlier_release = await client.get("/static/v-0123456789ab/js/theme.js")
    missing = await client.get("/static/js/nothing.js")

    assert module.headers["cache-control"] == "no-cache"
    assert kept.headers["cache-control"] == "public, max-age=31536000, immutable"
    assert of_an_earlier_release.headers["cache-control"] == "no-cache"
    assert module.text == kept.text == of_an_earlier_release.text
    assert (missing.status_code, missing.headers["cache-control"]) == (404, "no-store")
    again = await client.get(
        "/static/js/theme.js", headers={"if-none-match": module.headers["etag"]}
    )
    assert (again.status_code, again.content) == (304, b"")


async def test_static_files_are_compressed_for_who_takes_it(client):
    packed = await client.get("/static/css/base.css", headers={"accept-encoding": "gzip"})
    plain = await client.get("/static/css/base.css", headers={"accept-encoding": "identity"})

    assert packed.headers["content-encoding"] == "gzip"
    assert int(packed.headers["content-length"]) < len(plain.content) / 2
    assert "content-encoding" not in plain.headers
    assert packed.text == plain.text


@pytest.mark.parametrize(
    ("cookie", "told"), [("dark", ' data-theme="dark"'), ('"><script>', ""), ("blue", "")]
)
async def test_a_page_is_made_in_the_theme_of_the_cookie_if_it_is_one(cookie, told, client):
    page = await client.get("/sign-in", headers={"cookie": f"podium_theme={cookie}"})

    assert f'<html lang="en" dir="ltr"{told}>' in page.text


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE"])
async def test_static_files_are_only_read(method, client):
    answer = await client.request(method, "/static/js/theme.js")

    assert (answer.status_code, answer.headers["allow"]) == (405, "GET, HEAD")


@pytest.mark.parametrize(
    "path",
    [
        "%2e%2e/pyproject.toml",
        "..%2fpyproject.toml",
        "..%5cpyproject.toml",
        "%c0%ae%c0%ae/pyproject.toml",
        "%252e%252e/pyproject.toml",
        "/etc/passwd",
        "css",
        "",
        "x" * 5000,
    ],
)
async def test_nothing_outside_the_static_folder_is_served(path, client):
    assert (await client.get(f"/static/{path}")).status_code == 404


async def test_ten_thousand_ranges_take_no_time(client):
    with cpu_time() as taken:
        answer = await client.get(
            "/static/js/theme.js", headers={"range": "bytes=0-0," + "1-1," * 10_000 + "2-2"}
        )

    assert answer.status_code in (200, 206, 400, 416)
    assert taken.seconds < 1


async def test_two_hosts_are_refused(client):
    answer = await client.get("/healthz", headers=[("host", "localhost"), ("host", "evil.com")])

    assert answer.status_code == 400


async def test_head_has_the_headers_of_get_on_every_page(app, world, admin, admin_browser):
    for call in every_call(app):
        if call.is_safe and not call.template.endswith("openapi.json"):
            client = admin if call.is_api else admin_browser
            path = world.path(call.template)
            got, headed = await client.get(path), await client.head(path)
            assert headed.status_code == got.status_code, call
            # A redirect has no body, so no type of one.
            assert headed.headers.get("content-type") == got.headers.get("content-type"), call
            assert headed.headers["content-security-policy"]
            assert headed.content == b"", call


@pytest.mark.parametrize("method", ["OPTIONS", "TRACE", "FOO"])
async def test_other_methods_are_405_without_cors_headers(method, app, world, admin):
    for call in every_call(app):
        answer = await admin.request(
            method, world.path(call.template), headers={"origin": "http://localhost"}
        )
        assert answer.status_code == 405, call
        assert not [name for name in answer.headers if name.startswith("access-control")]


async def test_a_get_with_a_body_and_override_headers_is_an_ordinary_get(world, admin):
    answer = await admin.request(
        "GET", f"{API}/projects", content=b"{", headers={"x-http-method-override": "DELETE"}
    )

    assert answer.status_code == 200


HOSTILE = "</textarea><script>alert(1)</script><img src=x onerror=alert(1)> 👍 {{7*7}} \"'&"


async def test_hostile_texts_are_stored_as_they_are_and_escaped_on_every_page(
    app, world, admin, admin_browser, labeler, labeler_browser
):
    task = (await labeler.post(f"{API}/projects/demo/tasks/next")).json()
    body = ranking_of(task, note=HOSTILE)
    body["responses"][0]["note"] = HOSTILE
    stored = await labeler.put(
        f"{API}/tasks/{task['id']}/ranking",
        json=body,
        headers={"idempotency-key": str(uuid.uuid4())},
    )
    assert stored.status_code == 201, stored.text
    skipped = (await labeler.post(f"{API}/projects/demo/tasks/next")).json()
    await labeler.post(
        f"{API}/tasks/{skipped['id']}/skip",
        json={"lease_token": skipped["lease_token"], "reason": "other", "note": HOSTILE},
    )
    async with transaction(app.state.engine) as tx:
        assert await tx.scalar(text("select max(note) from rankings")) == HOSTILE
        for table, column in (
            ("projects", "name"), ("users", "name"), ("guideline_versions", "text"),
            ("responses", "model_name"), ("responses", "text"), ("prompts", "external_id"),
            ("prompts", "group_key"), ("flags", "label"), ("api_tokens", "name"), ("runs", "error"),
        ):  # fmt: skip
            await tx.execute(
                text(f"update {table} set {column} = {column} || :hostile"
                     if table != "runs" else "update runs set error = :hostile"),
                {"hostile": HOSTILE},
            )  # fmt: skip
        await tx.execute(
            text("update prompts set tags = array[:hostile], "
                 "messages = jsonb_build_array(jsonb_build_object("
                 "'role', 'user', 'content', cast(:hostile as text)))"),
            {"hostile": HOSTILE},
        )  # fmt: skip
        await tx.execute(
            text("insert into project_members (project_id, user_id, pseudonym) select p.id, u.id, "
                 "'L-09' from projects p, users u where p.slug = 'demo' "
                 "and u.email = 'labeler.browser@example.org'")
        )  # fmt: skip
    for call in every_call(app):
        if call.is_safe and not call.is_api:
            for browser in (admin_browser, labeler_browser):
                page = await browser.get(world.path(call.template))
                assert page.status_code < 500, call
                assert "<script>alert" not in page.text, call
                assert "<img" not in page.text, call


async def test_two_tabs_that_submit_at_once_store_one_ranking(app, world, labeler):
    task = (await labeler.post(f"{API}/projects/demo/tasks/next")).json()

    answers = await asyncio.gather(*(rank(labeler, task) for _ in range(6)))

    assert {answer.status_code for answer in answers} <= {201, 409}
    async with transaction(app.state.engine) as tx:
        current = await tx.scalar(
            text("select count(*) from rankings where task_id = :id and is_current"),
            {"id": task["id"]},
        )
    assert current == 1
    assert await violations(app.state.engine) == {}


async def test_a_labeler_who_is_disabled_in_a_task_is_out_and_the_task_comes_back(
    app, world, admin, admin_browser, labeler, sign_up
):
    task = (await labeler.post(f"{API}/projects/demo/tasks/next")).json()
    disabled = await admin_browser.post(f"/users/{world.ids['user_id']}/disable")
    assert disabled.status_code == 303

    assert (await rank(labeler, task)).status_code == 401
    async with transaction(app.state.engine) as tx:
        await tx.execute(text("update tasks set lease_expires_at = now() where status = 'leased'"))
    second = await sign_up("second@example.org", "labeler")
    await admin.put(f"{API}/projects/demo/members/second@example.org", json={"role": "labeler"})
    offered = []
    while (found := await second.post(f"{API}/projects/demo/tasks/next")).status_code == 200:
        offered.append(found.json()["id"])
        assert (await rank(second, found.json())).status_code == 201
    assert task["id"] in offered
    assert await violations(app.state.engine) == {}


async def test_a_member_of_two_projects_holds_a_task_in_each(app, world, admin, labeler):
    await admin.put(f"{API}/projects/other/members/labeler@example.org", json={"role": "labeler"})

    here = (await labeler.post(f"{API}/projects/demo/tasks/next")).json()
    there = (await labeler.post(f"{API}/projects/other/tasks/next")).json()

    assert here["id"] != there["id"]
    # The responses of one task are not taken for the other.
    mixed = {**ranking_of(there), "lease_token": here["lease_token"]}
    answer = await labeler.put(
        f"{API}/tasks/{here['id']}/ranking",
        json=mixed,
        headers={"idempotency-key": str(uuid.uuid4())},
    )
    assert answer.json()["code"] == "not_a_permutation"
    assert (await rank(labeler, here)).status_code == 201
    assert (await rank(labeler, there)).status_code == 201
    assert await violations(app.state.engine) == {}


async def test_of_skips_and_submissions_at_once_one_wins(app, world, labeler):
    task = (await labeler.post(f"{API}/projects/demo/tasks/next")).json()
    skip = {"lease_token": task["lease_token"], "reason": "technical"}

    answers = await asyncio.gather(
        rank(labeler, task),
        labeler.post(f"{API}/tasks/{task['id']}/skip", json=skip),
        rank(labeler, task),
        labeler.post(f"{API}/tasks/{task['id']}/skip", json=skip),
    )

    statuses = [answer.status_code for answer in answers]
    assert set(statuses) <= {200, 201, 409}
    # Both rankings may be taken, the second as a correction; never a ranking and a skip.
    assert (201 in statuses) != (200 in statuses)
    assert await violations(app.state.engine) == {}


async def test_more_snapshots_at_once_than_the_pool_has_connections_are_all_made(app, world, admin):
    answers = await asyncio.gather(*(admin.post(f"{API}/projects/demo/datasets") for _ in range(8)))

    assert [answer.status_code for answer in answers] == [201] * 8
    assert len({answer.json()["id"] for answer in answers}) == 8
    assert await violations(app.state.engine) == {}


async def test_a_labeler_hoards_no_tasks(app, world, labeler):
    for _ in range(5):
        await asyncio.gather(*(labeler.post(f"{API}/projects/demo/tasks/next") for _ in range(4)))

    async with transaction(app.state.engine) as tx:
        held = await tx.scalar(text("select count(*) from tasks where status = 'leased'"))
    assert held == 1


@pytest.mark.parametrize(
    ("path", "form"),
    [
        ("/users", {"email": "labeler@example.org", "role": "labeler", "password": PASSWORD}),
        ("/account/tokens", {"name": "", "days": "1"}),
        ("/account/password", {"current": "wrong", "new": PASSWORD}),
        ("/projects/new", {"slug": "demo", "name": "N", "guidelines": "g",
                           "labels_per_slate": "1", "overlap_share": "0"}),
        ("/projects/demo/members", {"email": "nobody@example.org"}),
        ("/projects/demo/settings", {"name": "", "labels_per_slate": "1", "overlap_share": "0"}),
        ("/projects/demo/guidelines", {"text": "new", "base_version": "9"}),
        ("/projects/demo/rounds", {"models": "nope", "responses_per_prompt": "4",
                                   "temperature": "1", "top_p": "1", "max_new_tokens": "8"}),
        ("/projects/demo/runs", {"kind": "reward", "base_model": "nope"}),
        ("/models", {"name": "N", "kind": "sft", "location": "/nowhere"}),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)  # fmt: skip
async def test_a_refused_form_leaves_nothing_half_written(path, form, app, world, admin_browser):
    before = await world.rows()
    answer = await admin_browser.post(path, data=form)

    assert 400 <= answer.status_code < 500
    assert "<form" in answer.text
    assert await world.rows() == before
    assert await violations(app.state.engine) == {}
