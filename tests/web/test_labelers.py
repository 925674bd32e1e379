"""One labeler's page and screening: what is shown, that both views agree, who may see it."""

import re

import pytest
from sqlalchemy import text

from app.accounts.commands import open_session
from app.accounts.deps import cookie_name
from app.agreement import quality
from app.db import transaction
from tests.labeled_project import Given, GivenSlate, seed

API = "/api/v1/projects/seeded/labelers"
PAGE = "/projects/seeded/labelers"
TEXTS = ("word " * 60,) * 4  # two hundred words of six characters
ALIKE, OPPOSITE = (1, 2, 3, 4), (4, 3, 2, 1)
# What the labeler's page and their own have in common, in the order shown.
FACTS = re.compile(r'<dl class="own-numbers">.*?</dl>', re.DOTALL)


DEFINED = ("agreement", "leave_one_out", "ties", "conflicts", "position", "pace")


def shared(number, *, reversed_from=10**6, ratings=(7, 5, 3, 1), labelers=(1, 2)):
    """Slates that two labelers rank alike; the first one the other way round from some on."""
    one, *others = labelers
    return [
        GivenSlate(
            [
                Given(one, [OPPOSITE if i >= reversed_from else ALIKE], ratings),
                *(Given(other, [ALIKE], ratings) for other in others),
            ],
            texts=TEXTS,
        )
        for i in range(number)
    ]


@pytest.fixture
async def run_sql(app):
    async def run(statement, **values):
        async with transaction(app.state.engine) as tx:
            done = await tx.execute(text(statement), values)
            return done.scalars().all() if done.returns_rows else None

    return run


@pytest.fixture
async def seed_slates(app, run_sql):
    """Store slates whose rankings are ten days old."""

    async def seeding(slates, **more):
        async with transaction(app.state.engine) as tx:
            seeded = await seed(tx, slates, **more)
        await run_sql("update rankings set created_at = now() - interval '10 days', "
                      "active_ms = 60000 + 1000 * (id % 5)")  # fmt: skip
        return seeded

    return seeding


@pytest.fixture
async def labeler_of(app, settings, open_client, run_sql):
    """The browser of a labeler of the seeded project, by number."""

    async def opened(number):
        (user_id,) = await run_sql(
            "select id from users where email = :email", email=f"l{number}@seeded.example"
        )
        async with transaction(app.state.engine) as tx:
            token = await open_session(tx, user_id=user_id, max_days=1)
        browser = await open_client(**{"accept": "text/html", "sec-fetch-site": "same-origin"})
        browser.cookies.set(cookie_name(settings), token)
        return browser

    return opened


def words(page):
    """The page's text without tags, with single spaces."""
    assert page.status_code == 200, page.text
    return re.sub(r"\s+", " ", re.sub(r"<[^>]*>", " ", page.text))


# --- Numbers ---------------------------------------------------------------------------------


async def test_the_numbers_are_those_of_the_agreement_page(admin, seed_slates):
    await seed_slates(shared(40, reversed_from=36))

    found = (await admin.get(f"{API}/L-01")).json()
    (row, _) = (await admin.get("/api/v1/projects/seeded/agreement")).json()["labelers"]

    assert found["agreement"]["value"] == row["value"] == 0.9
    assert {key: row[key] for key in found["agreement"]} == found["agreement"]
    assert found["leave_one_out"] == row["leave_one_out"]
    assert (found["labeler"], found["cohort"], found["rankings"]) == ("L-01", "training", 40)
    assert found["ties"]["value"] == 0
    assert (found["conflicts"]["value"], found["conflicts"]["units"]) == (0.1, 240)
    assert (found["too_fast"]["value"], found["too_fast"]["n"]) == (0, 40)
    assert found["wpm"]["value"] == pytest.approx(200 * 60 / 62, rel=0.02)
    # Ratings of four each; the displayed order is kept but on the last four slates.
    assert found["modal_rating"] == {"value": 0.25, "n": 160, "status": "ok", "reason": None}
    assert found["as_displayed"]["value"] == 0.9
    assert found["position"]["n"] == 40


