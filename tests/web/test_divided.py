"""From a number of agreement to the texts behind it, and leaving a slate out of everything."""

import pytest
from sqlalchemy import text

from app.db import transaction
from app.invariants import violations
from tests.labeled_project import Given, GivenSlate, seed

API = "/api/v1/projects/seeded"
LIST = f"{API}/agreement/prompts"
PAGES = "/projects/seeded/agreement"
ALIKE, OPPOSED = (1, 2, 3, 4), (4, 3, 2, 1)
SLATES = [
    GivenSlate(
        [Given(1, [ALIKE], (7, 5, 3, 1)), Given(2, [ALIKE])],
        models=("ppo", "sft", "ppo", "sft"),
        prompt="Of one mind",
    ),
    GivenSlate(
        [Given(1, [ALIKE]), Given(2, [OPPOSED, (2, 1, 3, 4)]), Given(3, [ALIKE])],
        prompt="Of two minds",
        texts=("Wind turns the wheel.", "Water turns the wheel.", "**Bold**", "d"),
        round=2,
    ),
    GivenSlate([Given(1, [OPPOSED]), Given(3, [ALIKE])], prompt="Opposed <b>& more</b>"),
    GivenSlate([Given(1, [(1, 1, 1, 1)]), Given(2, [ALIKE])], prompt="All tied"),
    GivenSlate([Given(4, [ALIKE])], prompt="Ranked once"),
]


@pytest.fixture
async def seeded(app):
    async with transaction(app.state.engine) as tx:
        made = await seed(tx, SLATES)
        await tx.execute(
            text("update prompts set tags = '{x}' where messages -> 0 ->> 'content' like 'Of %'")
        )
        await tx.execute(
            text("insert into flags (project_id, key, label, position, is_severe)"
                 " values (:id, 'harm', 'Harmful', 1, true), (:id, 'dull', 'Dull', 2, false)"),
            {"id": made.project.id},
        )  # fmt: skip
        await tx.execute(
            text("update ranking_items set flags = '{harm}', note = 'It tells how to burn it.'"
                 " where response_id = :response and ranking_id = ("
                 " select r.id from rankings r where slate_id = :slate and is_current"
                 " order by r.task_id offset 1 limit 1)"),
            {"response": made.responses[1][1], "slate": made.slates[1]},
        )  # fmt: skip
        return made


async def starts(client, **params):
    answer = await client.get(LIST, params=params)
    assert answer.status_code == 200, answer.text
    return [row["start"] for row in answer.json()["prompts"]]


async def test_prompts_come_by_disagreement_with_their_numbers(admin, seeded):
    answer = (await admin.get(LIST)).json()

    assert [row["start"] for row in answer["prompts"]] == [
        "Opposed <b>& more</b>",
        "Of two minds",
        "Of one mind",
        "All tied",
    ]
    opposed, split, alike, tied = answer["prompts"]
    assert (opposed["agreement"]["value"], opposed["units"]) == (0, 6)
    # By hand: of three labelers' 18 units the two with the one who swaps A and B differ.
    assert (split["agreement"]["value"], split["units"]) == (pytest.approx(16 / 18), 18)
    assert split["w"]["value"] == pytest.approx(41 / 45)  # sums of ranks 4, 5, 9, 12
    assert split["consensus"] == "A > B > C > D"
    assert (alike["agreement"]["value"], alike["w"]["value"]) == (1, None)
    assert alike["w"]["reason"] == "it takes three labelers"
    assert tied["agreement"] == {
        "value": None,
        "reason": "every pair is tied by one of the labelers",
    }
    assert (answer["slates"], answer["undefined"], answer["next"]) == (4, 1, None)
    assert [row["slates"] for row in answer["histogram"]] == [1, 0, 0, 0, 0, 0, 0, 0, 1, 1]
    assert [(row["tag"], row["slates"], row["units"]) for row in answer["tags"]] == [("x", 2, 24)]
    assert answer["strict"]["reason"] == "not enough data: 3 of 10 shared prompts"


