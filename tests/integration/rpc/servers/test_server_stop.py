"""How a server stops: calls in handlers may finish, calls that no handler ever got are not waited for."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, Final

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from synckairos.devstack import RedisServer
from synckairos.rpc.server import IDLE_LOOK_S, IDLE_LOOKS, stop_server
from synckairos.v1 import session_service_pb2 as pb
from testing.harness.client import Stub, connect, running_session
from testing.harness.processes.in_process import serving, settings_for
from testing.harness.processes.tcp_proxy import TcpProxy

GRACE_S: Final = 300.0
"""Longer than any test may take: a test that waits for it fails."""
IN_TIME_S: Final = 20.0


class HeldCalls:
    """A server with one method, whose calls stay until released, and one call under way."""

    def __init__(self) -> None:
        self.server = grpc.aio.server()
        self.begun = asyncio.Event()
        self.released = asyncio.Event()
        handler = grpc.unary_unary_rpc_method_handler(self._stay)
        self.server.add_generic_rpc_handlers(
            (grpc.method_handlers_generic_handler("test.HeldCalls", {"Stay": handler}),)
        )

    async def _stay(self, request: bytes, _context: Any) -> bytes:
        self.begun.set()
        await self.released.wait()
        return request

    async def stopped_under_a_call(
        self, under_way: Callable[[], int], grace_s: float, streams_ended: Awaitable[Any] | None = None
    ) -> bytes:
        """Stop the server while a call is under way; return the call's answer once the server has stopped."""
        port = self.server.add_insecure_port("127.0.0.1:0")
        await self.server.start()
        async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
            call = channel.unary_unary("/test.HeldCalls/Stay")(b"asked")
            async with asyncio.timeout(IN_TIME_S):
                await self.begun.wait()
                await stop_server(self.server, under_way, grace_s, streams_ended)
                answer: bytes = await call
        return answer


@pytest.fixture
async def held() -> AsyncIterator[HeldCalls]:
    """A server that has not been started yet."""
    held = HeldCalls()
    yield held
    held.released.set()
    await held.server.stop(None)


@pytest.mark.parametrize("have_streams_ended", [True, False])
async def test_a_call_under_way_may_finish(held: HeldCalls, have_streams_ended: bool) -> None:
    """A call under way is waited for, however often the server looks, also where a stream of commands does not end."""
    looks = 0

    def under_way() -> int:
        nonlocal looks
        looks += 1
        if looks == 2 * IDLE_LOOKS:
            held.released.set()
        return 1

    streams_ended = None if have_streams_ended else asyncio.Event().wait()
    answer = await held.stopped_under_a_call(under_way, GRACE_S, streams_ended)

    assert answer == b"asked"
    assert looks >= 2 * IDLE_LOOKS


async def test_a_pause_between_calls_cuts_nothing_off(held: HeldCalls) -> None:
    """A call accepted earlier may begin a little later: the server must stay idle for a while."""
    counts = iter([*[0] * (IDLE_LOOKS - 1), 1] * 3)

    def under_way() -> int:
        count = next(counts, None)
        if count is None:
            held.released.set()
        return count or 0

    answer = await held.stopped_under_a_call(under_way, GRACE_S)

    assert answer == b"asked"


async def test_a_call_that_no_handler_got_is_told_to_go_elsewhere(held: HeldCalls) -> None:
    """It ends with a status that clients repeat, long before the grace and its own deadline are over."""
    with pytest.raises(grpc.aio.AioRpcError) as lost:
        await held.stopped_under_a_call(lambda: 0, GRACE_S)

    assert lost.value.code() is grpc.StatusCode.UNAVAILABLE


async def test_after_the_grace_calls_under_way_are_cut_off(held: HeldCalls) -> None:
    """A call that does not end is not waited for any longer."""
    with pytest.raises(grpc.aio.AioRpcError) as late:
        await held.stopped_under_a_call(lambda: 1, 0.1)

    assert late.value.code() is grpc.StatusCode.UNAVAILABLE


@pytest.mark.parametrize("method", ["SwitchCycle", "ExecuteCommands"])
async def test_a_change_under_way_is_answered_before_the_server_goes(redis_server: RedisServer, method: str) -> None:
    """Redis takes longer than the server must stay idle: the caller still gets the outcome of the change."""
    async with TcpProxy("127.0.0.1", redis_server.port) as proxy:
        begun = asyncio.Event()

        def note(data: bytes) -> bytes:
            if session.session_id.encode() in data:
                begun.set()
            return data

        settings = settings_for(f"redis://127.0.0.1:{proxy.port}/0", drain_grace_s=GRACE_S, redis_timeout_s=IN_TIME_S)
        async with serving(settings) as server, connect(server.address) as stub:
            session = await running_session(stub)
            request = pb.SwitchCycleRequest(session_id=session.session_id)
            proxy.delay(2 * IDLE_LOOKS * IDLE_LOOK_S)
            proxy.on_client_data = note
            change = asyncio.ensure_future(switched(stub, method, request))
            async with asyncio.timeout(IN_TIME_S):
                await begun.wait()
                await server.stop()
                version = await change

    assert version == session.version + 1


async def switched(stub: Stub, method: str, request: pb.SwitchCycleRequest) -> int:
    """Switch by a call of its own or by a stream of commands, and return the version."""
    if method == "SwitchCycle":
        return int((await stub.SwitchCycle(request)).session.version)
    call = stub.ExecuteCommands()
    await call.write(pb.ExecuteCommandsRequest(command_id="c", switch_cycle=request))
    response = await call.read()
    call.cancel()
    return int(response.result.session.version)


async def test_watchers_of_health_do_not_delay_the_stop(redis_server: RedisServer) -> None:
    """A balancer that keeps its stream open after NOT_SERVING does not make the server use up its grace."""
    settings = settings_for(redis_server.url, drain_grace_s=GRACE_S)
    async with serving(settings) as server, grpc.aio.insecure_channel(server.address) as channel:
        watch = health_pb2_grpc.HealthStub(channel).Watch(health_pb2.HealthCheckRequest())
        first = await watch.read()

        async with asyncio.timeout(IN_TIME_S):
            await server.stop()

        second = await watch.read()
        with pytest.raises(grpc.aio.AioRpcError) as ended:
            await watch.read()

    assert [message.status for message in (first, second)] == [
        health_pb2.HealthCheckResponse.SERVING,
        health_pb2.HealthCheckResponse.NOT_SERVING,
    ]
    assert ended.value.code() is grpc.StatusCode.UNAVAILABLE
