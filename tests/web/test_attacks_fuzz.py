"""Junk on every route and in every place: an answer soon, an error in the one form, no 500."""

import json
import random
import re

import pytest

from app.invariants import violations
from tests.cpu_time import cpu_time
from tests.web.inhabited import every_call, inhabit

MAX_CPU_SECONDS = 2
SEED = 2203
LONG = "x" * 8000
JUNK_PATHS = [
    "%00", "%ED%A0%80", "%FF", "..%2f..%2fetc%2fpasswd", "-1", "0", "1_000", "+1", "%201", "1.0",
    "9" * 30, str(2**63), str(2**31), "%D9%A3", LONG, "null", "'%20or%201=1--", "%7B%7B7*7%7D%7D",
    "%F0%9F%91%8D", "%0d%0aSet-Cookie:x=y", "[", "//", "%E2%80%AE",
]  # fmt: skip
SENDABLE = [
    "", " ", "\x00", "a\x00b", "-1", "0", "1.5", "1e400", "NaN", "inf", "1_000", "٣", "9" * 30,
    "9" * 5000, str(2**63), str(2**31), LONG, "'; drop table users;--", "{{7*7}}", "<script>",
    "\u202e", "👍", "//[", "[", "%", "true", "null", "a\r\nb", "\x1b", "﷽" * 200,
]  # fmt: skip
JUNK_VALUES = [
    None, True, False, 0, -1, 1, 1.5, 1e308, 2**31, 2**63, 10**30, "", "a", "\x00", "\ud800",
    [], {}, [[]], [None], {"a": {"b": [1]}}, ["x"] * 2000, LONG, "1", "0" * 36,
    "00000000-0000-4000-8000-000000000000",
]  # fmt: skip
JUNK_BODIES = [
    b"", b"[]", b"null", b'""', b"{", b"\xff\xfe{}", b"NaN", b'{"a":NaN}', b'{"a":1e400}',
    b'{"a":1,"a":2}', b"[" * 100_000, b'{"a":' * 50_000, b"9" * 100_000, b'"\\ud800"',
    b'"\\u0000"', b"\n" * 1000, b'{"prompt":"x"}\n\x00\n{"prompt":"\\u0000"}',
    b'{"prompt":"x","responses":[{"text":"\\ud800"},{"text":"b"}]}', b"\x1f\x8b\x08", b"PK\x03\x04",
    json.dumps({"prompt": "x", "responses": [{"text": "a"}] * 50}).encode(),
]  # fmt: skip
TYPES = [
    "application/json", "application/x-ndjson", "application/x-www-form-urlencoded",
    "multipart/form-data", "multipart/form-data; boundary=x", "text/plain", "",
    "application/json; charset=utf-16", "application/json;;;", "\xff",
]  # fmt: skip
# What routes name in their queries, and what some other might.
QUERY_NAMES = ("next", "base_model", "dataset", "page", "sort", "offset", "q", "\x00", "a[b]")


@pytest.fixture
async def world(app, admin, labeler):
    return await inhabit(app, admin, labeler, email="labeler@example.org")


async def check(client, method, path, **extra):
    """Send it; returns the answer when it is one that may be given."""
    with cpu_time() as taken:
        answer = await client.request(method, path, **extra)
    what = f"{method} {path[:200]} {str(extra)[:300]} -> {answer.status_code}"
    assert answer.status_code < 500 or answer.status_code == 501, what
    assert taken.seconds < MAX_CPU_SECONDS, what
    if answer.status_code >= 400 and path.startswith("/api/"):
        assert answer.headers["content-type"] == "application/problem+json", what
        assert answer.json()["request_id"] == answer.headers["x-request-id"]
    return answer


def placeholders(template):
    return re.findall(r"{(\w+)}", template)


async def test_junk_in_the_path_is_refused(app, world, admin, labeler, admin_browser):
    chance = random.Random(SEED)
    for call in every_call(app):
        for name in placeholders(call.template):
            for junk in chance.sample(JUNK_PATHS, 12):
                path = world.path(call.template, **{name: junk})
                client = chance.choice((admin, labeler)) if call.is_api else admin_browser
                extra = {"json": {}} if call.is_api else {"data": {"x": "y"}}
                await check(client, call.method, path, **({} if call.is_safe else extra))
    assert await violations(app.state.engine) == {}


async def test_junk_in_the_query_is_refused_or_ignored(app, world, admin, admin_browser):
    chance = random.Random(SEED)
    for call in every_call(app):
        client = admin if call.is_api else admin_browser
        for name in call.query if call.is_safe else ():
            for junk in chance.sample(SENDABLE, 4):
                await check(client, "GET", world.path(call.template), params={name: junk[:2000]})
        unknown = {name: chance.choice(SENDABLE)[:500] for name in QUERY_NAMES}
        if call.is_safe:
            await check(client, "GET", world.path(call.template), params=unknown)
    assert await violations(app.state.engine) == {}


ENDS_SESSIONS = ("/sign-out", "/account/sign-out-everywhere")


