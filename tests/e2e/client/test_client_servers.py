"""The client against whole servers that are killed and stopped under it: nothing is missing, nothing comes twice."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from functools import partial
from typing import Any, Final

import pytest

from synckairos.client import Commands, SyncKairos
from synckairos.devstack import RedisServer
from synckairos.v1 import event_pb2, session_pb2
from testing.harness.client import new_id
from testing.harness.processes.server_process import ServerProcess
from testing.harness.waiting import eventually
from tests.e2e.conftest import StartServers

WINDOW: Final = 16


def over(servers: list[ServerProcess]) -> str:
    """Return the address of several servers."""
    return f"ipv4:{','.join(server.address for server in servers)}"


async def game(client: SyncKairos, **more: Any) -> str:
    """Create and start a session of two players; return its id."""
    players = [session_pb2.ParticipantSpec(participant_id=new_id(), total_time_ms=600_000) for _ in range(2)]
    created = await client.create_session(session_pb2.MODE_PER_PARTICIPANT, participants=players, **more)
    await client.start_session(created.session.session_id)
    return created.session.session_id


class Reader:
    """A watch that is read in a task of its own."""

    def __init__(self, watch: AsyncIterator[Any]) -> None:
        self.updates: list[Any] = []
        self.task = asyncio.create_task(self._read(watch))

    async def _read(self, watch: AsyncIterator[Any]) -> None:
        async for update in watch:
            self.updates.append(update)

    def kinds(self, session_id: str = "") -> list[str]:
        """Return the kinds of the updates, of one session if it is named, ticks left out."""
        return [kind for kind, _ in self._said(session_id)]

    def versions(self, session_id: str = "") -> list[int]:
        """Return the versions of the updates, as above."""
        return [version for _, version in self._said(session_id)]

    def _said(self, session_id: str) -> list[tuple[str, int]]:
        updates = [update for update in self.updates if session_id in ("", update.session_id)]
        return [(one.WhichOneof("payload"), one.version) for one in updates if one.WhichOneof("payload") != "tick"]


async def moves_until(stopped: asyncio.Event, client: SyncKairos | Commands, session_id: str) -> int:
    """Make twenty moves a second, each for the version that the one before it left; return the last version."""
    version = 2
    while not stopped.is_set():
        version = (await client.switch_cycle(session_id, expected_version=version)).session.version
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(stopped.wait(), 0.05)
    return (await client.complete_session(session_id)).session.version


@pytest.mark.parametrize("ending", ["kill", "stop"])
async def test_a_server_that_goes_is_not_seen_by_calls_and_watches(
    ending: str, own_redis: RedisServer, start_servers: StartServers, measured: Callable[[str], None]
) -> None:
    """Killed or drained: every version is shown once, no gap, no end but the session's; moves are made once."""
    servers = start_servers(own_redis.url, 2, drain_delay_s="0.2", event_window="1000")
    async with await SyncKairos.connect(over(servers)) as client:
        ids = [await game(client) for _ in range(4)]
        readers = [Reader(client.watch(session_id, tick_interval_ms=100)) for session_id in ids]
        together = Reader(client.watch_many(ids))
        await eventually(lambda: all(reader.updates for reader in [*readers, together]))
        stopped = asyncio.Event()
        moving = [asyncio.create_task(moves_until(stopped, client, session_id)) for session_id in ids]
        for server in servers:
            seen = readers[0].versions()[-1]
            await asyncio.to_thread(server.kill if ending == "kill" else server.stop)
            await asyncio.to_thread(server.start)
            await eventually(lambda: all(reader.versions()[-1] > seen + 5 for reader in readers))  # noqa: B023 - awaited
        stopped.set()
        last = await asyncio.gather(*moving)
        await asyncio.wait_for(asyncio.gather(*(reader.task for reader in [*readers, together])), 20)

    for session_id, reader, version in zip(ids, readers, last, strict=True):
        assert reader.kinds() == together.kinds(session_id) == ["snapshot", *["event"] * (version - 2), "end"]
        assert reader.versions() == together.versions(session_id) == [*range(2, version + 1), version]
        assert reader.updates[-1].end.reason == event_pb2.END_REASON_TERMINAL
    measured(f"{ending}: {sum(last)} versions seen twice over two servers that went and came back")


async def test_what_is_gone_shows_as_a_gap(own_redis: RedisServer, start_servers: StartServers) -> None:
    """More was missed than is retained: the gap says so, and the snapshot after it is where it goes on."""
    (server,) = start_servers(own_redis.url, 1, event_window=str(WINDOW))
    async with await SyncKairos.connect(server.address) as client:
        session_id = await game(client)
        async with client.watch(session_id) as watch:
            first = await anext(watch)
        for _ in range(2 * WINDOW):
            await client.switch_cycle(session_id)
        async with client.watch(session_id, resume_token=first.resume_token) as watch:
            gap, snapshot = await anext(watch), await anext(watch)

    assert gap.gap.reason == event_pb2.GAP_REASON_WINDOW_PASSED
    assert (snapshot.WhichOneof("payload"), snapshot.version) == ("snapshot", 2 + 2 * WINDOW)


async def version_of(client: SyncKairos, session_id: str) -> int:
    """Return the version that a session is at."""
    return (await client.get_session(session_id)).session.version


async def has_passed(client: SyncKairos, session_id: str, version: int) -> bool:
    """Whether a session is beyond a version."""
    return await version_of(client, session_id) > version


async def test_commands_outlive_their_server(own_redis: RedisServer, start_servers: StartServers) -> None:
    """Each is applied once, in order, whatever becomes of the server that had it."""
    servers = start_servers(own_redis.url, 2)
    async with await SyncKairos.connect(over(servers)) as client, client.commands(window=64) as commands:
        ids = [await game(client) for _ in range(20)]
        stopped = asyncio.Event()
        moving = [asyncio.create_task(moves_until(stopped, commands, session_id)) for session_id in ids]
        for server in servers:
            await asyncio.to_thread(server.kill)
            await asyncio.to_thread(server.start)
            seen = await version_of(client, ids[0])
            await eventually(partial(has_passed, client, ids[0], seen + 5), pause_s=0.05)
        stopped.set()
        last = await asyncio.wait_for(asyncio.gather(*moving), 30)
        sessions = (await client.batch_get_sessions(ids)).sessions

    assert [session.version for session in sessions] == last
    assert {session.status for session in sessions} == {session_pb2.STATUS_COMPLETED}
