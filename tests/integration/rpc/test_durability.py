"""Durability as callers see it: what they ask for, what every reply says, and what is refused."""

import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest
import redis

from synckairos.adapters.redis.durability import TOO_SOON_S, DurabilityLackingError
from synckairos.devstack import RedisServer
from synckairos.v1 import session_pb2
from synckairos.v1 import session_service_pb2 as pb
from testing.harness.client import Stub, connect, new_id, refused, running_session, two_players
from testing.harness.command_client import driving, refusal_of
from testing.harness.processes.in_process import serving, settings_for
from testing.harness.processes.replica_pair import ReplicaPair
from testing.harness.processes.synced_log import SYNCED, has_waitaof
from testing.harness.waiting import eventually

MEMORY, FSYNC, REPLICAS = session_pb2.DURABILITY_MEMORY, session_pb2.DURABILITY_FSYNC, session_pb2.DURABILITY_REPLICAS


@pytest.fixture
def pair(server_directory: Path) -> Iterator[ReplicaPair]:
    """A primary with a replica."""
    with ReplicaPair(server_directory) as pair:
        yield pair


@pytest.fixture
async def synced_stub(newest_redis: type[RedisServer], server_directory: Path) -> AsyncIterator[Stub]:
    """A client of a server whose Redis syncs its log with every write."""
    with newest_redis(server_directory / "synced", extra_args=SYNCED) as redis_server:
        async with serving(settings_for(redis_server.url)) as server, connect(server.address) as stub:
            yield stub


@pytest.fixture
async def stub(redis_server: RedisServer) -> AsyncIterator[Stub]:
    """A client of a server as it is by default."""
    async with serving(settings_for(redis_server.url)) as server, connect(server.address) as stub:
        yield stub


async def test_every_reply_to_a_change_says_what_was_reached(stub: Stub) -> None:
    """By default memory; a read says nothing, and neither does the session of its own wishes."""
    created = await stub.CreateSession(two_players())
    sid = created.session.session_id
    started = await stub.StartSession(pb.StartSessionRequest(session_id=sid))
    deleted = await stub.DeleteSession(pb.DeleteSessionRequest(session_id=new_id(), allow_missing=True))
    async with driving(stub) as drive:
        read = await drive.ask("read", pb.GetSessionRequest(session_id=sid))
        changed = await drive.ask("change", pb.SwitchCycleRequest(session_id=sid))

    told = [(reply.durability, reply.replicas) for reply in (created, started, deleted, changed.result)]
    assert told == [(MEMORY, 0)] * 4
    assert read.result.durability == session_pb2.DURABILITY_UNSPECIFIED
    assert started.session.durability == session_pb2.DURABILITY_UNSPECIFIED


async def test_a_session_keeps_what_it_asked_for(synced_stub: Stub) -> None:
    """In every view of it; calls and commands of it wait for that."""
    session = await running_session(synced_stub, two_players(durability=FSYNC))
    paused = await synced_stub.PauseSession(pb.PauseSessionRequest(session_id=session.session_id))
    async with driving(synced_stub) as drive:
        resumed = await drive.ask("1", pb.ResumeSessionRequest(session_id=session.session_id))
    found = await synced_stub.GetSession(pb.GetSessionRequest(session_id=session.session_id))

    assert found.session.durability == FSYNC
    assert (paused.durability, resumed.result.durability) == (FSYNC, FSYNC)


@pytest.mark.parametrize(
    ("asked", "field"),
    [
        ({"durability": 9}, "durability"),
        ({"durability": REPLICAS}, "durability_replicas"),
        ({"durability": REPLICAS, "durability_replicas": 17}, "durability_replicas"),
        ({"durability": FSYNC, "durability_replicas": 1}, "durability_replicas"),
        ({"durability_replicas": 1}, "durability_replicas"),
    ],
    ids=str,
)
async def test_a_durability_that_means_nothing_is_refused(asked: dict[str, Any], field: str, stub: Stub) -> None:
    """By the name of its field."""
    problem = await refused(stub.CreateSession(two_players(**asked)))

    assert (problem.code, problem.reason) == (grpc.StatusCode.INVALID_ARGUMENT, "INVALID_FIELD")
    assert set(problem.fields) == {field}


