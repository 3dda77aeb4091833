"""ServerClock against a server that a test holds in its hands."""

import asyncio
from collections.abc import Callable

import grpc
import pytest

from synckairos.client.server_clock import ServerClock, SyncServerClock, local_us
from synckairos.v1 import time_service_pb2 as pb

AHEAD_US = 1_000_000_000_000


class Unreachable(grpc.RpcError):
    """What a call ends with while there is no server."""


class FakeServer:
    """Answers as a server whose clock is ahead of the local one; `is_away`: not at all."""

    def __init__(self, local: Callable[[], int] = local_us) -> None:
        self.is_away = False
        self.error_us = 0
        self.calls = 0
        self.called = asyncio.Event()
        self._local = local

    def answer(self) -> pb.SyncTimeResponse:
        """Return what SyncTime answers now."""
        self.calls += 1
        self.called.set()
        if self.is_away:
            raise Unreachable
        reply = pb.SyncTimeResponse(server_error_us=self.error_us)
        reply.server_receive_time.FromMicroseconds(self._local() + AHEAD_US)
        reply.server_transmit_time.FromMicroseconds(self._local() + AHEAD_US)
        return reply


class AsyncStub(FakeServer):
    """The server, as a stub of grpc.aio sees it."""

    async def SyncTime(  # noqa: N802 - the contract's name
        self,
        _request: pb.SyncTimeRequest,
        *,
        timeout: float | None,  # noqa: ASYNC109 - as gRPC's stubs have it
    ) -> pb.SyncTimeResponse:
        """Answer, unless the caller has no patience at all."""
        assert timeout
        return self.answer()


class BlockingStub(FakeServer):
    """The server, as a stub of grpc sees it."""

    def SyncTime(self, _request: pb.SyncTimeRequest, *, timeout: float | None) -> pb.SyncTimeResponse:  # noqa: N802 - the contract's name
        """Answer, unless the caller has no patience at all."""
        assert timeout
        return self.answer()


async def test_it_shows_the_servers_time_by_eight_samples() -> None:
    """In microseconds, and in ms cut off as the service cuts them."""
    stub = AsyncStub(lambda: 5_001_700)
    clock = ServerClock(stub, local=lambda: 5_001_700)

    await clock.sync()

    assert stub.calls == 8
    assert clock.now_us() == AHEAD_US + 5_001_700
    assert clock.now_ms() == (AHEAD_US + 5_001_700) // 1_000
    assert clock.uncertainty_ms == 0.5


@pytest.mark.parametrize(("stated_us", "expected_ms"), [(4_000, 4.003), (50, 0.053), (0, 0.5)])
async def test_what_the_server_does_not_know_is_uncertain_for_good(stated_us: int, expected_ms: float) -> None:
    """And by the twin without asyncio; a server of an earlier version does not say, and is taken at half a ms."""
    local = [5_001_700]
    stub, blocking = AsyncStub(lambda: local[0]), BlockingStub(lambda: local[0])
    stub.error_us = blocking.error_us = stated_us
    clock, twin = ServerClock(stub, local=lambda: local[0]), SyncServerClock(blocking, local=lambda: local[0])
    await clock.sync()
    twin.sync()

    at_first = clock.uncertainty_ms
    local[0] += 60_000_000

    assert at_first == expected_ms
    assert clock.uncertainty_ms == twin.uncertainty_ms == pytest.approx(expected_ms + 6)


async def test_it_is_not_read_before_it_knows() -> None:
    """A clock that was never compared shows no time at all."""
    clock = ServerClock(AsyncStub())

    assert not clock.is_synchronised
    with pytest.raises(RuntimeError, match="synchronised"):
        clock.now_ms()


async def test_the_first_comparison_says_that_there_is_no_server() -> None:
    """Nobody goes on with a clock that knows nothing."""
    stub = AsyncStub()
    stub.is_away = True

    with pytest.raises(Unreachable):
        await ServerClock(stub).start()


async def test_it_runs_on_without_a_server_and_grows_less_certain() -> None:
    """And compares itself again once the server is back."""
    local = [0]
    stub = AsyncStub(lambda: local[0])
    async with ServerClock(stub, period_s=0.001, local=lambda: local[0]) as clock:
        stub.is_away = True
        local[0] += 40_000_000
        certain = clock.uncertainty_ms
        await _called(stub, 3)
        assert clock.now_us() == AHEAD_US + local[0]
        assert certain == clock.uncertainty_ms == 4.5

        stub.is_away = False
        await _called(stub, 16)

        assert clock.uncertainty_ms == 0.5


async def _called(stub: FakeServer, times: int) -> None:
    until = stub.calls + times
    async with asyncio.timeout(10):
        while stub.calls < until:
            stub.called.clear()
            await stub.called.wait()


async def test_a_closed_clock_asks_no_more() -> None:
    """It can still be read."""
    stub = AsyncStub()
    clock = ServerClock(stub, period_s=0.001)
    await clock.start()
    await _called(stub, 1)

    await clock.aclose()

    calls = stub.calls
    await asyncio.sleep(0)
    assert stub.calls == calls
    assert clock.now_ms() > 0


def test_the_twin_without_asyncio_shows_the_same() -> None:
    """A thread keeps it synchronised, until it is closed; then it can be synchronised by hand."""
    stub = BlockingStub(lambda: 5_001_700)
    with SyncServerClock(stub, period_s=0.001, local=lambda: 5_001_700) as clock:
        assert clock.now_us() == AHEAD_US + 5_001_700

    calls = stub.calls
    clock.sync()

    assert stub.calls == calls + 8
    assert clock.uncertainty_ms == 0.5
