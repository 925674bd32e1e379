"""The settings of the labeling screen: the form, the same over REST, and the preview."""

import pytest
from sqlalchemy import text

from app.db import transaction
from app.projects.screen import ScreenSettings
from app.projects.screen_fields import as_typed, groups_of, parsed, read_typed

PAGE, API = "/projects/demo/screen", "/api/v1/projects/demo/screen"
DEFAULTS = ScreenSettings()
FORM = {name: value for name, value in as_typed(DEFAULTS).items() if value}


async def stored(app) -> dict[str, object]:
    async with transaction(app.state.engine) as tx:
        return await tx.scalar(text("select screen from projects where slug = 'demo'"))


def test_every_setting_stands_in_one_group_with_words_and_its_default():
    fields = [field for group in groups_of(as_typed(DEFAULTS)) for field in group.fields]

    assert sorted(field.name for field in fields) == sorted(ScreenSettings.model_fields)
    assert all(field.label and field.help.endswith(".") and field.default for field in fields)
    defaults = {field.name: field.default for field in fields}
    assert defaults["lease_minutes"] == "the server's"
    assert (defaults["preview_lines"], defaults["allow_ties"]) == ("22", "yes")
    assert defaults["flow"] == "rate, then rank, on one screen"


def test_every_choice_of_a_setting_has_words():
    schema = ScreenSettings.model_json_schema()["properties"]

    for group in groups_of(as_typed(DEFAULTS)):
        for field in group.fields:
            assert [value for value, _ in field.choices] == schema[field.name].get("enum", [])


def test_the_form_says_what_the_settings_are():
    settings = ScreenSettings(
        flow="two_step", allow_ties=False, conflict_gap=None, gold_share=0.5, lease_minutes=20
    )

    assert ScreenSettings.model_validate(parsed(as_typed(settings))) == settings
    assert ScreenSettings.model_validate(parsed(read_typed(FORM))) == DEFAULTS


async def test_the_page_shows_the_settings_and_their_defaults(admin_browser, project):
    shown = await admin_browser.get(PAGE)

    assert shown.status_code == 200
    assert "Everything is as by default." in shown.text
    assert "Default: rate, then rank, on one screen." in shown.text
    assert "Default: 0.04." in shown.text
    assert "frame-src 'self'" in shown.headers["content-security-policy"]
    assert "frame-ancestors 'none'" in shown.headers["content-security-policy"]


async def test_only_what_differs_from_the_defaults_is_stored(app, admin, admin_browser, project):
    typed = {**FORM, "flow": "two_step", "preview_lines": "30", "conflict_gap": ""}
    del typed["require_rank"]

    saved = await admin_browser.post(PAGE, data=typed)

    assert saved.headers["location"] == PAGE
    assert await stored(app) == {
        "flow": "two_step", "preview_lines": 30, "conflict_gap": None, "require_rank": False
    }  # fmt: skip
    assert "4 settings changed" in (await admin_browser.get(PAGE)).text
    defaults = (await admin_browser.get(PAGE, params={"defaults": "true"})).text
    assert "Not saved yet" in defaults
    assert 'value="22"' in defaults
    assert 'value="30"' not in defaults
    assert len(await stored(app)) == 4
    await admin_browser.post(PAGE, data=FORM)
    assert await stored(app) == {}
    assert (await admin.get(API)).json() == DEFAULTS.model_dump()


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("flow", "sideways"),
        ("preview_lines", "9"),
        ("preview_lines", ""),
        ("preview_lines", "many"),
        ("conflict_gap", "7"),
        ("gold_share", "1.5"),
        ("gold_share", "nan"),
        ("break_after_minutes", "5"),
        ("lease_minutes", "2000"),
        ("criteria_text", "\x00"),
        ("rating_7", "x" * 501),
        ("criteria_profile", "custom"),
    ],
)
async def test_what_is_wrong_stands_at_its_field(app, admin_browser, project, field, value):
    answer = await admin_browser.post(PAGE, data={**FORM, field: value})

    at = "criteria_text" if field == "criteria_profile" else field
    assert answer.status_code == 422
    assert f'id="{at}-error"' in answer.text
    assert answer.text.count('class="error"') == 1
    assert await stored(app) == {}


