"""Redis is silent, gone, or back: callers are told in time, nothing is half done, and nobody has to help."""

import asyncio
import time
from collections import Counter
from collections.abc import Awaitable, Callable

import pytest

from synckairos.application.errors import OutcomeUnknown, StoreUnavailable
from synckairos.application.ports import Request
from synckairos.devstack import RedisServer
from synckairos.domain.commands import Switch
from synckairos.domain.model import Session
from testing.harness.waiting import eventually
from tests.contract.decisions import CALLER, ask, create, new_id, running, until
from tests.contract.lines import Line, broken_line, is_commit, once, probing

NOBODY = Request()
CALLERS = 64
TIME_S = 2.0
"""How long a call may take to be told that Redis does not answer."""

Fault = Callable[[Line], None]


async def outcomes_of(*calls: Awaitable[object]) -> tuple[set[type], float]:
    """Make calls at once; return what kinds of outcome they had and the seconds the last one took."""
    started = time.monotonic()
    outcomes = await asyncio.gather(*calls, return_exceptions=True)
    return {type(outcome) for outcome in outcomes}, time.monotonic() - started


def swallow(line: Line) -> None:
    """Let nothing through any more, without closing anything."""
    line.proxy.blackhole = True


def swallow_and_forget(line: Line) -> None:
    """The same, and no connection is kept: everybody has to make a new one."""
    line.process.connections.forget_idle()
    line.proxy.blackhole = True


def refuse(line: Line) -> None:
    """Reset what is open and whatever is opened."""
    line.proxy.refuse = True
    line.proxy.cut()


FAULTS = pytest.mark.parametrize("fault", [swallow, swallow_and_forget, refuse])


@FAULTS
@pytest.mark.parametrize("sessions", [1, CALLERS], ids=["one session", "a session each"])
async def test_every_waiting_caller_is_told_in_time(line: Line, fault: Fault, sessions: int) -> None:
    """64 callers, queued on one session or not, wait less than two seconds together, not one each."""
    targets = [await running(line.process.store) for _ in range(sessions)]
    fault(line)

    kinds, seconds = await outcomes_of(
        *(ask(line.process.store, targets[place % sessions].session_id, Switch()) for place in range(CALLERS))
    )

    assert kinds == {StoreUnavailable}
    assert seconds < TIME_S
    for session in targets:
        line.assert_consistent(session.session_id, session.version)
    await line.assert_released()


@FAULTS
async def test_every_reader_is_told_in_time(line: Line, fault: Fault) -> None:
    """Reads, events and the time, too; after the first failure the others do not even try."""
    session = await running(line.process.store)
    fault(line)

    kinds, seconds = await outcomes_of(
        *(line.process.store.read([session.session_id]) for _ in range(CALLERS)),
        *(line.process.store.event_at(session.session_id, 1) for _ in range(3)),
        *(line.process.store.now_us() for _ in range(3)),
    )
    later, at_once = await outcomes_of(*(line.process.store.read([new_id()]) for _ in range(CALLERS)))

    assert kinds == later == {StoreUnavailable}
    assert seconds < TIME_S
    assert at_once < 0.2


@pytest.mark.parametrize("is_applied", [True, False], ids=["after it was applied", "before it arrived"])
async def test_silence_during_a_commit(line: Line, is_applied: bool) -> None:
    """Those whose commit was under way are told that nobody knows, those behind them that nothing has happened."""
    session = await running(line.process.store)

    def fall_silent(data: bytes) -> bytes | None:
        if is_applied:
            line.proxy.on_server_data = lambda _: silence(line)
            return data
        swallow(line)
        return b""

    line.proxy.on_client_data = once(fall_silent, is_commit)
    started = time.monotonic()
    calls = [ask(line.process.store, session.session_id, Switch()) for _ in range(CALLERS)]
    kinds = Counter(type(outcome) for outcome in await asyncio.gather(*calls, return_exceptions=True))

    assert time.monotonic() - started < TIME_S
    assert set(kinds) == {OutcomeUnknown, StoreUnavailable}
    line.assert_consistent(session.session_id, session.version + is_applied * kinds[OutcomeUnknown])


def silence(line: Line) -> bytes:
    """Swallow this chunk and all that follow."""
    swallow(line)
    return b""


