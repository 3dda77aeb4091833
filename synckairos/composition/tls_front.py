"""TLS before gRPC's own port, for certificates that clients may show and need not.

grpcio offers the two extremes alone: every client shows a certificate, or none is asked. So the handshake is done here,
and the bytes go on to gRPC over a Unix socket that nobody else can open. There each connection is named as gRPC would
have named its caller: `rpc.peers` reads the name.
"""

import asyncio
import contextlib
import os
import shutil
import socket
import ssl
import tempfile
from collections.abc import Coroutine
from typing import Any, Final
from urllib.parse import quote

from synckairos.composition.http_port import bound_socket

HANDSHAKE_S: Final = 15.0
CHUNK_BYTES: Final = 65_536
GONE: Final = (OSError, asyncio.IncompleteReadError)
"""What a connection ends with that one of its sides has left."""


class TlsFront:
    """Listens for gRPC, which is reached at `backend`."""

    def __init__(self, listen: str, context: ssl.SSLContext, *, reuse_port: bool) -> None:
        """Listen; connections wait until `start`. Raises AddressInUseError."""
        self._bound = bound_socket(listen, reuse_port=reuse_port)
        self._context = context
        self._folder = tempfile.mkdtemp(prefix="synckairos-")  # for this account alone
        self._certificates: dict[str, bytes | None] = {}
        self._server: asyncio.Server | None = None
        self._connections: set[asyncio.Task[None]] = set()

    @property
    def backend(self) -> str:
        """Where gRPC has to listen."""
        return f"unix:{self._folder}/grpc"

    @property
    def port(self) -> int:
        """The port that clients connect to."""
        return int(self._bound.getsockname()[1])

    def certificate(self, peer: str) -> bytes | None:
        """Return the certificate (DER) that the client at `peer` has shown; None if it has shown none."""
        return self._certificates.get(peer)

    async def start(self) -> None:
        """Take connections: gRPC listens by now."""
        self._server = await asyncio.start_server(
            self._take, sock=self._bound, ssl=self._context, ssl_handshake_timeout=HANDSHAKE_S, limit=CHUNK_BYTES
        )

    async def close(self) -> None:
        """Take no more connections; those that are open go on until gRPC ends them."""
        if self._server is not None:
            self._server.close()
        self._bound.close()

    async def stop(self) -> None:
        """Cut off what is open, and forget everything."""
        await self.close()
        for one in self._connections:
            one.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)
        shutil.rmtree(self._folder, ignore_errors=True)

    async def _take(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connection: asyncio.Task[Any] = asyncio.current_task()  # type: ignore[assignment] # asyncio makes one for each
        self._connections.add(connection)
        try:
            with contextlib.suppress(*GONE):
                await self._pass_on(reader, writer)
        finally:
            self._connections.discard(connection)
            writer.transport.abort()

    async def _pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connection: ssl.SSLObject = writer.get_extra_info("ssl_object")
        peer = _peer(writer)
        self._certificates[quote(peer, safe=":.")] = connection.getpeercert(binary_form=True)
        try:
            inner_reader, inner_writer = await self._reach(peer)
            try:
                await _either(_pump(reader, inner_writer), _pump(inner_reader, writer))
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


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while piece := await reader.read(CHUNK_BYTES):
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
