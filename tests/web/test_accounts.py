"""Signing in and out, passwords, tokens and users; B001 to B015 and B058 to B063 of bad input."""

import httpx2
import pytest
from sqlalchemy import text

from app.accounts.commands import MAX_FAILURES, create_user
from app.accounts.pages import safe_next
from app.accounts.tokens import is_api_token, new_api_token
from app.db import transaction

PASSWORD = "a long enough password"


@pytest.fixture
async def mira(app):
    async with transaction(app.state.engine) as tx:
        return await create_user(
            tx, email="Mira@Example.org ", name="Mira", role="labeler", password=PASSWORD
        )


@pytest.fixture
async def browser(open_client) -> httpx2.AsyncClient:
    """A browser that nobody has signed in with."""
    return await open_client(**{"accept": "text/html", "sec-fetch-site": "same-origin"})


async def sign_in(browser, password=PASSWORD, email="mira@example.org", **form):
    return await browser.post("/sign-in", data={"email": email, "password": password, **form})


async def count(app, table):
    async with transaction(app.state.engine) as tx:
        return await tx.scalar(text(f"select count(*) from {table}"))


async def test_the_right_password_opens_a_session_in_a_safe_cookie(browser, mira):
    answer = await sign_in(browser)

    assert answer.status_code == 303
    cookie = answer.headers["set-cookie"].lower()
    assert "httponly" in cookie
    assert "samesite=lax" in cookie
    assert (await browser.get("/account")).status_code == 200


async def test_the_address_is_the_same_in_any_case_and_with_spaces(browser, mira):
    assert (await sign_in(browser, email="  MIRA@example.ORG")).status_code == 303


@pytest.mark.parametrize(
    ("email", "password"),
    [
        ("mira@example.org", "wrong password"),
        ("nobody@example.org", PASSWORD),
        ("' or 1=1 --", PASSWORD),
        ("{{7*7}}", PASSWORD),
        ("mira@example.org", PASSWORD + " "),
    ],
)
async def test_every_failure_looks_the_same(email, password, browser, mira):
    answer = await sign_in(browser, password, email)

    assert answer.status_code == 401
    assert "Email address and password do not fit." in answer.text
    assert password not in answer.text
    assert "set-cookie" not in answer.headers


@pytest.mark.parametrize(
    "form",
    [
        {"email": "", "password": PASSWORD},
        {"email": "mira@example.org", "password": ""},
        {},
        {"email": "mira@example.org", "password": "x" * 257},
        {"email": "mira@example.org", "password": "a\x00b"},
        {"email": "mira\x00@example.org", "password": PASSWORD},
    ],
)
async def test_an_incomplete_sign_in_is_422_without_echo(form, browser, mira):
    answer = await browser.post("/sign-in", data=form)

    assert answer.status_code == 422
    assert "Enter your email address and your password." in answer.text
    assert form.get("password", "-") not in answer.text or not form.get("password")


async def test_a_password_of_ten_megabytes_is_413_before_hashing(browser, mira):
    assert (await sign_in(browser, "x" * 10_000_000)).status_code == 413


async def test_a_password_with_spaces_and_emoji_is_verified_exactly(app, browser):
    password = "  pässwörd 🔑 x "
    async with transaction(app.state.engine) as tx:
        await create_user(tx, email="a@b.c", name="A", role="labeler", password=password)

    assert (await sign_in(browser, password, "a@b.c")).status_code == 303
    assert (await sign_in(browser, password.strip(), "a@b.c")).status_code == 401


async def test_too_many_failures_are_429_with_retry_after_and_end(app, browser, mira):
    for _ in range(MAX_FAILURES["pair"]):
        assert (await sign_in(browser, "wrong password")).status_code == 401

    limited = await sign_in(browser)
    async with transaction(app.state.engine) as tx:
        await tx.execute(text("update login_attempts set at = at - interval '16 minutes'"))
    later = await sign_in(browser)

    assert limited.status_code == 429
    assert 0 < int(limited.headers["retry-after"]) <= 900
    assert later.status_code == 303


async def test_failures_are_counted_without_storing_who_or_where(app, browser, mira):
    await sign_in(browser, "wrong password")

    async with transaction(app.state.engine) as tx:
        keys = list(await tx.scalars(text("select key from login_attempts")))
    assert sorted(key.partition(":")[0] for key in keys) == ["account", "address", "pair"]
    assert not any("mira" in key or "127.0.0.1" in key for key in keys)


@pytest.mark.parametrize(
    "path",
    ["//evil", "///evil", "\\\\evil", "/\\evil", "https:evil", "https://evil", "javascript:x",
     "/%0d%0aSet-Cookie:x", "/" + "x" * 8000, "evil", "", "/\tevil"],
)  # fmt: skip
def test_a_next_that_leaves_the_site_becomes_the_home_page(path):
    assert safe_next(path) == "/"


