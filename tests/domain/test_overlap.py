"""Which slates are ranked by several labelers, how probable that was, and by which pairs."""

import asyncio
import random
from collections import Counter
from itertools import combinations

import pytest

from app.db import transaction
from app.invariants import violations
from app.labeling.leasing import skip_task
from app.rounds.overlap import OverlapWish
from app.rounds.storage import (
    NewResponse,
    add_responses,
    add_slates,
    finish_slates,
    new_round,
)
from tests.asking import Asking, asking


async def round_of(here: Asking, prompts: int, *, labels_per_slate: int, overlap_share: float):
    """A round as the program makes it, of the first prompts; returns its tasks."""
    wish = OverlapWish(labels_per_slate=labels_per_slate, overlap_share=overlap_share)
    async with transaction(here.engine) as tx:
        made = await new_round(tx, here.project, source="imported", overlap=wish)
        ids = await here.column("select id from prompts order by id limit :n", n=prompts)
        slates = (await add_slates(tx, made.id, ids)).values()
        await add_responses(
            tx,
            [
                NewResponse(slate, at, f"Answer {at}", None, None)
                for slate in slates
                for at in (1, 2)
            ],
        )
        await finish_slates(tx, here.project.id, dict.fromkeys(slates, "ready"))
    return await here.rows(
        "select t.* from tasks t join slates s on s.id = t.slate_id where s.round_id = :id "
        "order by t.id",
        id=made.id,
    )


@pytest.fixture
async def here(engine):
    return await asking(engine, count=20)


async def test_the_drawn_share_of_the_slates_is_for_two_labelers(here):
    tasks = await round_of(here, 20, labels_per_slate=1, overlap_share=0.15)

    assert Counter((task["purpose"], task["propensity"]) for task in tasks) == {
        ("overlap", 3 / 20): 6, ("fresh", 17 / 20): 17,
    }  # fmt: skip
    drawn = Counter(task["slate_id"] for task in tasks if task["purpose"] == "overlap")
    assert set(drawn.values()) == {2}
    assert await violations(here.engine) == {}


async def test_the_probability_is_that_of_the_whole_slates_that_a_share_comes_to(here):
    none = await round_of(here, 3, labels_per_slate=1, overlap_share=0.15)
    one = await round_of(here, 3, labels_per_slate=1, overlap_share=0.3)

    assert Counter((task["purpose"], task["propensity"]) for task in none) == {("fresh", 1.0): 3}
    assert Counter((task["purpose"], task["propensity"]) for task in one) == {
        ("overlap", 1 / 3): 2, ("fresh", 2 / 3): 2,
    }  # fmt: skip


async def test_where_all_slates_have_several_labelers_all_of_it_is_overlap(here):
    tasks = await round_of(here, 4, labels_per_slate=3, overlap_share=0.15)

    assert Counter((task["purpose"], task["propensity"]) for task in tasks) == {
        ("overlap", 1.0): 12
    }


async def test_a_ranking_keeps_what_it_was_asked_for(here):
    await here.change("update tasks set status = 'void'")
    await round_of(here, 5, labels_per_slate=1, overlap_share=0.4)
    while await here.work(0):
        pass
    await here.change("update rankings set created_at = now()")

    kept = await here.rows("select purpose, propensity, occasion, selection_policy from rankings")
    assert Counter(tuple(row.values()) for row in kept) == {
        ("overlap", 0.4, 0, "uniform"): 2, ("fresh", 0.6, 0, "uniform"): 3,
    }  # fmt: skip
    assert await violations(here.engine) == {}


async def test_a_skipped_task_is_replaced_by_one_of_its_kind(here):
    await here.change("update tasks set status = 'void'")
    await round_of(here, 2, labels_per_slate=1, overlap_share=1.0)
    task = await here.ask(0)
    async with transaction(here.engine) as tx:
        await skip_task(
            tx, here.people[0], task_id=task.id, lease_token=task.lease_token, reason="language",
            note=None,
        )  # fmt: skip

    [newest] = await here.rows("select * from tasks order by id desc limit 1")
    assert (newest["status"], newest["purpose"], newest["propensity"]) == ("open", "overlap", 1.0)


async def cells(here: Asking) -> list[int]:
    """How many slates each pair of labelers shares after they ranked all, in a random order."""
    turns = random.Random(1)
    working = set(range(len(here.people)))
    while working:
        who = turns.choice(sorted(working))
        if not await here.work(who):
            working.remove(who)
    pairs = Counter(
        frozenset(row["labelers"])
        for row in await here.rows(
            "select array_agg(labeler_id) as labelers from tasks where status = 'done' "
            "and purpose = 'overlap' group by slate_id"
        )
    )
    return [pairs[frozenset((one.id, other.id))] for one, other in combinations(here.people, 2)]


async def test_pairs_of_labelers_are_filled_evenly(engine):
    here = await asking(engine, labelers=4, count=150)
    await here.change("update tasks set status = 'void'")
    await round_of(here, 150, labels_per_slate=1, overlap_share=0.3)

    counts = await cells(here)

    assert sum(counts) == 45
    assert min(counts) >= 6
    assert max(counts) <= 9
    assert await violations(here.engine) == {}


async def test_what_was_passed_over_comes_when_nothing_else_is_near(engine):
    here = await asking(engine, count=12, places=2)
    waiting = [(await here.work(0)).id + 1 for _ in range(3)]  # the second places of three slates

    task = await here.work(1)

    assert task.id > max(waiting)
    [cursor] = await here.column(
        "select last_task_id from project_members where user_id = :id", id=here.people[1].id
    )
    assert cursor < min(waiting)
    while await here.work(1):
        pass
    assert await here.column(
        "select count(*) from tasks where labeler_id = :id", id=here.people[1].id
    ) == [12]


async def test_when_others_take_the_next_few_there_is_still_one(engine):
    here = await asking(engine, labelers=20, count=20)

    tasks = await asyncio.gather(*(here.ask(who) for who in range(20)))

    assert len({task.id for task in tasks if task}) == 20


async def test_labelers_of_one_slate_see_each_response_in_each_position_once(engine):
    here = await asking(engine, labelers=5, count=3, responses=5, places=5)

    orders: dict[int, list[list[int]]] = {}
    for who in range(5):
        while task := await here.work(who):
            order = [response.id for response in task.responses]
            orders.setdefault(min(order), []).append(order)

    assert len(orders) == 3
    for seen in orders.values():
        assert len(seen) == 5
        assert all(len(set(position)) == 5 for position in zip(*seen, strict=True))
    steps = {tuple(id_ - min(seen[0]) for id_ in seen[0]) for seen in orders.values()}
    assert len(steps) > 1


async def test_each_response_stands_in_each_position_about_equally_often(engine):
    here = await asking(engine, labelers=1, count=160)

    positions: Counter[tuple[int, int]] = Counter()
    while task := await here.work(0):
        ids = [response.id for response in task.responses]
        positions.update((id_ - min(ids), at) for at, id_ in enumerate(ids))

    assert len(positions) == 16
    assert all(20 <= count <= 60 for count in positions.values())
