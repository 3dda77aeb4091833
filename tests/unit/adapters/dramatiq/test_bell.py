"""The bell of a worker: what becomes of a claim when the worker is told to end."""

import asyncio

import pytest

from synckairos.adapters.dramatiq.bell import DramatiqBell
from synckairos.adapters.dramatiq.broker import open_broker


async def test_a_drain_that_is_cancelled_as_it_gives_its_claim_back_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    """Or the look that drains would go on for ever, and keep its process from ending."""
    bell = DramatiqBell(open_broker("redis://127.0.0.1:1/0", timeout_s=0.2), "nobody")
    is_ending = asyncio.Event()

    async def extend(_: object) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            is_ending.set()
            await asyncio.sleep(0)
            await asyncio.sleep(0)

    async def drain() -> None:
        async with bell.claimed([7]):
            await asyncio.sleep(0)  # the claim is being extended now

    monkeypatch.setattr(bell, "_extend", extend)
    draining = asyncio.ensure_future(drain())
    await is_ending.wait()
    draining.cancel()
    await asyncio.wait([draining])
    await bell.close()

    assert draining.cancelled()
