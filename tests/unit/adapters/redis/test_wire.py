"""One connection, its transport played by the test: what arrives, in which pieces, and what does not."""

import asyncio
from unittest.mock import Mock

import pytest
from redis.asyncio import Connection
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import ResponseError

from synckairos.adapters.redis.connections.wire import Wire

ASKED = [("GET", "a"), ("INCR", "b")]
ANSWER = b"$3\r\none\r\n:2\r\n"


class Line:
    """A wire over a transport that only remembers what was written."""

    def __init__(self, timeout_s: float = 30.0) -> None:
        self.transport = Mock(asyncio.Transport)
        self.transport.is_closing.return_value = False
        opened = Mock(_writer=Mock(transport=self.transport), _parser=Connection()._parser)
        self.wire = Wire(opened, timeout_s)


async def test_commands_go_out_together() -> None:
    """One write for all of them, so that they share a packet."""
    line = Line()

    line.wire.exchange(ASKED)

    line.transport.write.assert_called_once_with(b"*2\r\n$3\r\nGET\r\n$1\r\na\r\n*2\r\n$4\r\nINCR\r\n$1\r\nb\r\n")


@pytest.mark.parametrize("size", range(1, len(ANSWER) + 1))
async def test_replies_may_arrive_in_any_pieces(size: int) -> None:
    """TCP cuts where it likes."""
    line = Line()
    replies = line.wire.exchange(ASKED)

    for start in range(0, len(ANSWER), size):
        assert not replies.done()
        line.wire.data_received(ANSWER[start : start + size])

    assert await replies == [b"one", 2]


async def test_an_error_reply_is_one_of_the_replies() -> None:
    """It concerns its own command; the connection goes on."""
    line = Line()
    replies = line.wire.exchange(ASKED)

    line.wire.data_received(b"-ERR no\r\n:2\r\n")

    error, number = await replies
    assert isinstance(error, ResponseError)
    assert number == 2


@pytest.mark.parametrize(
    ("received", "raised"),
    [(b"-LOADING the dataset\r\n", "LOADING|loading|dataset"), (b"what is this\r\n", "this is not Redis")],
)
async def test_what_ends_an_exchange(received: bytes, raised: str) -> None:
    """A server that is not there yet, or something that is no Redis: what was asked may have been done."""
    line = Line()
    replies = line.wire.exchange(ASKED)

    line.wire.data_received(received)

    with pytest.raises(RedisConnectionError, match=raised):
        await replies


async def test_an_exchange_of_nothing_is_over_at_once() -> None:
    """Nothing is written for it, and nothing waited for."""
    line = Line()

    assert await line.wire.exchange([]) == []
    line.transport.write.assert_not_called()


async def test_the_end_of_the_stream_ends_the_exchange() -> None:
    """Before the transport has closed: it may have much to send to nobody."""
    line = Line()
    replies = line.wire.exchange(ASKED)

    line.wire.eof_received()

    with pytest.raises(RedisConnectionError):
        await replies


@pytest.mark.parametrize("answered", [False, True])
async def test_what_nobody_has_asked_for_closes_the_connection(answered: bool) -> None:
    """It must not become the answer to the next exchange."""
    line = Line()
    if answered:
        line.wire.exchange(ASKED)

    line.wire.data_received(ANSWER * answered + b"+OK\r\n")

    line.transport.abort.assert_called_once_with()


@pytest.mark.parametrize("answered", [False, True])
async def test_closing_sends_nothing_more_of_what_is_unanswered(answered: bool) -> None:
    """Half of a transaction in the buffers would reach a server that comes back."""
    line = Line()
    line.wire.exchange(ASKED)
    if answered:
        line.wire.data_received(ANSWER)

    line.wire.close()

    assert line.transport.abort.called is not answered


@pytest.mark.parametrize("error", [None, ConnectionResetError()])
async def test_a_lost_connection_ends_the_exchange(error: Exception | None) -> None:
    """Orderly or not; and redis-py, which opened it, hears of it."""
    line = Line()
    replies = line.wire.exchange(ASKED)

    line.wire.connection_lost(error)

    with pytest.raises((RedisConnectionError, ConnectionResetError)):
        await replies
    line.transport.get_protocol.return_value.connection_lost.assert_called_once_with(error)


async def test_silence_ends_the_exchange_and_an_old_timer_does_not() -> None:
    """The timer of the exchange before finds a younger one, and gives it its own time."""
    line = Line(timeout_s=0.05)
    first = line.wire.exchange(ASKED)
    line.wire.data_received(ANSWER)
    await first
    started = asyncio.get_running_loop().time()

    with pytest.raises(TimeoutError):
        await line.wire.exchange(ASKED)

    assert asyncio.get_running_loop().time() - started >= 0.05


async def test_a_transport_that_is_gone_is_a_lost_connection() -> None:
    """uvloop says RuntimeError of one that was reset while idle."""
    line = Line()
    line.transport.write.side_effect = RuntimeError("the handler is closed")

    with pytest.raises(RedisConnectionError, match="was reset"):
        await line.wire.exchange(ASKED)
