"""The prompts page and its upload forms."""

import json

import pytest

PAGE = "/projects/demo/prompts"


def ndjson(*rows: object) -> bytes:
    return "\n".join(json.dumps(row) for row in rows).encode()


def upload(data: bytes, name: str = "file.jsonl") -> dict[str, tuple[str, bytes]]:
    return {"file": (name, data)}


async def test_the_page_of_an_empty_project_offers_to_import(admin_browser, project):
    shown = await admin_browser.get(PAGE)

    assert shown.status_code == 200
    assert "No prompts yet" in shown.text


async def test_an_upload_shows_what_became_of_its_lines(admin_browser, project):
    data = ndjson({"prompt": "Name a river."}, {"prompt": "Name a river."}, {"prompt": ""})

    shown = await admin_browser.post(f"{PAGE}/upload/prompts", files=upload(data))

    assert shown.status_code == 200
    assert "1 imported, 1 there already, 1 rejected." in shown.text
    assert "Line 3: prompt:" in shown.text
    assert "Name a river." in shown.text


async def test_all_or_nothing_stores_nothing_and_names_the_lines(admin_browser, project):
    data = ndjson({"prompt": "a"}, {"prompt": ""}, {"text": "b"})

    refused = await admin_browser.post(
        f"{PAGE}/upload/prompts", files=upload(data), data={"strict": "on"}
    )

    assert refused.status_code == 422
    assert "line.2" in refused.text
    assert "No prompts yet" in refused.text


async def test_demonstrations_and_pretraining_texts_are_uploaded_too(admin_browser, project):
    shown = [
        await admin_browser.post(f"{PAGE}/upload/{kind}", files=upload(ndjson(row)))
        for kind, row in (
            ("demonstrations", {"prompt": "a", "response": "b"}),
            ("pretraining", {"text": "Once."}),
        )
    ]

    assert [answer.status_code for answer in shown] == [200, 200]
    assert all("1 imported" in answer.text for answer in shown)


@pytest.mark.parametrize(
    ("name", "data", "status", "said"),
    [
        ("a.csv", b"prompt\nx\n", 415, "CSV files are not taken yet"),
        ("a.parquet", b"PAR1", 415, "Parquet files are not taken yet"),
        ("a.jsonl", b"\x89PNG\r\n", 415, "This is a PNG image"),
        ("a.jsonl", b"", 422, "The file is empty"),
        ("a.jsonl", b'{"prompt": "\xe9"}', 422, "Byte 12 (line 1) is not UTF-8"),
        ("../../etc/x", b"{}", 422, "either prompt or messages"),
    ],
)
async def test_a_file_that_cannot_be_taken_is_refused_with_the_reason(
    admin_browser, project, name, data, status, said
):
    refused = await admin_browser.post(f"{PAGE}/upload/prompts", files=upload(data, name))

    assert refused.status_code == status
    assert said in refused.text


async def test_a_form_without_a_file_asks_for_one(admin_browser, project):
    refused = await admin_browser.post(f"{PAGE}/upload/prompts", data={"strict": "on"})

    assert refused.status_code == 422
    assert "Choose a file first." in refused.text


async def test_two_files_or_a_broken_form_are_refused_with_400(admin_browser, project):
    two = [("file", ("a.jsonl", b"{}")), ("file", ("b.jsonl", b"{}"))]

    answers = [
        await admin_browser.post(f"{PAGE}/upload/prompts", files=two),
        await admin_browser.post(
            f"{PAGE}/upload/prompts",
            content=b"no boundary",
            headers={"content-type": "multipart/form-data"},
        ),
    ]

    assert [answer.status_code for answer in answers] == [400, 400]


async def test_an_unknown_kind_of_file_is_refused(admin_browser, project):
    refused = await admin_browser.post(f"{PAGE}/upload/models", files=upload(b"{}"))

    assert refused.status_code == 422


async def test_the_list_goes_on_behind_its_last_prompt(admin_browser, admin, project):
    body = ndjson(*({"prompt": f"Prompt number {number}", "tags": ["t&t"]} for number in range(30)))
    await admin.post(
        "/api/v1/projects/demo/prompts",
        content=body,
        headers={"content-type": "application/x-ndjson"},
    )

    first = await admin_browser.get(PAGE, params={"tag": "t&t"})
    href = first.text.partition('rel="next" href="')[2].partition('"')[0].replace("&amp;", "&")
    second = await admin_browser.get(PAGE + href)

    assert "Prompt number 24" in first.text
    assert "Prompt number 25" not in first.text
    assert "Prompt number 25" in second.text
    assert "Prompt number 24" not in second.text


async def test_a_form_from_another_site_is_refused(admin_browser, project):
    refused = await admin_browser.post(
        f"{PAGE}/upload/prompts",
        files=upload(ndjson({"prompt": "a"})),
        headers={"sec-fetch-site": "cross-site"},
    )

    assert refused.status_code == 403
