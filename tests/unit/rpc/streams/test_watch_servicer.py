"""SessionService's streams on ports in memory, through grpcio-testing."""

import asyncio
from typing import Any

import grpc
import pytest

from synckairos.application.errors import StoreUnavailable
from synckairos.rpc.streams.watch_servicer import JOIN_AT_ONCE, WatchServicer
from synckairos.v1 import session_pb2
from synckairos.v1 import session_service_pb2 as pb
from testing.harness.client import new_id
from tests.unit.rpc.calls import SID, created, mutation
from tests.unit.rpc.grpc_testing_adapter import Loop, TestServer
from tests.unit.rpc.use_cases import UseCases


def watch(server: TestServer, **more: Any) -> Any:
    """Open a stream on the one session."""
    return server.stream("WatchSession", pb.WatchSessionRequest(**{"session_id": SID, **more}))


def take(rpc: Any, count: int) -> list[tuple[str, int]]:
    """Return the kind and the version of the next messages."""
    messages = [rpc.take_response() for _ in range(count)]
    return [(message.WhichOneof("payload"), message.version) for message in messages]


def test_a_stream_is_a_snapshot_the_events_and_an_end(server: TestServer, use_cases: UseCases) -> None:
    """Changes arrive in order, and the stream ends by itself, OK, with no subscription left."""
    created(server)
    rpc = watch(server)
    assert take(rpc, 1) == [("snapshot", 1)]

    for name in ("StartSession", "SwitchCycle", "CompleteSession"):
        server.call(name, mutation(name))

    assert take(rpc, 4) == [("event", 2), ("event", 3), ("event", 4), ("end", 4)]
    assert server.end_of(rpc).code is grpc.StatusCode.OK
    assert not use_cases.subscribed
    assert use_cases.observed.open == 0


def test_a_reader_who_leaves_is_forgotten(server: TestServer, use_cases: UseCases, loop: Loop) -> None:
    """A cancelled stream lets go of its session."""
    created(server)
    rpc = watch(server)
    take(rpc, 1)

    rpc.cancel()

    use_cases.observed.until_nobody_watches()
    loop.run(asyncio.sleep(0))  # the loop's turn in which the last one left is over
    assert not use_cases.subscribed


@pytest.mark.parametrize("name", ["WatchSession", "WatchSessions"])
def test_a_stream_on_a_store_that_is_down_is_refused(server: TestServer, use_cases: UseCases, name: str) -> None:
    """Nothing is streamed and the error is the store's, with a pause to come back after."""
    use_cases.data.failure = StoreUnavailable("down")
    requests = {
        "WatchSession": pb.WatchSessionRequest(session_id=SID),
        "WatchSessions": pb.WatchSessionsRequest(watches=[pb.SessionWatch(session_id=SID)]),
    }

    finished = server.end_of(server.stream(name, requests[name]))

    assert finished.problem is not None
    assert (finished.problem.reason, finished.problem.retry_after_s) == ("STORE_UNAVAILABLE", 0.5)
    assert not use_cases.subscribed
    assert use_cases.observed.calls == [(name, "UNAVAILABLE", "STORE_UNAVAILABLE")]


def test_an_unknown_session_is_not_found(server: TestServer, use_cases: UseCases) -> None:
    """WatchSession of nothing is an error, and leaves nothing behind."""
    problem = server.end_of(watch(server)).problem

    assert problem is not None
    assert (problem.code, problem.reason) == (grpc.StatusCode.NOT_FOUND, "SESSION_NOT_FOUND")
    assert not use_cases.subscribed


