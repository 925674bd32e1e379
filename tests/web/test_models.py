"""The registry over HTTP: the API and the pages, for admins only (bad inputs B091 to B097)."""

import html
import json
import struct
from pathlib import Path

import pytest
from sqlalchemy import text

from app.db import transaction
from app.errors import InvalidError
from app.registry.commands import register_run_result, verify_files
from app.registry.queries import model_by_name
from app.settings import Settings

REVISION = "0123456789abcdef0123456789abcdef01234567"
HEADER = b'{"w":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}'
WEIGHTS = struct.pack("<Q", len(HEADER)) + HEADER + struct.pack("<f", 0.5)


@pytest.fixture
def settings(database_url: str, tmp_path: Path) -> Settings:
    return Settings(
        database_url=database_url,
        data_dir=tmp_path / "data",
        secret_key="k" * 48,
        database_pool_size=5,
        model_roots=str(tmp_path / "models"),
        hub_organizations="trusted-org",
        sampler_url="http://localhost:1",
    )


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "models" / "small"
    folder.mkdir(parents=True)
    (folder / "config.json").write_text(json.dumps({"model_type": "llama"}))
    (folder / "model.safetensors").write_bytes(WEIGHTS)
    (folder / "tokenizer.json").write_text('{"model": {}}')
    (folder / "tokenizer_config.json").write_text('{"eos_token": "</s>"}')
    return folder


async def test_a_folder_is_registered_and_listed_with_its_location(admin, folder):
    made = await admin.post(
        "/api/v1/models", json={"name": "small", "kind": "sft", "path": str(folder)}
    )
    listed = await admin.get("/api/v1/models")
    shown = await admin.get("/api/v1/models/small")

    assert made.status_code == 201
    assert made.json() == listed.json()[0] == shown.json()["model"]
    assert made.json()["path"] == made.json()["location"] == str(folder)
    assert set(shown.json()["file_sha256"]) == {path.name for path in folder.iterdir()}
    assert shown.json()["lineage"][0]["name"] == "small"


@pytest.mark.parametrize(
    ("place", "location"),
    [
        (
            {"hub_id": "trusted-org/model", "hub_revision": REVISION},
            f"trusted-org/model@{REVISION}",
        ),
        ({"location": f"trusted-org/model@{REVISION}"}, f"trusted-org/model@{REVISION}"),
        ({"endpoint_model": "served"}, "endpoint:served"),
        ({"location": "endpoint:served"}, "endpoint:served"),
    ],
)
async def test_a_hub_model_and_an_endpoints_model_are_registered(place, location, admin):
    made = await admin.post("/api/v1/models", json={"name": "far", "kind": "base", **place})

    assert made.status_code == 201
    assert made.json()["location"] == location


async def test_a_base_model_may_be_untrained_but_no_other(admin, folder):
    (folder / "model.safetensors").unlink()
    body = {"name": "fresh", "kind": "sft", "path": str(folder)}

    refused = await admin.post("/api/v1/models", json=body)
    made = await admin.post("/api/v1/models", json={**body, "kind": "base"})

    assert (refused.status_code, refused.json()["code"]) == (422, "no_weights")
    assert made.status_code == 201


@pytest.mark.parametrize(
    ("architectures", "kind", "code"),
    [
        (["LlamaForSequenceClassification"], "sft", "reward_head"),
        (["LlamaForSequenceClassification"], "reward", None),
        (["LlamaForCausalLM"], "reward", "no_reward_head"),
        (["LlamaForCausalLM"], "base", None),
        ([], "reward", None),
    ],
)
async def test_a_kind_that_the_folder_is_not_is_refused(architectures, kind, code, admin, folder):
    """Otherwise a run would be queued that cannot start."""
    config = {"model_type": "llama", "architectures": architectures}
    (folder / "config.json").write_text(json.dumps(config))

    made = await admin.post(
        "/api/v1/models", json={"name": "small", "kind": kind, "path": str(folder)}
    )

    assert made.status_code == (422 if code else 201)
    assert made.json().get("code") == code


@pytest.mark.parametrize(
    ("name", "content", "code"),
    [
        ("config.json", '{"model_type": "bert"}', "unknown_architecture"),
        ("model.safetensors", WEIGHTS[:-1], "bad_safetensors"),
        ("tokenizer.json", None, "no_tokenizer"),
        ("tokenizer_config.json", "{}", "no_eos_token"),
        ("chat_template.jinja", "{% if %}", "bad_chat_template"),
    ],
)
async def test_a_damaged_folder_is_refused_before_a_run_uses_it(
    name, content, code, admin, admin_browser, folder
):
    path = folder / name
    if content is None:
        path.unlink()
    else:
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    body = {"name": "small", "kind": "sft", "path": str(folder)}

    refused = await admin.post("/api/v1/models", json=body)
    page = await admin_browser.post(
        "/models", data={"name": "small", "kind": "sft", "location": str(folder), "parent": ""}
    )

    assert (refused.status_code, refused.json()["code"]) == (422, code)
    assert page.status_code == 422
    assert refused.json()["detail"] in html.unescape(page.text)
    assert (await admin.get("/api/v1/models")).json() == []


