"""Imports over HTTP: counts, duplicates, rejections, all or nothing, and bad input."""

import asyncio
import json

import pytest
from sqlalchemy import text

from app.db import transaction
from tests.cpu_time import cpu_time

PROMPTS = "/api/v1/projects/demo/prompts"
NDJSON = {"content-type": "application/x-ndjson"}


def ndjson(*rows: object) -> bytes:
    return "\n".join(json.dumps(row) for row in rows).encode()


async def count(app, table: str) -> int:
    async with transaction(app.state.engine) as tx:
        return await tx.scalar(text(f"select count(*) from {table}"))


async def test_an_import_counts_what_was_new_double_and_rejected(admin, project):
    body = ndjson({"prompt": "a"}, {"prompt": "b"}, {"prompt": "a"}, {"prompt": ""})

    answer = await admin.post(PROMPTS, content=body, headers=NDJSON)

    assert answer.status_code == 200
    assert answer.json()["imported"] == 2
    assert answer.json()["duplicates"] == 1
    assert [item["line"] for item in answer.json()["rejected"]] == [4]


async def test_a_file_sent_twice_is_stored_once(admin, app, project):
    body = ndjson({"prompt": "a", "id": "1"}, {"prompt": "b"})

    await admin.post(PROMPTS, content=body, headers=NDJSON)
    again = await admin.post(PROMPTS, content=body, headers=NDJSON)

    assert again.json() == {"imported": 0, "duplicates": 2, "rejected": []}
    assert await count(app, "prompts") == 2


async def test_the_same_text_in_another_case_is_another_prompt(admin, project):
    answer = await admin.post(
        PROMPTS, content=ndjson({"prompt": "rivers"}, {"prompt": "Rivers"}), headers=NDJSON
    )

    assert answer.json()["imported"] == 2


async def test_strict_stores_nothing_when_one_line_is_wrong(admin, app, project):
    body = ndjson({"prompt": "a"}, {"prompt": ""})

    refused = await admin.post(f"{PROMPTS}?strict=true", content=body, headers=NDJSON)

    assert refused.status_code == 422
    assert refused.json()["code"] == "rejected"
    assert [item["loc"] for item in refused.json()["errors"]] == [["line", 2]]
    assert await count(app, "prompts") == 0


async def test_a_file_with_no_usable_line_is_refused_with_422(admin, project):
    refused = await admin.post(PROMPTS, content=b"[1]\n{}", headers=NDJSON)

    assert refused.status_code == 422
    assert [item["loc"] for item in refused.json()["errors"]] == [["line", 1], ["line", 2]]


async def test_an_id_names_one_prompt_for_ever(admin, project):
    await admin.post(PROMPTS, content=ndjson({"prompt": "a", "id": "7"}), headers=NDJSON)

    answer = await admin.post(
        PROMPTS,
        content=ndjson({"prompt": "b", "id": "7"}, {"prompt": "c", "id": "8"}),
        headers=NDJSON,
    )

    assert answer.json()["imported"] == 1
    assert [item["line"] for item in answer.json()["rejected"]] == [1]


async def test_a_group_stays_in_one_split(admin, project):
    first = ndjson({"prompt": "a", "group": "g", "split": "test"}, {"prompt": "b", "group": "g"})
    second = ndjson({"prompt": "c", "group": "g", "split": "train"}, {"prompt": "d", "group": "g"})

    await admin.post(PROMPTS, content=first, headers=NDJSON)
    answer = await admin.post(PROMPTS, content=second, headers=NDJSON)

    assert [item["line"] for item in answer.json()["rejected"]] == [1]
    listed = (await admin.get(PROMPTS)).json()["prompts"]
    assert [(row["messages"][0]["content"], row["split"]) for row in listed] == [
        ("a", "test"),
        ("b", "test"),
        ("d", "test"),
    ]


async def test_prompts_are_listed_page_by_page_without_gaps(admin, project):
    body = ndjson(*({"prompt": f"prompt {number}"} for number in range(5)))
    await admin.post(PROMPTS, content=body, headers=NDJSON)

    first = (await admin.get(PROMPTS, params={"limit": 3})).json()
    second = (await admin.get(PROMPTS, params={"limit": 3, "after": first["next"]})).json()

    texts = [row["messages"][0]["content"] for row in first["prompts"] + second["prompts"]]
    assert texts == [f"prompt {number}" for number in range(5)]
    assert second["next"] is None


async def test_prompts_are_listed_by_tag(admin, project):
    body = ndjson({"prompt": "a", "tags": ["x"]}, {"prompt": "b", "tags": ["y", "x"]})
    await admin.post(PROMPTS, content=body, headers=NDJSON)

    found = (await admin.get(PROMPTS, params={"tag": "y"})).json()["prompts"]

    assert [row["tags"] for row in found] == [["y", "x"]]


