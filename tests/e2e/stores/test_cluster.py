"""A deployment on a cluster: everything a single Redis does, and a shard that is away harms no other."""

import asyncio
import contextlib
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any, Final

import grpc
import pytest

from synckairos.adapters.postgres.schema.migrate import apply_migrations
from synckairos.adapters.redis.keys import Keys
from synckairos.cli.migration import migrations_folder
from synckairos.devstack import PostgresServer, RedisServer
from synckairos.redis_urls import with_database
from synckairos.v1 import session_pb2
from synckairos.v1 import session_service_pb2 as pb
from testing.harness.client import connect, new_id, problem_of, refused, running_session, two_players, watching
from testing.harness.draining import drain
from testing.harness.processes.cluster_group import ClusterGroup
from testing.harness.processes.commands import warm_command
from testing.harness.processes.databases import ask, own_database
from testing.harness.processes.in_process import settings_for
from testing.harness.processes.server_process import ServerProcess
from testing.harness.processes.worker_process import WorkerProcess
from testing.harness.waiting import eventually

PATIENCE_S: Final = 30.0
SESSIONS: Final = 24
EVENTS: Final = "SELECT count(*) FROM sync_events WHERE session_id = ANY($1::uuid[])"


@pytest.fixture
def broker_url(redis_server: RedisServer) -> str:
    """Where Dramatiq keeps its messages: it speaks to no cluster."""
    return with_database(redis_server.url, 9)


@contextlib.asynccontextmanager
async def served(group: ClusterGroup, log: Path, **settings: str) -> AsyncIterator[ServerProcess]:
    """Run a server on a cluster."""
    with ServerProcess(group.url, log, store_init="auto", **settings) as server:
        await asyncio.to_thread(server.await_answer, "SERVING")
        yield server


async def running_sessions(stub: Any) -> list[str]:
    """Start sessions in many partitions."""
    return [(await running_session(stub)).session_id for _ in range(SESSIONS)]


async def switch(stub: Any, session_id: str) -> int:
    """Switch a session by one request, asked again until it is answered; return the version."""
    request = pb.SwitchCycleRequest(session_id=session_id, request_id=new_id())
    versions: list[int] = []

    async def is_answered() -> bool:
        try:
            versions.append((await stub.SwitchCycle(request)).session.version)
        except grpc.RpcError as error:
            if problem_of(error).code is not grpc.StatusCode.UNAVAILABLE:
                raise
        return bool(versions)

    await eventually(is_answered, PATIENCE_S)
    return versions[0]


async def switched_while(stub: Any, session_ids: list[str], event: Callable[[], Awaitable[object]]) -> dict[str, int]:
    """Switch all sessions again and again until an event is over, once at least, and once more; return how often.

    Each answer must be of the very next version: none was lost, and none was applied twice.
    """
    counts = dict.fromkeys(session_ids, 0)
    is_over = False

    async def play(session_id: str) -> None:
        version = int((await stub.GetSession(pb.GetSessionRequest(session_id=session_id))).session.version)
        is_last = False
        while not is_last:
            is_last = is_over and counts[session_id] > 0
            counts[session_id] += 1
            assert await switch(stub, session_id) == version + counts[session_id]

    playing = [asyncio.ensure_future(play(session_id)) for session_id in session_ids]
    await event()
    is_over = True
    await asyncio.gather(*playing)
    return counts


def key_of(session_id: str) -> str:
    """Return the key of a session."""
    return Keys().of(session_id).session


async def test_the_basics_are_those_of_one_redis(
    redis_cluster: ClusterGroup, broker_url: str, postgres_server: PostgresServer, tmp_path: Path
) -> None:
    """Sessions are made, switched, watched, read, listed and expired, and their events reach the trail."""
    async with own_database(postgres_server) as database_url:
        await apply_migrations(database_url, migrations_folder())
        settings = {"broker_url": broker_url, "database_url": database_url}
        with WorkerProcess(redis_cluster.url, tmp_path / "worker.log", log_level="info", **settings):
            async with (
                served(redis_cluster, tmp_path / "server.log", **settings) as server,
                connect(server.address) as stub,
            ):
                session_ids = await running_sessions(stub)
                short = await running_session(stub, two_players(bank_ms=1_000))
                request = pb.WatchSessionsRequest(watches=[pb.SessionWatch(session_id=one) for one in session_ids])
                async with watching(stub.WatchSessions(request)) as told:
                    await told.until(lambda one: len(one.messages) >= SESSIONS)
                    versions = [await switch(stub, session_id) for session_id in session_ids]
                    await told.until(
                        lambda one: sum(m.WhichOneof("payload") == "event" for m in one.messages) == SESSIONS
                    )

                batch = await stub.BatchGetSessions(pb.BatchGetSessionsRequest(session_ids=[*session_ids, new_id()]))
                listed = await stub.ListSessions(pb.ListSessionsRequest(page_size=100))

                assert versions == [3] * SESSIONS
                assert [one.session_id for one in batch.sessions] == session_ids
                assert len(batch.missing_session_ids) == 1
                assert {*session_ids, short.session_id} <= {one.session_id for one in listed.sessions}

                async def is_over() -> bool:
                    found = await stub.GetSession(pb.GetSessionRequest(session_id=short.session_id))
                    return bool(found.session.status == session_pb2.STATUS_EXPIRED)

                await eventually(is_over, PATIENCE_S)

                async def is_written() -> bool:
                    written = await ask(database_url, EVENTS, session_ids)
                    return written == [(3 * SESSIONS,)]

                await eventually(is_written, PATIENCE_S)


