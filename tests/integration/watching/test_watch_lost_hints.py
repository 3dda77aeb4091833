"""Hints lost, doubled, swapped and late: no watcher sees a hole, a repeat or a step back."""

import asyncio
import random
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from itertools import cycle, pairwise
from typing import Any, Final

import pytest
from redis.asyncio import Redis

from synckairos.adapters.redis.keys import Keys
from synckairos.devstack import RedisServer
from synckairos.v1 import event_pb2
from synckairos.v1 import session_service_pb2 as pb
from testing.harness.client import Recording, Stub, connect, new_id, refused, running_session, two_players, watching
from testing.harness.processes.hint_proxy import Harm, HintProxy
from testing.harness.processes.in_process import serving, settings_for
from testing.harness.waiting import eventually

SWITCHES: Final = 25
SESSIONS: Final = 4
WATCHERS: Final = 3
WINDOW: Final = 64


@dataclass
class HarmedHints:
    """A server whose hints are harmed, and one with a line of its own."""

    proxy: HintProxy
    watched: Stub
    changing: Stub
    keys: Keys

    def watch(self, session_id: str, token: str = "", **more: Any) -> Any:
        """Record a stream of a session from the server whose hints are harmed."""
        request = pb.WatchSessionRequest(session_id=session_id, resume_token=token, **more)
        return watching(self.watched.WatchSession(request))

    async def switch(self, session_id: str, times: int = 1) -> None:
        """Change a session through the other server."""
        for _ in range(times):
            await self.changing.SwitchCycle(pb.SwitchCycleRequest(session_id=session_id))


@pytest.fixture
async def servers(redis_server: RedisServer) -> AsyncIterator[HarmedHints]:
    """Both servers, and clients of theirs."""
    prefix = f"t{new_id()[:12]}"
    async with AsyncExitStack() as stack:
        proxy = await stack.enter_async_context(HintProxy("127.0.0.1", redis_server.port))
        urls = (f"redis://127.0.0.1:{proxy.port}/0", redis_server.url)
        settings = [settings_for(url, prefix, event_window=WINDOW) for url in urls]
        started = [await stack.enter_async_context(serving(one)) for one in settings]
        watched, changing = [await stack.enter_async_context(connect(server.address)) for server in started]
        yield HarmedHints(proxy, watched, changing, Keys(prefix))


def assert_gapless(recording: Recording, session_id: str, last: int) -> None:
    """The messages about a session are a snapshot or a replay, then every later version, once and in order."""
    mine = [message for message in recording.messages if message.session_id == session_id]
    assert {message.WhichOneof("payload") for message in mine} <= {"snapshot", "event", "progress", "tick"}
    first = mine[0].version + (0 if mine[0].WhichOneof("payload") == "event" else 1)
    versions = [message.version for message in mine if message.WhichOneof("payload") == "event"]
    assert versions == list(range(first, last + 1))
    assert all(one.version <= other.version for one, other in pairwise(mine))


def has_come_to(last: int, session_ids: Sequence[str]) -> Any:
    """Return the condition that a recording has come to a version of every session."""
    return lambda recording: (
        {(sid, last) for sid in session_ids} <= {(m.session_id, m.version) for m in recording.messages}
    )


