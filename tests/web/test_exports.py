"""Exports and datasets over HTTP: formats, shapes, strict parameters, who may."""

import csv
import io
import json

import pytest
from sqlalchemy import text

from app.db import transaction
from tests.labeled_project import Given, GivenSlate, seed

META = [
    "comparison_id",
    "prompt_id",
    "group",
    "split",
    "round",
    "labeler",
    "rank_gap",
    "rating_chosen",
    "rating_rejected",
    "margin",
    "weight",
    "conflict",
    "model_chosen",
    "model_rejected",
    "labeled_at",
    "cohort",
]
COMPARISONS = "/api/v1/projects/seeded/comparisons"
RANKINGS = "/api/v1/projects/seeded/rankings"


@pytest.fixture
async def seeded(app):
    async with transaction(app.state.engine) as tx:
        return await seed(
            tx,
            [
                GivenSlate(
                    [Given(1, [(1, 2, 2)], ratings=(6, 4, 7))],
                    texts=('Say "hi",\nplease', "=1+1", "no"),
                    models=("sft", "＝evil", None),
                    finishes=("stop", "length", None),
                    prompt="Greet me.",
                ),
                GivenSlate([Given(2, [(2, 1, None)])], texts=("x", "y", "z"), split="test"),
            ],
        )


def rows(answer):
    assert answer.status_code == 200, answer.text
    return [json.loads(line) for line in answer.text.splitlines()]


async def test_explicit_comparisons_are_message_lists_with_everything_known(admin, seeded):
    answer = await admin.get(COMPARISONS)

    first = rows(answer)[0]
    a, b, _ = seeded.responses[0]
    assert list(first) == ["prompt", "chosen", "rejected", *META]
    assert first["prompt"] == [{"role": "user", "content": "Greet me."}]
    assert first["chosen"] == [{"role": "assistant", "content": 'Say "hi",\nplease'}]
    assert first["rejected"] == [{"role": "assistant", "content": "=1+1"}]
    assert first["comparison_id"].endswith(f"-{a}-{b}")
    assert first["labeled_at"].endswith("Z")
    assert {key: first[key] for key in META[1:] if key != "labeled_at"} == {
        "prompt_id": "p-0",
        "group": "p-0",
        "split": "train",
        "round": 1,
        "labeler": "L-01",
        "rank_gap": 1,
        "rating_chosen": 6,
        "rating_rejected": 4,
        "margin": 2,
        "weight": 0.5,
        "conflict": False,
        "model_chosen": "sft",
        "model_rejected": "＝evil",
        "cohort": "training",
    }
    assert answer.headers["content-disposition"] == (
        'attachment; filename="seeded-comparisons.jsonl"'
    )
    assert answer.headers["content-type"] == "application/x-ndjson"


async def test_implicit_comparisons_begin_with_the_prompt(admin, seeded):
    first = rows(await admin.get(COMPARISONS, params={"shape": "implicit"}))[0]

    assert list(first) == ["chosen", "rejected", *META]
    assert first["rejected"] == [
        {"role": "user", "content": "Greet me."},
        {"role": "assistant", "content": "=1+1"},
    ]


async def test_hh_comparisons_are_two_transcripts(admin, seeded):
    first = rows(await admin.get(COMPARISONS, params={"shape": "hh"}))[0]

    assert first["rejected"] == "\n\nHuman: Greet me.\n\nAssistant: =1+1"


@pytest.mark.parametrize("shape", ["explicit", "implicit", "hh"])
async def test_csv_holds_the_same_rows_with_risky_cells_prefixed(admin, seeded, shape):
    lines = rows(await admin.get(COMPARISONS, params={"shape": shape}))
    answer = await admin.get(COMPARISONS, params={"shape": shape, "format": "csv"})

    records = list(csv.DictReader(io.StringIO(answer.text, newline="")))
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    assert [list(record) for record in records] == [list(line) for line in lines]
    assert [record["comparison_id"] for record in records] == [
        line["comparison_id"] for line in lines
    ]
    assert records[0]["model_rejected"] == "'＝evil"
    assert [record["margin"] for record in records] == ["2", "-1", ""]
    chosen = records[0]["chosen"]
    assert (chosen if shape == "hh" else json.loads(chosen)) == lines[0]["chosen"]


async def test_a_ranking_says_of_each_response_why_it_ended_where_that_is_known(admin, seeded):
    dataset = (await admin.post("/api/v1/projects/seeded/datasets")).json()

    for path in (RANKINGS, f"/api/v1/datasets/{dataset['id']}/rankings"):
        sampled, imported = rows(await admin.get(path))
        assert [one["finish"] for one in sampled["responses"]] == ["stop", "length", None]
        assert [one["finish"] for one in imported["responses"]] == [None, None, None]


