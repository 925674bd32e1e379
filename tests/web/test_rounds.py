"""Rounds over HTTP: the API and the pages, for admins only."""

import json
import re

import pytest
from sqlalchemy import text

from app.db import transaction
from app.settings import Settings

SAMPLING = {"temperature": 0.7, "top_p": 0.9, "max_new_tokens": 32, "seed": 5}
ROUNDS, RESPONSES = "/api/v1/projects/demo/rounds", "/api/v1/projects/demo/responses"
NDJSON = {"content-type": "application/x-ndjson"}


@pytest.fixture
def settings(database_url: str, tmp_path) -> Settings:
    return Settings(
        database_url=database_url,
        data_dir=tmp_path,
        secret_key="k" * 48,
        database_pool_size=5,
        sampler_url="http://localhost:1",
    )


@pytest.fixture
async def model(admin, project) -> str:
    """A model that can be sampled, and three prompts."""
    await admin.post(
        "/api/v1/models", json={"name": "one", "kind": "sft", "endpoint_model": "served"}
    )
    prompts = "\n".join(json.dumps({"prompt": f"Q{n}?", "split": "train"}) for n in range(3))
    await admin.post("/api/v1/projects/demo/prompts", content=prompts, headers=NDJSON)
    return "one"


def body(**changes: object) -> dict[str, object]:
    return {"models": ["one"], "responses_per_prompt": 4, "sampling": SAMPLING, **changes}


def answers(*texts: str) -> str:
    rows = [{"text": text, "model": "elsewhere"} for text in texts]
    return json.dumps({"prompt": "Name a river.", "responses": rows})


@pytest.fixture
async def short(admin, app, model, tmp_path) -> str:
    """A model with 64 positions, in a folder."""
    (tmp_path / "config.json").write_text(json.dumps({"max_position_embeddings": 64}))
    async with transaction(app.state.engine) as tx:
        await tx.execute(
            text(
                "insert into models (name, kind, path, file_sha256) "
                """values ('short', 'sft', :path, '{"model.safetensors": "x"}')"""
            ),
            {"path": str(tmp_path)},
        )
    return "short"


async def test_a_response_that_a_model_has_no_room_for_is_refused(admin, admin_browser, short):
    long = {"models": ["one", short], "sampling": {**SAMPLING, "max_new_tokens": 57}}

    refused = await admin.post(ROUNDS, json=body(**long))
    shown = await admin_browser.post(
        "/projects/demo/rounds", data={**FORM, "models": short, "max_new_tokens": "57"}
    )
    taken = await admin.post(ROUNDS, json=body(models=["one", short]))

    message = "must be at most 56 tokens: short reads at most 64 at once"
    assert refused.status_code == 422
    assert refused.json()["code"] == "response_too_long"
    assert refused.json()["errors"][0]["loc"] == ["body", "sampling", "max_new_tokens"]
    assert refused.json()["errors"][0]["msg"].startswith(message)
    assert shown.status_code == 422
    assert f'id="max_new_tokens-error">{message}' in shown.text
    assert taken.status_code == 202


async def test_a_round_is_accepted_and_can_be_followed(admin, model):
    made = await admin.post(ROUNDS, json=body())

    listed = (await admin.get(ROUNDS)).json()
    shown = (await admin.get(f"{ROUNDS}/1")).json()
    assert made.status_code == 202
    assert made.json()["round"] == 1
    assert listed == [shown["round"]]
    assert listed[0]["models"] == [model]
    assert listed[0]["sampling"] == SAMPLING
    assert listed[0]["slates"] == {"ready": 0, "pending": 3, "unusable": 0}
    assert listed[0]["run"] == {"id": made.json()["run"], "status": "queued", "error": None}
    assert [slate["messages"][0]["content"] for slate in shown["slates"]] == ["Q0?", "Q1?", "Q2?"]