@pytest.mark.parametrize("query", ["limit=0", "after=-1", "after=x", "split=dev", "tag=%00"])
async def test_a_list_parameter_out_of_range_is_refused_with_422(admin, project, query):
    assert (await admin.get(f"{PROMPTS}?{query}")).status_code == 422


async def test_demonstrations_and_pretraining_texts_are_imported_once(admin, app, project):
    demonstration = ndjson({"prompt": "a", "response": "b"})
    pretraining = ndjson({"text": "Once."}, {"text": "Once."})
    for _ in range(2):
        await admin.post(
            "/api/v1/projects/demo/demonstrations", content=demonstration, headers=NDJSON
        )
        stored = await admin.post(
            "/api/v1/projects/demo/pretraining", content=pretraining, headers=NDJSON
        )

    assert stored.json() == {"imported": 0, "duplicates": 2, "rejected": []}
    assert await count(app, "demonstrations") == 1
    assert await count(app, "pretraining_texts") == 1


@pytest.mark.parametrize("path", ["prompts", "demonstrations", "pretraining"])
async def test_a_labeler_imports_and_lists_nothing(admin, labeler, project, path):
    await admin.put("/api/v1/projects/demo/members/labeler@example.org", json={"role": "labeler"})

    refused = await labeler.post(
        f"/api/v1/projects/demo/{path}", content=ndjson({"prompt": "a"}), headers=NDJSON
    )

    assert refused.status_code == 403
    assert (await labeler.get(PROMPTS)).status_code == 403


@pytest.mark.parametrize("kind", ["text/csv", "text/plain", "application/json", "image/png", "x"])
async def test_another_content_type_is_refused_with_415(admin, project, kind):
    refused = await admin.post(
        PROMPTS, content=ndjson({"prompt": "a"}), headers={"content-type": kind}
    )

    assert refused.status_code == 415
    assert "NDJSON" in refused.json()["detail"]


async def test_a_picture_is_refused_with_415_by_its_name(admin, project):
    refused = await admin.post(PROMPTS, content=b"\x89PNG\r\n\x1a\n", headers=NDJSON)

    assert refused.status_code == 415
    assert "PNG" in refused.json()["detail"]


@pytest.mark.parametrize("body", [b"", b"\n \n"])
async def test_an_empty_file_is_refused_with_422(admin, project, body):
    refused = await admin.post(PROMPTS, content=body, headers=NDJSON)

    assert refused.status_code == 422
    assert refused.json()["code"] == "empty_file"


async def test_one_bad_byte_refuses_the_file_and_stores_nothing(admin, app, project):
    body = ndjson({"prompt": "a"}) + b'\n{"prompt": "\xe9"}'

    refused = await admin.post(PROMPTS, content=body, headers=NDJSON)

    assert refused.status_code == 422
    assert "line 2" in refused.json()["detail"]
    assert await count(app, "prompts") == 0


async def test_a_file_over_64_mib_is_refused_with_413_however_it_is_sent(admin, app, project):
    block = b'{"prompt": "a"}\n' + b" " * (1024 * 1024)

    async def chunks():
        for _ in range(65):
            yield block

    whole = await admin.post(PROMPTS, content=block * 65, headers=NDJSON)
    chunked = await admin.post(PROMPTS, content=chunks(), headers=NDJSON)

    assert [whole.status_code, chunked.status_code] == [413, 413]
    assert await count(app, "prompts") == 0


async def test_five_imports_at_once_store_every_prompt_once(admin, app, project):
    body = ndjson(*({"prompt": f"prompt {number}"} for number in range(200)))

    answers = await asyncio.gather(
        *(admin.post(PROMPTS, content=body, headers=NDJSON) for _ in range(5))
    )

    assert [answer.status_code for answer in answers] == [200] * 5
    assert sum(answer.json()["imported"] for answer in answers) == 200
    assert await count(app, "prompts") == 200


async def test_text_comes_back_as_it_was_sent(admin, project):
    hostile = (
        '=HYPERLINK("x") <script>alert(1)</script> \'; drop table prompts; -- \u202e \U0001f409'
    )

    await admin.post(PROMPTS, content=ndjson({"prompt": hostile}), headers=NDJSON)

    listed = (await admin.get(PROMPTS)).json()["prompts"]
    assert listed[0]["messages"] == [{"role": "user", "content": hostile}]


async def test_20000_prompts_are_imported_in_a_few_seconds(admin, project):
    body = ndjson(
        *({"prompt": f"Prompt number {number}. " * 10, "tags": ["x"]} for number in range(20_000))
    )

    with cpu_time() as taken:
        answer = await admin.post(PROMPTS, content=body, headers=NDJSON)

    assert answer.json()["imported"] == 20_000
    assert taken.seconds < 20