async def test_an_empty_form_is_refused(app, admin_browser, project):
    assert (await admin_browser.post(PAGE, data={})).status_code == 422
    assert await stored(app) == {}


async def test_programs_read_and_replace_all_settings(app, admin, project):
    changed = DEFAULTS.model_dump() | {"rank_assist": "button", "feedback_items": 3}

    replaced = await admin.put(API, json=changed)
    shown = (await admin.get(API)).json()
    short = await admin.put(API, json={"mobile": "never"})

    assert replaced.status_code == 200
    assert replaced.json() == shown == changed
    assert short.json() == DEFAULTS.model_dump() | {"mobile": "never"}
    assert await stored(app) == {"mobile": "never"}


@pytest.mark.parametrize(
    "body",
    [
        {"unknown": 1},
        {"preview_lines": "22"},
        {"require_rating": 1},
        {"gold_share": -0.1},
        {"flow": None},
        {"criteria_profile": "custom", "criteria_text": "  "},
    ],
    ids=str,
)
async def test_a_body_that_breaks_a_rule_is_refused(app, admin, project, body):
    answer = await admin.put(API, json=body)

    assert answer.status_code == 422
    assert answer.json()["errors"][0]["loc"][-1] == list(body)[-1]
    assert await stored(app) == {}


async def test_presorting_is_noted_where_the_numbers_are(admin, admin_browser, project):
    note = "no longer independent"
    assert note not in (await admin_browser.get(PAGE)).text

    await admin.put(API, json={"rank_assist": "presort"})

    for path in (PAGE, "/projects/demo/agreement"):
        assert note in (await admin_browser.get(path)).text


async def test_the_preview_shows_what_is_stored_until_the_form_says_more(
    admin, admin_browser, project
):
    await admin.put(API, json={"preview_lines": 40, "criteria_profile": "evaluation"})

    plain = await admin_browser.get(f"{PAGE}/preview")
    asked = await admin_browser.get(
        f"{PAGE}/preview", params={**FORM, "flow": "two_step", "rank_assist": "button"}
    )

    assert 'data-lines="40"' in plain.text
    assert "Truthful and harmless first" in plain.text
    assert 'data-lines="22"' in asked.text
    assert "The rank board appears once all responses are rated" in asked.text
    assert "Fill from my ratings" in asked.text
    assert "Each response needs a rating and a rank." in asked.text
    assert "frame-ancestors 'self'" in asked.headers["content-security-policy"]


async def test_the_preview_says_that_what_cannot_be_judged_is_rated(admin_browser, project):
    preview = f"{PAGE}/preview"
    said = "A response that cannot be judged is rated 1."

    assert said not in (await admin_browser.get(preview, params=FORM)).text
    asked = await admin_browser.get(preview, params={**FORM, "rate_unjudged": "on"})
    assert said in asked.text


@pytest.mark.parametrize(
    ("rank_assist", "said"),
    [
        ("button", "In half of the tasks a button fills the board from the ratings."),
        ("presort", "In half of the tasks the ratings fill the board from the start."),
    ],
)
async def test_the_preview_says_that_half_of_the_tasks_are_assisted(
    admin_browser, project, rank_assist, said
):
    preview, params = f"{PAGE}/preview", {**FORM, "rank_assist": rank_assist}

    assert said not in (await admin_browser.get(preview, params=params)).text
    asked = await admin_browser.get(preview, params={**params, "rank_assist_experiment": "on"})
    assert said in asked.text


async def test_the_preview_keeps_what_is_stored_where_the_form_is_half_typed(
    admin, admin_browser, project
):
    await admin.put(API, json={"preview_lines": 40})

    shown = await admin_browser.get(
        f"{PAGE}/preview",
        params={**FORM, "preview_lines": "4", "criteria_profile": "custom", "criteria_text": "<b>"},
    )

    assert 'data-lines="40"' in shown.text
    assert "&lt;b&gt;" in shown.text


async def test_no_other_page_may_be_framed(admin_browser, project):
    for path in ("/projects/demo", PAGE, "/sign-in"):
        policy = (await admin_browser.get(path)).headers["content-security-policy"]
        assert "frame-ancestors 'none'" in policy
