"""A reader with a 64 KB window stops reading: its queue is bounded, and the others miss nothing.

A client as gRPC makes it by default would not do: its window grows to megabytes, and tens of thousands of small
messages lie in its transport before the server notices anything.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from itertools import pairwise
from typing import Any, Final

import grpc
import pytest
from google.protobuf.struct_pb2 import Struct

from synckairos.application.streams.frames import Frame
from synckairos.application.streams.subscriptions import QUEUE_LIMIT, Subscription, WaitingBytes
from synckairos.application.streams.watching import Watching
from synckairos.composition import session_parts
from synckairos.devstack import RedisServer
from synckairos.v1 import event_pb2
from synckairos.v1 import session_service_pb2 as pb
from testing.harness.client import Recording, Stub, connect, refused, running_session, two_players, watching
from testing.harness.processes.in_process import serving, settings_for
from testing.harness.waiting import eventually

NARROW: Final = (("grpc.http2.lookahead_bytes", 65_535), ("grpc.http2.bdp_probe", 0))
READERS: Final = 20
BURST: Final = 3 * QUEUE_LIMIT


class OpenSubscriptions:
    """Every subscription that a server makes, and the most that ever waited in one."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.made: list[Watching] = []
        self.most = 0
        self.waiting = WaitingBytes()
        """What waits for all of them."""
        subscriptions, put = self, Subscription.put

        def make(*arguments: Any) -> Watching:
            self.made.append(Watching(*arguments))
            return self.made[-1]

        def watched_put(subscription: Subscription, frame: Frame) -> None:
            put(subscription, frame)
            subscriptions.waiting = subscription._everywhere
            subscriptions.most = max(subscriptions.most, len(subscription._queue) + len(subscription._ticks))

        monkeypatch.setattr(session_parts, "Watching", make)
        monkeypatch.setattr(Subscription, "put", watched_put)

    def open(self) -> int:
        """Return how many streams are watched."""
        return self.made[0]._open


@pytest.fixture
def subscriptions(monkeypatch: pytest.MonkeyPatch) -> OpenSubscriptions:
    """The subscriptions of the server that is started next."""
    return OpenSubscriptions(monkeypatch)


@pytest.fixture
async def stubs(redis_server: RedisServer, subscriptions: OpenSubscriptions) -> AsyncIterator[tuple[Stub, Stub]]:
    """An ordinary client of a patient server, and one with a narrow window."""
    assert not subscriptions.made
    async with AsyncExitStack() as stack:
        server = await stack.enter_async_context(serving(settings_for(redis_server.url, stream_stall_s=60.0)))
        stub = await stack.enter_async_context(connect(server.address))
        yield stub, await stack.enter_async_context(connect(server.address, *NARROW))


def of_a_kilobyte() -> pb.CreateSessionRequest:
    """Return the request for a session whose events take a little more than a kilobyte."""
    metadata = Struct()
    metadata["text"] = "x" * 1_000
    return two_players(bank_ms=86_400_000, metadata=metadata)


async def switch(stub: Stub, session_id: str, times: int) -> None:
    """Switch this many times."""
    for _ in range(times):
        await stub.SwitchCycle(pb.SwitchCycleRequest(session_id=session_id))


async def read_on(call: Any, last: int) -> list[pb.WatchSessionResponse]:
    """Read messages of a stream until it has come to a version."""
    messages: list[pb.WatchSessionResponse] = []
    async with asyncio.timeout(20):
        while not messages or messages[-1].version < last:
            messages.append(await call.read())
    return messages


async def test_a_reader_who_stops_is_told_of_the_gap_and_the_others_of_everything(
    stubs: tuple[Stub, Stub], subscriptions: OpenSubscriptions
) -> None:
    """Three times the events of a queue: it stays bounded, and the reader gets a gap, a snapshot and the rest."""
    stub, narrow = stubs
    session_id = (await running_session(stub, of_a_kilobyte())).session_id
    request = pb.WatchSessionRequest(session_id=session_id, tick_interval_ms=100)
    slow = narrow.WatchSession(request)
    await slow.read()
    last = 2 + BURST
    async with AsyncExitStack() as stack:
        others: list[Recording] = [
            await stack.enter_async_context(watching(stub.WatchSession(request))) for _ in range(READERS)
        ]
        await asyncio.gather(*(other.until(lambda r: r.of("snapshot")) for other in others))
        await switch(stub, session_id, BURST)
        for other in others:
            await other.until(lambda r: last in r.versions)
        assert subscriptions.open() == READERS + 1
        messages = await read_on(slow, last)
    slow.cancel()

    for other in others:
        assert other.versions == list(range(other.messages[0].version + 1, last + 1))
        assert not other.of("gap")
    assert subscriptions.most <= QUEUE_LIMIT + 2 + 1
    gaps = [message for message in messages if message.HasField("gap")]
    assert gaps
    assert {message.gap.reason for message in gaps} == {event_pb2.GAP_REASON_SLOW_READER}
    for one, other_one in pairwise(messages):
        if other_one.HasField("event"):
            assert other_one.version == one.version + 1
        if one.HasField("gap"):
            assert other_one.HasField("snapshot")


async def test_who_stops_for_too_long_is_cut_off_and_comes_back_to_what_it_missed(
    redis_server: RedisServer, subscriptions: OpenSubscriptions
) -> None:
    """RESOURCE_EXHAUSTED / SLOW_CONSUMER after the stall limit; the last token leads on without a hole."""
    async with AsyncExitStack() as stack:
        settings = settings_for(redis_server.url, stream_stall_s=0.3, event_window=1_000)
        server = await stack.enter_async_context(serving(settings))
        stub = await stack.enter_async_context(connect(server.address))
        narrow = await stack.enter_async_context(connect(server.address, *NARROW))
        session_id = (await running_session(stub, of_a_kilobyte())).session_id
        slow = narrow.WatchSession(pb.WatchSessionRequest(session_id=session_id))
        seen = [await slow.read()]
        await switch(stub, session_id, 200)
        await eventually(lambda: not subscriptions.open())

        problem = await refused(_read_into(slow, seen))
        request = pb.WatchSessionRequest(session_id=session_id, resume_token=seen[-1].resume_token)
        async with watching(stub.WatchSession(request)) as back:
            await back.until(lambda r: 202 in r.versions)

    assert (problem.code, problem.reason) == (grpc.StatusCode.RESOURCE_EXHAUSTED, "SLOW_CONSUMER")
    assert problem.retry_after_s
    versions = [message.version for message in seen[1:]] + back.versions
    assert versions == list(range(3, 203))


async def _read_into(call: Any, messages: list[pb.WatchSessionResponse]) -> None:
    """Read until the stream's status."""
    while True:
        messages.append(await call.read())


async def test_what_waits_for_a_reader_who_leaves_counts_no_more(
    stubs: tuple[Stub, Stub], subscriptions: OpenSubscriptions
) -> None:
    """Or the bytes of readers long gone would take the place of those that are there."""
    stub, narrow = stubs
    session_id = (await running_session(stub, of_a_kilobyte())).session_id
    slow = narrow.WatchSession(pb.WatchSessionRequest(session_id=session_id))
    await slow.read()
    await switch(stub, session_id, BURST)
    assert subscriptions.waiting.bytes > 0
    slow.cancel()

    await eventually(lambda: subscriptions.waiting.bytes == 0)
