"""Frames are written in order from where they are queued, a slice of the streams at a time."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import pytest

from synckairos.application.streams.frames import EndReason, Frame, FrameKind, end
from synckairos.application.streams.subscriptions import Subscription
from synckairos.rpc.streams.outlets import LEAST, LONGEST_S, Outlet, Outlets
from testing.harness.waiting import eventually
from tests.unit.rpc.calls import SID

WAIT_S = 5.0


def mark(at: int) -> Frame:
    """Return a frame whose bytes are its number."""
    return Frame(FrameKind.EVENT, SID, None, at, encoded=str(at).encode())


class Writer:
    """Takes messages; `taken` has them, each write waits for `may_go` where there is one."""

    def __init__(self, may_go: asyncio.Event | None = None, failure: Exception | None = None) -> None:
        self.taken: list[bytes] = []
        self._may_go = may_go
        self._failure = failure

    async def write(self, message: bytes) -> None:
        """Take one message."""
        self.taken.append(message)
        if self._may_go is not None:
            await self._may_go.wait()
        if self._failure is not None:
            raise self._failure


@asynccontextmanager
async def stream(outlets: Outlets, writer: Any, open_ends: int = 1) -> AsyncIterator[tuple[Subscription, Any]]:
    """Yield a stream's subscription and the task that ends with it."""
    subscription = Subscription()
    running = asyncio.ensure_future(Outlet(subscription, outlets, open_ends, batches=False).run(writer))
    try:
        yield subscription, running
    finally:
        running.cancel()
        subscription.close()


async def test_what_waits_is_written_in_order_and_the_last_end_ends_the_stream() -> None:
    """What was queued before the stream began, what comes while a write is under way, and the ends of all sessions."""
    may_go = asyncio.Event()
    writer = Writer(may_go)
    async with stream(Outlets(), writer, open_ends=2) as (subscription, running):
        subscription.put(mark(1))
        await eventually(lambda: len(writer.taken) == 1)
        subscription.put(mark(2))
        subscription.put(end(SID, None, 3, EndReason.DELETED))
        may_go.set()
        await eventually(lambda: len(writer.taken) == 3)
        assert not running.done()

        subscription.put(end("another", None, 4, EndReason.DELETED))

        await asyncio.wait_for(running, WAIT_S)
        assert writer.taken[:2] == [b"1", b"2"]
        assert len(writer.taken) == 4


async def test_what_a_write_raises_ends_the_stream() -> None:
    """Nothing more is written."""
    writer = Writer(failure=ConnectionResetError("gone"))
    async with stream(Outlets(), writer) as (subscription, running):
        subscription.put(mark(1))
        subscription.put(mark(2))

        with pytest.raises(ConnectionResetError):
            await asyncio.wait_for(running, WAIT_S)

        assert writer.taken == [b"1"]


async def test_a_stream_that_is_over_writes_nothing_more() -> None:
    """Its reader went while a message was under way, and more waited behind it."""
    may_go = asyncio.Event()
    writer = Writer(may_go)
    async with stream(Outlets(), writer) as (subscription, running):
        subscription.put(mark(1))
        await eventually(lambda: len(writer.taken) == 1)
        subscription.put(mark(2))

        running.cancel()
        await asyncio.wait([running], timeout=WAIT_S)
        may_go.set()
        await asyncio.sleep(0)
        await asyncio.sleep(0)

        assert (running.cancelled(), writer.taken) == (True, [b"1"])


class Clock:
    """A clock that stands until it is moved."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


class SlowWriter(Writer):
    """Takes messages, each of which takes a while."""

    def __init__(self, clock: Clock, seconds: float) -> None:
        super().__init__()
        self._clock = clock
        self._seconds = seconds

    async def write(self, message: bytes) -> None:
        """Take one message, and its time."""
        self._clock.now += self._seconds
        await super().write(message)


async def slices(outlets: Outlets, writer: Writer, streams: int, others: Callable[[], None]) -> list[int]:
    """Tell so many streams at once, while others take what they take of each turn; return how many wrote in each."""
    async with AsyncExitStack() as stack:
        opened = [await stack.enter_async_context(stream(outlets, writer)) for _ in range(streams)]
        await asyncio.sleep(0)
        for subscription, _ in opened:
            subscription.put(mark(1))
        found, before = [], 0
        while before < streams:
            others()
            await asyncio.sleep(0)
            found.append(len(writer.taken) - before)
            before = len(writer.taken)
        return found


async def test_a_fan_out_lets_others_have_their_turn_after_every_few_streams() -> None:
    """However many streams are told at once, and however long their writes take."""
    clock = Clock()

    found = await slices(Outlets(now=clock), SlowWriter(clock, 1e-3), 4 * LEAST + 1, lambda: None)

    assert found == [LEAST] * 4 + [1]


@pytest.mark.parametrize(("others_s", "streams"), [(1e-4, LEAST), (1e-3, 10), (1.0, LONGEST_S / 1e-4)])
async def test_a_fan_out_takes_as_long_as_everything_else(others_s: float, streams: float) -> None:
    """Where calls fill the turns of the loop, it gets as much of them, and watchers are not kept waiting for ever."""
    clock = Clock()

    def others() -> None:
        clock.now += others_s

    found = await slices(Outlets(now=clock), SlowWriter(clock, 1e-4), 100, others)

    assert found[0] == LEAST
    assert found[1:-1] == [pytest.approx(streams, abs=1)] * (len(found) - 2)


async def test_an_answer_overtakes_a_fan_out() -> None:
    """What takes a dozen turns of the event loop, as a call does, is done while most of the watchers wait."""
    clock, writer, streams, turns = Clock(), Writer(), 1_000, 12
    told: list[int] = []

    async def call() -> None:
        for _ in range(turns):
            await asyncio.sleep(0)
        told.append(len(writer.taken))

    calling = asyncio.ensure_future(call())
    await slices(Outlets(now=clock), writer, streams, lambda: None)
    await calling

    assert told[0] <= turns * LEAST