async def test_drift_is_followed_prompt_by_prompt(admin, seed_slates):
    await seed_slates(shared(40, reversed_from=34))

    drift = (await admin.get(f"{API}/L-01")).json()["drift"]
    page = words(await admin.get(f"{API.removeprefix('/api/v1')}/L-01"))

    assert [point["share"] for point in drift["points"]] == [1.0] * 34 + [0.0] * 6
    assert [point["ewma"] for point in drift["points"][:30]] == [None] * 30
    # By hand: usual is the team's 34 / 40; EWMA 0.85 x 0.8 + 0.2 x 1 and so on.
    assert drift["usual"] == pytest.approx(34 / 40)
    assert drift["points"][30]["ewma"] == pytest.approx(0.85 * 0.8 + 0.2)
    sums = [point["cusum"] for point in drift["points"][30:]]
    assert sums == [0, 0, 0, 0, *(pytest.approx(0.8 * n) for n in range(1, 7))]
    first_above = next(i for i, s in enumerate(sums) if s > drift["alarm"])
    assert drift["alarm_since"] == 30 + first_above + 1
    assert f"above the alarm line since prompt {drift['alarm_since']}" in page
    files = f"{API.removeprefix('/api/v1')}/L-01/drift"
    picture, table = await admin.get(f"{files}.svg"), await admin.get(f"{files}.csv")
    lines = re.findall(r'<polyline points="([^"]*)"', picture.text)
    assert [len(line.split()) for line in lines] == [10, 10]
    rows, last = table.text.splitlines(), drift["points"][39]
    assert len(rows) == 41
    assert rows[40].split(",")[3:] == [str(last[of]) for of in ("share", "ewma", "cusum")]
    assert "40 prompts as a table" in page


async def test_the_last_month_is_held_against_what_was_before(
    admin, admin_browser, seed_slates, run_sql
):
    await seed_slates(shared(45, reversed_from=30))
    await run_sql("update rankings set created_at = created_at - interval '60 days' "
                  "where slate_id <= (select min(slate_id) + 29 from rankings)")  # fmt: skip

    drift = (await admin.get(f"{API}/L-01")).json()["drift"]
    page = words(await admin_browser.get(f"{PAGE}/L-01"))

    windows = drift["windows"]
    assert (windows["before"]["value"], windows["lately"]["value"]) == (1, 0)
    assert (windows["before"]["prompts"], windows["lately"]["prompts"]) == (30, 15)
    assert windows["z"] == pytest.approx(45**0.5)
    assert "Last 30 days 0.0%" in page
    assert "Difference z = 6.71" in page


async def test_known_answers_and_repeats_are_shown_to_admins(admin, seed_slates, run_sql):
    checks = [
        GivenSlate([Given(1, [ALIKE if i else OPPOSITE], purpose="gold"),
                    Given(2, [ALIKE])]) for i in range(12)
    ]  # fmt: skip
    repeats = [
        GivenSlate([Given(1, [ALIKE]), Given(1, [ALIKE], purpose="repeat")]) for _ in range(12)
    ]
    seeded = await seed_slates([*checks, *repeats])
    await run_sql(
        "insert into gold (slate_id, ranks, explanation, created_by) "
        "select s.id, (select jsonb_object_agg(r.id, r.position + 1) from responses r "
        "where r.slate_id = s.id), '', (select min(id) from users) from slates s "
        "where s.id = any(:ids)", ids=seeded.slates[:12],
    )  # fmt: skip

    found = (await admin.get(f"{API}/L-01")).json()
    page = words(await admin.get(f"{PAGE}/L-01"))

    gold = found["gold"]
    assert (gold["value"], gold["units"], gold["prompts"]) == (pytest.approx(11 / 12), 72, 12)
    assert gold["interval"] == "wilson"
    # Twelve prompts count as twelve trials, since all pairs of one go together.
    assert gold["ci95"] == [pytest.approx(0.6461, abs=1e-3), pytest.approx(0.9851, abs=1e-3)]
    assert gold["reason"] == "provisional: 12 of 30 prompts"
    assert (found["repeats"]["value"], found["repeats"]["prompts"]) == (1, 12)
    assert "Accuracy on known answers 91.7%" in page
    assert "Wilson interval" in page
    # Neither of these is agreement: nobody else's label is held against them.
    assert found["agreement"]["prompts"] == 0


async def test_who_ranks_like_a_researcher_is_told(admin, seed_slates, run_sql):
    await seed_slates(shared(12))
    await run_sql("update users set role = 'admin' where email = 'l2@seeded.example'")

    found = (await admin.get(f"{API}/L-01")).json()

    assert (found["researchers"]["value"], found["researchers"]["prompts"]) == (1, 12)
    # What a researcher ranked is held against them, and not taken for the others' consensus.
    assert found["drift"]["points"] == []