async def test_flags_of_whole_tasks_are_found_like_those_of_responses(app, admin, seeded):
    async with transaction(app.state.engine) as tx:
        await tx.execute(text("update flags set scope = 'task' where key = 'dull'"))
        await tx.execute(
            text("update rankings set flags = '{dull}' where id = "
                 "(select min(id) from rankings where slate_id = :slate)"),
            {"slate": seeded.slates[3]},
        )  # fmt: skip
    assert await starts(admin, flag="dull") == ["All tied"]
    assert await starts(admin, split_on_severe="true") == ["Of two minds"]

    async with transaction(app.state.engine) as tx:
        await tx.execute(text("update flags set is_severe = true where key = 'dull'"))

    assert await starts(admin, split_on_severe="true") == ["Of two minds", "All tied"]


async def test_every_filter_narrows_the_list_down(admin, seeded):
    assert await starts(admin, round=2) == ["Of two minds"]
    assert await starts(admin, tag="x") == ["Of two minds", "Of one mind"]
    assert await starts(admin, labeler="L-03") == ["Opposed <b>& more</b>", "Of two minds"]
    assert await starts(admin, labeler="L-02", other_labeler="L-03") == ["Of two minds"]
    assert await starts(admin, labeler="L-04") == []
    assert await starts(admin, flag="harm") == ["Of two minds"]
    assert await starts(admin, flag="dull") == []
    assert await starts(admin, split_on_severe="true") == ["Of two minds"]
    assert await starts(admin, model_a="ppo", model_b="sft") == ["Of one mind"]
    assert await starts(admin, margin="2") == ["Of one mind"]
    assert await starts(admin, tenth=0) == ["Opposed <b>& more</b>"]
    assert await starts(admin, tenth=9, tag="x") == ["Of one mind"]
    assert len(await starts(admin, headline="true")) == 4
    assert await starts(admin, excluded="true") == []
    # Also of one labeler, of whom no agreement is known.
    assert (await starts(admin, case="first_is_best"))[-1] == "Ranked once"
    assert await starts(admin, case="longer_wins") == ["Of two minds"]
    assert await starts(admin, case="anchors") == []
    # Of two labelers alone: they swap A and B.
    (two,) = (await admin.get(LIST, params={"labeler": "L-02", "other_labeler": "L-03"})).json()[
        "prompts"
    ]
    assert (two["agreement"]["value"], two["units"]) == (pytest.approx(5 / 6), 6)


async def test_the_histogram_is_a_picture_and_a_table_to_download(admin_browser, seeded):
    page = await admin_browser.get(f"{PAGES}/prompts?tag=x")
    picture = await admin_browser.get(f"{PAGES}/prompts.svg?tag=x")
    table = await admin_browser.get(f"{PAGES}/prompts.csv?tag=x")

    for kind in ("svg", "csv"):
        assert f'href="{PAGES}/prompts.{kind}?tag=x"' in page.text
    assert picture.headers["content-type"].startswith("image/svg+xml")
    assert picture.text.lstrip().startswith("<svg")
    # On a ground of its own, wherever it is opened, one bar a tenth.
    assert picture.text.count('<rect class="paper"') == 1
    assert picture.text.count("<rect x=") == 10
    assert table.headers["content-type"] == "text/csv; charset=utf-8"
    rows = table.text.splitlines()
    assert rows[0] == "agreement_from,agreement_to,prompts"
    assert rows[-2:] == ["0.8,0.9,1", "0.9,1.0,1"]


