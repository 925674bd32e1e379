"""Known answers, anchors and repeats among a labeler's tasks, and that they are nobody's labels."""

import asyncio
from collections import Counter

import pytest
from sqlalchemy import text

from app.agreement.queries import agreement_of
from app.datasets.export import comparison_chunks, ranking_chunks
from app.db import transaction
from app.errors import ConflictError
from app.invariants import violations
from app.labeling.check_leases import REPEAT_AFTER_DAYS
from app.labeling.leasing import report_task, skip_task
from app.labeling.next_task import lease_next_task
from app.labeling.reports import resolve_report
from app.labeling.slate_commands import make_gold, retire_gold, set_anchor
from app.rounds.closing import close_round, reopen_round
from tests.asking import Asking, asking

CHECKS = "select id, slate_id, status from tasks where purpose = '{}' order by id"
OLD = f"interval '{REPEAT_AFTER_DAYS} days 1 minute'"
AGE = f"""
with old as (update rankings set created_at = created_at - {OLD})
update tasks set finished_at = finished_at - {OLD}
"""


async def gold_on(here: Asking, slate_id: int) -> None:
    first, second = await here.column(
        "select id from responses where slate_id = :slate order by id limit 2", slate=slate_id
    )
    async with transaction(here.engine) as tx:
        await make_gold(
            tx,
            here.admin,
            here.project,
            slate_id,
            ranks={first: 1, second: 2},
            explanation="Clear.",
        )


async def anchor_on(here: Asking, slate_id: int, *, is_anchor: bool = True) -> None:
    async with transaction(here.engine) as tx:
        await set_anchor(tx, here.admin, here.project, slate_id, is_anchor=is_anchor)


async def slates(here: Asking, round_number: int) -> list[int]:
    return await here.column(
        "select s.id from slates s join rounds r on r.id = s.round_id where r.number = :number "
        "order by s.id",
        number=round_number,
    )


async def close(here: Asking, number: int) -> None:
    async with transaction(here.engine) as tx:
        await close_round(tx, here.project, number)


@pytest.fixture
async def here(engine):
    """Round 1 is closed and has a known answer; round 2 is open; two labelers, each task gold."""
    made = await asking(engine, screen={"gold_share": 1.0}, count=2)
    await gold_on(made, (await slates(made, 1))[0])
    await close(made, 1)
    await made.add_round(count=3)
    return made


async def shown_slate(here: Asking, task) -> int:
    [slate] = await here.column("select slate_id from tasks where id = :id", id=task.id)
    return slate


async def test_a_known_answer_comes_in_the_place_of_the_next_task(here):
    [first] = await here.column("select min(id) from tasks where status = 'open'")

    task = await here.ask(0)

    assert await shown_slate(here, task) == (await slates(here, 1))[0]
    assert task.id == first
    assert task.round == 2
    assert set(task.model_dump()) == {
        "id", "lease_token", "lease_expires_at", "prompt", "responses", "flags", "guidelines",
        "round", "is_sensitive",
    }  # fmt: skip
    [stored] = await here.rows("select * from tasks where id = :id", id=task.id)
    assert (stored["purpose"], stored["place"], stored["propensity"]) == ("gold", 0, 1.0)
    assert sorted(stored["display_order"]) == sorted(response.id for response in task.responses)
    assert await violations(here.engine) == {}


async def test_the_task_whose_place_it_took_comes_later(here):
    while await here.work(0):
        pass

    done = await here.rows("select slate_id, purpose from tasks where status = 'done'")
    assert Counter(row["purpose"] for row in done) == {"gold": 1, "fresh": 3}
    assert {row["slate_id"] for row in done if row["purpose"] == "fresh"} == set(
        await slates(here, 2)
    )
    assert await violations(here.engine) == {}


async def test_nobody_gets_the_same_known_answer_twice_skipped_or_not(here):
    task = await here.ask(0)
    async with transaction(here.engine) as tx:
        await skip_task(
            tx, here.people[0], task_id=task.id, lease_token=task.lease_token, reason="language",
            note=None,
        )  # fmt: skip
    await here.work(1)
    while await here.work(0):
        pass

    assert [row["status"] for row in await here.rows(CHECKS.format("gold"))] == ["skipped", "done"]
    assert await here.column("select count(*) from tasks where status = 'open'") == [0]
    assert await violations(here.engine) == {}