@pytest.mark.parametrize("seed", range(6))
async def test_whatever_becomes_of_hints_every_version_comes_once(servers: HarmedHints, seed: int) -> None:
    """Two of three hints are harmed at random while sessions change and readers come and go: nothing is missed."""
    dice = random.Random(seed)
    servers.proxy.choose = lambda: dice.choice((Harm.NONE, Harm.NONE, Harm.LOSE, Harm.DOUBLE, Harm.SWAP, Harm.DELAY))
    session_ids = [(await running_session(servers.changing)).session_id for _ in range(SESSIONS)]
    last = 2 + SWITCHES
    watches = [pb.SessionWatch(session_id=session_id) for session_id in session_ids]
    request = pb.WatchSessionsRequest(watches=watches, progress_interval_ms=100)

    async def later(session_id: str) -> Recording:
        """Watch for a while, go away, and come back with the token."""
        async with servers.watch(session_id) as before:
            await before.until(lambda r: dice.random() < 0.5 and r.messages)
        async with servers.watch(session_id, before.messages[-1].resume_token) as after:
            return await after.until(has_come_to(last, [session_id]))

    async with AsyncExitStack() as stack:
        singles = [
            (session_id, await stack.enter_async_context(servers.watch(session_id, tick_interval_ms=100)))
            for session_id in session_ids
            for _ in range(WATCHERS)
        ]
        many = await stack.enter_async_context(watching(servers.watched.WatchSessions(request)))
        await many.until(lambda r: len(r.of("snapshot")) == SESSIONS)
        async with asyncio.TaskGroup() as tasks:
            for session_id in session_ids:
                tasks.create_task(servers.switch(session_id, SWITCHES))
            back = [(session_id, tasks.create_task(later(session_id))) for session_id in session_ids]
        for session_id, recording in singles:
            await recording.until(has_come_to(last, [session_id]))
        await many.until(has_come_to(last, session_ids))

    for session_id, recording in [
        *singles,
        *((sid, many) for sid in session_ids),
        *((sid, t.result()) for sid, t in back),
    ]:
        assert_gapless(recording, session_id, last)
    assert all(servers.proxy.done[harm] for harm in Harm), servers.proxy.done


@pytest.mark.parametrize("how", ["is_deaf", "is_silent"])
async def test_a_feed_that_has_gone_deaf_is_made_up_for(servers: HarmedHints, how: str) -> None:
    """Not one hint comes any more, and nothing says so: the reader still sees every version, soon."""
    session = await running_session(servers.changing)
    async with servers.watch(session.session_id) as recording:
        await recording.until(lambda r: r.messages)
        setattr(servers.proxy, how, True)
        for _ in range(2):
            await servers.switch(session.session_id, WINDOW - 1)
            last = (recording.versions or [2])[-1] + WINDOW - 1
            await recording.until(has_come_to(last, [session.session_id]), seconds=4)
        setattr(servers.proxy, how, False)
        await servers.switch(session.session_id)
        await recording.until(has_come_to(last + 1, [session.session_id]))

    assert_gapless(recording, session.session_id, last + 1)
    assert servers.proxy.done[Harm.LOSE]
    assert servers.proxy.done[Harm.NONE] <= 1


async def test_more_than_the_window_behind_a_deaf_feed_is_told(servers: HarmedHints) -> None:
    """Events that can no longer be replayed become a gap and a snapshot, never a jump."""
    session = await running_session(servers.changing)
    async with servers.watch(session.session_id) as recording:
        await recording.until(lambda r: r.messages)
        servers.proxy.is_deaf = True
        async with Redis(host="127.0.0.1", port=servers.proxy.port) as redis:
            await servers.switch(session.session_id, WINDOW + 1)
            await redis.xtrim(servers.keys.of(session.session_id).events, maxlen=0, approximate=False)
        await recording.until(has_come_to(WINDOW + 3, [session.session_id]))

    assert [message.gap.reason for message in recording.of("gap")] == [event_pb2.GAP_REASON_WINDOW_PASSED]
    assert_told_of_every_jump(recording)


def assert_told_of_every_jump(recording: Recording) -> None:
    """Every event is the next version of the message before it, unless a gap and a snapshot came in between."""
    for one, other in pairwise(recording.messages):
        if other.WhichOneof("payload") == "event":
            assert (one.epoch, one.version + 1) == (other.epoch, other.version)
        elif other.WhichOneof("payload") == "snapshot":
            assert one.WhichOneof("payload") == "gap"


