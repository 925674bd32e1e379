"""Runs over HTTP: what is refused before a GPU is used, what is shown, how a run is cancelled."""

import json
import uuid
from pathlib import Path

import pytest
from sqlalchemy import text

from app.db import transaction
from app.jobs.machine import Machine, write_machine
from app.settings import Settings
from app.training.setting_fields import as_text
from tests.evaluated import EVALUATED
from tests.labeled_project import Given, GivenSlate, seed
from trainer.measures.choice_regression import FEW
from trainer.spec import RewardSettings

RUNS = "/api/v1/projects/demo/runs"
PAGES = "/projects/demo/runs"
NDJSON = {"content-type": "application/x-ndjson"}
SHA = "a" * 64
CONFIG = {"model_type": "llama", "architectures": ["LlamaForCausalLM"], "hidden_size": 64}


@pytest.fixture
def settings(database_url: str, tmp_path: Path) -> Settings:
    return Settings(
        database_url=database_url,
        data_dir=tmp_path / "data",
        secret_key="k" * 48,
        database_pool_size=5,
        sampler_url="http://localhost:1",
    )


@pytest.fixture
async def insert(app):
    """Run a statement in a transaction of its own; returns its first value."""

    async def inserted(statement: str, **values: object):
        async with transaction(app.state.engine) as tx:
            return await tx.scalar(text(statement), values)

    return inserted


@pytest.fixture
async def models(insert, tmp_path: Path) -> dict[str, Path]:
    """One model of each kind, in folders with a tokenizer; `served` is behind an endpoint."""
    folders = {}
    for name, kind in (("raw", "base"), ("tuned", "sft"), ("judge", "reward"), ("pi", "policy")):
        folder = tmp_path / name
        folder.mkdir()
        (folder / "config.json").write_text(json.dumps(CONFIG))
        (folder / "tokenizer.json").write_text(json.dumps({"model": {"vocab": {"a": 0, "b": 1}}}))
        await insert(
            "insert into models (name, kind, path, file_sha256) values (:name, :kind, :path, "
            """cast('{"tokenizer.json": "' || :name || '"}' as jsonb)) returning id""",
            name=name,
            kind=kind,
            path=str(folder),
        )
        folders[name] = folder
    await insert(
        "insert into models (name, kind, endpoint_model) values ('served', 'sft', 'x') returning id"
    )
    return folders


@pytest.fixture
async def dataset(project, insert) -> int:
    """A dataset of the project, as its row stands; its files are not needed to start a run."""
    return await insert_dataset(insert, "demo")


async def insert_dataset(insert, slug: str, **changes: int) -> int:
    counts = {
        "prompts": 3, "ranked_prompts": 2, "rankings": 2, "comparisons": 5,
        "demonstrations": 4, "pretraining": 0, **changes,
    }  # fmt: skip
    return await insert(
        "insert into datasets (project_id, sha256, manifest, prompts, rankings, comparisons) "
        "select id, :sha256, cast(:manifest as jsonb), 3, 2, :comparisons from projects "
        "where slug = :slug returning id",
        sha256=SHA,
        manifest=json.dumps({"counts": counts, "files": {}}),
        comparisons=counts["comparisons"],
        slug=slug,
    )


def reward_run(of: int | None, **changes: object) -> dict[str, object]:
    return {"kind": "reward", "base_model": "tuned", "dataset": of, "settings": {}, **changes}


def ppo_run(of: int | None, **changes: object) -> dict[str, object]:
    base = {"kind": "ppo", "base_model": "tuned", "reward_model": "judge", "settings": {}}
    return {**base, "dataset": of, **changes}


async def test_a_started_run_is_queued_with_its_lineage(admin, dataset, models):
    started = await admin.post(RUNS, json=reward_run(dataset, settings={"seed": 7}))

    run = (await admin.get(f"/api/v1/runs/{started.json()['id']}")).json()
    assert started.status_code == 202
    assert run["status"] == "queued"
    assert run["kind"] == "reward"
    assert run["progress"] == 0
    assert run["latest"] == {}
    assert run["error"] is None
    assert run["model"] is None
    assert run["base_model"] == "tuned"
    assert run["dataset"] == {"id": dataset, "sha256": SHA}
    assert run["settings"] == RewardSettings(seed=7).model_dump()
    assert (await admin.get(RUNS)).json()["runs"] == [run]


async def test_without_a_dataset_a_snapshot_is_made(admin, project, models, settings):
    rows = json.dumps({"prompt": "Hello?", "response": "Hello."})
    await admin.post("/api/v1/projects/demo/demonstrations", content=rows, headers=NDJSON)

    started = await admin.post(RUNS, json={"kind": "sft", "base_model": "raw"})

    run = (await admin.get(f"/api/v1/runs/{started.json()['id']}")).json()
    folder = settings.root / "datasets" / str(run["dataset"]["id"])
    assert started.status_code == 202
    assert len((folder / "demonstrations.jsonl").read_text().splitlines()) == 1


async def test_runs_over_unchanged_data_name_one_dataset(admin, admin_browser, project, models):
    rows = json.dumps({"prompt": "Hello?", "response": "Hello."})
    await admin.post("/api/v1/projects/demo/demonstrations", content=rows, headers=NDJSON)
    sft = {"kind": "sft", "base_model": "raw"}

    for _ in range(2):
        await admin.post(RUNS, json=sft)
    await admin_browser.post(PAGES, data=sft)
    more = json.dumps({"prompt": "And you?", "response": "Fine."})
    await admin.post("/api/v1/projects/demo/demonstrations", content=more, headers=NDJSON)
    await admin.post(RUNS, json=sft)

    changed, *unchanged = [run["dataset"] for run in (await admin.get(RUNS)).json()["runs"]]
    assert unchanged == [unchanged[0]] * 3
    assert changed != unchanged[0]