async def test_two_windows_of_one_labeler_get_one_known_answer(here):
    async with transaction(here.engine) as first:
        one = await lease_next_task(first, here.people[0], slug="asking", lease_minutes=45)
        second = asyncio.create_task(here.ask(0))
        await asyncio.sleep(0.3)
        assert not second.done()
        await first.commit()
        other = await second

    assert one is not None
    assert other is not None
    assert len(await here.rows(CHECKS.format("gold"))) == 1
    assert await violations(here.engine) == {}


async def test_who_has_ranked_a_slate_is_not_asked_what_is_known_of_it(engine):
    here = await asking(engine, count=2)
    await here.work(0)
    await gold_on(here, (await slates(here, 1))[0])
    await here.change("update rounds set gold_share = 1.0")

    await here.work(0)

    assert await here.rows(CHECKS.format("gold")) == []


@pytest.mark.parametrize("check", ["gold", "anchor"])
async def test_a_slate_is_no_check_while_its_own_places_are_to_be_filled(engine, check):
    here = await asking(engine, screen={f"{check}_share": 1.0}, count=1, places=2)
    await here.add_round(count=3)
    slate = (await slates(here, 1))[0]
    await (gold_on if check == "gold" else anchor_on)(here, slate)

    for who in (0, 1):
        while await here.work(who):
            pass

    assert await here.column(
        "select status from tasks where slate_id = :slate and place > 0", slate=slate
    ) == ["done", "done"]
    assert await violations(here.engine) == {}


async def test_a_retired_known_answer_is_asked_no_more(here):
    async with transaction(here.engine) as tx:
        await retire_gold(tx, here.admin, here.project, (await slates(here, 1))[0])

    await here.ask(0)

    assert await here.rows(CHECKS.format("gold")) == []


async def test_a_slate_that_was_removed_is_no_known_answer_any_more(here):
    await here.change(
        "insert into reports (task_id, labeler_id, kind) "
        "select min(t.id), :labeler, 'illegal' from tasks t where slate_id = :slate",
        labeler=here.people[1].id, slate=(await slates(here, 1))[0],
    )  # fmt: skip

    await here.ask(0)

    assert await here.rows(CHECKS.format("gold")) == []


async def test_there_are_none_where_nobody_set_any_up(engine):
    here = await asking(
        engine, screen={"gold_share": 1.0, "anchor_share": 1.0, "repeat_share": 1.0}, count=3
    )

    while await here.work(0):
        pass

    assert await here.column("select purpose from tasks order by id") == ["fresh"] * 3


async def test_a_task_with_somebodys_work_on_it_is_not_given_away(here):
    [first] = await here.column("select min(id) from tasks where status = 'open'")
    await here.change(
        "insert into drafts (task_id, labeler_id, version, body) values (:task, :labeler, 1, '{}')",
        task=first, labeler=here.people[0].id,
    )  # fmt: skip

    task = await here.ask(0)

    [slate] = await here.column("select slate_id from tasks where id = :id", id=first)
    assert slate in await slates(here, 2)
    assert await shown_slate(here, task) == (await slates(here, 1))[0]


async def test_the_shares_hold(engine):
    here = await asking(engine, labelers=1, screen={"gold_share": 0.25}, count=40)
    await here.add_round(count=40)
    for slate in await slates(here, 2):
        await gold_on(here, slate)
    await close(here, 2)

    for _ in range(20):
        await here.work(0)

    assert len(await here.rows(CHECKS.format("gold"))) == pytest.approx(5, abs=1)
    kept = "select distinct purpose, propensity from {} where labeler_id is not null order by 1"
    for table in ("tasks", "rankings"):
        assert await here.rows(kept.format(table)) == [
            {"purpose": "fresh", "propensity": 1.0}, {"purpose": "gold", "propensity": 0.25},
        ], table  # fmt: skip


