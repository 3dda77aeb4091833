"""What a connection may take of the server: time and room, and no more."""

import asyncio
import socket
from typing import Any

import pytest

from synckairos.gateway import http_server
from testing.harness.http_calls import answered, exchange
from testing.harness.http_ports import served

PATH = "/"
SOON_S = 5.0
"""Much longer than the limits as they are set here, and shorter than they really are."""


class Sample:
    """An application that answers, sends without end, or breaks, by the request's path."""

    def __init__(self) -> None:
        self.ended = asyncio.Event()
        self.headers: list[tuple[bytes, bytes]] = []

    def drain(self) -> None:
        """Has no streams of its own."""

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Answer (ASGI)."""
        if scope["path"] == "/broken":
            raise RuntimeError("a bug")
        while (await receive()).get("more_body"):
            pass
        self.headers = list(scope["headers"])
        await send({"type": "http.response.start", "status": 200, "headers": []})
        if scope["path"] == "/endless":
            gone = asyncio.ensure_future(receive())
            while not gone.done():
                await send({"type": "http.response.body", "body": b"x" * 65_536, "more_body": True})
                await asyncio.sleep(0)
            self.ended.set()
        await send({"type": "http.response.body", "body": b"well"})


@pytest.fixture
def hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the limits of time be short."""
    monkeypatch.setattr(http_server, "RECEIVE_S", 0.5)
    monkeypatch.setattr(http_server, "STALL_S", 0.3)


@pytest.mark.usefixtures("hurry")
async def test_who_sends_too_slowly_is_cut_off() -> None:
    """Nothing, half a head, half a body, and a second request that does not go on."""
    async with served(Sample()) as address:
        async with exchange(address, PATH) as nothing, exchange(address, PATH, content_length="9") as body:
            nothing.writer.transport.abort()
            assert await body.is_cut_off(SOON_S)
        host, _, port = address.rpartition(":")
        for sent in (b"", b"GET / HT", b"GET / HTTP/1.1\r\nhost: x\r\n"):
            reader, writer = await asyncio.open_connection(host, int(port))
            writer.write(sent)
            async with asyncio.timeout(SOON_S):
                assert await reader.read() == b""
            writer.close()
        async with exchange(address, PATH) as second:
            await second.whole()
            second.writer.write(b"GET / HT")
            assert await second.is_cut_off(SOON_S)


@pytest.mark.usefixtures("hurry")
async def test_who_is_served_may_wait_for_its_next_request() -> None:
    """The limit is for what has begun; a connection that is idle between requests is kept."""
    async with served(Sample()) as address, exchange(address, PATH) as call:
        await call.whole()

        assert not await call.is_cut_off(1.0)


@pytest.mark.usefixtures("hurry")
async def test_who_reads_nothing_is_cut_off_and_its_stream_ends() -> None:
    """What was written waits for so long, and then the connection is gone."""
    application = Sample()
    async with served(application) as address, exchange(address, "/endless") as call:
        async with asyncio.timeout(SOON_S):
            await application.ended.wait()
        call.close()


CHUNKED = "chunked"


@pytest.mark.parametrize(
    "endless",
    [b"x-more: " + b"y" * 1_000 + b"\r\n", b"y" * 1_000],
    ids=["trailers", "one trailer"],
)
async def test_trailers_without_an_end_are_cut_off(endless: bytes) -> None:
    """They would be kept until the request is complete, and that is as much as a network brings in all its time."""
    async with (
        served(Sample()) as address,
        exchange(address, PATH, b"4\r\nbody\r\n0\r\nx-more: ", content_length="", transfer_encoding=CHUNKED) as call,
    ):
        call.writer.write(endless * 1_000)
        assert await call.is_cut_off(SOON_S)


async def test_trailers_are_no_headers() -> None:
    """The head was judged before they came: what is refused in a header would pass in a trailer."""
    sample = Sample()
    async with served(sample) as address:
        answer = await answered(
            address, PATH, b"4\r\nbody\r\n0\r\nx-actor: \xff\r\n\r\n", content_length="", transfer_encoding=CHUNKED
        )

    assert answer.status == 200
    assert b"x-actor" not in dict(sample.headers)


async def test_a_body_in_many_small_chunks_is_taken() -> None:
    """Their margins are larger than they are themselves, and larger than a head may be."""
    async with served(Sample()) as address:
        answer = await answered(
            address, PATH, b"1\r\nx\r\n" * 50_000 + b"0\r\n\r\n", content_length="", transfer_encoding=CHUNKED
        )

    assert answer.status == 200


async def test_a_stream_ends_with_its_connection_whatever_was_asked_behind_it() -> None:
    """The connection's newest request is not the one that is being answered."""
    application = Sample()
    async with served(application) as address, exchange(address, "/endless") as call:
        assert await call.read()
        call.writer.write(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n")
        await call.writer.drain()
        assert await call.read()
        call.close()
        async with asyncio.timeout(SOON_S):
            await application.ended.wait()


async def test_more_requests_ahead_of_their_answers_than_allowed_are_cut_off() -> None:
    """Each is kept until its turn comes, and takes thirty times the room it took on the wire."""
    application = Sample()
    async with served(application) as address, exchange(address, "/endless") as call:
        assert await call.read()
        call.writer.write(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n" * (http_server.MAX_AHEAD + 1))
        assert await call.is_cut_off(SOON_S)
        async with asyncio.timeout(SOON_S):
            await application.ended.wait()


async def test_a_few_requests_may_be_ahead_of_their_answers() -> None:
    """HTTP/1.1 allows it; they are answered in their order."""
    async with served(Sample()) as address:
        host, _, port = address.rpartition(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        ask = b"GET / HTTP/1.1\r\nhost: x\r\n\r\n"
        writer.write(ask * (http_server.MAX_AHEAD - 1) + ask.replace(b"host: x", b"host: x\r\nconnection: close"))
        async with asyncio.timeout(SOON_S):
            answers = await reader.read()
        writer.close()

    assert answers.count(b"200 OK") == http_server.MAX_AHEAD


async def test_more_connections_than_allowed_are_closed() -> None:
    """At once; the others are served."""
    async with (
        served(Sample(), max_connections=2) as address,
        exchange(address, PATH, content_length="4") as first,
        exchange(address, PATH) as second,
    ):
        await second.whole()
        async with exchange(address, PATH) as third:
            is_cut_off = await third.is_cut_off(SOON_S)
        first.writer.write(b"body")
        answer = await first.whole()
    assert is_cut_off
    assert answer.status == 200


async def test_who_vanishes_is_looked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine that sleeps says no goodbye: a stream in which nothing happens would keep its place for ever."""
    begin = http_server.LimitedConnection.connection_made
    keep_alive: list[int] = []

    def look(connection: http_server.LimitedConnection, transport: asyncio.Transport) -> None:
        accepted = transport.get_extra_info("socket")
        keep_alive.append(accepted.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE))
        begin(connection, transport)

    monkeypatch.setattr(http_server.LimitedConnection, "connection_made", look)
    async with served(Sample()) as address:
        await answered(address, PATH)

    assert keep_alive == [1]


async def test_a_bug_ends_one_request_alone() -> None:
    """It is answered with 500, and the next one is served."""
    async with served(Sample()) as address:
        broken = await answered(address, "/broken")
        well = await answered(address, PATH)

    assert (broken.status, well.status) == (500, 200)