@pytest.mark.parametrize(
    ("chosen", "where"),
    [
        ({"learning_rate": 0}, "learning_rate"),
        ({"learnig_rate": 0.1}, "learnig_rate"),
        ({"ties": "$(touch x)"}, "ties"),
    ],
)
async def test_a_bad_setting_is_refused_with_its_place(admin, dataset, models, chosen, where):
    answer = await admin.post(RUNS, json=reward_run(dataset, settings=chosen))

    assert answer.status_code == 422, answer.text
    assert answer.json()["errors"][0]["loc"] == ["body", "settings", where]
    assert (await admin.get(RUNS)).json()["runs"] == []


@pytest.mark.parametrize("value", ["NaN", "Infinity", "1e400"])
async def test_a_number_that_is_not_finite_is_refused(admin, dataset, models, value):
    body = json.dumps(ppo_run(dataset)).replace(
        '"settings": {}', f'"settings": {{"kl_coefficient": {value}}}'
    )

    answer = await admin.post(RUNS, content=body, headers={"content-type": "application/json"})

    assert answer.status_code in (400, 422), answer.text
    assert answer.headers["content-type"] == "application/problem+json"


async def test_a_message_names_the_bound_and_the_unit(admin, dataset, models):
    answer = await admin.post(RUNS, json=reward_run(dataset, settings={"max_tokens": 1}))

    assert "at least 8" in answer.json()["detail"]
    assert "tokens" in answer.json()["detail"]


@pytest.mark.parametrize(
    ("kind", "unit"),
    [
        ("reward", "prompts per optimizer step, each with all its comparisons"),
        ("ppo", "episodes per iteration: one prompt and one response each"),
    ],
)
async def test_a_message_names_the_unit_of_the_kind_of_run(admin, dataset, models, kind, unit):
    body = reward_run(dataset) if kind == "reward" else ppo_run(dataset)

    answer = await admin.post(RUNS, json={**body, "settings": {"batch_size": 0}})

    assert answer.json()["errors"][0]["msg"] == f"must be at least 1 ({unit})"


@pytest.mark.parametrize(
    "changes",
    [
        {"base_model": "../x"},
        {"base_model": "--config=/etc/passwd"},
        {"base_model": "$(touch x)"},
        {"base_model": "a\nb"},
        {"base_model": ""},
        {"base_model": "a" * 101},
        {"kind": "sample"},
        {"kind": "grpo"},
        {"dataset": 0},
        {"dataset": "1"},
        {"dataset": 2**63},
        {"settings": []},
        {"lerning_rate": 1},
    ],
)
async def test_a_bad_body_is_refused(admin, dataset, models, changes):
    answer = await admin.post(RUNS, json=reward_run(dataset, **changes))

    assert answer.status_code == 422, answer.text
    assert (await admin.get(RUNS)).json()["runs"] == []


async def test_a_body_of_5_mb_is_refused_with_413(admin, dataset, models):
    answer = await admin.post(RUNS, json=reward_run(dataset, settings={"x": "y" * 5_000_000}))

    assert answer.status_code == 413


@pytest.mark.parametrize(
    ("kind", "counts", "shown"),
    [
        ("sft", {"demonstrations": 0}, "0 demonstrations"),
        ("reward", {"comparisons": 0}, "2 rankings, 0 comparisons"),
        ("dpo", {"comparisons": 0}, "2 rankings, 0 comparisons"),
        ("ppo", {"prompts": 0}, "0 prompts"),
    ],
)
async def test_too_little_data_is_refused_with_counts(
    admin, project, insert, models, kind, counts, shown
):
    dataset = await insert_dataset(insert, "demo", **counts)
    bodies = {
        "sft": {"kind": "sft", "base_model": "raw", "dataset": dataset},
        "reward": reward_run(dataset),
        "dpo": reward_run(dataset, kind="dpo"),
        "ppo": ppo_run(dataset),
    }

    answer = await admin.post(RUNS, json=bodies[kind])

    assert answer.status_code == 422
    assert answer.json()["code"] == "not_enough_data"
    assert shown in answer.json()["detail"]


async def test_an_empty_project_is_refused_before_a_snapshot_is_made(admin, project, models):
    answer = await admin.post(RUNS, json=reward_run(None))

    assert answer.status_code == 422
    assert answer.json()["code"] == "not_enough_data"
    assert "0 rankings, 0 comparisons" in answer.json()["detail"]


@pytest.mark.parametrize(
    ("kind", "setting"), [("ppo", "ptx_coefficient"), ("sft", "pretraining_share")]
)
async def test_the_pretraining_mix_needs_pretraining_texts(
    admin, admin_browser, insert, dataset, models, kind, setting
):
    def run(of_dataset):
        if kind == "ppo":
            return ppo_run(of_dataset, settings={setting: 0.5})
        settings = {setting: 0.5}
        return {"kind": kind, "base_model": "raw", "dataset": of_dataset, "settings": settings}

    refused = await admin.post(RUNS, json=run(dataset))
    form = {**run(dataset), f"settings.{setting}": "0.5"}
    form.pop("settings")
    page = await admin_browser.post(PAGES, data=form)
    with_texts = await insert_dataset(insert, "demo", pretraining=2)
    taken = await admin.post(RUNS, json=run(with_texts))

    assert refused.status_code == 422
    assert refused.json()["code"] == "not_enough_data"
    assert refused.json()["errors"][0]["loc"] == ["body", "settings", setting]
    assert "0 pretraining texts." in refused.json()["detail"]
    assert page.status_code == 422
    assert "texts; import some or set it to 0." in page.text
    assert taken.status_code == 202