async def test_a_round_has_its_own_shares_and_keeps_them(engine):
    """The closed round has the known answers, the second none of its own, and the third all."""
    here = await asking(engine, labelers=1, count=9)
    for slate in await slates(here, 1):
        await gold_on(here, slate)
    await close(here, 1)
    for share in (0.0, 1.0):
        await here.add_round(count=3)
        await here.change(
            "update rounds set gold_share = :share where number = (select max(number) from rounds)",
            share=share,
        )
    await here.change("update projects set screen = '{\"gold_share\": 0.5}'")

    for _ in range(8):
        await here.work(0)

    done = await here.rows(
        "select t.purpose, t.propensity, d.number from tasks t join slates s on s.id = t.slate_id "
        "join rounds d on d.id = coalesce(asked_round_id, s.round_id) where t.status = 'done' "
        "order by t.leased_at"
    )
    assert [(row["number"], row["purpose"], row["propensity"]) for row in done] == (
        [(2, "fresh", 1.0)] * 3 + [(3, "gold", 1.0)] * 5
    )


async def test_what_lies_behind_in_another_round_is_no_place_for_this_ones_checks(engine):
    """The check was due in the round of the next task; earlier tasks had another probability."""
    here = await asking(engine, labelers=1, count=2)
    await here.add_round(count=1)
    await gold_on(here, (await slates(here, 1))[0])
    await here.change("update rounds set gold_share = number - 1")
    await here.change("update tasks set status = 'void' where slate_id = :slate",
                      slate=(await slates(here, 1))[0])  # fmt: skip
    [last] = await here.column("select max(id) from tasks where slate_id = any(:slates)",
                               slates=await slates(here, 1))  # fmt: skip
    await here.change("update project_members set last_task_id = :last", last=last)
    await here.change(
        "insert into drafts (task_id, labeler_id, version, body) "
        "select max(id), :labeler, 1, '{}' from tasks", labeler=here.people[0].id,
    )  # fmt: skip

    while await here.work(0):
        pass

    assert await here.column("select count(*) from tasks where purpose = 'gold'") == [0]


async def test_an_anchor_comes_once_in_every_round(engine):
    here = await asking(engine, labelers=1, count=2)
    anchor = (await slates(here, 1))[0]
    while await here.work(0):
        pass
    await anchor_on(here, anchor)
    await here.change("update projects set screen = '{\"anchor_share\": 1.0}'")

    for _ in range(2):
        await here.add_round(count=3)
        while await here.work(0):
            pass

    asked = await here.rows("select * from tasks where slate_id = :slate order by id", slate=anchor)
    assert sorted((row["occasion"], row["purpose"]) for row in asked) == [
        (0, "fresh"), (1, "anchor"), (2, "anchor"),
    ]  # fmt: skip
    assert len({row["asked_round_id"] for row in asked}) == 3
    assert await violations(here.engine) == {}


async def test_what_is_no_anchor_any_more_is_not_asked(engine):
    here = await asking(engine, screen={"anchor_share": 1.0}, count=2)
    await anchor_on(here, (await slates(here, 1))[0])
    await anchor_on(here, (await slates(here, 1))[0], is_anchor=False)

    await here.ask(0)

    assert await here.rows(CHECKS.format("anchor")) == []


async def test_an_old_task_of_ones_own_is_repeated_once(engine):
    here = await asking(engine, count=2)
    await here.work(0)
    await here.work(1)
    await here.change("update projects set screen = '{\"repeat_share\": 1.0}'")
    await here.add_round(count=3)
    await here.ask(1)
    assert await here.rows(CHECKS.format("repeat")) == []

    await here.change(AGE)
    while await here.work(0):
        pass

    [repeat] = await here.rows("select * from tasks where purpose = 'repeat'")
    assert (repeat["labeler_id"], repeat["occasion"]) == (here.people[0].id, 1)
    assert await here.column(
        "select count(*) from rankings where slate_id = :slate and labeler_id = :labeler "
        "and is_current",
        slate=repeat["slate_id"], labeler=here.people[0].id,
    ) == [2]  # fmt: skip
    assert await violations(here.engine) == {}


async def test_a_check_waits_for_its_labeler_when_the_lease_expires(here):
    task = await here.ask(0)
    await here.change("update tasks set lease_expires_at = now() - interval '1 minute'")

    other = await here.ask(1)
    again = await here.ask(0)

    assert other.id != task.id
    assert again.id == task.id
    assert again.lease_token != task.lease_token
    assert await violations(here.engine) == {}


