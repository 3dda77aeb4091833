"""TLS in front of a server that has none: does the handshake of its protocol, then passes everything on."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from struct import Struct

import trustme

SSL_REQUEST = Struct(">II").pack(8, 80_877_103)


class TlsFront:
    """Listens on `port`; `secured` counts the connections whose handshake ended well.

    With `is_asked` TLS begins when the client asks for it, as with PostgreSQL; else at once, as with Redis.
    """

    def __init__(self, port: int, context: ssl.SSLContext | None, *, is_asked: bool) -> None:
        self.port = 0
        self.secured = 0
        self._target = port
        self._context = context
        self._is_asked = is_asked
        self._tasks: set[asyncio.Task[None]] = set()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one client."""
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            await self._serve(reader, writer)
        except (OSError, EOFError, asyncio.CancelledError):
            pass  # the client did not like the certificate, or the test is over
        finally:
            self._tasks.discard(task)
            writer.transport.abort()

    async def stop(self) -> None:
        """Cut off every client."""
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._is_asked:
            first = await reader.readexactly(8)
            if first != SSL_REQUEST:
                return  # a server may insist on TLS
            writer.write(b"S" if self._context else b"N")
        if self._context:
            await writer.start_tls(self._context)
            self.secured += 1
        server_reader, server_writer = await asyncio.open_connection("127.0.0.1", self._target)
        try:
            async with asyncio.TaskGroup() as pumps:
                pumps.create_task(_pump(reader, server_writer))
                pumps.create_task(_pump(server_reader, writer))
        except* OSError:
            pass  # one side has gone, and the other follows
        finally:
            server_writer.transport.abort()


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(65_536):
        writer.write(data)
        await writer.drain()
    raise ConnectionResetError("no more to come")


@asynccontextmanager
async def tls_front(
    port: int, authority: trustme.CA | None, name: str = "localhost", *, is_asked: bool = True
) -> AsyncIterator[TlsFront]:
    """Give a front with a certificate for this name; without an authority, one that does no TLS."""
    context = None
    if authority is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        authority.issue_cert(name).configure_cert(context)
    front = TlsFront(port, context, is_asked=is_asked)
    server = await asyncio.start_server(front.serve, "127.0.0.1", 0)
    front.port = int(server.sockets[0].getsockname()[1])
    try:
        yield front
    finally:
        server.close()
        await front.stop()