@pytest.mark.parametrize(
    ("changes", "field", "code"),
    [
        ({"base_model": "nobody"}, "base_model", "unknown_model"),
        ({"base_model": "raw"}, "base_model", "wrong_model_kind"),
        ({"base_model": "judge"}, "base_model", "wrong_model_kind"),
        ({"base_model": "served"}, "base_model", "no_folder"),
        ({"reward_model": "tuned"}, "reward_model", "wrong_model_kind"),
        ({"reward_model": "nobody"}, "reward_model", "unknown_model"),
        ({"reward_model": None}, "reward_model", "no_reward_model"),
        ({"kind": "reward"}, "reward_model", "wrong_model_kind"),
        ({"kind": "dpo"}, "reward_model", "wrong_model_kind"),
        ({"kind": "dpo", "base_model": "raw"}, "base_model", "wrong_model_kind"),
        ({"kind": "sft", "reward_model": "tuned"}, "reward_model", "wrong_model_kind"),
        ({"kind": "reward", "base_model": "pi"}, "base_model", "wrong_model_kind"),
        ({"dataset": 999_999}, "dataset", "unknown_dataset"),
    ],
)
async def test_what_does_not_fit_the_kind_of_run_is_refused(
    admin, dataset, models, changes, field, code
):
    answer = await admin.post(RUNS, json=ppo_run(dataset, **changes))

    assert answer.status_code == 422, answer.text
    assert answer.json()["code"] == code
    assert answer.json()["errors"][0]["loc"] == ["body", field]


async def test_a_policy_can_be_trained_further(admin, dataset, models):
    answer = await admin.post(RUNS, json=ppo_run(dataset, base_model="pi"))

    assert answer.status_code == 202


async def test_a_policy_is_trained_on_rankings_directly(admin, dataset, models):
    answer = await admin.post(RUNS, json=reward_run(dataset, kind="dpo", settings={"beta": 0.2}))

    run = (await admin.get(f"/api/v1/runs/{answer.json()['id']}")).json()
    assert answer.status_code == 202
    assert (run["kind"], run["settings"]["beta"], run["reward_model"]) == ("dpo", 0.2, None)


async def test_a_reward_model_may_choose_the_checkpoint_of_an_sft_run(admin, dataset, models):
    answer = await admin.post(RUNS, json=ppo_run(dataset, kind="sft"))

    run = (await admin.get(f"/api/v1/runs/{answer.json()['id']}")).json()
    assert answer.status_code == 202
    assert (run["kind"], run["reward_model"]) == ("sft", "judge")


async def test_rollouts_on_a_server_need_one(admin, dataset, models):
    answer = await admin.post(RUNS, json=ppo_run(dataset, settings={"rollouts": "server"}))

    assert answer.status_code == 422
    assert answer.json()["code"] == "no_rollout_server"
    assert answer.json()["errors"][0]["loc"] == ["body", "settings", "rollouts"]


def limit_positions(folder: Path, **positions: int) -> None:
    (folder / "config.json").write_text(json.dumps({**CONFIG, **positions}))


@pytest.mark.parametrize(
    ("short", "positions"),
    [("tuned", {"max_position_embeddings": 512}), ("judge", {"n_positions": 512})],
)
async def test_a_response_that_the_models_cannot_hold_is_refused(
    admin, dataset, models, short, positions
):
    limit_positions(models[short], **positions)

    long = await admin.post(RUNS, json=ppo_run(dataset, settings={"max_new_tokens": 505}))
    fitting = await admin.post(RUNS, json=ppo_run(dataset, settings={"max_new_tokens": 504}))

    assert long.status_code == 422
    assert long.headers["content-type"] == "application/problem+json"
    assert long.json()["code"] == "response_too_long"
    assert long.json()["errors"] == [
        {
            "loc": ["body", "settings", "max_new_tokens"],
            "msg": f"must be at most 504 tokens: {short} reads at most 512 at once, "
            "and 8 of them are kept for the prompt",
        }
    ]
    assert fitting.status_code == 202


async def test_a_model_that_names_no_longest_sequence_is_left_to_the_trainer(
    admin, dataset, models
):
    (models["judge"] / "config.json").unlink()
    long = {"max_new_tokens": 8000, "max_tokens": 16000}

    answer = await admin.post(RUNS, json=ppo_run(dataset, settings=long))

    assert answer.status_code == 202


async def test_a_response_too_long_for_the_model_is_marked_in_the_form(
    admin, admin_browser, dataset, models
):
    limit_positions(models["tuned"], max_position_embeddings=512)
    form = {name: str(value) for name, value in ppo_run(dataset).items() if name != "settings"}

    answer = await admin_browser.post(PAGES, data={**form, "settings.max_new_tokens": "1000"})

    assert answer.status_code == 422
    assert 'id="settings.max_new_tokens-error">must be at most 504 tokens' in answer.text
    assert "Longest response: must be at most 504 tokens" in answer.text
    assert "lowered" not in answer.text
    assert (await admin.get(RUNS)).json()["runs"] == []


async def test_a_preset_is_lowered_to_what_the_chosen_models_can_hold(
    admin_browser, project, models
):
    limit_positions(models["tuned"], max_position_embeddings=4096)
    limit_positions(models["judge"], max_position_embeddings=512)
    paper = f"{PAGES}/new?preset=paper&base_model=tuned"

    ppo = await admin_browser.get(f"{paper}&kind=ppo&reward_model=judge")
    sft = await admin_browser.get(f"{paper}&kind=sft&reward_model=judge")

    assert 'name="settings.max_tokens" type="text" value="512"' in ppo.text
    assert 'name="settings.max_new_tokens" type="text" value="256"' in ppo.text
    assert "The lengths were lowered: judge reads at most 512 tokens at once." in ppo.text
    assert 'name="settings.max_tokens" type="text" value="2048"' in sft.text
    assert "lowered" not in sft.text


