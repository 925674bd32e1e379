"""The flags of a project: what admins change, and what rankings hold fast."""

import pytest
from sqlalchemy import text

from app.db import transaction
from tests.web.inhabited import inhabit, rank, ranking_of

FLAGS = "/api/v1/projects/demo/flags"
PLAIN = {"polarity": "bad", "scope": "response", "condition": "", "position": "1"}
USE = text(
    "update ranking_items set flags = '{hallucination}' "
    "where ranking_id = (select min(id) from rankings)"
)


@pytest.fixture
async def used(app, admin, labeler):
    """The project demo, in which rankings use the flag `hallucination`."""
    await inhabit(app, admin, labeler, email="labeler@example.org")
    async with transaction(app.state.engine) as tx:
        await tx.execute(USE)


async def test_the_default_flags_are_those_of_the_paper_and_two_more(admin, project):
    flags = {flag["key"]: flag for flag in (await admin.get(FLAGS)).json()["flags"]}

    assert list(flags)[-2:] == ["could_not_verify", "refusal"]
    assert flags["satisfies_constraint"] == {
        "key": "satisfies_constraint",
        "label": "Satisfies the constraint given in the instruction",
        "polarity": "good", "scope": "response",
        "condition": "only if the prompt has constraints",
        "is_severe": False, "needs_note": False,
    }  # fmt: skip
    assert [key for key, flag in flags.items() if flag["is_severe"]] == [
        "sexual_content", "violent_content", "encourages_harm", "denigrates", "harmful_advice"
    ]  # fmt: skip
    assert [key for key, flag in flags.items() if flag["polarity"] == "neutral"] == [
        "opinion", "moral_judgment", "could_not_verify", "refusal"
    ]  # fmt: skip
    assert (await admin.get("/api/v1/projects/demo")).json()["flags"] == list(flags.values())


async def test_a_new_project_takes_flags_with_all_their_fields(admin):
    flag = {
        "key": "off_topic", "label": "Off topic", "polarity": "neutral", "scope": "task",
        "condition": "only if asked", "is_severe": True, "needs_note": True,
    }  # fmt: skip

    created = await admin.post(
        "/api/v1/projects",
        json={"slug": "own", "name": "Own", "guidelines": "Be fair.", "flags": [flag]},
    )

    assert created.json()["flags"] == [flag]


async def test_all_flags_are_replaced_in_order(admin, project):
    wanted = [{"key": "b", "label": "B", "needs_note": True}, {"key": "opinion", "label": "View"}]

    replaced = await admin.put(FLAGS, json={"flags": wanted})

    assert replaced.status_code == 200
    shown = (await admin.get(FLAGS)).json()["flags"]
    assert shown == replaced.json()["flags"]
    assert [(flag["key"], flag["label"], flag["needs_note"]) for flag in shown] == [
        ("b", "B", True), ("opinion", "View", False)
    ]  # fmt: skip


@pytest.mark.parametrize(
    "flag",
    [
        {"key": "Bad Key"},
        {"label": " "},
        {"polarity": "terrible"},
        {"scope": "round"},
        {"condition": ""},
        {"is_severe": 1},
        {"color": "red"},
    ],
    ids=str,
)
async def test_a_flag_that_breaks_a_rule_is_refused(admin, project, flag):
    answer = await admin.put(FLAGS, json={"flags": [{"key": "k", "label": "K", **flag}]})

    assert answer.status_code == 422
    assert len((await admin.get(FLAGS)).json()["flags"]) == 13