async def test_a_round_without_a_seed_gets_its_own(admin, model):
    for _ in range(2):
        await admin.post(ROUNDS, json=body(sampling={}))

    seeds = {row["sampling"]["seed"] for row in (await admin.get(ROUNDS)).json()}
    assert len(seeds) == 2


async def test_a_limit_and_pages_bound_the_slates(admin, model):
    await admin.post(ROUNDS, json=body(prompts={"split": "train", "limit": 2}))

    first = (await admin.get(f"{ROUNDS}/1?limit=1")).json()
    second = (await admin.get(f"{ROUNDS}/1?limit=1&after={first['next']}")).json()
    assert (len(first["slates"]), len(second["slates"])) == (1, 1)
    assert second["next"] is None


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"models": []}, "invalid"),
        ({"models": ["missing"]}, "unknown_model"),
        ({"models": ["one", "one"]}, "bad_models"),
        ({"models": "one"}, "invalid"),
        ({"responses_per_prompt": 3}, "invalid"),
        ({"responses_per_prompt": 10}, "invalid"),
        ({"responses_per_prompt": "4"}, "invalid"),
        ({"sampling": {"temperature": 0}}, "invalid"),
        ({"sampling": {"temperature": 1e-300}}, "invalid"),
        ({"sampling": {"temperature": "1"}}, "invalid"),
        ({"sampling": {"top_p": 1.5}}, "invalid"),
        ({"sampling": {"max_new_tokens": 10**9}}, "invalid"),
        ({"sampling": {"seed": -1}}, "invalid"),
        ({"sampling": {"seed": 2**63}}, "invalid"),
        ({"sampling": {"sead": 1}}, "invalid"),
        ({"prompts": {"split": "dev"}}, "invalid"),
        ({"prompts": {"limit": 0}}, "invalid"),
        ({"prompts": {"split": "test"}}, "no_prompts"),
        ({"project_id": 2}, "invalid"),
        ({"labels_per_slate": 0}, "invalid"),
        ({"labels_per_slate": 10}, "invalid"),
        ({"overlap_share": "0.5"}, "invalid"),
        ({"gold_share": 1.5}, "invalid"),
        ({"repeat_share": -0.1}, "invalid"),
    ],
)
async def test_a_round_that_breaks_a_rule_is_refused(change, code, admin, model):
    refused = await admin.post(ROUNDS, json=body(**change))

    assert (refused.status_code, refused.json()["code"]) == (422, code)
    assert (await admin.get(ROUNDS)).json() == []


AS_IN_THE_PROJECT = {
    "labels_per_slate": 1,
    "overlap_share": 0.15,
    "gold_share": 0.04,
    "anchor_share": 0.02,
    "repeat_share": 0.02,
}


async def kept(admin, number: int = 1) -> dict[str, float]:
    """Who labels what in the round."""
    shown = (await admin.get(f"{ROUNDS}/{number}")).json()["round"]
    return {name: shown[name] for name in AS_IN_THE_PROJECT}


async def test_a_round_may_have_another_split_than_its_project_and_keeps_it(admin, model):
    other = {"labels_per_slate": 2, "gold_share": 0.5, "anchor_share": 0, "repeat_share": None}
    await admin.post(ROUNDS, json=body())
    await admin.post(ROUNDS, json=body(**other))
    await admin.post(RESPONSES, content=answers("Nile", "Rhine"), headers=NDJSON)
    sent = await admin.post(
        f"{RESPONSES}?labels_per_slate=3&repeat_share=0.25",
        content=answers("Nile", "Rhine"), headers=NDJSON,
    )  # fmt: skip
    changed = await admin.put("/api/v1/projects/demo/screen", json={"gold_share": 1.0})

    assert (sent.status_code, changed.status_code) == (200, 200)
    assert [await kept(admin, number) for number in (1, 2, 3, 4)] == [
        AS_IN_THE_PROJECT,
        AS_IN_THE_PROJECT | {"labels_per_slate": 2, "gold_share": 0.5, "anchor_share": 0},
        AS_IN_THE_PROJECT,
        AS_IN_THE_PROJECT | {"labels_per_slate": 3, "repeat_share": 0.25},
    ]