async def test_pages_follow_each_other_without_gaps(admin, app):
    async with transaction(app.state.engine) as tx:
        await seed(
            tx,
            [
                GivenSlate([Given(1, [ALIKE]), Given(2, [(ALIKE, OPPOSED)[i % 2]])], prompt=f"P{i}")
                for i in range(60)
            ],
        )
    seen, after, pages = [], {}, 0
    while after is not None:
        answer = (await admin.get(LIST, params=after)).json()
        seen += [(row["agreement"]["value"], row["slate"]) for row in answer["prompts"]]
        after = {"after": answer["next"]} if answer["next"] else None
        pages += 1

    assert pages == 3
    assert seen == sorted(seen)
    assert len(set(seen)) == 60


@pytest.mark.parametrize(
    "query",
    [
        "round=0", "round=x", "tenth=10", "tenth=-1", "tenth=1.0", "margin=4", "after=1-2",
        "after=0-0-0", "after=1-1-99999999999999999999", "model_a=sft", "other_labeler=L-01",
        "labeler=L-01&other_labeler=L-01", "labeler=L-99", "tag=none", "flag=none", "flag=",
        "model_a=sft&model_b=none", "headline=maybe", "x=1", "round=1&round=1", "tag=%00",
    ],
)  # fmt: skip
async def test_a_wrong_question_is_refused(admin, seeded, query):
    assert (await admin.get(f"{LIST}?{query}")).status_code == 422


async def test_a_slate_has_its_labels_as_they_came_and_its_numbers(admin, seeded):
    slate = (await admin.get(f"{API}/agreement/slates/{seeded.slates[1]}")).json()

    assert (slate["labels"], slate["units"]) == (3, 18)
    assert slate["agreement"]["value"] == pytest.approx(16 / 18)
    assert slate["kemeny"] == {"orders": ["A > B > C > D"], "has_more": False, "common": []}
    assert [(row["letter"], round(row["value"], 4)) for row in slate["mid_ranks"]] == [
        ("A", 1.3333), ("B", 1.6667), ("C", 3), ("D", 4),
    ]  # fmt: skip
    first = slate["pairs"][0]
    assert (first["pair"], first["first"], first["tie"], first["second"]) == (["A", "B"], 2, 0, 1)
    assert first["entropy"] == pytest.approx(0.579380, abs=1e-6)
    versions = [(row["labeler"], row["version"], row["is_current"]) for row in slate["rankings"]]
    assert versions == [("L-01", 1, True), ("L-02", 1, False), ("L-02", 2, True), ("L-03", 1, True)]
    assert [one["rank"] for one in slate["rankings"][1]["judged"]] == [4, 3, 2, 1]
    counted = [(row["counts"], row["order"]) for row in slate["rankings"][1:3]]
    assert counted == [(False, "D > C > B > A"), (True, "B > A > C > D")]
    assert (slate["alike"], slate["excluded"], slate["waiting"]) == (16, 0, 0)


async def test_two_texts_are_answered_beside_each_other(admin, seeded):
    call = f"{API}/agreement/slates/{seeded.slates[1]}"
    listed = (await admin.get(LIST, params={"round": 2})).json()["prompts"]

    slate = (await admin.get(call, params={"pair": listed[0]["pair"]})).json()
    unanimous = (await admin.get(call, params={"pair": "c-d"})).json()["beside"]

    assert slate == (await admin.get(call)).json()
    beside, by_id = slate["beside"], {row["id"]: row["labeler"] for row in slate["rankings"]}
    assert (beside["left"], beside["right"], beside["has_majority"]) == ("A", "B", True)
    assert [
        (side["prefers"], side["is_dissent"], [by_id[one] for one in side["rankings"]])
        for side in beside["sides"]
    ] == [("A", False, ["L-01", "L-03"]), ("B", True, ["L-02"])]
    left, right = beside["differences"]
    assert {"kind": "deleted", "text": "Wind", "number": None} in left
    assert {"kind": "inserted", "text": "Water", "number": None} in right
    assert [side["prefers"] for side in unanimous["sides"]] == ["C"]
    for wrong in ("a", "a-a", "a-i", "A-B"):
        assert (await admin.get(call, params={"pair": wrong})).status_code == 422


