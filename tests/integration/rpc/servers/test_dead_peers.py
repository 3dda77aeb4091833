"""Peers that are gone without a word, and peers that ask too often whether the other one is there."""

import asyncio
import signal
import struct
import sys
import time
from asyncio.subprocess import PIPE
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import grpc
import pytest

from synckairos.composition.server import Server
from synckairos.devstack import RedisServer
from synckairos.rpc import server as rpc_server
from synckairos.v1 import session_service_pb2 as pb
from synckairos.v1.session_service_pb2_grpc import SessionServiceStub
from testing.harness.client import running_session
from testing.harness.documents import blocks
from testing.harness.processes.in_process import serving, settings_for
from testing.harness.processes.server_process import ServerProcess
from testing.harness.waiting import eventually

FASTER: Final = 20
"""The test runs the times of keepalive so many times faster than they are."""
SLACK_S: Final = 3.0
TIMES: Final = {"grpc.keepalive_time_ms", "grpc.keepalive_timeout_ms", "grpc.http2.ping_timeout_ms"}

WATCHER: Final = """
import sys, grpc
from synckairos.v1 import session_service_pb2 as pb
from synckairos.v1.session_service_pb2_grpc import SessionServiceStub
with grpc.insecure_channel(sys.argv[1]) as channel:
    for message in SessionServiceStub(channel).WatchSession(pb.WatchSessionRequest(session_id=sys.argv[2])):
        print("watching", flush=True)
"""


def faster(options: Sequence[tuple[str, Any]]) -> list[tuple[str, Any]]:
    """Return channel options whose times of keepalive are shorter."""
    return [(name, value // FASTER if name in TIMES else value) for name, value in options]


def patience_s(options: Sequence[tuple[str, Any]]) -> float:
    """Return within how many seconds a dead peer is to be noticed."""
    given = dict(options)
    return float(given["grpc.keepalive_time_ms"] + given["grpc.keepalive_timeout_ms"]) / 1_000 + SLACK_S


def watchers(server: Server) -> float | None:
    """Return how many subscriptions are open."""
    return server._metrics.registry.get_sample_value("synckairos_watchers")


async def test_a_server_notices_a_frozen_client(redis_server: RedisServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """A process that stands still keeps its connection, and answers no ping: its streams end after 30 + 10 s."""
    options = faster(rpc_server.server_options(reuse_port=False))
    monkeypatch.setattr(rpc_server, "server_options", lambda **_: options)
    async with serving(settings_for(redis_server.url)) as server:
        async with grpc.aio.insecure_channel(server.address) as channel:
            session = await running_session(SessionServiceStub(channel))
        client = await asyncio.create_subprocess_exec(
            sys.executable, "-c", WATCHER, server.address, session.session_id, stdout=PIPE
        )
        assert client.stdout is not None
        try:
            assert await client.stdout.readline() == b"watching\n"
            assert watchers(server) == 1
            client.send_signal(signal.SIGSTOP)

            await eventually(lambda: watchers(server) == 0, seconds=patience_s(options))
        finally:
            client.kill()
            await client.communicate()


async def test_a_client_with_the_documented_options_notices_a_frozen_server(
    redis_server: RedisServer, tmp_path: Path
) -> None:
    """Its streams end after 20 + 10 s."""
    (program,) = (block for block in blocks("docs/operations.md", "python") if "OPTIONS = [" in block)
    documented: dict[str, Any] = {}
    exec(program, documented)
    options = faster(documented["OPTIONS"])
    with ServerProcess(redis_server.url, tmp_path / "server.log", redis_prefix="frozen") as server:
        async with grpc.aio.insecure_channel(server.address, options=options) as channel:
            stub: Any = SessionServiceStub(channel)
            session = await running_session(stub)
            stream = stub.WatchSession(pb.WatchSessionRequest(session_id=session.session_id))
            assert (await stream.read()).HasField("snapshot")
            server.pause()

            started = time.monotonic()
            with pytest.raises(grpc.aio.AioRpcError) as lost:
                async with asyncio.timeout(patience_s(options)):
                    await stream.read()

            assert lost.value.code() is grpc.StatusCode.UNAVAILABLE
            assert time.monotonic() - started > 0.5
            server.resume()


PING, GOAWAY, ACK = 6, 7, 1
PREFACE: Final = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\x00\x00\x00\x04\x00\x00\x00\x00\x00"
"""With the empty settings that have to follow."""
APART_S: Final = 1.0


class Impatient:
    """A client that does nothing but ping."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self.writer = writer

    def ping(self) -> None:
        """Send a ping."""
        self.writer.write(b"\x00\x00\x08" + bytes([PING, 0]) + bytes(4) + b"impatien")

    async def answer(self) -> bytes:
        """Return the debug data of a GOAWAY, or nothing for the answer to a ping, whichever comes first."""
        while True:
            head = await self._reader.readexactly(9)
            length, kind, flags = struct.unpack(">I", b"\x00" + head[:3])[0], head[3], head[4]
            payload = await self._reader.readexactly(length)
            if kind == PING and flags & ACK:
                return b""
            if kind == GOAWAY:
                return payload[8:]


async def impatient(server: Server) -> Impatient:
    """Connect."""
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    writer.write(PREFACE)
    return Impatient(reader, writer)


async def test_a_ping_a_second_is_welcome(redis_server: RedisServer) -> None:
    """Clients in browsers and phones look so often whether a network that changes is still there."""
    async with serving(settings_for(redis_server.url)) as server, asyncio.timeout(30):
        client = await impatient(server)
        answers = []
        for _ in range(7):
            client.ping()
            answers.append(await client.answer())
            await asyncio.sleep(APART_S)  # not a wait: the pace of the client
        client.writer.close()

    assert answers == [b""] * 7


async def test_a_flood_of_pings_is_sent_away(redis_server: RedisServer) -> None:
    """Pings without a pause only cost."""
    async with serving(settings_for(redis_server.url)) as server, asyncio.timeout(30):
        client = await impatient(server)
        reason = b""
        while not reason:
            client.ping()
            reason = await client.answer()
        client.writer.close()

    assert reason == b"too_many_pings"
