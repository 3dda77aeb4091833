"""Redis goes away, freezes, comes back, or loses everything."""

import asyncio
import time
from collections.abc import Sequence
from pathlib import Path

import pytest
from redis.asyncio import Redis

from synckairos.devstack import RedisServer
from synckairos.v1 import session_service_pb2 as pb
from testing.harness.client import (
    Problem,
    Recording,
    Stub,
    connect,
    new_id,
    refused,
    running_session,
    two_players,
    watching,
)
from testing.harness.processes.commands import synckairos
from testing.harness.processes.server_process import ServerProcess
from tests.e2e.conftest import StartServers

CALLS = 20
DELAY_S = 0.5
MARGIN_S = 3.0


async def refused_calls(stub: Stub, session_id: str) -> tuple[list[Problem], float]:
    """Make reads and writes at once, all of which must fail; return their errors and the seconds the last took."""
    started = time.monotonic()
    calls = [stub.GetSession(pb.GetSessionRequest(session_id=session_id)) for _ in range(CALLS)]
    calls += [stub.SwitchCycle(pb.SwitchCycleRequest(session_id=session_id)) for _ in range(CALLS)]
    calls += [stub.CreateSession(two_players()), stub.ListSessions(pb.ListSessionsRequest())]
    problems = await asyncio.gather(*map(refused, calls))
    return problems, time.monotonic() - started


async def until_answered(stub: Stub, session_id: str, seconds: float = 10) -> None:
    """Wait until a read is answered again."""
    async with asyncio.timeout(seconds):
        while True:
            try:
                await stub.GetSession(pb.GetSessionRequest(session_id=session_id))
            except Exception:
                await asyncio.sleep(0.05)  # the wait on a condition with a deadline
            else:
                return


async def refused_streams(stub: Stub, session_ids: Sequence[str]) -> tuple[list[Problem], float]:
    """Watch one session, and all of them in one stream; both must fail. Return the errors and the seconds it took."""
    started = time.monotonic()
    watches = [pb.SessionWatch(session_id=session_id) for session_id in session_ids]
    calls = (
        stub.WatchSession(pb.WatchSessionRequest(session_id=session_ids[0])),
        stub.WatchSessions(pb.WatchSessionsRequest(watches=watches)),
    )
    return await asyncio.gather(*(refused(call.read()) for call in calls)), time.monotonic() - started


@pytest.mark.parametrize("how", ["stopped", "frozen"])
async def test_calls_fail_fast_while_redis_is_away_and_streams_outlive_it(
    own_redis: RedisServer, start_servers: StartServers, how: str
) -> None:
    """Calls and new streams, of one session or of 300: UNAVAILABLE within 2 s. The open stream recovers by itself."""
    (server,) = start_servers(own_redis.url, 1)
    async with connect(server.address) as stub:
        session_ids = [(await running_session(stub)).session_id for _ in range(20)]
        first, unknown = session_ids[0], [new_id() for _ in range(280)]
        watch = pb.WatchSessionRequest(session_id=first, tick_interval_ms=500)
        async with watching(stub.WatchSession(watch)) as seen:
            await seen.until(lambda stream: stream.of("snapshot"))

            own_redis.stop() if how == "stopped" else own_redis.pause()
            (problems, calls_s), (new, new_s) = await asyncio.gather(
                refused_calls(stub, first), refused_streams(stub, session_ids + unknown)
            )
            await asyncio.to_thread(server.await_answer, "NOT_SERVING", 5)
            later, later_s = await refused_streams(stub, session_ids + unknown)
            own_redis.start() if how == "stopped" else own_redis.resume()
            await asyncio.to_thread(server.await_answer, "SERVING", 5)
            await until_answered(stub, first)
            switched = await stub.SwitchCycle(pb.SwitchCycleRequest(session_id=first))
            await seen.until(lambda stream: stream.versions[-1:] == [switched.session.version])
        watches = [pb.SessionWatch(session_id=one) for one in session_ids + unknown]
        recording = await until_watched(stub, pb.WatchSessionsRequest(watches=watches))

    assert {problem.code.name for problem in (*problems, *new, *later)} == {"UNAVAILABLE"}
    assert {problem.reason for problem in problems} <= {"STORE_UNAVAILABLE", "OUTCOME_UNKNOWN"}
    assert {problem.reason for problem in (*new, *later)} == {"STORE_UNAVAILABLE"}
    assert all(problem.retry_after_s for problem in (*problems, *new, *later))
    assert max(calls_s, new_s, later_s) < 2.0
    assert seen.error is None
    assert recording.kinds().count("snapshot") == 20


async def until_watched(stub: Stub, request: pb.WatchSessionsRequest, seconds: float = 10) -> Recording:
    """Ask for a stream until it is given, and return it once it has a message about every session."""
    async with asyncio.timeout(seconds):
        while True:
            async with watching(stub.WatchSessions(request)) as recording:
                await recording.until(lambda r: r.ended or len(r.messages) == len(request.watches))
                if not recording.ended:
                    return recording