@pytest.mark.parametrize(
    "query",
    [
        "labels_per_slate=0", "labels_per_slate=2.0", "labels_per_slate=", "overlap_share=x",
        "gold_share=nan", "gold_share=1e400", "anchor_share=1.01", "repeat_share=-1", "gold=1",
        "gold_share=0.1&gold_share=0.2",
    ],
)  # fmt: skip
async def test_an_import_with_a_bad_split_is_refused(query, admin, project):
    refused = await admin.post(
        f"{RESPONSES}?{query}", content=answers("Nile", "Rhine"), headers=NDJSON
    )

    assert (refused.status_code, refused.json()["code"]) == (422, "invalid")
    assert refused.json()["errors"][0]["loc"][0] == "query"
    assert (await admin.get(ROUNDS)).json() == []


@pytest.mark.parametrize("number", ["0", "-1", "2", "99999999999999", "1_0", "x", str(2**64)])
async def test_an_unknown_round_is_not_found_or_refused(number, admin, model):
    await admin.post(ROUNDS, json=body())

    assert (await admin.get(f"{ROUNDS}/{number}")).status_code in (404, 422)


async def test_answers_made_elsewhere_become_a_round(admin, project):
    data = answers("The Nile.", "The Rhine.") + "\n" + '{"prompt": "Q?", "responses": []}'

    made = await admin.post(RESPONSES, content=data, headers=NDJSON)

    shown = (await admin.get(f"{ROUNDS}/1")).json()
    assert made.status_code == 200
    assert (made.json()["round"], made.json()["slates"]) == (1, 1)
    assert [item["line"] for item in made.json()["rejected"]] == [2]
    assert shown["round"]["source"] == "imported"
    assert [r["model"] for r in shown["slates"][0]["responses"]] == ["elsewhere", "elsewhere"]


@pytest.mark.parametrize(
    ("content", "status"),
    [
        (b"", 422),
        (b"\n\n", 422),
        (b"\x89PNG\r\n", 415),
        (b"\xff\xfe{}", 422),
        (b'{"prompt": "Q?", "responses": [{"text": "a"}, {"text": "a"}]}', 422),
        (b"[1]", 422),
    ],
)
async def test_a_file_that_gives_no_slate_is_refused_whole(content, status, admin, project):
    refused = await admin.post(RESPONSES, content=content, headers=NDJSON)

    assert refused.status_code == status
    assert (await admin.get(ROUNDS)).json() == []


async def test_labelers_and_strangers_see_and_make_no_rounds(
    admin, labeler, labeler_browser, client, project
):
    for email in ("labeler@example.org", "labeler.browser@example.org"):
        await admin.put(f"/api/v1/projects/demo/members/{email}", json={"role": "labeler"})

    assert (await labeler.get(ROUNDS)).status_code == 404
    assert (await labeler.post(ROUNDS, json=body())).status_code == 404
    assert (await labeler.post(RESPONSES, content=b"{}", headers=NDJSON)).status_code == 404
    assert (await labeler_browser.get("/projects/demo/rounds")).status_code == 404
    assert (await labeler_browser.get("/projects/demo/rounds/1")).status_code == 404
    assert (await client.get(ROUNDS)).status_code == 401


async def test_an_unknown_project_is_not_found(admin, admin_browser):
    assert (await admin.get("/api/v1/projects/none/rounds")).status_code == 404
    assert (await admin_browser.get("/projects/none/rounds")).status_code == 404


FORM = {
    "models": ["one"],
    "responses_per_prompt": "4",
    "temperature": "0.7",
    "top_p": "0.9",
    "max_new_tokens": "32",
    "seed": "",
    "split": "train",
    "limit": "",
}