async def test_a_frozen_redis(own_redis: RedisServer) -> None:
    """SIGSTOP: everybody is told in time; awake again, what was asked meanwhile has not happened."""
    async with broken_line(own_redis) as line, probing(line.process, line.other):
        session = await running(line.process.store)
        own_redis.pause()
        kinds, seconds = await outcomes_of(
            *(ask(line.process.store, session.session_id, Switch()) for _ in range(CALLERS)),
            *(line.other.store.read([session.session_id]) for _ in range(CALLERS)),
            create(line.process.store),
        )
        own_redis.resume()
        await eventually(lambda: line.process.guard.is_ready and line.other.guard.is_ready)

        line.assert_consistent(session.session_id, session.version)
        await recovered(line, session)

    assert kinds == {StoreUnavailable}
    assert seconds < TIME_S


async def recovered(line: Line, session: Session) -> None:
    """Check that both processes work again, as if nothing had been."""
    for process in (line.process, line.other):
        await process.sessions.change(session.session_id, Switch(), CALLER, NOBODY, until())
    line.assert_consistent(session.session_id, session.version + 2)
    await line.assert_released()


@pytest.mark.parametrize("how", ["stop", "kill"])
async def test_a_redis_that_was_started_again(own_redis: RedisServer, how: str) -> None:
    """Stopped in order or killed: nothing is lost, and both processes recover by themselves."""
    async with broken_line(own_redis) as line, probing(line.process, line.other):
        session = await running(line.process.store)
        await asyncio.to_thread(getattr(own_redis, how))
        kinds, seconds = await outcomes_of(
            *(ask(line.process.store, session.session_id, Switch()) for _ in range(CALLERS)),
            *(line.other.store.read([session.session_id]) for _ in range(CALLERS)),
        )
        await asyncio.to_thread(own_redis.start)
        line.watches.follow()
        await eventually(lambda: line.process.guard.is_ready and line.other.guard.is_ready)

        await recovered(line, session)

    assert kinds == {StoreUnavailable}
    assert seconds < TIME_S


async def test_a_redis_that_was_started_again_between_two_calls(own_redis: RedisServer) -> None:
    """Kept connections turn out dead: the first calls after a restart notice, and succeed."""
    async with broken_line(own_redis) as line:
        session = await running(line.process.store)
        await asyncio.gather(*(line.process.store.read([session.session_id]) for _ in range(10)))
        await asyncio.to_thread(own_redis.kill)
        await asyncio.to_thread(own_redis.start)

        kinds, _ = await outcomes_of(*(ask(line.process.store, session.session_id, Switch()) for _ in range(10)))

        assert kinds == {Session}
        line.assert_consistent(session.session_id, session.version + 10)


async def test_a_redis_that_comes_back_empty(own_redis: RedisServer) -> None:
    """All data are gone: nothing is answered from it, and nothing stored in it, as if it were not there."""
    async with broken_line(own_redis) as line, probing(line.process):
        session = await running(line.process.store)
        line.redis.flushall()
        kinds, _ = await outcomes_of(
            ask(line.process.store, session.session_id, Switch()),
            line.process.store.read([session.session_id, new_id()]),
            create(line.other.store),
            line.other.sessions.get(session.session_id),
        )
        held = line.redis.dbsize()
        await eventually(lambda: not line.process.guard.is_ready)

    assert kinds == {StoreUnavailable}
    assert held == 0


async def test_a_full_pool_is_not_waited_for_by_those_who_fill_it(redis_server: RedisServer) -> None:
    """Creating needs a second look at the store: with few connections and many callers all get through."""
    async with broken_line(redis_server) as line:
        line.process.connections._slots = asyncio.Semaphore(2)
        created = await asyncio.gather(*(create(line.process.store) for _ in range(40)))

        assert [session.version for session in created] == [1] * 40
        assert line.process.connections._slots._value == 2


async def test_lost_replies_are_looked_into_with_a_full_pool(redis_server: RedisServer) -> None:
    """As many commits are lost at once as there are connections: looking into them needs none besides."""
    async with broken_line(redis_server) as line:
        sessions = [await running(line.process.store) for _ in range(6)]
        line.process.connections._slots = asyncio.Semaphore(3)
        lost: list[bytes] = []

        def lose_three(data: bytes) -> bytes | None:
            if not is_commit(data) or len(lost) == 3:
                return data
            return lost.append(data)

        line.proxy.on_client_data = lose_three
        answers = await asyncio.gather(
            *(
                line.process.sessions.change(session.session_id, Switch(), CALLER, NOBODY, until())
                for session in sessions
            )
        )

        assert [answer.session for answer in answers] == [line.stored(session.session_id) for session in sessions]
        assert line.process.observed.unknown == 3
        for session in sessions:
            line.assert_consistent(session.session_id, session.version + 1)
