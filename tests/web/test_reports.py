"""Reports as admins read and answer them, and what an answer does to the slate."""

import pytest
from sqlalchemy import text

from app.db import transaction
from app.invariants import violations
from tests.web.inhabited import MODEL, inhabit

REPORTS = "/api/v1/projects/demo/reports"
NEXT = "/api/v1/projects/demo/tasks/next"
REPORT = text("""
insert into reports (task_id, labeler_id, kind, note, response_id)
select t.id, t.labeler_id, :kind, :note,
       (select min(id) from responses where slate_id = t.slate_id)
from tasks t where t.id = :task_id returning id
""")
# What reporting personal data or illegal content does to the other tasks of a slate.
VOID = text("""
insert into tasks (project_id, slate_id, place, status)
select project_id, slate_id, 2, 'void' from tasks where id = :task_id
""")
STATES = text("""
select place, status from tasks
where slate_id = (select slate_id from tasks where id = :task_id) order by place
""")


@pytest.fixture
async def held(app, admin, labeler):
    """The id of a task that the labeler holds in round 1 of demo; no reports but one on it."""
    inhabited = await inhabit(app, admin, labeler, email="labeler@example.org")
    async with transaction(app.state.engine) as tx:
        await tx.execute(text("delete from reports"))
        await tx.execute(text("update slates set places = 2"))
    return inhabited.ids["task_id"]


@pytest.fixture
def report(app, held):
    async def reported(kind="malformed", note="Half of it is missing."):
        async with transaction(app.state.engine) as tx:
            return await tx.scalar(REPORT, {"task_id": held, "kind": kind, "note": note})

    return reported


async def states(app, task_id) -> list[tuple[int, str]]:
    async with transaction(app.state.engine) as tx:
        return [tuple(row) for row in await tx.execute(STATES, {"task_id": task_id})]


async def resolve(admin, report_id, resolution, note=None):
    return await admin.post(
        f"{REPORTS}/{report_id}/resolve", json={"resolution": resolution, "note": note}
    )


async def test_reports_are_listed_with_what_they_are_about(admin, report):
    first = await report()
    second = await report("personal_data", None)

    listed = (await admin.get(f"{REPORTS}?limit=1")).json()
    rest = (await admin.get(f"{REPORTS}?limit=1&before={listed['next']}")).json()

    assert (listed["open"], listed["resolved"], rest["next"]) == (2, 0, None)
    assert [page["reports"][0]["id"] for page in (listed, rest)] == [second, first]
    shown = rest["reports"][0]
    assert (shown["kind"], shown["note"]) == ("malformed", "Half of it is missing.")
    assert (shown["labeler"], shown["round"], shown["resolution"]) == ("L-01", 1, None)
    assert shown["messages"][-1]["role"] == "user"
    assert shown["response"].startswith("Answer")


async def test_the_tabs_of_a_project_tell_admins_how_many_are_open(admin, admin_browser, report):
    report_id = await report()
    await report()
    before = (await admin_browser.get("/projects/demo/prompts")).text
    await resolve(admin, report_id, "fixed")
    after = (await admin_browser.get("/projects/demo/prompts")).text

    assert "(2 open reports)" in before
    assert "(1 open report)" in after


async def test_a_report_is_resolved_once(admin, report):
    report_id = await report()

    resolved = await resolve(admin, report_id, "fixed", "The prompt was imported again.")
    again = await resolve(admin, report_id, "removed")

    assert resolved.json() == {"id": report_id, "resolution": "fixed"}
    assert (again.status_code, again.json()["code"]) == (409, "already_resolved")
    assert (await admin.get(REPORTS)).json()["reports"] == []
    shown = (await admin.get(f"{REPORTS}?status=resolved")).json()["reports"][0]
    assert (shown["resolution"], shown["resolution_note"]) == (
        "fixed", "The prompt was imported again."
    )  # fmt: skip
    assert shown["resolved_at"] is not None


@pytest.mark.parametrize("body", [{}, {"resolution": "maybe"}, {"resolution": "fixed", "x": 1}])
async def test_a_resolution_that_breaks_a_rule_is_refused(admin, report, body):
    answer = await admin.post(f"{REPORTS}/{await report()}/resolve", json=body)

    assert answer.status_code == 422


