"""What an admin excludes is shown to nobody any more and counts in no decision, until revoked."""

import asyncio

import pytest
from sqlalchemy import text

from app.agreement.slates.exclusions import exclude, exclusions_of, revoke
from app.db import transaction
from app.errors import ConflictError
from app.invariants import violations
from app.labeling.slate_commands import ask_another_label, set_anchor
from app.rounds.closing import close_round, reopen_round
from app.rounds.storage import finish_slates
from tests.asking import Asking, asking


async def excluded(here: Asking, slate: int, *, ranking: int | None = None) -> int:
    async with transaction(here.engine) as tx:
        made = await exclude(
            tx, here.admin, here.project, slate, ranking_id=ranking, reason="Leaked."
        )
    return made.id


async def revoked(here: Asking, exclusion: int) -> None:
    async with transaction(here.engine) as tx:
        await revoke(tx, here.admin, here.project, exclusion)


async def places(here: Asking) -> list[str]:
    return await here.column("select status from tasks where not is_check order by place, id")


async def test_an_excluded_slate_is_taken_off_offer_until_it_is_revoked(engine):
    here = await asking(engine, count=1, places=2)
    [slate] = await here.column("select id from slates")
    task = await here.ask(0)

    exclusion = await excluded(here, slate)

    assert await places(here) == ["void", "void"]
    assert await here.ask(1) is None
    with pytest.raises(ConflictError, match="withdrawn"):
        await here.rank(0, task)
    async with transaction(engine) as tx:
        await close_round(tx, here.project, 1)
        await reopen_round(tx, here.project, 1)
        with pytest.raises(ConflictError):
            await ask_another_label(tx, here.admin, here.project, slate)
    assert await places(here) == ["void", "void"]
    await revoked(here, exclusion)
    assert await here.work(0) is not None
    assert await here.work(1) is not None
    assert await violations(engine) == {}


async def test_an_excluded_ranking_leaves_the_slate_on_offer(engine):
    here = await asking(engine, count=1, places=2)
    await here.work(0)
    [ranking] = await here.rows("select id, slate_id from rankings")

    exclusion = await excluded(here, ranking["slate_id"], ranking=ranking["id"])
    during = await places(here)
    await revoked(here, exclusion)

    assert during == await places(here) == ["done", "open"]


async def test_an_excluded_slate_checks_on_nobody(engine):
    here = await asking(engine, screen={"anchor_share": 1.0}, count=1)
    await here.work(0)
    [slate] = await here.column("select id from slates")
    async with transaction(engine) as tx:
        await set_anchor(tx, here.admin, here.project, slate, is_anchor=True)
    await here.add_round(count=1)
    exclusion = await excluded(here, slate)
    await here.ask(1)
    during = await here.column("select purpose from tasks where status = 'leased'")

    await here.add_round(count=1)
    await revoked(here, exclusion)
    await here.ask(0)

    assert during == ["fresh"]
    assert await here.column(
        "select purpose from tasks where labeler_id = :id and status = 'leased'",
        id=here.people[0].id,
    ) == ["anchor"]


@pytest.mark.parametrize(("is_third_opposed", "asked"), [(False, []), (True, ["escalation"])])
async def test_an_excluded_ranking_does_not_divide_a_slate(engine, is_third_opposed, asked):
    here = await asking(engine, labelers=5, count=1, places=3)
    await here.work(0)
    await here.work(1, reverse=True)
    *_, second = await here.rows("select id, slate_id from rankings order by id")
    await excluded(here, second["slate_id"], ranking=second["id"])

    await here.work(2, reverse=is_third_opposed)

    assert await here.column("select purpose from tasks where status = 'open'") == asked


async def test_two_admins_at_once_exclude_a_slate_once(engine):
    here = await asking(engine, count=1)
    [slate] = await here.column("select id from slates")
    async with transaction(engine) as tx:
        await exclude(tx, here.admin, here.project, slate, ranking_id=None, reason="First.")
        second = asyncio.create_task(excluded(here, slate))
        await asyncio.sleep(0.3)
        assert not second.done()
        await tx.commit()

        with pytest.raises(ConflictError, match="already"):
            await second

    async with transaction(engine) as tx:
        stored = await exclusions_of(tx, here.project, slate)
    assert [one.reason for one in stored] == ["First."]


async def being_sampled(engine) -> tuple[Asking, int]:
    here = await asking(engine, count=1, places=2)
    async with transaction(engine) as tx:
        await tx.execute(text("delete from tasks"))
        slate = await tx.scalar(text("update slates set status = 'pending' returning id"))
    return here, slate


async def sampled(here: Asking, slate: int) -> None:
    async with transaction(here.engine) as tx:
        await finish_slates(tx, here.project.id, {slate: "ready"})


async def test_a_slate_excluded_while_it_is_sampled_is_offered_only_when_revoked(engine):
    here, slate = await being_sampled(engine)
    exclusion = await excluded(here, slate)

    await sampled(here, slate)

    assert await places(here) == ["void", "void"]
    assert await here.ask(0) is None
    await revoked(here, exclusion)
    assert await places(here) == ["open", "open"]
    assert await here.work(0) is not None
    assert await violations(engine) == {}


async def test_a_slate_finished_at_the_moment_of_its_exclusion_is_not_offered(engine):
    here, slate = await being_sampled(engine)
    async with transaction(engine) as tx:
        made = await exclude(tx, here.admin, here.project, slate, ranking_id=None, reason="Leaked.")
        finishing = asyncio.create_task(sampled(here, slate))
        await asyncio.sleep(0.3)
        assert not finishing.done()
    await finishing
    assert await places(here) == ["void", "void"]

    async with transaction(engine) as tx:
        await tx.execute(text("delete from tasks"))
        await finish_slates(tx, here.project.id, {slate: "ready"})
        revoking = asyncio.create_task(revoked(here, made.id))
        await asyncio.sleep(0.3)
        assert not revoking.done()
    await revoking
    assert await places(here) == ["open", "open"]