async def test_one_split_can_be_exported(admin, seeded):
    assert [row["split"] for row in rows(await admin.get(COMPARISONS + "?split=test"))] == ["test"]
    assert [row["split"] for row in rows(await admin.get(RANKINGS + "?split=test"))] == ["test"]


async def test_an_empty_project_exports_no_rows(admin, project):
    empty = await admin.get(f"/api/v1/projects/{project}/comparisons")
    empty_csv = await admin.get(f"/api/v1/projects/{project}/comparisons?format=csv")

    assert (empty.status_code, empty.text) == (200, "")
    assert empty_csv.text == "prompt,chosen,rejected," + ",".join(META) + "\r\n"


@pytest.mark.parametrize(
    "query",
    [
        "format=xml",
        "format=csv&format=jsonl",
        "format=",
        "shape=flat",
        "split=all",
        "offset=5",
        "limit=0",
        "sort=password",
        "shape=hh&shape=hh",
    ],
)
async def test_parameters_that_are_unknown_repeated_or_wrong_are_refused(admin, seeded, query):
    answer = await admin.get(f"{COMPARISONS}?{query}")

    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/problem+json"


async def test_rankings_are_not_exported_as_csv(admin, seeded):
    assert (await admin.get(RANKINGS + "?format=csv")).status_code == 422


async def test_labelers_and_strangers_export_nothing(labeler, client, seeded):
    for path in (COMPARISONS, RANKINGS, "/api/v1/datasets/1", "/api/v1/datasets/1/rankings"):
        assert (await labeler.get(path)).status_code == 403
        assert (await client.get(path)).status_code == 401
    assert (await labeler.post("/api/v1/projects/seeded/datasets")).status_code == 403


async def test_an_unknown_project_or_dataset_is_not_found(admin, seeded):
    for path in (
        "/api/v1/projects/other/comparisons",
        "/api/v1/projects/other/rankings",
        "/api/v1/datasets/999",
        "/api/v1/datasets/999/comparisons",
        "/api/v1/datasets/999/files/manifest.json",
    ):
        assert (await admin.get(path)).status_code == 404


async def test_a_dataset_gives_the_rows_that_the_project_gave(admin, seeded):
    made = await admin.post("/api/v1/projects/seeded/datasets")

    assert made.status_code == 201
    dataset = made.json()
    assert {key: dataset[key] for key in ("prompts", "rankings", "comparisons")} == {
        "prompts": 2,
        "rankings": 2,
        "comparisons": 3,
    }
    here = f"/api/v1/datasets/{dataset['id']}"
    assert (await admin.get(here)).json() == dataset
    for query in ("", "?split=test", "?shape=hh", "?format=csv"):
        if "format" not in query and "hh" not in query:
            frozen_rankings = await admin.get(f"{here}/rankings{query}")
            assert rows(frozen_rankings) == rows(await admin.get(RANKINGS + query))
        frozen = await admin.get(f"{here}/comparisons{query}")
        assert frozen.text == (await admin.get(COMPARISONS + query)).text
    manifest = await admin.get(f"{here}/files/manifest.json")
    assert json.loads(manifest.text) == dataset["manifest"]
    assert (await admin.get(f"{here}/files/..%2fmanifest.json")).status_code in (404, 422)


async def test_a_dataset_whose_files_are_gone_says_so(admin, seeded, settings):
    dataset = (await admin.post("/api/v1/projects/seeded/datasets")).json()
    (settings.root / "datasets" / str(dataset["id"]) / "rankings.jsonl").unlink()

    answer = await admin.get(f"/api/v1/datasets/{dataset['id']}/comparisons")

    assert answer.status_code == 503
    assert answer.json()["code"] == "dataset_files_missing"


async def test_the_page_freezes_and_lists_datasets(admin_browser, seeded):
    posted = await admin_browser.post("/projects/seeded/datasets")
    shown = await admin_browser.get("/projects/seeded/datasets")

    assert posted.status_code == 303
    assert posted.headers["location"] == "/projects/seeded/datasets#dataset-1"
    assert "/api/v1/datasets/1/comparisons" in shown.text


async def test_the_page_says_why_an_empty_project_cannot_be_frozen(admin_browser, project):
    answer = await admin_browser.post(f"/projects/{project}/datasets")

    assert answer.status_code == 422
    assert "nothing to freeze yet" in answer.text


async def test_the_page_is_for_admins(labeler_browser, seeded):
    assert (await labeler_browser.get("/projects/seeded/datasets")).status_code == 403


async def test_an_export_is_one_snapshot(app, admin, seeded):
    """A ranking that is stored while the export runs is not in it."""
    async with admin.stream("GET", COMPARISONS) as answer:
        async with transaction(app.state.engine) as tx:
            await tx.execute(text("update ranking_items set rank = 1 where rank = 2"))
        body = await answer.aread()

    assert len(body.splitlines()) == 3