async def test_an_alert_names_its_signals(admin, seed_slates, run_sql):
    """Labeler 1 ranks against all others and rates everything alike: two families."""
    slates = [
        GivenSlate([
            Given(1, [OPPOSITE], (5, 5, 5, 5)),
            *(Given(n, [ALIKE], (7, 5, 3, 1)) for n in (2, 3, 4)),
        ])
        for _ in range(32)
    ]  # fmt: skip
    await seed_slates(slates)

    found = (await admin.get(f"{API}/L-01")).json()
    honest = (await admin.get(f"{API}/L-02")).json()
    page = words(await admin.get(f"{PAGE}/L-01"))

    fired = {signal["key"] for signal in found["signals"] if signal["fired"]}
    assert {"low_agreement", "same_rating"} <= fired
    assert (found["alert"], honest["alert"]) == (True, False)
    assert "Look at cases, then talk" in page
    assert "one rating for nearly everything: 100.0%, limit 90.0%, n = 128" in page


@pytest.mark.parametrize(
    "slates",
    [
        [],
        [GivenSlate([])],
        [GivenSlate([Given(1, [ALIKE])])],
        [GivenSlate([Given(1, [(1, 1, 1, 1)]), Given(2, [(1, 1, 1, 1)])])] * 12,
        [GivenSlate([Given(1, [(None,) * 4]), Given(2, [ALIKE])])] * 12,
        [GivenSlate([Given(1, [(1, 2)])], texts=("a", "b")), GivenSlate([Given(1, [ALIKE])])],
        [GivenSlate([Given(1, [ALIKE], purpose="gold")])],
        [GivenSlate([Given(1, [ALIKE], purpose="repeat")])],
    ],
    ids=["nothing", "no ranking", "alone", "all ties", "none judged", "of two", "gold", "repeat"],
)
async def test_without_enough_data_there_are_reasons_and_no_verdict(admin, labeler_of, seed_slates,
                                                                    slates):  # fmt: skip
    await seed_slates(slates)

    found = (await admin.get(f"{API}/L-01")).json()
    page = words(await admin.get(f"{PAGE}/L-01"))
    own = words(await (await labeler_of(1)).get("/projects/seeded/me"))

    for name in ("agreement", "leave_one_out", "gold", "researchers", "repeats"):
        assert found[name]["value"] is None
        assert re.match("not (enough data|defined)", found[name]["reason"])
    assert found["alert"] is False
    assert not any(signal["fired"] for signal in found["signals"])
    for shown in (page, own):
        assert "not enough data: " in shown
        assert "nan" not in shown.lower().split()
    assert (await admin.get("/projects/seeded/screening")).status_code == 200


async def test_a_task_and_a_prompt_lead_to_the_texts(admin, admin_browser, seed_slates):
    seeded = await seed_slates(shared(40))

    page = await admin_browser.get(f"{PAGE}/L-01")

    links = re.findall(r'href="(/projects/seeded/agreement/slates/\d+)"', page.text)
    # Twenty recent tasks, and forty prompts behind the picture of drift.
    assert len(links) == 60
    assert set(links) == {f"/projects/seeded/agreement/slates/{id_}" for id_ in seeded.slates}
    assert (await admin_browser.get(links[0])).status_code == 200
    for kind in ("svg", "csv"):
        drift = await admin_browser.get(f"{PAGE}/L-01/drift.{kind}")
        assert f'filename="seeded-L-01-drift.{kind}"' in drift.headers["content-disposition"]
    recent = (await admin.get(f"{API}/L-01")).json()["recent"]
    assert [one["slate"] for one in recent] == [int(link.split("/")[-1]) for link in links[-20:]]
    assert {(one["round"], one["purpose"], one["status"]) for one in recent} == {
        (1, "fresh", "done")
    }


# --- The labeler's own view -------------------------------------------------------------------


async def test_labelers_see_the_same_facts_of_themselves(admin_browser, labeler_of, seed_slates):
    await seed_slates(shared(40, reversed_from=36, labelers=(1, 2, 3)))

    theirs = FACTS.findall((await admin_browser.get(f"{PAGE}/L-01")).text)
    own = FACTS.findall((await (await labeler_of(1)).get("/projects/seeded/me")).text)

    # Admins are led on to definitions and cases.
    links = set(re.findall(r'<a class="quiet" href="([^"]*)"', theirs[0]))
    assert re.sub(r"</?a\b[^>]*>", "", theirs[0]) in own
    assert "90.0%" in theirs[0]
    cases = "/projects/seeded/agreement/prompts?labeler=L-01"
    assert links == {cases, *(f"/projects/seeded/agreement#definition-{name}" for name in DEFINED)}
    assert (await admin_browser.get(cases)).status_code == 200
    defined = (await admin_browser.get("/projects/seeded/agreement")).text
    assert all(f'id="definition-{name}"' in defined for name in DEFINED)