async def test_the_words_that_are_read_are_compared_not_their_markdown(admin, seeded, app):
    async with transaction(app.state.engine) as tx:
        for response, words in zip(seeded.responses[1], ("**Wind** blows.", "Wind *blows*."),
                                   strict=False):  # fmt: skip
            await tx.execute(text("update responses set text = :words where id = :id"),
                             {"words": words, "id": response})  # fmt: skip

    call = f"{API}/agreement/slates/{seeded.slates[1]}"
    beside = (await admin.get(call, params={"pair": "a-b"})).json()["beside"]

    same = [{"kind": "same", "text": "Wind blows.", "number": None}]
    assert beside["differences"] == [same, same]


async def test_what_is_said_about_a_slate_is_stored_and_listed(admin, seeded, app):
    slate = seeded.slates[1]
    async with transaction(app.state.engine) as tx:
        await tx.execute(
            text("insert into remarks (slate_id, author_id, ranking_id, text) select slate_id, "
                 "labeler_id, id, 'Why?' from rankings where slate_id = :slate and is_current "
                 "order by task_id limit 1"), {"slate": slate},
        )  # fmt: skip
    path = f"{API}/slates/{slate}/remarks"

    said = await admin.post(path, json={"text": "Because."})

    assert said.status_code == 201
    first, second = (await admin.get(f"{API}/agreement/slates/{slate}")).json()["remarks"]
    assert (first["author"], first["text"], first["is_objection"]) == ("L-01", "Why?", True)
    assert (second["id"], second["text"]) == (said.json()["id"], "Because.")
    assert not second["is_objection"]
    assert (await admin.post(path, json={"text": " "})).status_code == 422
    assert (await admin.post(f"{API}/slates/9999/remarks", json={"text": "x"})).status_code == 404


async def test_several_best_orders_are_all_named_with_what_they_share(admin, seeded):
    slate = (await admin.get(f"{API}/agreement/slates/{seeded.slates[2]}")).json()

    assert len(slate["kemeny"]["orders"]) == 6
    assert slate["kemeny"]["has_more"] is True
    assert slate["kemeny"]["common"] == []


async def test_an_excluded_ranking_is_in_no_number_until_it_is_revoked(app, admin, seeded):
    slate = seeded.slates[1]
    before = (await admin.get(f"{API}/agreement/slates/{slate}")).json()
    swapped = before["rankings"][2]["id"]
    body = {"ranking": swapped, "reason": "Clicked through"}

    made = await admin.post(f"{API}/slates/{slate}/exclusions", json=body)
    again = await admin.post(f"{API}/slates/{slate}/exclusions", json=body)
    during = (await admin.get(f"{API}/agreement/slates/{slate}")).json()
    numbers = (await admin.get(f"{API}/agreement")).json()
    marked = await starts(admin, excluded="true")
    revoked = await admin.post(f"{API}/exclusions/{made.json()['id']}/revoke")
    twice = await admin.post(f"{API}/exclusions/{made.json()['id']}/revoke")
    after = (await admin.get(f"{API}/agreement/slates/{slate}")).json()

    assert (made.status_code, again.status_code) == (201, 409)
    assert (made.json()["labeler"], made.json()["reason"]) == ("L-02", "Clicked through")
    assert (during["labels"], during["agreement"]["value"]) == (2, 1)
    assert [row["is_excluded"] for row in during["rankings"]] == [False, True, True, False]
    assert numbers["rankings"] == 9
    assert marked == ["Of two minds"]
    assert (revoked.status_code, twice.status_code) == (200, 404)
    assert revoked.json()["revoked_at"] is not None
    assert (after["labels"], after["agreement"]) == (3, before["agreement"])
    assert await violations(app.state.engine) == {}


