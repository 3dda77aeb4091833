"""Strangers who open calls and never finish them: a connection holds a thousand, and the calls of others go on."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Final

from synckairos.devstack import RedisServer
from synckairos.rpc.server import MAX_STREAMS
from synckairos.v1 import session_service_pb2 as pb
from testing.harness.client import connect, running_session
from testing.harness.http2 import (
    ACK,
    CALL,
    CONTINUATION,
    END_HEADERS,
    HEADERS,
    PREFACE,
    REFUSED_STREAM,
    RST_STREAM,
    SETTINGS,
    frame,
    literal,
)
from testing.harness.processes.in_process import serving, settings_for

BEYOND: Final = 2_000


@contextlib.asynccontextmanager
async def dialled(address: str) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """Connect by bare TCP, and say what HTTP/2 wants said first."""
    reader, writer = await asyncio.open_connection(*address.rsplit(":", 1))
    writer.write(PREFACE + frame(SETTINGS, 0, 0))
    head = await reader.readexactly(9)
    await reader.readexactly(int.from_bytes(head[:3], "big"))
    writer.write(frame(SETTINGS, ACK, 0))  # only then does gRPC hold the peer to the server's limits
    try:
        yield reader, writer
    finally:
        writer.transport.abort()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()


async def refusals(reader: asyncio.StreamReader, count: int) -> int:
    """Read until so many streams have been reset as refused, and return their number."""
    refused = 0
    while refused < count:
        head = await reader.readexactly(9)
        payload = await reader.readexactly(int.from_bytes(head[:3], "big"))
        refused += head[3] == RST_STREAM and int.from_bytes(payload, "big") == REFUSED_STREAM
    return refused


async def test_calls_without_a_body_are_held_to_a_thousand_a_connection(redis_server: RedisServer) -> None:
    """The others are refused before they take memory; another connection's calls are answered."""
    async with serving(settings_for(redis_server.url)) as server, connect(server.address) as stub:
        session = await running_session(stub)
        async with dialled(server.address) as (reader, writer), asyncio.timeout(20):
            for number in range(MAX_STREAMS + BEYOND):
                writer.write(frame(HEADERS, END_HEADERS, 2 * number + 1, CALL))
            refused = await refusals(reader, BEYOND)
            answer = await stub.GetSession(pb.GetSessionRequest(session_id=session.session_id), timeout=5)

    assert refused == BEYOND
    assert answer.session.session_id == session.session_id


async def test_a_flood_of_continuations_stops_nobody(redis_server: RedisServer) -> None:
    """gRPC reads on and keeps nothing: the calls of others are answered while it comes."""
    async with serving(settings_for(redis_server.url)) as server, connect(server.address) as stub:
        session = await running_session(stub)
        flood = frame(CONTINUATION, 0, 1, literal(b"a", b"b") * 2_000)
        async with dialled(server.address) as (_, writer):
            writer.write(frame(HEADERS, 0, 1))
            for _ in range(20):
                writer.write(flood * 50)
                await writer.drain()
                answer = await stub.GetSession(pb.GetSessionRequest(session_id=session.session_id), timeout=5)
                assert answer.session.session_id == session.session_id