async def test_another_model_or_dataset_changes_what_the_preset_filled_in(
    admin_browser, insert, dataset, models
):
    limit_positions(models["judge"], max_position_embeddings=512)
    with_texts = await insert_dataset(insert, "demo", pretraining=2)
    sent = {
        "kind": "ppo", "preset": "paper", "base_model": "tuned", "dataset": str(with_texts),
        "settings.max_tokens": "2048", "filled.max_tokens": "2048",
        "settings.max_new_tokens": "900", "filled.max_new_tokens": "1024",
        "settings.ptx_coefficient": "1", "filled.ptx_coefficient": "1",
    }  # fmt: skip

    short = (await admin_browser.post(f"{PAGES}/memory", data=sent)).text
    without = {**sent, "dataset": str(dataset)}
    bare = (await admin_browser.post(f"{PAGES}/memory", data=without)).text

    assert 'name="settings.max_tokens" type="text" value="512"' in short
    assert 'hx-swap-oob="true"' in short
    assert 'id="filled.max_tokens" value="512"' in short
    assert "The lengths were lowered: judge reads at most 512" in short
    assert "settings.max_new_tokens" not in short
    assert "ptx_coefficient" not in short
    assert 'name="settings.ptx_coefficient" type="text" value="0"' in bare
    assert f"The pretraining mix is off: dataset {dataset} holds no pretraining texts." in bare


async def test_the_papers_preset_of_ppo_has_the_mix_when_the_project_has_texts(
    admin, admin_browser, models, project
):
    page = f"{PAGES}/new?kind=ppo&preset=paper"

    without = (await admin_browser.get(page)).text
    row = json.dumps({"text": "Rivers carry water to the sea."})
    await admin.post("/api/v1/projects/demo/pretraining", content=row, headers=NDJSON)
    with_texts = (await admin_browser.get(page)).text
    before_ppo = (await admin_browser.get(f"{PAGES}/new?kind=sft&preset=before_ppo")).text

    assert 'name="settings.pretraining_share" type="text" value="0.1"' in before_ppo
    assert 'name="settings.ptx_coefficient" type="text" value="0"' in without
    assert "The pretraining mix is off: the project has no pretraining texts." in without
    assert 'name="settings.ptx_coefficient" type="text" value="1"' in with_texts
    assert "The pretraining mix is off" not in with_texts


async def test_choosing_a_preset_keeps_the_chosen_models(admin_browser, dataset, models):
    page = await admin_browser.get(
        f"{PAGES}/new?kind=ppo&base_model=pi&reward_model=judge&dataset={dataset}"
    )

    kept = f"base_model=pi&amp;reward_model=judge&amp;dataset={dataset}"
    assert f'href="{PAGES}/new?kind=ppo&amp;preset=paper&amp;{kept}"' in page.text


async def test_a_run_that_the_workers_machine_cannot_hold_is_refused(
    admin, admin_browser, dataset, models, settings
):
    config = {**CONFIG, "num_hidden_layers": 12, "intermediate_size": 4096, "vocab_size": 32000}
    (models["tuned"] / "config.json").write_text(json.dumps({**config, "hidden_size": 1024}))
    write_machine(settings.root, Machine(device="cpu", memory_bytes=2**30))

    answer = await admin.post(RUNS, json=reward_run(dataset))
    form = await admin_browser.get(f"{PAGES}/new?base_model=tuned")
    large = await admin_browser.post(f"{PAGES}/memory", data=reward_form(dataset))
    smaller = await admin_browser.post(
        f"{PAGES}/memory", data=reward_form(dataset, **{"settings.lora_rank": "8"})
    )
    wrong = await admin_browser.post(
        f"{PAGES}/memory", data=reward_form(dataset, **{"settings.lora_rank": "x"})
    )

    assert answer.status_code == 422
    assert answer.json()["code"] == "not_enough_memory"
    assert answer.json()["errors"][0]["loc"] == ["body", "base_model"]
    assert "GiB" in answer.json()["detail"]
    assert "the worker&#39;s machine has 1.0 GiB" in form.text
    assert "up to about" in large.text
    assert "up to about" in smaller.text
    assert large.text != smaller.text
    assert "<form" not in large.text
    assert "up to about" not in wrong.text
    assert (await admin.get(RUNS)).json()["runs"] == []