async def test_reports_of_another_project_are_not_there(admin, report):
    report_id = await report()

    answer = await admin.post(
        f"/api/v1/projects/other/reports/{report_id}/resolve", json={"resolution": "fixed"}
    )

    assert answer.status_code == 404
    assert (await admin.get("/api/v1/projects/other/reports")).json()["open"] == 0


@pytest.mark.parametrize("resolution", ["nothing_wrong", "fixed"])
async def test_a_slate_goes_on_when_its_last_severe_report_is_answered(
    app, admin, report, held, resolution
):
    async with transaction(app.state.engine) as tx:
        await tx.execute(VOID, {"task_id": held})
    first, second = await report("illegal"), await report("personal_data")

    await resolve(admin, first, resolution)
    assert await states(app, held) == [(1, "leased"), (2, "void")]
    await resolve(admin, second, resolution)

    assert await states(app, held) == [(1, "leased"), (2, "open")]
    assert await violations(app.state.engine) == {}


async def test_what_was_withdrawn_from_its_labeler_is_offered_again(app, admin, labeler, held):
    task = (await labeler.post(NEXT)).json()
    reported = await labeler.post(f"/api/v1/tasks/{held}/report", json={"kind": "illegal"})
    assert (task["id"], reported.json()) == (held, {"withdrawn": True})
    assert (await labeler.post(NEXT)).json()["id"] != held

    [report] = (await admin.get(REPORTS)).json()["reports"]
    await resolve(admin, report["id"], "nothing_wrong")

    assert await states(app, held) == [(1, "open")]
    assert await violations(app.state.engine) == {}


async def test_a_removed_slate_is_labeled_no_more_even_when_its_round_is_opened_again(
    app, admin, labeler, report, held
):
    report_id = await report()

    await resolve(admin, report_id, "removed")

    assert await states(app, held) == [(1, "void")]
    assert (await labeler.post(NEXT)).json()["id"] != held
    for action in ("close", "reopen"):
        await admin.post(f"/api/v1/projects/demo/rounds/1/{action}")
    assert await states(app, held) == [(1, "void")]


async def test_an_answer_opens_nothing_in_a_closed_round(app, admin, report, held):
    report_id = await report("illegal")
    await admin.post("/api/v1/projects/demo/rounds/1/close")

    await resolve(admin, report_id, "nothing_wrong")

    assert await states(app, held) == [(1, "void")]


async def test_the_page_shows_reports_and_takes_answers(admin_browser, report):
    report_id = await report("leaked_prompt", "<b>It says</b> so.")

    page = await admin_browser.get("/projects/demo/reports")
    overview = await admin_browser.get("/projects/demo")
    resolved = await admin_browser.post(
        f"/projects/demo/reports/{report_id}/resolve",
        data={"resolution": "nothing_wrong", "note": "It is an example."},
    )
    done = await admin_browser.get("/projects/demo/reports?status=resolved")

    assert "Leaked system prompt" in page.text
    assert "&lt;b&gt;It says&lt;/b&gt; so." in page.text
    assert "L-01" in page.text
    assert MODEL not in page.text
    assert "1 open report<" in overview.text
    assert resolved.headers["location"] == "/projects/demo/reports"
    assert "Nothing wrong by" in done.text
    assert "It is an example." in done.text
    assert "open report" not in (await admin_browser.get("/projects/demo")).text


async def test_an_answer_without_a_choice_is_refused_at_its_place(admin_browser, report):
    report_id = await report()

    answer = await admin_browser.post(
        f"/projects/demo/reports/{report_id}/resolve", data={"note": "Hm."}
    )

    assert answer.status_code == 422
    assert f'id="resolution-{report_id}-error"' in answer.text
    assert ">Hm.</textarea>" in answer.text


async def test_a_second_answer_on_the_page_is_refused_with_a_reason(admin, admin_browser, report):
    report_id = await report()
    await resolve(admin, report_id, "fixed")

    answer = await admin_browser.post(
        f"/projects/demo/reports/{report_id}/resolve", data={"resolution": "removed"}
    )

    assert answer.status_code == 409
    assert "resolved already" in answer.text
