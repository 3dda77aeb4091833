"""The proxy does each kind of harm it promises, and none when it is not asked to."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from time import monotonic

import pytest

from testing.harness.processes.tcp_proxy import TcpProxy
from testing.harness.waiting import eventually

Connection = tuple[asyncio.StreamReader, asyncio.StreamWriter]
Connect = Callable[[], Awaitable[Connection]]
SHORT_SECONDS = 0.2
LONG_SECONDS = 5.0


class EchoServer:
    """Sends every line back in upper case and remembers it."""

    def __init__(self) -> None:
        self.lines: list[bytes] = []
        self.port = 0
        self._server: asyncio.Server | None = None
        self._writers: list[asyncio.StreamWriter] = []

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        assert self._server is not None
        self._server.close()
        for writer in self._writers:
            writer.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.append(writer)
        try:
            while line := await reader.readline():
                self.lines.append(line)
                writer.write(line.upper())
            writer.write(b"BYE\n")
        except ConnectionResetError:
            self.lines.append(b"reset")
        writer.close()


@pytest.fixture
async def echo() -> AsyncIterator[EchoServer]:
    server = EchoServer()
    await server.start()
    yield server
    await server.stop()


@pytest.fixture
async def proxy(echo: EchoServer) -> AsyncIterator[TcpProxy]:
    async with TcpProxy("127.0.0.1", echo.port) as running:
        yield running


@pytest.fixture
async def connect(proxy: TcpProxy) -> AsyncIterator[Connect]:
    opened: list[asyncio.StreamWriter] = []

    async def dial() -> Connection:
        reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
        opened.append(writer)
        return reader, writer

    yield dial
    for writer in opened:
        writer.close()


async def ask(connection: Connection, line: bytes) -> bytes:
    reader, writer = connection
    writer.write(line)
    async with asyncio.timeout(LONG_SECONDS):
        return await reader.readline()


async def test_forwards_both_directions(proxy: TcpProxy, connect: Connect) -> None:
    first, second = await connect(), await connect()
    assert await ask(first, b"one\n") == b"ONE\n"
    assert await ask(second, b"two\n") == b"TWO\n"
    assert proxy.open_connections == 2


async def test_forwards_large_data_and_the_last_words_after_a_half_close(proxy: TcpProxy, connect: Connect) -> None:
    reader, writer = await connect()
    lines = [b"x" * 60_000 + b"\n"] * 50
    writer.writelines(lines)
    writer.write_eof()
    async with asyncio.timeout(LONG_SECONDS):
        received = await reader.read()
    assert received == b"".join(lines).upper() + b"BYE\n"
    await eventually(lambda: proxy.open_connections == 0, seconds=LONG_SECONDS)


async def test_cut_resets_both_sides_and_lets_new_connections_in(
    proxy: TcpProxy, echo: EchoServer, connect: Connect
) -> None:
    old = await connect()
    await ask(old, b"hello\n")
    proxy.cut()
    with pytest.raises(ConnectionResetError):
        await old[0].readline()
    await eventually(lambda: echo.lines == [b"hello\n", b"reset"], seconds=LONG_SECONDS)
    assert await ask(await connect(), b"again\n") == b"AGAIN\n"


async def test_refuse_resets_new_connections_and_keeps_the_open_ones(proxy: TcpProxy, connect: Connect) -> None:
    old = await connect()
    await ask(old, b"hello\n")
    proxy.refuse = True
    with pytest.raises(ConnectionResetError):
        await ask(await connect(), b"new\n")
    assert await ask(old, b"old\n") == b"OLD\n"
    proxy.refuse = False
    assert await ask(await connect(), b"new\n") == b"NEW\n"


async def test_blackhole_swallows_without_closing(proxy: TcpProxy, echo: EchoServer, connect: Connect) -> None:
    connection = await connect()
    await ask(connection, b"before\n")
    proxy.blackhole = True
    connection[1].write(b"lost\n")
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(SHORT_SECONDS):
            await connection[0].readline()
    proxy.blackhole = False
    assert await ask(connection, b"after\n") == b"AFTER\n"
    assert echo.lines == [b"before\n", b"after\n"]


async def test_delay_holds_back_each_direction(proxy: TcpProxy, connect: Connect) -> None:
    connection = await connect()
    await ask(connection, b"quick\n")
    proxy.delay(SHORT_SECONDS)
    asked_at = monotonic()
    await ask(connection, b"slow\n")
    assert monotonic() - asked_at >= 2 * SHORT_SECONDS
    proxy.delay(0)


async def test_a_reply_can_be_lost_after_the_server_has_acted(
    proxy: TcpProxy, echo: EchoServer, connect: Connect
) -> None:
    proxy.on_server_data = lambda data: None if b"EXEC" in data else data
    connection = await connect()
    assert await ask(connection, b"get\n") == b"GET\n"
    with pytest.raises(ConnectionResetError):
        await ask(connection, b"exec\n")
    assert b"exec\n" in echo.lines


async def test_a_request_can_be_lost_before_the_server_sees_it(
    proxy: TcpProxy, echo: EchoServer, connect: Connect
) -> None:
    proxy.on_client_data = lambda data: None if b"exec" in data else data
    with pytest.raises(ConnectionResetError):
        await ask(await connect(), b"exec\n")
    await eventually(lambda: echo.lines == [b"reset"], seconds=LONG_SECONDS)


async def test_a_hook_can_change_what_passes(proxy: TcpProxy, connect: Connect) -> None:
    proxy.on_client_data = lambda data: data.replace(b"a", b"b")
    assert await ask(await connect(), b"a\n") == b"B\n"


async def test_a_target_that_is_down_resets_the_client(echo: EchoServer, connect: Connect) -> None:
    await echo.stop()
    with pytest.raises(ConnectionResetError):
        await ask(await connect(), b"anybody?\n")


async def test_stop_ends_open_connections(proxy: TcpProxy, connect: Connect) -> None:
    connection = await connect()
    await ask(connection, b"hello\n")
    await proxy.stop()
    with pytest.raises(ConnectionResetError):
        await connection[0].readline()
    with pytest.raises(RuntimeError):
        _ = proxy.port
