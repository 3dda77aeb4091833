"""A TCP proxy that breaks connections on purpose, between a client and a real server.

It knows no protocol. A test can look at the bytes that pass through, and change, delay, swallow or cut them exactly.
"""

import asyncio
import os
import socket
import struct
from collections.abc import Callable
from contextlib import suppress
from typing import Self

Hook = Callable[[bytes], bytes | None]
CHUNK_BYTES = 65_536
# Linger for 0 s: close() then sends a reset, as a crashed peer does, and not an orderly end.
RESET_ON_CLOSE = struct.pack("ii", 1, 0)


class TcpProxy:
    """Forwards 127.0.0.1:`port` to a target, until told to misbehave.

    `refuse`: every new connection is reset at once; open ones go on.
    `blackhole`: all bytes of both sides are swallowed. They are missing then: `cut()` before going back to normal.
    `on_client_data`, `on_server_data`: see each chunk and return the bytes to forward, or None to drop it and
    reset this connection: returning None for a reply means that the server has acted and the client never hears.
    """

    def __init__(self, target_host: str, target_port: int) -> None:
        self.refuse = False
        self.blackhole = False
        self.on_client_data: Hook | None = None
        self.on_server_data: Hook | None = None
        self._target = (target_host, target_port)
        self._delay_seconds = 0.0
        self._server: asyncio.Server | None = None
        self._connections: dict[asyncio.Task[None], tuple[asyncio.StreamWriter, ...]] = {}

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    @property
    def port(self) -> int:
        """The port to connect to on 127.0.0.1; raises RuntimeError before the start."""
        if self._server is None:
            raise RuntimeError("the proxy has not been started")
        return int(self._server.sockets[0].getsockname()[1])

    @property
    def open_connections(self) -> int:
        """How many clients are connected."""
        return len(self._connections)

    async def start(self) -> None:
        """Listen on a free port."""
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)

    async def stop(self) -> None:
        """Stop listening, reset what is open and wait until all of it is gone."""
        if self._server is None:
            return
        self._server.close()
        self.cut()
        await asyncio.gather(*self._connections, return_exceptions=True)
        self._server = None

    def cut(self) -> None:
        """Reset all open connections, on both sides."""
        for task in self._connections:
            task.cancel()

    def delay(self, seconds: float) -> None:
        """Hold every chunk back so long, in both directions; 0 ends it."""
        self._delay_seconds = seconds

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self.refuse:
            _reset(writer)
            return
        task = asyncio.current_task()
        assert task is not None
        self._connections[task] = (writer,)
        try:
            if not await self._greet(reader, writer):
                return
            server_reader, server_writer = await asyncio.open_connection(*self._target)
            self._connections[task] = (writer, server_writer)
            async with asyncio.TaskGroup() as pumps:
                to_server, to_client = self._hooks(writer)
                pumps.create_task(self._pump(reader, server_writer, to_server))
                pumps.create_task(self._pump(server_reader, writer, to_client))
        except* (OSError, EOFError):
            _reset(*self._connections[task])
        except* asyncio.CancelledError:
            # Only cut() cancels, and asyncio would report it as an error of the handler.
            _reset(*self._connections[task])
        finally:
            for open_writer in self._connections.pop(task):
                open_writer.close()

    async def _greet(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:  # noqa: ARG002 - for proxies that know a protocol
        """Shake hands with a new client before anything is forwarded; return whether to go on."""
        return True

    def _hooks(self, client: asyncio.StreamWriter) -> tuple[Hook, Hook]:  # noqa: ARG002 - for proxies that know a protocol
        """Return the hooks for the chunks of one connection, to the server and to the client."""
        return (lambda data: _seen(self.on_client_data, data)), (lambda data: _seen(self.on_server_data, data))

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, hook: Hook) -> None:
        while data := await reader.read(CHUNK_BYTES):
            if self.blackhole:
                continue
            if self._delay_seconds:
                await asyncio.sleep(self._delay_seconds)
            forwarded = hook(data)
            if forwarded is None:
                raise ConnectionAbortedError("a hook cut the connection")
            if writer.is_closing():
                raise ConnectionResetError("the other direction has ended the connection")  # uvloop raises RuntimeError
            writer.write(forwarded)
            await writer.drain()
        if not writer.can_write_eof():
            raise ConnectionResetError("TLS knows no end of one direction")
        writer.write_eof()


def _seen(hook: Hook | None, data: bytes) -> bytes | None:
    return data if hook is None else hook(data)


def _reset(*writers: asyncio.StreamWriter) -> None:
    for writer in writers:
        ours = writer.get_extra_info("socket")  # none any more, on some event loops, once the peer has reset it
        if ours is not None:
            # A duplicate, because the socket of a transport lacks setsockopt on some event loops.
            with suppress(OSError), socket.socket(fileno=os.dup(ours.fileno())) as duplicate:
                duplicate.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_ON_CLOSE)
        writer.transport.abort()
