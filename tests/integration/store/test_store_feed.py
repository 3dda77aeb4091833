"""The feed over a line that breaks: it comes back by itself, tells that hints may be lost, and dies of nothing."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from synckairos.adapters.redis.feed import RedisFeed
from synckairos.adapters.redis.values import codec
from synckairos.application.errors import StoreUnavailable
from synckairos.application.ports import Hint
from synckairos.devstack import RedisServer
from synckairos.domain.model import Head, Session
from testing.harness.waiting import eventually
from tests.contract.decisions import new_id, running, switched
from tests.contract.lines import Line, broken_line

PERHAPS_LOST = Hint("", None)


class Ear:
    """A feed over the line that can be broken, and what it has heard."""

    def __init__(self, line: Line) -> None:
        self.line = line
        url = f"redis://127.0.0.1:{line.proxy.port}/0"
        self.feed = RedisFeed(url, line.process.connections, line.process.keys, connect_timeout_s=1.0)
        self.hints: list[Hint] = []

    def versions(self) -> list[int | None]:
        """Return the versions heard of, None for a hint without an event."""
        return [hint.event.session.version if hint.event else None for hint in self.hints if hint.session_id]

    def connections(self) -> int:
        """Return how many times it said that hints may have been lost: once for each connection."""
        return self.hints.count(PERHAPS_LOST)


@pytest.fixture
async def ear(redis_server: RedisServer) -> AsyncIterator[Ear]:
    """A feed that listens."""
    async with broken_line(redis_server) as line:
        ear = Ear(line)
        task = asyncio.create_task(ear.feed.listen(ear.hints.append))
        await eventually(lambda: ear.hints == [PERHAPS_LOST])
        yield ear
        assert not task.done(), "the feed has died"
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


async def heard(ear: Ear) -> Session:
    """Start a session, let the feed ask for it, and wait until it has heard of a change."""
    session = await running(ear.line.other.store)
    await ear.feed.subscribe(session.session_id)
    await switched(ear.line.other.store, session.session_id, 1)
    await eventually(lambda: ear.versions() == [3])
    return session


async def test_a_cut_line_is_replaced(ear: Ear) -> None:
    """The new connection asks for everything wanted, and the listener is told that hints may have been lost."""
    session = await heard(ear)

    ear.line.proxy.cut()
    await switched(ear.line.other.store, session.session_id, 1)
    await eventually(lambda: ear.connections() == 2)
    await ear.feed.subscribe(session.session_id)
    await switched(ear.line.other.store, session.session_id, 1)

    await eventually(lambda: ear.versions()[-1] == 5)
    assert ear.versions() in ([3, 5], [3, 4, 5])


async def test_nothing_unwanted_comes_back_with_a_new_line(ear: Ear) -> None:
    """What nobody asks for any more is not subscribed to again."""
    left, wanted = await heard(ear), await running(ear.line.other.store)
    await ear.feed.subscribe(wanted.session_id)

    ear.line.proxy.cut()
    ear.feed.unsubscribe(left.session_id)
    await eventually(lambda: ear.connections() == 2)
    await ear.feed.subscribe(wanted.session_id)
    for session in (left, wanted):
        await switched(ear.line.other.store, session.session_id, 1)

    await eventually(lambda: [hint.session_id for hint in ear.hints][-1] == wanted.session_id)
    assert ear.versions() == [3, 3]


async def test_subscribing_without_a_line_fails_in_time(ear: Ear) -> None:
    """While Redis is away the caller is told; the subscription is made good when it is back."""
    session = await running(ear.line.other.store)
    ear.line.proxy.refuse = True
    ear.line.proxy.cut()

    with pytest.raises(StoreUnavailable):
        await ear.feed.subscribe(session.session_id)
    ear.line.proxy.refuse = False
    await ear.feed.subscribe(session.session_id)
    await switched(ear.line.other.store, session.session_id, 1)

    await eventually(lambda: ear.versions() == [3])


async def test_what_nobody_gets_is_not_kept(ear: Ear) -> None:
    """However many ask in vain while there is no line, nothing piles up; and those who still want it get it."""
    session = await heard(ear)
    ear.line.proxy.refuse = True
    ear.line.proxy.cut()
    await eventually(lambda: ear.feed._connection is None)
    unknown = [new_id() for _ in range(200)]

    outcomes = await asyncio.gather(*map(ear.feed.subscribe, unknown), return_exceptions=True)
    for session_id in unknown:
        ear.feed.unsubscribe(session_id)
    kept = len(ear.feed._outgoing) + len(ear.feed._wanted)
    ear.line.proxy.refuse = False
    await eventually(lambda: ear.connections() == 2)
    await ear.feed.subscribe(session.session_id)
    await switched(ear.line.other.store, session.session_id, 1)

    assert {type(outcome) for outcome in outcomes} == {StoreUnavailable}
    assert kept == 1
    await eventually(lambda: ear.versions() == [3, 4])


async def test_what_a_newer_version_wrote_is_told_from_a_store_that_is_away(ear: Ear) -> None:
    """The failure names the session, and the heads of the others can be had all the same."""
    newer, other = [await running(ear.line.other.store) for _ in range(2)]
    ear.line.redis.setrange(ear.line.process.keys.of(newer.session_id).session, 0, bytes([codec.LAYOUTS[-1] + 1]))

    heads = await ear.feed.heads([newer.session_id, other.session_id])
    with pytest.raises(StoreUnavailable) as refused:
        await ear.feed.since(newer.session_id, 1)

    assert heads == [None, Head(other.epoch, other.version, other.change_id)]
    assert refused.value.details == {"session_id": newer.session_id}


async def test_a_line_that_is_silent_from_the_start_is_given_up(ear: Ear) -> None:
    """A connection that is accepted and never greeted does not hold the feed up for ever."""
    session = await heard(ear)
    ear.line.proxy.blackhole = True
    ear.line.proxy.cut()
    # The connections cut have gone: the one open is the feed's new one, whose greeting is swallowed.
    await eventually(lambda: ear.line.proxy.open_connections == 0)
    await eventually(lambda: ear.line.proxy.open_connections == 1)

    await asyncio.to_thread(ear.line.redis.ping)
    ear.line.proxy.blackhole = False
    await eventually(lambda: ear.connections() == 2)
    await ear.feed.subscribe(session.session_id)
    await switched(ear.line.other.store, session.session_id, 1)

    await eventually(lambda: ear.versions() == [3, 4])


async def test_a_line_that_falls_silent_is_given_up(ear: Ear) -> None:
    """Nobody tells that the other side is gone: after a few seconds without an answer a new line is made."""
    session = await heard(ear)
    ear.line.proxy.blackhole = True
    await eventually(lambda: ear.line.proxy.open_connections == 1, seconds=15)
    ear.line.proxy.blackhole = False

    await eventually(lambda: ear.connections() >= 2, seconds=15)
    await ear.feed.subscribe(session.session_id)
    await switched(ear.line.other.store, session.session_id, 1)

    await eventually(lambda: ear.versions()[-1] == 4)


async def test_a_store_that_stands_still_is_found_again(server_directory: Path) -> None:
    """A Redis that is frozen while the feed connects anew lets the attempt run into its timeout, not into its end."""
    redis = RedisServer(server_directory)
    redis.start()
    try:
        async with broken_line(redis) as line:
            ear = Ear(line)
            task = asyncio.create_task(ear.feed.listen(ear.hints.append))
            await eventually(lambda: ear.hints == [PERHAPS_LOST])
            session = await heard(ear)

            redis.pause()
            await eventually(lambda: ear.feed._connection is None or task.done(), seconds=15)
            refused = asyncio.ensure_future(ear.feed.subscribe(new_id()))
            with pytest.raises(StoreUnavailable):
                await refused
            assert not task.done(), "the feed has died"
            redis.resume()

            await eventually(lambda: ear.connections() == 2)
            await ear.feed.subscribe(session.session_id)
            await switched(line.other.store, session.session_id, 1)
            await eventually(lambda: ear.versions()[-1] == 4)
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
    finally:
        redis.stop()


@pytest.mark.parametrize("message", [b"", b"\x00", b"hello", b"\x00\x01\xc0" + b"\x09" * 40], ids=repr)
async def test_what_is_no_event_is_a_hint_all_the_same(ear: Ear, message: bytes) -> None:
    """Whatever is published on a session's channel: something may have happened, and the feed goes on."""
    session = await heard(ear)

    ear.line.redis.publish(ear.line.process.keys.of(session.session_id).updates, message)
    await switched(ear.line.other.store, session.session_id, 1)

    await eventually(lambda: ear.versions() == [3, None, 4])
    assert ear.connections() == 1