async def test_an_excluded_ranking_counts_neither_here_nor_in_the_last_days(
    labeler_of, seed_slates, run_sql
):
    tied = GivenSlate([Given(1, [(1, 1, 2, 3)]), Given(2, [ALIKE])], texts=TEXTS)
    seeded = await seed_slates([*shared(12), tied])
    await run_sql(
        "insert into exclusions (slate_id, reason, created_by) "
        "select :slate_id, 'Spam', min(id) from users",
        slate_id=seeded.slates[-1],
    )

    own = words(await (await labeler_of(1)).get("/projects/seeded/me"))

    assert re.findall(r"Ties (\d\.\d%)", own) == ["0.0%", "0.0%"]


async def test_labelers_are_not_told_which_tasks_were_checks(labeler_of, seed_slates):
    await seed_slates([
        *shared(12),
        *[GivenSlate([Given(1, [ALIKE]), Given(1, [ALIKE], purpose="repeat")])] * 12,
    ])  # fmt: skip

    own = words(await (await labeler_of(1)).get("/projects/seeded/me"))

    assert "Your work" in own
    for told in ("known answers", "Self-consistency", "researchers", "signals", "repeat"):
        assert told not in own


async def test_drift_is_told_after_the_delay_and_where_it_is_anonymous(
    admin, labeler_of, seed_slates, run_sql
):
    await seed_slates(shared(40), labelers=4)
    labeler = await labeler_of(1)

    await run_sql("update rankings set created_at = now() where slate_id > "
                  "(select min(id) + 31 from slates)")  # fmt: skip

    fresh = words(await labeler.get("/projects/seeded/me"))
    await run_sql("""update projects set screen = '{"feedback_delay_hours": 0}'""")
    later = words(await labeler.get("/projects/seeded/me"))
    await run_sql("delete from project_members where pseudonym in ('L-03', 'L-04')")
    of_two = words(await labeler.get("/projects/seeded/me"))

    assert "32 prompts as a table" in fresh
    assert "40 prompts as a table" in later
    assert "as a table" not in of_two
    assert "shown from 3 labelers on" in of_two
    assert len((await admin.get(f"{API}/L-01")).json()["drift"]["points"]) == 40


async def test_labelers_download_their_own_drift_as_far_as_it_is_told(
    admin_browser, labeler_of, seed_slates, run_sql
):
    seeded = await seed_slates(shared(40, reversed_from=34), labelers=4)
    await run_sql("update rankings set created_at = now() where slate_id = :last",
                  last=seeded.slates[-1])  # fmt: skip
    labeler, files = await labeler_of(1), "/projects/seeded/me/drift"

    page = await labeler.get("/projects/seeded/me")
    picture, table = await labeler.get(f"{files}.svg"), await labeler.get(f"{files}.csv")
    none_yet = await (await labeler_of(4)).get(f"{files}.svg")
    of_admins = (await admin_browser.get(f"{PAGE}/L-01/drift.csv")).text

    assert {f'href="{files}.{kind}"' in page.text for kind in ("svg", "csv")} == {True}
    assert picture.headers["content-type"] == "image/svg+xml"
    assert "L-01" not in picture.text
    assert len(re.findall(r'<polyline points="[^"]*"', picture.text)) == 2
    # Neither which slate it was nor what is too fresh to be told.
    header, *rows = table.text.splitlines()
    assert header == "number,ranked_at,agreement,ewma,cusum"
    assert rows == [re.sub(r"^(\d+),\d+,", r"\1,", one) for one in of_admins.splitlines()[1:-1]]
    assert (none_yet.status_code, (await admin_browser.get(f"{files}.csv")).status_code) == (
        404,
        404,
    )