async def test_a_body_that_is_junk_is_refused(app, world, admin, labeler, admin_browser):
    before = await world.rows()
    chance = random.Random(SEED)
    for call in every_call(app):
        if call.is_safe or call.template in ENDS_SESSIONS:
            continue
        client = admin if call.is_api else admin_browser
        if call.template.startswith("/api/v1/tasks"):
            client = labeler
        for body in JUNK_BODIES:
            kind = chance.choice(TYPES).encode("latin-1")
            await check(
                client, call.method, world.path(call.template, action="enable"), content=body,
                headers={"content-type": kind, "idempotency-key": "0" * 36},
            )  # fmt: skip
    assert await violations(app.state.engine) == {}
    changed = {name for name, rows in (await world.rows()).items() if rows != before[name]}
    # A form without fields makes a dataset and removes a flag; imports take what lines are sound;
    # a call without a body asks for one more label, which is a decision.
    allowed = {"login_attempts", "datasets", "flags", "prompts", "rounds", "slates", "responses"}
    assert changed <= {*allowed, "tasks", "slate_decisions"}


def fields_of(app, call):
    """The names of the fields that the call's body or form has."""
    operation = app.openapi()["paths"].get(call.template, {}).get(call.method.lower(), {})
    content = operation.get("requestBody", {}).get("content", {}).get("application/json", {})
    name = content.get("schema", {}).get("$ref", "").rpartition("/")[2]
    return list(app.openapi()["components"]["schemas"].get(name, {}).get("properties", {}))


async def test_junk_in_any_field_of_a_json_body_is_refused(app, world, admin, labeler):
    chance = random.Random(SEED)
    for call in every_call(app):
        names = fields_of(app, call)
        client = labeler if call.template.startswith("/api/v1/tasks") else admin
        for _ in range(60 if names else 0):
            body = {name: chance.choice(JUNK_VALUES) for name in names if chance.random() < 0.8}
            await check(
                client, call.method, world.path(call.template), content=json.dumps(body).encode(),
                headers={"content-type": "application/json", "idempotency-key": "0" * 36},
            )  # fmt: skip
    assert await violations(app.state.engine) == {}


FORM_NAMES = {
    "/sign-in": ["email", "password", "next"],
    "/account/tokens": ["name", "days"],
    "/account/password": ["current", "new"],
    "/users": ["email", "name", "role", "password"],
    "/projects/new": ["slug", "name", "guidelines", "labels_per_slate", "overlap_share"],
    "/projects/{slug}/members": ["email"],
    "/projects/{slug}/settings": ["name", "labels_per_slate", "overlap_share"],
    "/projects/{slug}/guidelines": ["text", "base_version"],
    "/projects/{slug}/guidelines/read": ["version"],
    "/projects/{slug}/rounds": [
        "models", "responses_per_prompt", "temperature", "top_p", "max_new_tokens", "seed",
        "split", "limit", "labels_per_slate", "overlap_share", "gold_share", "anchor_share",
        "repeat_share",
    ],
    "/models": ["name", "kind", "location", "parent"],
    "/projects/{slug}/runs": [
        "kind", "base_model", "reward_model", "dataset", "request_key", "settings.learning_rate",
        "settings.seed", "settings.epochs", "settings.batch_size", "settings.nope",
    ],
}  # fmt: skip
GOOD = {
    "kind": "reward", "name": "N", "slug": "s", "guidelines": "g", "labels_per_slate": "1",
    "overlap_share": "0", "email": "a@example.org", "role": "labeler", "password": "long enough 1",
    "version": "1", "text": "t", "days": "1", "responses_per_prompt": "4", "temperature": "1",
    "top_p": "1", "max_new_tokens": "8", "location": "x", "current": "x", "new": "y",
}  # fmt: skip


async def test_junk_in_any_field_of_a_form_is_refused(app, world, admin_browser):
    for template, names in FORM_NAMES.items():
        for name in names:
            for junk in SENDABLE:
                form = {key: GOOD.get(key, "") for key in names} | {name: junk}
                await check(admin_browser, "POST", world.path(template), data=form)
    assert await violations(app.state.engine) == {}


async def test_junk_in_the_ranking_form_is_refused(app, world, labeler):
    task = (await labeler.post("/api/v1/projects/demo/tasks/next")).json()
    first = task["responses"][0]["id"]
    names = [f"{field}-{first}" for field in ("rank", "rating", "flags", "note", "cannot_judge")]
    for name in (*names, "lease_token", "note", "rank-", "rank-x", "rank-" + "9" * 5000):
        for junk in SENDABLE:
            form = {"lease_token": task["lease_token"], f"rank-{first}": "1", name: junk}
            await check(labeler, "POST", f"/projects/demo/label/{task['id']}", data=form)
    assert await violations(app.state.engine) == {}


JUNK_HEADERS = [
    b"", b"\xff", b"a" * 8000, b"//[", b"podium=\xff", b"Bearer \xff", b"-1", b"\t",
    b"bytes=0-0," + b"1-1," * 1000,
]  # fmt: skip
HEADER_NAMES = [
    "authorization", "cookie", "origin", "sec-fetch-site", "accept", "hx-request", "range",
    "x-forwarded-for", "x-http-method-override", "if-none-match", "accept-encoding",
    "content-length", "idempotency-key", "content-type",
]  # fmt: skip


async def test_junk_in_headers_is_refused_or_ignored(client):
    for name in HEADER_NAMES:
        for junk in JUNK_HEADERS:
            for path in ("/healthz", "/", "/sign-in", "/static/css/base.css", "/api/v1/projects"):
                await check(client, "GET", path, headers={name: junk})
            await check(client, "POST", "/sign-in", headers={name: junk}, content=b"email=a")
