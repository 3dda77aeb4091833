"""Unary calls, served the lean way and by grpc.aio: nobody outside can tell them apart."""

import asyncio
import gc
from collections.abc import AsyncIterator, Awaitable, Callable
from types import SimpleNamespace
from typing import Any, Final

import grpc
import pytest
from structlog.testing import capture_logs

from synckairos.devstack import RedisServer
from synckairos.rpc import lean
from synckairos.rpc.interceptor import CallInterceptor
from synckairos.rpc.request_ids import REQUEST_ID_HEADER
from synckairos.rpc.server import MAX_RECEIVE_BYTES, SESSION_SERVICE, Health, build_server, stop_server
from synckairos.v1 import session_pb2
from synckairos.v1 import session_service_pb2 as pb
from testing.harness.processes.in_process import serving, settings_for
from testing.harness.waiting import eventually

GET: Final = f"/{SESSION_SERVICE.full_name}/GetSession"
CROWD: Final = 500
GRACE_S: Final = 300.0
"""Longer than any test may take: a test that waits for it fails."""

Behaviour = Callable[[Any, Any], Awaitable[Any]]


class Scripted:
    """All methods of the service, behaving as a test says."""

    def __init__(self) -> None:
        self.behaviour: Behaviour = self.answer
        self.begun = asyncio.Event()
        self.released = asyncio.Event()
        self.was_cancelled = asyncio.Event()

    def __getattr__(self, name: str) -> Behaviour:
        if not name[0].isupper():
            raise AttributeError(name)
        return self._call

    async def _call(self, request: Any, context: Any) -> Any:
        return await self.behaviour(request, context)

    async def answer(self, request: Any, _context: Any) -> Any:
        """Send back the id asked for."""
        return pb.GetSessionResponse(session=session_pb2.Session(session_id=request.session_id))

    async def stay(self, request: Any, context: Any) -> Any:
        """Answer when released."""
        self.begun.set()
        try:
            await self.released.wait()
        except asyncio.CancelledError:
            self.was_cancelled.set()
            raise
        return await self.answer(request, context)


class Calls:
    """A server of a scripted service, and what a client needs to call it."""

    def __init__(self, *, is_lean: bool) -> None:
        self.service = Scripted()
        self.ended: list[tuple[str, str]] = []
        observer = SimpleNamespace(call=lambda _method, code, reason, _seconds: self.ended.append((code, reason)))
        self.interceptor = CallInterceptor(observer, lambda: "made-up")
        services = {SESSION_SERVICE: [self.service]}
        self.server = build_server(services, self.interceptor, Health(), may_be_lean=is_lean)
        assert isinstance(self.server, lean.LeanServer) is is_lean

    def get(self, channel: grpc.aio.Channel, encoded: bytes = b"", **more: Any) -> Any:
        """Begin a GetSession with these bytes; its answer is bytes."""
        return channel.unary_unary(GET)(encoded, **more)

    async def stop(self, grace_s: float) -> None:
        """Stop the server, in time for a test."""
        async with asyncio.timeout(20):
            await stop_server(self.server, lambda: self.interceptor.under_way, grace_s)


@pytest.fixture(params=[True, False], ids=["lean", "stock"])
async def calls(request: pytest.FixtureRequest) -> AsyncIterator[Calls]:
    """A server that is not started."""
    calls = Calls(is_lean=request.param)
    yield calls
    calls.service.released.set()
    await calls.server.stop(None)


@pytest.fixture
async def channel(calls: Calls) -> AsyncIterator[grpc.aio.Channel]:
    """A connection to the server, which serves."""
    port = calls.server.add_insecure_port("127.0.0.1:0")
    await calls.server.start()
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        yield channel


async def refusal(call: Any) -> grpc.aio.AioRpcError:
    """Return how a call was refused."""
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call
    return caught.value


async def test_what_a_handler_hears_and_says_arrives(calls: Calls, channel: grpc.aio.Channel) -> None:
    """Metadata both ways, trailers, the deadline, the peer, a code without an abort, and the compression."""
    heard: dict[str, Any] = {}

    async def behave(request: Any, context: Any) -> Any:
        heard.update(dict(context.invocation_metadata()), peer=context.peer(), left=context.time_remaining())
        context.set_compression(grpc.Compression.Gzip)
        await context.send_initial_metadata((("first", "1"),))
        context.set_trailing_metadata((("last", "2"),))
        return await calls.service.answer(request, context)

    calls.service.behaviour = behave
    request = pb.GetSessionRequest(session_id="x" * 10_000).SerializeToString()
    call = calls.get(channel, request, metadata=(("asked", "0"),), timeout=50, compression=grpc.Compression.Gzip)

    reply = pb.GetSessionResponse.FromString(await call)

    assert reply.session.session_id == "x" * 10_000
    assert heard["asked"] == "0"
    assert heard["peer"].startswith("ipv4:127.0.0.1:")
    assert 40 < heard["left"] <= 50.5  # gRPC sends timeouts rounded up, to three figures
    assert dict(await call.initial_metadata())["first"] == "1"
    assert dict(await call.trailing_metadata())["last"] == "2"
    assert await call.code() is grpc.StatusCode.OK
    assert calls.ended == [("OK", "")]