async def test_a_severe_report_on_a_check_withdraws_its_slate_from_everybody(here):
    task = await here.ask(0)
    async with transaction(here.engine) as tx:
        assert await report_task(
            tx, here.people[0], task_id=task.id, kind="illegal", response_id=None, note=None
        )

    await here.ask(1)
    [report] = await here.column("select id from reports")
    async with transaction(here.engine) as tx:
        await resolve_report(
            tx, here.admin, here.project, report, resolution="nothing_wrong", note=None
        )
    assert [row["status"] for row in await here.rows(CHECKS.format("gold"))] == ["void"]
    await here.change("update tasks set status = 'skipped', lease_token = null, "
                      "lease_expires_at = null where status = 'leased'")  # fmt: skip
    await here.ask(1)
    assert [row["status"] for row in await here.rows(CHECKS.format("gold"))] == ["void", "leased"]
    assert await violations(here.engine) == {}


async def test_a_round_that_is_being_closed_asks_no_check_and_waits_for_none(here):
    async with transaction(here.engine) as closing:
        await closing.execute(text("update rounds set closed_at = now() where number = 2"))
        assert await asyncio.wait_for(here.ask(0), timeout=20) is not None
        await closing.rollback()

    assert await here.rows(CHECKS.format("gold")) == []


async def test_closing_the_round_that_asks_ends_a_check_for_good(here):
    task = await here.ask(0)

    await close(here, 2)

    with pytest.raises(ConflictError, match="withdrawn"):
        await here.rank(0, task)
    assert await here.ask(0) is None
    async with transaction(here.engine) as tx:
        await reopen_round(tx, here.project, 2)
    assert [row["status"] for row in await here.rows(CHECKS.format("gold"))] == ["void"]
    while await here.work(0):
        pass
    assert Counter(await here.column("select status from tasks where purpose = 'fresh'")) == {
        "done": 3, "void": 2,
    }  # fmt: skip
    assert await violations(here.engine) == {}


async def test_closing_the_slates_own_round_leaves_the_check(engine):
    here = await asking(engine, screen={"gold_share": 1.0}, count=1)
    await here.add_round(count=2)
    while await here.work(1):
        pass
    await gold_on(here, (await slates(here, 2))[0])
    await here.add_round(count=1)
    task = await here.ask(0)

    await close(here, 2)

    assert await shown_slate(here, task) == (await slates(here, 2))[0]
    assert (await here.rank(0, task)).is_new
    await here.rank(0, task, reverse=True)
    assert await violations(here.engine) == {}


async def test_a_check_is_in_no_comparison_export_or_agreement(here):
    await here.work(1)
    while await here.work(0):
        pass
    await here.change("update rankings set created_at = created_at - interval '2 days'")

    view = await here.rows("select * from comparisons")
    rankings = [chunk async for chunk in ranking_chunks(here.engine, here.project.id)]
    comparisons = [chunk async for chunk in comparison_chunks(here.engine, here.project.id)]
    async with transaction(here.engine) as tx:
        agreement = await agreement_of(tx, here.project, baseline=None)

    assert await here.column("select count(*) from rankings where is_check") == [2]
    assert len(view) == 3 * 6 == sum(len(chunk.splitlines()) for chunk in comparisons)
    assert sum(len(chunk.splitlines()) for chunk in rankings) == 3
    assert agreement.report.rankings == 3
    assert agreement.report.pairs == []


async def test_eight_labelers_in_a_hurry_get_each_place_and_each_check_once(engine):
    here = await asking(engine, labelers=8, screen={"gold_share": 0.5}, count=3)
    for slate in await slates(here, 1):
        await gold_on(here, slate)
    await close(here, 1)
    await here.add_round(count=10, places=2)

    async def all_of(who: int) -> None:
        while await here.work(who):
            pass

    await asyncio.gather(*(all_of(who) for who in range(8)))

    done = await here.rows("select * from tasks where status <> 'void'")
    assert {row["status"] for row in done} == {"done"}
    assert sum(row["purpose"] == "overlap" for row in done) == 20
    assert sum(row["purpose"] == "gold" for row in done) > 0
    assert await violations(here.engine) == {}