def test_a_next_on_the_site_is_kept():
    assert safe_next("/projects/demo/label") == "/projects/demo/label"


@pytest.mark.parametrize(
    "headers",
    [
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
        {"origin": "https://evil.example"},
        {"origin": "null"},
        {"cookie": "podium=x"},
    ],
)
async def test_a_post_from_another_site_is_403(headers, open_client, mira):
    client = await open_client()

    answer = await client.post(
        "/sign-in", data={"email": "mira@example.org", "password": PASSWORD}, headers=headers
    )

    assert (answer.status_code, answer.json()["code"]) == (403, "cross_site")


@pytest.mark.parametrize("cookie", ["", "x", "x" * 8000, "a%00b", "é"])
async def test_a_cookie_that_is_no_session_leads_to_sign_in(cookie, client):
    answer = await client.get(
        "/account", headers={"accept": "text/html", "cookie": f"podium={cookie}".encode()}
    )

    assert answer.status_code == 303
    assert answer.headers["location"] == "/sign-in?next=/account"


async def test_a_session_ends_with_sign_out(browser, mira):
    await sign_in(browser)
    cookie = browser.cookies["podium"]
    await browser.post("/sign-out")
    browser.cookies.set("podium", cookie)

    assert (await browser.get("/account")).status_code == 303


async def test_changing_the_password_signs_out_everywhere(browser, mira):
    await sign_in(browser)
    cookie = browser.cookies["podium"]

    wrong = await browser.post("/account/password", data={"current": "no", "new": "another " * 2})
    short = await browser.post("/account/password", data={"current": PASSWORD, "new": "short"})
    common = await browser.post(
        "/account/password", data={"current": PASSWORD, "new": "password1234"}
    )
    same = await browser.post("/account/password", data={"current": PASSWORD, "new": PASSWORD})
    good = await browser.post(
        "/account/password", data={"current": PASSWORD, "new": "another " * 2}
    )
    browser.cookies.set("podium", cookie)
    stale = await browser.get("/account")

    statuses = [answer.status_code for answer in (wrong, short, common, same, good, stale)]
    assert statuses == [403, 422, 422, 422, 303, 303]
    assert (await sign_in(browser, "another " * 2)).status_code == 303


async def test_a_disabled_user_is_out_at_once(app, admin_browser, browser, mira):
    await sign_in(browser)

    disabled = await admin_browser.post(f"/users/{mira}/disable")

    assert disabled.status_code == 303
    assert (await browser.get("/account")).status_code == 303
    assert (await sign_in(browser)).status_code == 401


async def test_the_last_admin_cannot_be_disabled(app, admin_browser):
    async with transaction(app.state.engine) as tx:
        admin_id = await tx.scalar(text("select id from users where role = 'admin'"))

    answer = await admin_browser.post(f"/users/{admin_id}/disable")

    assert answer.status_code == 409
    assert "last admin" in answer.text


@pytest.mark.parametrize(
    "email", ["аdmin@example.org", "admin", "a@b\u202e.c", "a b@c.d", "@", "a@b\x00"]
)
async def test_a_look_alike_or_broken_address_cannot_be_made(email, app, admin_browser):
    answer = await admin_browser.post(
        "/users", data={"email": email, "name": "x", "role": "labeler", "password": PASSWORD}
    )

    assert answer.status_code == 422
    assert await count(app, "users") == 1


async def test_a_taken_address_is_409_and_the_form_keeps_what_was_typed(admin_browser, mira):
    answer = await admin_browser.post(
        "/users",
        data={
            "email": "mira@example.org",
            "name": "Again",
            "role": "labeler",
            "password": PASSWORD,
        },
    )

    assert answer.status_code == 409
    assert "Again" in answer.text
    assert PASSWORD not in answer.text


async def test_labelers_cannot_see_users(labeler_browser):
    assert (await labeler_browser.get("/users")).status_code == 403


async def test_nobody_can_sign_up(client):
    assert (await client.get("/signup")).status_code == 404
    assert (await client.post("/signup")).status_code == 404


async def test_a_token_is_shown_once_and_works(browser, client, app, mira):
    await sign_in(browser)
    made = await browser.post("/account/tokens", data={"name": "nightly", "days": "7"})
    token = made.text.split('id="new-token">')[1].split("<")[0]

    answer = await client.get("/api/v1/projects", headers={"authorization": f"Bearer {token}"})

    assert answer.status_code == 200
    assert token not in (await browser.get("/account")).text
    async with transaction(app.state.engine) as tx:
        stored = await tx.scalar(text("select token_hash from api_tokens"))
    assert token.encode() not in stored


