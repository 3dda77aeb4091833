"""A server with streams goes: everybody is told at once, and it is gone as soon as all have heard, or by its grace."""

import asyncio
import time
from collections.abc import Callable
from contextlib import AsyncExitStack
from typing import Final

import grpc
from google.protobuf.struct_pb2 import Struct

from synckairos.devstack import RedisServer
from synckairos.v1 import event_pb2
from synckairos.v1 import session_service_pb2 as pb
from testing.harness.client import Stub, connect, running_session, two_players, watching
from tests.e2e.conftest import StartServers

STREAMS: Final = 1_000
CONNECTIONS: Final = 10
DELAY_S: Final = 0.5
GRACE_S: Final = 10.0
MARGIN_S: Final = 3.0
"""For a thousand ends, for closing everything, and for a machine that does other things as well."""
NARROW: Final = (("grpc.http2.lookahead_bytes", 65_535), ("grpc.http2.bdp_probe", 0))


async def stalled_stream(stub: Stub, narrow: Stub) -> grpc.aio.UnaryStreamCall:
    """Return a stream that is never read and has so much waiting that the server's write is stuck."""
    metadata = Struct()
    metadata["text"] = "x" * 9_000
    session = await running_session(stub, two_players(metadata=metadata))
    call: grpc.aio.UnaryStreamCall = narrow.WatchSession(pb.WatchSessionRequest(session_id=session.session_id))
    await call.read()
    for _ in range(60):
        await stub.SwitchCycle(pb.SwitchCycleRequest(session_id=session.session_id))
    return call


async def test_a_thousand_streams_and_a_stalled_one_are_ended_within_the_grace(
    own_redis: RedisServer, start_servers: StartServers, measured: Callable[[str], None]
) -> None:
    """SIGTERM: every reader hears DRAINING with a pause of its own; one that hears nothing keeps no other waiting."""
    (server,) = start_servers(
        own_redis.url, 1, drain_delay_s=str(DELAY_S), drain_grace_s=str(GRACE_S), stream_stall_s="60"
    )
    async with AsyncExitStack() as stack:
        stubs = [await stack.enter_async_context(connect(server.address)) for _ in range(CONNECTIONS)]
        narrow = await stack.enter_async_context(connect(server.address, *NARROW))
        sessions = [(await running_session(stubs[0])).session_id for _ in range(CONNECTIONS)]
        stalled = await stalled_stream(stubs[0], narrow)
        readers = []
        for place in range(STREAMS):
            request = pb.WatchSessionRequest(session_id=sessions[place % 10], tick_interval_ms=1_000)
            call = stubs[place % CONNECTIONS].WatchSession(request)
            readers.append(await stack.enter_async_context(watching(call)))
        for reader in readers:
            await reader.until(lambda r: r.of("snapshot"), seconds=30)

        began = time.monotonic()
        stopping = asyncio.create_task(asyncio.to_thread(server.stop, DELAY_S + GRACE_S + 10))
        for reader in readers:
            await reader.until_end()
        heard = time.monotonic() - began
        exit_code = await stopping
        took = time.monotonic() - began
        stalled.cancel()

    ends = [reader.messages[-1].end for reader in readers]
    pauses = [end.retry_after_ms for end in ends]
    measured(
        f"drain with {STREAMS:,} streams and a stalled reader: all ended {heard:.1f} s after SIGTERM,"
        f" exit {took:.1f} s, grace {GRACE_S} s"
    )
    assert exit_code == 0
    assert heard < DELAY_S + MARGIN_S
    assert took < DELAY_S + GRACE_S + MARGIN_S
    assert {end.reason for end in ends} == {event_pb2.END_REASON_DRAINING}
    assert {reader.error for reader in readers} == {None}
    assert all(0 < pause <= 2_000 for pause in pauses)
    assert len(set(pauses)) > STREAMS / 4, "they would all come back at once"
