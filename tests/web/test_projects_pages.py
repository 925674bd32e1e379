"""The pages of projects: what each kind of person sees, and forms that keep what was typed."""

import re

import pytest

from tests.web.inhabited import every_call, inhabit


@pytest.fixture
async def member(admin, labeler_browser, project):
    """A labeler of the project, in a browser."""
    added = await admin.put(
        f"/api/v1/projects/{project}/members/labeler.browser@example.org",
        json={"role": "labeler"},
    )
    assert added.status_code == 200
    return labeler_browser


async def test_an_admin_without_projects_is_offered_to_make_one(admin_browser):
    shown = await admin_browser.get("/")

    assert shown.status_code == 200
    assert 'href="/projects/new"' in shown.text


async def test_an_admin_sees_all_projects(admin_browser, project):
    shown = await admin_browser.get("/")

    assert shown.status_code == 200
    assert 'href="/projects/demo"' in shown.text


async def test_a_labeler_sees_only_the_projects_they_belong_to(member, admin, project):
    await admin.post(
        "/api/v1/projects", json={"slug": "other", "name": "Other one", "guidelines": "x"}
    )

    shown = await member.get("/")

    assert "Demo" in shown.text
    assert "Other one" not in shown.text
    assert (await member.get("/projects/other")).status_code == 404


async def test_a_labeler_reads_the_guidelines_but_no_admin_pages(member):
    shown = await member.get("/projects/demo/guidelines/read")

    assert shown.status_code == 200
    assert "Prefer the helpful answer." in shown.text
    for path in ("/projects/new", "/projects/demo/guidelines", "/projects/demo/prompts"):
        assert (await member.get(path)).status_code == 403


async def test_a_labeler_posts_to_no_admin_form(member):
    for path in ("new", "demo/members", "demo/settings", "demo/guidelines"):
        refused = await member.post(f"/projects/{path}", data={"name": "x"})
        assert refused.status_code == 403


async def test_a_stranger_is_sent_to_the_sign_in_page(client, project):
    sent = await client.get("/projects/demo", headers={"accept": "text/html"})

    assert sent.status_code == 303
    assert sent.headers["location"] == "/sign-in?next=/projects/demo"


async def test_a_project_made_with_the_form_has_its_page(admin_browser):
    form = {
        "slug": "poems",
        "name": "Poems",
        "guidelines": "Prefer **rhymes**.",
        "labels_per_slate": "2",
        "overlap_share": "0.5",
    }

    made = await admin_browser.post("/projects/new", data=form)
    shown = await admin_browser.get("/projects/poems")

    assert made.status_code == 303
    assert made.headers["location"] == "/projects/poems"
    assert shown.status_code == 200
    assert "<strong>rhymes</strong>" in shown.text
    assert 'value="0.5"' in shown.text


async def test_a_wrong_form_keeps_what_was_typed_and_says_what_is_wrong(admin_browser):
    form = {"slug": "Not Good", "name": "Kept name", "guidelines": "Kept text"}

    refused = await admin_browser.post("/projects/new", data=form)

    assert refused.status_code == 422
    assert "Kept name" in refused.text
    assert "Kept text" in refused.text
    assert "use lower-case letters, digits and hyphens" in refused.text


async def test_a_taken_slug_is_said_at_its_field(admin_browser, project):
    form = {
        "slug": "demo",
        "name": "Again",
        "guidelines": "x",
        "labels_per_slate": "1",
        "overlap_share": "0",
    }

    refused = await admin_browser.post("/projects/new", data=form)

    assert refused.status_code == 409
    assert "There is already a project demo." in refused.text


async def test_no_project_takes_the_address_of_a_page(admin):
    refused = await admin.post(
        "/api/v1/projects", json={"slug": "new", "name": "x", "guidelines": "x"}
    )

    assert refused.status_code == 422


async def test_a_labeler_is_added_with_the_form(admin_browser, labeler, project):
    added = await admin_browser.post(
        "/projects/demo/members", data={"email": "labeler@example.org"}
    )
    shown = await admin_browser.get("/projects/demo")

    assert added.status_code == 303
    assert "L-01" in shown.text


async def test_an_unknown_person_is_said_at_the_field_and_kept(admin_browser, project):
    refused = await admin_browser.post(
        "/projects/demo/members", data={"email": "nobody@example.org"}
    )

    assert refused.status_code == 404
    assert 'value="nobody@example.org"' in refused.text
    assert "create them first" in refused.text