async def test_a_code_that_is_set_is_sent(calls: Calls, channel: grpc.aio.Channel) -> None:
    """A handler need not abort to refuse."""

    async def behave(_request: Any, context: Any) -> Any:
        context.set_code(grpc.StatusCode.DATA_LOSS)
        context.set_details("gone")
        return pb.GetSessionResponse()

    calls.service.behaviour = behave

    error = await refusal(calls.get(channel))

    assert (error.code(), error.details()) == (grpc.StatusCode.DATA_LOSS, "gone")


async def test_an_abort_ends_the_call(calls: Calls, channel: grpc.aio.Channel) -> None:
    """Code, details and trailers arrive; what comes after it does not run."""

    async def behave(_request: Any, context: Any) -> Any:
        await context.abort(grpc.StatusCode.ABORTED, "no", (("why", "so"),))
        calls.service.begun.set()

    calls.service.behaviour = behave

    error = await refusal(calls.get(channel))

    assert (error.code(), error.details()) == (grpc.StatusCode.ABORTED, "no")
    assert dict(error.trailing_metadata())["why"] == "so"
    assert not calls.service.begun.is_set()


async def test_a_bug_is_answered_under_a_request_id(calls: Calls, channel: grpc.aio.Channel) -> None:
    """INTERNAL, without the exception's text, and the next call is served."""

    async def break_down(_request: Any, _context: Any) -> Any:
        raise ZeroDivisionError("secret")

    calls.service.behaviour = break_down
    with capture_logs() as logs:
        error = await refusal(calls.get(channel, metadata=((REQUEST_ID_HEADER, "mine"),)))
    calls.service.behaviour = calls.service.answer
    await calls.get(channel)

    assert error.code() is grpc.StatusCode.INTERNAL
    assert "secret" not in str(error.details())
    assert dict(error.trailing_metadata())[REQUEST_ID_HEADER] == "mine"
    assert [log["event"] for log in logs] == ["call_broke"]


async def test_what_cannot_be_read_is_refused(calls: Calls, channel: grpc.aio.Channel) -> None:
    """Bytes of no message, a message over the limit, and a method that is not there."""
    unreadable = await refusal(calls.get(channel, b"\xff"))
    too_large = await refusal(calls.get(channel, bytes(MAX_RECEIVE_BYTES + 1)))
    unknown = await refusal(channel.unary_unary(f"/{SESSION_SERVICE.full_name}/Unknown")(b""))

    assert unreadable.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert too_large.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert unknown.code() is grpc.StatusCode.UNIMPLEMENTED
    assert calls.ended == [("INVALID_ARGUMENT", "INVALID_FIELD")]


async def test_a_client_that_gives_up_ends_the_handler(calls: Calls, channel: grpc.aio.Channel) -> None:
    """By cancelling and by its deadline; no call is counted as under way any more."""
    calls.service.behaviour = calls.service.stay

    call = calls.get(channel)
    await asyncio.wait_for(calls.service.begun.wait(), 20)
    assert calls.interceptor.under_way == 1
    call.cancel()
    await asyncio.wait_for(calls.service.was_cancelled.wait(), 20)
    calls.service.was_cancelled.clear()
    late = await refusal(calls.get(channel, timeout=0.05))
    await asyncio.wait_for(calls.service.was_cancelled.wait(), 20)

    assert late.code() is grpc.StatusCode.DEADLINE_EXCEEDED
    await eventually(lambda: calls.interceptor.under_way == 0)
    assert [code for code, _ in calls.ended] == ["CANCELLED", "CANCELLED"]


async def test_a_call_that_is_over_leaves_nothing_behind(calls: Calls, channel: grpc.aio.Channel) -> None:
    """What the garbage collector has to find, every other call waits for: a pass of it took 20 ms, once a second."""
    await calls.get(channel)
    gc.collect()
    gc.disable()
    try:
        await asyncio.gather(*(calls.get(channel) for _ in range(50)))
        await eventually(lambda: calls.interceptor.under_way == 0)
        left = [one for one in gc.get_objects() if type(one).__name__ == "_ServicerContext"]
    finally:
        gc.enable()

    assert not left