async def test_labelers_of_a_large_project_see_what_was_measured_lately(
    labeler_of, seed_slates, run_sql, monkeypatch
):
    measured, measure = [], quality._measured

    def noted(*args):
        measured.append(args)
        return measure(*args)

    monkeypatch.setattr(quality, "_measured", noted)
    monkeypatch.setattr(quality, "FEW_LABELS", 10)
    seeded = await seed_slates(shared(40), labelers=4)
    await run_sql("""update projects set screen = '{"feedback_delay_hours": 0}'""")
    labeler = await labeler_of(1)

    first = words(await labeler.get("/projects/seeded/me"))
    told_at = (await labeler.get("/api/v1/projects/seeded/me")).json()["work"]["measured_at"]
    await run_sql("insert into exclusions (slate_id, reason, created_by) "
                  "select :slate_id, 'Spam', min(id) from users",
                  slate_id=seeded.slates[20])  # fmt: skip
    lately = words(await labeler.get("/projects/seeded/me"))
    of_another = words(await (await labeler_of(2)).get("/projects/seeded/me"))
    assert len(measured) == 1
    monkeypatch.setattr(quality, "LATELY_SECONDS", 0)
    anew = words(await labeler.get("/projects/seeded/me"))

    assert len(measured) == 2
    assert "40 prompts as a table" in first
    assert told_at is not None
    assert f"Measured {told_at[:10]} {told_at[11:16]} UTC: in a large project" in lately
    # What does not count any more is not shown, even of what was measured before.
    assert all("39 prompts as a table" in page for page in (lately, of_another, anew))


# --- Cohort and quarantine --------------------------------------------------------------------


async def test_a_cohort_is_set_and_since_when_is_known(admin, admin_browser, seed_slates):
    await seed_slates(shared(1))
    assert (await admin.get(f"{API}/L-01")).json()["cohort_since"] is None

    moved = await admin.put(f"{API}/L-01/cohort", json={"cohort": "heldout"})

    found = (await admin.get(f"{API}/L-01")).json()
    assert (moved.json()["cohort"], found["cohort"]) == ("heldout", "heldout")
    assert found["cohort_since"] == moved.json()["since"] is not None
    assert "held out: in no dataset" in words(await admin_browser.get(f"{PAGE}/L-01"))
    back = await admin_browser.post(f"{PAGE}/L-01/cohort", data={"cohort": "training"})
    assert (back.status_code, back.headers["location"]) == (303, f"{PAGE}/L-01")
    assert (await admin.get(f"{API}/L-01")).json()["cohort"] == "training"


async def test_a_quarantine_needs_a_reason_and_can_be_lifted(admin, admin_browser, seed_slates):
    await seed_slates(shared(1))

    refused = await admin_browser.post(f"{PAGE}/L-01/quarantine", data={"since": "2026-13-40"})
    for day in ("0001-01-01", "9999-12-31"):
        far = await admin_browser.post(
            f"{PAGE}/L-01/quarantine", data={"reason": "x", "since": day}
        )
        assert far.status_code == 422
    made = await admin_browser.post(
        f"{PAGE}/L-01/quarantine",
        data={"reason": "Drifts.\r\nSee prompt 3.", "since": "2026-11-02"},
    )

    assert refused.status_code == 422
    assert "fill this in" in refused.text
    assert 'value="2026-13-40"' in refused.text
    assert made.status_code == 303
    in_force = (await admin.get(f"{API}/L-01")).json()["quarantine"]
    assert in_force["reason"] == "Drifts.\nSee prompt 3."
    assert in_force["since"].startswith("2026-11-02T00:00:00")
    assert "In quarantine" in words(await admin_browser.get(f"{PAGE}/L-01"))

    twice = await admin_browser.post(f"{PAGE}/L-01/quarantine", data={"reason": "Again."})
    assert twice.status_code == 409
    assert "in quarantine already" in twice.text

    lifted = await admin_browser.post(f"{PAGE}/L-01/quarantine/lift")
    assert lifted.status_code == 303
    found = (await admin.get(f"{API}/L-01")).json()
    assert found["quarantine"] is None
    assert found["quarantines"][0]["revoked_by"] == "admin.browser@example.org"
    again = await admin_browser.post(f"{PAGE}/L-01/quarantine/lift")
    assert again.status_code == 404
    assert "not in quarantine" in again.text


async def test_without_known_answers_no_requalification_is_offered(
    admin, admin_browser, seed_slates
):
    await seed_slates(shared(1))

    page = words(await admin_browser.get(f"{PAGE}/L-01"))
    refused = await admin_browser.post(f"{PAGE}/L-01/requalification", data={"wherefore": "Drift."})
    by_call = await admin.post(f"{API}/L-01/requalification", json={"reason": "Drift."})

    assert "Not possible: there is no known answer" in page
    assert "Ask for" not in page
    assert (refused.status_code, by_call.status_code) == (409, 409)
    assert by_call.json()["code"] == "no_known_answers"
    assert (await admin_browser.post(f"{PAGE}/L-01/requalification/end")).status_code == 404