async def test_a_name_can_be_taken_once(admin, folder):
    body = {"name": "small", "kind": "sft", "path": str(folder)}
    await admin.post("/api/v1/models", json=body)

    again = await admin.post("/api/v1/models", json=body)

    assert (again.status_code, again.json()["code"]) == (409, "name_taken")


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"name": "../x"}, "bad_name"),
        ({"name": "a b"}, "bad_name"),
        ({"name": "x" * 300}, "bad_name"),
        ({"name": ""}, "invalid"),
        ({"kind": "judge"}, "invalid"),
        ({"path": None}, "one_location"),
        ({"endpoint_model": "served"}, "one_location"),
        ({"location": "/elsewhere"}, "invalid"),
        ({"path": "/etc"}, "outside_model_roots"),
        ({"path": "\x00"}, "invalid"),
        ({"path": "x" * 20_000}, "invalid"),
        ({"parent": "missing"}, "unknown_model"),
        ({"trusted": True}, "invalid"),
        ({"path": None, "hub_id": "trusted-org/m", "hub_revision": "main"}, "bad_hub_revision"),
        ({"path": None, "hub_id": "trusted-org/m", "hub_revision": "abc123"}, "bad_hub_revision"),
        ({"path": None, "hub_id": "trusted-org/m"}, "bad_hub_revision"),
        (
            {"path": None, "hub_id": "other/m", "hub_revision": REVISION},
            "hub_organization_not_allowed",
        ),
        ({"path": None, "hub_id": "a", "hub_revision": REVISION}, "bad_hub_id"),
        ({"path": None, "hub_id": "a/b/c", "hub_revision": REVISION}, "bad_hub_id"),
        ({"path": None, "hub_id": "../a/b", "hub_revision": REVISION}, "bad_hub_id"),
        ({"path": None, "hub_id": "trusted-org/..", "hub_revision": REVISION}, "bad_hub_id"),
        ({"path": None, "hub_id": "trusted-örg/m", "hub_revision": REVISION}, "bad_hub_id"),
    ],
)
async def test_a_model_that_breaks_a_rule_is_refused_with_its_code(change, code, admin, folder):
    body = {"name": "small", "kind": "sft", "path": str(folder), **change}

    refused = await admin.post(
        "/api/v1/models", json={key: value for key, value in body.items() if value is not None}
    )

    assert refused.status_code == 422
    assert refused.json()["code"] == code
    assert (await admin.get("/api/v1/models")).json() == []


async def test_labelers_and_strangers_see_no_models(labeler, labeler_browser, client):
    assert (await labeler.get("/api/v1/models")).status_code == 403
    assert (await labeler.post("/api/v1/models", json={})).status_code == 403
    assert (await labeler_browser.get("/models")).status_code == 403
    assert (await client.get("/api/v1/models")).status_code == 401


async def test_files_that_changed_since_registration_are_noticed(admin, folder, settings, app):
    await admin.post("/api/v1/models", json={"name": "small", "kind": "sft", "path": str(folder)})
    async with transaction(app.state.engine) as tx:
        model = await model_by_name(tx, "small")
    await verify_files(model, settings.allowed_model_roots)
    (folder / "model.safetensors").write_bytes(WEIGHTS[:-4] + struct.pack("<f", 0.25))

    with pytest.raises(InvalidError, match=r"model\.safetensors") as refusal:
        await verify_files(model, settings.allowed_model_roots)

    assert refusal.value.code == "hash_mismatch"


async def test_the_result_of_a_run_is_registered_once_with_its_lineage(admin, project, folder, app):
    await admin.post("/api/v1/models", json={"name": "base", "kind": "sft", "path": str(folder)})
    made_by = text("""
        with project as (select id from projects where slug = :slug),
        dataset as (
            insert into datasets (project_id, sha256, manifest, prompts, rankings, comparisons)
            select id, 'cafe', '{}', 1, 2, 3 from project returning id
        )
        insert into runs (project_id, kind, settings, dataset_id, base_model_id, code_version)
        select project.id, 'ppo', '{"steps": 9}', dataset.id, m.id, 'v1'
        from project, dataset, models m
        returning id, base_model_id
    """)
    async with transaction(app.state.engine) as tx:
        run_id, parent_id = (await tx.execute(made_by, {"slug": project})).one()
        values = {
            "run_id": run_id,
            "name": "base",  # taken
            "kind": "policy",
            "path": str(folder),
            "parent_id": parent_id,
        }
        first = await register_run_result(tx, **values)
        second = await register_run_result(tx, **values)

    lineage = (await admin.get(f"/api/v1/models/base-{run_id}")).json()["lineage"]
    assert first == second
    assert [origin["name"] for origin in lineage] == [f"base-{run_id}", "base"]
    assert lineage[0]["settings"] == {"steps": 9}
    assert (lineage[0]["dataset_sha256"], lineage[0]["code_version"]) == ("cafe", "v1")


async def test_the_form_registers_a_model_and_shows_it(admin_browser, folder):
    sent = await admin_browser.post(
        "/models", data={"name": "small", "kind": "sft", "location": str(folder), "parent": ""}
    )
    listed = await admin_browser.get("/models")
    shown = await admin_browser.get(sent.headers["location"])

    assert (sent.status_code, sent.headers["location"]) == (303, "/models/small")
    assert str(folder) in listed.text
    assert "Lineage" in shown.text


async def test_the_form_keeps_what_was_typed_when_it_is_refused(admin_browser):
    refused = await admin_browser.post(
        "/models", data={"name": "small", "kind": "sft", "location": "/etc/<b>", "parent": ""}
    )

    assert refused.status_code == 422
    assert 'value="/etc/&lt;b&gt;"' in refused.text
    assert "PODIUM_MODEL_ROOTS" in refused.text


async def test_an_unknown_model_is_not_found(admin, admin_browser):
    assert (await admin.get("/api/v1/models/nothing")).status_code == 404
    assert (await admin_browser.get("/models/nothing")).status_code == 404