@pytest.mark.parametrize(("narrow", "largest"), [("tuned", 64), ("judge", 48)])
async def test_a_rank_that_no_layer_has_is_refused_before_a_run_is_queued(
    admin, admin_browser, dataset, models, narrow, largest
):
    config = {**CONFIG, "hidden_size": 512, "intermediate_size": largest}
    config |= {"num_attention_heads": 4, "head_dim": largest // 4}
    for name in ("tuned", "judge"):
        shape = config if name == narrow else {**config, "head_dim": 128}
        (models[name] / "config.json").write_text(json.dumps(shape))

    large = await admin.post(RUNS, json=ppo_run(dataset, settings={"lora_rank": largest + 1}))
    fitting = await admin.post(RUNS, json=ppo_run(dataset, settings={"lora_rank": largest}))
    form = reward_form(dataset, **{"base_model": "tuned", "settings.lora_rank": "513"})
    page = await admin_browser.post(PAGES, data=form, headers={"accept-language": "de"})

    assert large.status_code == 422
    assert large.json()["code"] == "rank_too_large"
    assert large.json()["errors"] == [
        {
            "loc": ["body", "settings", "lora_rank"],
            "msg": f"must be at most {largest}: the linear layers have no larger rank, so that "
            "beyond it an adapter adds nothing",
        }
    ]
    assert fitting.status_code == 202
    assert page.status_code == 422
    assert "die linearen Schichten haben keinen größeren Rang" in page.text


async def test_a_reward_model_with_another_vocabulary_is_refused_where_it_reads_tokens(
    admin, dataset, models
):
    other = {"model": {"vocab": {"a": 1, "b": 0}}}
    (models["judge"] / "tokenizer.json").write_text(json.dumps(other))

    ppo = await admin.post(RUNS, json=ppo_run(dataset))
    sft = await admin.post(RUNS, json=ppo_run(dataset, kind="sft"))

    assert ppo.status_code == 422
    assert ppo.json()["code"] == "other_vocabulary"
    assert sft.status_code == 202  # there it reads the answers as texts


async def test_a_dataset_of_another_project_is_refused(admin, insert, dataset, models):
    await admin.post(
        "/api/v1/projects", json={"slug": "other", "name": "Other", "guidelines": "Be kind."}
    )
    foreign = await insert_dataset(insert, "other")

    answer = await admin.post(RUNS, json=reward_run(foreign))

    assert answer.status_code == 422
    assert answer.json()["code"] == "unknown_dataset"


async def test_the_same_key_starts_one_run(admin, dataset, models):
    key = {"Idempotency-Key": str(uuid.uuid4())}

    first = await admin.post(RUNS, json=reward_run(dataset), headers=key)
    second = await admin.post(RUNS, json=reward_run(dataset), headers=key)
    third = await admin.post(RUNS, json=reward_run(dataset))

    assert [first.status_code, second.status_code, third.status_code] == [202, 200, 202]
    assert first.json() == second.json()
    assert third.json() != first.json()
    assert len((await admin.get(RUNS)).json()["runs"]) == 2


async def test_a_malformed_key_is_refused(admin, dataset, models):
    answer = await admin.post(
        RUNS, json=reward_run(dataset), headers={"Idempotency-Key": "not-a-uuid"}
    )

    assert answer.status_code == 400


async def test_runs_are_for_admins_only(labeler, client, admin, dataset, models):
    run = (await admin.post(RUNS, json=reward_run(dataset))).json()["id"]

    for path in (RUNS, f"/api/v1/runs/{run}", f"/api/v1/runs/{run}/metrics"):
        assert (await labeler.get(path)).status_code == 403
        assert (await client.get(path)).status_code == 401
    assert (await labeler.post(RUNS, json=reward_run(dataset))).status_code == 403
    assert (await labeler.post(f"/api/v1/runs/{run}/cancel")).status_code == 403
    assert (await client.post(f"/api/v1/runs/{run}/cancel")).status_code == 401


async def test_what_is_not_there_is_404(admin, dataset, models):
    assert (await admin.get("/api/v1/runs/999999")).status_code == 404
    assert (await admin.get("/api/v1/runs/999999/metrics")).status_code == 404
    assert (await admin.post("/api/v1/runs/999999/cancel")).status_code == 404
    assert (await admin.get("/api/v1/projects/none/runs")).status_code == 404
    answer = await admin.post("/api/v1/projects/none/runs", json=reward_run(dataset))
    assert answer.status_code == 404


async def test_a_run_is_cancelled_by_its_state(admin, insert, dataset, models):
    run = (await admin.post(RUNS, json=reward_run(dataset))).json()["id"]
    other = (await admin.post(RUNS, json=reward_run(dataset))).json()["id"]
    begin = (
        "update runs set status = 'running', attempt = 1, heartbeat_at = now() where id = :run "
        "returning id"
    )
    await insert(begin, run=other)

    queued = await admin.post(f"/api/v1/runs/{run}/cancel")
    finished = await admin.post(f"/api/v1/runs/{run}/cancel")
    running = await admin.post(f"/api/v1/runs/{other}/cancel")
    cancelling = await admin.post(f"/api/v1/runs/{other}/cancel")

    assert (queued.status_code, queued.json()["status"]) == (200, "cancelled")
    assert finished.status_code == 409
    assert (running.status_code, running.json()["status"]) == (202, "cancelling")
    assert cancelling.status_code == 202
    assert (await admin.get(f"/api/v1/runs/{other}")).json()["cancel_requested"] is True


async def test_a_cancelled_run_is_resumed_and_a_waiting_one_is_not(admin, dataset, models):
    run = (await admin.post(RUNS, json=reward_run(dataset))).json()["id"]
    await admin.post(f"/api/v1/runs/{run}/cancel")

    resumed = await admin.post(f"/api/v1/runs/{run}/resume")
    again = await admin.post(f"/api/v1/runs/{run}/resume")

    assert resumed.status_code == 202
    assert resumed.json() == {"id": run, "status": "queued", "step": None}
    assert (again.status_code, again.json()["code"]) == (409, "run_going_on")
    shown = (await admin.get(f"/api/v1/runs/{run}")).json()
    assert (shown["status"], shown["error"], shown["finished_at"]) == ("queued", None, None)


async def test_the_page_of_a_failed_run_offers_to_resume_it(
    admin, admin_browser, insert, settings, dataset, models
):
    run = (await admin.post(RUNS, json=reward_run(dataset))).json()["id"]
    await insert(
        "update runs set status = 'failed', attempt = 1, error = 'it broke', finished_at = now() "
        "where id = :run returning id",
        run=run,
    )
    gone = await admin_browser.get(f"{PAGES}/{run}")
    refused = await admin_browser.post(
        f"{PAGES}/{run}/resume", headers={"accept-language": "de", "accept": "text/html"}
    )
    (settings.root / "runs" / str(run) / "checkpoints" / "step-00000040").mkdir(parents=True)
    failed = await admin_browser.get(f"{PAGES}/{run}", headers={"accept-language": "de"})
    listed = await admin_browser.get(PAGES, headers={"accept-language": "de"})
    resumed = await admin_browser.post(f"{PAGES}/{run}/resume")
    waiting = await admin_browser.get(f"{PAGES}/{run}")

    action = f'action="{PAGES}/{run}/resume"'
    assert action not in gone.text
    assert "cannot be resumed" in gone.text
    assert refused.status_code == 409
    assert f"Der Ordner von Lauf {run} fehlt" in refused.text
    assert action in failed.text
    assert "Schritt 40" in failed.text
    assert '<p lang="en">it broke</p>' in failed.text
    assert 'lang="en">it broke</p>' in listed.text
    assert (resumed.status_code, resumed.headers["location"]) == (303, f"{PAGES}/{run}")
    assert action not in waiting.text
    assert "it broke" not in waiting.text


async def report(insert, run: int, attempt: int, step: int, **values: float) -> None:
    await insert(
        "insert into run_metrics (run_id, attempt, step, values) "
        "values (:run, :attempt, :step, cast(:values as jsonb)) returning run_id",
        run=run,
        attempt=attempt,
        step=step,
        values=json.dumps(values),
    )


async def test_metrics_are_listed_after_a_step(admin, insert, dataset, models):
    run = (await admin.post(RUNS, json=reward_run(dataset))).json()["id"]
    for step in range(5):
        await report(insert, run, 1, step, loss=step / 10)

    everything = (await admin.get(f"/api/v1/runs/{run}/metrics")).json()
    later = (await admin.get(f"/api/v1/runs/{run}/metrics?after=2&limit=1")).json()["metrics"]

    assert [row["step"] for row in everything["metrics"]] == [0, 1, 2, 3, 4]
    assert everything["last"] == 4
    assert later == [{"step": 3, "attempt": 1, "values": {"loss": 0.3}}]
    for query in ("after=-2", "after=x", "limit=0", "limit=10001"):
        assert (await admin.get(f"/api/v1/runs/{run}/metrics?{query}")).status_code == 422


async def test_runs_are_listed_in_pages(admin, dataset, models):
    ids = [(await admin.post(RUNS, json=reward_run(dataset))).json()["id"] for _ in range(3)]

    first = (await admin.get(f"{RUNS}?limit=2")).json()
    rest = (await admin.get(f"{RUNS}?limit=2&before={first['next']}")).json()

    assert [run["id"] for run in first["runs"]] == [ids[2], ids[1]]
    assert [run["id"] for run in rest["runs"]] == [ids[0]]
    assert rest["next"] is None


async def test_the_pages_of_runs_are_shown(admin, admin_browser, insert, settings, dataset, models):
    empty = await admin_browser.get(PAGES)
    run = (await admin.post(RUNS, json=reward_run(dataset))).json()["id"]
    await report(insert, run, 1, 0, **{"loss/reward": 0.6931})
    folder = settings.root / "runs" / str(run)
    folder.mkdir(parents=True)
    (folder / "log.txt").write_bytes(b"<script>alert(1)</script>\n\x1b[31mred\n\xff\n")

    listed = await admin_browser.get(PAGES)
    shown = await admin_browser.get(f"{PAGES}/{run}")

    assert (empty.status_code, listed.status_code, shown.status_code) == (200, 200, 200)
    assert "No runs yet" in empty.text
    assert f"Run {run}" in listed.text
    assert "0.693" in shown.text
    assert SHA in shown.text
    assert "&lt;script&gt;alert(1)" in shown.text
    assert "\\x1b[31mred" in shown.text
    assert "\x1b" not in shown.text


async def test_the_page_of_an_evaluated_run_shows_what_was_measured(
    admin, admin_browser, insert, dataset, models
):
    run = (await admin.post(RUNS, json=reward_run(dataset))).json()["id"]
    finish = (
        "update runs set status = 'succeeded', progress = 1, finished_at = now(), "
        "result = cast(:result as jsonb) where id = :run returning id"
    )
    await insert(finish, run=run, result=json.dumps(EVALUATED))

    shown = (await admin_browser.get(f"{PAGES}/{run}")).text
    german = (await admin_browser.get(f"{PAGES}/{run}", headers={"Accept-Language": "de"})).text
    one = (await admin.get(f"/api/v1/runs/{run}")).json()
    listed = (await admin.get(RUNS)).json()["runs"][0]

    assert "Of held-out labelers" in shown
    assert "72.6% to 83.6%" in shown
    assert "chose the longer response (84 comparisons)" in shown
    assert "das Belohnungsmodell bevorzugt lange Antworten" in german
    assert "base vs tuned" in shown
    assert "tuned vs tuned" in shown
    assert "overshoots how much they like length" in shown
    assert "-0.730 to -0.110" in shown
    assert "base gegen tuned" in german
    assert "wählen Labeler öfter die kürzere Antwort" in german
    assert "all its responses are tied" in shown
    assert "ef" * 32 in shown
    assert len(one["result"]["lineage"]["rows_used"]) == 14
    assert one["result"]["evaluation"] == EVALUATED["evaluation"]
    assert "lineage" not in listed["result"]


async def test_what_could_not_be_measured_has_its_reason_and_no_column(
    admin, admin_browser, insert, dataset, models
):
    run = (await admin.post(RUNS, json=reward_run(dataset))).json()["id"]
    few = {"value": 0.5, "count": 9, "prompts": 3, "reason": "not enough data: 3 of 10 prompts"}
    fold = {"labelers": ["L-01"], "training_labelers": few, "held_out_labelers": few}
    result = {**EVALUATED, "evaluation": {**EVALUATED["evaluation"], "folds": [fold]}}
    result["evaluation"]["agreement"] = {
        **EVALUATED["evaluation"]["agreement"],
        "agreement": {**few, "reason": "not enough data: 2 of 10 prompts"},
    }
    result["evaluation"]["length"] = {
        **EVALUATED["evaluation"]["length"],
        "choice": {"count": 9, "prompts": 3, "reason": FEW},
    }
    result["evaluation"] |= {"by_round": {}, "by_models": []}
    result["evaluation"]["calibration"] = {
        **EVALUATED["evaluation"]["calibration"], "temperature": None,
        "ece_after": None, "log_loss_after": None, "brier_after": None,
    }  # fmt: skip
    finish = (
        "update runs set status = 'succeeded', progress = 1, finished_at = now(), "
        "result = cast(:result as jsonb) where id = :run returning id"
    )
    await insert(finish, run=run, result=json.dumps(result))

    shown = (await admin_browser.get(f"{PAGES}/{run}")).text

    assert "not enough data: 3 of 10 prompts" in shown
    assert "not enough data: 2 of 10 prompts" in shown
    assert FEW in shown
    assert "By round" not in shown
    assert "By pair of models" not in shown
    assert "labelers&#39; agreement, up to" not in shown
    assert "After temperature" not in shown


async def test_a_run_that_goes_on_is_seen_against_the_projects_agreement(
    app, admin, admin_browser, insert, models
):
    rankings = [Given(1, [(1, 2, 3, 4)]), Given(2, [(1, 2, 4, 3)])]
    async with transaction(app.state.engine) as tx:
        await seed(tx, [GivenSlate(rankings) for _ in range(12)], slug="ranked")
    of = await insert_dataset(insert, "ranked")
    started = await admin.post("/api/v1/projects/ranked/runs", json=reward_run(of))

    shown = (await admin_browser.get(f"/projects/ranked/runs/{started.json()['id']}")).text

    # 5 of 6 pairs agree: (1 + sqrt(2 * 5/6 - 1)) / 2 = 0.908
    assert "83.3% to 90.8%" in shown


async def test_the_texts_of_a_run_are_a_fragment_and_harmless(
    admin, admin_browser, dataset, models, settings
):
    run = (await admin.post(RUNS, json=ppo_run(dataset))).json()["id"]
    none = await admin_browser.get(f"{PAGES}/{run}/texts")
    folder = settings.root / "runs" / str(run)
    folder.mkdir(parents=True)
    lines = [
        {"step": step, "samples": [{"prompt": "Hi", "response": f"<b>at {step}</b>"}]}
        for step in (10, 20)
    ]
    (folder / "texts.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))

    newest = await admin_browser.get(f"{PAGES}/{run}/texts")
    chosen = await admin_browser.get(f"{PAGES}/{run}?step=10")

    assert none.status_code == 200
    assert "Sampled texts" not in none.text
    assert "<html" not in newest.text
    assert "&lt;b&gt;at 20&lt;/b&gt;" in newest.text
    assert "&lt;b&gt;at 10&lt;/b&gt;" in chosen.text
    assert "/texts?step=10" in chosen.text


async def test_a_run_that_waits_for_disk_says_so(admin, admin_browser, insert, dataset, models):
    run = (await admin.post(RUNS, json=reward_run(dataset))).json()["id"]
    reason = "waiting for disk: needs 1.0 MB, has 0.5 MB"
    await insert(
        "update runs set needs_disk_bytes = 1000000, error = :reason where id = :run returning id",
        run=run,
        reason=reason,
    )

    for path in (PAGES, f"{PAGES}/{run}", f"{PAGES}/{run}/status"):
        page = (await admin_browser.get(path)).text
        assert ">waiting<" in page
        assert reason in page


async def test_each_form_can_be_opened(admin_browser, dataset, models):
    sft = await admin_browser.get(f"{PAGES}/new?kind=sft&preset=paper")
    reward = await admin_browser.get(f"{PAGES}/new")
    ppo = await admin_browser.get(f"{PAGES}/new?kind=ppo&preset=small&reward_model=judge")

    dpo = await admin_browser.get(f"{PAGES}/new?kind=dpo&preset=paper")
    before_ppo = await admin_browser.get(f"{PAGES}/new?kind=sft&preset=before_ppo")

    statuses = [page.status_code for page in (sft, reward, ppo, dpo)]
    assert statuses == [200, 200, 200, 200]
    assert "settings.beta" in dpo.text
    assert "DPO paper" in dpo.text
    assert 'name="reward_model"' not in dpo.text
    assert "None: the last checkpoint is kept" in sft.text
    assert "InstructGPT, before PPO" in sft.text
    assert "InstructGPT, before PPO" not in ppo.text
    assert 'name="settings.pretraining_share" type="text" value="0"' in before_ppo.text
    assert "The pretraining mix is off" in before_ppo.text
    assert 'type="checkbox" name="settings.whiten_rewards"' in ppo.text
    assert "256 to 4,194,304" in ppo.text
    assert 'value="9.65e-6"' in sft.text
    assert "settings.ties" in reward.text
    assert '<option value="judge" selected' in ppo.text


def reward_form(of: int, **changes: str) -> dict[str, str]:
    fields = {
        f"settings.{name}": as_text(value) for name, value in RewardSettings().model_dump().items()
    }
    return {
        "kind": "reward",
        "dataset": str(of),
        "base_model": "tuned",
        "request_key": str(uuid.uuid4()),
        **fields,
        **changes,
    }


async def test_a_form_sent_twice_starts_one_run(admin, admin_browser, dataset, models):
    form = reward_form(dataset)

    first = await admin_browser.post(PAGES, data=form)
    second = await admin_browser.post(PAGES, data=form)

    runs = (await admin.get(RUNS)).json()["runs"]
    assert first.status_code == second.status_code == 303
    assert first.headers["location"] == second.headers["location"] == f"{PAGES}/{runs[0]['id']}"
    assert len(runs) == 1
    assert runs[0]["settings"] == RewardSettings().model_dump()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"settings.learning_rate": "fast"}, "must be a number"),
        ({"settings.learning_rate": "nan"}, "finite"),
        ({"settings.batch_size": "0"}, "must be at least 1"),
        ({"settings.unknown": "1"}, "no such setting"),
        ({"base_model": "pi"}, "takes one of the kind sft or base"),
        ({"base_model": ""}, "no model with this name"),
        ({"dataset": "x"}, "must be a dataset"),
        ({"dataset": "99999"}, "no dataset with this id"),
    ],
)
async def test_a_wrong_form_comes_back_with_what_was_typed(
    admin, admin_browser, dataset, models, changes, message
):
    answer = await admin_browser.post(PAGES, data=reward_form(dataset, **changes))

    assert answer.status_code == 422
    assert message in answer.text
    assert 'name="settings.max_tokens" type="text" value="1024"' in answer.text
    assert (await admin.get(RUNS)).json()["runs"] == []