async def test_the_form_starts_a_round_and_shows_it(admin_browser, model):
    sent = await admin_browser.post("/projects/demo/rounds", data=FORM)
    shown = await admin_browser.get(sent.headers["location"])

    assert (sent.status_code, sent.headers["location"]) == (303, "/projects/demo/rounds/1")
    assert "0 of 3 sampled" in shown.text
    assert "Q0?" in shown.text


async def test_the_link_of_a_finished_run_ticks_its_models(admin, admin_browser, model):
    for name in ("two", "three"):
        new = {"name": name, "kind": "policy", "endpoint_model": name}
        await admin.post("/api/v1/models", json=new)

    shown = await admin_browser.get("/projects/demo/rounds?models=one&models=two")

    ticked = re.findall(r'name="models" value="(\w+)"\s+checked', shown.text)
    assert sorted(ticked) == ["one", "two"]


async def test_browsers_let_the_form_be_sent_with_all_prompts(admin_browser, model):
    shown = await admin_browser.get("/projects/demo/rounds")

    # A required select whose choice has an empty value is never sent.
    assert re.search(r'<select id="split"[^>]*>', shown.text)
    assert not re.search(r'<select id="split"[^>]*required', shown.text)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"temperature": "hot"}, "must be a number"),
        ({"temperature": "nan"}, "must be a number"),
        ({"temperature": "0.001"}, "must be at least 0.01"),
        ({"responses_per_prompt": "3"}, "must be at least 4"),
        ({"limit": "1.5"}, "must be a whole number"),
        ({"models": []}, "at least 1"),
        ({"models": ["missing"]}, "no model named"),
        ({"split": "test"}, "no prompts in the split test"),
    ],
)
async def test_the_form_shows_what_is_wrong_and_keeps_what_was_typed(
    change, message, admin_browser, model
):
    refused = await admin_browser.post("/projects/demo/rounds", data=FORM | change)

    assert refused.status_code == 422
    assert message in refused.text
    assert 'value="0.9"' in refused.text


async def test_the_form_reads_numbers_as_its_page_writes_them(admin, admin_browser, model):
    german = {"accept-language": "de"}
    change = {"temperature": "0,7", "top_p": "0,9", "seed": "10.000"}

    sent = await admin_browser.post("/projects/demo/rounds", data=FORM | change, headers=german)
    refused = await admin_browser.post(
        "/projects/demo/rounds", data=FORM | {"temperature": "1.000"}, headers=german
    )
    shown = await admin_browser.get("/projects/demo/rounds/1", headers=german)

    assert (sent.status_code, refused.status_code) == (303, 422)
    assert "10000" in shown.text
    assert "höchstens 5" in refused.text


async def test_an_upload_shows_what_became_of_its_lines(admin_browser, project):
    data = answers("The <b>Nile</b>.", "The Rhine.") + "\n{}"

    sent = await admin_browser.post(
        "/projects/demo/rounds/upload", files={"file": ("answers.jsonl", data)}
    )
    shown = await admin_browser.get("/projects/demo/rounds/1")

    assert sent.status_code == 200
    assert "1 slate is ready" in sent.text
    assert "Line 2" in sent.text
    assert "The &lt;b&gt;Nile&lt;/b&gt;." in shown.text


async def test_both_forms_offer_the_split_of_the_project(admin, admin_browser, model):
    await admin.put("/api/v1/projects/demo/screen", json={"gold_share": 0.3})

    shown = await admin_browser.get("/projects/demo/rounds")

    for form in ("", "upload_"):
        values = {
            name: re.search(rf'name="{form}{name}" type="number" value="([^"]*)"', shown.text)[1]
            for name in AS_IN_THE_PROJECT
        }
        assert values == {name: str(share) for name, share in AS_IN_THE_PROJECT.items()} | {
            "gold_share": "0.3"
        }