async def test_an_excluded_slate_leaves_the_list_and_the_exports(app, admin, admin_browser, seeded):
    slate = seeded.slates[2]

    made = await admin.post(f"{API}/slates/{slate}/exclusions", json={"reason": "Leaked prompt"})
    rankings = (await admin.get(f"{API}/rankings")).text.splitlines()
    dataset = (await admin.post(f"{API}/datasets")).json()

    page = await admin_browser.get("/projects/seeded/datasets")

    assert "2 excluded" in page.text
    assert made.json()["ranking"] is made.json()["labeler"] is None
    assert "Opposed <b>& more</b>" not in await starts(admin)
    assert len(rankings) == dataset["rankings"] == 8
    assert dataset["manifest"]["filters"]["excluded"] == {
        "exclusions": [made.json()["id"]],
        "rankings": 2,
        "slates": 1,
    }
    assert await violations(app.state.engine) == {}


async def test_what_is_excluded_is_listed_with_one_label_or_none(app, admin, admin_browser, seeded):
    once, tied = seeded.slates[4], seeded.slates[3]
    async with transaction(app.state.engine) as tx:
        unranked = await tx.scalar(
            text("insert into slates (round_id, prompt_id, status, places, propensity)"
                 " select other.round_id, s.prompt_id, 'ready', 1, 1 from slates s, slates other"
                 " where s.id = :id and other.id = :other returning id"),
            {"id": tied, "other": seeded.slates[1]},
        )  # fmt: skip
    for slate in (once, tied, unranked):
        await admin.post(f"{API}/slates/{slate}/exclusions", json={"reason": "Leaked"})

    found = (await admin.get(LIST, params={"excluded": "true"})).json()
    page = await admin_browser.get(f"{PAGES}/prompts?excluded=true")

    assert [row["start"] for row in found["prompts"]] == ["All tied", "Ranked once"]
    assert (found["slates"], found["undefined"]) == (2, 1)
    assert found["prompts"][1]["agreement"] == {"value": None, "reason": "it takes two labelers"}
    assert found["unranked"] == [unranked]
    assert f"{PAGES}/slates/{unranked}" in page.text
    assert await starts(admin, excluded="true", labeler="L-04") == ["Ranked once"]
    assert await starts(admin, excluded="true", labeler="L-03") == []
    assert (await admin.get(LIST)).json()["unranked"] == []
    assert "Ranked once" not in await starts(admin)


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({}, 422), ({"reason": ""}, 422), ({"reason": " "}, 422), ({"reason": "x" * 2001}, 422),
        ({"reason": "x", "ranking": "1"}, 422), ({"reason": "x", "ranking": 999_999}, 404),
        ({"reason": "x", "y": 1}, 422),
    ],
)  # fmt: skip
async def test_a_wrong_exclusion_is_refused(admin, seeded, body, status):
    answer = await admin.post(f"{API}/slates/{seeded.slates[0]}/exclusions", json=body)

    assert answer.status_code == status


async def test_what_is_of_another_project_is_not_found(admin, app, seeded, project):
    other = f"/api/v1/projects/{project}"
    slate = seeded.slates[0]
    made = (await admin.post(f"{API}/slates/{slate}/exclusions", json={"reason": "x"})).json()

    answers = [
        await admin.get(f"{other}/agreement/slates/{slate}"),
        await admin.post(f"{other}/slates/{slate}/exclusions", json={"reason": "x"}),
        await admin.post(f"{other}/exclusions/{made['id']}/revoke"),
        await admin.get(f"{API}/agreement/slates/999999"),
    ]

    assert [answer.status_code for answer in answers] == [404] * 4


