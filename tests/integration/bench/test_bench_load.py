"""The load generator against real gRPC servers: it is believed when it says that there was no error."""

import asyncio
import contextlib
import socket
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import grpc
import pytest

from bench import echo_server
from bench.load.callers import Callers
from bench.load.http2 import Connection, HeaderTable, Kind, status_of
from bench.load.jobs import CallsJob, Result, StreamJob
from bench.load.stream_callers import StreamCallers
from testing.harness.processes.server_process import free_port

UNARY = "/bench.Echo/Unary"
STREAM = "/bench.Echo/Stream"
RUN_S = 0.2


@asynccontextmanager
async def serving(build: Callable[[str], grpc.aio.Server]) -> AsyncIterator[str]:
    """Run a server while the body runs; yields its address."""
    address = f"127.0.0.1:{free_port()}"
    server = build(address)
    await server.start()
    try:
        yield address
    finally:
        await server.stop(0)


@pytest.fixture
async def echo() -> AsyncIterator[str]:
    """The echo of the benchmarks."""
    async with serving(echo_server.build) as address:
        yield address


def answering(behaviour: Callable[[Any, Any], Any]) -> Callable[[str], grpc.aio.Server]:
    """Return what builds a server that answers every call of one method with this."""

    def build(address: str) -> grpc.aio.Server:
        server = grpc.aio.server()
        methods: Any = {"Unary": grpc.unary_unary_rpc_method_handler(behaviour)}
        server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("bench.Echo", methods),))
        server.add_insecure_port(address)
        return server

    return build


def job(address: str, **more: Any) -> CallsJob:
    """Return a job of four callers over two connections."""
    given: dict[str, Any] = {"lanes": [[(0, b"\x0a\x00")]] * 4, "warm_s": 0.0, "run_s": RUN_S, **more}
    return CallsJob(addresses=[address], connections=2, paths=[UNARY], **given)


def carried_out(worker: Callers | StreamCallers) -> Result:
    """Run a job to its end."""
    try:
        return worker.run(time.monotonic())
    finally:
        worker.close()


async def called(given: CallsJob) -> Result:
    """Make the calls of a job, beside the server in this process."""
    return await asyncio.to_thread(lambda: carried_out(Callers(given)))


async def test_every_answer_is_counted_once() -> None:
    """The server has seen as many calls as have latencies, all of them OK."""
    seen = 0

    async def count(request: bytes, _: Any) -> bytes:
        nonlocal seen
        seen += 1
        return request

    async with serving(answering(count)) as address:
        result = await called(job(address))

    assert result.errors == {}
    assert result.calls > 0
    assert len(result.latencies) == seen
    assert result.samples == {0: b"\x0a\x00"}


async def test_a_refusal_is_an_error_with_its_status() -> None:
    """Only status 0 counts as an answer."""

    async def refuse(_: bytes, context: Any) -> None:
        await context.abort(grpc.StatusCode.RESOURCE_EXHAUSTED, "too much")

    async with serving(answering(refuse)) as address:
        result = await called(job(address, is_once=True))

    assert (result.calls, result.errors) == (0, {"8: too much": 4})


async def test_a_caller_that_is_told_to_makes_a_pause() -> None:
    """Its call counts as refused then, not as an error, and is made again after the pause."""

    async def refuse(_: bytes, context: Any) -> None:
        await context.abort(grpc.StatusCode.UNAVAILABLE, "later", (("grpc-retry-pushback-ms", "100"),))

    async with serving(answering(refuse)) as address:
        result = await called(job(address, run_s=0.5, takes_pauses=True))

    assert (result.calls, result.errors) == (0, {})
    assert 4 < result.refused <= 4 * 5


async def test_a_fixed_rate_is_kept_and_waiting_counts_from_when_a_call_was_due() -> None:
    """A server that answers nothing for a while makes all calls of that while late: they are not left out."""
    first = True

    async def stall_once(request: bytes, _: Any) -> bytes:
        nonlocal first
        if first:
            first = False
            time.sleep(0.1)  # noqa: ASYNC251 - the whole server stands still, that is the point
        return request

    async with serving(answering(stall_once)) as address:
        result = await called(job(address, rate=200.0))

    late = [latency for latency in result.latencies if latency > 0.05]
    assert len(result.latencies) == 200 * RUN_S
    assert len(late) >= 8


async def test_request_ids_differ() -> None:
    """Each call carries field 2 with a UUID of its own behind the prepared request."""
    seen: list[bytes] = []

    async def note(request: bytes, _: Any) -> bytes:
        seen.append(request)
        return b""

    async with serving(answering(note)) as address:
        await called(job(address, request_ids=True))

    assert len(set(seen)) == len(seen) > 4
    assert all(request.startswith(b"\x0a\x00\x12\x24") and len(request) == 40 for request in seen)


async def test_streams_answer_message_for_message(echo: str) -> None:
    """More goes through than any window holds at first."""
    given = StreamJob(
        addresses=[echo], path=STREAM, lanes=[[b"\x0a" + bytes(5_000)]], in_flight=32, warm_s=0.0, run_s=RUN_S
    )

    result = await asyncio.to_thread(lambda: carried_out(StreamCallers(given)))

    assert result.errors == {}
    assert len(result.latencies) > 32


async def test_a_server_that_is_gone_is_an_error(echo: str) -> None:
    """A connection that breaks is never taken for silence."""

    def break_in_the_middle() -> None:
        with contextlib.closing(Connection(echo)) as connection:
            stream = connection.open(UNARY, b"")
            connection.flush()
            while Kind.END not in {arrival.kind for arrival in connection.receive() if arrival.stream == stream}:
                connection.flush()
            connection._socket.shutdown(socket.SHUT_RD)
            while connection.receive():
                pass

    with pytest.raises(ConnectionResetError):
        await asyncio.to_thread(break_in_the_middle)


def test_headers_are_told_in_full_once() -> None:
    """The second request for a path names its headers by their numbers."""
    table = HeaderTable("127.0.0.1:1")

    first, second, third = table.block("/a/B"), table.block("/a/B"), table.block("/a/C")

    assert b"application/grpc" in first
    assert len(second) == 8
    assert b"/a/C" in third
    assert b"application/grpc" not in third


@pytest.mark.parametrize(
    ("block", "status"),
    [
        (b"\x40\x0bgrpc-status\x010\x00\x0cgrpc-message\x00", "0: "),
        (b"\x40\x0bgrpc-status\x0214\x00\x0cgrpc-message\x04gone", "14: gone"),
        (b"\x00\x0cgrpc-message\x7f\x49" + b"x" * 200, "?: " + "x" * 200),
        (b"\x88", "?: "),
    ],
)
def test_a_status_is_read_where_it_stands(block: bytes, status: str) -> None:
    """Long texts included, whose length takes more than a byte."""
    assert status_of(block) == status