async def test_both_forms_make_rounds_with_a_split_of_their_own(admin, admin_browser, model):
    await admin_browser.post(
        "/projects/demo/rounds", data=FORM | {"gold_share": "0.5", "anchor_share": ""}
    )
    await admin_browser.post(
        "/projects/demo/rounds/upload",
        files={"file": ("answers.jsonl", answers("Nile", "Rhine"))},
        data={"upload_labels_per_slate": "3", "upload_overlap_share": "0", "upload_gold_share": ""},
    )

    page = (await admin_browser.get("/projects/demo/rounds/2")).text
    assert await kept(admin, 1) == AS_IN_THE_PROJECT | {"gold_share": 0.5}
    assert await kept(admin, 2) == AS_IN_THE_PROJECT | {"labels_per_slate": 3, "overlap_share": 0}
    assert "<span>Labelers per slate <code>3</code></span>" in page
    assert "<span>Known answers <code>4.0%</code></span>" in page


@pytest.mark.parametrize(
    ("name", "typed", "message"),
    [
        ("gold_share", "1.5", "must be at most 1"),
        ("overlap_share", "nan", "must be a number"),
        ("labels_per_slate", "1.5", "must be a whole number"),
        ("labels_per_slate", "10", "must be at most 9"),
    ],
)
async def test_a_bad_split_stands_at_its_field_and_opens_it(
    name, typed, message, admin, admin_browser, model
):
    file = {"file": ("answers.jsonl", answers("Nile", "Rhine"))}
    refused = {
        name: await admin_browser.post("/projects/demo/rounds", data=FORM | {name: typed}),
        f"upload_{name}": await admin_browser.post(
            "/projects/demo/rounds/upload", files=file, data={f"upload_{name}": typed}
        ),
    }

    for field, page in refused.items():
        assert page.status_code == 422
        assert f'id="{field}-error">{message}' in page.text
        assert f'name="{field}" type="number" value="{typed}"' in page.text
        assert page.text.count("<details open>") == 1
    assert (await admin.get(ROUNDS)).json() == []


async def test_an_upload_without_a_file_says_so(admin_browser, project):
    sent = await admin_browser.post("/projects/demo/rounds/upload", files={"file": ("", b"")})

    assert sent.status_code == 422
    assert "Choose a file first" in sent.text


async def test_polling_gets_only_the_part_that_changes(admin_browser, model):
    await admin_browser.post("/projects/demo/rounds", data=FORM)

    table = await admin_browser.get("/projects/demo/rounds", headers={"hx-request": "true"})
    progress = await admin_browser.get("/projects/demo/rounds/1", headers={"hx-request": "true"})

    assert table.text.lstrip().startswith('<div id="rounds"')
    assert progress.text.lstrip().startswith('<div id="round-progress"')
    assert 'hx-trigger="every 2s"' in progress.text


async def test_polling_ends_with_the_run(admin_browser, model, app):
    await admin_browser.post("/projects/demo/rounds", data=FORM)
    async with transaction(app.state.engine) as tx:
        await tx.execute(text("update runs set status = 'failed', error = 'out of <luck>'"))

    shown = await admin_browser.get("/projects/demo/rounds/1")

    assert 'hx-trigger="every' not in shown.text
    assert "out of &lt;luck&gt;" in shown.text


async def test_only_slates_with_problems_are_shown_when_asked_for(admin, admin_browser, project):
    good = json.dumps({"prompt": "Good?", "responses": [{"text": "a"}, {"text": "b"}]})
    data = good + "\n" + answers("Nile", "Nile", "Rhine")
    await admin_browser.post("/projects/demo/rounds/upload", files={"file": ("a.jsonl", data)})

    shown = await admin_browser.get("/projects/demo/rounds/1?status=problems")

    assert "Name a river." in shown.text
    assert "Good?" not in shown.text
    assert "duplicate" in shown.text
    found = (await admin.get("/api/v1/projects/demo/rounds/1?status=problems")).json()["slates"]
    assert [slate["messages"][-1]["content"] for slate in found] == ["Name a river."]