async def test_the_pages_lead_from_the_cell_to_the_texts(admin_browser, seeded):
    cells = await admin_browser.get(PAGES)
    listed = await admin_browser.get(f"{PAGES}/prompts?labeler=L-02&other_labeler=L-03&tag=")
    slate = await admin_browser.get(f"{PAGES}/slates/{seeded.slates[1]}?pair=a-b")

    assert "prompts?labeler=L-02&amp;other_labeler=L-03" in cells.text
    assert f"slates/{seeded.slates[1]}?pair=a-b" in listed.text
    assert "Prefers B" in slate.text
    assert "dissents" in slate.text
    assert "It tells how to burn it." in slate.text
    assert "<del>Wind</del>" in slate.text
    assert "<ins>Water</ins>" in slate.text
    assert 'aria-label="A and B: 2/0/1*"' in slate.text
    for page in (cells, listed, slate):
        assert page.status_code == 200
        assert " style=" not in page.text


@pytest.mark.parametrize("query", ["pair=a", "pair=a-z", "pair=a-a", "pair=a-i", "pair=A-B", "x=1"])
async def test_a_wrong_pair_is_refused(admin_browser, seeded, query):
    answer = await admin_browser.get(f"{PAGES}/slates/{seeded.slates[0]}?{query}")

    assert answer.status_code == 422


async def test_a_page_says_when_there_is_nothing(admin_browser, seeded, project):
    none = await admin_browser.get(f"/projects/{project}/agreement/prompts")
    narrowed = await admin_browser.get(f"{PAGES}/prompts?labeler=L-04")
    once = await admin_browser.get(f"{PAGES}/slates/{seeded.slates[4]}")

    assert "Prompts appear here when two labelers have ranked them." in none.text
    assert "None of the prompts with two or more labels fits." in narrowed.text
    assert "it takes two labelers" in once.text


async def test_the_forms_exclude_revoke_and_discuss(admin_browser, seeded, client):
    here = f"{PAGES}/slates/{seeded.slates[1]}"

    blank = await admin_browser.post(f"{here}/exclusions", data={"ranking": "", "reason": " "})
    made = await admin_browser.post(
        f"{here}/exclusions", data={"ranking": "", "reason": "Leaked\r\nprompt"}
    )
    shown = await admin_browser.get(here)
    again = await admin_browser.post(f"{here}/exclusions", data={"reason": "Again"})
    revoked = await admin_browser.post(f"{PAGES}/exclusions/1/revoke")
    remark = await admin_browser.post(
        f"{here}/remarks", data={"text": "The **wheel** <i>turns</i>"}
    )
    empty = await admin_browser.post(f"{here}/remarks", data={"text": ""})
    after = await admin_browser.get(here)

    assert (blank.status_code, again.status_code, empty.status_code) == (422, 409, 422)
    assert (made.status_code, made.headers["location"]) == (303, f"{here}#exclusions")
    assert "This prompt counts nowhere" in shown.text
    assert "Let it count again" in shown.text
    assert revoked.headers["location"] == f"{here}#exclusions"
    assert remark.headers["location"] == f"{here}#remarks"
    assert "The **wheel** &lt;i&gt;turns&lt;/i&gt;" in after.text
    assert "This prompt counts nowhere" not in after.text
    assert "revoked by" in after.text


async def test_a_known_answer_is_set_in_letters_corrected_and_retired(admin_browser, admin, seeded):
    here = f"{PAGES}/slates/{seeded.slates[1]}"
    answer = {"order": " b>a = c", "explanation": "B names\r\nits source."}

    for order in ("B > B", "A > Z", "A > > B", "A", "A=B", "", " ", "x" * 201):
        wrong = await admin_browser.post(f"{here}/gold", data={**answer, "order": order})
        assert wrong.status_code == 422, order
    made = await admin_browser.post(f"{here}/gold", data=answer)
    gold = (await admin.get(f"{API}/agreement/slates/{seeded.slates[1]}")).json()
    listed = (await admin.get(LIST, params={"round": 2})).json()["prompts"]
    shown = await admin_browser.get(here)
    retired = await admin_browser.post(
        f"{here}/decisions", data={"decision": "gold_retired", "why": "Known by now"}
    )
    after = (await admin.get(f"{API}/agreement/slates/{seeded.slates[1]}")).json()
    no_gold = await admin_browser.post(
        f"{PAGES}/slates/{seeded.slates[0]}/decisions", data={"decision": "gold_retired"}
    )

    assert (made.status_code, made.headers["location"]) == (303, f"{here}#decisions")
    assert (gold["gold"]["order"], gold["gold"]["explanation"]) == (
        "B > A=C",
        "B names\nits source.",
    )
    assert listed[0]["is_gold"] is True
    assert "Retire the known answer" in shown.text
    assert retired.status_code == 303
    assert after["gold"]["retired_at"] is not None
    assert [(one["kind"], one["reason"]) for one in after["decisions"]] == [
        ("gold", "B names\nits source."),
        ("gold_retired", "Known by now"),
    ]
    assert no_gold.status_code == 404