async def test_settings_are_saved_or_refused_with_a_reason(admin_browser, admin, project):
    good = {"name": "Renamed", "labels_per_slate": "3", "overlap_share": "0.25"}
    bad = {"name": "Kept", "labels_per_slate": "many", "overlap_share": "nan"}

    saved = await admin_browser.post("/projects/demo/settings", data=good)
    refused = await admin_browser.post("/projects/demo/settings", data=bad)

    assert saved.status_code == 303
    assert refused.status_code == 422
    assert "must be a whole number" in refused.text
    shown = (await admin.get("/api/v1/projects/demo")).json()
    assert (shown["name"], shown["labels_per_slate"], shown["overlap_share"]) == (
        "Renamed",
        3,
        0.25,
    )


async def test_guidelines_saved_without_a_change_stay_the_same_version(
    admin_browser, admin, project
):
    await admin.put("/api/v1/projects/demo/guidelines", json={"text": "One.\nTwo."})

    saved = await admin_browser.post(
        "/projects/demo/guidelines", data={"text": "One.\r\nTwo.", "base_version": "2"}
    )

    assert saved.status_code == 303
    assert (await admin.get("/api/v1/projects/demo")).json()["guidelines"]["version"] == 2


async def test_a_stale_edit_of_the_guidelines_is_kept_on_the_page(admin_browser, admin, project):
    await admin.put("/api/v1/projects/demo/guidelines", json={"text": "Somebody else's."})

    refused = await admin_browser.post(
        "/projects/demo/guidelines", data={"text": "My long work.", "base_version": "1"}
    )

    assert refused.status_code == 409
    assert "My long work." in refused.text
    assert "Somebody else" in refused.text


async def test_reading_the_guidelines_is_noted_and_leads_to_labeling(member, admin_browser):
    noted = await member.post("/projects/demo/guidelines/read", data={"version": "1"})
    shown = await admin_browser.get("/projects/demo")

    assert noted.status_code == 303
    assert noted.headers["location"] == "/projects/demo/label"
    assert "version 1" in shown.text


@pytest.mark.parametrize(("version", "status"), [("7", 409), ("0", 422), ("x", 422), ("", 422)])
async def test_a_version_that_does_not_exist_cannot_be_read(member, version, status):
    refused = await member.post("/projects/demo/guidelines/read", data={"version": version})

    assert refused.status_code == status


async def test_an_admin_who_is_not_a_member_cannot_mark_guidelines_as_read(admin_browser, project):
    refused = await admin_browser.post("/projects/demo/guidelines/read", data={"version": "1"})

    assert refused.status_code == 409


async def test_names_and_guidelines_are_never_markup(admin_browser, admin):
    hostile = "<script>alert(1)</script>"
    await admin.post(
        "/api/v1/projects",
        json={"slug": "x", "name": hostile, "guidelines": hostile, "flags": [hostile]},
    )

    for path in ("/", "/projects/x", "/projects/x/guidelines", "/projects/x/prompts"):
        shown = await admin_browser.get(path)
        assert shown.status_code == 200
        assert "<script>alert" not in shown.text


async def test_every_page_with_tabs_marks_one(app, admin, labeler, admin_browser):
    there = await inhabit(app, admin, labeler, email="labeler@example.org")
    base, marked = "/projects/{slug}", {}
    for call in every_call(app):
        if call.is_safe and call.template.startswith(base) and "." not in call.template:
            shown = await admin_browser.get(there.path(call.template))
            if 'class="tabs"' in shown.text:
                tabs = shown.text.partition('class="tabs"')[2].partition("</nav>")[0]
                marked[call.template] = re.findall(r'aria-current="page">([^<]*)<', tabs)

    assert {template: names for template, names in marked.items() if len(names) != 1} == {}
    for path in ("agreement/slates/{slate_id}", "labelers/{pseudonym}", "screening", "remarks"):
        assert marked[f"{base}/{path}"] == ["Agreement"]
    assert marked[base] == marked[f"{base}/guidelines"] == ["Overview"]
    assert marked[f"{base}/screen"] == marked[f"{base}/flags"] == ["Screen"]
    assert marked[f"{base}/runs/{{run_id}}"] == marked[f"{base}/runs/new"] == ["Runs"]
