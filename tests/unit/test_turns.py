"""Whoever waits for what another request reads or computes holds no connection meanwhile."""

import asyncio

from app.agreement import cache
from app.agreement.cache import Turns


async def test_who_comes_while_a_turn_is_handed_over_waits_without_a_connection(monkeypatch):
    let_go, comes = [], asyncio.Event()

    async def note(tx):
        let_go.append(tx)

    monkeypatch.setattr(cache, "let_go", note)
    turns = Turns()

    async def first():
        async with turns.turn("first"):
            await asyncio.sleep(0)
            comes.set()  # who waits for it runs as soon as this turn is over, not earlier

    async def second():
        async with turns.turn("second"):
            await asyncio.sleep(0)

    async def third():
        await comes.wait()
        async with turns.turn("third"):
            pass

    await asyncio.gather(first(), second(), third())
    async with turns.turn("alone"):
        pass

    assert let_go == ["second", "third"]
