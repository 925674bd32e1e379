"""Projects, members and guidelines over HTTP, and who may do what."""

import asyncio

import pytest
from sqlalchemy import text

from app.db import transaction

API = "/api/v1"
NEW = {"slug": "demo", "name": "Demo", "guidelines": "Be fair."}


async def test_a_new_project_has_the_default_flags_and_the_defaults(admin):
    created = await admin.post(f"{API}/projects", json=NEW)

    assert created.status_code == 201
    body = created.json()
    assert body["labels_per_slate"] == 1
    assert body["overlap_share"] == 0.15
    assert body["guidelines"] == {"version": 1, "text": "Be fair."}
    assert len(body["flags"]) == 13
    assert (await admin.get(f"{API}/projects/demo")).json() == body
    listed = (await admin.get(f"{API}/projects")).json()
    assert [project["slug"] for project in listed["projects"]] == ["demo"]


async def test_a_project_can_bring_its_own_flags_as_labels_or_with_keys(admin):
    flags = ["Gives harmful advice", {"key": "off_topic", "label": "Off topic"}]

    created = await admin.post(f"{API}/projects", json={**NEW, "flags": flags})

    assert [(flag["key"], flag["label"]) for flag in created.json()["flags"]] == [
        ("gives_harmful_advice", "Gives harmful advice"),
        ("off_topic", "Off topic"),
    ]


async def test_a_taken_slug_is_refused_with_409(admin):
    await admin.post(f"{API}/projects", json=NEW)

    again = await admin.post(f"{API}/projects", json=NEW)

    assert again.status_code == 409
    assert again.json()["code"] == "slug_taken"


@pytest.mark.parametrize(
    "change",
    [
        {"slug": "Demo"},
        {"slug": ""},
        {"slug": "../x"},
        {"name": "\x00"},
        {"name": " "},
        {"guidelines": ""},
        {"guidelines": "x" * 32_001},
        {"labels_per_slate": 0},
        {"labels_per_slate": 10},
        {"labels_per_slate": "1"},
        {"overlap_share": 1.5},
        {"flags": ["?"]},
        {"flags": ["Opinion", "opinion"]},
        {"flags": ["x"] * 41},
        {"id": 7},
    ],
)
async def test_a_project_out_of_range_is_refused_with_422(admin, change):
    refused = await admin.post(f"{API}/projects", json={**NEW, **change})

    assert refused.status_code == 422, refused.text
    assert refused.headers["content-type"] == "application/problem+json"
    assert (await admin.get(f"{API}/projects")).json() == {"projects": []}


async def test_a_labeler_changes_nothing(labeler, project):
    answers = [
        await labeler.post(f"{API}/projects", json=NEW),
        await labeler.put(f"{API}/projects/demo/members/a@b.c", json={"role": "labeler"}),
        await labeler.put(f"{API}/projects/demo/guidelines", json={"text": "Mine."}),
    ]

    assert [answer.status_code for answer in answers] == [403, 403, 403]


async def test_nobody_sees_anything_without_a_token(client, project):
    answers = [await client.get(f"{API}/projects"), await client.get(f"{API}/projects/demo")]

    assert [answer.status_code for answer in answers] == [401, 401]


async def test_a_labeler_sees_a_project_only_as_a_member(admin, labeler, project):
    before = await labeler.get(f"{API}/projects/demo")
    added = await admin.put(
        f"{API}/projects/demo/members/Labeler@Example.org", json={"role": "labeler"}
    )
    after = await labeler.get(f"{API}/projects/demo")

    assert before.status_code == 404
    assert added.status_code == 200
    assert added.json() == {"email": "labeler@example.org", "role": "labeler", "pseudonym": "L-01"}
    assert after.status_code == 200


async def test_adding_a_member_twice_keeps_the_pseudonym(admin, labeler, sign_up, project):
    await sign_up("second@example.org", "labeler")
    path = f"{API}/projects/demo/members"

    answers = [
        (await admin.put(f"{path}/{email}", json={"role": "labeler"})).json()["pseudonym"]
        for email in ("labeler@example.org", "second@example.org", "labeler@example.org")
    ]

    assert answers == ["L-01", "L-02", "L-01"]


async def test_members_that_are_added_at_once_get_different_pseudonyms(admin, sign_up, project):
    emails = [f"labeler{number}@example.org" for number in range(6)]
    for email in emails:
        await sign_up(email, "labeler")

    answers = await asyncio.gather(
        *(
            admin.put(f"{API}/projects/demo/members/{email}", json={"role": "labeler"})
            for email in emails
        )
    )

    pseudonyms = sorted(answer.json()["pseudonym"] for answer in answers)
    assert pseudonyms == ["L-01", "L-02", "L-03", "L-04", "L-05", "L-06"]


@pytest.mark.parametrize(
    ("email", "status"), [("nobody@example.org", 404), ("nonsense", 422), ("a%00@b.c", 404)]
)
async def test_an_unknown_member_is_refused(admin, project, email, status):
    refused = await admin.put(f"{API}/projects/demo/members/{email}", json={"role": "labeler"})

    assert refused.status_code == status


async def test_a_member_is_a_labeler_and_nothing_else(admin, labeler, project):
    refused = await admin.put(
        f"{API}/projects/demo/members/labeler@example.org", json={"role": "admin"}
    )

    assert refused.status_code == 422


async def test_new_guidelines_are_a_new_version_and_the_same_text_is_none(admin, project):
    path = f"{API}/projects/demo/guidelines"

    changed = await admin.put(path, json={"text": "Be kind."})
    same = await admin.put(path, json={"text": "Be kind."})

    assert changed.json() == {"version": 2, "text": "Be kind."}
    assert same.json()["version"] == 2
    shown = (await admin.get(f"{API}/projects/demo")).json()
    assert shown["guidelines"] == {"version": 2, "text": "Be kind."}


async def test_guidelines_edited_from_an_old_version_are_refused_with_409(admin, project):
    path = f"{API}/projects/demo/guidelines"
    await admin.put(path, json={"text": "Be kind.", "base_version": 1})

    stale = await admin.put(path, json={"text": "Be harsh.", "base_version": 1})

    assert stale.status_code == 409
    assert stale.json()["code"] == "version_conflict"


@pytest.mark.parametrize("slug", ["none", "%00", "DEMO"])
async def test_a_project_that_is_not_there_is_404(admin, project, slug):
    assert (await admin.get(f"{API}/projects/{slug}")).status_code == 404


async def test_the_hundredth_member_gets_a_pseudonym_of_their_own(app, admin, sign_up, project):
    await sign_up("late@example.org", "labeler")
    await sign_up("later@example.org", "labeler")
    async with transaction(app.state.engine) as tx:
        await tx.execute(
            text(
                "insert into project_members (project_id, user_id, pseudonym) "
                "select p.id, u.id, 'L-99' from projects p, users u where u.role = 'admin'"
            )
        )

    for email in ("late", "later"):
        await admin.put(
            f"/api/v1/projects/{project}/members/{email}@example.org", json={"role": "labeler"}
        )

    async with transaction(app.state.engine) as tx:
        pseudonyms = await tx.scalars(text("select pseudonym from project_members order by 1"))
    assert sorted(pseudonyms) == ["L-100", "L-101", "L-99"]
