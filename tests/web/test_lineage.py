"""What was made from what, over HTTP: the page, the files, the call, and who may see them."""

import csv
import io
import json
from xml.etree import ElementTree as ET

import pytest
from sqlalchemy import text

from app.db import transaction
from tests.loops import make_loops

PAGE = "/projects/loops/lineage"
CALL = f"/api/v1{PAGE}"
SVG = "{http://www.w3.org/2000/svg}"


@pytest.fixture
async def loops(app):
    async with transaction(app.state.engine) as tx:
        return await make_loops(tx)


async def nodes_of(admin, **params):
    answer = await admin.get(CALL, params=params)
    assert answer.status_code == 200, answer.text
    return {node["name"]: node for node in answer.json()["nodes"]}


async def test_the_call_answers_what_each_thing_was_made_from(admin, loops):
    nodes = await nodes_of(admin)
    names = {node["id"]: name for name, node in nodes.items()}

    def parents(name):
        return {names[key] for key in nodes[name]["made_from"]}

    first, _, third = (f"Dataset {one}" for one in loops.datasets)
    assert parents("loops-base") == set()
    assert parents("loops-sft") == {"loops-base"}
    assert parents("Round 1") == {"loops-sft"}
    assert parents(first) == {"Round 1"}
    assert parents("loops-rm-1") == {"loops-sft", first}
    assert parents("loops-ppo-1") == {"loops-sft", "loops-rm-1", first}
    assert parents("Round 2") == {"loops-sft", "loops-ppo-1"}
    assert parents(third) == {"Round 1", "Round 2", "Round 3"}
    assert parents(f"Run {loops.running}") == {"loops-sft", third}


async def test_the_call_answers_what_depends_on_each_thing(admin, loops):
    nodes = await nodes_of(admin)
    names = {node["id"]: name for name, node in nodes.items()}

    depending = {names[key] for key in nodes["Round 3"]["depending"]}

    third = f"Dataset {loops.datasets[2]}"
    assert depending == {third, "loops-rm-3", "loops-ppo-3", f"Run {loops.running}"}
    assert len(nodes["loops-base"]["depending"]) == len(nodes) - 1


async def test_the_call_tells_how_a_round_was_sampled_and_labeled(admin, loops):
    nodes = await nodes_of(admin)

    facts = nodes["Round 2"]["round"]
    assert (facts["responses_per_prompt"], facts["sampling"]["temperature"]) == (4, 0.7)
    assert (facts["slates"], facts["rankings"]) == (4, 8)
    assert (facts["labelers"], facts["guidelines"]) == (["L-01", "L-02"], [1])
    assert nodes["loops-rm-1"]["model"]["accuracy"]["value"] == 0.689
    assert nodes[f"Dataset {loops.datasets[0]}"]["dataset"]["sha256"] == "ab" * 32
    assert nodes[f"Run {loops.running}"]["run"]["status"] == "running"


async def test_an_excluded_ranking_is_in_no_round(app, admin, loops):
    async with transaction(app.state.engine) as tx:
        await tx.execute(
            text("insert into exclusions (slate_id, reason, created_by) "
                 "select min(s.id), 'Spam', (select min(id) from users) from slates s "
                 "join rounds r on r.id = s.round_id where r.number = 2")
        )  # fmt: skip

    facts = (await nodes_of(admin))["Round 2"]["round"]

    assert (facts["slates"], facts["rankings"]) == (4, 6)


async def test_only_the_newest_rounds_are_answered_unless_all_are_asked_for(app, admin):
    async with transaction(app.state.engine) as tx:
        await make_loops(tx, rounds=10, slates_per_round=1)

    newest = (await admin.get(CALL)).json()
    everything = (await admin.get(CALL, params={"shown": "all"})).json()

    def numbers(answer):
        return sorted(node["round"]["number"] for node in answer["nodes"] if node["round"])

    assert (numbers(newest), newest["rounds_left_out"]) == (list(range(3, 11)), 2)
    assert newest["runs_left_out"] == 5  # of 10 rewards, 10 policies and one going on
    assert (numbers(everything), everything["rounds_left_out"]) == (list(range(1, 11)), 0)