async def test_a_form_calls_the_other_setting_what_its_field_is_called(
    admin_browser, dataset, models
):
    form = {**ppo_run(dataset), "settings.batch_size": "10", "settings.minibatch_size": "10"}
    form |= {"settings.responses_per_prompt": "4"}
    form.pop("settings", None)

    answer = await admin_browser.post(PAGES, data=form)

    assert answer.status_code == 422
    assert "must be a multiple of &#34;Responses per prompt&#34; (4)" in answer.text
    assert "multiple of responses_per_prompt" not in answer.text


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"settings.learning_rate": "fast"}, "Lernrate: muss eine Zahl sein</p>"),
        ({"settings.batch_size": "0"}, "Stapelgröße: mindestens 1 angeben</p>"),
        ({"settings.batch_size": "9999"}, "höchstens 4.096 angeben"),
        ({"settings.labeler_folds": "1"}, "muss 0 oder mindestens 2 sein"),
        ({"settings.unknown": "1"}, "diese Einstellung gibt es bei Läufen dieser Art nicht"),
        ({"base_model": "pi"}, "Basismodell: pi ist von der Art policy, ein Lauf der Art reward"),
        ({"base_model": ""}, "Basismodell: es gibt kein Modell dieses Namens"),
        ({"dataset": "x"}, "Datensatz: muss ein Datensatz dieses Projekts sein"),
        ({"dataset": ""}, "braucht mindestens 1 Vergleich; mehr Antwortsätze ordnen"),
        ({"dataset": ""}, "Es gibt 0 Demonstrationen, 0 Rangfolgen, 0 Vergleiche, 0 Prompts"),
    ],
)
async def test_a_wrong_form_is_refused_in_german(admin_browser, dataset, models, changes, message):
    german = {"accept-language": "de"}

    answer = await admin_browser.post(PAGES, data=reward_form(dataset, **changes), headers=german)

    assert answer.status_code == 422
    assert message in answer.text