async def test_a_requalification_is_recorded_told_and_ended(
    admin, admin_browser, labeler_of, seed_slates, run_sql
):
    seeded = await seed_slates(shared(3, labelers=(1, 2)) + shared(2, labelers=(2, 3)))
    await run_sql(
        "insert into gold (slate_id, ranks, explanation, created_by) select s.id, "
        "(select jsonb_object_agg(r.id, r.position) from responses r where r.slate_id = s.id), "
        "'Clear.', (select min(id) from users) from slates s where s.id = any(:slates)",
        slates=seeded.slates,
    )
    labeler = await labeler_of(1)

    empty = await admin_browser.post(f"{PAGE}/L-01/requalification", data={"wherefore": " "})
    made = await admin_browser.post(
        f"{PAGE}/L-01/requalification", data={"wherefore": "Agreement has fallen."}
    )
    detail = (await admin.get(f"{API}/L-01")).json()
    page = words(await admin_browser.get(f"{PAGE}/L-01"))
    screening = words(await admin_browser.get("/projects/seeded/screening"))
    told = words(await labeler.get("/projects/seeded/me"))
    twice = await admin.post(f"{API}/L-01/requalification", json={"reason": "Again."})

    # The two slates that they have not ranked.
    assert (empty.status_code, made.status_code) == (422, 303)
    assert detail["known_answers_left"] == 2
    (running,) = detail["requalifications"]
    assert (running["wanted"], running["answered"], running["is_running"]) == (2, 0, True)
    assert running["reason"] == "Agreement has fallen."
    assert detail["requalification_gold"]["reason"] == (
        "not enough data: 0 of 10 prompts with a known answer"
    )
    assert "0 of 2 known answers" in page
    assert "in re-qualification: 0 of 2" in screening
    assert "your next tasks, 2 at most, have answers that are known" in told
    assert "Agreement has fallen." not in told
    assert (twice.status_code, twice.json()["code"]) == (409, "already_requalifying")

    await run_sql("update gold set retired_at = now()")
    (stuck,) = (await admin.get(f"{API}/L-01")).json()["requalifications"]
    assert (stuck["is_running"], stuck["asked"]) == (True, 0)
    assert "No known answer is left to ask for" in words(await admin_browser.get(f"{PAGE}/L-01"))
    # Their tasks are ordinary ones again, so they are told no other.
    assert "Back to the guidelines" not in words(await labeler.get("/projects/seeded/me"))

    ended = await admin.post(f"{API}/L-01/requalification/end")
    assert ended.json()["is_running"] is False
    assert "No known answer is left" not in words(await admin_browser.get(f"{PAGE}/L-01"))
    assert "ended by" in words(await admin_browser.get(f"{PAGE}/L-01"))
    assert "Back to the guidelines" not in words(await labeler.get("/projects/seeded/me"))
    assert (await admin.post(f"{API}/L-01/requalification/end")).status_code == 404


async def test_the_calls_quarantine_and_revoke(admin, seed_slates):
    await seed_slates(shared(1))

    made = await admin.post(
        f"{API}/L-01/quarantine", json={"reason": "Spam", "since": "2026-11-02T08:00:00+01:00"}
    )
    twice = await admin.post(f"{API}/L-01/quarantine", json={"reason": "Spam"})
    revoked = await admin.post(f"{API}/L-01/quarantine/revoke")
    again = await admin.post(f"{API}/L-01/quarantine/revoke")

    assert (made.status_code, made.json()["since"]) == (201, "2026-11-02T07:00:00Z")
    assert (twice.status_code, twice.json()["code"]) == (409, "already_quarantined")
    assert (revoked.status_code, revoked.json()["id"]) == (200, made.json()["id"])
    assert again.status_code == 404


