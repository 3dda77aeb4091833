"""The attacks. Each goes on until it is cancelled, and opens again whatever the server cuts off."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from typing import Final, NamedTuple

import uvloop

from testing.harness.http2 import ACK, CALL, END_HEADERS, HEADERS, PING, PREFACE, RST_STREAM, SETTINGS, frame

HELLO: Final = PREFACE + frame(SETTINGS, 0, 0)
BEGUN: Final = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"
"""Of a ClientHello of 512 bytes, the first ones."""
CANCEL: Final = b"\0\0\0\x08"
STREAMS_EACH: Final = 900
"""Calls of one connection: gRPC lets a connection have 1 000."""
RESETS_AT_ONCE: Final = 50
PINGS_AT_ONCE: Final = 50
BYTE_EVERY_S: Final = 0.25
AGAIN_S: Final = 0.05
"""Before a connection that was cut off is opened again."""


class Port(NamedTuple):
    """Where a server listens, and how to speak TLS to it; None for a port without. Floods pause for `pace_s`."""

    host: str
    port: int
    context: ssl.SSLContext | None
    pace_s: float = 0.0


Stranger = Callable[[Port], Awaitable[None]]


@asynccontextmanager
async def _connected(
    port: Port, *, secured: bool = True
) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    context = port.context if secured else None
    name = "localhost" if context else None
    reader, writer = await asyncio.open_connection(port.host, port.port, ssl=context, server_hostname=name)
    try:
        yield reader, writer
    finally:
        writer.transport.abort()


async def silent(port: Port) -> None:
    """Connect, and say nothing."""
    async with _connected(port, secured=False) as (reader, _):
        await reader.read()


async def half_a_handshake(port: Port) -> None:
    """Begin TLS, and leave it there."""
    async with _connected(port, secured=False) as (reader, writer):
        writer.write(BEGUN)
        await reader.read()


async def byte_by_byte(port: Port) -> None:
    """Say what HTTP/2 wants said first, as slowly as can be."""
    async with _connected(port) as (_, writer):
        for place in range(len(HELLO)):
            writer.write(HELLO[place : place + 1])
            await writer.drain()
            await asyncio.sleep(BYTE_EVERY_S)


async def idle(port: Port) -> None:
    """Connect as a client does, and ask for nothing."""
    async with _greeted(port) as (reader, _):
        await _read_all(reader)


async def half_open(port: Port) -> None:
    """Open as many calls as a connection may have, and send no request."""
    async with _greeted(port) as (reader, writer):
        writer.write(b"".join(frame(HEADERS, END_HEADERS, 2 * number + 1, CALL) for number in range(STREAMS_EACH)))
        await _read_all(reader)


async def rapid_reset(port: Port) -> None:
    """Open calls and take each of them back at once."""
    numbers = iter(range(1, 1 << 31, 2))

    def some() -> bytes:
        chosen = [next(numbers) for _ in range(RESETS_AT_ONCE)]
        return b"".join(frame(HEADERS, END_HEADERS, one, CALL) + frame(RST_STREAM, 0, one, CANCEL) for one in chosen)

    await _flood(port, some)


async def pings(port: Port) -> None:
    """Ping without a pause, until sent away."""
    await _flood(port, lambda: frame(PING, 0, 0, b"impatien") * PINGS_AT_ONCE)


async def _flood(port: Port, some: Callable[[], bytes]) -> None:
    async with _greeted(port) as (reader, writer):
        reading = asyncio.create_task(_read_all(reader))
        try:
            while not reading.done():
                writer.write(some())
                await writer.drain()
                await asyncio.sleep(port.pace_s)
        finally:
            reading.cancel()


@asynccontextmanager
async def _greeted(port: Port) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    async with _connected(port) as (reader, writer):
        writer.write(HELLO)
        await reader.readexactly(1)  # of the server's settings
        writer.write(frame(SETTINGS, ACK, 0))
        yield reader, writer


async def _read_all(reader: asyncio.StreamReader) -> None:
    with suppress(ConnectionError):
        while await reader.read(1 << 16):
            pass


ATTACKS: Final[dict[str, tuple[Stranger, int]]] = {
    "silent connections": (silent, 2_000),
    "unfinished handshakes": (half_a_handshake, 2_000),
    "prefaces byte by byte": (byte_by_byte, 500),
    "idle connections": (idle, 10_000),
    "calls without a request": (half_open, 10),
    "rapid resets": (rapid_reset, 4),
    "pings": (pings, 8),
}
"""Each with the number of its connections."""


@asynccontextmanager
async def under_attack(stranger: Stranger, port: Port, connections: int) -> AsyncIterator[None]:
    """Attack while the body runs."""
    tasks = [asyncio.create_task(_again_and_again(stranger, port)) for _ in range(connections)]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _again_and_again(stranger: Stranger, port: Port) -> None:
    while True:
        with suppress(OSError, asyncio.IncompleteReadError):
            await stranger(port)
        await asyncio.sleep(AGAIN_S)


def attack_for_ever(name: str, host: str, port: int, authority: str) -> None:
    """Attack until the process is ended; `authority` is the file of whom to trust, empty for a port without TLS."""
    context = secured_by(authority) if authority else None
    stranger, connections = ATTACKS[name]

    async def attack() -> None:
        async with under_attack(stranger, Port(host, port, context), connections):
            await asyncio.Event().wait()

    uvloop.run(attack())


def secured_by(authority: str) -> ssl.SSLContext:
    """Return how to speak TLS with a server that this authority has certified."""
    context = ssl.create_default_context(cafile=authority)
    context.set_alpn_protocols(["h2"])
    return context
