"""Redis loses everything under running servers, and `synckairos recover --all` brings it back."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from google.protobuf.timestamp_pb2 import Timestamp
from redis.asyncio import Redis

from synckairos.adapters.redis.keys import Keys
from synckairos.devstack import PostgresServer, RedisServer
from synckairos.v1 import event_pb2, session_pb2
from synckairos.v1 import session_service_pb2 as pb
from testing.harness.client import Stub, connect, new_id, refused, running_session, two_players, watching
from testing.harness.draining import drain
from testing.harness.playing.played_sessions import PlayedSession, manual, with_control
from testing.harness.processes.commands import Finished, synckairos
from testing.harness.processes.databases import own_database
from testing.harness.processes.in_process import settings_for
from testing.harness.waiting import eventually
from tests.e2e.conftest import StartServers

AT_ONCE = 32
NO_DATABASE = "postgresql://127.0.0.1:1/none"


class LosableStore:
    """A Redis that may lose everything, a database for the trail, and the command line in front of both."""

    def __init__(self, redis: RedisServer, database_url: str, cwd: Path) -> None:
        self.redis = redis
        self.database_url = database_url
        self.cwd = cwd

    async def run(self, *arguments: str) -> Finished:
        """Run `synckairos` to its end."""
        return await synckairos(
            *arguments, redis_url=self.redis.url, cwd=self.cwd, SYNCKAIROS_DATABASE_URL=self.database_url
        )

    async def drain(self) -> None:
        """Write what waits into the trail, as a worker does."""
        await drain(settings_for(self.redis.url, "sk", database_url=self.database_url))

    async def lose_everything(self) -> None:
        """Empty Redis."""
        async with Redis.from_url(self.redis.url) as client:
            await client.flushall()


@pytest.fixture
async def store(own_redis: RedisServer, postgres_server: PostgresServer, tmp_path: Path) -> AsyncIterator[LosableStore]:
    """A store with a migrated trail."""
    async with own_database(postgres_server) as url:
        store = LosableStore(own_redis, url, tmp_path)
        migrated = await store.run("migrate", "up")
        assert migrated.returncode == 0, migrated.stderr
        yield store


async def get(stub: Stub, session_id: str) -> session_pb2.Session:
    """Return a session as of now."""
    reply = await stub.GetSession(pb.GetSessionRequest(session_id=session_id))
    session: session_pb2.Session = reply.session
    return session


async def test_streams_and_clocks_outlive_the_loss_of_everything(
    store: LosableStore, start_servers: StartServers
) -> None:
    """Two servers, open streams: unavailable while it is lost; gap, snapshot and the right clocks when it is back."""
    one, two = start_servers(store.redis.url, 2)
    async with connect(one.address) as stub, connect(two.address) as other:
        running = await asyncio.gather(*(running_session(stub) for _ in range(AT_ONCE)))
        watched = running[0].session_id
        await stub.SwitchCycle(pb.SwitchCycleRequest(session_id=watched))
        before = await get(stub, watched)
        watch = pb.WatchSessionRequest(session_id=watched)
        async with watching(stub.WatchSession(watch)) as here, watching(other.WatchSession(watch)) as there:
            for stream in (here, there):
                await stream.until(lambda stream: stream.of("snapshot"))
            await store.drain()

            await store.lose_everything()
            for server in (one, two):
                await asyncio.to_thread(server.await_answer, "NOT_SERVING", 5)
            lost = [await refused(get(each, watched)) for each in (stub, other)]
            done = await store.run("recover", "--all")
            for server in (one, two):
                await asyncio.to_thread(server.await_answer, "SERVING", 5)
            for stream in (here, there):
                await stream.until(lambda stream: len(stream.of("snapshot")) == 2)
            after = await get(other, watched)
            switched = await other.SwitchCycle(pb.SwitchCycleRequest(session_id=watched))
            for stream in (here, there):
                await stream.until(lambda stream: stream.versions[-1:] == [switched.session.version])
        back = [await get(other, session.session_id) for session in running]

    assert done.returncode == 0, done.stderr
    assert f"{AT_ONCE} recovered, 0 were there" in done.stdout
    assert {problem.reason for problem in lost} == {"STORE_UNAVAILABLE"}
    assert (after.version, after.recovered, after.deadline_at) == (before.version + 1, True, before.deadline_at)
    assert after.epoch > before.epoch
    assert [session.deadline_at for session in back[1:]] == [session.deadline_at for session in running[1:]]
    for stream in (here, there):
        assert stream.kinds() == ["snapshot", "gap", "snapshot", "event"]
        assert stream.of("gap")[0].gap.reason == event_pb2.GAP_REASON_EPOCH_CHANGED
        assert {message.epoch for message in stream.messages[2:]} == {after.epoch}


async def test_until_everything_is_back_nobody_uses_the_store(store: LosableStore, start_servers: StartServers) -> None:
    """A recovery that was broken off: neither old nor new servers answer from half a store; a second run ends it."""
    (server,) = start_servers(store.redis.url, 1)
    async with connect(server.address) as stub:
        session = await running_session(stub)
        await store.drain()
        await store.lose_everything()
        async with Redis.from_url(store.redis.url) as client:
            await client.hset("sk:meta", "recovery", "broken off")

        await asyncio.to_thread(server.await_answer, "NOT_SERVING", 5)
        await asyncio.to_thread(server.stop)
        await asyncio.to_thread(server.start)
        started_anew = await refused(get(stub, session.session_id))
        created = await refused(stub.CreateSession(two_players(session.session_id)))
        done = await store.run("recover", "--all", "--policy", "paused", "--reason", "power cut")
        await asyncio.to_thread(server.await_answer, "SERVING", 5)
        after = await get(stub, session.session_id)
        again = await store.run("recover", "--all")
        unchanged = await get(stub, session.session_id)

    assert {started_anew.reason, created.reason} == {"STORE_UNAVAILABLE"}
    assert done.returncode == 0, done.stderr
    assert after.status == session_pb2.STATUS_PAUSED
    assert "0 recovered, 1 were there" in again.stdout
    assert unchanged == after


async def test_sessions_that_ended_or_were_deleted_stay_away(store: LosableStore, start_servers: StartServers) -> None:
    """Only sessions that were alive come back; a dry run before it says so, and changes nothing."""
    (server,) = start_servers(store.redis.url, 1)
    async with connect(server.address) as stub:
        alive, ended, gone = [await running_session(stub) for _ in range(3)]
        await stub.CompleteSession(pb.CompleteSessionRequest(session_id=ended.session_id))
        await stub.DeleteSession(pb.DeleteSessionRequest(session_id=gone.session_id))
        await store.drain()
        await store.lose_everything()

        dry = await store.run("recover", "--all", "--dry-run")
        await asyncio.to_thread(server.await_answer, "NOT_SERVING", 5)
        done = await store.run("recover", "--all")
        await asyncio.to_thread(server.await_answer, "SERVING", 5)
        listed = await stub.ListSessions(pb.ListSessionsRequest())
        one = {
            session_id: await store.run("recover", session_id)
            for session_id in (alive.session_id, ended.session_id, gone.session_id, new_id())
        }

    assert (dry.returncode, done.returncode) == (0, 0), dry.stderr + done.stderr
    assert "1 would be recovered" in dry.stdout
    assert "1 recovered" in done.stdout
    assert [session.session_id for session in listed.sessions] == [alive.session_id]
    assert {finished.returncode for finished in one.values()} == {1}
    said = [finished.stderr for finished in one.values()]
    for text, part in zip(said, ("exists already", "COMPLETED", "does not exist", "does not exist"), strict=True):
        assert part in text
        assert "Traceback" not in text


async def test_one_session_that_is_missing_comes_back(store: LosableStore, start_servers: StartServers) -> None:
    """The store has its name and its other sessions: only the one asked for is added, and servers go on unharmed."""
    (server,) = start_servers(store.redis.url, 1)
    async with connect(server.address) as stub:
        missing, other = [await running_session(stub) for _ in range(2)]
        await store.drain()
        async with Redis.from_url(store.redis.url) as client:
            await client.delete(Keys().of(missing.session_id).session)

        dry = await store.run("recover", missing.session_id, "--dry-run")
        done = await store.run("recover", missing.session_id.upper())
        back = await get(stub, missing.session_id)
        untouched = await get(stub, other.session_id)

    assert (dry.returncode, done.returncode) == (0, 0), dry.stderr + done.stderr
    assert dry.stdout.strip() == "would come back: RUNNING, from version 2"
    assert done.stdout.strip() == "recovered: RUNNING, version 3"
    assert (back.version, back.deadline_at) == (3, missing.deadline_at)
    assert untouched.version == other.version


async def test_sessions_that_cannot_come_back_yet_are_named(store: LosableStore, start_servers: StartServers) -> None:
    """Its end is on the way to the trail: listed with the reason, exit code 1; once it is written, all is well."""
    (server,) = start_servers(store.redis.url, 1)
    async with connect(server.address) as stub:
        ended, missing = [await running_session(stub) for _ in range(2)]
        await store.drain()
        await stub.CompleteSession(pb.CompleteSessionRequest(session_id=ended.session_id))
        async with Redis.from_url(store.redis.url) as client:
            for session in (ended, missing):
                await client.delete(Keys().of(session.session_id).session)

        held_up = await store.run("recover", "--all")
        await store.drain()
        done = await store.run("recover", "--all")

    assert (held_up.returncode, done.returncode) == (1, 0)
    assert "1 recovered, 0 were there, 0 may not come back, 1 failed" in held_up.stdout
    assert f"{ended.session_id}: changes of the session have not reached" in held_up.stderr
    assert "0 recovered, 1 were there, 0 may not come back, 0 failed" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ((), "name one session, or say --all"),
        (("--all", "11111111-1111-4111-8111-111111111111"), "name one session, or say --all"),
        (("elsewhere",), "elsewhere is not a UUID"),
    ],
    ids=["neither", "both", "no UUID"],
)
async def test_wrong_arguments_are_told(
    own_redis: RedisServer, tmp_path: Path, arguments: tuple[str, ...], text: str
) -> None:
    """A sentence, not a traceback."""
    done = await synckairos(
        "recover", *arguments, redis_url=own_redis.url, cwd=tmp_path, SYNCKAIROS_DATABASE_URL=NO_DATABASE
    )

    assert done.returncode == 1
    assert text in done.stderr
    assert "Traceback" not in done.stderr


async def test_without_a_database_there_is_nothing_to_recover_from(own_redis: RedisServer, tmp_path: Path) -> None:
    """No database in the settings, or one that cannot be reached: said so, and the lost store keeps no name."""
    none = await synckairos("recover", "--all", redis_url=own_redis.url, cwd=tmp_path)
    away = await synckairos(
        "recover", "--all", redis_url=own_redis.url, cwd=tmp_path, SYNCKAIROS_DATABASE_URL=NO_DATABASE
    )

    assert (none.returncode, away.returncode) == (1, 1)
    assert "SYNCKAIROS_DATABASE_URL" in none.stderr
    assert "run it again" in away.stderr
    assert "Traceback" not in none.stderr + away.stderr
    async with Redis.from_url(own_redis.url) as client:
        assert await client.hkeys("sk:meta") == [b"recovery"]


async def test_manual_clocks_go_on_from_their_own_time(store: LosableStore, start_servers: StartServers) -> None:
    """The parts of their clocks are what they were, in every state; what closed meanwhile comes back ended."""
    (server,) = start_servers(store.redis.url, 1)
    async with connect(server.address) as stub:
        running, paused, pending = [
            await manual(stub, with_control("10|5x5", warning_thresholds_ms=[2_000]), starts=place < 2)
            for place in range(3)
        ]
        for game, by_ms in ((running, 18_000), (paused, 12_000), (pending, 5_000)):
            await game.advance(by_ms)
        await running.adjust(running.active.participant_id, delta_ms=3_000)
        await paused.pause()
        close_at = Timestamp()
        close_at.FromMilliseconds(paused.session.created_at.ToMilliseconds() + 2_000)
        closing = await PlayedSession.create(stub, with_control("10", close_at=close_at), starts=False)
        before = [await game.get() for game in (running, paused, pending)]
        instants = [game.now for game in (running, paused, pending)]
        await store.drain()
        await store.lose_everything()
        await asyncio.to_thread(server.await_answer, "NOT_SERVING", 5)
        done = await store.run("recover", "--all")
        await asyncio.to_thread(server.await_answer, "SERVING", 5)
        after = [await game.get() for game in (running, paused, pending)]
        assert done.returncode == 0, done.stderr
        assert [game.now for game in (running, paused, pending)] == instants
        for one, other in zip(before, after, strict=True):
            assert (other.version, other.recovered, other.status) == (one.version + 1, True, one.status)
            assert (other.participants, other.phases) == (one.participants, one.phases)
            assert (other.deadline_at, other.elapsed_ms) == (one.deadline_at, one.elapsed_ms)
        assert after[0].epoch > before[0].epoch
        left_ms = after[0].participants[0].time_remaining_ms
        async with watching(stub.WatchSession(pb.WatchSessionRequest(session_id=running.id))) as stream:
            await stream.until(lambda one: one.of("snapshot"))
            ended = await running.advance(left_ms)
            await stream.until_end()
        await paused.resume()
        await pending.start()
        await eventually(closing.has_ended)

    assert (ended.status, ended.completed_at.ToMilliseconds()) == (session_pb2.STATUS_EXPIRED, instants[0] + left_ms)
    assert [kind for kind in stream.kinds() if kind != "tick"] == [
        "snapshot",
        "event",
        *["phase"] * 3,
        "warning",
        "event",
        "end",
    ]
    assert pending.session.started_at.ToMilliseconds() == instants[2]
    assert closing.session.completed_at == close_at