async def test_a_crowd_is_served_at_once(calls: Calls, channel: grpc.aio.Channel) -> None:
    """All of them are in their handlers together, and all are answered."""
    arrived = 0

    async def meet(request: Any, context: Any) -> Any:
        nonlocal arrived
        arrived += 1
        if arrived == CROWD:
            calls.service.released.set()
        return await calls.service.stay(request, context)

    calls.service.behaviour = meet

    replies = await asyncio.gather(
        *(
            calls.get(channel, pb.GetSessionRequest(session_id=str(number)).SerializeToString(), timeout=60)
            for number in range(CROWD)
        )
    )

    ids = [pb.GetSessionResponse.FromString(reply).session.session_id for reply in replies]
    assert ids == [str(number) for number in range(CROWD)]


@pytest.mark.parametrize("calls", [True], ids=["lean"], indirect=True)
async def test_a_method_that_is_called_gets_more_tasks(calls: Calls, channel: grpc.aio.Channel) -> None:
    """What nobody calls keeps few, so that a server starts quickly."""
    await asyncio.gather(*(calls.get(channel, timeout=60) for _ in range(CROWD)))

    accepting_of = calls.server._server.accepting_of
    assert accepting_of.pop(GET.encode()) == lean.ACCEPTING
    assert set(accepting_of.values()) == {lean.FIRST_ACCEPTING}


async def test_a_stopping_server_lets_a_call_finish(calls: Calls, channel: grpc.aio.Channel) -> None:
    """It is answered within the grace, later ones are refused, and nothing goes on accepting."""
    calls.service.behaviour = calls.service.stay
    call = calls.get(channel)
    await asyncio.wait_for(calls.service.begun.wait(), 20)

    stopping = asyncio.ensure_future(calls.stop(GRACE_S))
    await asyncio.sleep(0)
    calls.service.released.set()
    answer = await call
    await stopping

    assert answer == pb.GetSessionResponse(session=session_pb2.Session()).SerializeToString()
    assert (await refusal(calls.get(channel))).code() is grpc.StatusCode.UNAVAILABLE
    await eventually(lambda: not accepting(calls.server))


async def test_a_stopping_server_cuts_off_what_outlasts_the_grace(calls: Calls, channel: grpc.aio.Channel) -> None:
    """The handler is cancelled, and its client told to go elsewhere."""
    calls.service.behaviour = calls.service.stay
    call = calls.get(channel)
    await asyncio.wait_for(calls.service.begun.wait(), 20)

    await calls.stop(0.05)

    assert (await refusal(call)).code() in {grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.CANCELLED}
    await asyncio.wait_for(calls.service.was_cancelled.wait(), 20)
    await eventually(lambda: not accepting(calls.server))


def accepting(server: grpc.aio.Server) -> object:
    """Return the tasks of a server that accept calls the lean way."""
    return server._server.accepting if isinstance(server, lean.LeanServer) else None


@pytest.mark.parametrize(
    ("missing", "may_be", "is_lean"), [(False, True, 1), (False, False, 0), (True, True, 0)],
    ids=["as a rule", "switched off", "another grpcio"],
)  # fmt: skip
async def test_a_server_says_which_way_its_calls_go(
    monkeypatch: pytest.MonkeyPatch, redis_server: RedisServer, missing: bool, may_be: bool, is_lean: int
) -> None:
    """Where grpcio lacks a name, or where it is switched off, grpc.aio serves; the log and a metric say so."""
    if missing:
        monkeypatch.setitem(lean.NEEDED, "grpc._cython.cygrpc:AioServer.not_there", None)

    with capture_logs() as logs:
        async with serving(settings_for(redis_server.url, grpc_lean=may_be)) as server:
            async with grpc.aio.insecure_channel(f"127.0.0.1:{server.port}") as channel:
                error = await refusal(channel.unary_unary(GET)(b""))
            shown = server._metrics.registry.get_sample_value("synckairos_grpc_lean")

    assert error.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert shown == is_lean
    told = [log["lacking"] for log in logs if log["event"] == "grpc_not_lean"]
    assert told == ([["grpc._cython.cygrpc:AioServer.not_there"]] if missing else [])


@pytest.mark.parametrize("name", lean.NEEDED)
def test_every_name_is_looked_for(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """A grpcio that lacks one of them, or has other parameters there, is not taken for one that has it."""
    found = lean._found
    monkeypatch.setattr(lean, "_found", lambda wanted: None if wanted == name else found(wanted))
    assert lean.lacking() == [name]

    if lean.NEEDED[name] is not None:
        monkeypatch.setattr(lean, "_found", lambda wanted: _other if wanted == name else found(wanted))
        assert lean.lacking() == [name]


def _other(_one: object, _more: object, _than: object, _any: object, _of: object, _them: object, _has: object) -> None:
    """Take other parameters than anything that grpcio has."""