async def test_an_anchor_is_made_and_ended_and_another_labeler_asked(
    app, admin_browser, admin, seeded
):
    slate = seeded.slates[1]
    here = f"{PAGES}/slates/{slate}/decisions"

    async def decide(**data):
        return (await admin_browser.post(here, data=data)).status_code

    many = await admin_browser.post(here, data={"decision": "another_label"})
    async with transaction(app.state.engine) as tx:
        await tx.execute(text("update slates set places = 3"))
    statuses = [
        await decide(decision="another_label", why="Two against one"),
        await decide(decision="anchor"),
    ]
    during = (await admin.get(f"{API}/agreement/slates/{slate}")).json()
    page = await admin_browser.get(f"{PAGES}/slates/{slate}")
    statuses.append(await decide(decision="anchor_ended"))
    after = (await admin.get(f"{API}/agreement/slates/{slate}")).json()

    assert many.status_code == 409
    assert "9 places" in many.text
    assert statuses == [303] * 3
    assert "For 4 labelers, 1 still to come." in page.text
    assert "Two against one" in page.text
    assert (during["is_anchor"], after["is_anchor"]) == (True, False)
    assert [one["kind"] for one in after["decisions"]] == [
        "another_label",
        "anchor",
        "anchor_ended",
    ]
    assert {one["created_by"] for one in after["decisions"]} != {None}
    for wrong in ({}, {"decision": "x"}, {"decision": "anchor", "why": "x" * 2001}):
        assert await decide(**wrong) == 422
    assert await violations(app.state.engine) == {}


async def test_checks_on_labelers_are_shown_and_counted_in_nothing(admin, admin_browser, app):
    async with transaction(app.state.engine) as tx:
        made = await seed(
            tx,
            [
                GivenSlate(
                    [Given(1, [ALIKE]), Given(2, [ALIKE]), Given(3, [OPPOSED], purpose="gold")]
                )
            ],
        )

    slate = (await admin.get(f"{API}/agreement/slates/{made.slates[0]}")).json()
    page = await admin_browser.get(f"{PAGES}/slates/{made.slates[0]}")

    assert (slate["labels"], slate["agreement"]["value"]) == (2, 1)
    assert [row["purpose"] for row in slate["rankings"]] == ["fresh", "fresh", "gold"]
    assert "known answer" in page.text


async def test_labelers_and_strangers_see_none_of_it(labeler, labeler_browser, client, seeded):
    slate = seeded.slates[0]
    for path in (LIST, f"{API}/agreement/slates/{slate}"):
        assert (await labeler.get(path)).status_code == 404
        assert (await client.get(path)).status_code == 401
    for path in (f"{PAGES}/prompts", f"{PAGES}/slates/{slate}"):
        assert (await labeler_browser.get(path)).status_code == 404
    for form in ("decisions", "gold", "exclusions", "remarks"):
        answer = await labeler_browser.post(f"{PAGES}/slates/{slate}/{form}", data={"why": "x"})
        assert answer.status_code == 404
    answer = await labeler.post(f"{API}/slates/{slate}/exclusions", json={"reason": "x"})
    assert answer.status_code == 404