def test_the_first_failure_of_the_store_ends_the_attempt(
    server: TestServer, use_cases: UseCases, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of a thousand sessions hardly one more is tried, and joined ones are left: timeouts do not add up."""
    asked: list[str] = []
    subscribed, failing = use_cases.feed.subscribe, new_id()

    async def subscribe(session_id: str) -> None:
        asked.append(session_id)
        if session_id == SID:
            await subscribed(session_id)
        elif session_id == failing:
            for _ in range(50):
                await asyncio.sleep(0)  # turns of the loop in which SID is joined
            raise StoreUnavailable("frozen")
        else:
            await asyncio.Event().wait()

    created(server)
    monkeypatch.setattr(use_cases.feed, "subscribe", subscribe)
    watches = [pb.SessionWatch(session_id=one) for one in (SID, failing, *(new_id() for _ in range(998)))]

    finished = server.end_of(server.stream("WatchSessions", pb.WatchSessionsRequest(watches=watches)))

    assert finished.problem is not None
    assert (finished.problem.reason, finished.problem.retry_after_s) == ("STORE_UNAVAILABLE", 0.5)
    assert len(asked) <= JOIN_AT_ONCE + 2  # the place of SID, and that of the failed one, are free again
    assert not use_cases.watching._topics
    assert use_cases.observed.open == 0


def test_a_draining_server_takes_no_new_streams(server: TestServer, use_cases: UseCases, loop: Loop) -> None:
    """Once drained, a stream is refused with DRAINING and RetryInfo instead of being opened only to be closed."""
    created(server)
    servicer = WatchServicer(use_cases.watching, stall_s=5.0)
    servicer.drain()

    async def attempt() -> Any:
        context: Any = None
        await servicer.WatchSession(pb.WatchSessionRequest(session_id=SID), context)

    with pytest.raises(Exception, match="shutting down") as refused:
        loop.run(attempt())

    assert getattr(refused.value, "reason", "") == "DRAINING"
    assert not use_cases.subscribed


def test_a_reader_who_stops_reading_is_dropped(server: TestServer, use_cases: UseCases, loop: Loop) -> None:
    """A write not taken within the limit ends the stream with SLOW_CONSUMER and leaves its sessions."""
    created(server)
    servicer = WatchServicer(use_cases.watching, stall_s=0.01)

    class Stuck:
        async def send_initial_metadata(self, _metadata: Any) -> None:
            pass

        async def write(self, _message: bytes) -> None:
            await asyncio.Event().wait()

    async def attempt() -> Any:
        context: Any = Stuck()
        await servicer.WatchSession(pb.WatchSessionRequest(session_id=SID), context)

    with pytest.raises(Exception, match="nothing was read") as refused:
        loop.run(attempt())

    assert getattr(refused.value, "reason", "") == "SLOW_CONSUMER"
    assert not use_cases.subscribed


@pytest.mark.parametrize(
    ("fields", "path"),
    [
        pytest.param({"session_id": ""}, "session_id", id="no session"),
        pytest.param({"session_id": "x"}, "session_id", id="no UUID"),
        pytest.param({"tick_interval_ms": 99}, "tick_interval_ms", id="ticks too fast"),
        pytest.param({"tick_interval_ms": 60_001}, "tick_interval_ms", id="ticks too slow"),
        pytest.param({"tick_interval_ms": -1}, "tick_interval_ms", id="ticks backwards"),
        pytest.param({"progress_interval_ms": 99}, "progress_interval_ms", id="progress too fast"),
        pytest.param({"progress_interval_ms": 3_600_001}, "progress_interval_ms", id="progress too slow"),
        pytest.param({"resume_token": "x"}, "resume_token", id="no token"),
    ],
)
def test_a_stream_with_a_wrong_field_is_refused(server: TestServer, fields: dict[str, Any], path: str) -> None:
    """A wrong field is refused by its path before anything is looked up; in WatchSessions by its place, too."""
    many = {key: value for key, value in fields.items() if key.endswith("interval_ms")}
    watched = {"session_id": SID, **{key: value for key, value in fields.items() if key not in many}}
    request = pb.WatchSessionsRequest(
        watches=[pb.SessionWatch(session_id=new_id()), pb.SessionWatch(**watched)], **many
    )

    one = server.end_of(watch(server, **fields)).problem
    all_ = server.end_of(server.stream("WatchSessions", request)).problem

    assert one is not None
    assert all_ is not None
    assert list(one.fields) == [path]
    assert list(all_.fields) == [path if many else f"watches[1].{path}"]


@pytest.mark.parametrize("interval", [0, 100, 60_000], ids=["none", "least", "most"])
def test_the_limits_of_an_interval_are_accepted(server: TestServer, interval: int) -> None:
    """0 means none; the least and the greatest distance of ticks are fine."""
    created(server)
    rpc = watch(server, tick_interval_ms=interval, progress_interval_ms=interval)

    assert take(rpc, 1) == [("snapshot", 1)]
    server.call("CancelSession", mutation("CancelSession"))
    assert server.end_of(rpc).code is grpc.StatusCode.OK


def test_a_snapshot_is_the_session_as_of_now(server: TestServer, use_cases: UseCases) -> None:
    """The first message shows the clock at its server_time, not at the session's last version."""
    created(server, "StartSession")
    use_cases.clock.advance(9_000)
    rpc = watch(server)

    message = rpc.take_response()

    assert message.snapshot.participants[0].time_remaining_ms == 51_000
    assert message.server_time.ToMilliseconds() == use_cases.clock.ms
    assert message.snapshot.status == session_pb2.STATUS_RUNNING
    server.call("CancelSession", mutation("CancelSession"))
    server.end_of(rpc)
