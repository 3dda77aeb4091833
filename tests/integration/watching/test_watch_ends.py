"""How streams end: the server goes, the client goes, or it stops reading; nothing is left behind."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import Any

import grpc
import pytest
from google.protobuf.struct_pb2 import Struct
from structlog.testing import capture_logs

from synckairos.application.streams.watching import Watching
from synckairos.composition import session_parts
from synckairos.composition.server import Server
from synckairos.devstack import RedisServer
from synckairos.rpc.server import server_options
from synckairos.settings import Settings
from synckairos.v1 import event_pb2
from synckairos.v1 import session_service_pb2 as pb
from synckairos.v1.session_service_pb2_grpc import SessionServiceStub
from testing.harness.client import Stub, connect, new_id, refused, running_session, watching
from testing.harness.processes.in_process import serving, settings_for
from testing.harness.waiting import eventually
from tests.integration.rpc.good_requests import create, member
from tests.integration.store.key_space import KeySpace


@pytest.fixture
def settings(redis_server: RedisServer) -> Settings:
    """A server's settings: impatient with readers who do not read."""
    return settings_for(redis_server.url, stream_stall_s=0.3)


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> list[Watching]:
    """Every Watching a server makes."""
    made: list[Watching] = []

    def make(*arguments: Any) -> Watching:
        made.append(Watching(*arguments))
        return made[-1]

    monkeypatch.setattr(session_parts, "Watching", make)
    return made


@pytest.fixture
async def server(settings: Settings, made: list[Watching]) -> AsyncIterator[Server]:
    """A server, looked into through `made`."""
    assert not made
    async with serving(settings) as server:
        yield server


async def test_a_server_that_goes_says_so_on_every_stream(settings: Settings) -> None:
    """On drain each stream ends OK with DRAINING and a pause to come back after; its token works on another server."""
    async with (
        serving(settings) as first,
        serving(settings) as second,
        connect(first.address) as stub,
        connect(second.address) as other,
    ):
        sid = (await running_session(stub)).session_id
        one = stub.WatchSession(pb.WatchSessionRequest(session_id=sid, tick_interval_ms=100))
        many = stub.WatchSessions(
            pb.WatchSessionsRequest(watches=[pb.SessionWatch(session_id=each) for each in (sid, new_id())])
        )
        async with watching(one) as single, watching(many) as several:
            await single.until(lambda r: r.messages)
            await several.until(lambda r: len(r.messages) == 2)
            await first.stop()
            await single.until_end()
            await several.until_end()
        await other.SwitchCycle(pb.SwitchCycleRequest(session_id=sid))
        token = single.messages[-1].resume_token
        again = other.WatchSession(pb.WatchSessionRequest(session_id=sid, resume_token=token))
        async with watching(again) as back:
            await back.until(lambda r: 3 in r.versions)

    for recording in (single, several):
        last = recording.messages[-1]
        assert (last.session_id, last.end.reason) == (sid, event_pb2.END_REASON_DRAINING)
        assert 0 < last.end.retry_after_ms <= 10_000
        assert recording.error is None
    assert back.kinds() == ["event"]