@pytest.mark.parametrize("harm", [Harm.SWAP, Harm.DELAY])
async def test_an_old_hint_behind_a_newer_one_is_no_news(servers: HarmedHints, harm: Harm) -> None:
    """The hint of version 3 comes after that of version 4, by which both have been told."""
    session = await running_session(servers.changing)
    harms = cycle((harm, Harm.NONE))
    servers.proxy.choose = lambda: next(harms)
    async with servers.watch(session.session_id, progress_interval_ms=100) as recording:
        await recording.until(lambda r: r.messages)
        await servers.switch(session.session_id, 2)
        await recording.until(has_come_to(4, [session.session_id]))
        seen = len(recording.of("progress"))
        await recording.until(lambda r: len(r.of("progress")) >= seen + 3)

    assert recording.versions == [3, 4]
    assert_gapless(recording, session.session_id, 4)


async def test_hints_of_a_former_life_are_no_news(servers: HarmedHints) -> None:
    """Removed and created again while hints are late: one gap to the new life, nothing of the old one behind it."""
    session_id = (await running_session(servers.changing)).session_id
    keys = servers.keys.of(session_id)
    servers.proxy.delay_s = 0.5
    async with servers.watch(session_id, progress_interval_ms=100) as recording:
        await recording.until(lambda r: r.messages)
        servers.proxy.choose = lambda: Harm.DELAY
        await servers.switch(session_id, 3)
        async with Redis(host="127.0.0.1", port=servers.proxy.port) as redis:
            await redis.delete(keys.session, keys.events)
            servers.proxy.choose = lambda: Harm.NONE
            created = (await servers.changing.CreateSession(two_players(session_id))).session
        await recording.until(lambda r: r.messages[-1].epoch == created.epoch)
        await eventually(lambda: servers.proxy.done[Harm.DELAY] == 3)
        await servers.changing.StartSession(pb.StartSessionRequest(session_id=session_id))
        seen = len(recording.of("progress"))
        await recording.until(lambda r: 2 in r.versions and len(r.of("progress")) >= seen + 8)

    told = [message for message in recording.messages if message.WhichOneof("payload") != "progress"]
    new_life = [message for message in told if message.epoch == created.epoch]
    assert [message.WhichOneof("payload") for message in new_life] == ["gap", "snapshot", "event"]
    assert new_life[0].gap.reason == event_pb2.GAP_REASON_EPOCH_CHANGED
    assert told == [message for message in told if message not in new_life] + new_life


async def test_a_lost_confirmation_costs_one_refusal(servers: HarmedHints) -> None:
    """Redis' answer to SUBSCRIBE is lost: the reader that waits for it is refused in time, and the next one is not."""
    session = await running_session(servers.changing)
    servers.proxy.lost_confirmations = 1
    request = pb.WatchSessionRequest(session_id=session.session_id)

    problem = await refused(servers.watched.WatchSession(request).read())
    async with servers.watch(session.session_id) as recording:
        await recording.until(lambda r: r.messages)
        await servers.switch(session.session_id)
        await recording.until(has_come_to(3, [session.session_id]))

    assert problem.reason == "STORE_UNAVAILABLE"
    assert_gapless(recording, session.session_id, 3)


async def test_a_confirmation_lost_with_others_watching_shuts_nobody_out(servers: HarmedHints) -> None:
    """After a broken connection the answer to SUBSCRIBE is lost: open streams go on, and new ones are opened."""
    session = await running_session(servers.changing)
    request = pb.WatchSessionRequest(session_id=session.session_id)
    async with servers.watch(session.session_id) as early:
        await early.until(lambda r: r.messages)
        servers.proxy.lost_confirmations = 1
        servers.proxy.cut()
        await eventually(lambda: not servers.proxy.lost_confirmations)

        problem = await refused(servers.watched.WatchSession(request).read())
        async with servers.watch(session.session_id) as late:
            await late.until(lambda r: r.messages)
            await servers.switch(session.session_id)
            for recording in (early, late):
                await recording.until(has_come_to(3, [session.session_id]))

    assert problem.reason == "STORE_UNAVAILABLE"
    for recording in (early, late):
        assert_gapless(recording, session.session_id, 3)