@pytest.mark.usefixtures("newest_redis")
async def test_a_store_without_a_log_refuses_the_disk(own_redis: RedisServer) -> None:
    """At a session's creation, which changes nothing, and at the start of a server that would hold all to it."""
    with redis.Redis.from_url(own_redis.url) as client:
        client.config_set("appendonly", "no")
    async with serving(settings_for(own_redis.url)) as server, connect(server.address) as stub:
        request = two_players(durability=FSYNC)
        problem = await refused(stub.CreateSession(request))
        missing = await refused(stub.GetSession(pb.GetSessionRequest(session_id=request.session_id)))

    with pytest.raises(DurabilityLackingError, match="appendonly is no"):
        async with serving(settings_for(own_redis.url, durability="fsync")):
            pass
    assert problem.reason == "INVALID_FIELD"
    assert "appendonly is no" in problem.fields["durability"]
    assert missing.reason == "SESSION_NOT_FOUND"


@pytest.mark.parametrize("command", ["waitaof", "config"])
async def test_a_store_that_cannot_tell_refuses_the_disk(command: str, own_redis: RedisServer) -> None:
    """Without the right to ask as without the command, which Redis before 7.2 does not know."""
    with redis.Redis.from_url(own_redis.url) as client:
        taken = [f"-{command}"] if has_waitaof(own_redis) else []
        client.acl_setuser(
            "default", enabled=True, nopass=True, keys=["*"], channels=["*"], categories=["+@all"], commands=taken
        )

    with pytest.raises(DurabilityLackingError, match="FSYNC cannot be had"):
        async with serving(settings_for(own_redis.url, durability="fsync")):
            pass


@pytest.mark.usefixtures("newest_redis")
async def test_a_store_that_answers_before_its_sync_refuses_the_disk(own_redis: RedisServer) -> None:
    """With everysec: what it says is held against how soon it says it."""
    began = time.monotonic()
    with redis.Redis.from_url(own_redis.url) as client:
        for _ in range(2):
            client.pipeline(transaction=True).set("a", 1).execute()
            began = time.monotonic()
            client.pipeline(transaction=False).set("a", 2).execute_command("WAITAOF", 1, 0, 5_000).execute()
    is_truthful = time.monotonic() - began >= TOO_SOON_S

    if is_truthful:
        async with serving(settings_for(own_redis.url, durability="fsync")) as server:
            assert server.port
    else:
        with pytest.raises(DurabilityLackingError, match="before its log is synced"):
            async with serving(settings_for(own_redis.url, durability="fsync")):
                pass


async def test_a_server_holds_all_changes_to_the_disk(newest_redis: type[RedisServer], server_directory: Path) -> None:
    """Where the log is synced with every write."""
    with newest_redis(server_directory / "synced", extra_args=SYNCED) as store:
        async with serving(settings_for(store.url, durability="fsync")) as server, connect(server.address) as stub:
            reply = await stub.CreateSession(two_players())

    assert reply.durability == FSYNC


async def test_a_retry_after_the_replica_is_back_is_answered(pair: ReplicaPair) -> None:
    """OUTCOME_UNKNOWN with RetryInfo as long as it is away, also to the retry; then OK, replayed, and durable."""
    settings = settings_for(pair.primary.url, durability="replicas:1", durability_timeout_ms=2_500)
    async with serving(settings) as server, connect(server.address) as stub:
        session = await running_session(stub)
        pair.replica.pause()
        request = pb.SwitchCycleRequest(session_id=session.session_id, request_id=new_id())
        first, again = await refused(stub.SwitchCycle(request)), await refused(stub.SwitchCycle(request))
        async with driving(stub) as drive:
            command = await drive.ask("1", pb.PauseSessionRequest(session_id=session.session_id))
        pair.replica.resume()
        answered = await stub.SwitchCycle(request)
        found = await stub.GetSession(pb.GetSessionRequest(session_id=session.session_id))

        assert [problem.reason for problem in (first, again)] == ["OUTCOME_UNKNOWN"] * 2
        assert first.retry_after_s is not None
        assert refusal_of(command).reason == "OUTCOME_UNKNOWN"
        assert (answered.replayed, answered.durability, answered.replicas) == (True, REPLICAS, 1)
        assert found.session.version == session.version + 2
        registry = server._metrics.registry
        await eventually(lambda: registry.get_sample_value("synckairos_store_durability_unmet_total") == 3)
