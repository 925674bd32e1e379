"""Re-qualification: the next tasks have known answers until it is done or ended."""

import pytest
from sqlalchemy.exc import IntegrityError

from app.db import transaction
from app.errors import ConflictError, NotFoundError
from app.invariants import violations
from app.labeling import requalification
from app.labeling.requalification import (
    end_requalification,
    known_answers_left,
    known_answers_to_come,
    requalifications_of,
    running_requalifications,
    start_requalification,
)
from app.labeling.slate_commands import make_gold, retire_gold
from app.rounds.closing import close_round
from tests.asking import NO_CHECKS, asking

PURPOSES = "select purpose from tasks where labeler_id = :labeler order by leased_at"


@pytest.fixture
async def here(engine):
    """Round 1 is closed and has three known answers; round 2 is open with six slates."""
    made = await asking(engine, screen=NO_CHECKS, count=3)
    async with transaction(engine) as tx:
        await close_round(tx, made.project, 1)
        for slate in await made.column("select id from slates order by id"):
            first, second = await made.column(
                "select id from responses where slate_id = :slate order by id limit 2", slate=slate
            )
            await make_gold(
                tx, made.admin, made.project, slate, ranks={first: 1, second: 2}, explanation="x"
            )
    await made.add_round(count=6)
    return made


async def pseudonym(here, who):
    [name] = await here.column(
        "select pseudonym from project_members where user_id = :id", id=here.people[who].id
    )
    return name


async def send(here, who=0):
    name = await pseudonym(here, who)
    async with transaction(here.engine) as tx:
        return await start_requalification(tx, here.admin, here.project, name, reason="Drift.")


async def end(here, who=0):
    name = await pseudonym(here, who)
    async with transaction(here.engine) as tx:
        return await end_requalification(tx, here.admin, here.project, name)


async def purposes(here, who=0):
    return await here.column(PURPOSES, labeler=here.people[who].id)


async def all_of(here, who=0):
    async with transaction(here.engine) as tx:
        return await requalifications_of(tx, here.project, here.people[who].id)


async def to_come(here, who=0):
    async with transaction(here.engine) as tx:
        return await known_answers_to_come(tx, here.project, here.people[who].id)


async def retire_the_rest(tx, here):
    """Retire the known answers that nobody was asked for."""
    for slate in await here.column(
        "select slate_id from gold where slate_id not in (select slate_id from tasks "
        "where purpose = 'gold')"
    ):
        await retire_gold(tx, here.admin, here.project, slate, reason="Unclear.")


async def test_the_next_tasks_have_known_answers_and_then_ordinary_ones_come(here):
    await here.work(0)

    asked = await send(here)
    for _ in range(5):
        await here.work(0)
    await here.work(1)

    assert (asked.wanted, asked.answered, asked.is_running) == (3, 0, True)
    assert await purposes(here) == ["fresh", "gold", "gold", "gold", "fresh", "fresh"]
    assert await purposes(here, 1) == ["fresh"]
    # Asked for, not drawn.
    assert await here.column("select propensity from tasks where purpose = 'gold'") == [None] * 3
    (done,) = await all_of(here)
    assert (done.answered, done.is_running, done.ended_at) == (3, False, None)
    assert await violations(here.engine) == {}


async def test_it_asks_for_a_bounded_number_and_another_can_follow(here, monkeypatch):
    monkeypatch.setattr(requalification, "MOST_ANSWERS", 2)

    await send(here)
    for _ in range(3):
        await here.work(0)
    second = await send(here)
    await here.work(0)

    assert await purposes(here) == ["gold", "gold", "fresh", "gold"]
    assert second.wanted == 1
    assert [one.answered for one in await all_of(here)] == [1, 2]


async def test_ending_it_gives_ordinary_tasks_again_and_keeps_what_was_answered(here):
    await send(here)
    await here.work(0)
    ended = await end(here)
    await here.work(0)

    assert await purposes(here) == ["gold", "fresh"]
    assert (ended.answered, ended.is_running, ended.ended_by) == (1, False, here.admin.email)
    with pytest.raises(NotFoundError):
        await end(here)


async def test_one_at_a_time_and_none_without_a_known_answer_that_is_new(here):
    await send(here)
    with pytest.raises(ConflictError) as twice:
        await send(here)
    async with transaction(here.engine) as tx:
        running = await running_requalifications(tx, here.project)
        for slate in await here.column("select slate_id from gold"):
            await retire_gold(tx, here.admin, here.project, slate, reason="Unclear.")
        left = await known_answers_left(tx, here.project, here.people[1].id)
    with pytest.raises(ConflictError) as none_left:
        await send(here, 1)

    assert twice.value.code == "already_requalifying"
    assert list(running) == [here.people[0].id]
    assert (left, none_left.value.code) == (0, "no_known_answers")


async def test_when_the_known_answers_run_out_labeling_goes_on(here):
    await send(here)
    async with transaction(here.engine) as tx:
        for slate in await here.column("select slate_id from gold"):
            await retire_gold(tx, here.admin, here.project, slate, reason="Unclear.")

    await here.work(0)

    assert await purposes(here) == ["fresh"]
    (one,) = await all_of(here)
    assert (one.is_running, one.is_stuck(0)) == (True, True)
    assert await to_come(here) == 0
    assert (await end(here)).is_running is False


async def test_one_with_known_answers_left_or_at_work_is_not_stuck(here):
    await send(here)
    before = await to_come(here)
    await here.work(0)
    task = await here.ask(0)
    async with transaction(here.engine) as tx:
        await retire_the_rest(tx, here)

    # The second of three is with the labeler, the third is retired.
    (one,) = await all_of(here)
    assert (before, one.answered, one.asked) == (3, 1, 2)
    assert (one.is_stuck(1), one.is_stuck(0)) == (False, False)
    assert await to_come(here) == 1
    await here.rank(0, task)
    (one,) = await all_of(here)
    assert (one.is_stuck(1), one.is_stuck(0)) == (False, True)


async def test_a_finished_one_is_looked_at_no_more(here):
    await send(here)
    for _ in range(3):
        await here.work(0)
    answered = await here.column("select finished_at from requalifications")
    await here.work(0)
    (finished,) = await here.column("select finished_at from requalifications")
    await here.work(0)

    assert answered == [None]
    assert finished is not None
    assert await here.column("select finished_at from requalifications") == [finished]
    assert not (await all_of(here))[0].is_running
    with pytest.raises(NotFoundError):
        await end(here)
    await here.change("delete from gold")
    assert (await all_of(here))[0].answered == 3


@pytest.mark.parametrize(
    "change",
    ["wanted = 0", "ended_at = now()", "ended_by = created_by",
     "ended_at = now(), ended_by = created_by, finished_at = now()"],
)  # fmt: skip
async def test_what_contradicts_itself_is_not_stored(here, change):
    await send(here)

    with pytest.raises(IntegrityError):
        await here.change(f"update requalifications set {change}")


async def test_a_known_answer_that_was_taken_off_offer_is_none_of_those_wanted(here, monkeypatch):
    monkeypatch.setattr(requalification, "MOST_ANSWERS", 2)
    await send(here)
    await here.ask(0)
    async with transaction(here.engine) as tx:
        await close_round(tx, here.project, 2)
    await here.add_round(count=6)

    for _ in range(3):
        await here.work(0)

    assert await purposes(here) == ["gold", "gold", "gold", "fresh"]
    (done,) = await all_of(here)
    assert (done.answered, done.is_running) == (2, False)
