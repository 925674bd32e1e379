"""What people set for themselves: over the API and by the form of the account page."""

import pytest
from sqlalchemy import text

from app.db import transaction

URL = "/api/v1/me/preferences"
FORM = {
    "language": "",
    "single_keys": "on",
    "go_on": "on",
    "shows_timer": "on",
    "suggests_breaks": "on",
    "goal": "",
    "goal_unit": "tasks",
}
DEFAULTS = {
    "language": None,
    "single_keys": True,
    "keys": {},
    "go_on": True,
    "expand_all": False,
    "shows_timer": True,
    "suggests_breaks": True,
    "goal": None,
}


async def stored(app, email):
    async with transaction(app.state.engine) as tx:
        found = "select preferences from users where email = :email"
        return await tx.scalar(text(found), {"email": email})


async def test_who_has_set_nothing_gets_the_defaults(labeler, app):
    answer = await labeler.get(URL)

    assert answer.json() == DEFAULTS
    assert await stored(app, "labeler@example.org") == {}


async def test_only_what_differs_from_the_defaults_is_stored_and_only_for_oneself(
    app, admin, labeler
):
    wanted = {
        **DEFAULTS,
        "keys": {"next": "ArrowDown"},
        "expand_all": True,
        "goal": {"unit": "hours", "amount": 4},
    }

    answer = await labeler.put(URL, json=wanted)

    assert (answer.status_code, answer.json()) == (200, wanted)
    assert (await labeler.get(URL)).json() == wanted
    assert await stored(app, "labeler@example.org") == {
        "keys": {"next": "ArrowDown"},
        "expand_all": True,
        "goal": {"unit": "hours", "amount": 4},
    }
    assert (await admin.get(URL)).json() == DEFAULTS


async def test_what_is_left_out_gets_its_default_again(labeler):
    await labeler.put(URL, json={"go_on": False, "expand_all": True})

    answer = await labeler.put(URL, json={"expand_all": True})

    assert answer.json() == {**DEFAULTS, "expand_all": True}


@pytest.mark.parametrize(
    "body",
    [
        {"single_keys": "yes"},
        {"single_keys": 1},
        {"single_keys": None},
        {"language": "xx"},
        {"keys": []},
        {"keys": {"next": ""}},
        {"keys": {"next": "k" * 21}},
        {"keys": {"next": 1}},
        {"keys": {"no-name!": "k"}},
        {"keys": {f"a{'b' * n}": "k" for n in range(40)} | {f"b{'c' * n}": "k" for n in range(41)}},
        {"goal": {"unit": "tasks", "amount": 0}},
        {"goal": {"unit": "tasks", "amount": 1001}},
        {"goal": {"unit": "tasks", "amount": 1.5}},
        {"goal": {"unit": "days", "amount": 1}},
        {"goal": 40},
        {"theme": "dark"},
        [],
    ],
    ids=str,
)
async def test_anything_else_is_refused_and_changes_nothing(app, labeler, body):
    await labeler.put(URL, json={"go_on": False})

    answer = await labeler.put(URL, json=body)

    assert answer.status_code == 422
    assert await stored(app, "labeler@example.org") == {"go_on": False}


async def test_a_key_with_nul_is_refused(labeler):
    answer = await labeler.put(URL, json={"keys": {"next": "\x00"}})

    assert answer.status_code == 422


async def test_the_form_shows_what_is_stored_and_stores_what_it_says(app, labeler_browser):
    email = "labeler.browser@example.org"
    await labeler_browser.put(URL, json={"keys": {"next": "F"}, "go_on": False})
    shown = await labeler_browser.get("/account")

    answer = await labeler_browser.post(
        "/account/preferences",
        data={"language": "en", "go_on": "on", "goal": " 40 ", "goal_unit": "tasks"},
    )

    assert 'name="go_on" value="on" ' in shown.text
    assert 'name="go_on" value="on" checked' not in shown.text
    assert "1 of your keys is not the usual one." in shown.text
    assert (answer.status_code, answer.headers["location"]) == (303, "/account#preferences")
    assert await stored(app, email) == {
        "language": "en",
        "single_keys": False,
        "keys": {"next": "F"},
        "shows_timer": False,
        "suggests_breaks": False,
        "goal": {"unit": "tasks", "amount": 40},
    }


async def test_an_empty_goal_is_none(app, labeler_browser):
    await labeler_browser.post("/account/preferences", data={**FORM, "goal": "3"})

    await labeler_browser.post("/account/preferences", data=FORM)

    assert await stored(app, "labeler.browser@example.org") == {}


@pytest.mark.parametrize(
    ("field", "value", "says"),
    [
        ("goal", "many", "must be a whole number"),
        ("goal", "0", "must be at least 1"),
        ("goal", "1001", "must be at most 1,000"),
        ("language", "xx", "choose one of those offered"),
    ],
)
async def test_bad_input_is_said_at_its_field_and_stays_typed(
    app, labeler_browser, field, value, says
):
    answer = await labeler_browser.post("/account/preferences", data={**FORM, field: value})

    assert answer.status_code == 422
    assert f'id="{field}-error"' in answer.text
    assert says in answer.text
    assert field == "language" or f'value="{value}"' in answer.text
    assert await stored(app, "labeler.browser@example.org") == {}


async def test_an_unknown_unit_of_the_goal_is_refused(app, labeler_browser):
    answer = await labeler_browser.post(
        "/account/preferences", data={**FORM, "goal": "4", "goal_unit": "days"}
    )

    assert answer.status_code == 422
    assert 'id="goal-error"' in answer.text


async def test_a_token_may_read_preferences_but_not_post_the_form(labeler):
    assert (await labeler.post("/account/preferences", data=FORM)).status_code == 403