async def test_a_connection_grown_old_is_cut_and_the_token_leads_on(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After its age and the grace gRPC cuts a stream off with UNAVAILABLE; a client that comes back misses nothing."""
    young = {"grpc.max_connection_age_ms": 300, "grpc.max_connection_age_grace_ms": 100}

    def short_lived(**options: Any) -> Sequence[tuple[str, int]]:
        return tuple((dict(server_options(**options)) | young).items())

    monkeypatch.setattr("synckairos.rpc.server.server_options", short_lived)
    async with serving(settings) as server, connect(server.address) as stub:
        sid = (await running_session(stub)).session_id
        async with watching(stub.WatchSession(pb.WatchSessionRequest(session_id=sid))) as old:
            await old.until_end()
        await stub.SwitchCycle(pb.SwitchCycleRequest(session_id=sid))
        token = old.messages[-1].resume_token
        again = stub.WatchSession(pb.WatchSessionRequest(session_id=sid, resume_token=token))
        async with watching(again) as back:
            await back.until(lambda r: r.versions == [3])

    assert old.kinds() == ["snapshot"]
    assert old.error is not None
    assert old.error.code() is grpc.StatusCode.UNAVAILABLE


def beating() -> list[str]:
    """Return the tasks of streams still running on this loop."""
    names = [getattr(task.get_coro(), "__qualname__", "") for task in asyncio.all_tasks()]
    return [name for name in names if name.startswith(("Watching._", "Beats._", "WatchServicer."))]


@pytest.mark.parametrize("how", ["cancel", "deadline", "hang up"])
async def test_readers_who_leave_leave_nothing(
    server: Server, settings: Settings, made: list[Watching], redis_server: RedisServer, how: str
) -> None:
    """However forty readers of ten sessions leave, no topic, timer, task or Redis subscription stays."""
    async with connect(server.address) as stub, KeySpace(redis_server.url, settings.redis_prefix) as key_space:
        ids = [
            (await running_session(stub, create("global", warning_thresholds_ms=[30_000]))).session_id
            for _ in range(10)
        ]
        channel = grpc.aio.insecure_channel(server.address)
        leaving: Stub = SessionServiceStub(channel)
        intervals = {"tick_interval_ms": 60_000, "progress_interval_ms": 3_600_000}
        timeout = 2.0 if how == "deadline" else None
        calls = [
            leaving.WatchSession(pb.WatchSessionRequest(session_id=sid, **intervals), timeout=timeout)
            for sid in ids for _ in range(3)
        ]  # fmt: skip
        watches = [pb.SessionWatch(session_id=sid) for sid in ids]
        calls += [
            leaving.WatchSessions(pb.WatchSessionsRequest(watches=watches, **intervals), timeout=timeout)
            for _ in range(10)
        ]
        await asyncio.gather(*(call.read() for call in calls))
        assert len(await key_space.channels()) == 10
        (inside,) = made
        assert inside._open == 130

        if how == "cancel":
            for call in calls:
                call.cancel()
        elif how == "hang up":
            await channel.close()
        await eventually(lambda: not inside._open and not beating(), seconds=5)

        assert not inside._topics
        assert not inside._beats._metronomes
        assert not any(inside._beats._followers.values())
        async with asyncio.timeout(5):
            while await key_space.channels():
                continue
        await channel.close()


async def test_hanging_up_amid_a_flood_is_no_error(
    server: Server, made: list[Watching], caplog: pytest.LogCaptureFixture
) -> None:
    """Readers whose connection goes while events are being written are no reason to log anything."""
    with capture_logs() as logs:
        async with connect(server.address) as stub:
            sid = (await running_session(stub)).session_id
            for _ in range(5):
                channel = grpc.aio.insecure_channel(server.address)
                leaving: Stub = SessionServiceStub(channel)
                calls = [leaving.WatchSession(pb.WatchSessionRequest(session_id=sid)) for _ in range(20)]
                await asyncio.gather(*(call.read() for call in calls))
                switching = [stub.SwitchCycle(pb.SwitchCycleRequest(session_id=sid)) for _ in range(20)]
                await calls[0].read()
                await channel.close()
                await asyncio.gather(*switching)
            await eventually(lambda: not made[0]._open and not beating(), seconds=5)

    assert not [line for line in logs if line["log_level"] not in ("debug", "info")]
    assert not caplog.records


async def test_streams_that_end_leave_nothing(server: Server, made: list[Watching]) -> None:
    """Ends from the server's side, and refusals, clean up as well."""
    async with connect(server.address) as stub:
        for name in ("CompleteSession", "DeleteSession"):
            sid = (await running_session(stub)).session_id
            async with watching(
                stub.WatchSession(pb.WatchSessionRequest(session_id=sid, tick_interval_ms=100))
            ) as recording:
                await recording.until(lambda r: r.messages)
                await getattr(stub, name)(getattr(pb, f"{name}Request")(session_id=sid))
                await recording.until_end()
        await refused(stub.WatchSession(pb.WatchSessionRequest(session_id=new_id())).read())
        await eventually(lambda: not made[0]._open and not beating(), seconds=5)

    assert not made[0]._topics


async def _drained(call: Any) -> None:
    while await call.read() is not grpc.aio.EOF:
        continue


async def test_a_reader_who_takes_not_even_the_first_message_is_dropped(server: Server, made: list[Watching]) -> None:
    """A snapshot larger than the connection's window is never read: the stream is ended all the same."""
    data = Struct()
    data["text"] = "x" * 990
    request = create("global", participants=[member(new_id(), metadata=data) for _ in range(225)])
    async with connect(server.address) as stub, connect(server.address, ("grpc.http2.bdp_probe", 0)) as slow_stub:
        sid = (await running_session(stub, request)).session_id
        slow = slow_stub.WatchSession(pb.WatchSessionRequest(session_id=sid))
        await slow.wait_for_connection()
        await eventually(lambda: made[0]._open == 1, seconds=5)
        await eventually(lambda: made[0]._open == 0, seconds=5)
        problem = await refused(_drained(slow))

    assert (problem.code, problem.reason) == (grpc.StatusCode.RESOURCE_EXHAUSTED, "SLOW_CONSUMER")