async def test_a_round_without_rankings_is_not_in_a_dataset(app, admin, loops):
    async with app.state.engine.begin() as connection:
        await connection.exec_driver_sql(
            "insert into rounds (project_id, number, source, labels_per_slate, overlap_share, "
            "gold_share, anchor_share, repeat_share) "
            f"values ({loops.project_id}, 4, 'imported', 1, 0, 0, 0, 0)"
        )
        await connection.exec_driver_sql(
            "update datasets set manifest = jsonb_set(manifest, '{rounds,99}', '{\"number\": 4}', "
            f"true) where id = {loops.datasets[2]}"
        )

    nodes = await nodes_of(admin)

    assert nodes["Round 4"]["depending"] == []
    assert nodes[f"Dataset {loops.datasets[2]}"]["dataset"]["rounds"] == [1, 2, 3, 4]


async def test_an_imported_round_comes_from_the_models_that_are_registered(admin, project, app):
    async with transaction(app.state.engine) as tx:
        await make_loops(tx, slug="other", rounds=1)
    answers = [{"text": "a", "model": "other-sft"}, {"text": "b", "model": "elsewhere"}]
    imported = await admin.post(
        f"/api/v1/projects/{project}/responses",
        content=json.dumps({"prompt": "Why?", "responses": answers}),
        headers={"content-type": "application/x-ndjson"},
    )
    assert imported.status_code == 200, imported.text

    answer = (await admin.get(f"/api/v1/projects/{project}/lineage")).json()

    nodes = {node["name"]: node for node in answer["nodes"]}
    assert nodes["Round 1"]["made_from"] == [nodes["other-sft"]["id"]]
    assert nodes["Round 1"]["round"]["unregistered"] == ["elsewhere"]
    assert sorted(nodes) == ["Round 1", "other-base", "other-sft"]


async def test_the_page_draws_each_thing_once_and_lists_it(admin_browser, loops):
    page = await admin_browser.get(PAGE)

    assert page.status_code == 200
    assert page.text.count("data-node=") == 15
    assert page.text.count('<tr id="of-') == 15
    assert f'href="/projects/loops/datasets#dataset-{loops.datasets[0]}"' in page.text
    assert "accuracy 68.9%, run " in page.text
    assert "8 rankings, 2 labelers" in page.text
    assert "K = 4, T = 0.70" in page.text
    assert " style=" not in page.text


async def test_an_empty_project_says_what_to_do(admin_browser, project):
    page = await admin_browser.get(f"/projects/{project}/lineage")

    assert page.status_code == 200
    assert "Nothing has been made yet" in page.text
    assert f'href="/projects/{project}/rounds"' in page.text
    assert '<svg class="lineage' not in page.text


async def test_the_picture_can_be_downloaded(admin_browser, loops):
    answer = await admin_browser.get(f"{PAGE}.svg")

    assert answer.headers["content-type"] == "image/svg+xml"
    assert answer.headers["content-disposition"] == 'attachment; filename="loops-lineage.svg"'
    root = ET.fromstring(answer.content)  # noqa: S314 it is ours
    links = [link.get("href") for link in root.iter(f"{SVG}a")]
    assert len(links) == 15
    assert links[0].startswith("http://localhost/models/")
    fills = {shape.get("fill") for shape in root.iter(f"{SVG}rect")}
    assert None not in fills


async def test_the_table_can_be_downloaded(admin_browser, loops):
    answer = await admin_browser.get(f"{PAGE}.csv")

    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    rows = {row["name"]: row for row in csv.DictReader(io.StringIO(answer.text))}
    assert len(rows) == 15
    assert rows["loops-sft"]["made_from"] == "loops-base"
    assert rows[f"Dataset {loops.datasets[0]}"]["sha256"] == "ab" * 32
    assert "loops-ppo-3" in rows["Round 3"]["depending"].split("; ")


async def test_labelers_find_no_lineage(labeler, labeler_browser, admin, loops):
    for email in ("labeler@example.org", "labeler.browser@example.org"):
        await admin.put(f"/api/v1/projects/loops/members/{email}", json={"role": "labeler"})

    assert (await labeler.get(CALL)).status_code == 404
    for path in (PAGE, f"{PAGE}.svg", f"{PAGE}.csv"):
        answer = await labeler_browser.get(path)
        assert answer.status_code == 404
        assert "loops-ppo" not in answer.text


@pytest.mark.parametrize("query", ["shown=some", "shown=all&shown=all", "x=1"])
async def test_wrong_parameters_are_refused(admin, loops, query):
    assert (await admin.get(f"{CALL}?{query}")).status_code == 422