async def test_a_lost_store_never_looks_like_no_such_session(
    own_redis: RedisServer, start_servers: StartServers, tmp_path: Path
) -> None:
    """FLUSHALL under a running server: STORE_UNAVAILABLE for every call, until an operator accepts the loss."""
    (server,) = start_servers(own_redis.url, 1)
    async with connect(server.address) as stub:
        session = await running_session(stub)
        await redis_command(own_redis, "FLUSHALL")

        problems, _ = await refused_calls(stub, session.session_id)
        await asyncio.to_thread(server.await_answer, "NOT_SERVING", 5)
        later, _ = await refused_calls(stub, session.session_id)
        done = await synckairos("store", "init", redis_url=own_redis.url, cwd=tmp_path)
        await asyncio.to_thread(server.await_answer, "SERVING", 5)
        after = await refused(stub.GetSession(pb.GetSessionRequest(session_id=session.session_id)))
        created = await stub.CreateSession(two_players())

    assert {problem.reason for problem in [*problems, *later]} == {"STORE_UNAVAILABLE"}
    assert done.returncode == 0, done.stderr
    assert after.reason == "SESSION_NOT_FOUND"
    assert created.session.version == 1


async def test_a_server_started_before_redis_serves_once_redis_is_there(own_redis: RedisServer, tmp_path: Path) -> None:
    """Start order does not matter: NOT_SERVING first, SERVING as soon as the store answers."""
    own_redis.stop()
    with ServerProcess(own_redis.url, tmp_path / "early.log") as server:
        before = server.health()
        own_redis.start()
        after = await asyncio.to_thread(server.await_answer, "SERVING", 10)

    assert (before, after) == ("NOT_SERVING", "SERVING")


async def redis_command(redis: RedisServer, *command: str) -> None:
    """Send Redis one command."""
    async with Redis.from_url(redis.url) as client:
        await client.execute_command(*command)


async def test_a_server_that_is_stopped_tells_its_streams_and_exits_cleanly(
    own_redis: RedisServer, start_servers: StartServers
) -> None:
    """SIGTERM: `end{DRAINING}` with a pause, exit code 0 long before the grace is over; resume elsewhere works."""
    leaving, staying = start_servers(own_redis.url, 2, drain_delay_s=str(DELAY_S), drain_grace_s="10")
    async with connect(leaving.address) as old, connect(staying.address) as new:
        session = await running_session(old)
        async with watching(old.WatchSession(pb.WatchSessionRequest(session_id=session.session_id))) as seen:
            await seen.until(lambda stream: stream.of("snapshot"))
            began = time.monotonic()
            stopping = asyncio.create_task(asyncio.to_thread(leaving.stop))
            await seen.until_end()
            switched = await new.SwitchCycle(pb.SwitchCycleRequest(session_id=session.session_id))
            exit_code, took = await stopping, time.monotonic() - began
            token = seen.messages[-1].resume_token
            resumed = pb.WatchSessionRequest(session_id=session.session_id, resume_token=token)
            async with watching(new.WatchSession(resumed)) as again:
                await again.until(lambda stream: stream.versions == [switched.session.version])

    assert seen.messages[-1].end.reason == 3
    assert seen.messages[-1].end.retry_after_ms > 0
    assert again.kinds()[0] == "event"
    assert exit_code == 0
    assert took < DELAY_S + MARGIN_S


async def test_two_servers_never_share_a_port_silently(
    own_redis: RedisServer, start_servers: StartServers, tmp_path: Path
) -> None:
    """A second server on a taken address ends with a message naming it."""
    (server,) = start_servers(own_redis.url, 1)

    second = await synckairos("serve", "--listen", server.address, redis_url=own_redis.url, cwd=tmp_path)

    assert second.returncode == 1
    assert server.address in second.stderr


async def test_wrong_settings_are_all_named_at_once(tmp_path: Path) -> None:
    """Every wrong setting is reported by its variable, and no value of a URL is shown."""
    wrong = {"SYNCKAIROS_LISTEN": "nowhere", "SYNCKAIROS_EVENT_WINDOW": "0", "SYNCKAIROS_LOG_LEVEL": "loud"}

    done = await synckairos("serve", redis_url="http://user:hunter2@nowhere", cwd=tmp_path, **wrong)

    assert done.returncode == 1
    for name in (*wrong, "SYNCKAIROS_REDIS_URL"):
        assert name in done.stderr
    assert "hunter2" not in done.stderr


async def test_unknown_session_and_unknown_server_are_told_plainly(own_redis: RedisServer, tmp_path: Path) -> None:
    """`inspect` and `health` fail with a sentence, not with a traceback."""
    inspected = await synckairos("inspect", new_id(), redis_url=own_redis.url, cwd=tmp_path)
    health = await synckairos("health", "127.0.0.1:1", redis_url=own_redis.url, cwd=tmp_path)

    assert (inspected.returncode, health.returncode) == (1, 1)
    assert "no session" in inspected.stderr
    assert health.stdout.strip() == "UNREACHABLE"
    assert "Traceback" not in inspected.stderr + health.stderr
