"""Who may call what, over every route that there is: a new route is in here without being named."""

import re

import pytest

from app.invariants import violations
from tests.web.inhabited import MODEL, OTHER, every_call, inhabit

# What a person without an account sees, and a program that watches over the server.
OPEN = {"/sign-in", "/sign-out", "/healthz", "/readyz"}
# What labelers may call; everything else is for admins.
FOR_LABELERS = {
    "/", "/projects", "/projects/{slug}", "/projects/{slug}/guidelines/read",
    "/projects/{slug}/guidelines/changes", "/projects/{slug}/me", "/projects/{slug}/me/goal",
    "/projects/{slug}/me/tasks", "/projects/{slug}/me/drift.svg", "/projects/{slug}/me/drift.csv",
    "/projects/{slug}/disagreements/{ranking_id}",
    "/projects/{slug}/label", "/projects/{slug}/label/{task_id}", "/projects/{slug}/label/ahead",
    "/projects/{slug}/label/earlier", "/projects/{slug}/label/{task_id}/skip",
    "/projects/{slug}/label/{task_id}/report",
    "/account", "/account/tokens", "/account/tokens/{token_id}/revoke", "/account/password",
    "/account/sign-out-everywhere", "/account/preferences", "/api/v1/me/preferences",
    "/api/v1/openapi.json", "/api/v1/projects", "/api/v1/projects/{slug}",
    "/api/v1/projects/{slug}/tasks/next", "/api/v1/tasks/{task_id}/heartbeat",
    "/api/v1/tasks/{task_id}/ranking", "/api/v1/tasks/{task_id}/skip",
    "/api/v1/tasks/{task_id}/draft", "/api/v1/tasks/{task_id}/events",
    "/api/v1/tasks/{task_id}/lease", "/api/v1/tasks/{task_id}/report",
    "/api/v1/tasks/{task_id}/differences", "/api/v1/projects/{slug}/me",
    "/api/v1/projects/{slug}/me/tasks", "/api/v1/projects/{slug}/disagreements/{ranking_id}",
    "/api/v1/projects/{slug}/disagreements/{ranking_id}/remarks",
}  # fmt: skip
# Imports check the content type before the project; anything sent is as good as JSON here.
JSON = {"content-type": "application/json"}
NDJSON = {"content-type": "application/x-ndjson"}


@pytest.fixture
async def member(app, admin, labeler):
    """The database of `inhabit`, with labeler@example.org in the project demo."""
    return await inhabit(app, admin, labeler, email="labeler@example.org")


@pytest.fixture
async def member_browser(member, admin, labeler_browser):
    await admin.put(
        "/api/v1/projects/demo/members/labeler.browser@example.org", json={"role": "labeler"}
    )
    return labeler_browser


def calls(app, *, of="", method=""):
    found = [
        call
        for call in every_call(app)
        if call.template not in OPEN and call.template.startswith(of) and method in call.method
    ]
    assert found
    return found


def is_admins(call):
    return call.template not in FOR_LABELERS or (call.method, call.template) == (
        "POST",
        "/api/v1/projects",
    )


def sent(call):
    """Something in the body, so that it is not the missing body that is refused."""
    if call.is_safe:
        return {}
    if not call.is_api:
        return {"data": {"x": "y"}}
    imports = r"({slug}/(prompts|demonstrations|pretraining)|/responses)$"
    is_import = re.search(imports, call.template)
    return {"content": b"{}", "headers": NDJSON if is_import else JSON}


def with_headers(extra, **headers):
    return {**extra, "headers": {**extra.get("headers", {}), **headers}}


async def test_the_list_of_routes_is_the_applications_own(app):
    listed = {(call.method.lower(), call.template) for call in every_call(app)}

    described = {
        (method, path) for path, methods in app.openapi()["paths"].items() for method in methods
    }
    assert described <= listed
    assert {path for _, path in listed} >= OPEN | FOR_LABELERS


async def test_nobody_gets_in_anywhere_without_signing_in(app, member, client):
    for call in calls(app):
        for accept in ("application/json", "text/html"):
            answer = await client.request(
                call.method, member.path(call.template), **with_headers(sent(call), accept=accept)
            )
            is_redirect = accept == "text/html" and call.is_safe and not call.is_api
            assert answer.status_code == (303 if is_redirect else 401), call
            if is_redirect:
                assert answer.headers["location"].startswith("/sign-in")


async def test_a_labeler_gets_into_no_route_of_admins(app, member, labeler, member_browser):
    for call in calls(app):
        if is_admins(call):
            client = labeler if call.is_api else member_browser
            answer = await client.request(call.method, member.path(call.template), **sent(call))
            assert answer.status_code in (403, 404), call
    assert await violations(app.state.engine) == {}


STEERING = re.compile(
    r"/(agreement|labelers|screening|remarks|lineage|leaderboard|exclusions|slates|rounds|reports"
    r"|responses)\b"
)