async def test_the_datasets_page_says_how_many_rankings_were_left_out(
    admin, admin_browser, seed_slates
):
    await seed_slates(shared(3, labelers=(1, 2, 3)))
    await admin.put(f"{API}/L-01/cohort", json={"cohort": "heldout"})
    await admin.post(f"{API}/L-02/quarantine", json={"reason": "Drifts."})

    dataset = (await admin.post("/api/v1/projects/seeded/datasets")).json()
    page = words(await admin_browser.get("/projects/seeded/datasets"))

    assert dataset["rankings"] == 3
    assert "3 held out" in page
    assert "3 in quarantine" in page


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("quarantine", {}),
        ("quarantine", {"reason": "  "}),
        ("quarantine", {"reason": "x" * 2001}),
        ("quarantine", {"reason": "a\u0000b"}),
        ("quarantine", {"reason": "x", "since": "2026-11-02T08:00:00"}),
        ("quarantine", {"reason": "x", "since": "9999-12-31T23:59:59-12:00"}),
        ("quarantine", {"reason": "x", "since": "0001-01-01T00:00:00+14:00"}),
        ("quarantine", {"reason": "x", "since": "1999-12-31T23:59:59Z"}),
        ("quarantine", {"reason": "x", "until": None}),
        ("screening", {"decision": "maybe", "reason": "x"}),
        ("screening", {"decision": "accepted"}),
    ],
)
async def test_bodies_are_strict(admin, seed_slates, path, body):
    await seed_slates(shared(1))

    answer = await admin.post(f"{API}/L-01/{path}", json=body)

    assert answer.status_code == 422
    assert (await admin.put(f"{API}/L-01/cohort", json={"cohort": "test"})).status_code == 422


# --- Screening --------------------------------------------------------------------------------


async def test_candidates_are_held_against_researchers(admin, seed_slates, run_sql):
    await seed_slates(shared(12, reversed_from=9))
    await run_sql("update users set role = 'admin' where email = 'l2@seeded.example'")
    await run_sql("insert into flags (project_id, key, label, is_severe, position) "
                  "select id, key, key, key = 'harm', 0 from projects, "
                  "(values ('harm'), ('taste')) keys (key)")  # fmt: skip
    # On three of 48 responses they differ about harm; about taste always.
    await run_sql("update ranking_items i set flags = '{harm}' from rankings r "
                  "where r.id = i.ranking_id and i.rank = 1 and r.slate_id in "
                  "(select id from slates order by id limit 3) and r.labeler_id = "
                  "(select id from users where email = 'l1@seeded.example')")  # fmt: skip
    await run_sql("update ranking_items i set flags = '{taste}' from rankings r "
                  "where r.id = i.ranking_id and r.labeler_id = "
                  "(select id from users where email = 'l2@seeded.example')")  # fmt: skip

    found = (await admin.get("/api/v1/projects/seeded/screening")).json()
    page = words(await admin.get("/projects/seeded/screening"))

    first = found["candidates"][0]
    assert found["cutoffs"] == {"flags": 0.75, "rankings": 0.75, "demonstrations": 6.0}
    assert (found["flags"], found["researchers"]) == (["harm"], 1)
    assert [one["labeler"] for one in found["candidates"]] == ["L-01", "L-03", "L-04"]
    assert (first["rankings"]["value"], first["rankings"]["prompts"]) == (0.75, 12)
    assert first["rankings"]["se"] == pytest.approx(0.130558, abs=1e-6)
    assert first["rankings"]["status"] == "provisional"
    # 48 judgments are too few for a share of one labeler: 50 are the least.
    assert first["flags"]["reason"] == "not enough data: 48 of 50 pairs"
    assert first["demonstrations"]["reason"] == ("not enough data: 0 of 3 graded demonstrations")
    assert found["candidates"][1]["rankings"]["reason"] == (
        "not enough data: 0 of 10 prompts ranked by researchers"
    )
    assert "75.0% ± 13.1 SE" in page


async def test_raw_agreement_and_ac1_on_severe_flags(admin, seed_slates, run_sql):
    await seed_slates(shared(20))
    await run_sql("update users set role = 'admin' where email = 'l2@seeded.example'")
    await run_sql("insert into flags (project_id, key, label, is_severe, position) "
                  "select id, 'harm', 'Harm', true, 0 from projects")  # fmt: skip
    await run_sql("update ranking_items i set flags = '{harm}' from rankings r "
                  "where r.id = i.ranking_id and i.rank = 1 and (r.labeler_id <> "
                  "(select id from users where email = 'l1@seeded.example') or r.slate_id in "
                  "(select id from slates order by id limit 12))")  # fmt: skip

    (first, *_) = (await admin.get("/api/v1/projects/seeded/screening")).json()["candidates"]

    # Of 80 responses 12 both yes, 8 one yes, 60 both no; by hand pi = 0.2, pe = 0.32.
    assert (first["flags"]["value"], first["flags"]["units"]) == (pytest.approx(0.9), 80)
    assert first["flags_ac1"]["value"] == pytest.approx((0.9 - 0.32) / 0.68)


