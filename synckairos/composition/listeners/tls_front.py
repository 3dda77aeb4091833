"""TLS before gRPC's own port, for certificates that clients may show and need not.

grpcio offers the two extremes alone: every client shows a certificate, or none is asked. So the handshake is done here,
and the bytes go on to gRPC over a Unix socket that nobody else can open. There each connection is named as gRPC would
have named its caller: `rpc.admission.peers` reads the name.
"""

import asyncio
import os
import shutil
import socket
import ssl
import tempfile
from collections.abc import Callable, Coroutine
from functools import partial
from typing import Any, Final, cast
from urllib.parse import quote

from synckairos.composition.listeners.http_port import bound_socket
from synckairos.rpc.admission.handshakes import SecuredPort
from synckairos.rpc.admission.peers import shown_by

MAX_HANDSHAKES: Final = 2_000
FILES_EACH: Final = 3
"""Descriptors that a connection takes: its own, and both ends of the one to gRPC."""
CHUNK_BYTES: Final = 65_536


class _Streams(asyncio.StreamReaderProtocol):
    """The bytes of a connection, to be read when it is through its handshake."""

    def __init__(self) -> None:
        self.reader = asyncio.StreamReader(limit=CHUNK_BYTES)
        super().__init__(self.reader)


class TlsFront:
    """Listens for gRPC, which is reached at `backend`."""

    def __init__(self, listen: str, context: ssl.SSLContext, most_connections: int, *, reuse_port: bool) -> None:
        """Listen; connections wait until `start`. Raises AddressInUseError."""
        self._bound = bound_socket(listen, reuse_port=reuse_port)
        self._folder = tempfile.mkdtemp(prefix="synckairos-")  # for this account alone
        self._certificates: dict[str, bytes] = {}
        self._connections = SecuredPort(
            self._bound,
            context,
            _Streams,
            self._serve,
            most_handshakes=MAX_HANDSHAKES,
            most_connections=most_connections,
        )

    @property
    def backend(self) -> str:
        """Where gRPC has to listen."""
        return f"unix:{self._folder}/grpc"

    @property
    def port(self) -> int:
        """The port that clients connect to."""
        return int(self._bound.getsockname()[1])

    def certificate(self, peer: str) -> bytes:
        """Return the certificate (PEM) that the client at `peer` has shown; empty if it has shown none."""
        return self._certificates.get(peer, b"")

    async def start(self) -> None:
        """Take connections: gRPC listens by now."""
        self._connections.start()

    async def close(self) -> None:
        """Take no more connections; those that are open go on until gRPC ends them."""
        self._connections.close()

    async def stop(self) -> None:
        """Cut off what is open, and forget everything."""
        await self._connections.stop()
        shutil.rmtree(self._folder, ignore_errors=True)

    async def _serve(self, transport: asyncio.BaseTransport, streams: "_Streams") -> None:
        loop = asyncio.get_running_loop()
        writer = asyncio.StreamWriter(cast("asyncio.Transport", transport), streams, streams.reader, loop)
        try:
            await self._pass_on(streams.reader, writer)
        finally:
            writer.transport.abort()

    async def _pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        peer = _peer(writer)
        self._certificates[quote(peer, safe=":.")] = shown_by(writer.get_extra_info("ssl_object"))
        try:
            inner_reader, inner_writer = await self._reach(peer)
            try:
                served = cast("asyncio.Task[None]", asyncio.current_task())
                used = partial(self._connections.used, served)
                await _either(_pump(reader, inner_writer, used), _pump(inner_reader, writer, used))
            finally:
                inner_writer.transport.abort()
        finally:
            del self._certificates[quote(peer, safe=":.")]

    async def _reach(self, peer: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """Connect to gRPC by a socket with this name."""
        inner = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            inner.setblocking(False)
            inner.bind(f"{self._folder}/{peer}")
            os.unlink(f"{self._folder}/{peer}")  # gRPC has the name from the connection itself
            await asyncio.get_running_loop().sock_connect(inner, self.backend.removeprefix("unix:"))
            return await asyncio.open_unix_connection(sock=inner, limit=CHUNK_BYTES)
        except BaseException:
            inner.close()
            raise


def _peer(writer: asyncio.StreamWriter) -> str:
    host, port = writer.get_extra_info("peername")[:2]
    return f"ipv6:[{host}]:{port}" if ":" in host else f"ipv4:{host}:{port}"


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, used: Callable[[], None]) -> None:
    while piece := await reader.read(CHUNK_BYTES):
        used()
        writer.write(piece)
        await writer.drain()
    writer.close()
    await writer.wait_closed()


async def _either(*ways: Coroutine[Any, Any, None]) -> None:
    """Pass on both ways until one of them has come to its end."""
    tasks = [asyncio.create_task(way) for way in ways]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