async def test_a_master_dies_under_load(server_directory: Path, broker_url: str, tmp_path: Path) -> None:
    """Its sessions go on at the replica that takes over, watchers with them; the others never stop."""
    with ClusterGroup(server_directory) as group:
        async with (
            served(group, tmp_path / "server.log", broker_url=broker_url) as server,
            connect(server.address) as stub,
        ):
            session_ids = await running_sessions(stub)
            former = group.masters()[0]
            lost = [one for one in session_ids if group.master_of(key_of(one)) is former]
            for session_id in session_ids:
                group.ask(group.master_of(key_of(session_id)), "WAIT", 1, 5_000)
            async with watching(stub.WatchSession(pb.WatchSessionRequest(session_id=lost[0]))) as told:
                await told.until(lambda one: one.messages)

                async def take_over() -> None:
                    former.kill()
                    await asyncio.to_thread(group.await_another, key_of(lost[0]), former)

                others = [one for one in session_ids if one not in lost]
                counts = await switched_while(stub, others, take_over)
                versions = [await switch(stub, session_id) for session_id in lost]

                await told.until(lambda one: one.messages[-1].version == 3, PATIENCE_S)
            assert min(counts.values()) > 10
            assert versions == [3] * len(lost)


async def test_slots_move_under_load(redis_cluster: ClusterGroup, broker_url: str, tmp_path: Path) -> None:
    """No change is lost or applied twice, and watchers hear of the last one."""
    async with (
        served(redis_cluster, tmp_path / "server.log", broker_url=broker_url) as server,
        connect(server.address) as stub,
    ):
        session_ids = await running_sessions(stub)
        moved = session_ids[0]
        async with watching(stub.WatchSession(pb.WatchSessionRequest(session_id=moved))) as told:
            await told.until(lambda one: one.messages)

            async def move() -> None:
                for _ in range(3):
                    former = redis_cluster.master_of(key_of(moved))
                    target = next(master for master in redis_cluster.masters() if master is not former)
                    await asyncio.to_thread(redis_cluster.move, key_of(moved), target)

            counts = await switched_while(stub, session_ids, move)

            await told.until(lambda one: one.messages[-1].version == 2 + counts[moved], PATIENCE_S)


async def lose(group: ClusterGroup, master: RedisServer, directory: Path) -> None:
    """Let a master come back without its data."""
    master.kill()
    shutil.rmtree(directory / f"node{group.servers.index(master)}" / "appendonlydir")
    await asyncio.to_thread(master.start)
    await eventually(group.is_whole, PATIENCE_S)


async def test_a_shard_that_has_lost_its_data_is_refused_alone(
    server_directory: Path, broker_url: str, postgres_server: PostgresServer, tmp_path: Path
) -> None:
    """Its sessions never look as if they had not been, and no list has a hole; they are recovered, or given up."""
    async with own_database(postgres_server) as database_url:
        await apply_migrations(database_url, migrations_folder())
        settings = {"broker_url": broker_url, "database_url": database_url}
        with ClusterGroup(server_directory, replicas=0) as group:
            async with (
                served(group, tmp_path / "server.log", **settings) as server,
                connect(server.address) as stub,
            ):
                environment = {
                    "SYNCKAIROS_REDIS_URL": group.url,
                    **{f"SYNCKAIROS_{name.upper()}": value for name, value in settings.items()},
                }
                session_ids = await running_sessions(stub)
                await drain(settings_for(group.url, "sk", **settings))
                former = group.masters()[2]
                lost = [one for one in session_ids if group.master_of(key_of(one)) is former]
                others = [one for one in session_ids if one not in lost]
                await lose(group, former, server_directory)

                batch = await stub.BatchGetSessions(pb.BatchGetSessionsRequest(session_ids=session_ids))

                assert list(batch.unread_session_ids) == lost
                assert not batch.missing_session_ids
                for call in (
                    stub.ListSessions(pb.ListSessionsRequest()),
                    stub.GetSession(pb.GetSessionRequest(session_id=lost[0])),
                    stub.CreateSession(two_players(lost[0])),
                ):
                    assert (await refused(call)).reason == "STORE_UNAVAILABLE"
                assert [await switch(stub, one) for one in others] == [3] * len(others)

                done = await warm_command("recover", "--all", cwd=tmp_path, **environment)

                assert done.returncode == 0, done.stderr
                assert "partitions have lost their data" in done.stdout
                assert f"{len(lost)} recovered, {len(others)} were there" in done.stdout
                assert [await switch(stub, one) for one in lost] == [4] * len(lost)
                assert len((await stub.ListSessions(pb.ListSessionsRequest())).sessions) == SESSIONS

                await lose(group, former, server_directory)
                partitions = [part for one in range(64) for part in ("--partition", str(one))]
                done = await warm_command("store", "init", *partitions, cwd=tmp_path, **environment)

                assert done.returncode == 0, done.stderr
                assert (await stub.CreateSession(two_players(lost[0]))).session.version == 1