async def test_settings_that_clash_are_named_as_the_german_form_names_them(
    admin_browser, dataset, models
):
    form = {**ppo_run(dataset), "settings.batch_size": "10", "settings.minibatch_size": "10"}
    form |= {"settings.responses_per_prompt": "4"}
    form.pop("settings", None)

    answer = await admin_browser.post(PAGES, data=form, headers={"accept-language": "de"})

    assert answer.status_code == 422
    assert "Stapelgröße: muss ein Vielfaches von „Antworten je Prompt“ (4) sein" in answer.text


async def test_the_head_of_a_finished_run_asks_for_the_whole_page(
    admin, admin_browser, dataset, models
):
    run = (await admin.post(RUNS, json=reward_run(dataset))).json()["id"]

    live = await admin_browser.get(f"{PAGES}/{run}/status", headers={"hx-request": "true"})
    cancelled = await admin_browser.post(f"{PAGES}/{run}/cancel")
    over = await admin_browser.get(f"{PAGES}/{run}/status", headers={"hx-request": "true"})

    assert "<html" not in live.text
    assert 'hx-trigger="every 2s"' in live.text
    assert "hx-refresh" not in live.headers
    assert cancelled.status_code == 303
    assert over.headers["hx-refresh"] == "true"
    assert "hx-trigger" not in over.text


async def test_a_run_is_shown_in_its_own_project_only(admin, admin_browser, dataset, models):
    run = (await admin.post(RUNS, json=reward_run(dataset))).json()["id"]
    await admin.post(
        "/api/v1/projects", json={"slug": "other", "name": "Other", "guidelines": "Be kind."}
    )

    assert (await admin_browser.get(f"/projects/other/runs/{run}")).status_code == 404
    assert (await admin_browser.post(f"/projects/other/runs/{run}/cancel")).status_code == 404


async def test_a_labeler_sees_no_page_of_runs(labeler_browser, dataset, models):
    assert (await labeler_browser.get(PAGES)).status_code == 403
    assert (await labeler_browser.post(PAGES, data=reward_form(dataset))).status_code == 403