async def test_a_refused_token_keeps_what_was_typed(admin_browser):
    refused = await admin_browser.post("/account/tokens", data={"name": "nightly", "days": "400"})

    assert refused.status_code == 422
    assert 'value="nightly"' in refused.text
    assert 'value="400"' in refused.text


async def test_a_revoked_or_expired_token_is_401(app, browser, labeler):
    async with transaction(app.state.engine) as tx:
        await tx.execute(text("update api_tokens set expires_at = now()"))

    answer = await labeler.get("/api/v1/projects")

    assert answer.status_code == 401
    assert answer.headers["www-authenticate"].startswith("Bearer")


@pytest.mark.parametrize(
    "header",
    ["", "Bearer", "Bearer ", "Bearer  x", "bearer x", "Basic dXNlcjpwYXNz", "Bearer podium_abc",
     "Bearer " + "x" * 10_000, "Bearer é"],
)  # fmt: skip
async def test_an_authorization_that_is_no_token_is_401(header, client):
    answer = await client.get(
        "/api/v1/projects", headers={"authorization": header.encode("latin-1")}
    )

    assert answer.status_code == 401
    assert answer.headers["content-type"] == "application/problem+json"


async def test_a_token_in_the_query_or_cookie_is_not_honoured(client, labeler):
    token = labeler.headers["authorization"].removeprefix("Bearer ")

    in_query = await client.get(f"/api/v1/projects?token={token}")
    in_cookie = await client.get("/api/v1/projects", headers={"cookie": f"podium={token}"})

    assert (in_query.status_code, in_cookie.status_code) == (401, 401)


async def test_two_authorization_headers_are_401(client, labeler):
    token = labeler.headers["authorization"]

    answer = await client.get(
        "/api/v1/projects", headers=[("authorization", token), ("authorization", token)]
    )

    assert answer.status_code == 401


@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", "/account"), ("POST", "/account/tokens"), ("POST", "/account/password"),
     ("POST", "/account/tokens/1/revoke"), ("GET", "/users"), ("POST", "/users")],
)  # fmt: skip
async def test_a_token_manages_neither_tokens_nor_passwords_nor_users(method, path, admin):
    assert (await admin.request(method, path)).status_code == 403


@pytest.mark.parametrize(
    "form",
    [{"name": "", "days": "1"}, {"name": "x" * 201, "days": "1"}, {"name": "a", "days": "0"},
     {"name": "a", "days": "-1"}, {"name": "a", "days": "99999"}, {"name": "a", "days": "x"}],
)  # fmt: skip
async def test_a_token_without_name_or_with_odd_days_is_422(form, browser, app, mira):
    await sign_in(browser)

    answer = await browser.post("/account/tokens", data=form)

    assert answer.status_code == 422
    assert await count(app, "api_tokens") == 0


async def test_the_51st_token_is_409(browser, app, mira):
    await sign_in(browser)
    for _ in range(50):
        await browser.post("/account/tokens", data={"name": "a", "days": "1"})

    assert (
        await browser.post("/account/tokens", data={"name": "a", "days": "1"})
    ).status_code == 409


def test_a_mistyped_token_is_known_without_the_database():
    token = new_api_token()

    assert is_api_token(token)
    assert not is_api_token(token[:-1] + ("0" if token[-1] != "0" else "1"))
    assert not is_api_token(token[:-5])


@pytest.mark.parametrize("host", ["evil.example", "", "localhost.evil", "127.0.0.1.nip.io"])
async def test_an_unknown_host_is_400(host, client):
    answer = await client.get("/healthz", headers={"host": host})

    assert answer.status_code == 400


async def test_every_answer_has_the_strict_headers(client):
    for path in ("/sign-in", "/healthz", "/api/v1/projects", "/nothing"):
        headers = (await client.get(path)).headers
        assert "default-src 'none'" in headers["content-security-policy"]
        assert "unsafe" not in headers["content-security-policy"]
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["referrer-policy"] == "no-referrer"
        assert headers["cache-control"] == "no-store"
        assert headers["x-request-id"]


@pytest.mark.parametrize(
    "path",
    [
        "/docs",
        "/redoc",
        "/openapi.json",
        "/api/v1/openapi.json",
        "/.git/config",
        "/metrics",
        "/static/../app/main.py",
        "/static/%2e%2e/app/main.py",
    ],
)
async def test_nothing_is_shown_to_nobody(path, client):
    assert (await client.get(path)).status_code in (401, 404)


async def test_the_openapi_description_is_there_for_the_signed_in(labeler):
    answer = await labeler.get("/api/v1/openapi.json")

    assert answer.status_code == 200
    assert "/api/v1/tasks/{task_id}/ranking" in answer.json()["paths"]
