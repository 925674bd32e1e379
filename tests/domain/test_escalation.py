"""A third label where two disagree, a fourth and a fifth where they still do, and no more."""

import asyncio
import uuid

import pytest
from sqlalchemy import text

from app.agreement.queries import agreement_of
from app.db import transaction
from app.errors import ConflictError, InvalidError, NotFoundError
from app.invariants import violations
from app.labeling.commands import submit_ranking
from app.labeling.slate_commands import ask_another_label
from app.rounds.queries import rounds_of
from tests.asking import Asking, asking, ranked

CLOSE = text("update rounds set closed_at = now()")
PLACES = "select place, purpose, status, propensity from tasks order by place"


@pytest.fixture
async def here(engine):
    """One slate for two labelers, of six who could rank it."""
    return await asking(engine, labelers=6, count=1, places=2)


async def purposes(here: Asking) -> list[str]:
    return [row["purpose"] for row in await here.rows(PLACES)]


async def test_two_who_disagree_are_followed_by_a_third(here):
    await here.work(0)
    await here.work(1, reverse=True)

    *_, third = await here.rows(PLACES)
    assert third == {"place": 3, "purpose": "escalation", "status": "open", "propensity": None}
    assert await here.ask(0) is None
    await here.work(2)
    [kept] = await here.rows(
        "select selection_policy, propensity from rankings where purpose = 'escalation'"
    )
    assert kept == {"selection_policy": "escalation", "propensity": None}
    assert await violations(here.engine) == {}


@pytest.mark.parametrize("second", [{}, {"ties": True}])
async def test_two_who_agree_or_have_nothing_to_compare_are_enough(here, second):
    await here.work(0)
    await here.work(1, **second)

    assert await purposes(here) == ["overlap", "overlap"]


async def test_one_who_ranks_alone_is_not_followed_by_another(engine):
    here = await asking(engine, count=2)
    await here.work(0)
    await here.work(1, reverse=True)

    assert await purposes(here) == ["fresh", "fresh"]


@pytest.mark.parametrize(("flag", "asked"), [("harm", 1), ("dull", 0)])
async def test_a_severe_flag_of_one_of_two_asks_a_third(here, flag, asked):
    await here.work(0)
    task = await here.ask(1)
    await here.rank(1, task, flags={task.responses[0].id: [flag]})

    assert (await purposes(here)).count("escalation") == asked


@pytest.mark.parametrize(("flag", "asked"), [("harm", 1), ("dull", 0)])
async def test_a_severe_flag_of_the_whole_task_asks_a_third_as_well(here, flag, asked):
    async with transaction(here.engine) as tx:
        await tx.execute(text("update flags set scope = 'task'"))
    await here.work(0)
    task = await here.ask(1)
    ranking = ranked(task).model_copy(update={"flags": [flag]})
    async with transaction(here.engine) as tx:
        await submit_ranking(
            tx, here.people[1], task_id=task.id, request_key=uuid.uuid4(), ranking=ranking
        )

    assert (await purposes(here)).count("escalation") == asked


async def test_there_are_five_labels_at_most(here):
    for who in range(6):
        await here.work(who, reverse=who % 2 == 1)

    assert await purposes(here) == ["overlap"] * 2 + ["escalation"] * 3
    assert await here.column("select places from slates") == [5]
    assert await violations(here.engine) == {}


async def test_once_a_majority_agrees_nobody_more_is_asked(here):
    await here.work(0)
    await here.work(1, reverse=True)
    await here.work(2)
    assert (await purposes(here)).count("escalation") == 2  # agree on a third of the pairs
    await here.work(3)

    assert (await purposes(here)).count("escalation") == 2  # on a half


async def test_nobody_is_asked_where_all_have_had_it(engine):
    here = await asking(engine, labelers=2, count=1, places=2)
    await here.work(0)
    await here.work(1, reverse=True)

    assert await purposes(here) == ["overlap", "overlap"]


async def test_a_correction_opens_no_second_place_and_takes_none_back(here):
    await here.work(0)
    task = await here.work(1, reverse=True)
    again = ranked(task)
    assert (await purposes(here)).count("escalation") == 1
    for _ in range(2):
        async with transaction(here.engine) as tx:
            await submit_ranking(
                tx, here.people[1], task_id=task.id, request_key=uuid.uuid4(), ranking=again
            )

    assert (await purposes(here)).count("escalation") == 1


async def test_two_who_submit_at_the_same_time_are_both_seen(here):
    first, second = await here.ask(0), await here.ask(1)

    async with transaction(here.engine) as submitting:
        await submit_ranking(
            submitting, here.people[0], task_id=first.id, request_key=uuid.uuid4(),
            ranking=ranked(first),
        )  # fmt: skip
        other = asyncio.create_task(here.rank(1, second, reverse=True))
        await asyncio.sleep(0.3)
        assert not other.done()
        await submitting.commit()
        await other

    assert (await purposes(here)).count("escalation") == 1
    assert await here.column("select places from slates") == [3]


async def test_a_round_that_is_closed_or_being_closed_gets_no_third_label(here):
    await here.work(0)
    task = await here.ask(1)
    async with transaction(here.engine) as closing:
        await closing.execute(CLOSE)
        await asyncio.wait_for(here.rank(1, task, reverse=True), timeout=20)
        await closing.commit()

    assert (await purposes(here)).count("escalation") == 0
    with pytest.raises(ConflictError, match="closed"):
        await another(here, 1)
    assert await violations(here.engine) == {}


async def another(here: Asking, slate_id: int) -> None:
    async with transaction(here.engine) as tx:
        await ask_another_label(tx, here.admin, here.project, slate_id)


async def test_an_admin_asks_another_where_nobody_disagrees(engine):
    here = await asking(engine, labelers=6, count=1)
    await here.work(0)

    for _ in range(4):
        await another(here, 1)
    with pytest.raises(ConflictError, match="5 places"):
        await another(here, 1)

    assert await purposes(here) == ["fresh"] + ["escalation"] * 4
    assert await violations(here.engine) == {}


async def test_a_slate_that_is_not_there_or_not_offered_gets_no_label(here):
    with pytest.raises(NotFoundError):
        await another(here, 99)
    await here.change("update slates set status = 'unusable'")
    with pytest.raises(InvalidError):
        await another(here, 1)


async def test_what_was_asked_for_later_is_kept_out_of_the_headline(engine):
    here = await asking(engine, labelers=3, count=12)
    while await here.work(0):
        pass
    for slate in range(1, 13):
        await another(here, slate)
    while await here.work(1, reverse=True):
        pass

    async with transaction(here.engine) as tx:
        agreement = await agreement_of(tx, here.project, baseline=None)

    assert agreement.report.rankings == 24
    assert agreement.report.strict.estimate.value is None
    assert agreement.report.strict.estimate.prompts == 0
    assert [pair.strict.value for pair in agreement.report.pairs] == [0.0]
    async with transaction(here.engine) as tx:
        [round_] = await rounds_of(tx, here.project)
    assert (round_.tasks_done, round_.tasks_open) == (24, 12)  # they disagree: a third is asked