async def test_a_person_decides_with_a_reason(admin, admin_browser, seed_slates):
    await seed_slates(shared(1))

    refused = await admin_browser.post(
        f"{PAGE}/L-01/screening", data={"decision": "accepted", "self_assessment": "All groups."}
    )
    first = await admin_browser.post(
        f"{PAGE}/L-01/screening",
        data={"decision": "again", "why": "Too few.", "self_assessment": "Dialects."},
    )
    last = await admin.post(
        f"{API}/L-01/screening", json={"decision": "accepted", "reason": "Careful."}
    )

    assert refused.status_code == 422
    assert "fill this in" in refused.text
    assert "All groups." in refused.text
    assert (first.status_code, last.status_code) == (303, 201)
    (one, *_) = (await admin.get("/api/v1/projects/seeded/screening")).json()["candidates"]
    assert (one["decision"]["decision"], one["decision"]["reason"]) == ("accepted", "Careful.")
    assert "Careful." in words(await admin_browser.get(f"{PAGE}/L-01"))
    shown = (await admin.get(f"{API}/L-01")).json()
    assert shown["screening"]["reason"] == "Careful."
    assert (one["name"], shown["email"]) == ("Labeler 1", "l1@seeded.example")


# --- Who may see it ---------------------------------------------------------------------------


async def test_demonstrations_are_graded_and_the_last_grade_of_each_counts(
    admin, admin_browser, seed_slates
):
    await seed_slates(shared(1))

    for title in ("Breaking bad news", "A rude customer", "A joke about a faith"):
        await admin.post(f"{API}/L-01/demonstrations", json={"demonstration": title, "grade": 6})
    made = await admin_browser.post(
        f"{PAGE}/L-01/demonstrations", data={"demonstration": "A rude customer", "grade": "1"}
    )
    again = await admin_browser.post(
        f"{PAGE}/L-01/demonstrations", data={"demonstration": " A rude customer\r\n", "grade": "3"}
    )
    refused = await admin_browser.post(
        f"{PAGE}/L-01/demonstrations", data={"demonstration": " ", "grade": "8"}
    )
    candidates = (await admin.get("/api/v1/projects/seeded/screening")).json()["candidates"]
    screening = words(await admin_browser.get("/projects/seeded/screening"))
    form = (await admin_browser.get(f"{PAGE}/L-01")).text

    assert '<option value="" selected>' in form, "no grade is given by not choosing one"
    assert (made.status_code, again.status_code, refused.status_code) == (303, 303, 422)
    grade = next(one for one in candidates if one["labeler"] == "L-01")["demonstrations"]
    # 6, 6, and the mean of two researchers' 6 and 3.
    assert grade["value"] == pytest.approx(5.5)
    assert (grade["units"], grade["prompts"], grade["status"]) == (4, 3, "provisional")
    assert "5.5 3 demonstrations, 4 grades provisional: 3 of 5 graded demonstrations" in screening
    assert "3 A rude customer" in words(await admin_browser.get(f"{PAGE}/L-01"))


async def test_others_find_nothing(admin, labeler_of, labeler, client, seed_slates):
    await seed_slates(shared(1))
    own = await labeler_of(1)

    for path in (f"{PAGE}/L-01", f"{PAGE}/L-02", "/projects/seeded/screening"):
        assert (await own.get(path)).status_code == 404
    for path in (
        "cohort",
        "quarantine",
        "quarantine/lift",
        "screening",
        "requalification",
        "requalification/end",
        "demonstrations",
    ):
        assert (await own.post(f"{PAGE}/L-01/{path}", data={"x": "y"})).status_code == 404
    for path in (f"{API}/L-01", "/api/v1/projects/seeded/screening"):
        assert (await labeler.get(path)).status_code == 404
        assert (await client.get(path)).status_code == 401
    body = {"cohort": "heldout"}
    assert (await labeler.put(f"{API}/L-01/cohort", json=body)).status_code == 404
    assert (await labeler.post(f"{API}/L-01/quarantine", json={"reason": "x"})).status_code == 404
    assert (await labeler.post(f"{API}/L-01/quarantine/revoke")).status_code == 404
    again = f"{API}/L-01/requalification"
    assert (await labeler.post(again, json={"reason": "x"})).status_code == 404
    assert (await labeler.post(f"{again}/end")).status_code == 404
    for unknown in ("L-99", "former-1", "%00"):
        assert (await admin.get(f"{API}/{unknown}")).status_code == 404