async def test_labelers_are_not_told_that_there_is_anything_to_steer_by(
    app, member, labeler, member_browser
):
    """Agreement, labelers, remarks, reports, rounds, lineage: of the own project and of others."""
    found = [call for call in calls(app) if is_admins(call) and STEERING.search(call.template)]
    for call in found:
        client = labeler if call.is_api else member_browser
        for slug in ("demo", OTHER):
            path = member.path(call.template, slug=slug)
            answer = await client.request(call.method, path, **sent(call))
            assert answer.status_code == 404, call
    assert len(found) > 50


async def test_a_labeler_finds_nothing_of_another_project(app, admin, member, labeler,
                                                          member_browser):  # fmt: skip
    async with app.state.engine.connect() as connection:
        rows = await connection.exec_driver_sql(
            "select t.id from tasks t join projects p on p.id = t.project_id "
            "where p.slug = 'other' limit 1"
        )
        foreign = rows.scalar_one()
    for call in calls(app):
        if {"{slug}", "{task_id}"} & set(re.findall(r"{\w+}", call.template)):
            client = labeler if call.is_api else member_browser
            path = member.path(call.template, slug=OTHER, task_id=foreign)
            path += {"ahead": "?beside=1", "earlier": "?than=1"}.get(path.split("/")[-1], "")
            extra = sent(call)
            if call.template.endswith("/read"):
                extra = {"data": {"version": "1"}}
            if call.is_api and "{task_id}" in call.template:
                extra = task_body(call)
            if call.template.endswith("/{ranking_id}/remarks"):
                extra = {"json": {"text": "x"}}
            if call.template.endswith("/differences"):
                extra = {"params": {"left": 1, "right": 2}}
            answer = await client.request(call.method, path, **extra)
            assert answer.status_code in ((403, 404) if is_admins(call) else (404,)), call


TASK_BODIES = {
    "draft": {"base_version": 0, "body": {}},
    "events": {
        "visit": "0" * 32,
        "events": [{"sequence": 0, "kind": "undo", "client_at": "2026-11-20T10:42:07Z"}],
    },
    "lease": {"display_order": [1]},
    "report": {"kind": "rendering"},
}


def task_body(call):
    if call.is_safe:
        return {}
    kind = call.template.split("/")[-1]
    if kind in TASK_BODIES:
        return {"json": TASK_BODIES[kind]}
    body = {"lease_token": "0" * 32}
    if call.template.endswith("/skip"):
        body["reason"] = "technical"
    if call.template.endswith("/ranking"):
        body["responses"] = [{"id": 1, "rank": 1, "rating": 1}]
    return {"json": body, "headers": {"idempotency-key": "0" * 8 + "-0000-4000-8000-" + "0" * 12}}


async def test_getting_never_writes(app, member, admin, labeler, admin_browser, member_browser):
    """The labeling screen leases a task, which changes a row but makes none."""
    before = await member.rows()

    for call in calls(app, method="GET"):
        for client in (admin, labeler, admin_browser, member_browser):
            answer = await client.request(call.method, member.path(call.template))
            assert answer.status_code < 500, call
    assert await member.rows() == before
    assert await violations(app.state.engine) == {}


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "https://evil.example"},
        {"origin": "null"},
        {"origin": "http://["},
        {"origin": "http://localhost.evil.example"},
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site", "origin": "http://localhost"},
        {"sec-fetch-site": "cross-site", "origin": "http://localhost"},
    ],
    ids=str,
)
async def test_no_route_is_written_from_another_site(app, member, admin_browser, headers):
    before = await member.rows()
    admin_browser.headers.pop("sec-fetch-site")

    for call in [*calls(app), *(c for c in every_call(app) if c.template in OPEN)]:
        if not call.is_safe:
            answer = await admin_browser.request(
                call.method, member.path(call.template), headers=headers, data={"x": "y"}
            )
            assert answer.status_code == 403, call
            assert answer.headers["x-request-id"]
    assert await member.rows() == before


async def test_text_plain_is_refused_wherever_a_body_is_read(app, member, admin):
    described = app.openapi()["paths"]
    checked = 0
    for path, methods in described.items():
        for method, operation in methods.items():
            if "requestBody" in operation:
                answer = await admin.request(
                    method.upper(), member.path(path), content=b"{}",
                    headers={"content-type": "text/plain"},
                )  # fmt: skip
                assert answer.status_code == 415, (method, path)
                checked += 1
    assert checked > 10


async def test_labelers_see_no_model_anywhere(app, member, labeler, member_browser):
    for call in calls(app, method="GET"):
        client = labeler if call.is_api else member_browser
        answer = await client.request(call.method, member.path(call.template))
        assert MODEL not in answer.text, call
    task = await labeler.post("/api/v1/projects/demo/tasks/next")
    assert MODEL not in task.text
    page = await member_browser.post(
        "/projects/demo/guidelines/read", data={"version": "1"}, follow_redirects=True
    )
    assert "Answer" in page.text
    assert MODEL not in page.text


async def test_an_admin_who_is_not_a_labeler_is_told_so_beside_the_projects_tabs(
    admin_browser, project
):
    shown = await admin_browser.get("/projects/demo/label")

    assert shown.status_code == 200
    assert "You are not a labeler of this project" in shown.text
    assert 'href="/projects/demo#members"' in shown.text
    assert 'href="/projects/demo/rounds"' in shown.text