async def test_a_used_flag_stays_and_keeps_its_scope(admin, used):
    flags = (await admin.get(FLAGS)).json()["flags"]
    without = [flag for flag in flags if flag["key"] != "hallucination"]

    removed = await admin.put(FLAGS, json={"flags": without})
    moved = await admin.put(
        FLAGS,
        json={"flags": [{**f, "scope": "task"} for f in flags if f["key"] != "opinion"]},
    )
    renamed = await admin.put(
        FLAGS, json={"flags": [{**f, "label": f"New {f['label']}"} for f in flags]}
    )

    assert (removed.status_code, removed.json()["code"]) == (409, "flag_used")
    assert (moved.status_code, moved.json()["code"]) == (409, "flag_used")
    assert renamed.status_code == 200
    assert (await admin.get(FLAGS)).json()["flags"][2]["label"] == "New Hallucination"


async def test_the_page_lists_the_flags_and_how_often_they_are_used(admin_browser, used):
    shown = (await admin_browser.get("/projects/demo/flags")).text

    assert "only if the prompt has constraints" in shown
    assert '<td class="number">4</td>' in shown


async def test_a_flag_is_added_with_a_key_made_from_its_label(admin, admin_browser, project):
    added = await admin_browser.post(
        "/projects/demo/flags", data={**PLAIN, "label": "Too long", "needs_note": "on"}
    )

    assert added.headers["location"] == "/projects/demo/flags"
    last = (await admin.get(FLAGS)).json()["flags"][-1]
    assert last["key"] == "too_long"
    assert (last["needs_note"], last["is_severe"], last["condition"]) == (True, False, None)


@pytest.mark.parametrize(
    ("typed", "field", "status"),
    [
        ({"label": ""}, "label", 422),
        ({"label": "X", "polarity": "odd"}, "polarity", 422),
        ({"label": "X", "key": "No Key"}, "key", 422),
        ({"label": "Opinion"}, "key", 409),
    ],
)
async def test_what_is_wrong_with_a_new_flag_stands_at_its_field(
    admin_browser, project, typed, field, status
):
    answer = await admin_browser.post("/projects/demo/flags", data={**PLAIN, **typed})

    assert answer.status_code == status
    assert f'id="{field}-error"' in answer.text


async def test_a_flag_is_changed_and_moved(admin, admin_browser, project):
    changed = await admin_browser.post(
        "/projects/demo/flags/refusal",
        data={**PLAIN, "label": "Refuses", "polarity": "neutral", "condition": "even in part"},
    )

    assert changed.status_code == 303
    first = (await admin.get(FLAGS)).json()["flags"][0]
    assert (first["key"], first["label"], first["condition"]) == (
        "refusal", "Refuses", "even in part"
    )  # fmt: skip
    bad = await admin_browser.post("/projects/demo/flags/refusal", data={**PLAIN, "position": "x"})
    assert bad.status_code == 422
    assert 'id="position-error"' in bad.text
    missing = await admin_browser.post("/projects/demo/flags/nope", data={**PLAIN, "label": "N"})
    assert missing.status_code == 404


async def test_only_an_unused_flag_is_removed_on_its_page(admin, admin_browser, used):
    unused = await admin_browser.get("/projects/demo/flags/opinion")
    held = await admin_browser.get("/projects/demo/flags/hallucination")

    assert "Remove flag" in unused.text
    assert "It stays: rankings use it 4 times" in held.text
    refused = await admin_browser.post("/projects/demo/flags/hallucination/remove")
    removed = await admin_browser.post("/projects/demo/flags/opinion/remove")
    assert (refused.status_code, removed.status_code) == (409, 303)
    keys = [flag["key"] for flag in (await admin.get(FLAGS)).json()["flags"]]
    assert "hallucination" in keys
    assert "opinion" not in keys


async def test_labelers_still_label_with_the_changed_flags(admin, labeler, used):
    await admin.put(FLAGS, json={"flags": [{"key": "hallucination", "label": "Invents"}]})

    task = (await labeler.post("/api/v1/projects/demo/tasks/next")).json()
    body = ranking_of(task)["responses"]
    body[0]["flags"] = ["hallucination"]

    assert [flag["key"] for flag in task["flags"]] == ["hallucination"]
    assert (await rank(labeler, task, responses=body)).status_code == 201
